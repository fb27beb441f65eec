//! The manifests in a directory and below, and what is left out because it is none.
//!
//! A chart's templates are no YAML, and its values no objects. A kustomization's patches
//! look like objects and are only parts of some: hardened by themselves they would
//! override what the whole says. Both are rendered first, and then hardened.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::manifest::Source;

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The manifests, in order.
    pub(super) files: Vec<PathBuf>,
    /// What was left out, and why: a line each.
    pub(super) notes: Vec<String>,
}

/// Goes through a directory.
///
/// # Errors
/// When it, or one below it, cannot be read.
pub(super) fn walk(root: &Path) -> io::Result<Found> {
    let mut walk = Walk {
        root: root.canonicalize()?,
        seen: HashSet::new(),
        patches: Vec::new(),
        found: Found::default(),
    };
    walk.enter(root)?;
    walk.leave_out_patches();
    Ok(walk.found)
}

struct Walk {
    /// The directory itself, without links.
    root: PathBuf,
    /// What was visited, without links: a link back up ends here.
    seen: HashSet<PathBuf>,
    /// Each kustomization, and the patches it names, without links.
    patches: Vec<(PathBuf, BTreeSet<PathBuf>)>,
    found: Found,
}

impl Walk {
    fn enter(&mut self, directory: &Path) -> io::Result<()> {
        if !self.seen.insert(directory.canonicalize()?) {
            return Ok(());
        }
        let mut entries = fs::read_dir(directory)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?;
        entries.sort();
        let is_chart = entries.iter().any(|path| path.ends_with("Chart.yaml"));
        let mut of_chart = 0;
        for path in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // .git and the like, and the hidden generations of a mounted ConfigMap.
            if name.starts_with('.') {
                continue;
            }
            if path.is_symlink() && !path.canonicalize().is_ok_and(|to| to.starts_with(&self.root))
            {
                self.found.notes.push(format!("{}: left out, a link to outside", path.display()));
            } else if is_chart && name == "templates" && path.is_dir() {
                of_chart += manifests_below(&path);
            } else if path.is_dir() {
                self.enter(&path)?;
            } else if is_chart && (name == "Chart.yaml" || name.starts_with("values")) {
                of_chart += usize::from(is_manifest(&path));
            } else if is_manifest(&path) && self.seen.insert(path.canonicalize()?) {
                if matches!(&*name, "kustomization.yaml" | "kustomization.yml") {
                    self.patches.push((path.clone(), patches_of(&path)));
                }
                self.found.files.push(path);
            } else if name == "Kustomization" {
                self.patches.push((path.clone(), patches_of(&path)));
            }
        }
        if is_chart {
            self.found.notes.push(format!(
                "{}: a Helm chart, {} left out; render it with `helm template` to harden it",
                directory.display(),
                files(of_chart)
            ));
        }
        Ok(())
    }

    fn leave_out_patches(&mut self) {
        let Found { files: found, notes } = &mut self.found;
        for (kustomization, patches) in &self.patches {
            let before = found.len();
            found.retain(|file| !file.canonicalize().is_ok_and(|file| patches.contains(&file)));
            let left_out = before - found.len();
            if left_out > 0 {
                notes.push(format!(
                    "{}: {} left out, as patches; harden what `kubectl kustomize` prints",
                    kustomization.display(),
                    files(left_out)
                ));
            }
        }
    }
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    matches!(&*extension, "yaml" | "yml" | "json")
}

/// How many files in `directory` and below would have been read. Links are not followed:
/// this is only for saying.
fn manifests_below(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => manifests_below(&entry.path()),
            _ => usize::from(is_manifest(&entry.path())),
        })
        .sum()
}

/// The files that a kustomization names as patches, without links. One that cannot be read
/// names none: it is read again as a manifest, and what is wrong with it is said then.
fn patches_of(kustomization: &Path) -> BTreeSet<PathBuf> {
    let Ok(text) = fs::read_to_string(kustomization) else { return BTreeSet::new() };
    let Ok(source) = Source::read("", text) else { return BTreeSet::new() };
    let directory = kustomization.parent().unwrap_or(Path::new(""));
    let mut patches = BTreeSet::new();
    for document in &source.documents {
        // `patchesStrategicMerge` has paths, the other two objects with one.
        for list in ["patches", "patchesStrategicMerge", "patchesJson6902"] {
            let items = document.value.get(list).and_then(Value::as_array);
            let paths = items.into_iter().flatten().filter_map(|item| {
                item.as_str().or_else(|| item.get("path").and_then(Value::as_str))
            });
            // A strategic merge patch may stand there itself, and then is no path.
            patches.extend(paths.filter_map(|path| directory.join(path).canonicalize().ok()));
        }
    }
    patches
}
