//! Whom to observe: the pods of a workload, their containers, and the ephemeral container for each.

mod agent_container;

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::foresight::observed::status_of;
use crate::foresight::owner;
use crate::foresight::workloads::{ClusterKind, PODS, controller};
use crate::text::{nearest, printable};
use crate::workload::Kinds;
pub use agent_container::{AgentImage, agent_container};

/// Maximum number of pods that are observed at once. The replicas of a workload do much the same.
pub const MAX_PODS: usize = 10;

/// The words for each kind of workload, in lower case.
const KINDS: [(&str, &[&str]); 7] = [
    ("Deployment", &["deployment", "deployments", "deploy"]),
    ("StatefulSet", &["statefulset", "statefulsets", "sts"]),
    ("DaemonSet", &["daemonset", "daemonsets", "ds"]),
    ("ReplicaSet", &["replicaset", "replicasets", "rs"]),
    ("ReplicationController", &["replicationcontroller", "replicationcontrollers", "rc"]),
    ("Job", &["job", "jobs"]),
    ("CronJob", &["cronjob", "cronjobs", "cj"]),
];

/// What is to be observed, and where a change of it belongs.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Kind of the object that makes the pods, or `Pod`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The pods, at most [`MAX_PODS`] that run.
    pub pods: Vec<Pod>,
    /// Number of pods that run and are left out.
    pub left_out: usize,
}

/// Finds what is named by `POD` or `KIND/NAME`.
///
/// # Errors
/// When there is no such object, none of its pods runs, or it cannot be read.
pub async fn find(cluster: &Cluster, namespace: &str, named: &str) -> anyhow::Result<Workload> {
    let (kind, name) = match named.split_once('/') {
        None => ("pod".to_owned(), named),
        Some((kind, name)) => (kind.to_lowercase(), name),
    };
    if ["pod", "pods", "po"].contains(&&*kind) {
        let pod: Option<Pod> = cluster.reader.object(&PODS, Some(namespace), name).await?;
        let pod = pod.ok_or_else(|| {
            anyhow!(
                "there is no pod `{name}` in namespace `{namespace}`; `kubectl get pods -n {namespace}` lists them, and KIND/NAME names a workload"
            )
        })?;
        let (kind, name) = owner(cluster, namespace, &pod).await;
        return Ok(Workload { kind, name, pods: vec![pod], left_out: 0 });
    }
    let words: Vec<&str> = KINDS.iter().flat_map(|(_, words)| words.iter().copied()).collect();
    let known = KINDS.iter().find(|(_, words)| words.contains(&&*kind));
    let known = known.and_then(|(kind, _)| Some((*kind, ClusterKind::built_in(kind)?.resource)));
    let Some((kind, resource)) = known else {
        let hint = match nearest(&kind, &words) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "name a deployment, statefulset, daemonset, replicaset, job, cronjob or pod"
                .to_owned(),
        };
        bail!("`{}` is not a kind of workload that is known here; {hint}", printable(&kind, 40));
    };
    let object: Option<Value> = cluster.reader.object(&resource, Some(namespace), name).await?;
    let object =
        object.ok_or_else(|| anyhow!("there is no {kind} `{name}` in namespace `{namespace}`"))?;
    let pods = if kind == "CronJob" {
        pods_of_cron_job(cluster, namespace, &object).await?
    } else {
        let selector = selector(&object).context("its selector cannot be read")?;
        pods_of(cluster, namespace, &selector).await?
    };
    let mut running: Vec<Pod> = pods.into_iter().filter(runs).collect();
    if running.is_empty() {
        bail!("no pod of {kind} `{name}` in namespace `{namespace}` runs");
    }
    let left_out = running.len().saturating_sub(MAX_PODS);
    running.truncate(MAX_PODS);
    Ok(Workload { kind: kind.to_owned(), name: name.to_owned(), pods: running, left_out })
}

fn runs(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
}

async fn pods_of(cluster: &Cluster, namespace: &str, labels: &str) -> anyhow::Result<Vec<Pod>> {
    let mut pods = Vec::new();
    let each = cluster.reader.each(&PODS, Some(namespace), Some(labels), false, |item, _| {
        pods.push(serde_json::from_str(item.get())?);
        Ok(())
    });
    each.await?;
    Ok(pods)
}

async fn pods_of_cron_job(
    cluster: &Cluster,
    namespace: &str,
    object: &Value,
) -> anyhow::Result<Vec<Pod>> {
    let active = object.pointer("/status/active").and_then(Value::as_array);
    let names = active.into_iter().flatten().filter_map(|job| job.get("name")?.as_str());
    let mut pods = Vec::new();
    for job in names.take(MAX_PODS) {
        pods.extend(
            pods_of(cluster, namespace, &format!("batch.kubernetes.io/job-name={job}")).await?,
        );
    }
    Ok(pods)
}

/// The selector of a workload's pods, as a request has it. A ReplicationController's has no
/// `matchLabels`.
fn selector(object: &Value) -> Option<String> {
    let selector = object.pointer("/spec/selector")?.as_object()?;
    let structured =
        selector.contains_key("matchLabels") || selector.contains_key("matchExpressions");
    let labels = if structured {
        selector.get("matchLabels").and_then(Value::as_object)
    } else {
        Some(selector)
    };
    let mut terms = Vec::new();
    for (key, value) in labels.into_iter().flatten() {
        terms.push(format!("{key}={}", value.as_str()?));
    }
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    for expression in expressions.into_iter().flatten() {
        let key = expression.get("key")?.as_str()?;
        let values = expression.get("values").and_then(Value::as_array);
        let values: Vec<&str> = values.into_iter().flatten().filter_map(Value::as_str).collect();
        terms.push(match expression.get("operator")?.as_str()? {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    (!terms.is_empty()).then(|| terms.join(","))
}

/// The object that a change of this pod belongs to. Where it cannot be read, the pod's controller.
async fn owner(cluster: &Cluster, namespace: &str, pod: &Pod) -> (String, String) {
    match owner::of(&cluster.reader, &Kinds::default(), namespace, pod).await {
        Ok(owner) => (owner.kind, owner.name),
        Err(_) => match controller(pod.metadata.owner_references.as_ref()) {
            Some(owner) => (owner.kind.clone(), owner.name.clone()),
            None => ("Pod".to_owned(), pod.metadata.name.clone().unwrap_or_default()),
        },
    }
}

/// The containers that run as long as their pod: app containers and native sidecars.
pub fn lasting(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    let init = spec.init_containers.iter().flatten();
    let sidecars = init.filter(|it| it.restart_policy.as_deref() == Some("Always"));
    spec.containers.iter().chain(sidecars)
}

/// A container to observe.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its pod.
    pub pod: String,
    /// Its name.
    pub container: String,
    /// Its image, as the pod names it.
    pub image: String,
    /// Its id, without the runtime's name.
    pub id: String,
    /// Number of its restarts so far.
    pub restarts: i32,
    /// When it was started, in seconds since the epoch.
    pub started: i64,
    /// Whether its process namespace is its pod's or the node's.
    pub shared: bool,
    /// Uid and gid it was started with, where they are known.
    pub user: Option<(i64, i64)>,
    /// The ephemeral container, ready to be added.
    pub agent: Value,
    /// Name of that container.
    pub agent_name: String,
}

/// A container that could not be observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotObserved {
    /// Its pod.
    pub pod: String,
    /// Its name.
    pub container: String,
    /// Why, for people.
    pub why: String,
}

/// The containers of a pod: those that are named, or all app containers and native sidecars.
/// `suffix` makes the names of ephemeral containers unique: they stay with the pod for ever.
pub fn targets(
    pod: &Pod,
    named: &[String],
    image: &AgentImage,
    time: Duration,
    suffix: &str,
) -> Vec<Result<Target, NotObserved>> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let Some(spec) = &pod.spec else { return Vec::new() };
    let is_windows = spec.os.as_ref().is_some_and(|os| os.name == "windows");
    let mut chosen: Vec<&Container> =
        lasting(spec).filter(|it| named.is_empty() || named.contains(&it.name)).collect();
    chosen.sort_by_key(|it| named.iter().position(|name| *name == it.name));
    let mut found: Vec<Result<Target, NotObserved>> = Vec::new();
    for (index, container) in chosen.iter().enumerate() {
        let not = |why: &str| NotObserved {
            pod: name.clone(),
            container: container.name.clone(),
            why: why.to_owned(),
        };
        if is_windows {
            found.push(Err(not("is a Windows container, which has no /proc")));
            continue;
        }
        let agent_name = format!("ironhull-observe-{suffix}{index}");
        found.push(target(pod, container, agent_name, image, time).map_err(|why| not(&why)));
    }
    for name_given in named.iter().filter(|given| chosen.iter().all(|it| it.name != **given)) {
        let there: Vec<&str> = spec.containers.iter().map(|it| it.name.as_str()).collect();
        let why =
            format!("is not an app container or sidecar of the pod; it has: {}", there.join(", "));
        found.push(Err(NotObserved { pod: name.clone(), container: name_given.clone(), why }));
    }
    found
}

fn target(
    pod: &Pod,
    container: &Container,
    agent_name: String,
    image: &AgentImage,
    time: Duration,
) -> Result<Target, String> {
    let status = status_of(pod, &container.name);
    let running = status.and_then(|status| status.state.as_ref()?.running.as_ref());
    let (Some(status), Some(running)) = (status, running) else {
        return Err("does not run".to_owned());
    };
    let id = status.container_id.as_deref().unwrap_or_default();
    let id = id.split_once("://").map_or(id, |(_, id)| id).to_owned();
    let context = container.security_context.as_ref();
    if context.and_then(|context| context.privileged) == Some(true) {
        return Err(
            "is privileged: to see it would take a privileged container, and no rule hardens it"
                .to_owned(),
        );
    }
    let user = agent_container::user(pod, container, status);
    let started = running.started_at.as_ref().map_or(0, |time| time.0.as_second());
    let mut target = Target {
        pod: pod.metadata.name.clone().unwrap_or_default(),
        container: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        id,
        restarts: status.restart_count,
        started,
        shared: pod.spec.as_ref().is_some_and(|spec| {
            spec.share_process_namespace == Some(true) || spec.host_pid == Some(true)
        }),
        user,
        agent: Value::Null,
        agent_name,
    };
    target.agent = agent_container(&target, container, image, time);
    Ok(target)
}

#[cfg(test)]
mod tests;
