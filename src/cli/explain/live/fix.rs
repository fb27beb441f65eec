//! `explain POD --fix`: what is advised, as a patch of the object that the pod is made from.

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::ExplainedPod;
use super::troubles::Trouble;
use crate::admission::Environment;
use crate::cluster::{Reader, Resource};
use crate::foresight::mend::{Complaint, Patient, join, mend};
use crate::foresight::observed::status_of;
use crate::foresight::owner::Owner;
use crate::foresight::workloads::in_object;
use crate::manifest::to_yaml;
use crate::policy::Policy;
use crate::text::clean;
use crate::workload::Change;

/// What `--fix` proposes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Proposal {
    /// What has to be changed: the object that the pod is made from, as `KIND/NAME`.
    pub owner: String,
    /// A strategic merge patch of it, with `apiVersion`, `kind` and `metadata`: one for `kubectl
    /// patch --patch-file` and for kustomize. Of a custom resource a merge patch, with whole lists.
    /// Null if nothing helps that a patch could say.
    pub patch: Option<Value>,
    /// Whether such an object can be changed. If not (a pod, a Job), the fields belong in its
    /// manifest, and it has to be created again.
    pub changeable: bool,
    /// What the patch does, a sentence for each message.
    pub done: Vec<String>,
    /// Where that object is in the API, if it can be changed.
    #[serde(skip)]
    pub resource: Option<Resource>,
    /// What kubectl knows its kind by.
    #[serde(skip)]
    pub word: String,
    /// What its template has been given since the pod was made: the next pod shows whether it helps.
    pub already: Vec<String>,
    /// What a patch cannot say, and is surer.
    pub first: Vec<String>,
    /// What to try if that does not help, the surest first.
    pub otherwise: Vec<String>,
    /// What would help, and why the policy does not take it.
    pub void: Vec<String>,
    /// What the pods get otherwise then, by rule and container.
    pub then: Vec<String>,
    /// What happens to the pods, and who may undo the change.
    pub notes: Vec<String>,
}

/// Makes a proposal for a pod with these troubles.
pub(super) fn propose(
    owner: &Owner,
    pod: &Pod,
    troubles: &[Trouble],
    policy: &Policy,
    environment: Environment<'_>,
) -> Proposal {
    let gid = |container: &str| gid(pod, container);
    let whole = json!({"metadata": pod.metadata, "spec": pod.spec});
    let patient =
        Patient { template: &owner.template, pod: &whole, policy, environment, gid: &gid };
    let complaints: Vec<Complaint<'_>> = troubles
        .iter()
        .filter_map(|trouble| {
            let container = trouble.container.as_deref()?;
            let advice = trouble.advice.as_ref()?;
            Some(Complaint { container, message: &trouble.message, advice })
        })
        .collect();
    let mended = mend(&patient, &complaints);
    let mut proposal = Proposal {
        owner: format!("{}/{}", owner.kind, owner.name),
        patch: (!mended.patch.is_null()).then(|| patch(owner, mended.patch)),
        changeable: owner.resource.is_some(),
        resource: owner.resource.clone(),
        word: owner.word.clone(),
        done: Vec::new(),
        already: Vec::new(),
        first: Vec::new(),
        otherwise: Vec::new(),
        void: Vec::new(),
        then: mended.then,
        notes: Vec::new(),
    };
    for (complaint, treated) in complaints.iter().zip(mended.treated) {
        let of = |words: String| format!("{}: {words}", complaint.container);
        proposal.done.extend(treated.done.map(of));
        proposal.already.extend(treated.already.map(of));
        proposal.first.extend(treated.before.into_iter().map(of));
        proposal.otherwise.extend(treated.otherwise.into_iter().map(of));
        proposal.void.extend(treated.void);
    }
    if proposal.patch.is_some() {
        proposal.notes = notes(owner, pod.metadata.name.as_deref().unwrap_or_default());
    }
    proposal
}

/// Gid that a container of a pod runs with: as the kubelet reports it, otherwise as the pod says.
fn gid(pod: &Pod, container: &str) -> Option<i64> {
    let reported = |status: &ContainerStatus| Some(status.user.as_ref()?.linux.as_ref()?.gid);
    if let Some(gid) = status_of(pod, container).and_then(reported) {
        return Some(gid);
    }
    let spec = pod.spec.as_ref()?;
    let all = spec.init_containers.iter().flatten().chain(&spec.containers);
    let own = all.into_iter().find(|it| it.name == container)?.security_context.as_ref();
    let outer = spec.security_context.as_ref();
    own.and_then(|own| own.run_as_group).or_else(|| outer?.run_as_group)
}

/// A patch of the template as a patch of the object.
fn patch(owner: &Owner, template: Value) -> Value {
    let Owner { api_version, kind, name, namespace, annotations_at, .. } = owner;
    let template = match owner.resource.as_ref().is_none_or(Resource::is_built_in) {
        true => template,
        false => with_whole_lists(&owner.template, template),
    };
    let mut whole = json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
    });
    join(&mut whole, in_object(annotations_at, template));
    whole
}

/// The patch with its lists complete. Of a custom resource the API server and kustomize merge no
/// list: the one in the patch takes the place of the other.
fn with_whole_lists(template: &Value, mut patch: Value) -> Value {
    let lists = ["containers", "initContainers", "volumes"];
    for list in lists {
        let Some(Value::Array(changed)) = patch.pointer_mut(&format!("/spec/{list}")) else {
            continue;
        };
        let own = template.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
        *changed = merged(own.map(Vec::as_slice).unwrap_or_default(), changed);
    }
    patch
}

/// A list of named objects with the changes of another one.
fn merged(own: &[Value], changes: &[Value]) -> Vec<Value> {
    let mut all = own.to_vec();
    for change in changes {
        let same = |it: &&mut Value| it.get("name") == change.get("name");
        match all.iter_mut().find(same) {
            None => all.push(change.clone()),
            Some(known) => {
                let mounts = change.get("volumeMounts").and_then(Value::as_array).cloned();
                let had = known.get("volumeMounts").and_then(Value::as_array).cloned();
                join(known, change.clone());
                // Mounts are known by their paths.
                if let (Some(mut all), Some(new)) = (had, mounts) {
                    let path = |mount: &Value| mount.get("mountPath").cloned();
                    all.retain(|old| !new.iter().any(|new| path(new) == path(old)));
                    all.extend(new);
                    if let Some(members) = known.as_object_mut() {
                        members.insert("volumeMounts".to_owned(), Value::Array(all));
                    }
                }
            }
        }
    }
    all
}

/// What becomes of the pods once the patch is applied.
fn notes(owner: &Owner, pod: &str) -> Vec<String> {
    let Owner { kind, name, namespace, .. } = owner;
    let delete = format!("kubectl -n {namespace} delete pod {pod}");
    let mut notes = vec![match (&owner.resource, owner.change, &**kind) {
        (None, _, "Pod" | "Job") => format!(
            "a {kind} cannot be changed in place: put this into its manifest, delete it, and create it again"
        ),
        (None, ..) => format!("{kind}/{name} makes its pods: put this into its pod template"),
        (Some(_), Change::Rolls, "StatefulSet") => {
            format!("a StatefulSet does not replace a pod that never became ready: `{delete}`")
        }
        (Some(_), Change::Rolls, _) => "its pods are replaced step by step".to_owned(),
        (Some(_), Change::NextRun, _) => "it holds from the next run on".to_owned(),
        (Some(_), Change::Recreated | Change::Fixed, _) => {
            format!("its pods change when they are created again: `{delete}`")
        }
    }];
    notes.extend(owner.kept_by.as_ref().map(|by| {
        format!("{by} keeps {kind}/{name} as it is elsewhere, and may undo this: commit it there")
    }));
    notes
}

/// Applies a proposal, if it can be.
///
/// # Errors
/// When the user may not, or the API server does not take it.
pub(super) async fn apply(
    reader: &Reader,
    namespace: &str,
    proposal: &Proposal,
) -> anyhow::Result<bool> {
    let (_, name) = proposal.owner.split_once('/').unwrap_or_default();
    match (&proposal.resource, &proposal.patch) {
        (Some(resource), Some(patch)) => {
            reader.patch(resource, namespace, name, patch).await?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The proposal as a YAML document whose comments say why.
pub(in crate::cli::explain) fn yaml(
    pod: &ExplainedPod,
    proposal: &Proposal,
    applied: bool,
) -> String {
    let mut text = format!("# {}, for its pod {}\n", clean(&proposal.owner), clean(&pod.name));
    let mut say = |what: &str, lines: &[String]| {
        for line in lines {
            let _ = writeln!(text, "# {what:<9}{}", clean(line));
        }
    };
    for trouble in &pod.troubles {
        let of = trouble.container.as_deref().unwrap_or("pod");
        say("says:", &[format!("{of}: {}", trouble.message)]);
        say("why:", &trouble.cause.map(str::to_owned).into_iter().collect::<Vec<_>>());
    }
    if proposal.patch.is_none() && proposal.already.is_empty() {
        say("do:", &proposal.first);
    } else {
        say("done:", &proposal.already);
        say("do:", &proposal.done);
        say("surer:", &proposal.first);
        say("or else:", &proposal.otherwise);
        say("then:", &proposal.then);
    }
    say("but:", &proposal.void);
    say("note:", &proposal.notes);
    let Some(patch) = &proposal.patch else {
        let known = pod.troubles.iter().any(|trouble| trouble.cause.is_some());
        let next = match (pod.troubles.is_empty(), known) {
            _ if !proposal.already.is_empty() => {
                "this pod was made before that: its next one shows whether it helps"
            }
            (true, _) => "nothing is known to be wrong with this pod",
            (false, true) => "no patch can say what helps",
            _ if pod.troubles.iter().any(|trouble| trouble.unread) => {
                "what cannot be read may say why: ask somebody who may read it to run this"
            }
            (false, false) => {
                "hardening is not known to cause this; `ironhull observe` tells what a pod that runs needs"
            }
        };
        return format!("{text}# {next}\n");
    };
    let (_, name) = proposal.owner.split_once('/').unwrap_or_default();
    let built_in = proposal.resource.as_ref().is_none_or(Resource::is_built_in);
    let how = if built_in { "" } else { " --type merge" };
    if !applied && proposal.changeable {
        let _ = writeln!(
            text,
            "# apply:   with --apply; or as a file: kubectl -n {} patch {} {name}{how} --patch-file FILE",
            pod.namespace, proposal.word
        );
    }
    text + &to_yaml(patch)
}
