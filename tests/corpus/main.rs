//! Real workloads, as they ship, through the engine.
//!
//! The corpus is a directory of manifests named by `IRONHULL_CORPUS`; it is not part of
//! the project. What Kubernetes itself says of the pods, before and after, is the judge's
//! word, not ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says where"
)]
#![cfg(feature = "server")]

#[path = "../support/fixtures.rs"]
mod fixtures;
#[path = "../support/judge.rs"]
mod judge;
#[path = "../support/corpus.rs"]
mod support;
mod table;
#[path = "../support/update.rs"]
mod update;
mod user_namespaces;

use std::collections::BTreeSet;
use std::path::Path;

use ironhull::harden::{Context, Scope, harden};
use ironhull::manifest::ManifestFile;
use ironhull::outcome::{Note, Outcome, Remark, RuleResult, Skip};
use ironhull::pod::Pod;
use ironhull::policy::{Policy, PolicySet, diagnostic};
use ironhull::remains::{Level, fields, refused};
use ironhull::rule::RuleName;
use serde_json::Value;

use table::Table;

/// One pod of the corpus.
struct Shipped {
    /// File, document and workload.
    id: String,
    pod: Value,
    reserved: Vec<String>,
}

/// Every pod and pod template; and the files that cannot be read, with the reason.
fn shipped(directory: &Path) -> (Vec<Shipped>, Vec<String>) {
    let mut pods = Vec::new();
    let mut unreadable = Vec::new();
    for path in support::files(directory) {
        let name = path.strip_prefix(directory).unwrap().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let source = match ManifestFile::read(&name, text) {
            Ok(source) => source,
            Err(errors) => {
                unreadable.extend(errors.iter().map(ToString::to_string));
                continue;
            }
        };
        for document in &source.documents {
            for workload in &document.contents.workloads {
                let pod = &workload.pod;
                pods.push(Shipped {
                    id: format!(
                        "{name}#{} {} {}",
                        document.number.unwrap(),
                        workload.kind,
                        workload.name
                    ),
                    pod: pod.clone(),
                    reserved: workload.reserved_volumes.clone(),
                });
            }
        }
    }
    (pods, unreadable)
}

/// Hardens a pod and applies the patch with an independent implementation of RFC 6902.
fn hardened<T>(
    shipped: &Shipped,
    pod: &Value,
    policy: &Policy,
    see: impl FnOnce(&Outcome<'_>) -> T,
) -> Result<(Value, T), String> {
    let text = pod.to_string();
    let view = Pod::from_json(&text).map_err(|error| error.to_string())?;
    let reserved: Vec<&str> = shipped.reserved.iter().map(String::as_str).collect();
    let context = Context {
        date: jiff::civil::date(2026, 11, 22),
        scope: Scope::Create,
        user_namespaces: false,
        provenance: true,
        root: "",
        reserved_volumes: &reserved,
        seed_image: None,
    };
    let outcome = harden(&view, policy, &context);
    let patch: json_patch::Patch = serde_json::from_str(outcome.patch.as_json()).unwrap();
    let mut after = pod.clone();
    json_patch::patch(&mut after, &patch)
        .unwrap_or_else(|error| panic!("{}: {error}\n{}", shipped.id, outcome.patch.as_json()));
    Ok((after, see(&outcome)))
}

fn policy_file(name: &str) -> PolicySet {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let source = diagnostic::PolicyFile { name: name.to_owned(), text };
    PolicySet::load(&[source], None).unwrap().0
}

#[test]
fn every_workload_is_hardened_once() {
    let Some(directory) = support::directory() else { return };
    let (pods, unreadable) = shipped(&directory);
    assert_eq!(unreadable, [""; 0], "documents that cannot be read at all");
    let set = policy_file("fill-only.yaml");
    let fill_only = set.by_name("fill-only").unwrap();
    let mut errors = Vec::new();
    for policy in [Policy::restricted(), fill_only] {
        for shipped in &pods {
            match hardened(shipped, &shipped.pod, policy, |_| ()) {
                Ok((once, ())) => {
                    let patch = |outcome: &Outcome<'_>| outcome.patch.as_json().to_owned();
                    let (twice, patch) = hardened(shipped, &once, policy, patch).unwrap();
                    assert_eq!(
                        patch, "[]",
                        "{} under {} is hardened twice",
                        shipped.id, policy.name
                    );
                    assert_eq!(once, twice);
                }
                Err(error) => errors.push((shipped, error)),
            }
        }
    }
    println!("{} pods under 2 policies", pods.len());
    for (shipped, error) in &errors {
        println!("not hardened: {}: {error}", shipped.id);
    }
    // Kubernetes cannot read those either.
    let Some(binary) = judge::binary() else { return };
    let refused: Vec<Value> = errors.iter().map(|(shipped, _)| shipped.pod.clone()).collect();
    for (judgement, (shipped, error)) in judge::judge(&binary, &refused).iter().zip(&errors) {
        assert!(
            judgement.error.is_some(),
            "{}: Kubernetes reads it, we do not: {error}",
            shipped.id
        );
    }
}

/// What became of the corpus under the default policy. The numbers are pinned: one that
/// falls is a regression, one that rises is to be written down here and in the table.
#[test]
fn what_passes_baseline_comes_out_passing_restricted() {
    let (Some(directory), Some(binary)) = (support::directory(), judge::binary()) else { return };
    let (pods, _) = shipped(&directory);
    let pods: Vec<_> = pods
        .iter()
        .filter_map(|shipped| {
            let (after, words) =
                hardened(shipped, &shipped.pod, Policy::restricted(), words).ok()?;
            Some((shipped, after, words))
        })
        .collect();
    let before: Vec<Value> = pods.iter().map(|(shipped, ..)| shipped.pod.clone()).collect();
    let after: Vec<Value> = pods.iter().map(|(_, after, _)| after.clone()).collect();
    let mut table = Table::default();
    let verdicts = judge::judge(&binary, &before).into_iter().zip(judge::judge(&binary, &after));
    for ((shipped, _, words), (before, after)) in pods.iter().zip(verdicts) {
        table.count(shipped, words, &before, &after);
    }
    let text = table.to_string();
    println!("{text}");
    assert_eq!(table.baseline, 1523, "pods that pass baseline as they ship");
    assert_eq!(
        table.baseline_to_restricted, 1486,
        "of them, pods that come out passing restricted"
    );
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/real-workloads.md");
    if update::is_wanted() {
        std::fs::write(&page, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(kept, text, "docs/real-workloads.md is not current: run with UPDATE_EXPECT=1");
}

/// Our own reading of *restricted*, by which commands say what is left, is Kubernetes'.
#[test]
fn what_is_refused_is_what_pod_security_refuses() {
    let (Some(directory), Some(binary)) = (support::directory(), judge::binary()) else { return };
    let (shipped, _) = shipped(&directory);
    let mut pods: Vec<(&str, Value)> = Vec::new();
    for one in &shipped {
        pods.push((&one.id, one.pod.clone()));
        if let Ok((after, ())) = hardened(one, &one.pod, Policy::restricted(), |_| ()) {
            pods.push((&one.id, after));
        }
    }
    let asked: Vec<Value> = pods.iter().map(|(_, pod)| stored(pod)).collect();
    let mut wrong = Vec::new();
    for ((id, pod), judgement) in pods.iter().zip(judge::judge(&binary, &asked)) {
        let text = pod.to_string();
        let (Ok(view), None) = (Pod::from_json(&text), &judgement.error) else {
            continue;
        };
        for (level, judged) in
            [(Level::Baseline, &judgement.baseline), (Level::Restricted, &judgement.restricted)]
        {
            let ours = refused(&view, level);
            if ours.is_empty() != judged.allowed {
                let level = level.as_str();
                wrong.push(format!(
                    "{id}, {level}: we say {ours:?}, Kubernetes {:?}",
                    judged.reasons
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), pods.len(), wrong.join("\n"));
}

/// What is said to remain is what Pod Security refuses and no rule fixes, of each check: in the pods by
/// which Kubernetes tests Pod Security, as they are and hardened.
#[test]
fn what_remains_of_kubernetes_own_fixtures_is_what_pod_security_refuses() {
    let (Some(directory), Some(binary)) = (fixtures::directory(), judge::binary()) else { return };
    let (shipped, _) = shipped(&directory);
    assert!(shipped.len() > 4000, "{}", shipped.len());
    let mut pods: Vec<(&str, Value, bool)> = Vec::new();
    for one in &shipped {
        pods.push((&one.id, one.pod.clone(), false));
        if let Ok((after, ())) = hardened(one, &one.pod, Policy::restricted(), |_| ()) {
            pods.push((&one.id, after, true));
        }
    }
    let asked: Vec<Value> = pods.iter().map(|(_, pod, _)| stored(pod)).collect();
    let mut wrong = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for ((id, pod, hardened), judgement) in pods.iter().zip(judge::judge(&binary, &asked)) {
        let text = pod.to_string();
        let (Ok(view), None) = (Pod::from_json(&text), &judgement.error) else { continue };
        let ours: BTreeSet<&str> = fields(&view).into_iter().map(check_of).collect();
        let reasons = judgement.restricted.reasons.iter();
        let all: BTreeSet<&str> = reasons.filter_map(|it| Some(it.split_once(':')?.0)).collect();
        let theirs = all.iter().copied().filter(|check| !FIXED.contains(check));
        let theirs: BTreeSet<&str> = theirs.collect();
        if ours != theirs {
            wrong.push(format!("{id}: we say {ours:?}, Pod Security {theirs:?}"));
        }
        // What rules fix is fixed, unless something that they leave alone stands in the way.
        if *hardened && ours.is_empty() && !judgement.restricted.allowed {
            wrong.push(format!("{id}, hardened: {:?}", judgement.restricted.reasons));
        }
        seen.extend(ours.into_iter().map(str::to_owned));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), pods.len(), wrong.join("\n"));
    println!("{} pods; {seen:?}", pods.len());
    assert_eq!(seen.len(), 10, "each check has its fixtures: {seen:?}");
}

/// The checks of *restricted* that rules fix.
const FIXED: [&str; 6] = [
    "allowPrivilegeEscalation",
    "capabilities_restricted",
    "runAsNonRoot",
    "runAsUser",
    "seccompProfile_restricted",
    "seccompProfile_baseline",
];

/// Pod Security's check of a field that remains; the kind of a volume is one.
fn check_of(field: &str) -> &str {
    match field {
        "hostNetwork" | "hostPID" | "hostIPC" => "hostNamespaces",
        "hostProcess" => "windowsHostProcess",
        "hostPort" => "hostPorts",
        "host of a probe or hook" => "hostProbesAndHostLifecycle",
        "procMount" => "procMount_restricted",
        "privileged" | "seLinuxOptions" | "appArmorProfile" | "sysctls" => field,
        _ => "restrictedVolumes",
    }
}

/// The pod as the API server keeps it: a volume without a source is an emptyDir by then.
fn stored(pod: &Value) -> Value {
    let mut pod = pod.clone();
    for volume in pod["spec"]["volumes"].as_array_mut().into_iter().flatten() {
        if volume.as_object().unwrap().iter().all(|(key, source)| key == "name" || source.is_null())
        {
            volume["emptyDir"] = serde_json::json!({});
        }
    }
    pod
}

/// The reasons for which rules left something alone, and what no rule mends.
fn words(outcome: &Outcome<'_>) -> Vec<String> {
    let mut words: Vec<String> = outcome
        .findings
        .iter()
        .filter_map(|finding| match finding.result {
            RuleResult::Skipped(skip) => Some(skip.as_str().to_owned()),
            RuleResult::Exempt => Some("declares an exemption".to_owned()),
            _ => None,
        })
        .collect();
    let of_pod = outcome.findings.iter().find(|finding| finding.rule == RuleName::FsGroup);
    let widened = outcome.remarks.iter().any(|remark| {
        matches!(remark, Remark::StorageWidened { .. } | Remark::FilesWidened { .. })
    });
    let fs_group = of_pod.and_then(|finding| match (finding.result, &finding.note) {
        (RuleResult::Set, _) if widened => {
            Some("set, and a container that keeps its user is warned of")
        }
        (RuleResult::Set, _) => Some("set"),
        (RuleResult::Skipped(Skip::NarrowMode), _) => Some("none: narrow files of another user"),
        (_, Some(Note::EntryWantsNone)) => Some("none: an image's entry wants none"),
        (_, Some(Note::NothingHandedOver)) => Some("not needed"),
        _ => None,
    });
    words.extend(fs_group.map(|word| format!("fsGroup: {word}")));
    for remark in &outcome.remarks {
        if let Remark::Remains(fields) = remark {
            words.extend(fields.iter().map(|field| match *field {
                "hostNetwork"
                | "hostPID"
                | "hostIPC"
                | "hostPort"
                | "hostProcess"
                | "privileged"
                | "procMount"
                | "sysctls"
                | "seLinuxOptions"
                | "appArmorProfile"
                | "host of a probe or hook" => (*field).to_owned(),
                kind => format!("volume {kind}"),
            }));
        }
    }
    words.sort();
    words.dedup();
    words
}
