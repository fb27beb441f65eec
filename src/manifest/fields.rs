//! Names of the fields that Kubernetes has in an object, taken from k8s-openapi's types. A list
//! kept by hand would miss the next release's.

use serde::de::{Deserialize, Deserializer, Error as _, Visitor, value::Error};
use serde::forward_to_deserialize_any;

/// JSON names of the fields of `T`; empty if `T` is not an object.
pub(super) fn of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // A type first asks the deserializer for its fields, by name. The names are noted, and the
    // request is refused.
    let _refused = T::deserialize(Asked(&mut fields));
    fields
}

struct Asked<'f>(&'f mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("only the names were asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("not an object"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json() {
        let fields = of::<k8s_openapi::api::core::v1::SecurityContext>();
        assert!(fields.contains(&"runAsNonRoot") && fields.contains(&"seLinuxOptions"));
        assert!(of::<String>().is_empty());
    }
}
