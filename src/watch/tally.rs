//! What is kept of pods and namespaces, and the sums of it.

use std::collections::{BTreeMap, HashMap};

use super::judge::{Allowed, PodCounts, RESULTS, RULES, Standing};
use super::key::{Key, key};
use crate::admission::Mode;
use crate::cluster::namespaces::NamespaceSettings;
use crate::policy::{Policy, PolicySet};

/// Maximum number of pods kept. Kubernetes is made for 150,000.
pub const MAX_PODS: usize = 200_000;

/// Maximum number of namespaces with lines of their own. Those beyond are summed up.
pub const MAX_NAMESPACES: usize = 1000;

/// Name of the sum of namespaces beyond the limit. No namespace can be called so.
pub const OTHERS: &str = "_others";

#[derive(Clone, Copy, Debug)]
struct JudgedPod {
    /// Number of the latest list when the pod was last seen.
    round: u8,
    facts: PodCounts,
}

/// The judged pods and the namespaces.
#[derive(Debug, Default)]
pub struct Tally {
    /// Pods by namespace. A namespace without pods has no entry.
    pods: BTreeMap<Box<str>, HashMap<Key, JudgedPod>>,
    count: usize,
    /// Namespaces with the label.
    namespaces: BTreeMap<Box<str>, (u8, NamespaceSettings)>,
    /// Number of the latest list of each resource. What still has an older one when the list
    /// completes is gone.
    rounds: [u8; 2],
    /// Number of pods beyond the limit since the last list.
    over: u64,
}

/// A watched resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Namespaces that have the label.
    Namespaces,
    /// Pods of all namespaces.
    Pods,
}

impl What {
    /// Both resources.
    pub const ALL: [Self; 2] = [Self::Namespaces, Self::Pods];

    /// The resource's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Pods => "pods",
        }
    }
}

impl Tally {
    fn round(&self, what: What) -> u8 {
        self.rounds.get(what as usize).copied().unwrap_or_default()
    }

    /// Begins a list: what does not come in it is gone at its end.
    pub fn begin(&mut self, what: What) {
        if let Some(round) = self.rounds.get_mut(what as usize) {
            *round = round.wrapping_add(1);
        }
        if what == What::Pods {
            self.over = 0;
        }
    }

    /// Completes a list, and removes what did not come in it.
    pub fn finish(&mut self, what: What) {
        let round = self.round(what);
        match what {
            What::Namespaces => self.namespaces.retain(|_, (seen, _)| *seen == round),
            What::Pods => {
                for pods in self.pods.values_mut() {
                    pods.retain(|_, entry| entry.round == round);
                    pods.shrink_to_fit();
                }
                self.pods.retain(|_, pods| !pods.is_empty());
                self.count = self.pods.values().map(HashMap::len).sum();
            }
        }
    }

    /// Adds or updates a pod.
    pub fn pod(&mut self, namespace: &str, uid: &str, facts: PodCounts) {
        let entry = JudgedPod { round: self.round(What::Pods), facts };
        let known = self.pods.get_mut(namespace).and_then(|pods| pods.get_mut(&key(&[uid])));
        if let Some(known) = known {
            *known = entry;
            return;
        }
        if self.count >= MAX_PODS {
            self.over += 1;
            return;
        }
        self.count += 1;
        match self.pods.get_mut(namespace) {
            Some(pods) => drop(pods.insert(key(&[uid]), entry)),
            None => drop(self.pods.insert(namespace.into(), HashMap::from([(key(&[uid]), entry)]))),
        }
    }

    /// Removes a pod that is gone or will never run again.
    pub fn pod_is_gone(&mut self, namespace: &str, uid: &str) {
        let Some(pods) = self.pods.get_mut(namespace) else { return };
        if pods.remove(&key(&[uid])).is_some() {
            self.count -= 1;
        }
        if pods.is_empty() {
            self.pods.remove(namespace);
        }
    }

    /// Adds or updates a namespace.
    pub fn namespace(&mut self, namespace: NamespaceSettings) {
        let name = namespace.name.as_str().into();
        self.namespaces.insert(name, (self.round(What::Namespaces), namespace));
    }

    /// Removes a namespace that no longer has the label.
    pub fn namespace_is_gone(&mut self, name: &str) {
        self.namespaces.remove(name);
    }

    /// The policy in force for a namespace's pods.
    pub fn policy_of<'p>(&self, name: &str, policies: &'p PolicySet) -> &'p Policy {
        match self.namespaces.get(name) {
            Some((_, namespace)) => namespace.policy(policies),
            None => policies.for_namespace(name),
        }
    }

    /// The mode that a namespace opted in to.
    pub fn mode_of(&self, name: &str) -> Option<Mode> {
        let (_, namespace) = self.namespaces.get(name)?;
        namespace.mode
    }

    /// Whether any pod of the namespace was judged.
    pub fn has_pods_in(&self, namespace: &str) -> bool {
        self.pods.contains_key(namespace)
    }

    /// Number of pods kept, and of pods beyond the limit.
    pub fn size(&self) -> (usize, u64) {
        (self.count, self.over)
    }

    /// The sums of each namespace that opted in, by name and mode. The pods of one on `audit` that
    /// opted in themselves have a sum of their own.
    pub fn sums(&self) -> BTreeMap<(&str, &'static str), Sums> {
        let mut all: BTreeMap<(&str, &'static str), Sums> = BTreeMap::new();
        let mut named = 0;
        for (name, (_, namespace)) in &self.namespaces {
            let Some(mode) = self.mode_of(name) else { continue };
            named += 1;
            let name = if named <= MAX_NAMESPACES { &**name } else { OTHERS };
            all.entry((name, mode.as_str())).or_default().namespaces += 1;
            for entry in self.pods.get(&*namespace.name).into_iter().flat_map(HashMap::values) {
                let asks = entry.facts.asks.then_some(Mode::Enforce.as_str());
                let mode = namespace.mode_of(asks).unwrap_or(mode);
                all.entry((name, mode.as_str())).or_default().add(&entry.facts);
            }
        }
        all
    }
}

/// Sums over the pods of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Number of namespaces in this sum.
    pub namespaces: u64,
    /// Root containers, by [`Allowed::WORDS`].
    pub root: [u64; Allowed::WORDS.len()],
    /// Containers whose user is unknown.
    pub unknown_user: u64,
    /// For each rule, by [`RESULTS`].
    pub rules: [[u64; RESULTS.len()]; RULES],
    /// Pods, by [`Standing::WORDS`].
    pub standing: [u64; Standing::WORDS.len()],
    /// Pods with an exemption in force.
    pub exempt: u64,
    /// End of the first exemption to end, in Unix time, if any ends.
    pub ends: Option<i64>,
}

impl Sums {
    fn add(&mut self, facts: &PodCounts) {
        add(&mut self.root, &facts.root);
        self.unknown_user += u64::from(facts.unknown_user);
        self.rules.iter_mut().zip(&facts.rules).for_each(|(sums, counts)| add(sums, counts));
        if let Some(sum) = self.standing.get_mut(facts.standing as usize) {
            *sum += 1;
        }
        self.exempt += u64::from(facts.exempt);
        if facts.ends > 0 {
            self.ends = Some(self.ends.unwrap_or(i64::MAX).min(facts.ends));
        }
    }
}

fn add<const N: usize>(sums: &mut [u64; N], counts: &[u8; N]) {
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(*count));
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test that fails says where"
    )]

    use serde_json::json;

    use super::*;

    fn namespace(name: &str, mode: &str) -> NamespaceSettings {
        let labels = json!({"ironhull.dev/harden": mode});
        NamespaceSettings::of(
            serde_json::from_value(json!({"name": name, "labels": labels})).unwrap(),
        )
    }

    fn root() -> PodCounts {
        PodCounts { root: [1, 0, 0], ..PodCounts::default() }
    }

    #[test]
    fn only_namespaces_that_opted_in_are_summed_up() {
        let mut tally = Tally::default();
        for (name, mode) in
            [("shop", "enforce"), ("new", "audit"), ("odd", "enforced"), ("kube-system", "enforce")]
        {
            tally.namespace(namespace(name, mode));
            tally.pod(name, "a", root());
        }
        tally.pod("other", "b", root());
        let sums = tally.sums();
        let found: Vec<_> = sums.iter().map(|(key, sums)| (*key, sums.root[0])).collect();
        assert_eq!(found, [(("new", "audit"), 1), (("shop", "enforce"), 1)]);
        assert_eq!(tally.size(), (5, 0));
    }

    #[test]
    fn a_pod_opts_in_by_itself_where_its_namespace_is_on_audit() {
        let mut tally = Tally::default();
        for (name, mode) in [("shop", "enforce"), ("new", "audit"), ("odd", "enforced")] {
            tally.namespace(namespace(name, mode));
            tally.pod(name, "a", root());
            tally.pod(name, "b", PodCounts { asks: true, ..root() });
        }
        let sums = tally.sums();
        let found: Vec<_> =
            sums.iter().map(|(key, sums)| (*key, sums.root[0], sums.namespaces)).collect();
        assert_eq!(
            found,
            [(("new", "audit"), 1, 1), (("new", "enforce"), 1, 0), (("shop", "enforce"), 2, 1)]
        );
    }

    #[test]
    fn what_does_not_come_in_a_list_is_gone_at_its_end() {
        let mut tally = Tally::default();
        tally.namespace(namespace("shop", "enforce"));
        for uid in ["a", "b"] {
            tally.pod("shop", uid, root());
        }
        tally.begin(What::Pods);
        tally.pod("shop", "b", root());
        tally.pod("new", "c", root());
        assert_eq!(tally.size().0, 3, "not before the end");
        tally.finish(What::Pods);
        assert_eq!(tally.size().0, 2);
        tally.pod_is_gone("new", "c");
        tally.pod_is_gone("new", "c");
        tally.pod_is_gone("shop", "no such");
        assert_eq!(tally.size().0, 1);
        assert!(!tally.has_pods_in("new"));
        tally.begin(What::Namespaces);
        tally.finish(What::Namespaces);
        assert!(tally.sums().is_empty());
    }

    #[test]
    fn the_first_end_of_an_exemption_is_kept() {
        let mut tally = Tally::default();
        tally.namespace(namespace("shop", "enforce"));
        for (uid, ends) in [("a", 0), ("b", 30), ("c", 20)] {
            tally.pod("shop", uid, PodCounts { ends, exempt: true, ..PodCounts::default() });
        }
        let sums = &tally.sums()[&("shop", "enforce")];
        assert_eq!((sums.ends, sums.exempt), (Some(20), 3));
    }

    #[test]
    fn namespaces_beyond_the_limit_are_one_line() {
        let mut tally = Tally::default();
        for number in 0..MAX_NAMESPACES + 5 {
            let name = format!("n{number:05}");
            tally.namespace(namespace(&name, "enforce"));
            tally.pod(&name, "a", root());
        }
        let sums = tally.sums();
        assert_eq!(sums.len(), MAX_NAMESPACES + 1);
        let others = &sums[&(OTHERS, "enforce")];
        assert_eq!((others.namespaces, others.root[0]), (5, 5));
    }

    #[test]
    fn pods_beyond_the_limit_are_counted_and_not_kept() {
        let mut tally = Tally::default();
        for number in 0..MAX_PODS + 3 {
            tally.pod("shop", &number.to_string(), root());
        }
        tally.pod("shop", "7", root());
        assert_eq!(tally.size(), (MAX_PODS, 3));
    }
}
