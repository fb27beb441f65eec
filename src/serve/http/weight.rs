//! Weight of a body: how much work it is, estimated before it is reviewed.
//!
//! The cost of a review depends on what is in the body, not on its bytes. A dozen bytes make a
//! container, which needs some ten kilobytes, and four make a value in a list of which the engine
//! keeps a copy.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::serve::limits::LARGE_BODY;

/// Maximum number of containers in a request, including those of the old object. Pods have one to
/// twenty.
const MAX_CONTAINERS: usize = 1000;

/// Maximum number of values in a request: elements of lists and members of objects. The largest
/// pods that etcd takes, managed fields included, have some 40,000. Beyond the limit a review may
/// need more than 10 MiB.
const MAX_VALUES: usize = 64_000;

/// Maximum number of bytes of names in a request. Findings, warnings and notes repeat them some
/// thirteen times. A thousand containers with images have 300 KB.
const MAX_NAMES: usize = 512 * 1024;

/// The limits, as text for people.
pub(super) fn limits() -> String {
    format!(
        "more than {MAX_CONTAINERS} containers, {MAX_VALUES} values or {MAX_NAMES} bytes of names"
    )
}

/// Limits of an ordinary body, which is reviewed beside others: half a megabyte.
const ORDINARY: Count = Count { containers: 50, values: 4000, names: 32 * 1024 };

const MOST: Count = Count { containers: MAX_CONTAINERS, values: MAX_VALUES, names: MAX_NAMES };

/// A short body with no more objects than this is ordinary without a closer look, since each
/// container is an object. Counting one byte value is all that this costs the reviews of small
/// pods.
const FEW_OBJECTS: usize = 100;

/// A body up to this size has no more than some thousand values.
const SHORT: usize = 16 * 1024;

/// Weight of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Reviewed at once, where it was read.
    Ordinary,
    /// Reviewed in its turn, in a thread apart from connections.
    Large,
    /// Not reviewed: refused under `enforce`.
    TooMuch,
}

impl Weight {
    /// Weighs a body, which need not be JSON.
    pub(super) fn of(body: &[u8]) -> Self {
        let objects = || memchr::memchr_iter(b'{', body).count();
        if body.len() <= SHORT && objects() <= FEW_OBJECTS {
            return Self::Ordinary;
        }
        let count = Count::of(body);
        if !count.is_within(&MOST) {
            Self::TooMuch
        } else if body.len() <= LARGE_BODY && count.is_within(&ORDINARY) {
            Self::Ordinary
        } else {
            Self::Large
        }
    }
}

/// Counts of what is in a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    /// Containers, wherever they are: in a pod, or in a template at any depth.
    containers: usize,
    values: usize,
    /// Bytes of what is reported by name: see [`MemberKind::Name`].
    names: usize,
}

impl Count {
    /// Counts what is in `body`, and stops beyond a limit. If `body` is not JSON, counts what comes
    /// before the error.
    fn of(body: &[u8]) -> Self {
        let mut count = Self::default();
        let mut reader = serde_json::Deserializer::from_slice(body);
        let whole = Anything { count: &mut count, kind: MemberKind::Other };
        let _what_is_wrong_says_the_review = whole.deserialize(&mut reader);
        count
    }

    fn is_within(&self, most: &Self) -> bool {
        let Self { containers, values, names } = self;
        *containers <= most.containers && *values <= most.values && *names <= most.names
    }

    fn value<E: Error>(&mut self, is_container: bool) -> Result<(), E> {
        self.values += 1;
        self.containers += usize::from(is_container);
        self.go_on()
    }

    fn go_on<E: Error>(&self) -> Result<(), E> {
        if self.is_within(&MOST) { Ok(()) } else { Err(E::custom("that is enough")) }
    }
}

/// Deserializes any value and counts everything in it.
struct Anything<'c> {
    count: &'c mut Count,
    kind: MemberKind,
}

/// Kind of a member's value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MemberKind {
    /// A list of containers.
    Containers,
    /// Text that the engine repeats: names, images, capabilities, paths that an author asks for.
    Name,
    Other,
}

/// Deserializes a member's name to the kind of its value.
struct Key;

impl<'de> DeserializeSeed<'de> for Anything<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Anything<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(kind) = map.next_key_seed(Key)? {
            self.count.value(false)?;
            map.next_value_seed(Anything { count: &mut *self.count, kind })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { count, kind } = self;
        let (is_list, kind) = match kind {
            MemberKind::Containers => (true, MemberKind::Other),
            other => (false, other),
        };
        while list.next_element_seed(Anything { count: &mut *count, kind })?.is_some() {
            count.value(is_list)?;
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if self.kind == MemberKind::Name {
            self.count.names += text.len();
        }
        self.count.go_on()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = MemberKind;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<MemberKind, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = MemberKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<MemberKind, E> {
        Ok(match name {
            "containers" | "initContainers" | "ephemeralContainers" => MemberKind::Containers,
            "name" | "generateName" | "namespace" | "uid" | "image" | "type" | "add" | "drop" => {
                MemberKind::Name
            }
            annotation if annotation.ends_with("ironhull.dev/writable-paths") => MemberKind::Name,
            _ => MemberKind::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(containers: usize, init: usize) -> String {
        let list = |count| vec!["{}"; count].join(",");
        format!(
            r#"{{"request":{{"x":[null,true,1,-1,1.5,"containers",{{"containers":null}}],
                "object":{{"spec":{{"template":{{"spec":{{"initContainers":[{}],
                "c\u006fntainers":[{}]}}}}}}}}}}}}"#,
            list(init),
            list(containers)
        )
    }

    fn containers(body: &[u8]) -> usize {
        Count::of(body).containers
    }

    #[test]
    fn containers_are_counted_wherever_they_are() {
        assert_eq!(containers(body(3, 2).as_bytes()), 5);
        assert_eq!(containers(body(0, 0).as_bytes()), 0);
        assert_eq!(containers(body(20_000, 0).as_bytes()), MAX_CONTAINERS + 1);
        assert_eq!(containers(b"{\"containers\":[{},{},"), 2, "of half a body");
        assert_eq!(containers(b"nonsense"), 0);
        assert_eq!(containers("[".repeat(100_000).as_bytes()), 0);
    }

    #[test]
    fn values_are_counted() {
        let values = |body: &str| Count::of(body.as_bytes()).values;
        assert_eq!(values(r#"{"a":[1,[],{"b":null,"b":"c"}],"d":-1.5}"#), 7);
        assert_eq!(values(&format!("[{}0]", "0,".repeat(100_000))), MAX_VALUES + 1);
    }

    #[test]
    fn names_are_measured() {
        let names = |body: &str| Count::of(body.as_bytes()).names;
        let body = r#"{"name":"ab","x":["name",{"image":"abc","value":"abcd"}],
            "add":["a","b"],"web.ironhull.dev/writable-paths":"/a"}"#;
        assert_eq!(names(body), 2 + 3 + 2 + 2);
        let long = format!(r#"{{"uid":"{}"}}"#, "a".repeat(MAX_NAMES + 1));
        assert_eq!(Weight::of(long.as_bytes()), Weight::TooMuch);
        let long = format!(r#"{{"value":"{}"}}"#, "a".repeat(MAX_NAMES + 1));
        assert_eq!(Weight::of(long.as_bytes()), Weight::Large);
    }

    #[test]
    fn many_containers_and_values_weigh_more_than_many_bytes() {
        let weight = |containers| Weight::of(body(containers, 0).as_bytes());
        assert_eq!(weight(3), Weight::Ordinary);
        assert_eq!(weight(50), Weight::Ordinary);
        assert_eq!(weight(101), Weight::Large);
        assert_eq!(weight(MAX_CONTAINERS), Weight::Large);
        assert_eq!(weight(MAX_CONTAINERS + 1), Weight::TooMuch);
        let values = |count: usize| Weight::of(format!("[{}0]", "0,".repeat(count)).as_bytes());
        assert_eq!(values(10_000), Weight::Large);
        assert_eq!(values(MAX_VALUES), Weight::TooMuch);
        let long = format!("\"{}\"", "a".repeat(LARGE_BODY));
        assert_eq!(Weight::of(long.as_bytes()), Weight::Large);
    }
}
