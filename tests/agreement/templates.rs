//! Templates, before and after `ironhull harden`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use ironhull::harden::{Context, Scope, harden};
use ironhull::manifest::ManifestFile;
use ironhull::outcome::{RuleResult, Subject};
use ironhull::pod::Pod;
use ironhull::policy::Policy;
use ironhull::rule::RuleName;
use serde_json::{Value, json};

use crate::{page, pods, scanners, support};

/// The scanners' checks of fields that a rule sets, and that rule.
const SET: [(&str, RuleName); 10] = [
    ("KSV-0012", RuleName::RunAsNonRoot),
    ("KSV-0105", RuleName::RunAsUser),
    ("KSV-0001", RuleName::AllowPrivilegeEscalation),
    ("KSV-0003", RuleName::Capabilities),
    ("KSV-0106", RuleName::Capabilities),
    ("KSV-0030", RuleName::SeccompProfile),
    ("KSV-0104", RuleName::SeccompProfile),
    ("container-seccomp-profile", RuleName::SeccompProfile),
    ("KSV-0014", RuleName::ReadOnlyRootFilesystem),
    ("container-security-context-readonlyrootfilesystem", RuleName::ReadOnlyRootFilesystem),
];

/// A hardened template is green, except where the rule says why it left the field alone.
#[test]
#[ignore = "needs the scanners: make agreement"]
fn hardened_templates_are_green() {
    let (Some(binary), Some(corpus)) = (scanners::binary(), support::directory()) else { return };
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for path in support::files(&corpus) {
        let hardened = Command::new(env!("CARGO_BIN_EXE_ironhull"))
            .args(["harden", "-f"])
            .arg(&path)
            .env_clear()
            .output()
            .unwrap();
        let text = String::from_utf8(hardened.stdout).unwrap();
        let was = templates(std::fs::read_to_string(&path).unwrap());
        let is = templates(text);
        if !hardened.status.success() || was.len() != is.len() {
            continue;
        }
        before.extend(was);
        after.extend(is);
    }
    assert!(after.len() > 1000, "{}", after.len());
    let kept = pods::readable(&before, pods::distinct(&before));
    eprintln!("{} of {} templates are different", kept.len(), after.len());
    let kept = pods::readable(&before, kept);
    let pick = |all: &[Value]| kept.iter().map(|at| all[*at].clone()).collect::<Vec<_>>();
    let (before, after) = (pick(&before), pick(&after));
    let scan = |pods: &[Value]| {
        let named = pods.iter().map(|pod| {
            let mut bare = pods::bare(pod);
            bare["metadata"]["name"] = "template".into();
            bare
        });
        let bare: Vec<Value> = named.collect();
        scanners::scan(&binary, SET.iter().map(|(id, _)| *id), &bare)
    };
    let (old, new) = (scan(&before), scan(&after));
    let mut counts: BTreeMap<&str, (usize, BTreeMap<String, usize>)> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for ((pod, old), new) in after.iter().zip(&old).zip(&new) {
        for (id, rule) in SET {
            let entry = counts.entry(id).or_default();
            entry.0 += old.iter().filter(|it| it.check == id).count();
            for finding in new.iter().filter(|it| it.check == id) {
                let why = left_alone(pod, rule, finding.container.as_deref());
                if why.is_empty() {
                    unexplained.push(format!("{id} {:?}: {pod}", finding.container));
                }
                *entry.1.entry(why).or_default() += 1;
            }
        }
    }
    let mut text = format!(
        "{} different templates.\n\n| scanner's check | before | after | left alone, because of |\n|---|---|---|---|\n",
        after.len()
    );
    for (id, (old, new)) in &counts {
        let sum: usize = new.values().sum();
        let why: Vec<_> = new.iter().map(|(why, count)| format!("{why}: {count}")).collect();
        text.push_str(&format!("| `{id}` | {old} | {sum} | {} |\n", why.join("<br>")));
    }
    println!("{text}");
    assert!(
        unexplained.is_empty(),
        "{} findings that nothing explains:\n{}",
        unexplained.len(),
        unexplained[..unexplained.len().min(10)].join("\n")
    );
    page::current("templates", &text);
}

/// Why the rule left the field of a container alone, in the words of outcomes; nothing if it says
/// that all is well.
fn left_alone(pod: &Value, rule: RuleName, container: Option<&str>) -> String {
    let text = pod.to_string();
    let view = Pod::from_json(&text).unwrap();
    let context = Context {
        date: jiff::civil::date(2026, 11, 22),
        scope: Scope::Create,
        user_namespaces: false,
        provenance: false,
        root: "",
        reserved_volumes: &[],
        seed_image: None,
    };
    let outcome = harden(&view, Policy::restricted(), &context);
    let findings = outcome.findings.iter().filter(|finding| {
        let here = match finding.subject {
            Subject::Pod => true,
            subject => container.is_none_or(|name| outcome.subject_name(subject) == name),
        };
        here && finding.rule == rule
    });
    let mut words = findings.filter_map(|finding| match finding.result {
        RuleResult::Skipped(skip) => Some(skip.as_str()),
        RuleResult::Exempt => Some("exempt"),
        RuleResult::Kept => Some("kept"),
        _ => None,
    });
    words.next().unwrap_or_default().to_owned()
}

/// The pod templates of a manifest.
fn templates(text: String) -> Vec<Value> {
    let Ok(source) = ManifestFile::read(Path::new("manifest.yaml").to_str().unwrap(), text) else {
        return Vec::new();
    };
    let workloads = source.documents.iter().flat_map(|document| &document.contents.workloads);
    let pods = workloads.map(|workload| &workload.pod);
    let pods = pods.filter(|pod| pod["spec"]["containers"].is_array());
    pods.map(|pod| json!({"metadata": pod["metadata"], "spec": pod["spec"]})).collect()
}
