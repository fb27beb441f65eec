//! One pod as a watch sees it: the facts of its containers, and what made it.
//!
//! There is no template to compare with, since the watch reads none: of a value that the note does not
//! claim it is not known who set it. Everything else is as in [`gather`](super::gather).

use super::live::Live;
use super::openreports::Fact;
use super::pod::{Judged, Shown};
use crate::admission::Environment;
use crate::foresight::workloads::Maker;
use crate::pod::{ContainerKind, Pod};
use crate::policy::Policy;

/// A pod's containers, and what made it.
#[derive(Debug)]
pub struct WatchedPod {
    /// The object that made it; the pod itself where nothing did, and for a static pod, whose owner is
    /// the node.
    pub maker: Maker,
    /// Its containers.
    pub containers: Vec<WatchedContainer>,
}

/// A container of a pod.
#[derive(Debug)]
pub struct WatchedContainer {
    /// Its name.
    pub name: Box<str>,
    /// Whether it runs.
    pub runs: bool,
    /// Whether it is to run for as long as its pod does: `false` for init containers that end, and for
    /// ephemeral ones.
    pub lasts: bool,
    /// A fact for each check.
    pub facts: Vec<Fact>,
}

impl WatchedPod {
    /// Reads a pod of this namespace, which has opted in; `policy` is in force there. `None` if it is
    /// in no form that ironhull reads.
    pub fn read(
        json: &str,
        namespace: &str,
        policy: &Policy,
        environment: Environment<'_>,
    ) -> Option<Self> {
        let pod = Pod::from_json(json).ok()?;
        let live: Live<'_> = serde_json::from_str(json).ok()?;
        let owner = live.metadata.controller().filter(|_| !pod.is_mirror());
        let maker = match owner {
            Some(owner) => Maker {
                api_version: (*owner.api_version).into(),
                kind: (*owner.kind).into(),
                name: (*owner.name).into(),
                uid: (*owner.uid).into(),
            },
            None => Maker {
                api_version: "v1".into(),
                kind: "Pod".into(),
                name: (*live.metadata.name).into(),
                uid: (*live.metadata.uid).into(),
            },
        };
        let judged = Judged {
            pod: &pod,
            live: &live,
            namespace,
            // Of the whole name only what tells exemptions of one pod apart is asked for.
            workload: (namespace, &maker.kind, &maker.name),
            policy,
            environment,
            instead: None,
            template: None,
        };
        let Shown { containers, exemptions } = judged.shown();
        let lasting = |name: &str| {
            let mut all = pod.all_containers();
            all.any(|it| {
                *it.container.name == *name
                    && matches!(it.kind, ContainerKind::App | ContainerKind::Sidecar)
            })
        };
        let containers = containers.iter().map(|container| WatchedContainer {
            name: container.name.as_str().into(),
            runs: container.runs(),
            lasts: lasting(&container.name),
            facts: container
                .cells
                .iter()
                .map(|cell| {
                    let exemption = cell.exemption.as_ref();
                    let of = |id: &String| exemptions.iter().find(|it| it.id == *id);
                    Fact::of(cell, exemption.and_then(of))
                })
                .collect(),
        });
        let containers = containers.collect();
        Some(Self { maker, containers })
    }
}
