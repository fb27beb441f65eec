//! What is likely to break, by cases: tests/risk/*.yaml holds pods, as whom they were seen
//! to run and what is expected of them; beside each file, in `.expected`, stands everything
//! that is said. `UPDATE_EXPECT=1` rewrites that; the verdict in the case stays.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says where"
)]

#[path = "support/update.rs"]
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use ironhull::admission::Environment;
use ironhull::foresight::outlook::{Outlook, Template, outlook};
use ironhull::foresight::risk::{Cause, Seen, Unseen};
use ironhull::harden::{Scope, SeedImage};
use ironhull::policy::{Policy, PolicyFile, PolicySet};
use serde::Deserialize;
use serde_json::{Value, json};

/// A case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it shows.
    case: String,
    /// The verdict.
    verdict: String,
    /// The pod's spec; `web` runs busybox where nothing else is said.
    spec: Value,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    /// As whom the containers were seen to run.
    #[serde(default)]
    seen: BTreeMap<String, i64>,
    /// Containers whose pods differ.
    #[serde(default)]
    differ: Vec<String>,
    /// The spec of a policy; the built-in one without it.
    policy: Option<Value>,
    /// What is known of images, as entries of `ImageFacts`.
    facts: Option<Value>,
}

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/risk");
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().unwrap() == "yaml").collect();
    files.sort();
    files
}

fn cases(file: &Path) -> Vec<Case> {
    let text = fs::read_to_string(file).unwrap();
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_multiple_with_options(&text, options)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

impl Case {
    fn outlook(&self) -> Outlook {
        let pod = json!({"metadata": {"annotations": self.annotations}, "spec": self.spec});
        let known = self.policy.is_some() || self.facts.is_some();
        let set = known.then(|| policies(self.policy.as_ref(), self.facts.as_ref()));
        let policy = set.as_ref().map_or(Policy::restricted(), |set| set.for_namespace("shop"));
        let unseen = self.differ.iter().map(|name| (name.clone(), Unseen::Differs)).collect();
        outlook(&Template {
            json: &pod.to_string(),
            policy,
            environment: Environment {
                date: jiff::civil::date(2026, 11, 24),
                user_namespaces: true,
                seed_image: Some(SeedImage::ANY),
            },
            reserved_volumes: &[],
            scope: Scope::Template { complete: true },
            seen: &Seen { uids: self.seen.clone(), unseen },
        })
        .unwrap_or_else(|error| panic!("{}: {error:#}", self.case))
    }
}

fn policies(spec: Option<&Value>, images: Option<&Value>) -> PolicySet {
    let document = |kind: &str, key: &str, value: &Value| {
        let text = json!({
            "apiVersion": "ironhull.dev/v1alpha1", "kind": kind,
            "metadata": {"name": "case"}, (key): value,
        });
        PolicyFile { name: kind.to_owned(), text: text.to_string() }
    };
    let policy = spec.map(|spec| {
        let mut spec = spec.clone();
        spec["namespaces"] = json!(["shop"]);
        document("HardeningPolicy", "spec", &spec)
    });
    let facts = images.map(|images| document("ImageFacts", "images", images));
    let sources: Vec<_> = policy.into_iter().chain(facts).collect();
    match PolicySet::load(&sources, None) {
        Ok((set, _)) => set,
        Err(errors) => panic!("{errors:?}"),
    }
}

fn said(case: &Case, outlook: &Outlook) -> String {
    let mut text = format!("{}: {}\n", case.case, outlook.verdict().as_str());
    for risk in &outlook.risks {
        let cause = serde_json::to_value(risk.cause).unwrap();
        let sure = if risk.certain { "is sure" } else { "may be" };
        let _ = writeln!(
            text,
            "  {} {sure}: {}: {}",
            cause.as_str().unwrap(),
            risk.container,
            risk.why
        );
    }
    let remedies = &outlook.remedies;
    for (key, value) in &remedies.annotations {
        let _ = writeln!(text, "  annotation {key}: {value}");
    }
    for advice in &remedies.advice {
        let _ = writeln!(text, "  advice: {advice}");
    }
    if let Some(void) = &remedies.unhelped {
        let _ = writeln!(text, "  void: {void}");
    }
    text
}

#[test]
fn what_is_said_of_each_case() {
    let mut wrong = String::new();
    for file in files() {
        let mut all = String::new();
        for case in cases(&file) {
            let outlook = case.outlook();
            let text = said(&case, &outlook);
            if outlook.verdict().as_str() != case.verdict {
                let _ = write!(wrong, "expected is {}; but\n{text}", case.verdict);
            }
            all.push_str(&text);
        }
        let kept = file.with_extension("expected");
        if update::is_wanted() {
            fs::write(&kept, &all).unwrap();
        }
        let expected = fs::read_to_string(&kept).unwrap_or_default();
        if expected != all {
            let diff = similar::TextDiff::from_lines(&expected, &all);
            let _ = write!(wrong, "{}\n{}", kept.display(), diff.unified_diff());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// With the annotations that are proposed, nothing is left that is sure to break, unless a
/// change of the manifest is asked for as well.
#[test]
fn what_is_proposed_helps() {
    for mut case in files().iter().flat_map(|file| cases(file)) {
        let before = case.outlook();
        if before.remedies.annotations.is_empty() {
            continue;
        }
        for (key, value) in before.remedies.annotations {
            let value = match case.annotations.get(&key) {
                Some(old) if key.ends_with("writable-paths") => format!("{old},{value}"),
                _ => value,
            };
            case.annotations.insert(key, value);
        }
        let after = case.outlook();
        let left = after.risks.iter().filter(|risk| {
            let manifest = matches!(risk.remedy, ironhull::foresight::risk::Remedy::Manifest(_));
            risk.certain && !manifest
        });
        assert_eq!(left.count(), 0, "{}: {:#?}", case.case, after.risks);
    }
}

#[test]
fn every_cause_has_a_case() {
    let seen: BTreeSet<Cause> = files()
        .iter()
        .flat_map(|file| cases(file))
        .flat_map(|case| case.outlook().risks.into_iter().map(|risk| risk.cause))
        .collect();
    // What is told by a namespace's labels, tests/live shows; the others only a program tells.
    let elsewhere =
        [Cause::Refused, Cause::NoHome, Cause::NotSticky, Cause::SystemCall, Cause::Full];
    for cause in Cause::ALL {
        assert!(seen.contains(cause) != elsewhere.contains(cause), "{cause:?}");
    }
}
