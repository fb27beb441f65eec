//! Facts by an image's name, its digest and its repository.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{ImageFacts, Need, Origin, WritableDirectory};
use crate::image::{full_name, repository};
use crate::pod::MAX_ID;
use crate::text::hex;

/// What is known of an image, or of several: `None` where nothing is, or where they differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Known {
    /// Its own user.
    pub user: Option<OwnUser>,
    /// What it starts.
    pub program: Option<Program>,
    /// `EXPOSE`: `80/tcp`.
    pub ports: Option<Vec<String>>,
    /// `VOLUME`
    pub volumes: Option<Vec<String>>,
    /// The topmost directories outside volumes that its user may write.
    pub writable: Option<Vec<WritableDirectory>>,
    /// Directories with content that an emptyDir there would hide.
    pub hidden: Option<Vec<String>>,
    /// Programs with file capabilities, by path.
    pub file_capabilities: Option<BTreeMap<String, Vec<String>>>,
    /// Programs that are setuid or setgid.
    pub setuid: Option<Vec<String>>,
    /// What the script behind its entrypoint asks for.
    pub needs: Option<Vec<Need>>,
    /// Whether that is all that it asks for, as it is started by itself.
    pub recognised: Option<bool>,
}

/// An image's own user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnUser {
    /// As its configuration has it; `None` for root, and where a running pod told the uid.
    pub name: Option<String>,
    /// The uid as a runtime resolves it; `None` if it cannot.
    pub uid: Option<i64>,
    /// The gid; `None` if the configuration alone was read and does not tell.
    pub gid: Option<i64>,
    /// Supplementary groups by `/etc/group`, ascending.
    pub groups: Vec<u32>,
    /// Its home directory.
    pub home: Option<String>,
    /// Why a runtime cannot start the image as this user.
    pub unusable: Option<String>,
    /// Where this is from.
    pub from: Origin,
}

impl OwnUser {
    /// Whether the image runs as root.
    pub fn is_root(&self) -> bool {
        self.uid == Some(0)
    }

    /// Whether the kubelet can tell from the image's configuration that it is not root: it reads
    /// the part before `:` as a number (`GetImageUser` in containerd's CRI plugin) and does not
    /// look into `/etc/passwd`.
    pub fn is_numeric(&self) -> bool {
        self.name.as_deref().is_some_and(|name| without_group(name).parse::<i64>().is_ok())
    }
}

/// The user of `user[:group]`.
pub(crate) fn without_group(user: &str) -> &str {
    user.split_once(':').map_or(user, |(user, _)| user)
}

/// What an image starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Program {
    /// `ENTRYPOINT`
    pub entrypoint: Vec<String>,
    /// `CMD`
    pub cmd: Vec<String>,
    /// `WORKDIR`
    pub working_dir: Option<String>,
}

impl Known {
    /// What one entry tells.
    pub fn of(facts: &ImageFacts) -> Self {
        let configured = facts.from != Origin::Pod;
        let read = facts.from == Origin::Image;
        // Without a look into `/etc/passwd`: a number, nobody, or the one name that is the same in
        // every image.
        let by_itself = || match without_group(facts.user.as_deref().unwrap_or_default()) {
            "" | "root" => Some(0),
            number => number.parse().ok(),
        };
        // What the API server does not take can be nobody's runAsUser.
        let id = |id: Option<u32>| id.map(i64::from).filter(|id| *id <= MAX_ID);
        let uid = id(facts.uid.or_else(|| by_itself().filter(|_| configured)));
        let told = uid.is_some() || facts.unusable_user.is_some();
        Self {
            user: told.then(|| OwnUser {
                name: facts.user.clone().filter(|name| !name.is_empty()),
                uid,
                gid: id(facts.gid),
                groups: facts.groups.clone(),
                home: facts.home.clone(),
                unusable: facts.unusable_user.clone(),
                from: facts.from,
            }),
            program: configured.then(|| Program {
                entrypoint: facts.entrypoint.clone(),
                cmd: facts.cmd.clone(),
                working_dir: facts.working_dir.clone(),
            }),
            ports: configured.then(|| facts.ports.clone()),
            volumes: configured.then(|| facts.volumes.clone()),
            writable: read.then(|| facts.writable.clone()),
            hidden: read.then(|| facts.hidden.clone()),
            file_capabilities: read.then(|| facts.file_capabilities.clone()),
            setuid: read.then(|| facts.setuid.clone()),
            needs: read.then(|| facts.needs.clone()),
            recognised: read.then_some(facts.recognised),
        }
    }

    /// What all that know it agree on.
    fn agreed<'k>(all: impl Iterator<Item = &'k Self> + Clone) -> Self {
        /// The value of those that have one, if it is the same.
        fn one<'v, T: Clone + PartialEq + 'v>(values: impl Iterator<Item = &'v T>) -> Option<T> {
            let mut values = values;
            let first = values.next()?;
            values.all(|other| other == first).then(|| first.clone())
        }
        Self {
            user: agreed_user(all.clone()),
            program: one(all.clone().filter_map(|known| known.program.as_ref())),
            ports: one(all.clone().filter_map(|known| known.ports.as_ref())),
            volumes: one(all.clone().filter_map(|known| known.volumes.as_ref())),
            writable: one(all.clone().filter_map(|known| known.writable.as_ref())),
            hidden: one(all.clone().filter_map(|known| known.hidden.as_ref())),
            file_capabilities: one(all.clone().filter_map(|it| it.file_capabilities.as_ref())),
            setuid: one(all.clone().filter_map(|known| known.setuid.as_ref())),
            needs: one(all.clone().filter_map(|known| known.needs.as_ref())),
            recognised: one(all.filter_map(|known| known.recognised.as_ref())),
        }
    }

    /// The ports below 1024 that it exposes, by TCP or UDP.
    pub fn low_ports(&self) -> impl Iterator<Item = i64> + '_ {
        let ports = self.ports.iter().flatten();
        let number = |port: &String| port.split('/').next()?.parse().ok();
        ports.filter_map(number).filter(|port| (1..1024).contains(port))
    }

    /// Whether a program in it has this file capability, written without `CAP_`.
    pub fn has_file_capability(&self, capability: &str) -> bool {
        let mut programs = self.file_capabilities.iter().flat_map(BTreeMap::values);
        programs.any(|capabilities| capabilities.iter().any(|name| name == capability))
    }
}

/// The user that all agree on. What an image's files tell says more than what its configuration or
/// a running pod does, and contradicts neither if uid and gid are the same.
fn agreed_user<'k>(all: impl Iterator<Item = &'k Known>) -> Option<OwnUser> {
    let users: Vec<&OwnUser> = all.filter_map(|known| known.user.as_ref()).collect();
    let best = users.iter().min_by_key(|user| user.from)?;
    let agrees = |user: &&OwnUser| {
        let same = |a: Option<i64>, b: Option<i64>| a == b || a.is_none() || b.is_none();
        match user.from == best.from {
            true => user == best,
            false => user.uid == best.uid && same(user.gid, best.gid),
        }
    };
    users.iter().all(agrees).then(|| (*best).clone())
}

/// How facts were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By the digest that the pod names: they are this image's.
    Digest,
    /// By its name: they are what the name meant when it was read.
    Name,
    /// By its repository: all tags that are known agree on them.
    Repository,
}

/// Facts, and how they were found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'t> {
    /// The facts.
    pub known: &'t Known,
    /// How they were found.
    pub by: By,
}

/// The facts of many images. A look-up takes the same time for one as for 40,000.
#[derive(Clone, Debug, Default)]
pub struct FactTable {
    by_name: HashMap<Box<str>, Named, foldhash::fast::RandomState>,
    by_digest: HashMap<Box<str>, Arc<Known>, foldhash::fast::RandomState>,
    by_repository: HashMap<Box<str>, Arc<Known>, foldhash::fast::RandomState>,
    revision: String,
    /// The table to search if this one does not know an image.
    then: Option<Arc<FactTable>>,
}

/// What a name meant when it was read.
#[derive(Clone, Debug)]
struct Named {
    /// `None` if it is not known, or is not one.
    digest: Option<Box<str>>,
    known: Arc<Known>,
}

impl FactTable {
    /// A table of entries with full names. Several of one name, such as those of its platforms,
    /// count as far as they agree.
    pub fn new(entries: &[ImageFacts]) -> Self {
        let mut table = Self::default();
        let mut same = Same::default();
        let known: Vec<_> = entries.iter().map(|entry| same.one(Known::of(entry))).collect();
        let all = || entries.iter().zip(&known);
        for (name, all) in grouped(all().map(|(entry, known)| (&*entry.image, (entry, known)))) {
            let digest = |(entry, _): &(&ImageFacts, &Arc<Known>)| entry.digest.clone();
            let first = all.first().and_then(digest);
            let one = all.iter().all(|entry| digest(entry) == first);
            let known = same.agreed(all.iter().map(|(_, known)| *known));
            let digest = first.filter(|_| one).map(String::into_boxed_str);
            table.by_name.insert(name.into(), Named { digest, known });
        }
        let digests = all().filter_map(|(entry, known)| Some((entry.digest.as_deref()?, known)));
        for (digest, all) in grouped(digests) {
            table.by_digest.insert(digest.into(), same.agreed(all.into_iter()));
        }
        let repositories = all().filter_map(|(it, known)| Some((repository(&it.image)?, known)));
        for (repository, all) in grouped(repositories) {
            table.by_repository.insert(repository.into(), same.agreed(all.into_iter()));
        }
        table.revision = revision(entries);
        table
    }

    /// A table of `entries`, followed by `then`. All tags of a repository count together, whichever
    /// of the two has them.
    pub fn before(entries: &[ImageFacts], then: &Arc<Self>) -> Self {
        let mut table = Self::new(entries);
        for (repository, known) in &mut table.by_repository {
            if let Some(other) = then.by_repository.get(repository) {
                *known = Arc::new(Known::agreed([&**known, &**other].into_iter()));
            }
        }
        let revisions = [&*table.revision, &*then.revision].concat();
        if !then.is_empty() {
            table.revision = short(&Sha256::digest(revisions));
        }
        Self { then: Some(Arc::clone(then)), ..table }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.then.as_ref().is_none_or(|then| then.is_empty())
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        let others = self.then.as_ref().map_or(0, |then| {
            let both = self.by_name.keys().filter(|name| then.by_name.contains_key(*name)).count();
            then.len() - both
        });
        self.by_name.len() + others
    }

    /// Whether something is known by this full name.
    pub fn names(&self, name: &str) -> bool {
        self.by_name.contains_key(name) || self.then.as_ref().is_some_and(|it| it.names(name))
    }

    /// The first 12 hexadecimal digits of the SHA-256 of all entries, in whatever order they were
    /// read; empty for an empty table.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// What is known of a container's image. `written` is the text of `image`, and `name` its full
    /// name, in which a mirror may count as what it mirrors. What was read from the mirror itself
    /// comes first.
    ///
    /// A digest that the pod names decides: a name that meant another digest tells nothing more
    /// than other tags do.
    pub fn find(&self, written: &str, name: &str) -> Option<Found<'_>> {
        if self.is_empty() {
            return None;
        }
        let digest = written.split_once('@').map(|(_, digest)| digest);
        if let Some(known) = digest.and_then(|digest| self.by_digest(digest)) {
            return Some(Found { known, by: By::Digest });
        }
        let plain = full_name(written);
        let names = [&*plain, name];
        let named = names.iter().find_map(|name| self.by_name(name, digest));
        if let Some(known) = named {
            return Some(Found { known, by: By::Name });
        }
        let known = names.iter().find_map(|name| self.by_repository(repository(name)?))?;
        Some(Found { known, by: By::Repository })
    }

    fn by_digest(&self, digest: &str) -> Option<&Known> {
        let own = self.by_digest.get(digest).map(|known| &**known);
        own.or_else(|| self.then.as_ref()?.by_digest(digest))
    }

    fn by_name(&self, name: &str, digest: Option<&str>) -> Option<&Known> {
        let meant = |named: &&Named| digest.is_none_or(|it| named.digest.as_deref() == Some(it));
        let own = self.by_name.get(name).filter(meant).map(|named| &*named.known);
        own.or_else(|| self.then.as_ref()?.by_name(name, digest))
    }

    fn by_repository(&self, repository: &str) -> Option<&Known> {
        let own = self.by_repository.get(repository).map(|known| &**known);
        own.or_else(|| self.then.as_ref()?.by_repository(repository))
    }
}

/// Most tags of a repository tell the same: it is kept once.
#[derive(Default)]
struct Same(HashSet<Arc<Known>>);

impl Same {
    fn one(&mut self, known: Known) -> Arc<Known> {
        if let Some(known) = self.0.get(&known) {
            return Arc::clone(known);
        }
        let known = Arc::new(known);
        self.0.insert(Arc::clone(&known));
        known
    }

    fn agreed<'k>(&mut self, all: impl Iterator<Item = &'k Arc<Known>> + Clone) -> Arc<Known> {
        let mut others = all.clone();
        match others.next() {
            Some(first) if others.all(|other| Arc::ptr_eq(first, other)) => Arc::clone(first),
            _ => self.one(Known::agreed(all.map(|known| &**known))),
        }
    }
}

fn grouped<K: Ord, V>(pairs: impl Iterator<Item = (K, V)>) -> BTreeMap<K, Vec<V>> {
    let mut groups: BTreeMap<K, Vec<V>> = BTreeMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}

fn revision(entries: &[ImageFacts]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let mut texts: Vec<_> =
        entries.iter().map(|entry| serde_json::to_vec(entry).unwrap_or_default()).collect();
    texts.sort_unstable();
    texts.dedup();
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    short(&hash.finalize())
}

/// The beginning of a hash, as long as that of a policy's revision.
fn short(hash: &[u8]) -> String {
    const BYTES: usize = 6;
    hex(hash.iter().take(BYTES))
}

#[cfg(test)]
mod tests;
