//! The macro behind the pod's view.

/// Defines a struct that is read leniently from a map. Unknown keys are skipped without being
/// built, `null` is the field's default, and of a duplicate key the last one counts.
/// `has_members` tells an empty object from one with members, known to this version or not:
/// an empty object may be replaced whole. `has_unknown` tells whether any is not known.
#[macro_export]
macro_rules! view {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(<$lt:lifetime>)? {
            $( $field:ident : $ty:ty = $key:literal, )*
            $( @ $memo:ident : $of:ty, )?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub struct $name $(<$lt>)? {
            $(
                #[doc = concat!("`", $key, "`")]
                pub $field: $ty,
            )*
            $(
                /// What was found out about it: asked for again and again, and never another.
                pub(crate) $memo: std::sync::OnceLock<$of>,
            )?
            /// Whether the object holds any member, known or not.
            pub has_members: bool,
            /// Whether the object holds a member that is not known.
            pub has_unknown: bool,
        }

        impl<'de $(: $lt, $lt)?> serde::Deserialize<'de> for $name $(<$lt>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut view = Self::default();
                $crate::pod::Fill::fill(&mut view, deserializer)?;
                Ok(view)
            }
        }

        impl<'de $(: $lt, $lt)?> $crate::pod::Fill<'de> for $name $(<$lt>)? {
            fn fill<D: serde::Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
                #[allow(non_camel_case_types, reason = "the variants are the fields' names")]
                enum Key { $( $field, )* Other }

                impl<'de> serde::Deserialize<'de> for Key {
                    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                        struct KeyVisitor;
                        impl serde::de::Visitor<'_> for KeyVisitor {
                            type Value = Key;
                            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                                f.write_str("a key")
                            }
                            fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key, E> {
                                Ok(match key {
                                    $( $key => Key::$field, )*
                                    _ => Key::Other,
                                })
                            }
                        }
                        d.deserialize_identifier(KeyVisitor)
                    }
                }

                struct Members<'v, T>(&'v mut T);

                impl<'de $(: $lt, $lt)?> serde::de::Visitor<'de> for Members<'_, $name $(<$lt>)?> {
                    type Value = ();
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a map")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
                        let view = self.0;
                        while let Some(member) = map.next_key::<Key>()? {
                            view.has_members = true;
                            match member {
                                $( Key::$field => {
                                    map.next_value_seed($crate::pod::Member(&mut view.$field))?;
                                } )*
                                Key::Other => {
                                    view.has_unknown = true;
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(())
                    }
                }

                // Something was read before only if the key is a duplicate.
                if self.has_members {
                    *self = Self::default();
                }
                deserializer.deserialize_map(Members(self))
            }
        }
    };
}
