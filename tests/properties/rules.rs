//! What a policy's document lets each rule change.

use serde_json::Value;

use super::changes::{Change, LEGACY_SECCOMP};
use super::facts::{self, Container, at, words};
use super::{Failure, ensure};

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

    /// Whether facts of any image have one of these keys.
    pub(crate) fn facts_have(&self, keys: &[&str]) -> bool {
        let images = facts::list(self.document, &["facts"]);
        images.into_iter().any(|image| keys.iter().any(|key| image.get(key).is_some()))
    }

    /// The action for a container that says root: the stronger of two, but that a rule
    /// that is `off` changes nothing.
    fn root_replaced(&self, rule: &str) -> bool {
        self.strength(rule) > 0 && (self.enforces("runAsNonRoot") || self.enforces("runAsUser"))
    }

    pub(crate) fn pod_level(
        &self,
        pod: &Value,
        path: &[&str],
        change: &Change<'_>,
    ) -> Result<(), Failure> {
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
                let mut containers = facts::containers(pod).into_iter();
                let declared = containers.any(|c| !c.privileged && c.low_port(pod));
                ensure!(declared || self.facts_have(&["ports"]), "the sysctl without a port");
            }
            _ => return Err("not ironhull's to change".to_owned()),
        }
        Ok(())
    }

    /// Only a pod in which something may be root as it is hardened, and nothing is privileged. What
    /// an earlier pass has set, by its note, may be taken back.
    pub(crate) fn host_users(
        &self,
        before: &Value,
        after: &Value,
        change: &Change<'_>,
    ) -> Result<(), Failure> {
        let unset = change.before.is_none();
        if change.after == Some(&Value::Bool(true)) {
            let note = facts::annotation(before, "ironhull.dev/hardened").unwrap_or_default();
            let note: Value = serde_json::from_str(note).unwrap_or_default();
            ensure!(words(Some(&note["set"]["pod"])).contains(&"hostUsers".to_owned()), "true");
            ensure!(self.acts("hostUsers"), "not this policy");
            return Ok(());
        }
        ensure!(self.acts("hostUsers") && (unset || self.enforces("hostUsers")), "not this policy");
        ensure!(!facts::is_windows(before), "on Windows");
        let may_be_root = |container: &Container| {
            let user = &container.effective.user;
            user.uid.map_or(user.non_root != Some(true), |uid| uid == 0)
        };
        let containers = facts::containers(after);
        ensure!(containers.iter().any(may_be_root), "for nothing that is root");
        ensure!(
            !containers.iter().any(|container| container.privileged),
            "beside a privileged one"
        );
        Ok(())
    }

    pub(crate) fn container(
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
    pub(crate) fn legacy_seccomp(
        &self,
        after: &Value,
        key: &str,
        change: &Change<'_>,
    ) -> Result<(), Failure> {
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
            let facts =
                name == "NET_BIND_SERVICE" && self.facts_have(&["ports", "fileCapabilities"]);
            ensure!(
                port || entry || known || facts || self.root_keeps().contains(name),
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
