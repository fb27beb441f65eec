//! The workloads of a cluster, each judged as it comes: nothing is kept of an object but
//! what is said of it.
//!
//! Pods come first, for what they tell of the workloads they belong to; then the objects
//! with the templates they are made from.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use jiff::civil::Date;
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::facts::{Facts, FactsByOwner};
use super::scope::{Scope, Space};
use crate::cli::cluster::{Listed, PAGE, Reader};
use crate::cli::outlook::{Outlook, Template, outlook};
use crate::cli::progress::Progress;
use crate::cli::risk::{Cause, Remedy, Risk};
use crate::pod::MIRROR_ANNOTATION;
use crate::policy::{Policy, PolicySet};

const CORE: &str = "/api/v1";
const APPS: &str = "/apis/apps/v1";
const BATCH: &str = "/apis/batch/v1";

/// Pods.
pub const PODS: Listed = Listed { api: CORE, resource: "pods" };
/// ReplicaSets.
pub const REPLICA_SETS: Listed = Listed { api: APPS, resource: "replicasets" };
/// Jobs.
pub const JOBS: Listed = Listed { api: BATCH, resource: "jobs" };

/// The kinds with a template, and where an annotation of their pods belongs.
const KINDS: [(Listed, &str, &str); 7] = [
    (Listed { api: APPS, resource: "deployments" }, "Deployment", TEMPLATE),
    (Listed { api: APPS, resource: "statefulsets" }, "StatefulSet", TEMPLATE),
    (Listed { api: APPS, resource: "daemonsets" }, "DaemonSet", TEMPLATE),
    (REPLICA_SETS, "ReplicaSet", TEMPLATE),
    (Listed { api: CORE, resource: "replicationcontrollers" }, "ReplicationController", TEMPLATE),
    (JOBS, "Job", TEMPLATE),
    (
        Listed { api: BATCH, resource: "cronjobs" },
        "CronJob",
        "spec.jobTemplate.spec.template.metadata.annotations",
    ),
];
const TEMPLATE: &str = "spec.template.metadata.annotations";
const POD: &str = "metadata.annotations";

/// A workload, and what is to be expected of its pods.
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What made it, `KIND/NAME`, where something did: what is to last has to be said there.
    pub managed_by: Option<String>,
    /// How many of its pods there are.
    pub pods: u32,
    /// The pod that was looked at, where it was not the template.
    pub pod: Option<String>,
    /// Where an annotation of its pods belongs.
    pub annotations_at: &'static str,
    /// Whether a pod of it runs that this very policy hardened.
    pub runs_hardened: bool,
    /// The policy.
    pub policy: String,
    /// What is to be expected; or why nothing can be said.
    pub outlook: Result<Outlook, String>,
}

/// What is asked, of what.
pub struct Gather<'g> {
    /// The cluster.
    pub reader: &'g Reader,
    /// The policies.
    pub policies: &'g PolicySet,
    /// The date by which exemptions end.
    pub date: Date,
}

/// An object with a template, or a pod; of its text only what is needed is decoded.
#[derive(Deserialize)]
struct Object<'o> {
    metadata: Metadata,
    #[serde(borrow, default)]
    spec: Spec<'o>,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    uid: String,
    owner_references: Option<Vec<Owner>>,
}

#[derive(Clone, Deserialize)]
struct Owner {
    kind: String,
    name: String,
    uid: String,
    #[serde(default)]
    controller: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'o> {
    #[serde(borrow)]
    template: Option<&'o RawValue>,
    #[serde(borrow)]
    job_template: Option<JobTemplate<'o>>,
    volume_claim_templates: Option<Vec<Claim>>,
}

#[derive(Deserialize)]
struct JobTemplate<'o> {
    #[serde(borrow)]
    spec: JobSpec<'o>,
}

#[derive(Deserialize)]
struct JobSpec<'o> {
    #[serde(borrow)]
    template: &'o RawValue,
}

#[derive(Deserialize)]
struct Claim {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    conditions: Option<Vec<Condition>>,
}

#[derive(Deserialize)]
struct Condition {
    r#type: String,
    status: String,
}

impl Metadata {
    fn controller(&self) -> Option<&Owner> {
        self.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
    }
}

/// Controllers between a pod and what a person made: by uid, the one above.
type Above = HashMap<String, Owner>;

/// An object that waits for one of its pods to be read, since others have added to these.
struct Later {
    workload: Workload,
    pod: String,
    reserved: Vec<String>,
    owner: String,
}

impl Gather<'_> {
    /// Gives `take` every workload in the scope.
    ///
    /// # Errors
    /// When something cannot be read from the cluster.
    pub async fn workloads(
        &self,
        scope: &Scope,
        mut take: impl FnMut(Workload),
    ) -> anyhow::Result<()> {
        for namespace in scope.requests() {
            self.of(scope, namespace, &mut take).await?;
        }
        Ok(())
    }

    async fn of(
        &self,
        scope: &Scope,
        namespace: Option<&str>,
        take: &mut impl FnMut(Workload),
    ) -> anyhow::Result<()> {
        let mut above = Above::new();
        for kind in [REPLICA_SETS, JOBS] {
            let each = self.reader.each(kind, namespace, None, true, |item, _| {
                let object: Object<'_> = serde_json::from_str(item.get())?;
                if let Some(owner) = object.metadata.controller() {
                    above.insert(object.metadata.uid.clone(), owner.clone());
                }
                Ok(())
            });
            each.await?;
        }
        let mut facts = FactsByOwner::new();
        let mut strays = Strays::default();
        self.pods(scope, namespace, &above, &mut facts, &mut strays, take).await?;
        for (kind, name, at) in KINDS {
            let mut later = Vec::new();
            let mut progress = Progress::new(kind.resource, None);
            let each = self.reader.each(kind, namespace, None, false, |item, _| {
                progress.advance(1);
                let object: Object<'_> = serde_json::from_str(item.get())?;
                let Some(space) = scope.space(&object.metadata.namespace) else { return Ok(()) };
                match self.template(space, &object, name, at, &facts) {
                    Some(Judged::Now(workload)) => take(*workload),
                    Some(Judged::Later(other)) => later.push(*other),
                    None => {}
                }
                strays.known(&object.metadata.uid);
                Ok(())
            });
            each.await?;
            drop(progress);
            for other in later {
                take(self.with_pod(scope, other, &facts).await?);
            }
        }
        strays.take(take);
        Ok(())
    }

    async fn pods(
        &self,
        scope: &Scope,
        namespace: Option<&str>,
        above: &Above,
        facts: &mut FactsByOwner,
        strays: &mut Strays,
        take: &mut impl FnMut(Workload),
    ) -> anyhow::Result<()> {
        let mut progress: Option<Progress> = None;
        let each = self.reader.each(PODS, namespace, None, false, |item, remaining| {
            progress
                .get_or_insert_with(|| {
                    Progress::new("pods", remaining.map(|more| more + u64::from(PAGE)))
                })
                .advance(1);
            let object: Object<'_> = serde_json::from_str(item.get())?;
            let Some(space) = scope.space(&object.metadata.namespace) else { return Ok(()) };
            let pod: Pod = serde_json::from_str(item.get()).context("a pod cannot be read")?;
            let mirror = pod.metadata.annotations.as_ref();
            if mirror.is_some_and(|annotations| annotations.contains_key(MIRROR_ANNOTATION)) {
                return Ok(());
            }
            let Some(owner) = object.metadata.controller() else {
                let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                if !matches!(phase, Some("Succeeded" | "Failed")) {
                    let mut own = Facts::default();
                    own.take(&pod);
                    take(self.pod(space, &object.metadata, item.get(), None, &own));
                }
                return Ok(());
            };
            let root = above.get(&owner.uid).unwrap_or(owner);
            let own = facts.entry(root.uid.clone()).or_default();
            own.take(&pod);
            let known = KINDS.iter().any(|(_, kind, _)| *kind == root.kind);
            if !known && !strays.has(&root.uid) {
                // Of a kind that only its operator knows: its pods are all there is to see.
                strays.add(root, self.pod(space, &object.metadata, item.get(), Some(root), own));
            }
            Ok(())
        });
        each.await
    }

    /// A workload by its template.
    fn template(
        &self,
        space: &Space,
        object: &Object<'_>,
        kind: &str,
        at: &'static str,
        facts: &FactsByOwner,
    ) -> Option<Judged> {
        let controller = object.metadata.controller();
        // What a Deployment, a CronJob or an operator's object made is seen there.
        if controller.is_some() && matches!(kind, "ReplicaSet" | "Job") {
            return None;
        }
        let finished = object.status.conditions.iter().flatten().any(|condition| {
            matches!(&*condition.r#type, "Complete" | "Failed") && condition.status == "True"
        });
        if kind == "Job" && finished {
            return None;
        }
        let template = match &object.spec.job_template {
            Some(job) => job.spec.template.get(),
            None => object.spec.template?.get(),
        };
        let claims = object.spec.volume_claim_templates.iter().flatten();
        let reserved: Vec<String> = claims.map(|claim| claim.metadata.name.clone()).collect();
        let none = Facts::default();
        let own = facts.get(&object.metadata.uid).unwrap_or(&none);
        let policy = space.policy(self.policies);
        let workload = Workload {
            namespace: object.metadata.namespace.clone(),
            kind: kind.to_owned(),
            name: object.metadata.name.clone(),
            managed_by: controller.map(|owner| format!("{}/{}", owner.kind, owner.name)),
            pods: own.pods,
            pod: None,
            annotations_at: at,
            runs_hardened: false,
            policy: policy.name.clone(),
            outlook: Err(String::new()),
        };
        if let Some(pod) = own.sample.as_ref().filter(|(_, names)| added(template, names)) {
            let owner = object.metadata.uid.clone();
            let later = Later { workload, pod: pod.0.clone(), reserved, owner };
            return Some(Judged::Later(Box::new(later)));
        }
        let workload = self.judged(workload, policy, template, &reserved, own);
        Some(Judged::Now(Box::new(workload)))
    }

    /// A workload whose pods get containers that its template does not have.
    async fn with_pod(
        &self,
        scope: &Scope,
        later: Later,
        facts: &FactsByOwner,
    ) -> anyhow::Result<Workload> {
        let Later { workload, pod, reserved, owner } = later;
        let none = Facts::default();
        let own = facts.get(&owner).unwrap_or(&none);
        let text = self.reader.get(PODS, Some(&workload.namespace), &pod).await?;
        let Some(space) = scope.space(&workload.namespace) else { return Ok(workload) };
        let policy = space.policy(self.policies);
        let Some(text) = text else {
            let outlook = Err(format!("its pod {pod} went away while it was looked at"));
            return Ok(Workload { outlook, ..workload });
        };
        let workload = Workload { pod: Some(pod), ..workload };
        Ok(self.judged(workload, policy, &text, &reserved, own))
    }

    /// A pod by itself, or one of a kind of workload that is not known.
    fn pod(
        &self,
        space: &Space,
        metadata: &Metadata,
        json: &str,
        owner: Option<&Owner>,
        facts: &Facts,
    ) -> Workload {
        let policy = space.policy(self.policies);
        let workload = Workload {
            namespace: metadata.namespace.clone(),
            kind: owner.map_or("Pod", |owner| &owner.kind).to_owned(),
            name: owner.map_or(&metadata.name, |owner| &owner.name).clone(),
            managed_by: None,
            pods: facts.pods,
            pod: owner.map(|_| metadata.name.clone()),
            annotations_at: POD,
            runs_hardened: false,
            policy: policy.name.clone(),
            outlook: Err(String::new()),
        };
        self.judged(workload, policy, json, &[], facts)
    }

    fn judged(
        &self,
        workload: Workload,
        policy: &Policy,
        json: &str,
        reserved_volumes: &[String],
        facts: &Facts,
    ) -> Workload {
        let seen = facts.seen();
        let template = Template { json, policy, date: self.date, reserved_volumes, seen: &seen };
        let by = format!("{}@{}", policy.name, policy.revision);
        let runs_hardened = facts.runs_hardened(&by);
        let outlook = outlook(&template).map(|mut outlook| {
            if runs_hardened {
                outlook.risks.clear();
                outlook.remedies = Default::default();
            } else {
                outlook.risks.extend(of_today(&outlook, facts, &by));
            }
            outlook
        });
        let outlook = outlook.map_err(|error| format!("{error:#}"));
        Workload { runs_hardened, outlook, ..workload }
    }
}

enum Judged {
    Now(Box<Workload>),
    Later(Box<Later>),
}

/// What does not run as it is tells nothing of how it will run.
fn of_today(outlook: &Outlook, facts: &Facts, policy: &str) -> Option<Risk> {
    let (trouble, hardened) = facts.trouble.as_ref()?;
    if outlook.changes.is_empty() {
        return None;
    }
    let certain = hardened.as_deref() == Some(policy);
    let container = trouble.split(": ").next().unwrap_or_default().to_owned();
    let what = trouble.split_once(": ").map_or("", |(_, what)| what);
    let (why, remedy) = match certain {
        true => (
            format!("a pod that this policy hardened does not start: {what}"),
            "`ironhull explain POD` says what the message means",
        ),
        false => (format!("it does not run today either: {what}"), "mend it first; then ask again"),
    };
    Some(Risk {
        container,
        cause: Cause::FailsToday,
        certain,
        why,
        remedy: Remedy::Try(remedy.to_owned()),
    })
}

/// Whether there are containers in a pod that its template does not name.
fn added(template: &str, names: &[String]) -> bool {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Containers {
        #[serde(default)]
        init_containers: Option<Vec<Named>>,
        containers: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Outer {
        spec: Containers,
    }
    let Ok(Outer { spec }) = serde_json::from_str(template) else { return false };
    let own = || spec.init_containers.iter().flatten().chain(&spec.containers);
    // A pod of an older template has other containers, and not these besides.
    own().all(|own| names.contains(&own.name)) && names.len() > own().count()
}

/// Workloads of kinds that are not known, by the pods that are there.
#[derive(Default)]
struct Strays {
    found: BTreeMap<String, Workload>,
}

impl Strays {
    fn has(&self, uid: &str) -> bool {
        self.found.contains_key(uid)
    }

    fn add(&mut self, owner: &Owner, workload: Workload) {
        self.found.insert(owner.uid.clone(), workload);
    }

    /// The object is of a kind that is known after all.
    fn known(&mut self, uid: &str) {
        self.found.remove(uid);
    }

    fn take(self, take: &mut impl FnMut(Workload)) {
        self.found.into_values().for_each(take);
    }
}
