//! The objects that pods are made by: what their templates say, and what is above them.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use serde_json::value::RawValue;

use super::document::{Limit, TemplateStanding};
use super::live::{Live, Maker, Metadata, Owner};
use super::stated::{Stated, Subject, stated};
use crate::cluster::Reader;
use crate::exemption::DOMAIN;
use crate::foresight::workloads::ClusterKind;
use crate::pod::Pod;

/// Kinds that make pods, whose templates are read.
const MAKERS: [&str; 5] =
    ["ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job"];
/// Kinds above these. What they make has the same template.
const ABOVE: [&str; 2] = ["Deployment", "CronJob"];

/// The objects that pods are made by, by uid.
#[derive(Default)]
pub(super) struct Makers {
    all: HashMap<String, Made>,
    /// Whether the cluster honours `hostUsers: false`.
    user_namespaces: bool,
}

/// An object that makes pods, or makes one that does.
struct Made {
    /// What it is made by.
    owner: Option<Reference>,
    template: Option<Template>,
}

/// A reference to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
}

/// What a template says.
pub(super) struct Template {
    /// What it says of each container, by name.
    pub(super) containers: BTreeMap<String, Vec<Stated>>,
    /// Its annotations of ironhull's domain.
    pub(super) annotations: BTreeMap<String, String>,
    /// A label of the pods that are made from it as it is now, if its pods have one.
    version: Option<(&'static str, String)>,
}

/// What a pod was made by.
pub(super) struct Origin<'m> {
    /// The workload: the topmost object, as far as it is known.
    pub(super) workload: Reference,
    /// What is above that, of a kind that is not read.
    pub(super) managed_by: Option<String>,
    pub(super) template: Option<&'m Template>,
    pub(super) standing: TemplateStanding,
}

impl Makers {
    pub(super) fn new(user_namespaces: bool) -> Self {
        Self { all: HashMap::new(), user_namespaces }
    }

    /// Reads the makers in a namespace, or in all. Kinds that may not be read become limits.
    pub(super) async fn read(
        &mut self,
        reader: &Reader,
        namespace: Option<&str>,
        limits: &mut Vec<Limit>,
    ) {
        for kind in MAKERS.into_iter().chain(ABOVE) {
            let Some(ClusterKind { resource, .. }) = ClusterKind::built_in(kind) else { continue };
            let metadata_only = ABOVE.contains(&kind);
            let each = reader
                .each(&resource, namespace, None, metadata_only, |item, _| self.take(kind, item));
            let Err(error) = each.await else { continue };
            limits.push(Limit {
                what: match namespace {
                    Some(namespace) => format!("{} in namespace {namespace}", resource.resource),
                    None => resource.resource.to_string(),
                },
                why: format!("{error:#}"),
                effect:
                    "their pods are not compared with a template, and who set a value is unknown"
                        .to_owned(),
                for_rights: true,
            });
        }
    }

    fn take(&mut self, kind: &str, item: &RawValue) -> anyhow::Result<()> {
        let maker: Maker<'_> =
            serde_json::from_str(item.get()).with_context(|| format!("a {kind} cannot be read"))?;
        let Maker { metadata, spec, status, .. } = &maker;
        let owner = metadata.controller().map(Reference::of);
        // Old ReplicaSets and Jobs that are done have no pods that run.
        let idle = match kind {
            "ReplicaSet" => spec.replicas == Some(0) && status.replicas == 0,
            "Job" => !status.completion_time.is_empty(),
            _ => false,
        };
        let template = spec.template.json().filter(|_| !idle);
        let template = template.and_then(|json| self.template(json, metadata));
        let version = match kind {
            "StatefulSet" if !status.update_revision.is_empty() => {
                Some(("controller-revision-hash", status.update_revision.to_string()))
            }
            "DaemonSet" => {
                let generation =
                    metadata.annotations.get("deprecated.daemonset.template.generation");
                generation.map(|it| ("pod-template-generation", it.to_owned()))
            }
            _ => None,
        };
        let template = template.map(|template| Template { version, ..template });
        self.all.insert(metadata.uid.to_string(), Made { owner, template });
        Ok(())
    }

    fn template(&self, json: &str, maker: &Metadata<'_>) -> Option<Template> {
        // One that cannot be read makes no pods either.
        let pod = Pod::from_json(json).ok()?;
        let live: Live<'_> = serde_json::from_str(json).ok()?;
        let subject = Subject {
            pod: &pod,
            live: &live,
            namespace: &maker.namespace,
            windows: pod.is_windows(),
            user_namespaces: self.user_namespaces,
        };
        let containers = pod.all_containers();
        let containers = containers
            .map(|placed| (placed.container.name.to_string(), stated(subject, placed)))
            .collect();
        let annotations = live.metadata.annotations.iter();
        let ours = annotations.filter(|(key, _)| key.contains(DOMAIN));
        let annotations = ours.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Some(Template { containers, annotations, version: None })
    }

    /// What made a pod.
    pub(super) fn origin(&self, pod: &Metadata<'_>, is_static: bool) -> Origin<'_> {
        let Some(maker) = pod.controller().filter(|_| !is_static) else {
            return Origin {
                workload: Reference {
                    api_version: "v1".to_owned(),
                    kind: "Pod".to_owned(),
                    name: pod.name.to_string(),
                    uid: pod.uid.to_string(),
                },
                managed_by: None,
                template: None,
                standing: TemplateStanding::None,
            };
        };
        let made = self.all.get(&*maker.uid);
        let template = made.and_then(|made| made.template.as_ref());
        let current = |template: &&Template| {
            let label = |(key, version): &(&str, String)| pod.labels.get(key) == Some(version);
            template.version.as_ref().is_none_or(label)
        };
        let (template, standing) = match template {
            None => (None, TemplateStanding::Unreadable),
            Some(template) if current(&template) => (Some(template), TemplateStanding::Compared),
            Some(_) => (None, TemplateStanding::Changed),
        };
        let (workload, managed_by) = self.above(Reference::of(maker));
        Origin { workload, managed_by, template, standing }
    }

    /// The topmost object above one, as far as kinds are known, and what is above that.
    fn above(&self, mut workload: Reference) -> (Reference, Option<String>) {
        // As many steps as there are kinds: references may form a circle.
        for _ in MAKERS.into_iter().chain(ABOVE) {
            let made = self.all.get(&workload.uid);
            let Some(owner) = made.and_then(|made| made.owner.as_ref()) else { break };
            // A ReplicaSet or a Job is but the means of what made it.
            let means = matches!(&*workload.kind, "ReplicaSet" | "Job");
            if !means {
                let above = format!("{}/{}", owner.kind, owner.name);
                return (workload, Some(above));
            }
            workload = owner.clone();
        }
        (workload, None)
    }
}

impl Reference {
    fn of(owner: &Owner<'_>) -> Self {
        Self {
            api_version: owner.api_version.to_string(),
            kind: owner.kind.to_string(),
            name: owner.name.to_string(),
            uid: owner.uid.to_string(),
        }
    }
}
