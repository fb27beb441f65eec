//! The macro behind the pod's view.

/// Defines a struct that is read leniently from a map: unknown keys are skipped
/// without being built, `null` is the field's default, of a duplicate key the last
/// one counts. `has_members` tells an empty object from one that holds something,
/// known to this version or not: an empty one may be replaced whole.
macro_rules! view {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(<$lt:lifetime>)? {
            $( $field:ident : $ty:ty = $key:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub struct $name $(<$lt>)? {
            $(
                #[doc = concat!("`", $key, "`")]
                pub $field: $ty,
            )*
            /// Whether the object holds any member, known or not.
            pub has_members: bool,
        }

        impl<'de $(: $lt, $lt)?> serde::Deserialize<'de> for $name $(<$lt>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
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

                struct ViewVisitor<T>(std::marker::PhantomData<T>);

                impl<'de $(: $lt, $lt)?> serde::de::Visitor<'de> for ViewVisitor<$name $(<$lt>)?> {
                    type Value = $name $(<$lt>)?;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a map")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut view = <$name>::default();
                        while let Some(member) = map.next_key::<Key>()? {
                            view.has_members = true;
                            match member {
                                $( Key::$field => {
                                    view.$field = map.next_value::<Option<$ty>>()?.unwrap_or_default();
                                } )*
                                Key::Other => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(view)
                    }
                }

                deserializer.deserialize_map(ViewVisitor(std::marker::PhantomData))
            }
        }
    };
}

pub(crate) use view;
