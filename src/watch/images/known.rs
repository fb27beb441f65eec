//! What is known of each image, when it is to be read next, and which have gone out of use.
//!
//! Nothing here does input or output or looks at a clock. Times are Unix times in seconds.

mod counts;
mod image;
mod registries;

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{ImageFacts, Origin};
use crate::images::digest::Digest;
use crate::images::error::ImageError;
use crate::images::pods::PodImage;
use crate::images::reference::Name;
use crate::images::write;

use super::shards::{self, SHARDS};
pub use counts::Counts;
use image::Image;
pub use image::{Depth, SecretName};
use registries::{Registries, pause};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Maximum number of images. The API server's own limits end at 150,000 pods.
pub const MAX_IMAGES: usize = 50_000;
/// Time after which a registry is asked whether a name still means the same.
const AGAIN: i64 = DAY;
/// The same, where a pod runs something else by that name.
const AGAIN_IF_OTHER: i64 = 10 * MINUTE;
/// Time after which what no pod uses is forgotten: what runs once a month is kept.
const UNUSED: i64 = 35 * DAY;
/// The same for what could never be read.
const UNUSED_AND_UNREAD: i64 = 2 * DAY;
/// Maximum size of the facts of one image, in bytes. Ordinary ones have less than one KiB, and nobody
/// is to crowd out others.
const LARGEST: usize = 8 << 10;
/// Maximum size of all facts, in bytes. The ConfigMaps together hold a third of it.
const ALL: usize = 48 << 20;
/// Time in which everything is asked about again after a start.
const SPREAD: i64 = HOUR;
/// Pauses of an image after failures; the last one is for all further ones.
const PAUSES: [i64; 5] = [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR];
/// An image to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub name: Name,
    /// How much of it to read.
    pub depth: Depth,
    /// The digest for which as much is known; `None` if nothing is.
    pub known: Option<Digest>,
    /// Secrets whose credentials may open it.
    pub secrets: Vec<SecretName>,
}

/// What is said of an image that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its facts, as a document.
    Known(String),
    /// It is being read.
    Reading,
    /// It cannot be read.
    Unknown,
}

/// What is known of all images.
#[derive(Debug)]
pub struct KnownImages {
    images: BTreeMap<String, Image>,
    /// What is due, the first one first.
    due: [BTreeSet<(i64, String)>; 2],
    registries: Registries,
    /// Shards whose text has changed.
    changed: [bool; SHARDS],
    /// Whether layers are read.
    layers: bool,
    /// Images beyond the limit.
    over: u64,
    /// Bytes of all facts.
    bytes: usize,
}

impl KnownImages {
    /// Knows nothing. `layers` is whether layers are to be read, and `trusted` the only registries
    /// that are asked, unless it is empty.
    pub fn new(layers: bool, trusted: Vec<String>) -> Self {
        Self {
            images: BTreeMap::new(),
            due: Default::default(),
            registries: Registries::new(trusted),
            changed: [false; SHARDS],
            layers,
            over: 0,
            bytes: 0,
        }
    }

    /// Takes what was known before, from a shard. What is known already is newer.
    pub fn remember(&mut self, facts: Vec<ImageFacts>, now: i64) {
        let mut entries: BTreeMap<String, (Name, Vec<ImageFacts>)> = BTreeMap::new();
        for facts in facts {
            let Some(name) = name_of(&facts) else { continue };
            entries.entry(name.to_string()).or_insert_with(|| (name, Vec::new())).1.push(facts);
        }
        for (key, (name, facts)) in entries {
            let Some(image) = self.image(&key, name, now) else { continue };
            if image.from.is_none() {
                let spread = i64::from(shards::spread(&key)) * SPREAD / i64::from(u16::MAX);
                image.written = true;
                self.know(&key, &facts);
                let depth = self.images.get(&key).map_or(Depth::Configuration, Image::depth);
                self.schedule(&key, depth, now + spread);
            }
        }
    }

    /// Takes an image that a pod of `namespace` uses.
    pub fn seen(&mut self, pod: &PodImage, namespace: &str, secrets: &[&str], now: i64) {
        let Ok(name) = Name::parse(&pod.image) else { return };
        let key = name.to_string();
        let Some(image) = self.image(&key, name, now) else { return };
        image.used = now;
        image.may_open(namespace, secrets.iter().copied());
        if let Some(user) = &pod.user
            && image.from.is_none_or(|from| from == Origin::Pod)
        {
            let facts = ImageFacts { image: image.name.normalised(), ..user.clone() };
            if self.know(&key, &[facts]) {
                self.has_changed(&key);
            }
        }
        self.runs(&key, pod.digest.as_ref(), now);
    }

    /// Takes what runs by a name. If it is not what is known, the registry is asked again.
    fn runs(&mut self, key: &str, digest: Option<&Digest>, now: i64) {
        let Some(image) = self.images.get_mut(key) else { return };
        let Some(digest) = digest.filter(|digest| image.digest.as_ref() != Some(*digest)) else {
            return;
        };
        // A platform's digest never is the index's: asking once about each is enough.
        if image.checked == 0 || image.other.as_ref() == Some(digest) {
            return;
        }
        image.other = Some(digest.clone());
        if let Some((depth, due)) = image.due {
            let sooner = due.min(now.max(image.checked + AGAIN_IF_OTHER));
            self.schedule(key, depth, sooner);
        }
    }

    /// Answers about an image, and has it read at once if nothing is known of it.
    pub fn ask(&mut self, name: Name, namespace: &str, secrets: &[String], now: i64) -> Answer {
        let key = name.to_string();
        self.image(&key, name, now);
        let Some(image) = self.images.get_mut(&key) else { return Answer::Unknown };
        if !image.lines.is_empty() {
            return Answer::Known(write::document([&*image.lines].into_iter()));
        }
        let later = image.failure.is_some() && image.due.is_some_and(|(_, due)| due > now);
        if later || !self.registries.may_be_asked(&image.name.registry, now) {
            return Answer::Unknown;
        }
        image.may_open(namespace, secrets.iter().map(String::as_str));
        if image.due.is_some() {
            self.schedule(&key, Depth::Configuration, 0);
        }
        Answer::Reading
    }

    /// The next image to be read to this depth, if one is due. Nobody else gets it before it is
    /// [`Self::done`].
    pub fn next(&mut self, depth: Depth, now: i64) -> Option<Job> {
        let due = self.due.get(depth as usize)?.iter().take_while(|(due, _)| *due <= now);
        let free = |key: &&String| {
            let image = self.images.get(*key);
            image.is_none_or(|it| self.registries.have_room(&it.name.registry, now))
        };
        let key = due.map(|(_, key)| key).find(free)?.clone();
        self.unschedule(&key);
        let image = self.images.get(&key)?;
        let enough = match image.from {
            Some(Origin::Image) => true,
            Some(Origin::Configuration) => depth == Depth::Configuration,
            Some(Origin::Pod) | None => false,
        };
        self.registries.begin(&image.name.registry);
        Some(Job {
            name: image.name.clone(),
            depth,
            known: image.digest.clone().filter(|_| enough),
            secrets: image.secrets.iter().cloned().collect(),
        })
    }

    /// Takes what came of a job. `Ok(None)` is that the digest is still the same.
    pub fn done(
        &mut self,
        job: &Job,
        result: Result<Option<Vec<ImageFacts>>, ImageError>,
        now: i64,
    ) {
        let failure = result.as_ref().err().map(|error| error.kind);
        self.registries.end(&job.name.registry, failure, now);
        let key = job.name.to_string();
        let Some(image) = self.images.get_mut(&key) else { return };
        match result {
            Ok(facts) => {
                image.failure = None;
                image.checked = now;
                let changed = facts.is_some_and(|facts| self.know(&key, &facts));
                let deeper = self.layers && job.depth == Depth::Configuration;
                let next = self.images.get(&key).map_or(Depth::Configuration, Image::depth);
                let (depth, due) = match deeper {
                    true => (Depth::Layers, now),
                    false => (next, now + AGAIN),
                };
                if changed {
                    self.has_changed(&key);
                }
                self.schedule(&key, depth, due);
            }
            Err(error) => {
                let times = image.failure.map_or(0, |(_, times)| times);
                image.failure = Some((error.kind, times + 1));
                self.schedule(&key, job.depth, now + pause(&PAUSES, times));
            }
        }
    }

    /// Forgets what no pod has used for long.
    pub fn forget_unused(&mut self, now: i64) {
        let gone = self.images.iter().filter(|(_, image)| {
            let patience = if image.lines.is_empty() { UNUSED_AND_UNREAD } else { UNUSED };
            now - image.used > patience
        });
        let gone: Vec<String> = gone.map(|(key, _)| key.clone()).collect();
        gone.iter().for_each(|key| self.forget(key));
    }

    /// The next shard whose text has changed, and the text. What does not fit is left out: first
    /// what no pod has used for longest.
    pub fn changed_shard(&mut self) -> Option<(usize, String)> {
        let shard = self.changed.iter().position(|changed| *changed)?;
        let entries = self
            .images
            .iter_mut()
            .filter(|(_, image)| !image.lines.is_empty() && image.shard == shard);
        let mut entries: Vec<(&String, &mut Image)> = entries.collect();
        let mut size: usize = entries.iter().map(|(_, image)| write::size(&image.lines)).sum();
        entries.sort_by(|(a, one), (b, other)| one.used.cmp(&other.used).then_with(|| a.cmp(b)));
        for (_, image) in &mut entries {
            image.written = size <= shards::LARGEST;
            if !image.written {
                size -= write::size(&image.lines);
            }
        }
        entries.sort_by_key(|(key, _)| *key);
        let lines = entries.iter().filter(|(_, image)| image.written).map(|(_, it)| &*it.lines);
        let text = write::document(lines);
        if let Some(changed) = self.changed.get_mut(shard) {
            *changed = false;
        }
        Some((shard, text))
    }

    /// Records that a shard is not written.
    pub fn is_unwritten(&mut self, shard: usize) {
        if let Some(changed) = self.changed.get_mut(shard) {
            *changed = true;
        }
    }

    /// Numbers for the metrics.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { over: self.over, ..Counts::default() };
        for image in self.images.values() {
            let known = image.from.map_or(Counts::KNOWN.len() - 1, |from| from as usize);
            if let Some(count) = counts.known.get_mut(known) {
                *count += 1;
            }
            if let Some((kind, _)) = image.failure {
                let key = (image.name.registry.clone(), kind.as_str());
                *counts.failed.entry(key).or_default() += 1;
            }
            if image.checked > 0 {
                counts.oldest =
                    Some(counts.oldest.map_or(image.checked, |it| it.min(image.checked)));
            }
            counts.dropped += u64::from(!image.written && !image.lines.is_empty());
        }
        counts
    }

    /// The image of this key; a new one is due at once. `None` if there are too many.
    fn image(&mut self, key: &str, name: Name, now: i64) -> Option<&mut Image> {
        if !self.images.contains_key(key) {
            if self.images.len() >= MAX_IMAGES {
                self.over += 1;
                // What could not be read makes room: anybody may name what is not there.
                let failed = self.images.iter().filter(|(_, image)| {
                    image.lines.is_empty() && image.failure.is_some() && image.due.is_some()
                });
                let oldest = failed.min_by_key(|(_, image)| image.used).map(|(key, _)| key.clone());
                self.forget(&oldest?);
            }
            self.images.insert(key.to_owned(), Image::new(name, now));
            self.schedule(key, Depth::Configuration, now);
        }
        self.images.get_mut(key)
    }

    /// Takes facts of an image. Returns whether they differ from what was known. Of an image whose facts
    /// are too large, nothing is known.
    fn know(&mut self, key: &str, facts: &[ImageFacts]) -> bool {
        let Some(image) = self.images.get_mut(key) else { return false };
        let mut lines = write::lines(facts);
        let others = self.bytes - image.lines.len();
        if lines.len() > LARGEST || others + lines.len() > ALL {
            self.over += 1;
            lines.clear();
        }
        let first = facts.first().filter(|_| !lines.is_empty());
        image.from = first.map(|facts| facts.from);
        image.digest = first.and_then(|facts| Digest::parse(facts.digest.as_deref()?));
        if image.digest == image.other {
            image.other = None;
        }
        if *image.lines == *lines {
            return false;
        }
        self.bytes = others + lines.len();
        image.lines = lines.into_boxed_str();
        true
    }

    /// Removes an image.
    fn forget(&mut self, key: &str) {
        self.unschedule(key);
        self.has_changed(key);
        if let Some(image) = self.images.remove(key) {
            self.bytes -= image.lines.len();
        }
    }

    fn schedule(&mut self, key: &str, depth: Depth, due: i64) {
        self.unschedule(key);
        if let Some(image) = self.images.get_mut(key)
            && self.registries.are_asked(&image.name.registry)
            && let Some(queue) = self.due.get_mut(depth as usize)
        {
            image.due = Some((depth, due));
            queue.insert((due, key.to_owned()));
        }
    }

    fn unschedule(&mut self, key: &str) {
        let Some((depth, due)) = self.images.get_mut(key).and_then(|image| image.due.take()) else {
            return;
        };
        if let Some(queue) = self.due.get_mut(depth as usize) {
            queue.remove(&(due, key.to_owned()));
        }
    }

    fn has_changed(&mut self, key: &str) {
        let shard = self.images.get(key).map(|image| image.shard);
        if let Some(changed) = shard.and_then(|shard| self.changed.get_mut(shard)) {
            *changed = true;
        }
    }
}

/// The name under which an entry is kept. An entry with a name and a digest may be of a pod that
/// names both, or of one that names the tag: the tag is the more common.
fn name_of(facts: &ImageFacts) -> Option<Name> {
    Name::parse(&facts.image).ok()
}

#[cfg(test)]
mod tests;
