//! What was read before, by digest: in memory, and in a directory if there is one. A digest never
//! means anything else, so that nothing here gets old.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::layer::Layer;
use super::tree::{Directory, Row};

/// Version of what is kept. Files of another one are read anew.
const VERSION: u32 = 1;
/// Bytes of layers kept in memory, of the latest ones: a base image is used by many images of one
/// run. An ordinary layer takes a megabyte at most.
const IN_MEMORY: usize = 64 << 20;
/// Maximum size of a file that is read back, in bytes.
const LARGEST: u64 = 256 << 20;

/// What was read before.
#[derive(Debug, Default)]
pub struct Cache {
    directory: Option<PathBuf>,
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

impl Cache {
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
        if layer.weight > IN_MEMORY {
            return;
        }
        let mut recent = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        recent.weight += layer.weight;
        match recent.layers.insert(digest.clone(), Arc::clone(layer)) {
            Some(before) => recent.weight -= before.weight,
            None => recent.order.push_back(digest.clone()),
        }
        while recent.weight > IN_MEMORY {
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

/// The directory where the caches of a user's programs are: `$XDG_CACHE_HOME/ironhull/images`, else
/// below `~/.cache`. `None` where there is neither.
pub fn default_directory() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("ironhull").join("images"))
}
