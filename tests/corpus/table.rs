//! The numbers of `docs/real-workloads.md`.

use std::collections::BTreeMap;

use ironhull::outcome::Skip;
use serde_json::Value;

use super::{Shipped, judge};

/// The numbers of `docs/real-workloads.md`.
#[derive(Default)]
pub(crate) struct Table {
    pods: usize,
    restricted_as_shipped: usize,
    pub(crate) baseline: usize,
    pub(crate) baseline_to_restricted: usize,
    restricted_after: usize,
    exempt: usize,
    /// Of those that do not pass restricted afterwards: how many fail a check.
    failing: BTreeMap<String, usize>,
    /// Why rules left something alone, and in how many pods.
    skips: BTreeMap<String, usize>,
    /// Those that pass baseline and do not come out passing restricted, by reason.
    exceptions: BTreeMap<String, Vec<String>>,
    /// Those in which a container gets a uid, by what becomes of the fsGroup.
    fs_group: BTreeMap<String, Vec<String>>,
}

impl Table {
    pub(crate) fn count(
        &mut self,
        shipped: &Shipped,
        words: &[String],
        before: &judge::Judgement,
        after: &judge::Judgement,
    ) {
        self.pods += 1;
        // Nothing that Kubernetes does not know may come from ironhull.
        assert_eq!(before.strict, after.strict, "{}", shipped.id);
        self.restricted_as_shipped += usize::from(before.restricted.allowed);
        self.baseline += usize::from(before.baseline.allowed);
        self.restricted_after += usize::from(after.restricted.allowed);
        self.exempt += usize::from(words.iter().any(|word| word == "declares an exemption"));
        for word in words.iter().filter_map(|word| word.strip_prefix("fsGroup: ")) {
            let word = match word {
                "not needed" => why_not_needed(shipped),
                other => other,
            };
            self.fs_group.entry(word.to_owned()).or_default().push(shipped.id.clone());
        }
        for word in words.iter().filter(|word| Skip::ALL.iter().any(|skip| skip.as_str() == *word))
        {
            *self.skips.entry(word.clone()).or_default() += 1;
        }
        if after.restricted.allowed {
            self.baseline_to_restricted += usize::from(before.baseline.allowed);
            return;
        }
        assert!(!before.restricted.allowed, "{} passed restricted before", shipped.id);
        for reason in &after.restricted.reasons {
            let check = reason.split(':').next().unwrap().to_owned();
            explained(shipped, &check, words);
            *self.failing.entry(check).or_default() += 1;
        }
        if before.baseline.allowed {
            let windows = words.iter().any(|word| word == "windows");
            let reason = match after.restricted.reasons.as_slice() {
                _ if windows => {
                    "a Windows pod that does not say `spec.os.name: windows`".to_owned()
                }
                [only] if only.starts_with("restrictedVolumes") => {
                    let kind = only.rsplit("type ").next().unwrap().trim_matches(['"', ')']);
                    match kind {
                        "unknown" => "a volume without a source, which the API server makes an emptyDir before Pod Security sees it".to_owned(),
                        kind => format!("a volume of a type that restricted does not allow (`{kind}`)"),
                    }
                }
                reasons => panic!("{}: {reasons:?} with {words:?}", shipped.id),
            };
            self.exceptions.entry(reason).or_default().push(shipped.id.clone());
        }
    }
}

/// What ironhull cannot mend it names: each check that still fails is in its remarks, or
/// follows from a container or a pod that it left alone for a named reason.
fn explained(shipped: &Shipped, check: &str, words: &[String]) {
    let has = |word: &str| words.iter().any(|known| known == word);
    let named = match check {
        "hostNamespaces" => has("hostNetwork") || has("hostPID") || has("hostIPC"),
        "hostPorts" => has("hostPort"),
        "hostProbesAndHostLifecycle" => has("host of a probe or hook"),
        "privileged" | "appArmorProfile" | "seLinuxOptions" | "procMount" | "sysctls" => {
            has(check.trim_end_matches("_restricted"))
        }
        "restrictedVolumes" => {
            words.iter().any(|word| word.starts_with("volume ")) || shipped_without_source(shipped)
        }
        "windowsHostProcess" => has("hostProcess"),
        _ => has("privileged") || has("windows"),
    };
    assert!(named, "{}: {check} fails and nothing says so: {words:?}", shipped.id);
}

/// What a pod has in which no container with a new uid gains by an fsGroup.
fn why_not_needed(shipped: &Shipped) -> &'static str {
    let spec = &shipped.pod["spec"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let containers = list(&spec["containers"]).into_iter().chain(list(&spec["initContainers"]));
    let mounts: Vec<String> = containers
        .flat_map(|container| list(&container["volumeMounts"]))
        .filter_map(|mount| Some(mount["name"].as_str()?.to_owned()))
        .collect();
    let volumes = list(&spec["volumes"]);
    let kinds: Vec<String> = mounts
        .iter()
        .filter_map(|name| volumes.iter().find(|volume| volume["name"] == name.as_str()))
        .flat_map(|volume| volume.as_object().unwrap().keys().cloned().collect::<Vec<_>>())
        .filter(|key| key != "name")
        .collect();
    let has = |of: &[&str]| kinds.iter().any(|kind| of.contains(&kind.as_str()));
    let claimed = mounts.iter().any(|name| shipped.reserved.contains(name));
    if mounts.is_empty() {
        "none: nothing is mounted"
    } else if claimed || has(&["persistentVolumeClaim", "ephemeral", "csi"]) {
        "none: storage that is read-only, or of a container that keeps its user"
    } else if has(&["hostPath", "nfs", "glusterfs", "cephfs", "quobyte"]) {
        "none: paths of the node, or file shares that know no fsGroup"
    } else {
        "none: files that everybody can read, and emptyDirs of one user"
    }
}

/// A volume without a source is an emptyDir by the time Pod Security sees it.
fn shipped_without_source(shipped: &Shipped) -> bool {
    let volumes = shipped.pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    volumes.iter().any(|volume| {
        volume.as_object().unwrap().iter().all(|(key, source)| key == "name" || source.is_null())
    })
}

/// What becomes of an fsGroup that is listed pod by pod: somebody's storage or files are
/// concerned.
const ONE_BY_ONE: [&str; 3] = ["none: storage", "none: an image", "set, "];

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            pods,
            restricted_as_shipped,
            baseline,
            baseline_to_restricted,
            restricted_after,
            exempt,
            ..
        } = self;
        writeln!(f, "# Real workloads\n")?;
        writeln!(
            f,
            "What the default policy makes of {pods} pods and pod templates from 58 public projects, as they ship. The verdicts are those of"
        )?;
        writeln!(
            f,
            "Kubernetes' own Pod Security evaluator (v0.37.2), not ironhull's. This page is generated by `tests/corpus/`.\n"
        )?;
        writeln!(f, "| | pods |\n|---|---:|")?;
        writeln!(f, "| all | {pods} |")?;
        writeln!(f, "| pass *restricted* as they ship | {restricted_as_shipped} |")?;
        writeln!(f, "| pass *restricted* hardened (fully hardened) | {restricted_after} |")?;
        writeln!(
            f,
            "| do not pass it hardened (hardened in part) | {} |",
            pods - restricted_after
        )?;
        writeln!(f, "| declare an exemption | {exempt} |")?;
        writeln!(f, "| pass *baseline* as they ship | {baseline} |")?;
        writeln!(f, "| of those, pass *restricted* hardened | {baseline_to_restricted} |\n")?;
        writeln!(f, "## What stands in the way of the others\n")?;
        writeln!(
            f,
            "The checks they fail, hardened; a pod may fail several. Most are node-level agents, which belong in namespaces that do not opt in.\n"
        )?;
        writeln!(f, "| check of Pod Security | pods |\n|---|---:|")?;
        for (check, count) in &self.failing {
            writeln!(f, "| {check} | {count} |")?;
        }
        writeln!(f, "\n## Why rules left something alone\n")?;
        writeln!(f, "| reason | pods |\n|---|---:|")?;
        for (reason, count) in &self.skips {
            writeln!(f, "| `{reason}` | {count} |")?;
        }
        writeln!(f, "\n## Who gets an fsGroup\n")?;
        writeln!(
            f,
            "Of the pods that have none and in which an app or sidecar container gets a uid. Earlier each of them got one; but an fsGroup"
        )?;
        writeln!(
            f,
            "changes every file of a claim, so now it comes only where a container with a new uid needs it.\n"
        )?;
        writeln!(f, "| fsGroup | pods |\n|---|---:|")?;
        for (what, ids) in &self.fs_group {
            writeln!(f, "| {what} | {} |", ids.len())?;
        }
        for (what, ids) in &self.fs_group {
            if !ONE_BY_ONE.iter().any(|listed| what.starts_with(listed)) {
                continue;
            }
            writeln!(f, "\n{what}:\n")?;
            for id in ids {
                writeln!(f, "- {id}")?;
            }
        }
        writeln!(f, "\n## The exceptions, one by one\n")?;
        writeln!(
            f,
            "Pods that pass *baseline* and do not come out passing *restricted*: {}.",
            baseline - baseline_to_restricted
        )?;
        for (reason, ids) in &self.exceptions {
            writeln!(f, "\n{} with {reason}:\n", ids.len())?;
            for id in ids {
                writeln!(f, "- {id}")?;
            }
        }
        Ok(())
    }
}
