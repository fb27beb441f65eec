//! Which cases there are.

use std::fs;
use std::path::{Path, PathBuf};

use ironhull::outcome::Skip;
use ironhull::rule::{Action, RuleName, RuleScope};

use super::{Judge, pods, requests};

/// One case: a directory of files.
pub struct Case {
    /// Its path below `tests/golden`.
    pub name: String,
    directory: PathBuf,
    kind: Kind,
}

enum Kind {
    Pod,
    Request,
}

impl Case {
    /// Runs it.
    ///
    /// # Errors
    /// What is not as expected.
    pub fn run(&self, judge: &Judge) -> Result<(), String> {
        match self.kind {
            Kind::Pod => pods::run(&self.directory, judge),
            Kind::Request => requests::run(&self.directory),
        }
    }
}

/// Every case below `root`.
///
/// # Errors
/// What is there and should not be.
pub fn discover(root: &Path) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for entry in sorted(root)? {
        match name(&entry) {
            "README.md" => {}
            "rules" => {
                for rule in directories(&entry)? {
                    let known: Result<RuleName, ()> = name(&rule).parse();
                    known.map_err(|()| format!("{} is no rule's name", rule.display()))?;
                    add(&mut cases, root, &rule, || Kind::Pod)?;
                }
            }
            "pods" => add(&mut cases, root, &entry, || Kind::Pod)?,
            "requests" => add(&mut cases, root, &entry, || Kind::Request)?,
            _ => return Err(format!("{} does not belong here", entry.display())),
        }
    }
    Ok(cases)
}

/// Whether there is a case for each rule, action and kind of container, and for each
/// reason to leave something alone.
///
/// # Errors
/// What has no case.
pub fn complete(root: &Path, cases: &[Case]) -> Result<(), String> {
    let mut wanted = Vec::new();
    for rule in RuleName::ALL {
        let mut kinds = vec!["init", "sidecar", "app"];
        wanted.push(format!("rules/{rule}/off-init-sidecar-app"));
        if rule.scope() == RuleScope::Container {
            wanted.push(format!("rules/{rule}/off-ephemeral"));
            kinds.push("ephemeral");
        }
        // What is not privileged is so already: there is nothing to fill.
        let nothing = |action| rule == &RuleName::Privileged && action == Action::Fill;
        let acting =
            Action::ALL.iter().filter(|action| **action != Action::Off && !nothing(**action));
        wanted.extend(acting.flat_map(|action| {
            kinds.iter().map(move |kind| format!("rules/{rule}/{action}-{kind}"))
        }));
    }
    let mut missing: Vec<_> =
        wanted.into_iter().filter(|name| cases.iter().all(|case| case.name != *name)).collect();
    let expected: String = cases
        .iter()
        .flat_map(|case| {
            ["expected.outcome.yaml", "expected.response.yaml"]
                .map(|file| root.join(&case.name).join(file))
        })
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    let shown = |skip: &&Skip| {
        let word = skip.as_str();
        let forms = [
            format!("reason: {word},"),
            format!("leftAlone: {word}\n"),
            format!("left-alone: \"{word}\""),
        ];
        forms.iter().any(|form| expected.contains(form))
    };
    let skips = Skip::ALL.iter().filter(|skip| !shown(skip));
    missing.extend(skips.map(|skip| format!("the reason `{}`", skip.as_str())));
    match missing.as_slice() {
        [] => Ok(()),
        missing => Err(format!("there is no case for {}", missing.join(", "))),
    }
}

fn add(
    cases: &mut Vec<Case>,
    root: &Path,
    folder: &Path,
    kind: impl Fn() -> Kind,
) -> Result<(), String> {
    for directory in directories(folder)? {
        let name = directory.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        cases.push(Case { name, directory, kind: kind() });
    }
    Ok(())
}

fn directories(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = sorted(folder)?;
    match entries.iter().find(|entry| !entry.is_dir()) {
        Some(file) => Err(format!("{} does not belong here", file.display())),
        None => Ok(entries),
    }
}

/// What is in a folder, by name.
pub(super) fn sorted(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    Ok(paths)
}

pub(super) fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}
