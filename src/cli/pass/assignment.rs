//! Assigns a policy to each namespace of a run.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::path::Path;

use crate::manifest::{Document, ManifestFile};
use crate::policy::{Policy, PolicySet};
use crate::terminal::say;
use crate::text::quoted;
use crate::text::{listed, nearest};

/// The policy of each namespace, by its name, its label or the command line.
#[derive(Clone, Debug)]
pub struct Assignment<'p> {
    set: &'p PolicySet,
    /// The policy that was named, for every namespace.
    named: Option<&'p Policy>,
    /// The policies that namespaces choose by their label.
    labelled: HashMap<String, &'p Policy>,
}

/// What the command line says of policies.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `--policy`
    pub policy: Option<&'a Path>,
    /// `--policy-name`
    pub policy_name: Option<&'a str>,
    /// The namespace of documents that name none.
    pub namespace: &'a str,
}

/// Why no policy could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    /// There is no policy of that name.
    #[error("{0}")]
    NoSuchPolicy(String),
    /// A message cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<'p> Assignment<'p> {
    /// The policies, each for the namespaces that it claims.
    pub fn of(set: &'p PolicySet) -> Self {
        Self { set, named: None, labelled: HashMap::new() }
    }

    /// Applies `--policy-name`, and the labels of the Namespaces among the manifests. Reports
    /// labels that choose nothing, and namespaces that no policy is for.
    ///
    /// # Errors
    /// When there is no policy of that name, or `err` cannot be written to.
    pub fn chosen(
        asked: Asked<'_>,
        set: &'p PolicySet,
        sources: &[ManifestFile],
        err: &mut dyn Write,
    ) -> Result<Self, ChoiceError> {
        let mut assignment = Self::of(set);
        if let Some(name) = asked.policy_name {
            assignment.named = Some(named(set, name).map_err(ChoiceError::NoSuchPolicy)?);
            return Ok(assignment);
        }
        assignment.read_labels(sources, err)?;
        if asked.policy.is_some() {
            assignment.say_unclaimed(asked, sources, err)?;
        }
        Ok(assignment)
    }

    /// Applies the labels of the Namespaces among the manifests. Reports those that choose nothing:
    /// there the webhook goes by the namespace's name.
    ///
    /// # Errors
    /// When `err` cannot be written to.
    pub fn read_labels(&mut self, sources: &[ManifestFile], err: &mut dyn Write) -> io::Result<()> {
        for (source, document) in documents(sources) {
            for namespace in &document.contents.namespaces {
                let Some(label) = namespace.policy() else { continue };
                match self.set.by_label(label) {
                    Some(policy) => drop(self.labelled.insert(namespace.name.clone(), policy)),
                    None => say::warning(
                        err,
                        format!(
                            "{}, Namespace/{}: its label chooses the policy {}, but no policy \
                             with `byLabel` has that name",
                            super::place(source, document, None),
                            namespace.name,
                            quoted(label)
                        ),
                    )?,
                }
            }
        }
        Ok(())
    }

    /// The policy of a namespace.
    pub fn for_namespace(&self, namespace: &str) -> &'p Policy {
        self.named
            .or_else(|| self.labelled.get(namespace).copied())
            .unwrap_or_else(|| self.set.for_namespace(namespace))
    }

    fn say_unclaimed(
        &self,
        asked: Asked<'_>,
        sources: &[ManifestFile],
        err: &mut dyn Write,
    ) -> io::Result<()> {
        let workloads = documents(sources).flat_map(|(_, document)| &document.contents.workloads);
        let namespaces: BTreeSet<&str> = workloads
            .map(|workload| workload.namespace.as_deref().unwrap_or(asked.namespace))
            .filter(|name| !self.labelled.contains_key(*name))
            .filter(|name| self.set.choose(name).pattern.is_none())
            .collect();
        let Some(path) = asked.policy.filter(|_| !namespaces.is_empty()) else {
            return Ok(());
        };
        let others = self.set.policies().iter().map(|policy| policy.name.as_str());
        say::note(
            err,
            format!(
                "{} has no policy for {}: hardened with the built-in `{}`; to choose another, use --policy-name with {}",
                path.display(),
                listed(namespaces),
                self.set.fallback().name,
                listed(others),
            ),
        )
    }
}

fn documents(sources: &[ManifestFile]) -> impl Iterator<Item = (&ManifestFile, &Document)> {
    sources.iter().flat_map(|source| source.documents.iter().map(move |one| (source, one)))
}

fn named<'p>(set: &'p PolicySet, name: &str) -> Result<&'p Policy, String> {
    if let Some(policy) = set.by_name(name) {
        return Ok(policy);
    }
    let mut names: Vec<&str> = set.policies().iter().map(|policy| policy.name.as_str()).collect();
    if !names.contains(&set.fallback().name.as_str()) {
        names.push(&set.fallback().name);
    }
    let shown = quoted(name);
    match nearest(name, &names) {
        Some(near) => Err(format!("there is no policy {shown}; did you mean `{near}`?")),
        None => Err(format!("there is no policy {shown}, only {}", listed(names))),
    }
}
