//! Finds the manifests in a directory and below, and leaves out what is not a manifest.
//!
//! A chart's templates are not YAML, and its values are not objects. A kustomization's patches look
//! like objects, but are only parts of some: hardened by themselves they would override what the
//! whole says. Both have to be rendered first, and then hardened.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::manifest::{Encoding, ManifestError, ManifestFile};

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct FoundFiles {
    /// The manifests, in order.
    pub(super) files: Vec<PathBuf>,
    /// What was left out, and why, one line each.
    pub(super) notes: Vec<String>,
    /// What could not be looked into.
    pub(super) errors: Vec<ManifestError>,
}

/// Walks through a directory. Errors below it are part of the result.
///
/// # Errors
/// When the directory itself cannot be read.
pub(super) fn walk(root: &Path) -> io::Result<FoundFiles> {
    let mut walk = Walk {
        root: root.canonicalize()?,
        seen: HashSet::new(),
        patches: Vec::new(),
        found: FoundFiles::default(),
    };
    fs::read_dir(root)?;
    walk.enter(root);
    walk.leave_out_patches();
    Ok(walk.found)
}

struct Walk {
    /// The directory itself, with links resolved.
    root: PathBuf,
    /// What was visited, with links resolved: a link back up ends here.
    seen: HashSet<PathBuf>,
    /// Each kustomization, and the patches it names, with links resolved.
    patches: Vec<(PathBuf, BTreeSet<PathBuf>)>,
    found: FoundFiles,
}

impl Walk {
    /// Looks into a directory. If that fails, records the error.
    fn enter(&mut self, directory: &Path) {
        if let Err(error) = self.look_into(directory) {
            let directory = directory.display().to_string();
            self.found.errors.push(ManifestError::about(&directory, error));
        }
    }

    fn look_into(&mut self, directory: &Path) -> io::Result<()> {
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
                self.enter(&path);
            } else if is_chart && (name == "Chart.yaml" || name.starts_with("values")) {
                of_chart += usize::from(is_manifest(&path));
            } else if is_manifest(&path) && !path.is_file() {
                self.found.notes.push(format!("{}: left out, not a regular file", path.display()));
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
        let FoundFiles { files: found, notes, .. } = &mut self.found;
        for (kustomization, patches) in &self.patches {
            let before = found.len();
            found.retain(|file| !file.canonicalize().is_ok_and(|file| patches.contains(&file)));
            let left_out = before - found.len();
            if left_out > 0 {
                notes.push(format!(
                    "{}: {} left out, as patches; harden the output of `kubectl kustomize`",
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

/// Number of files in `directory` and below that would have been read. Links are not followed,
/// because this is only for a message.
fn manifests_below(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => manifests_below(&entry.path()),
            _ => usize::from(is_manifest(&entry.path())),
        })
        .sum()
}

/// The files that a kustomization, or a transformer of its, names as patches, with links resolved.
/// A file that cannot be read names none: it is read again as a manifest, and its errors are
/// reported then.
fn patches_of(kustomization: &Path) -> BTreeSet<PathBuf> {
    let directory = kustomization.parent().unwrap_or(Path::new(""));
    let mut named = Vec::new();
    for document in documents(kustomization) {
        // `patchesStrategicMerge` has paths; the other two have objects with one.
        for list in ["patches", "patchesStrategicMerge", "patchesJson6902"] {
            named.extend(paths(&document, list));
        }
        let transformers = paths(&document, "transformers");
        for transformer in transformers.iter().flat_map(|file| documents(&directory.join(file))) {
            let kind = transformer.get("kind").and_then(Value::as_str).unwrap_or_default();
            if kind.starts_with("Patch") && kind.ends_with("Transformer") {
                named.extend(transformer.get("path").and_then(Value::as_str).map(str::to_owned));
                named.extend(paths(&transformer, "paths"));
            }
        }
    }
    // A strategic merge patch may stand there itself instead of its path.
    named.iter().filter_map(|path| directory.join(path).canonicalize().ok()).collect()
}

/// The paths in a list of paths, or of objects that have one.
fn paths(document: &Value, list: &str) -> Vec<String> {
    let items = document.get(list).and_then(Value::as_array).into_iter().flatten();
    let path = |item: &Value| match item {
        Value::String(path) => Some(path.clone()),
        other => other.get("path").and_then(Value::as_str).map(str::to_owned),
    };
    items.filter_map(path).collect()
}

/// The documents of a file; empty if it cannot be read.
fn documents(file: &Path) -> Vec<Value> {
    let text = fs::read(file).ok().and_then(|bytes| Some(Encoding::decode(&bytes).ok()?.0));
    let source = text.and_then(|text| ManifestFile::read("", text).ok());
    source.into_iter().flat_map(|source| source.documents).map(|document| document.value).collect()
}
