//! The domain types of a policy, valid by construction.
//!
//! [`parse`] turns the text of a policy into a [`Policy`]; [`set`] finds the policy of a
//! namespace. Nothing here does input or output.

mod build;
pub(crate) mod decode;
pub mod diagnostic;
pub mod effective;
mod facts;
mod lint;
pub mod manifest;
mod names;
mod own_kinds;
pub mod parse;
pub mod set;
pub(crate) mod tree;
pub(crate) mod values;
mod writable;

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use jiff::civil::Date;

use crate::facts::FactTable;
use crate::image::{ImagePattern, ImageTable, RegistryAliases};
use crate::pod::{Container, MAX_ID};
use crate::rule::{Action, RuleName, RuleSet};
use crate::rules::Settings;
use crate::workload::OwnKind;

pub use diagnostic::{Diagnostic, Place, PolicyFile, Severity};
pub use names::{API_VERSION, is_label};
pub use set::PolicySet;
pub use tree::Span;
pub use writable::{Writable, WritablePath, WritablePathError};

/// A policy as the engine reads it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `metadata.name`, a DNS subdomain.
    pub name: String,
    /// The first 12 hexadecimal digits of the SHA-256 of the policy's effective content. Two
    /// policies that do the same have the same revision.
    pub revision: String,
    /// The namespaces it claims; empty for one that is only chosen by label.
    pub namespaces: Vec<NamespacePattern>,
    /// Whether a namespace may choose it by the label `ironhull.dev/policy`.
    pub by_label: bool,
    /// The action and the values of each rule.
    pub rules: Settings,
    /// What certain images need: the policy's own entries, then ironhull's known images if the
    /// policy wants them.
    pub images: ImageTable,
    /// Registries that are treated as the ones they mirror.
    pub registry_aliases: RegistryAliases,
    /// What workloads may declare for themselves.
    pub exemptions: ExemptionLimits,
    /// Exemptions that the administrators grant in the policy.
    pub exempt: Vec<Grant>,
    /// Kinds of one's own that pods are made from. They change no pod, and are no part of the
    /// revision either.
    pub pod_templates: Vec<OwnKind>,
    /// What is known of images. It is no part of the revision: every new image would change it.
    pub facts: Arc<FactTable>,
    /// Where it was read.
    pub origin: Origin,
}

/// Where a policy was read: the parts that other policies may contradict.
#[derive(Clone, Debug)]
pub struct Origin {
    /// `metadata.name`.
    pub name: Place,
    /// Each of `spec.namespaces`, in their order.
    pub namespaces: Vec<Place>,
}

impl Policy {
    /// The compiled-in `restricted` policy, the fallback of every namespace that
    /// no loaded policy claims.
    pub fn restricted() -> &'static Self {
        static RESTRICTED: LazyLock<Policy> = LazyLock::new(parse::embedded_restricted);
        &RESTRICTED
    }

    /// Whether a container with these exemptions stays privileged.
    pub fn keeps_privileged(&self, container: &Container<'_>, exempt: RuleSet) -> bool {
        container.security_context.privileged
            && (self.rules.privileged.action != Action::Enforce
                || exempt.contains(RuleName::Privileged))
    }

    /// `NAME@REVISION`: its name in notes on pods and in the audit log.
    pub fn versioned(&self) -> String {
        format!("{}@{}", self.name, self.revision)
    }
}

/// One entry of a policy's `namespaces`: a name with at most one `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NamespacePattern {
    /// A name without a `*`.
    Exact(String),
    /// A name with one `*`, which stands for any characters or none.
    Glob {
        /// What comes before the `*`.
        prefix: String,
        /// What comes after it.
        suffix: String,
    },
}

impl NamespacePattern {
    /// Whether the pattern matches the namespace `name`.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Glob { prefix, suffix } => {
                name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.ends_with(suffix))
            }
        }
    }
}

impl fmt::Display for NamespacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Glob { prefix, suffix } => write!(f, "{prefix}*{suffix}"),
        }
    }
}

/// A uid that is not root: 1…2147483647, the range the API server accepts
/// (`ValidateUserID`-style checks in `k8s.io/kubernetes/pkg/apis/core/validation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NonRootId(i64);

/// A gid: 0…2147483647.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupId(i64);

impl NonRootId {
    /// The id, if it is not root's.
    pub const fn new(id: i64) -> Option<Self> {
        if id >= 1 && id <= MAX_ID { Some(Self(id)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl GroupId {
    /// The id, if the API server would accept it as a group.
    pub const fn new(id: i64) -> Option<Self> {
        if id >= 0 && id <= MAX_ID { Some(Self(id)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for NonRootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A Linux capability in the only spelling that every runtime understands: upper
/// case, without `CAP_`. Never `ALL`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Capability(String);

impl Capability {
    /// The capability, if `name` is a plain name: upper-case letters, digits and `_`, not
    /// beginning with `CAP_`, and not `ALL`.
    pub fn new(name: &str) -> Option<Self> {
        let plain = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            && !name.starts_with("CAP_")
            && name != "ALL";
        plain.then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// StorageClasses: one by its name, or every one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StorageClass {
    /// `*`: every class, and claims whose class the pod does not show.
    Every,
    /// The class of this name.
    Named(String),
}

impl StorageClass {
    /// The class, if `text` is `*` or can be the name of one, a DNS subdomain.
    pub fn new(text: &str) -> Option<Self> {
        match text {
            "*" => Some(Self::Every),
            name => names::is_subdomain(name).then(|| Self::Named(name.to_owned())),
        }
    }

    /// Whether it is the class of a claim; `None` for a class that the pod does not show.
    pub fn covers(&self, class: Option<&str>) -> bool {
        match self {
            Self::Every => true,
            Self::Named(name) => class == Some(name),
        }
    }

    /// The text in a policy.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Every => "*",
            Self::Named(name) => name,
        }
    }
}

/// A Kubernetes quantity that is not negative, such as `64Mi`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quantity(String);

impl Quantity {
    /// The quantity, if `text` is a number followed by at most one of the suffixes or the
    /// exponent that Kubernetes knows (`k8s.io/apimachinery/pkg/api/resource`).
    pub fn new(text: &str) -> Option<Self> {
        let number = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let digits = text.strip_suffix(number)?;
        let well_formed = digits.contains(|c: char| c.is_ascii_digit())
            && digits.bytes().filter(|b| *b == b'.').count() <= 1;
        let known = SUFFIXES.contains(&number)
            || number.strip_prefix(['e', 'E']).is_some_and(|exponent| {
                let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                !exponent.is_empty() && exponent.bytes().all(|b| b.is_ascii_digit())
            });
        (well_formed && known).then(|| Self(text.to_owned()))
    }

    /// The quantity in bytes, rounded down; of more than fits, what fits.
    pub fn bytes(&self) -> u64 {
        let digits = self.0.trim_end_matches(|c: char| !c.is_ascii_digit() && c != '.');
        // `1e3` ends with a digit; `1E` and `1Ei` have a suffix.
        let exponent = self.0.split_once(['e', 'E']);
        let exponent = exponent.and_then(|(digits, by)| Some((digits, by.parse().ok()?)));
        let (digits, suffix) = match exponent {
            Some((digits, by)) => (digits, 10f64.powi(by)),
            None => (digits, unit(self.0.get(digits.len()..).unwrap_or_default())),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and too large a number becomes the largest"
        )]
        let bytes = (digits.parse::<f64>().unwrap_or_default() * suffix) as u64;
        bytes
    }

    /// The quantity as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a suffix multiplies by.
fn unit(suffix: &str) -> f64 {
    let power = |base: f64, letters: &str, letter: &str| {
        let place = letters.find(letter).and_then(|place| i32::try_from(place).ok());
        place.map_or(1.0, |place| base.powi(place + 1))
    };
    match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        _ => match suffix.strip_suffix('i') {
            Some(letter) => power(1024.0, "KMGTPE", letter),
            None => power(1000.0, "kMGTPE", suffix),
        },
    }
}

/// What may follow the number of a quantity.
const SUFFIXES: [&str; 16] =
    ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Deref for Quantity {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// What workloads may declare for themselves: `spec.exemptions`.
#[derive(Clone, Debug)]
pub struct ExemptionLimits {
    /// The rules that an annotation may exempt from.
    pub allow: RuleSet,
    /// Whether an annotation needs a reason in words.
    pub require_reason: bool,
    /// Whether an annotation needs `until=`. True whenever `max_days` is given.
    pub require_until: bool,
    /// Maximum number of days that `until=` may lie ahead. A later date is void.
    pub max_days: Option<u32>,
    /// If not empty, only containers whose image matches one of these may be exempt.
    pub images: Vec<ImagePattern>,
}

/// One entry of `spec.exempt`: what the administrators grant without annotation.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The containers' names; empty for every name.
    pub containers: Vec<String>,
    /// Patterns of the containers' images; empty for every image.
    pub images: Vec<ImagePattern>,
    /// The rules they are exempt from. Rules that act on the whole pod are possible only if
    /// neither containers nor images are named.
    pub rules: RuleSet,
    /// The last day on which it holds (inclusive, UTC).
    pub until: Option<Date>,
    /// The reason.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_those_of_kubernetes() {
        for good in ["64Mi", "1", "1.5Gi", ".5Gi", "1e3", "1E-3", "100m", "2E", "5."] {
            assert!(Quantity::new(good).is_some(), "{good}");
        }
        for (text, bytes) in [
            ("64Mi", 64 << 20),
            ("1.5Ki", 1536),
            ("2k", 2000),
            ("1e3", 1000),
            ("5.", 5),
            ("1E", 1_000_000_000_000_000_000),
            ("1500m", 1),
            ("12E-1", 1),
            ("100Ei", u64::MAX),
        ] {
            assert_eq!(Quantity::new(text).map(|it| it.bytes()), Some(bytes), "{text}");
        }
        for bad in ["", "Mi", "-1", "+1", "1 Mi", "64MB", "1.2.3", "1e", "1Ki2", ".", "1ki"] {
            assert!(Quantity::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn ids_are_those_the_api_server_accepts() {
        assert_eq!(
            [0, 1, MAX_ID, MAX_ID + 1].map(|id| NonRootId::new(id).is_some()),
            [false, true, true, false]
        );
        assert_eq!(
            [-1, 0, MAX_ID, MAX_ID + 1].map(|id| GroupId::new(id).is_some()),
            [false, true, true, false]
        );
    }
}
