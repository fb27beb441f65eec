//! Which globs of different policies claim a namespace with equal right.

use std::collections::HashMap;

use crate::policy::names::{LONGEST_LABEL, is_label};
use crate::policy::{NamespacePattern, Policy};

/// A pattern: index of the policy, and index of the pattern within the policy.
type Claim = (usize, usize);

struct Glob<'p> {
    prefix: &'p str,
    suffix: &'p str,
    claim: Claim,
}

/// Calls `report` for every two globs of different policies that have equally long literal
/// parts and both match some name. It passes such a name.
///
/// Only globs of equal length are compared, each with each: a load of a thousand policies
/// compares at most half a million pairs, a few milliseconds.
pub(super) fn globs(policies: &[Policy], mut report: impl FnMut(Claim, Claim, &str)) {
    let mut by_length: HashMap<usize, Vec<Glob<'_>>> = HashMap::new();
    for (index, policy) in policies.iter().enumerate() {
        for (pattern_index, pattern) in policy.namespaces.iter().enumerate() {
            if let NamespacePattern::Glob { prefix, suffix } = pattern {
                let glob = Glob { prefix, suffix, claim: (index, pattern_index) };
                let earlier = by_length.entry(prefix.len() + suffix.len()).or_default();
                for other in earlier.iter().filter(|other| other.claim.0 != index) {
                    if let Some(name) = common_name(other, &glob) {
                        report(other.claim, glob.claim, &name);
                    }
                }
                earlier.push(glob);
            }
        }
    }
}

/// The shortest namespace name that both match.
fn common_name(one: &Glob<'_>, other: &Glob<'_>) -> Option<String> {
    let prefix = longer(one.prefix, other.prefix, |long, short| long.starts_with(short))?;
    let suffix = longer(one.suffix, other.suffix, |long, short| long.ends_with(short))?;
    if prefix.is_empty() && suffix.is_empty() {
        // Any name will do; this one exists in every cluster.
        return Some("default".to_owned());
    }
    // Neither pattern may match with its own prefix and suffix overlapping, but the
    // prefix of one may overlap the suffix of the other.
    let shortest = one.prefix.len() + one.suffix.len();
    (shortest..=LONGEST_LABEL).find_map(|length| name(prefix, suffix, length))
}

/// The name of `length` bytes that begins with `prefix` and ends with `suffix`.
fn name(prefix: &str, suffix: &str, length: usize) -> Option<String> {
    let name = match (prefix.len() + suffix.len()).checked_sub(length) {
        None | Some(0) => {
            let between = length - prefix.len() - suffix.len();
            format!("{prefix}{}{suffix}", "x".repeat(between))
        }
        Some(overlap) => {
            let kept = suffix.get(overlap..)?;
            Some(format!("{prefix}{kept}")).filter(|name| name.ends_with(suffix))?
        }
    };
    is_label(&name).then_some(name)
}

/// The longer of two texts, if the shorter fits it.
fn longer<'t>(a: &'t str, b: &'t str, fits: fn(&str, &str) -> bool) -> Option<&'t str> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    fits(long, short).then_some(long)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(one: &str, other: &str) -> Option<String> {
        let glob = |text: &'static str| {
            let (prefix, suffix) = text.split_once('*').unwrap_or_default();
            Glob { prefix, suffix, claim: (0, 0) }
        };
        let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        common_name(&glob(leak(one)), &glob(leak(other)))
    }

    #[test]
    fn a_common_name_is_the_shortest() {
        for (one, other, name) in [
            ("*", "*", Some("default")),
            ("a-*", "a-*", Some("a-x")),
            ("ab*", "*bc", Some("abc")),
            ("ab*", "*cd", Some("abcd")),
            ("pay-*", "*-dev", Some("pay-dev")),
            ("ab*", "ac*", None),
            ("a*bc", "ab*c", Some("abc")),
            ("a-*b", "a-*c", None),
        ] {
            assert_eq!(common(one, other).as_deref(), name, "{one} {other}");
            assert_eq!(common(other, one).as_deref(), name, "{other} {one}");
        }
    }
}
