//! What was read before, by digest: in memory, and in a directory if there is one. A digest never
//! means anything else, so that nothing here gets old.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::layer::Layer;
use super::tree::{Directory, Row};

/// Version of what is kept. Files of another one are read anew.
const VERSION: u32 = 3;
/// Bytes of layers kept in memory, of the latest ones: a base image is used by many images of one
/// run. An ordinary layer takes a megabyte at most.
const IN_MEMORY: usize = 64 << 20;
/// Maximum size of a file that is read back, in bytes.
const LARGEST: u64 = 256 << 20;

/// Bytes that the directory may take. Beyond them, the oldest files go until half of that is left.
/// An ordinary image takes a megabyte.
const ON_DISK: u64 = 512 << 20;

/// What was read before.
#[derive(Debug)]
pub struct Cache {
    directory: Option<PathBuf>,
    /// Bytes of layers that are kept in memory.
    in_memory: usize,
    /// Whether the directory was looked at for what is too much.
    pruned: OnceLock<()>,
    layers: Mutex<Recent>,
}

/// The layers in memory, and the order in which they came.
#[derive(Debug, Default)]
struct Recent {
    layers: HashMap<Digest, Arc<Layer>>,
    order: VecDeque<Digest>,
    /// Bytes that they take.
    weight: usize,
}

/// A layer, as it is kept in a file.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    asked: BTreeSet<String>,
    weight: usize,
    rows: Vec<Row>,
}

/// Anything else that is kept in a file.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    value: T,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            directory: None,
            in_memory: IN_MEMORY,
            pruned: OnceLock::new(),
            layers: Mutex::default(),
        }
    }
}

impl Cache {
    /// The same, with so many bytes of layers in memory.
    #[must_use]
    pub fn with_memory(self, bytes: usize) -> Self {
        Self { in_memory: bytes, ..self }
    }

    /// A cache that also keeps files in `directory`, which is made when the first one is written.
    pub fn in_directory(directory: PathBuf) -> Self {
        Self { directory: Some(directory), ..Self::default() }
    }

    pub(super) fn layer(&self, digest: &Digest) -> Option<Arc<Layer>> {
        let recent = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layer) = recent.layers.get(digest) {
            return Some(Arc::clone(layer));
        }
        drop(recent);
        let Stored { version, asked, weight, rows } = self.read("layer", digest.digits())?;
        let root = Directory::of_rows(rows).filter(|_| version == VERSION)?;
        let layer = Arc::new(Layer { root, asked, weight });
        self.remember(digest, &layer);
        Some(layer)
    }

    pub(super) fn put_layer(&self, digest: &Digest, layer: &Arc<Layer>) {
        self.remember(digest, layer);
        if self.directory.is_some() {
            let Layer { root, asked, weight } = layer.as_ref();
            let (asked, weight, rows) = (asked.clone(), *weight, root.rows());
            self.write("layer", digest.digits(), &Stored { version: VERSION, asked, weight, rows });
        }
    }

    fn remember(&self, digest: &Digest, layer: &Arc<Layer>) {
        if layer.weight > self.in_memory {
            return;
        }
        let mut recent = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        recent.weight += layer.weight;
        match recent.layers.insert(digest.clone(), Arc::clone(layer)) {
            Some(before) => recent.weight -= before.weight,
            None => recent.order.push_back(digest.clone()),
        }
        while recent.weight > self.in_memory {
            let Some(oldest) = recent.order.pop_front() else { break };
            let weight = recent.layers.remove(&oldest).map_or(0, |layer| layer.weight);
            recent.weight -= weight;
        }
    }

    /// What is kept in a file under this kind and key.
    pub(super) fn get<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Option<T> {
        let Versioned { version, value } = self.read(kind, key)?;
        (version == VERSION).then_some(value)
    }

    pub(super) fn put<T: Serialize>(&self, kind: &str, key: &str, value: &T) {
        self.write(kind, key, &Versioned { version: VERSION, value });
    }

    fn path(&self, kind: &str, key: &str) -> Option<PathBuf> {
        Some(self.directory.as_deref()?.join(format!("{kind}-{key}.json")))
    }

    fn read<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Option<T> {
        let path = self.path(kind, key)?;
        if fs::metadata(&path).ok()?.len() > LARGEST {
            return None;
        }
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Writes a file, whole or not at all. A cache that cannot be written is none, and no error.
    fn write<T: Serialize>(&self, kind: &str, key: &str, value: &T) {
        let Some(path) = self.path(kind, key) else { return };
        let Some(directory) = self.directory.as_deref() else { return };
        let write = || {
            make_private(directory)?;
            self.pruned.get_or_init(|| prune(directory, ON_DISK));
            let draft = path.with_extension(format!("{}.new", std::process::id()));
            let mut file = fs::File::create(&draft)?;
            file.write_all(&serde_json::to_vec(value)?)?;
            fs::rename(&draft, &path)
        };
        let _ = write();
    }
}

/// Makes a directory that is its owner's alone: what others write there would be believed.
fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Removes the oldest files of a directory that takes more than `limit` bytes.
fn prune(directory: &Path, limit: u64) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some((metadata.modified().ok()?, metadata.len(), entry.path()))
    });
    let mut files: Vec<_> = files.collect();
    let mut size: u64 = files.iter().map(|(_, size, _)| size).sum();
    if size <= limit {
        return;
    }
    files.sort();
    for (_, bytes, path) in files {
        if size <= limit / 2 {
            break;
        }
        // Another process may have been faster.
        let _ = fs::remove_file(path);
        size -= bytes;
    }
}

/// The directory where the caches of a user's programs are: `$XDG_CACHE_HOME/ironhull/images`, else
/// below `~/.cache`. `None` where there is neither.
pub fn default_directory() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("ironhull").join("images"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn the_oldest_files_go() {
        let home = tempfile::tempdir().unwrap();
        for n in 0..10_u64 {
            let file = fs::File::create(home.path().join(n.to_string())).unwrap();
            file.set_len(100).unwrap();
            // The names say how old they are, backwards.
            file.set_modified(SystemTime::now() - Duration::from_secs(n * 60)).unwrap();
        }
        let left = || {
            let entries = fs::read_dir(home.path()).unwrap();
            let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name()).collect();
            names.sort();
            names
        };
        prune(home.path(), 1000);
        assert_eq!(left().len(), 10);
        prune(home.path(), 999);
        assert_eq!(left(), ["0", "1", "2", "3"]);
        prune(&home.path().join("no/such"), 0);
    }

    /// Layers beyond the limit are forgotten, the oldest first.
    #[test]
    fn memory_has_a_bound() {
        let cache = Cache::default();
        let layer = |weight| {
            let (root, asked) = (Directory::default(), BTreeSet::new());
            Arc::new(Layer { root, asked, weight })
        };
        let digest = |n: u8| Digest::of(&[n]);
        for n in 0..4 {
            cache.put_layer(&digest(n), &layer(IN_MEMORY / 3));
        }
        let known: Vec<bool> = (0..4).map(|n| cache.layer(&digest(n)).is_some()).collect();
        assert_eq!(known, [false, true, true, true]);
        cache.put_layer(&digest(4), &layer(IN_MEMORY + 1));
        assert!(cache.layer(&digest(4)).is_none());
        assert!(cache.layer(&digest(3)).is_some());
    }
}
