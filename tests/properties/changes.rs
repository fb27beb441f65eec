//! What differs between a pod and the hardened pod, and whether DESIGN's rules allow it.

use serde_json::Value;

use super::facts::{self, Container, at, words};
use super::{Failure, ensure};

/// One difference: where, and the value before and after.
#[derive(Debug)]
pub(crate) struct Change<'v> {
    pub path: Vec<String>,
    pub before: Option<&'v Value>,
    pub after: Option<&'v Value>,
}

/// Values that count as one, whatever they hold: a profile is a union whose members belong
/// to its type, and `add` may be rewritten.
const WHOLE: [&str; 2] = ["seccompProfile", "add"];

/// The annotations that spoke for a pod, and for the container whose name follows.
const LEGACY_SECCOMP: [&str; 2] =
    ["seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/"];

/// Every difference. `null` is no value; an object that was missing is compared as empty.
pub(crate) fn changes<'v>(before: &'v Value, after: &'v Value) -> Vec<Change<'v>> {
    let mut found = Vec::new();
    compare(Some(before), Some(after), &mut Vec::new(), &mut found);
    found
}

fn compare<'v>(
    before: Option<&'v Value>,
    after: Option<&'v Value>,
    path: &mut Vec<String>,
    found: &mut Vec<Change<'v>>,
) {
    if before == after {
        return;
    }
    let set = |value: Option<&'v Value>| value.filter(|value| !value.is_null());
    let whole = path.last().is_some_and(|key| WHOLE.contains(&key.as_str()));
    match (set(before), set(after)) {
        (Some(Value::Object(a)), Some(Value::Object(b))) if !whole => {
            let gone = a.keys().filter(|key| !b.contains_key(*key));
            for key in b.keys().chain(gone) {
                path.push(key.clone());
                compare(a.get(key), b.get(key), path, found);
                path.pop();
            }
        }
        (None, Some(Value::Object(b))) if !whole && !b.is_empty() => {
            for (key, value) in b {
                path.push(key.clone());
                compare(None, Some(value), path, found);
                path.pop();
            }
        }
        (a @ (None | Some(Value::Array(_))), Some(Value::Array(b))) if !whole => {
            let a = a.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            for index in 0..a.len().max(b.len()) {
                // What is appended is told from what was there by the index `-`.
                path.push(if index < a.len() { index.to_string() } else { "-".to_owned() });
                compare(a.get(index), b.get(index), path, found);
                path.pop();
            }
        }
        (before, after) => found.push(Change { path: path.clone(), before, after }),
    }
}

/// The places that may change, and how. `document` is the policy's.
///
/// | field | may become | where it was |
/// |---|---|---|
/// | each rule's | the rule's value | unset under `fill`, unset or weaker under `enforce` |
/// | `runAsNonRoot` | `false` | of a container that is exempt, or whose pod level says `true` |
/// | `volumes`, `volumeMounts`, `sysctls` | longer | anything |
/// | two annotations | anything | anything |
/// | legacy seccomp annotations | what the field beside them is set to | something else |
pub(crate) fn allowed(
    before: &Value,
    after: &Value,
    document: &Value,
    exempt: &dyn Fn(&Container, &str) -> bool,
) -> Result<(), Failure> {
    let rules = Rules { document };
    let containers = ["initContainers", "containers"].map(|list| facts::of_list(before, list));
    for change in changes(before, after) {
        let path: Vec<&str> = change.path.iter().map(String::as_str).collect();
        let place = path.join("/");
        ensure!(change.after.is_some(), "{place} is gone");
        match path.as_slice() {
            ["metadata", "annotations", "ironhull.dev/hardened"] => {}
            [
                "metadata",
                "annotations",
                "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes",
            ] => {
                let was = change.before.and_then(Value::as_str).unwrap_or_default();
                let now = change.after.and_then(Value::as_str).unwrap_or_default();
                ensure!(was.trim().is_empty() || now.starts_with(was), "{place}: {was} to {now}");
            }
            ["metadata", "annotations", key]
                if LEGACY_SECCOMP.iter().any(|k| key.starts_with(k)) =>
            {
                rules.legacy_seccomp(after, key, &change)?;
            }
            ["spec", "securityContext", rest @ ..] => {
                rules.pod_level(before, rest, &change).map_err(|why| format!("{place}: {why}"))?;
            }
            // Appended whole: the object's members are told one by one.
            ["spec", "volumes", "-", ..] => {
                ensure!(
                    rules.acts("readOnlyRootFilesystem"),
                    "{place} by a rule that does not act"
                );
            }
            ["spec", list @ ("initContainers" | "containers"), index, rest @ ..] => {
                let containers = &containers[usize::from(*list == "containers")];
                let container = index.parse::<usize>().ok().and_then(|index| containers.get(index));
                let Some(container) = container else { return Err(format!("{place} is new")) };
                rules
                    .container(before, container, rest, &change, exempt)
                    .map_err(|why| format!("{place}: {why}"))?;
            }
            _ => return Err(format!("{place} is not ironhull's to change: {change:?}")),
        }
    }
    Ok(())
}

/// The pod without the `privileged: true` of `containers` that the policy takes away: what the other
/// rules see.
pub(crate) fn unprivileged(
    pod: &Value,
    containers: &[Container],
    document: &Value,
    exempt: &dyn Fn(&Container, &str) -> bool,
) -> Value {
    let mut unprivileged = pod.clone();
    let left_alone = facts::is_windows(pod) || facts::is_mirror(pod);
    if left_alone || !(Rules { document }).enforces("privileged") {
        return unprivileged;
    }
    for container in containers {
        if container.privileged && !exempt(container, "privileged") {
            unprivileged["spec"][container.list][container.index]["securityContext"]["privileged"] =
                false.into();
        }
    }
    unprivileged
}

/// What a policy's document says.
pub(crate) struct Rules<'d> {
    pub document: &'d Value,
}

impl Rules<'_> {
    /// How strongly a rule acts, from 0 for `off` to 3 for `enforce`.
    pub(crate) fn strength(&self, rule: &str) -> usize {
        let action = &self.document["spec"]["rules"][rule]["action"];
        let words = ["off", "warn", "fill", "enforce"];
        words.iter().position(|word| action == word).unwrap()
    }

    pub(crate) fn acts(&self, rule: &str) -> bool {
        self.strength(rule) >= 2
    }

    pub(crate) fn enforces(&self, rule: &str) -> bool {
        self.strength(rule) == 3
    }

    pub(crate) fn allowed_adds(&self) -> Vec<String> {
        words(Some(&self.document["spec"]["rules"]["capabilities"]["allowedAdd"]))
    }

    pub(crate) fn root_keeps(&self) -> Vec<String> {
        words(Some(&self.document["spec"]["rules"]["capabilities"]["rootKeeps"]))
    }

    /// The action for a container that says root: the stronger of two, but that a rule
    /// that is `off` changes nothing.
    fn root_replaced(&self, rule: &str) -> bool {
        self.strength(rule) > 0 && (self.enforces("runAsNonRoot") || self.enforces("runAsUser"))
    }

    fn pod_level(&self, pod: &Value, path: &[&str], change: &Change<'_>) -> Result<(), Failure> {
        let field = *path.first().unwrap_or(&"");
        let unset = change.before.is_none();
        let roots = facts::containers(pod).iter().any(|c| c.effective.user.is_root());
        match path {
            ["runAsNonRoot"] => {
                ensure!(change.after == Some(&Value::Bool(true)), "weakened");
                let filled = self.acts(field) && unset;
                // Where every container overrides it there is none that says root.
                let outer_root = at(pod, &["spec", "securityContext", "runAsUser"]).is_some();
                let replaced =
                    self.enforces(field) || self.root_replaced(field) && (roots || !outer_root);
                ensure!(filled || replaced, "not by this policy");
            }
            ["runAsUser"] => {
                ensure!(change.after.and_then(Value::as_i64) > Some(0), "not above 0");
                let filled = self.acts(field) && unset;
                let outer_root = change.before == Some(&Value::from(0));
                let replaced = self.root_replaced("runAsNonRoot") || self.root_replaced(field);
                ensure!(filled || replaced && (outer_root || unset && roots), "not by this policy");
            }
            ["runAsGroup"] => {
                let zero = change.before == Some(&Value::from(0));
                ensure!(
                    self.acts(field) && (unset || zero && self.enforces(field)),
                    "not by this policy"
                );
            }
            ["fsGroup" | "fsGroupChangePolicy"] => {
                ensure!(self.acts("fsGroup") && unset, "not by this policy");
            }
            ["seccompProfile"] => self.seccomp(change)?,
            ["sysctls", "-", "name" | "value"] => {
                ensure!(self.acts("unprivilegedPorts"), "not by this policy");
            }
            _ => return Err("not ironhull's to change".to_owned()),
        }
        Ok(())
    }

    fn container(
        &self,
        pod: &Value,
        container: &Container,
        path: &[&str],
        change: &Change<'_>,
        exempt: &dyn Fn(&Container, &str) -> bool,
    ) -> Result<(), Failure> {
        let root = container.effective.user.is_root();
        let unset = change.before.is_none();
        if let ["volumeMounts", rest @ ..] = path {
            ensure!(matches!(rest, ["-", "name" | "mountPath"]), "more than appended");
            ensure!(self.acts("readOnlyRootFilesystem"), "by a rule that does not act");
            ensure!(!exempt(container, "readOnlyRootFilesystem"), "an exempt container's");
            ensure!(!container.privileged, "a privileged container's");
            return Ok(());
        }
        let ["securityContext", field, rest @ ..] = path else {
            return Err("not ironhull's to change".to_owned());
        };
        // The API server refuses `privileged` on Windows; nothing there depends on it.
        ensure!(!container.privileged || facts::is_windows(pod), "a privileged container's");
        let rule = *field;
        if exempt(container, rule) {
            let undone = rule == "runAsNonRoot"
                && change.after == Some(&Value::Bool(false))
                && container.effective.user.non_root == Some(true)
                && container.effective.user.uid.is_none_or(|uid| uid == 0);
            // An exemption from runAsUser alone does not allow root.
            let root_needs_more = rule == "runAsUser"
                && !exempt(container, "runAsNonRoot")
                && container.effective.user.is_root()
                && self.root_replaced("runAsNonRoot");
            // Nor does one from capabilities bring privilege escalation with it.
            let escalation = "allowPrivilegeEscalation";
            let mut left = container.effective.add.clone();
            left.retain(|name| name != "CAP_SYS_ADMIN");
            let taken_out = rule == "capabilities"
                && rest == ["add"]
                && self.enforces(rule)
                && self.enforces(escalation)
                && !exempt(container, escalation)
                && container.effective.escalation != Some(false)
                && words(change.after) == left;
            let allowed = undone && self.acts(rule) || root_needs_more || taken_out;
            ensure!(allowed, "exempt from {rule}");
            return Ok(());
        }
        match (*field, rest) {
            ("runAsNonRoot", []) => {
                ensure!(change.after == Some(&Value::Bool(true)), "weakened");
                let by_rule = self.acts(field) && unset || self.enforces(field);
                ensure!(by_rule || root && self.root_replaced(field), "not by this policy");
            }
            ("runAsUser", []) => {
                ensure!(change.after.and_then(Value::as_i64) > Some(0), "not above 0");
                ensure!(unset || change.before == Some(&Value::from(0)), "was not root");
                let replaced = self.root_replaced("runAsNonRoot") || self.root_replaced(field);
                ensure!(if root { replaced } else { self.acts(field) }, "not by this policy");
            }
            ("runAsGroup", []) => {
                let zero = change.before == Some(&Value::from(0));
                ensure!(
                    self.acts(field) && (unset || zero && self.enforces(field)),
                    "not by this policy"
                );
            }
            ("allowPrivilegeEscalation", []) => {
                ensure!(change.after == Some(&Value::Bool(false)), "weakened");
                ensure!(self.acts(field) && unset || self.enforces(field), "not by this policy");
            }
            ("readOnlyRootFilesystem", []) => {
                ensure!(change.after == Some(&Value::Bool(true)), "weakened");
                ensure!(self.acts(field) && unset || self.enforces(field), "not by this policy");
            }
            ("seccompProfile", []) => self.seccomp(change)?,
            ("capabilities", ["drop", "-"]) => {
                ensure!(self.acts(field), "not by this policy");
                ensure!(change.after == Some(&Value::from("ALL")), "not ALL");
                ensure!(
                    !container.effective.drop.iter().any(|name| name == "ALL"),
                    "dropped twice"
                );
            }
            ("capabilities", ["add"]) => {
                ensure!(self.acts(field), "not by this policy");
                self.adds(pod, container, &words(change.after))?;
            }
            _ => return Err("not ironhull's to change".to_owned()),
        }
        Ok(())
    }

    /// An annotation of old is made to agree with the field beside it, and never comes new.
    fn legacy_seccomp(&self, after: &Value, key: &str, change: &Change<'_>) -> Result<(), Failure> {
        ensure!(self.acts("seccompProfile"), "{key} by a rule that does not act");
        ensure!(change.before.is_some(), "{key} is new");
        let containers = facts::containers(after);
        let place = match key.strip_prefix(LEGACY_SECCOMP[1]) {
            Some(name) => containers.iter().find(|c| c.name == name).map(|c| c.json(after)),
            None => after.get("spec"),
        };
        let profile =
            place.map_or(&Value::Null, |place| &place["securityContext"]["seccompProfile"]);
        let agrees = match profile["localhostProfile"].as_str() {
            Some(path) => change.after == Some(&Value::from(format!("localhost/{path}"))),
            None => {
                profile["type"] == "RuntimeDefault"
                    && change.after == Some(&Value::from("runtime/default"))
            }
        };
        ensure!(agrees, "{key} does not agree with {profile}");
        Ok(())
    }

    fn seccomp(&self, change: &Change<'_>) -> Result<(), Failure> {
        let rule = "seccompProfile";
        let kind = change.before.and_then(|before| before.get("type")?.as_str());
        ensure!(!matches!(kind, Some("RuntimeDefault" | "Localhost")), "was strong: {change:?}");
        ensure!(self.acts(rule) && kind.is_none() || self.enforces(rule), "not by this policy");
        let settings = &self.document["spec"]["rules"][rule];
        let now = change.after.unwrap();
        ensure!(now["type"] == settings["type"], "another type than the policy's");
        ensure!(now.get("localhostProfile") == settings.get("localhostProfile"), "another profile");
        Ok(())
    }

    /// Under `fill` adds are only appended. Under `enforce` those that stay keep their
    /// order, in their plain form, and each is allowed.
    fn adds(&self, pod: &Value, container: &Container, after: &[String]) -> Result<(), Failure> {
        let before = &container.effective.add;
        let allowed = [self.allowed_adds(), self.root_keeps()].concat();
        let drops_all = container.effective.drop.iter().any(|name| name == "ALL");
        let (kept, appended) = if after.starts_with(before) {
            after.split_at(before.len())
        } else {
            ensure!(self.enforces("capabilities"), "rewritten without enforce");
            let plain: Vec<String> = before.iter().map(|name| plain(name)).collect();
            let stays = after.iter().take_while(|name| plain.contains(name)).count();
            let (kept, appended) = after.split_at(stays);
            let mut rest = plain.iter();
            ensure!(kept.iter().all(|name| rest.any(|p| p == name)), "the order of adds changed");
            ensure!(kept.iter().all(|name| allowed.contains(name)), "an add that is not allowed");
            (kept, appended)
        };
        ensure!(appended.is_empty() || !drops_all, "given back where the author dropped ALL");
        for name in appended {
            ensure!(!kept.contains(name), "{name} added twice");
            ensure!(allowed.contains(name), "{name} given back and not allowed");
            let author = container.effective.drop.iter().any(|drop| plain(drop) == *name);
            ensure!(!author, "{name} given back though its author drops it");
            let port = name == "NET_BIND_SERVICE" && container.low_port(pod);
            let entry = words_of_entries(self.document).contains(name);
            let known = self.document["spec"]["knownImages"] == true;
            ensure!(
                port || entry || known || self.root_keeps().contains(name),
                "{name} given back without a reason"
            );
        }
        Ok(())
    }
}

fn words_of_entries(document: &Value) -> Vec<String> {
    let entries = facts::list(document, &["spec", "images"]);
    entries.flat_map(|entry| words(entry.get("addCapabilities"))).collect()
}

fn plain(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name)
}
