//! The values of a policy: how each is read, written and described.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::decode::{Decode, Decoder, inline_schema, words};
use super::tree::Node;
use super::{Capability, GroupId, NonRootId, Quantity, StorageClass};
use crate::image::{EntryFsGroup, EntryUser, Purpose, TagBounds, TagBoundsError};
use crate::pod::MAX_ID;
use crate::rule::{Action, RuleName, RuleSet};
use crate::text::listed;
use crate::text::quoted;

impl Decode for Action {
    /// YAML 1.1 reads `off` as false, and tools that write it again (Helm, kubectl) write
    /// `false`. Here that means `off`.
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        if node.bool() == Some(false) {
            return Some(Self::Off);
        }
        let words = Self::ALL.map(Self::as_str);
        let Some(text) = node.text().filter(|_| !node.is_null()) else {
            decoder.expected(node, &format!("an action ({})", listed(words)));
            return None;
        };
        let action = Self::ALL.into_iter().find(|action| action.as_str() == text);
        if action.is_none() {
            decoder.unknown(node.span, "action", text, &words);
        }
        action
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

// `false`, because that is what YAML 1.1 makes of `off`.
inline_schema!(Action, { "enum": ["off", "warn", "fill", "enforce", false] });

impl Decode for RuleName {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "a rule's name")?;
        text.parse().ok().or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|rule| rule.as_str()).collect();
            decoder.unknown(node.span, "rule", text, &names);
            None
        })
    }
}

impl JsonSchema for RuleName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<_> = Self::ALL.iter().map(|rule| rule.as_str()).collect();
        schemars::json_schema!({ "description": "A rule's name.", "enum": names })
    }
}

impl Serialize for RuleSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(RuleName::as_str))
    }
}

/// A whole number. Helm writes a large one with an exponent (1000660000 becomes
/// `1.00066e+09`), which is the same number.
pub(super) fn integer(node: &Node<'_>) -> Option<i64> {
    let text = node.plain()?;
    if let Ok(number) = text.parse::<i64>() {
        // `0700` is 448 in YAML 1.1 and 700 in YAML 1.2: nobody can know which was meant.
        let octal = text.len() > 1 && text.starts_with('0');
        return (!octal && !text.starts_with('+')).then_some(number);
    }
    /// The largest number up to which every whole number is exact in an `f64`.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = text.parse::<f64>().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
    (node.is_number() && number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64)
}

/// Reads an id, or reports what was expected.
fn id<T>(
    node: &Node<'_>,
    decoder: &mut Decoder,
    what: &str,
    new: fn(i64) -> Option<T>,
) -> Option<T> {
    let number = integer(node);
    if let Some(id) = number.and_then(new) {
        return Some(id);
    }
    let quotes = node.plain().is_none() && node.text().is_some_and(|t| t.parse::<i64>().is_ok());
    let zeros = number.is_none() && node.plain().is_some_and(|t| t.starts_with('0'));
    let root = number == Some(0);
    let error = decoder.expected(node, what)?;
    if quotes {
        error.hint("remove the quotes");
    } else if zeros {
        error.hint("write it in decimal, without leading zeros");
    } else if root {
        error.hint(
            "0 is root; a container that must run as root needs an exemption from runAsNonRoot",
        );
    }
    None
}

impl Decode for NonRootId {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        id(node, decoder, "a uid from 1 to 2147483647", Self::new)
    }
}

impl Decode for GroupId {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        id(node, decoder, "a gid from 0 to 2147483647", Self::new)
    }
}

inline_schema!(NonRootId, { "type": "integer", "minimum": 1, "maximum": MAX_ID });
inline_schema!(GroupId, { "type": "integer", "minimum": 0, "maximum": MAX_ID });

impl Serialize for NonRootId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.get())
    }
}

impl Serialize for GroupId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.get())
    }
}

impl Decode for EntryUser {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        if node.text() == Some("image") {
            return Some(Self::Image);
        }
        id(node, decoder, "a uid from 1 to 2147483647, or `image`", NonRootId::new).map(Self::Uid)
    }
}

inline_schema!(EntryUser, {
    "anyOf": [{ "const": "image" }, { "type": "integer", "minimum": 1, "maximum": MAX_ID }]
});

impl Serialize for EntryUser {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Uid(uid) => uid.serialize(serializer),
            Self::Image => serializer.serialize_str("image"),
        }
    }
}

impl Decode for EntryFsGroup {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        if node.text() == Some("none") {
            return Some(Self::None);
        }
        id(node, decoder, "a gid from 0 to 2147483647, or `none`", GroupId::new).map(Self::Gid)
    }
}

inline_schema!(EntryFsGroup, {
    "anyOf": [{ "const": "none" }, { "type": "integer", "minimum": 0, "maximum": MAX_ID }]
});

impl Serialize for EntryFsGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Gid(gid) => gid.serialize(serializer),
            Self::None => serializer.serialize_str("none"),
        }
    }
}

impl Decode for Capability {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "a capability's name")?;
        Self::new(text).or_else(|| {
            let error = decoder.error(node.span, format!("{} is not a capability", quoted(text)));
            let plain = text.to_uppercase();
            let plain = plain.strip_prefix("CAP_").unwrap_or(&plain);
            if plain == "ALL" {
                error.hint("name each capability; `ALL` would undo the rule");
            } else if Self::new(plain).is_some() {
                error.hint(format!("write `{plain}`: upper case, without `CAP_`"));
            }
            None
        })
    }
}

inline_schema!(Capability, { "type": "string", "pattern": "^(?!CAP_)(?!ALL$)[A-Z0-9_]+$" });

impl Serialize for Capability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Decode for StorageClass {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "the name of a StorageClass, or `*`")?;
        Self::new(text).or_else(|| {
            decoder
                .error(node.span, format!("{} cannot be the name of a StorageClass", quoted(text)))
                .hint("write its whole name, or `*` for every claim");
            None
        })
    }
}

inline_schema!(StorageClass, { "type": "string", "pattern": "^(\\*|[-.a-z0-9]+)$" });

impl Serialize for StorageClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Decode for Quantity {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let quantity = node.text().and_then(Self::new);
        if quantity.is_none()
            && let Some(error) = decoder.expected(node, "a Kubernetes quantity")
        {
            error.hint("for example `64Mi` or `1Gi`");
        }
        quantity
    }
}

inline_schema!(Quantity, { "type": ["string", "integer"] });

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A path below the kubelet's seccomp directory.
#[derive(Clone, Debug)]
pub(crate) struct LocalhostPath(pub(crate) String);

impl Decode for LocalhostPath {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "a path")?;
        // The API server's requirements for `localhostProfile`.
        if text.is_empty() || text.starts_with('/') || text.split('/').any(|part| part == "..") {
            decoder
                .error(node.span, format!("{} cannot be a `localhostProfile`", quoted(text)))
                .hint("it is a path below the kubelet's seccomp directory, without `..`");
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

inline_schema!(LocalhostPath, { "type": "string", "pattern": "^[^/]" });

/// A day, in UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day(pub(crate) Date);

impl Decode for Day {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        // Kustomize adds a time to a date without quotes.
        let text = node.text().map(|text| text.strip_suffix("T00:00:00Z").unwrap_or(text));
        // jiff accepts more forms of a date than people expect, such as `20270630`.
        let text = text.filter(|text| text.len() == "YYYY-MM-DD".len());
        let day = text.and_then(|text| text.parse().ok());
        if day.is_none()
            && let Some(error) = decoder.expected(node, "a date")
        {
            error.hint("write it as YYYY-MM-DD, for example `2027-06-30`");
        }
        day.map(Self)
    }
}

inline_schema!(Day, { "type": "string", "format": "date" });

impl Decode for TagBounds {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "a range of tags, such as `>=4.7`")?;
        let bounds = Self::new(text);
        match bounds {
            Err(TagBoundsError::Grammar) => {
                decoder
                    .error(node.span, format!("{} is not a range of tags", quoted(text)))
                    .hint("write `>=4.7`, `<18`, or both in this order: `>=4.7 <18`");
            }
            Err(TagBoundsError::Empty) => {
                decoder.error(node.span, format!("no tag is in the range {}", quoted(text)));
            }
            Ok(_) => {}
        }
        bounds.ok()
    }
}

inline_schema!(TagBounds, {
    "type": "string",
    "pattern": "^\\s*(>=[0-9]+(\\.[0-9]+)*)?\\s*(<[0-9]+(\\.[0-9]+)*)?\\s*$",
    "minLength": 2
});

words! { Purpose as "for" {
    NonRoot = "runAsNonRoot", ReadOnlyRoot = "readOnlyRootFilesystem",
} }

/// `readOnlyRootFilesystem: false` of an image entry. It says no more than that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WritableRoot;

impl Decode for WritableRoot {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        match bool::decode(node, decoder)? {
            false => Some(Self),
            true => {
                decoder
                    .error(node.span, "an image entry can only say `readOnlyRootFilesystem: false`")
                    .hint("an entry cannot make a rule stronger; leave it out where a read-only root works");
                None
            }
        }
    }
}

inline_schema!(WritableRoot, { "const": false });

/// A port that only root may bind under the kernel's default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LowPort(pub(crate) u16);

impl Decode for LowPort {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let port = integer(node).and_then(|port| u16::try_from(port).ok());
        let port = port.filter(|port| (1..1024).contains(port));
        if port.is_none() {
            decoder.expected(node, "a port from 1 to 1023");
        }
        port.map(Self)
    }
}

inline_schema!(LowPort, { "type": "integer", "minimum": 1, "maximum": 1023 });

/// `maxDays`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Days(pub(crate) u32);

impl Decode for Days {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        /// A hundred years: more is a mistake, and dates so far ahead cannot be computed.
        const MOST: u32 = 36_500;
        let days = integer(node).and_then(|days| u32::try_from(days).ok());
        let days = days.filter(|days| (1..=MOST).contains(days));
        if days.is_none() {
            decoder.expected(node, "a number of days from 1 to 36500");
        }
        days.map(Self)
    }
}

inline_schema!(Days, { "type": "integer", "minimum": 1, "maximum": 36_500 });
