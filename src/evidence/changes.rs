//! Comparison with an earlier report.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::check::Check;
pub use super::document::{CellRef, Changes, ContainerRef};
use super::document::{Document, FORMAT, Standing};
use crate::text::printable;

/// An earlier report, as far as it is compared.
#[derive(Debug, Deserialize)]
pub struct Earlier {
    format: String,
    taken: EarlierTaken,
    namespaces: Vec<EarlierNamespace>,
    workloads: Vec<EarlierWorkload>,
    exemptions: Vec<EarlierExemption>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EarlierTaken {
    at: String,
    all_namespaces: bool,
}

#[derive(Debug, Deserialize)]
struct EarlierNamespace {
    name: String,
}

#[derive(Debug, Deserialize)]
struct EarlierWorkload {
    namespace: String,
    kind: String,
    name: String,
    containers: Vec<EarlierContainer>,
}

#[derive(Debug, Deserialize)]
struct EarlierContainer {
    name: String,
    status: String,
    cells: Vec<EarlierCell>,
}

#[derive(Debug, Deserialize)]
struct EarlierCell {
    check: String,
    state: String,
}

#[derive(Debug, Deserialize)]
struct EarlierExemption {
    id: String,
    namespace: String,
    standing: String,
}

/// The worst state of each check of each container that runs, as a word.
type States<'s> = BTreeMap<ContainerRef, BTreeMap<&'s str, &'s str>>;

impl Earlier {
    /// Reads what `ironhull report -o json` wrote.
    ///
    /// # Errors
    /// When it is no such report, or one of another format.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let earlier: Self = serde_json::from_str(text)
            .context("it is not what `ironhull report -o json` writes")?;
        match earlier.format == FORMAT {
            true => Ok(earlier),
            false => {
                bail!("its format is `{}`, and not `{FORMAT}`", printable(&earlier.format, 60))
            }
        }
    }

    /// What changed since.
    pub fn compare(&self, document: &Document) -> Changes {
        let scope = Scope::of(self, document);
        let (mut before, mut now) = (self.states(), states(document));
        before.retain(|container, _| scope.has(&container.namespace));
        now.retain(|container, _| scope.has(&container.namespace));
        let fails = |states: &BTreeMap<&str, &str>, check: &str| {
            matches!(states.get(check), Some(&("fail" | "exempt")))
        };
        let root = |states: &BTreeMap<&str, &str>| fails(states, Check::RunAsNonRoot.as_str());
        let mut changes = Changes {
            since: self.taken.at.clone(),
            not_compared: scope.left_out(),
            ..Changes::default()
        };
        for (container, states) in &now {
            let then = before.get(container);
            if root(states) && !then.is_some_and(root) {
                changes.new_root.push(container.clone());
            }
            let Some(then) = then else { continue };
            for check in Check::ALL {
                let name = check.as_str();
                let (old, new) = (then.get(name).copied(), states.get(name).copied());
                let cell = || CellRef { container: container.clone(), check };
                match (old, new) {
                    (Some("fail"), Some("pass")) => changes.better.push(cell()),
                    (Some(old), Some("fail")) if old != "fail" => changes.worse.push(cell()),
                    _ => {}
                }
            }
        }
        let were_root = before.iter().filter(|(_, then)| root(then));
        let mended = were_root.filter(|(container, _)| !now.get(*container).is_some_and(root));
        changes.no_longer_root = mended.map(|(container, _)| container.clone()).collect();
        let titles = |all: &mut dyn Iterator<Item = (&str, &str, &str)>| -> BTreeSet<String> {
            let all = all.filter(|(namespace, ..)| scope.has(namespace));
            all.map(|(namespace, kind, name)| format!("{namespace}/{kind}/{name}")).collect()
        };
        let old = titles(&mut self.workloads.iter().map(|w| (&*w.namespace, &*w.kind, &*w.name)));
        let new =
            titles(&mut document.workloads.iter().map(|w| (&*w.namespace, &*w.kind, &*w.name)));
        changes.new_workloads = new.difference(&old).cloned().collect();
        changes.gone_workloads = old.difference(&new).cloned().collect();
        let old = self.exemptions.iter();
        let old = old.filter(|it| it.standing == "inForce" && scope.has(&it.namespace));
        let old: BTreeSet<&str> = old.map(|it| it.id.as_str()).collect();
        let in_force = || document.exemptions.iter().filter(|it| it.standing == Standing::InForce);
        let new = in_force().filter(|it| scope.has(&it.namespace));
        let new: BTreeSet<&str> = new.map(|it| it.id.as_str()).collect();
        let owned = |ids: &mut dyn Iterator<Item = &&str>| ids.map(|id| (*id).to_owned()).collect();
        changes.new_exemptions = owned(&mut new.difference(&old));
        changes.ended_exemptions = owned(&mut old.difference(&new));
        let ending = in_force().filter(|it| it.ends_soon());
        changes.ending_exemptions = ending.map(|it| it.id.clone()).collect();
        changes
    }

    fn states(&self) -> States<'_> {
        let mut states = States::new();
        for workload in &self.workloads {
            let running = workload.containers.iter().filter(|it| it.status == "running");
            for container in running {
                let key = ContainerRef {
                    namespace: workload.namespace.clone(),
                    kind: workload.kind.clone(),
                    name: workload.name.clone(),
                    container: container.name.clone(),
                };
                let cells = container.cells.iter();
                add(&mut states, key, cells.map(|cell| (&*cell.check, &*cell.state)));
            }
        }
        states
    }
}

/// The namespaces that two reports looked at.
struct Scope<'s> {
    /// Namespaces of the earlier report; whether it looked at all.
    then: (BTreeSet<&'s str>, bool),
    /// The same of this one.
    now: (BTreeSet<&'s str>, bool),
}

impl<'s> Scope<'s> {
    fn of(earlier: &'s Earlier, document: &'s Document) -> Self {
        let then = earlier.namespaces.iter().map(|it| it.name.as_str()).collect();
        let now = document.namespaces.iter().map(|it| it.name.as_str()).collect();
        Self {
            then: (then, earlier.taken.all_namespaces),
            now: (now, document.taken.all_namespaces),
        }
    }

    /// Whether both looked at a namespace. Who looks at all has seen that one is not there.
    fn has(&self, namespace: &str) -> bool {
        let looked = |(names, all): &(BTreeSet<&str>, bool)| *all || names.contains(namespace);
        looked(&self.then) && looked(&self.now)
    }

    fn left_out(&self) -> Vec<String> {
        let all = self.then.0.union(&self.now.0);
        all.filter(|name| !self.has(name)).map(|name| (*name).to_owned()).collect()
    }
}

fn states(document: &Document) -> States<'_> {
    let mut states = States::new();
    for (workload, container) in document.running() {
        let key = ContainerRef {
            namespace: workload.namespace.clone(),
            kind: workload.kind.clone(),
            name: workload.name.clone(),
            container: container.name.clone(),
        };
        let cells = container.cells.iter();
        add(&mut states, key, cells.map(|cell| (cell.check.as_str(), cell.state.as_str())));
    }
    states
}

/// Adds the cells of a container. Of several alike in name the worst state counts.
fn add<'s>(
    states: &mut States<'s>,
    key: ContainerRef,
    cells: impl Iterator<Item = (&'s str, &'s str)>,
) {
    const WORST_LAST: [&str; 5] = ["notApplicable", "pass", "unknown", "exempt", "fail"];
    let rank = |state: &str| WORST_LAST.iter().position(|it| *it == state);
    let known = states.entry(key).or_default();
    for (check, state) in cells {
        let worst = known.entry(check).or_insert(state);
        if rank(state) > rank(worst) {
            *worst = state;
        }
    }
}
