//! Which cases there are.

use std::fs;
use std::path::{Path, PathBuf};

use ironhull::rules::RuleName;

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
    let entries =
        fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    Ok(paths)
}

pub(super) fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}
