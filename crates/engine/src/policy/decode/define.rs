//! Macros that turn one definition into a type, its decoder and its schema.

/// Declares a map with known keys: the type, its decoder and its schema.
///
/// `object!(struct Name as "noun" { field: Type = "key", … } check function)`. `noun` is the
/// word for its keys in errors. `check`, if given, inspects the whole after decoding and
/// reports what is wrong with it.
macro_rules! object {
    (
        $( #[$meta:meta] )*
        $vis:vis struct $name:ident as $noun:literal {
            $( $( #[doc = $doc:literal] )* $field:ident: $type:ty = $key:literal, )*
        }
        $( check $check:path )?
    ) => {
        #[derive(schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $( #[$meta] )*
        $vis struct $name {
            $( $( #[doc = $doc] )* #[schemars(rename = $key)] pub(crate) $field: $type, )*
        }

        impl $crate::policy::decode::Decode for $name {
            fn decode(
                node: &$crate::policy::tree::Node<'_>,
                decoder: &mut $crate::policy::decode::Decoder,
            ) -> Option<Self> {
                let keys = &[$( $key, )*];
                let fields = $crate::policy::decode::Fields::of(node, $noun, keys, decoder)?;
                $( let $field = fields.get($key, concat!($( $doc ),*), decoder); )*
                let decoded = Self { $( $field: $field?, )* };
                $( $check(&decoded, node, decoder); )?
                Some(decoded)
            }

            fn stand_in() -> Option<Self> {
                Some(Self { $( $field: $crate::policy::decode::Decode::stand_in()?, )* })
            }
        }
    };
}

/// Declares the settings of a rule: the `Settings` that the rule reads, and
/// `Stated`, what a policy may say of them.
macro_rules! settings {
    (
        $( #[$meta:meta] )*
        pub struct Settings {
            $( $( #[doc = $doc:literal] )* pub $field:ident: $type:ty = $key:literal, )*
        }
    ) => {
        $( #[$meta] )*
        #[derive(Clone, Debug, serde::Serialize)]
        pub struct Settings {
            $( $( #[doc = $doc] )* #[serde(rename = $key)] pub $field: $type, )*
        }

        $crate::policy::decode::object! {
            #[derive(Default)]
            #[schemars(inline)]
            pub(crate) struct Stated as "key" {
                $( $( #[doc = $doc] )* $field: Option<$type> = $key, )*
            }
        }

        impl $crate::policy::decode::RuleSettings for Settings {
            type Stated = Stated;

            fn short(action: Action) -> Stated {
                let mut stated = Stated::default();
                stated.action = Some(action);
                stated
            }

            fn complete(stated: Stated, base: Option<&Self>) -> Option<Self> {
                Some(Self {
                    $( $field: stated
                        .$field
                        .or_else(|| base.map(|base| base.$field.clone()))
                        .or_else(<$type as $crate::policy::decode::Decode>::absent)?, )*
                })
            }
        }
    };
}

/// Declares an enum of words: parsing, writing and schema.
macro_rules! words {
    ($name:ident as $noun:literal { $( $variant:ident = $word:literal, )* }) => {
        impl $crate::policy::decode::Decode for $name {
            fn decode(
                node: &$crate::policy::tree::Node<'_>,
                decoder: &mut $crate::policy::decode::Decoder,
            ) -> Option<Self> {
                let words = &[$( $word, )*];
                let Some(text) = node.text() else {
                    decoder.expected(node, $noun);
                    return None;
                };
                match text {
                    $( $word => Some(Self::$variant), )*
                    _ => {
                        decoder.unknown(node.span, $noun, text, words);
                        None
                    }
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(match self { $( Self::$variant => $word, )* })
            }
        }

        $crate::policy::decode::inline_schema!($name, { "enum": [$( $word, )*] });
    };
}

/// Gives a type a schema that is inlined where the type is used.
macro_rules! inline_schema {
    ($type:ty, $schema:tt) => {
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}

pub(crate) use {inline_schema, object, settings, words};
