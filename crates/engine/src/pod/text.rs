//! Strings and maps of strings, borrowed from the input.

use std::borrow::Cow;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::{Fill, Member};

/// A string, borrowed from the input where it holds no escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text))
            }
        }

        deserializer.deserialize_str(TextVisitor).map(Self)
    }
}

/// A map of strings in the order of the input: annotations, a node selector.
#[derive(Clone, Debug, Default)]
pub struct StringMap<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'a> StringMap<'a> {
    /// The value of `key`; of a duplicate key the last one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
    }

    /// The value of the key that is `start` and `end` together; of a duplicate key the last
    /// one.
    pub fn get_joined(&self, start: &str, end: &str) -> Option<&str> {
        let mut reversed = self.0.iter().rev();
        let found = reversed.find(|(name, _)| name.strip_prefix(start) == Some(end));
        found.map(|(_, value)| &**value)
    }

    /// Keys and values, in the order of the input.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de: 'a, 'a> Fill<'de> for Text<'a> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        *self = Text::deserialize(deserializer)?;
        Ok(())
    }
}

impl<'de: 'a, 'a> Fill<'de> for StringMap<'a> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        struct Entries<'v, 'a>(&'v mut Vec<(Text<'a>, Text<'a>)>);

        impl<'de: 'a, 'a> Visitor<'de> for Entries<'_, 'a> {
            type Value = ();

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    // Kubernetes decodes a null value as the empty string.
                    let mut value = Text::default();
                    map.next_value_seed(Member(&mut value))?;
                    self.0.push((key, value));
                }
                Ok(())
            }
        }

        self.0.clear();
        deserializer.deserialize_map(Entries(&mut self.0))
    }
}
