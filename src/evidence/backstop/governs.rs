//! Which namespaces a policy has, in CEL: the choice that [`PolicySet::choose`] makes, and before it
//! that of the label `ironhull.dev/policy`.
//!
//! It cannot be a match condition, which the API server evaluates without the namespace; and a
//! namespaceSelector knows no patterns.

use std::cmp::Reverse;

use super::cel;
use crate::cluster::namespaces::BY_LABEL;
use crate::policy::{NamespacePattern, Policy, PolicySet};

/// Who claims which namespaces.
pub(super) struct Claims<'p> {
    /// Every pattern with its policy, the one that wins first.
    patterns: Vec<(&'p NamespacePattern, &'p Policy)>,
    /// The policies that a namespace may choose by its label.
    by_label: Vec<&'p Policy>,
    /// The policy of all other namespaces.
    fallback: &'p Policy,
}

/// Whether a pattern is `*`.
pub(super) fn is_everything(pattern: &NamespacePattern) -> bool {
    matches!(pattern, NamespacePattern::Glob { prefix, suffix } if prefix.is_empty() && suffix.is_empty())
}

impl<'p> Claims<'p> {
    pub(super) fn of(policies: &'p PolicySet) -> Self {
        let each = policies.policies().iter();
        let mut patterns: Vec<_> = each
            .flat_map(|policy| policy.namespaces.iter().map(move |pattern| (pattern, policy)))
            .collect();
        // No name fits two patterns with literal parts of one length: that is an error when policies
        // are loaded.
        patterns.sort_by_key(|(pattern, _)| match pattern {
            NamespacePattern::Exact(_) => (0, Reverse(0)),
            NamespacePattern::Glob { prefix, suffix } => (1, Reverse(prefix.len() + suffix.len())),
        });
        let by_label = policies.policies().iter().filter(|policy| policy.by_label).collect();
        Self { patterns, by_label, fallback: policies.fallback() }
    }

    /// An expression for whether one of `members` is the namespace's policy.
    pub(super) fn governs(&self, members: &[&Policy]) -> String {
        // By identity: a loaded policy may have the name of the compiled-in one, beside it.
        let ours = |policy: &Policy| members.iter().any(|member| std::ptr::eq(*member, policy));
        let mut expression = ours(self.fallback).to_string();
        let mut rest: &[_] = &self.patterns;
        while let Some((_, last)) = rest.last() {
            // Neighbours with one answer are one question.
            let mine = ours(last);
            let from = rest.iter().rposition(|(_, other)| ours(other) != mine);
            let (before, run) = rest.split_at(from.map_or(0, |at| at + 1));
            rest = before;
            let answer = mine.to_string();
            if run.iter().any(|(pattern, _)| is_everything(pattern)) {
                expression = answer;
            } else if expression != answer {
                expression = format!("{} ? {answer} :\n{expression}", question(run));
            }
        }
        if self.by_label.is_empty() {
            return expression;
        }
        let label = format!("namespaceObject.metadata.?labels[?'{BY_LABEL}'].orValue('')");
        let chosen = self.by_label.iter().copied().filter(|policy| ours(policy));
        format!(
            "{label} in {} ?\n{label} in {} :\n{expression}",
            cel::list(self.by_label.iter().map(|policy| &*policy.name)),
            cel::list(chosen.map(|policy| &*policy.name)),
        )
    }
}

/// Whether the namespace's name fits one of the patterns.
fn question(patterns: &[(&NamespacePattern, &Policy)]) -> String {
    let mut exact = Vec::new();
    let mut globs = Vec::new();
    for (pattern, _) in patterns {
        match pattern {
            NamespacePattern::Exact(name) => exact.push(name.as_str()),
            NamespacePattern::Glob { .. } => globs.push(cel::glob(&pattern.to_string())),
        }
    }
    let exact = (!exact.is_empty()).then(|| format!("request.namespace in {}", cel::list(exact)));
    let globs =
        (!globs.is_empty()).then(|| format!("request.namespace.matches({})", cel::any_of(&globs)));
    exact.into_iter().chain(globs).collect::<Vec<_>>().join(" || ")
}
