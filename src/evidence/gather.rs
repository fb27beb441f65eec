//! A cluster, looked at once: makers first, then the pods, page by page.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use super::document::{
    ContainerEvidence, ContainerState, Document, ExemptionEvidence, FORMAT, Finished, Limit,
    NamespaceEvidence, Policies, PolicyEvidence, Standing, Summary, Taken, Tally, TemplateStanding,
    WorkloadEvidence,
};
use super::live::Live;
use super::pod::Judged;
use super::summary;
use super::templates::{Makers, Origin};
use crate::admission::{Environment, Mode};
use crate::cluster::namespaces::{NamespaceSettings, OPT_IN, SelectedNamespaces, can_opt_in};
use crate::cluster::{Cluster, PAGE};
use crate::foresight::workloads::PODS;
use crate::pod::Pod;
use crate::policy::{Grant, Policy, PolicySet};
use crate::terminal::progress::Progress;

/// Maximum number of pods named in a container's evidence.
const MAX_NAMES: usize = 10;

/// What is looked at, and by which policies it is judged.
#[derive(Clone, Copy)]
pub struct Look<'l> {
    /// The cluster.
    pub cluster: &'l Cluster,
    /// The namespaces.
    pub namespaces: &'l SelectedNamespaces,
    /// The policies.
    pub policies: &'l PolicySet,
    /// Where these are from, in words.
    pub from: &'l str,
    /// Whether they are those in force.
    pub known: bool,
    /// Today's date, and whether the cluster honours `hostUsers: false`.
    pub environment: Environment<'l>,
    /// Version of the API server, if it could be read.
    pub kubernetes: Option<&'l str>,
    /// Whether every namespace was asked for.
    pub all: bool,
}

/// Namespace, kind and name.
type Key = (String, String, String);

/// What was found so far.
struct Found<'l> {
    look: Look<'l>,
    makers: Makers,
    workloads: BTreeMap<Key, WorkloadEvidence>,
    finished: BTreeMap<Key, Finished>,
    exemptions: BTreeMap<String, ExemptionEvidence>,
    /// By name and revision, each policy that has grants which have ended: with nothing but these.
    ended: BTreeMap<String, Policy>,
    unreadable: Vec<String>,
}

impl Look<'_> {
    /// Looks at the cluster.
    ///
    /// # Errors
    /// When pods cannot be listed. Whatever else cannot be read is a [`Limit`].
    pub async fn document(self) -> anyhow::Result<Document> {
        let at = Timestamp::now();
        let Self { cluster, namespaces, environment, .. } = self;
        let reader = &cluster.reader;
        let mut found = Found {
            look: self,
            makers: Makers::new(environment.user_namespaces),
            workloads: BTreeMap::new(),
            finished: BTreeMap::new(),
            exemptions: BTreeMap::new(),
            ended: ended(self.policies, environment.date),
            unreadable: Vec::new(),
        };
        let mut limits = Vec::new();
        for namespace in namespaces.requests() {
            found.makers.read(reader, namespace, &mut limits).await;
            let mut progress: Option<Progress> = None;
            let each = reader.each(&PODS, namespace, None, false, |item, remaining| {
                let total = || remaining.map(|remaining| remaining + u64::from(PAGE));
                progress.get_or_insert_with(|| Progress::new("pods", total())).advance(1);
                found.take(item.get());
                Ok(())
            });
            each.await?;
        }
        let until = Timestamp::now();
        let taken = Taken {
            at: seconds(at),
            until: seconds(until),
            date: environment.date.to_string(),
            ironhull: env!("CARGO_PKG_VERSION"),
            server: reader.server().to_owned(),
            kubernetes: self.kubernetes.map(str::to_owned),
            scope: self.scope(),
            all_namespaces: self.all,
        };
        limits.extend(self.limits(&found.unreadable, taken.kubernetes.is_none()));
        Ok(found.document(taken, limits))
    }

    fn scope(self) -> String {
        let names: Vec<&str> = self.namespaces.iter().map(|it| it.name.as_str()).collect();
        match self.all {
            true => "every namespace".to_owned(),
            false => names.join(", "),
        }
    }

    /// What no right would lift, and what was missing otherwise.
    fn limits(self, unreadable: &[String], no_version: bool) -> Vec<Limit> {
        let limit = |what: &str, why: &str, effect: &str, for_rights| Limit {
            what: what.to_owned(),
            why: why.to_owned(),
            effect: effect.to_owned(),
            for_rights,
        };
        let mut limits = Vec::new();
        if !self.known {
            limits.push(limit(
                "the installed policies",
                "the ConfigMaps of ironhull's chart could not be read",
                "no exemption is confirmed, and the rules are those of the built-in policy",
                true,
            ));
        }
        if no_version {
            limits.push(limit(
                "the API server's version",
                "/version did not answer",
                "user namespaces are asked for, but not known to be honoured",
                true,
            ));
        }
        if !unreadable.is_empty() {
            let few: Vec<&str> = unreadable.iter().take(MAX_NAMES).map(String::as_str).collect();
            limits.push(limit(
                &format!("{} pods", unreadable.len()),
                &format!("they are in no form that ironhull reads: {}", few.join(", ")),
                "they are in no total",
                false,
            ));
        }
        limits.extend(FOR_EVER.map(|(what, why, effect)| limit(what, why, effect, false)));
        limits
    }
}

/// What no report of this kind can tell.
const FOR_EVER: [(&str, &str, &str); 5] = [
    (
        "the nodes",
        "the role `view` may not read nodes, and nothing was run in a container",
        "kernel, runtime, kubelet settings, seccomp and AppArmor profiles are the node's own word",
    ),
    (
        "what a program becomes",
        "the user is the one that the first process of a container was started as",
        "a program that is root may have given that up, and one with setuid files may become root",
    ),
    (
        "whether a status is true",
        "the kubelet's report is as good as the right to write pods/status",
        "who has that right can forge the user of a container",
    ),
    (
        "what is behind volumes",
        "the role `view` reads neither Secrets nor PersistentVolumes",
        "a claim may be a directory of the node, and a Secret may hold a service account's token",
    ),
    (
        "the webhook",
        "the role `view` may not read webhook configurations and admission policies",
        "a value is put down to ironhull by the note on the pod, which is not evidence",
    ),
];

impl Found<'_> {
    fn take(&mut self, json: &str) {
        let live: Result<Live<'_>, _> = serde_json::from_str(json);
        let (Ok(pod), Ok(live)) = (Pod::from_json(json), live) else {
            self.unreadable.push(name_of(json));
            return;
        };
        let Some(namespace) = self.look.namespaces.get(&live.metadata.namespace) else { return };
        let Origin { workload, managed_by, template, standing } =
            self.makers.origin(&live.metadata, pod.is_mirror());
        let key = (namespace.name.clone(), workload.kind.clone(), workload.name.clone());
        if live.status.is_over() {
            let (namespace, kind, name) = key.clone();
            let blank = Finished { namespace, kind, name, succeeded: 0, failed: 0 };
            let finished = self.finished.entry(key).or_insert(blank);
            match &*live.status.phase {
                "Succeeded" => finished.succeeded += 1,
                _ => finished.failed += 1,
            }
            return;
        }
        let mode = namespace.mode_of(live.metadata.labels.get(OPT_IN));
        let judged = Judged {
            pod: &pod,
            live: &live,
            namespace: &namespace.name,
            workload: (&key.0, &key.1, &key.2),
            policy: namespace.policy(self.look.policies),
            environment: self.look.environment,
            instead: match (self.look.known, mode) {
                (false, _) => Some(Standing::Unconfirmed),
                (true, None) => Some(Standing::NotOptedIn),
                (true, Some(_)) => None,
            },
            template,
        };
        let mut shown = judged.shown();
        if let Some(ended) = self.ended.get(&judged.policy.versioned()) {
            let ended = judged.ended(ended, &shown.exemptions);
            shown.exemptions.extend(ended);
        }
        let evidence = self.workloads.entry(key).or_insert_with(|| WorkloadEvidence {
            namespace: namespace.name.clone(),
            api_version: workload.api_version,
            kind: workload.kind,
            name: workload.name,
            uid: Some(workload.uid).filter(|uid| !uid.is_empty()),
            managed_by,
            is_static: pod.is_mirror(),
            mode: mode.map(Mode::as_str),
            template: standing,
            pods: 0,
            containers: Vec::new(),
        });
        // What could not be compared for one pod is not compared for all of them.
        if standing == TemplateStanding::Changed {
            evidence.template = standing;
        }
        evidence.pods += 1;
        evidence.take(shown.containers);
        self.exempt(shown.exemptions);
    }

    fn exempt(&mut self, exemptions: Vec<ExemptionEvidence>) {
        for exemption in exemptions {
            match self.exemptions.get_mut(&exemption.id) {
                Some(known) => known.pods += 1,
                None => drop(self.exemptions.insert(exemption.id.clone(), exemption)),
            }
        }
    }

    fn document(self, taken: Taken, limits: Vec<Limit>) -> Document {
        let Self { look, workloads, finished, exemptions, .. } = self;
        let mut policies: BTreeMap<String, PolicyEvidence> = BTreeMap::new();
        for namespace in look.namespaces.iter() {
            let policy = namespace.policy(look.policies);
            let (name, revision) = (policy.name.clone(), policy.revision.clone());
            let blank = PolicyEvidence { name, revision, namespaces: 0 };
            policies.entry(policy.versioned()).or_insert(blank).namespaces += 1;
        }
        let mut workloads: Vec<_> = workloads.into_values().collect();
        for workload in &mut workloads {
            workload.containers.sort_by(|a, b| (a.status, &a.name).cmp(&(b.status, &b.name)));
        }
        let namespace = |it: &NamespaceSettings| NamespaceEvidence {
            name: it.name.clone(),
            mode: it.mode.map(Mode::as_str),
            can_opt_in: can_opt_in(&it.name),
            slip: it.slip.clone(),
            policy: it.policy(look.policies).versioned(),
            pod_security: it.pod_security.clone(),
            workloads: 0,
            containers: 0,
            root: 0,
            restricted: 0,
            cells: Tally::default(),
        };
        let mut document = Document {
            format: FORMAT,
            taken,
            policies: Policies {
                from: look.from.to_owned(),
                known: look.known,
                policies: policies.into_values().collect(),
            },
            summary: Summary::default(),
            checks: Vec::new(),
            namespaces: look.namespaces.iter().map(namespace).collect(),
            workloads,
            exemptions: exemptions.into_values().collect(),
            finished: finished.into_values().collect(),
            controls_from: String::new(),
            controls: Vec::new(),
            limits,
            changes: None,
        };
        summary::sum(&mut document);
        document
    }
}

/// By name and revision, each policy that has grants which have ended, with nothing but these.
fn ended(policies: &PolicySet, date: Date) -> BTreeMap<String, Policy> {
    let is_over = |grant: &&Grant| grant.until.is_some_and(|until| until < date);
    let mut ended = BTreeMap::new();
    for policy in policies.policies() {
        let grants: Vec<Grant> = policy.exempt.iter().filter(is_over).cloned().collect();
        if !grants.is_empty() {
            ended.insert(policy.versioned(), Policy { exempt: grants, ..policy.clone() });
        }
    }
    ended
}

impl WorkloadEvidence {
    /// Takes the containers of one more pod. Those alike to others are counted with them.
    fn take(&mut self, containers: Vec<ContainerEvidence>) {
        for one in containers {
            let Some(known) = self.containers.iter_mut().find(|known| known.is_like(&one)) else {
                self.containers.push(one);
                continue;
            };
            known.pods += 1;
            if known.pod_names.len() < MAX_NAMES {
                known.pod_names.extend(one.pod_names);
            }
            if one.status == ContainerState::Running {
                known.running_since = match (known.running_since.take(), one.running_since) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
        }
    }
}

/// Name of a pod that could not be read.
fn name_of(json: &str) -> String {
    #[derive(Deserialize)]
    struct Named {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(default)]
        namespace: String,
        name: String,
    }
    serde_json::from_str::<Named>(json).map_or_else(
        |_| "?".to_owned(),
        |it| format!("{}/{}", it.metadata.namespace, it.metadata.name),
    )
}

/// A time in whole seconds, RFC 3339.
fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
