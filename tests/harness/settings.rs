//! `case.yaml` and `policy.yaml`: under which circumstances a case runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ironhull::admission::{Environment, Mode};
use ironhull::harden::SeedImage;
use ironhull::policy::{Policy, PolicyFile, PolicySet};
use ironhull::rule::RuleName;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::files;

/// `case.yaml`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Today.
    pub date: String,
    /// `create`, `ephemeral` for an update of `pods/ephemeralcontainers`, `template` for what no
    /// plugin of the API server has seen, or `part` for a template that an operator completes.
    pub scope: String,
    /// With `scope: ephemeral`: the ephemeral containers that were there before.
    pub known: Vec<String>,
    /// Whether the cluster honours `hostUsers: false`.
    pub user_namespaces: bool,
    /// ironhull's own image.
    pub seed_image: Option<String>,
    /// Whether a changed pod gets the annotation `ironhull.dev/hardened`.
    pub provenance: bool,
    /// Names that a StatefulSet's claim templates take.
    pub reserved_volumes: Vec<String>,
    /// Where the pod is in its document.
    pub root: String,
    /// The pod's namespace: chooses among several policies.
    pub namespace: String,
    /// A shipped policy, in place of `policy.yaml`.
    pub policy: Option<String>,
    /// Every rule is off but these, in place of `policy.yaml`.
    pub only: Option<BTreeMap<String, Value>>,
    /// Gives the pod an annotation of so many characters.
    pub pad_annotation: usize,
    /// Requests: answered as one that is more than is reviewed.
    pub too_large: bool,
    /// Requests: the path's first part.
    pub mode: Option<String>,
    /// Requests: the path's second part.
    pub path_policy: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            date: "2026-11-22".to_owned(),
            scope: "create".to_owned(),
            known: Vec::new(),
            user_namespaces: false,
            seed_image: None,
            provenance: false,
            reserved_volumes: Vec::new(),
            root: String::new(),
            namespace: "shop".to_owned(),
            policy: None,
            only: None,
            pad_annotation: 0,
            too_large: false,
            mode: None,
            path_policy: None,
        }
    }
}

impl Settings {
    /// What a review's answer depends on besides it and the policies.
    pub fn environment(&self) -> Environment<'_> {
        Environment {
            date: self.date(),
            user_namespaces: self.user_namespaces,
            seed_image: self.seed_image(),
        }
    }

    /// Reads `case.yaml`, where there is one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(directory: &Path) -> Result<Self, String> {
        match files::read(directory, "case.yaml") {
            None => Ok(Self::default()),
            Some(text) => {
                let value = files::yaml(&text).map_err(|error| format!("case.yaml: {error}"))?;
                serde_json::from_value(value).map_err(|error| format!("case.yaml: {error}"))
            }
        }
    }

    /// ironhull's own image.
    pub fn seed_image(&self) -> Option<SeedImage<'_>> {
        let name = self.seed_image.as_deref()?;
        Some(SeedImage { name, pull_policy: "" })
    }

    /// Today.
    pub fn date(&self) -> Date {
        self.date.parse().expect("date in case.yaml")
    }

    /// Where a request comes in.
    pub fn mode(&self) -> Mode {
        let mode = self.mode.as_deref().expect("mode in case.yaml");
        *Mode::ALL.iter().find(|known| known.as_str() == mode).expect("mode in case.yaml")
    }

    /// The policies in force.
    ///
    /// # Errors
    /// What is wrong with them, or that two are stated.
    pub fn policies(&self, directory: &Path) -> Result<PolicySet, String> {
        let text = match (files::read(directory, "policy.yaml"), &self.policy, &self.only) {
            (None, None, None) => return Ok(PolicySet::new(Vec::new()).unwrap()),
            (Some(text), None, None) => text,
            (None, Some(name), None) => {
                let file = format!("{}/policies/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
                fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?
            }
            (None, None, Some(rules)) => only(rules),
            _ => return Err("policy.yaml, `policy` and `only` exclude each other".to_owned()),
        };
        let file = PolicyFile { name: "policy.yaml".to_owned(), text };
        match PolicySet::load(&[file], None) {
            Ok((set, _)) => Ok(set),
            Err(errors) => Err(errors.iter().map(|error| format!("{error:?}\n")).collect()),
        }
    }

    /// The one policy there is, or that of the namespace.
    pub fn choose<'s>(&self, policies: &'s PolicySet) -> &'s Policy {
        match policies.policies() {
            [policy] => policy,
            _ => policies.for_namespace(&self.namespace),
        }
    }
}

/// A policy whose rules are all off but these.
fn only(rules: &BTreeMap<String, Value>) -> String {
    let off = RuleName::ALL.iter().map(|rule| (rule.as_str().to_owned(), json!("off")));
    let mut all: BTreeMap<String, Value> = off.collect();
    all.extend(rules.iter().map(|(rule, entry)| (rule.clone(), entry.clone())));
    json!({
        "apiVersion": "ironhull.dev/v1alpha1",
        "kind": "HardeningPolicy",
        "metadata": {"name": "only"},
        "spec": {"namespaces": ["*"], "rules": all},
    })
    .to_string()
}

/// Puts a word in place of the policies' revisions, which change with every word of a
/// policy and of the known images.
pub fn without_revisions(policies: &PolicySet, text: &str) -> String {
    policies
        .policies()
        .iter()
        .chain([policies.fallback()])
        .fold(text.to_owned(), |text, policy| text.replace(&policy.revision, "REVISION"))
}
