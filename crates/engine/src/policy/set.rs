//! The policies in force, and the choice of a namespace's policy.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;

use super::diagnostic::{Diagnostic, Place, PolicyFile, Severity};
use super::parse::{self, Loaded};
use super::{NamespacePattern, Policy};
use crate::facts::{FactTable, ImageFacts};
use crate::workload::Kinds;

mod meet;

/// The policies in force.
#[derive(Clone, Debug)]
pub struct PolicySet {
    policies: Vec<Policy>,
    fallback: Policy,
    by_name: HashMap<String, usize>,
    /// Exact name → policy.
    exact: HashMap<String, usize>,
    /// Prefix → suffix → (policy, index of its pattern).
    globs: HashMap<String, HashMap<String, (usize, usize)>>,
    /// Lengths of prefix and suffix that occur among the globs, the longest literal part first.
    /// A lookup queries `globs` once for each. Names have at most 63 characters, so few lengths
    /// occur, and a lookup does not depend on the number of policies.
    shapes: Vec<(usize, usize)>,
    /// The kinds that pods are made from. A kind is the same in every namespace, so what one policy
    /// says of it holds for all.
    kinds: Kinds,
}

/// A namespace's policy, and the reason for the choice.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'s> {
    /// The policy.
    pub policy: &'s Policy,
    /// The pattern it was chosen by; `None` for the fallback, when no policy claims the
    /// namespace.
    pub pattern: Option<&'s NamespacePattern>,
}

impl PolicySet {
    /// The set of `policies`, with the compiled-in `restricted` as fallback.
    ///
    /// # Errors
    /// When two policies have the same name, or claim a namespace with equal right.
    pub fn new(policies: Vec<Policy>) -> Result<Self, Vec<Diagnostic>> {
        let (set, conflicts) = Self::build(policies, Policy::restricted().clone());
        if conflicts.is_empty() { Ok(set) } else { Err(conflicts) }
    }

    /// Reads policy files into a set and returns the warnings. If `today` is given, grants that
    /// ended before it are warned about.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files or among them, and the warnings.
    pub fn load(
        files: &[PolicyFile],
        today: Option<Date>,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let (Loaded { policies, fallback, .. }, mut diagnostics) = parse::read(files, today);
        let (set, conflicts) = Self::build(policies, fallback);
        diagnostics.extend(conflicts);
        if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            return Err(diagnostics);
        }
        diagnostics.extend(set.unclaimed_restricted());
        Ok((set, diagnostics))
    }

    /// The policy of the namespace `name`. An exact name beats a glob, a longer literal part
    /// beats a shorter one, and the fallback comes last.
    pub fn for_namespace(&self, name: &str) -> &Policy {
        self.choose(name).policy
    }

    /// Like [`Self::for_namespace`], with the reason.
    pub fn choose(&self, name: &str) -> Choice<'_> {
        let exact = self.exact.get(name).and_then(|policy| {
            let policy = self.policies.get(*policy)?;
            let by = |pattern: &&NamespacePattern| {
                matches!(pattern, NamespacePattern::Exact(exact) if exact == name)
            };
            Some(Choice { policy, pattern: policy.namespaces.iter().find(by) })
        });
        exact
            .or_else(|| self.shapes.iter().find_map(|shape| self.glob(name, *shape)))
            .unwrap_or(Choice { policy: &self.fallback, pattern: None })
    }

    /// The policy called `name`; the compiled-in `restricted` is always there.
    pub fn by_name(&self, name: &str) -> Option<&Policy> {
        match self.by_name.get(name) {
            Some(index) => self.policies.get(*index),
            None => Some(&self.fallback).filter(|fallback| fallback.name == name),
        }
    }

    /// The policy that a namespace's label `ironhull.dev/policy: NAME` chooses; `None` where there
    /// is none of that name or it may not be chosen by label.
    pub fn by_label(&self, name: &str) -> Option<&Policy> {
        self.by_name(name).filter(|policy| policy.by_label)
    }

    /// The loaded policies, in the order of the files.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The kinds that pods are made from, those that any policy names among them.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// What is known of images, by every policy.
    pub fn facts(&self) -> &FactTable {
        &self.fallback.facts
    }

    /// The same policies, which also know `facts` of images. These come before those that are known
    /// already.
    #[must_use]
    pub fn and_facts(&self, facts: &[ImageFacts]) -> Self {
        self.with_facts(&Arc::new(FactTable::before(facts, &self.fallback.facts)))
    }

    /// The same policies, which know of images what `other` ones do.
    #[must_use]
    pub fn with_facts_of(&self, other: &Self) -> Self {
        self.with_facts(&other.fallback.facts)
    }

    fn with_facts(&self, facts: &Arc<FactTable>) -> Self {
        let knowing = |policy: &Policy| Policy { facts: Arc::clone(facts), ..policy.clone() };
        Self {
            policies: self.policies.iter().map(knowing).collect(),
            fallback: knowing(&self.fallback),
            ..self.clone()
        }
    }

    /// The policy for namespaces that no loaded policy claims.
    pub fn fallback(&self) -> &Policy {
        &self.fallback
    }

    fn glob(&self, name: &str, (prefix, suffix): (usize, usize)) -> Option<Choice<'_>> {
        let rest = name.len().checked_sub(prefix)?;
        let (prefix, _) = name.split_at_checked(prefix)?;
        let (_, suffix) = name.split_at_checked(prefix.len() + rest.checked_sub(suffix)?)?;
        let (policy, pattern) = self.globs.get(prefix)?.get(suffix)?;
        let policy = self.policies.get(*policy)?;
        Some(Choice { policy, pattern: policy.namespaces.get(*pattern) })
    }

    fn build(policies: Vec<Policy>, fallback: Policy) -> (Self, Vec<Diagnostic>) {
        let mut set = Self {
            policies: Vec::new(),
            fallback,
            by_name: HashMap::new(),
            exact: HashMap::new(),
            globs: HashMap::new(),
            shapes: Vec::new(),
            kinds: Kinds::default(),
        };
        let mut conflicts = Conflicts { policies: &policies, found: Vec::new() };
        for (index, policy) in policies.iter().enumerate() {
            if let Some(first) = set.by_name.insert(policy.name.clone(), index) {
                conflicts.name(first, index);
                set.by_name.insert(policy.name.clone(), first);
            }
            for (pattern_index, pattern) in policy.namespaces.iter().enumerate() {
                set.claim(pattern, (index, pattern_index), &mut conflicts);
            }
        }
        meet::globs(&policies, |one, other, name| conflicts.globs(one, other, name));
        let Conflicts { found, .. } = conflicts;
        set.shapes.sort_by_key(|(prefix, suffix)| (Reverse(prefix + suffix), *prefix));
        set.shapes.dedup();
        let own = policies.iter().chain([&set.fallback]);
        set.kinds = Kinds::new(own.flat_map(|policy| policy.pod_templates.iter().cloned()));
        set.policies = policies;
        (set, found)
    }

    fn claim(&mut self, pattern: &NamespacePattern, at: (usize, usize), out: &mut Conflicts<'_>) {
        match pattern {
            NamespacePattern::Exact(name) => match self.exact.get(name) {
                Some(first) if *first != at.0 => out.exact(*first, at, name),
                Some(_) => {}
                None => drop(self.exact.insert(name.clone(), at.0)),
            },
            NamespacePattern::Glob { prefix, suffix } => {
                let suffixes = self.globs.entry(prefix.clone()).or_default();
                suffixes.entry(suffix.clone()).or_insert(at);
                self.shapes.push((prefix.len(), suffix.len()));
            }
        }
    }

    /// A warning about a policy that has the fallback's name but does not replace it.
    fn unclaimed_restricted(&self) -> Option<Diagnostic> {
        let at = *self.by_name.get(&self.fallback.name)?;
        let policy = self.policies.get(at)?;
        let everything = |pattern: &NamespacePattern| pattern.to_string() == "*";
        if self.policies.iter().any(|policy| policy.namespaces.iter().any(everything)) {
            return None;
        }
        let name = &policy.name;
        let message = format!(
            "`{name}` does not claim `*`, so other namespaces get the compiled-in policy of that name"
        );
        let mut warning = Diagnostic::warning(policy.origin.name.clone(), message);
        warning.hint("add `*` to its `namespaces`, or give it another name");
        Some(warning)
    }
}

/// Claims that contradict each other.
struct Conflicts<'p> {
    policies: &'p [Policy],
    found: Vec<Diagnostic>,
}

/// A pattern: index of the policy, and index of the pattern within the policy.
type Claim = (usize, usize);

impl Conflicts<'_> {
    fn name(&mut self, first: usize, second: usize) {
        let Some((first, second)) = self.policies.get(first).zip(self.policies.get(second)) else {
            return;
        };
        self.push(
            second.origin.name.clone(),
            format!("a second policy called `{}`", second.name),
            (first.origin.name.clone(), "the first".to_owned()),
            "namespaces and metrics refer to policies by name; rename one",
        );
    }

    fn exact(&mut self, first: usize, second: Claim, name: &str) {
        let Some(policy) = self.policies.get(first) else { return };
        let mut patterns = policy.namespaces.iter();
        let pattern = patterns.position(|pattern| pattern.to_string() == name).unwrap_or_default();
        let hint = "a namespace has only one policy; remove it from one of the two";
        self.patterns((first, pattern), second, |other| {
            (format!("the namespace `{name}` is also claimed by the policy `{other}`"), hint)
        });
    }

    fn globs(&mut self, first: Claim, second: Claim, name: &str) {
        let hint = "make one of the two patterns longer, or claim such a name exactly";
        self.patterns(first, second, |other| {
            (format!("the namespace `{name}` would also belong to the policy `{other}`"), hint)
        });
    }

    fn patterns(
        &mut self,
        first: Claim,
        second: Claim,
        say: impl Fn(&str) -> (String, &'static str),
    ) {
        let (Some((first, place, pattern)), Some((_, at, _))) = (self.at(first), self.at(second))
        else {
            return;
        };
        let (message, hint) = say(&first.name);
        let related = (place.clone(), format!("`{pattern}` of `{}`", first.name));
        let at = at.clone();
        self.push(at, message, related, hint);
    }

    fn at(&self, (policy, pattern): Claim) -> Option<(&Policy, &Place, &NamespacePattern)> {
        let policy = self.policies.get(policy)?;
        Some((policy, policy.origin.namespaces.get(pattern)?, policy.namespaces.get(pattern)?))
    }

    fn push(&mut self, place: Place, message: String, related: (Place, String), hint: &str) {
        let mut error = Diagnostic::error(place, message);
        error.hint(hint).related(related.0, related.1);
        self.found.push(error);
    }
}
