//! `tags`: bounds on the versions for which an image entry holds.

use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};

/// Bounds on a version: `>=4.7`, `<18`, or both: `>=4.7 <18`.
///
/// A version is the dotted numbers at the start of a tag, after an optional `v`. A tag that
/// leaves numbers out stands for the newest of its line, as such tags do in registries: `5`
/// is at least `5.1`. Every other tag (`latest`, `alpine`, a date in words) and every digest
/// counts as current: at least every version, and below none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagBounds {
    at_least: Option<Version>,
    below: Option<Version>,
}

/// The numbers of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version(Vec<u64>);

/// Why bounds cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagBoundsError {
    /// It is not `>=VERSION`, `<VERSION`, or both in this order.
    Grammar,
    /// No version is within both.
    Empty,
}

impl TagBounds {
    /// Parses bounds.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(text: &str) -> Result<Self, TagBoundsError> {
        let mut words = text.split_whitespace().peekable();
        let mut bound = |sign: &str| {
            let version = words.peek().and_then(|word| word.strip_prefix(sign));
            let version =
                version.map(|version| Version::exact(version).ok_or(TagBoundsError::Grammar));
            if version.is_some() {
                words.next();
            }
            version.transpose()
        };
        let (at_least, below) = (bound(">=")?, bound("<")?);
        if words.next().is_some() || (at_least.is_none() && below.is_none()) {
            return Err(TagBoundsError::Grammar);
        }
        match (&at_least, &below) {
            (Some(low), Some(high)) if low.compare(high) != Ordering::Less => {
                Err(TagBoundsError::Empty)
            }
            _ => Ok(Self { at_least, below }),
        }
    }

    /// Whether the bounds admit a tag; `None` is an image named by its digest.
    pub fn admit(&self, tag: Option<&str>) -> bool {
        let version = tag.and_then(Version::of_tag);
        let order = |bound: &Version| match &version {
            Some(version) => version.line_against(bound),
            None => Ordering::Greater,
        };
        self.at_least.as_ref().is_none_or(|bound| order(bound) != Ordering::Less)
            && self.below.as_ref().is_none_or(|bound| order(bound) == Ordering::Less)
    }

    /// Whether these bounds admit every tag that `other` admits.
    pub fn cover(&self, other: Option<&Self>) -> bool {
        let low = other.and_then(|other| other.at_least.as_ref());
        let high = other.and_then(|other| other.below.as_ref());
        let within = |ours: &Option<Version>, theirs: Option<&Version>, worse: Ordering| {
            let Some(ours) = ours else { return true };
            theirs.is_some_and(|theirs| theirs.compare(ours) != worse)
        };
        within(&self.at_least, low, Ordering::Less) && within(&self.below, high, Ordering::Greater)
    }
}

impl Version {
    /// Dotted numbers and nothing else.
    fn exact(text: &str) -> Option<Self> {
        let number = |part: &str| part.parse().ok().filter(|_| !part.starts_with('+'));
        text.split('.').map(number).collect::<Option<_>>().map(Self)
    }

    /// The version at the start of a tag.
    fn of_tag(tag: &str) -> Option<Self> {
        let text = tag.strip_prefix('v').unwrap_or(tag);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (version, rest) = text.split_at_checked(end)?;
        // `3f2a1b9` is a commit, not version 3.
        let ends = rest.is_empty() || rest.starts_with(['-', '_', '+']);
        Self::exact(version).filter(|_| ends)
    }

    /// Compares two versions. Missing numbers are 0.
    fn compare(&self, other: &Self) -> Ordering {
        let parts = |version: &Self, index: usize| version.0.get(index).copied().unwrap_or(0);
        let longest = self.0.len().max(other.0.len());
        (0..longest)
            .map(|index| parts(self, index).cmp(&parts(other, index)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// Like [`Self::compare`], but numbers missing here count as the newest.
    fn line_against(&self, bound: &Self) -> Ordering {
        for (index, wanted) in bound.0.iter().enumerate() {
            match self.0.get(index).map(|number| number.cmp(wanted)) {
                Some(Ordering::Equal) => {}
                Some(order) => return order,
                None => return Ordering::Greater,
            }
        }
        Ordering::Equal
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

impl fmt::Display for TagBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.at_least, &self.below) {
            (Some(low), Some(high)) => write!(f, ">={low} <{high}"),
            (Some(low), None) => write!(f, ">={low}"),
            (None, Some(high)) => write!(f, "<{high}"),
            (None, None) => Ok(()),
        }
    }
}

impl Serialize for TagBounds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(text: &str) -> TagBounds {
        TagBounds::new(text).unwrap()
    }

    #[test]
    fn tags_are_compared_by_their_numbers() {
        for (text, tag, expected) in [
            (">=5.1", "5.1", true),
            (">=5.1", "5.1.0-alpine", true),
            (">=5.1", "v5.10", true),
            (">=5.1", "5.0.9", false),
            (">=5.1", "4", false),
            (">=5.1", "5", true),
            (">=5.1", "latest", true),
            (">=5.1", "alpine", true),
            (">=5.1", "3f2a1b9", true),
            (">=5.1", "4.6.1-apache", false),
            (">=5.1", "4_rc1", false),
            ("<18", "17.5", true),
            ("<18", "18", false),
            ("<18", "18beta1", false),
            ("<18", "latest", false),
            ("<17.5", "17", false),
            ("<17.5", "17.4", true),
            (">=2 <3", "2.7", true),
            (">=2 <3", "3", false),
            (">=2 <3", "1.12", false),
        ] {
            assert_eq!(bounds(text).admit(Some(tag)), expected, "{text} {tag}");
        }
        assert!(bounds(">=5.1").admit(None));
        assert!(!bounds("<5.1").admit(None));
    }

    #[test]
    fn what_is_no_bound_is_refused() {
        for text in ["", "5", ">5", ">=", ">=v5", ">=5.", "<5 >=4", ">=5,<6", "=5", ">=+5", ">=5 6"]
        {
            assert_eq!(TagBounds::new(text), Err(TagBoundsError::Grammar), "{text}");
        }
        assert_eq!(TagBounds::new(">=5 <5.0"), Err(TagBoundsError::Empty));
        assert_eq!(bounds(" >=4.7  <18 ").to_string(), ">=4.7 <18");
    }

    #[test]
    fn bounds_within_bounds() {
        assert!(bounds(">=4").cover(Some(&bounds(">=4.0"))));
        assert!(bounds(">=4").cover(Some(&bounds(">=5 <6"))));
        assert!(!bounds(">=4").cover(Some(&bounds(">=3"))));
        assert!(!bounds(">=4").cover(None));
        assert!(bounds("<6").cover(Some(&bounds(">=5 <6"))));
        assert!(!bounds("<6").cover(Some(&bounds(">=5"))));
    }
}
