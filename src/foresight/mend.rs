//! What [advice](super::advice) proposes, as a patch of the pod template: its fixes as fields, beside
//! what the template has already, each tried on the engine.

use k8s_openapi::DeepMerge as _;
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, Volume};
use serde_json::{Value, json};

use super::advice::{Advice, Fix, Mounts, User};
use super::outlook::{Effects, Template, effects, hardened};
use super::risk::{Seen, remedy};
use crate::admission::Environment;
use crate::exemption::DOMAIN;
use crate::harden::{Scope, harden};
use crate::image::full_name;
use crate::pod::Pod;
use crate::policy::{Policy, Writable};

/// A template, as its author has it.
const AS_WRITTEN: Scope<'static> = Scope::Template { complete: true };

/// A container's message, and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Complaint<'c> {
    /// The container.
    pub container: &'c str,
    /// The message, in one line.
    pub message: &'c str,
    /// What it means.
    pub advice: &'c Advice,
}

/// What a patch is for.
#[derive(Clone, Copy)]
pub struct Patient<'p> {
    /// The pod template, or the pod, as its author has it.
    pub template: &'p Value,
    /// The pod that complains. It may be older than the template.
    pub pod: &'p Value,
    /// The policy that its pods are hardened by.
    pub policy: &'p Policy,
    /// Date by which exemptions end, and what the cluster honours.
    pub environment: Environment<'p>,
    /// Gid that a container of the hardened pod runs with, if it is known.
    pub gid: &'p dyn Fn(&str) -> Option<i64>,
}

/// A patch of a pod template, and what it does.
#[derive(Clone, Debug)]
pub struct Mend {
    /// A strategic merge patch of the template; null if no fix can be written as one.
    pub patch: Value,
    /// What is done about each complaint, in their order.
    pub treated: Vec<Treated>,
    /// What the pods of the patched template get otherwise than now, in words.
    pub then: Vec<String>,
}

/// What is done about one complaint.
#[derive(Clone, Debug)]
pub struct Treated {
    /// What the patch does about it, in words; `None` if it does nothing.
    pub done: Option<String>,
    /// What the template has been given since the pod was made, in words. Whether it helps, the next
    /// pod shows: nothing else is done then.
    pub already: Option<String>,
    /// What is surer or narrower, and cannot be written as a patch.
    pub before: Vec<String>,
    /// What to try if that does not help.
    pub otherwise: Vec<String>,
    /// Annotations that would help, with the reason for which they are void.
    pub void: Vec<String>,
}

/// Mends a template: for each complaint the surest fix that can be written as a patch, and that the
/// engine takes. A template that cannot be read is not mended.
pub fn mend(patient: &Patient<'_>, complaints: &[Complaint<'_>]) -> Mend {
    let mut patch = Value::Null;
    let mut treated = Vec::new();
    for complaint in complaints {
        let fixes = &complaint.advice.fixes;
        let mut void = Vec::new();
        let since = |fix: &Fix| patient.has_since(fix, complaint);
        let mut already = fixes.iter().position(since);
        let mut found = None;
        if already.is_none() {
            found = fixes.iter().enumerate().find_map(|(at, fix)| {
                let mut tried =
                    |fix: Fix| Some((at, patient.tried(&patch, &fix, complaint, &mut void)?, fix));
                tried(fix.clone()).or_else(|| tried(without_seed(fix)?))
            });
        }
        if found.is_none() && already.is_none() {
            let less = |fix: &Fix| without_seed(fix).is_some_and(|fix| since(&fix));
            already = fixes.iter().position(less);
        }
        let at = already.or(found.as_ref().map(|(at, ..)| *at)).unwrap_or(fixes.len());
        let words = |fix: &Fix| fix.words(Some(complaint.container));
        let done = found.map(|(_, more, fix)| {
            patch = more;
            words(&fix)
        });
        treated.push(Treated {
            done,
            already: already.and_then(|at| fixes.get(at)).map(words),
            before: fixes.iter().take(at).map(words).collect(),
            otherwise: fixes.iter().skip(at + 1).map(words).collect(),
            void,
        });
    }
    let then = patient.then(&patch);
    Mend { patch, treated, then }
}

/// The same directory without the image's content, for where ironhull cannot fill it.
fn without_seed(fix: &Fix) -> Option<Fix> {
    match fix {
        Fix::WritablePath { path, seed: true } => {
            Some(Fix::WritablePath { path: path.clone(), seed: false })
        }
        _ => None,
    }
}

impl Patient<'_> {
    /// `patch` with a fix; `None` if the fix cannot be written as a patch, is there already, or is
    /// void under the policy, for which the reason is added to `void`.
    fn tried(
        &self,
        patch: &Value,
        fix: &Fix,
        complaint: &Complaint<'_>,
        void: &mut Vec<String>,
    ) -> Option<Value> {
        let now = merged(self.template, patch)?;
        let more = self.part(&now, fix, complaint)?;
        let mut both = patch.clone();
        join(&mut both, more);
        let then = merged(self.template, &both)?;
        let voids = self.voids(&then, &both)?;
        let takes = then != now && voids.is_empty();
        void.extend(voids);
        takes.then_some(both)
    }

    /// Whether the template has a fix, and so will its next pod once hardened, that the pod lacks. What
    /// could not be written as a patch of the pod is not seen.
    fn has_since(&self, fix: &Fix, complaint: &Complaint<'_>) -> bool {
        let changes = |value: &Value| {
            let now = merged(value, &Value::Null)?;
            let then = merged(value, &self.part(&now, fix, complaint)?)?;
            Some(then != now)
        };
        let stays = |value: &Value| changes(value) == Some(false);
        changes(self.pod) == Some(true)
            && stays(self.template)
            && self.next_pod().is_some_and(|next| stays(&next))
    }

    /// The template's next pod; `None` if the template is no pod.
    fn next_pod(&self) -> Option<Value> {
        let text = self.template.to_string();
        let pod = Pod::from_json(&text).ok()?;
        let outcome = harden(&pod, self.policy, &self.environment.context(Scope::Create));
        hardened(self.template, &outcome).ok()
    }

    /// The patch that one fix is. One that is there already changes nothing.
    fn part(&self, now: &Value, fix: &Fix, complaint: &Complaint<'_>) -> Option<Value> {
        let template: PodTemplateSpec = serde_json::from_value(now.clone()).ok()?;
        let name = complaint.container;
        let spec = template.spec.as_ref()?;
        let init = spec.init_containers.iter().flatten().find(|it| it.name == name);
        let app = spec.containers.iter().find(|it| it.name == name);
        let container = init.or(app);
        let list = if init.is_some() { "initContainers" } else { "containers" };
        let of_container = |fields: Value| {
            container?;
            let mut whole = json!({"name": name});
            join(&mut whole, fields);
            Some(json!({"spec": {list: [whole]}}))
        };
        match fix {
            Fix::WritablePath { path, seed } => {
                let key = format!("{name}.{DOMAIN}/writable-paths");
                let annotations = template.metadata.as_ref()?.annotations.as_ref();
                let own = annotations.and_then(|all| all.get(&key)).map(String::as_str);
                let value = listed(own, path, *seed).or_else(|| own.map(str::to_owned))?;
                Some(json!({"metadata": {"annotations": {key: value}}}))
            }
            Fix::Port(port) => {
                let ports = container?.ports.iter().flatten();
                let declared = ports.into_iter().any(|it| it.container_port == i32::from(*port));
                let fields = json!({"ports": [{"containerPort": port, "protocol": "TCP"}]});
                of_container(if declared { json!({}) } else { fields })
            }
            Fix::AddCapability(name) => {
                // The list is atomic: what is there has to be said again.
                let context = container?.security_context.as_ref();
                let own = context.and_then(|context| context.capabilities.as_ref());
                let mut add = own.and_then(|own| own.add.clone()).unwrap_or_default();
                if !add.iter().any(|own| own == name) {
                    add.push((*name).to_owned());
                }
                of_container(json!({"securityContext": {"capabilities": {"add": add}}}))
            }
            Fix::RunAsUser(user) => {
                let (uid, gid) = self.user(user, container?)?;
                let context = match gid {
                    Some(gid) => json!({"runAsUser": uid, "runAsGroup": gid}),
                    None => json!({"runAsUser": uid}),
                };
                of_container(json!({"securityContext": context}))
            }
            Fix::Env { name, value } => {
                let own = container?.env.iter().flatten().find(|it| it.name == *name);
                // A value beside a `valueFrom` would be refused.
                let replaces = own.is_none_or(|own| own.value_from.is_none());
                let fields = json!({"env": [{"name": name, "value": value}]});
                of_container(fields).filter(|_| replaces)
            }
            Fix::FsGroup => {
                let own = spec.security_context.as_ref().and_then(|context| context.fs_group);
                let gid = (self.gid)(name).filter(|gid| own.is_none() && *gid > 0)?;
                let context = json!({"fsGroup": gid, "fsGroupChangePolicy": "OnRootMismatch"});
                Some(json!({"spec": {"securityContext": context}}))
            }
            Fix::Sysctl { name, value } => {
                // The list is atomic: what is there has to be said again.
                let own = spec.security_context.iter().flat_map(|it| it.sysctls.iter().flatten());
                let others = own.filter(|it| it.name != *name);
                let mut all: Vec<Value> =
                    others.map(|it| json!({"name": it.name, "value": it.value})).collect();
                all.push(json!({"name": name, "value": value}));
                Some(json!({"spec": {"securityContext": {"sysctls": all}}}))
            }
            Fix::DefaultMode(mode) => {
                let path = super::advice::path_in(complaint.message)?;
                let mounts = Mounts::of(spec, container?);
                let volume = mounts.volume(path)?;
                let volume = spec.volumes.iter().flatten().find(|it| it.name == volume)?;
                let kind = kind_with_mode(volume)?;
                Some(
                    json!({"spec": {"volumes": [{"name": volume.name, kind: {"defaultMode": mode}}]}}),
                )
            }
            Fix::Exempt(rules) => {
                let why = complaint.advice.symptom.why;
                let date = self.environment.date;
                let annotations = remedy::exemption(name, rules, why, self.policy, date);
                let patch = json!({"metadata": {"annotations": annotations}});
                let own = now.pointer("/metadata/annotations").and_then(Value::as_object);
                let has = |key: &String| own.is_some_and(|own| own.contains_key(key));
                // One with another reason or end is as good, as long as it is in force.
                let holds = annotations.keys().all(has) && self.voids(now, &patch)?.is_empty();
                Some(if holds { json!({}) } else { patch })
            }
            Fix::Words(_) => None,
        }
    }

    /// Uid and gid of a user, as far as the policy or facts of the image tell.
    fn user(&self, user: &User, container: &Container) -> Option<(i64, Option<i64>)> {
        if *user == User::Any {
            return Some((self.policy.rules.run_as_user.value.get(), None));
        }
        let image = container.image.as_deref()?;
        let facts = self.policy.facts.find(image, &full_name(image))?;
        let own = facts.known.user.as_ref()?;
        let uid = own.uid.filter(|uid| *uid > 0)?;
        match user {
            User::Named(name) => {
                (own.name.as_deref()?.split(':').next() == Some(name)).then_some(())
            }
            User::OfImage | User::Any => Some(()),
        }
        .map(|()| (uid, own.gid))
    }

    /// Annotations of the patch that the engine takes for void, and why. `None` if the template is
    /// no pod.
    fn voids(&self, template: &Value, patch: &Value) -> Option<Vec<String>> {
        let text = template.to_string();
        let pod = Pod::from_json(&text).ok()?;
        let outcome = harden(&pod, self.policy, &self.environment.context(AS_WRITTEN));
        let ours = patch.pointer("/metadata/annotations").and_then(Value::as_object);
        let ours = |key: &str| ours.is_some_and(|ours| ours.contains_key(key));
        let void = outcome.void.iter().filter(|void| ours(&void.key));
        Some(void.map(|void| format!("{}: {}", void.key, void.why)).collect())
    }

    /// What the pods of the patched template get otherwise.
    fn then(&self, patch: &Value) -> Vec<String> {
        let seen = Seen::default();
        let judged = |template: &Value| {
            let json = template.to_string();
            let template = Template {
                json: &json,
                policy: self.policy,
                environment: self.environment,
                reserved_volumes: &[],
                scope: AS_WRITTEN,
                seen: &seen,
            };
            effects(&template).ok()
        };
        let now = judged(self.template);
        let then = merged(self.template, patch).and_then(|template| judged(&template));
        now.zip(then).map(|(now, then)| differences(&now, &then)).unwrap_or_default()
    }
}

/// What differs, a line for each rule and container.
fn differences(now: &Effects, then: &Effects) -> Vec<String> {
    let unset = "unset";
    let changed = then.rules.iter().filter_map(|((container, rule), effect)| {
        let before = now.rules.get(&(container.clone(), rule));
        let before = before.map_or(unset, |before| before.value.as_str());
        (before != effect.value)
            .then(|| format!("{container}: {rule}: {before} → {}", effect.value))
    });
    changed.collect()
}

/// A list of writable paths with one more, as an annotation has it; `None` if it is there already.
/// A path that is there, and is to be seeded now, takes its place.
pub fn listed(own: Option<&str>, path: &str, seed: bool) -> Option<String> {
    let written = Writable::written(path, seed);
    let own = own.map(str::trim).filter(|own| !own.is_empty());
    let Some(own) = own else { return Some(written.into_owned()) };
    let same = |entry: &&str| {
        Writable::asked_for(entry.trim()).ok().filter(|entry| entry.path.as_str() == path)
    };
    match own.split(',').find_map(|entry| Some((entry, same(&entry)?))) {
        None => Some(format!("{own},{written}")),
        Some((_, entry)) if entry.seed || !seed => None,
        Some((text, _)) => {
            let entry = |it| if it == text { &*written } else { it };
            Some(own.split(',').map(entry).collect::<Vec<_>>().join(","))
        }
    }
}

/// The member of a volume that has a `defaultMode`.
fn kind_with_mode(volume: &Volume) -> Option<&'static str> {
    let Volume { secret, config_map, projected, downward_api, .. } = volume;
    let kinds = [
        ("secret", secret.is_some()),
        ("configMap", config_map.is_some()),
        ("projected", projected.is_some()),
        ("downwardAPI", downward_api.is_some()),
    ];
    kinds.into_iter().find(|(_, is)| *is).map(|(kind, _)| kind)
}

/// A template with a patch, merged as the API server merges it; `None` if it is no template.
fn merged(template: &Value, patch: &Value) -> Option<Value> {
    let read = |value: &Value| serde_json::from_value::<PodTemplateSpec>(value.clone()).ok();
    let mut template = read(template)?;
    template.metadata.get_or_insert_default();
    if !patch.is_null() {
        let mut patch = patch.clone();
        // A pod's containers are required.
        if let Some(spec) = patch.get_mut("spec").and_then(Value::as_object_mut) {
            spec.entry("containers").or_insert_with(|| json!([]));
        }
        template.merge_from(read(&patch)?);
    }
    serde_json::to_value(template).ok()
}

/// Joins two patches: objects member by member, lists of named objects by their names, other lists
/// and values by the newer.
pub fn join(patch: &mut Value, more: Value) {
    match (patch, more) {
        (Value::Object(patch), Value::Object(more)) => {
            for (key, value) in more {
                join(patch.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(patch), Value::Array(more)) => {
            for value in more {
                let key = |value: &Value| {
                    value.get("name").or_else(|| value.get("containerPort")).cloned()
                };
                let same =
                    patch.iter_mut().find(|old| key(old).is_some() && key(old) == key(&value));
                match same {
                    Some(old) => join(old, value),
                    None => patch.push(value),
                }
            }
        }
        (patch, more) => *patch = more,
    }
}
