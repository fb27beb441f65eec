//! In-place deserialization.
//!
//! A view holds its parts by value, so it is large. serde returns each part through the
//! `Option` and `Result` of the next larger one, with a copy at every step. Here each part
//! is read where it stays.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

/// A value that can be read in place, over a previous one.
pub trait Fill<'de>: Default {
    /// Reads a value that is not `null`. Nothing of the previous value stays. After an error
    /// the content is of no use.
    ///
    /// # Errors
    /// Those of the deserializer.
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error>;
}

macro_rules! scalars {
    ($($scalar:ty),*) => { $(
        impl<'de> Fill<'de> for $scalar {
            fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
                *self = <$scalar>::deserialize(deserializer)?;
                Ok(())
            }
        }
    )* };
}

scalars!(bool, i64);

impl<'de, T: Fill<'de>> Fill<'de> for Option<T> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        self.insert(T::default()).fill(deserializer)
    }
}

impl<'de, T: Fill<'de>> Fill<'de> for Box<T> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        (**self).fill(deserializer)
    }
}

impl<'de, T: Fill<'de>> Fill<'de> for Vec<T> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        struct Items<'v, T>(&'v mut Vec<T>);

        impl<'de, T: Fill<'de>> Visitor<'de> for Items<'_, T> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
                while items.next_element_seed(Pushed(self.0))?.is_some() {}
                Ok(())
            }
        }

        self.clear();
        deserializer.deserialize_seq(Items(self))
    }
}

/// The next item of a list; `null` is none.
struct Pushed<'v, T>(&'v mut Vec<T>);

impl<'de, T: Fill<'de>> DeserializeSeed<'de> for Pushed<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.push(T::default());
        self.0.last_mut().map_or(Ok(()), |item| item.fill(deserializer))
    }
}

/// The value of a member: `null` is its default.
pub struct Member<'m, T>(pub &'m mut T);

impl<'de, T: Fill<'de>> DeserializeSeed<'de> for Member<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, T: Fill<'de>> Visitor<'de> for Member<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("option")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        *self.0 = T::default();
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.fill(deserializer)
    }
}
