//! Facts of the images that pods use: learnt from pods and registries, kept in ConfigMaps.
//!
//! | module | what it does |
//! |---|---|
//! | [`known`] | what is known of each image, and when it is read next |
//! | [`shards`] | which ConfigMap an image's facts are in |
//! | [`config_maps`] | the ConfigMaps, read and written |
//! | [`answers`] | answers to the webhook's questions |
//! | [`metrics`] | what is known, as metrics |

pub mod answers;
pub mod config_maps;
pub mod known;
pub mod metrics;
pub mod shards;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::sync::Notify;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::facts::ImageFacts;
use crate::images::Reader;
use crate::images::cache::Cache;
use crate::images::error::{ErrorKind, ImageError};
use crate::images::facts::Options;
use crate::images::limits::Limits;
use crate::images::pods::PodOfImages;
use crate::images::reference::{Name, Reference};
use crate::images::registry::{PullSecret, Settings};
use crate::serve::poll::{Digest, digest};
use config_maps::{ConfigMaps, Failure, Place};
use known::{Answer, Depth, Job, KnownImages, SecretName};
use shards::SHARDS;

/// Images whose configurations are read at once.
const CONFIGURATIONS_AT_ONCE: usize = 8;
/// Images whose layers are read at once: each takes some megabytes.
const LAYERS_AT_ONCE: usize = 2;
/// Longest time that something due waits for being looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Pause after the ConfigMaps could not be read.
const RETRY: Duration = Duration::from_secs(10);
/// Time for one Secret.
const SECRET: Duration = Duration::from_secs(5);
/// Bytes of layers that are kept in memory.
const LAYERS_IN_MEMORY: usize = 16 << 20;
/// Bytes of names that are kept of a layer.
const NAMES: usize = 12 << 20;

/// How facts are learnt.
#[derive(Clone, Debug)]
pub struct Learning {
    /// The ConfigMaps that they are kept in.
    pub place: Place,
    /// Where the webhook's questions are answered, if anywhere.
    pub answer_at: Option<SocketAddr>,
    /// Whether only configurations are read.
    pub config_only: bool,
    /// The platform whose layers are read, `os/architecture`.
    pub platform: String,
    /// The only registries that are asked; empty for those that pods name.
    pub registries: Vec<String>,
    /// Certificates to trust besides the usual ones.
    pub ca_file: Option<PathBuf>,
    /// Directory for what was read.
    pub cache: Option<PathBuf>,
    /// Time between writes. The kubelet looks at a mounted ConfigMap once a minute.
    pub write_every: Duration,
}

/// Learns facts.
pub struct Learner {
    known: Mutex<KnownImages>,
    progress: Mutex<Progress>,
    learning: Learning,
    reader: Reader,
    client: Client,
    /// Wake those who read, by [`Depth`].
    wake: [Notify; 2],
}

/// What was done so far, for metrics.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Readings, by [`Progress::READS`].
    pub reads: [u64; Self::READS.len()],
    /// Writes of ConfigMaps, by [`Progress::WRITES`].
    pub writes: [u64; Self::WRITES.len()],
    /// Why the ConfigMaps cannot be read or written at present.
    pub trouble: Option<String>,
}

impl Progress {
    /// Label values of [`Self::reads`].
    pub const READS: [&str; 3] = ["read", "unchanged", "failed"];
    /// Label values of [`Self::writes`].
    pub const WRITES: [&str; 3] = ["written", "conflict", "failed"];
}

impl std::fmt::Debug for Learner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Learner").field("learning", &self.learning).finish_non_exhaustive()
    }
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

fn digest_of(text: &str) -> Digest {
    digest(std::iter::once(text.as_bytes()))
}

fn count<const N: usize>(counts: &mut [u64; N], index: usize) {
    if let Some(count) = counts.get_mut(index) {
        *count += 1;
    }
}

impl Learner {
    /// A learner that reads Secrets and ConfigMaps through `client`.
    pub fn new(learning: Learning, client: Client) -> Arc<Self> {
        let settings = Settings {
            ca_file: learning.ca_file.clone(),
            strangers: true,
            trusted: learning.registries.clone(),
            ..Settings::default()
        };
        let cache = learning.cache.clone().map(Cache::in_directory).unwrap_or_default();
        let cache = cache.with_memory(LAYERS_IN_MEMORY);
        let reader = Reader::new(Options::default(), cache, settings);
        Arc::new(Self {
            known: Mutex::new(KnownImages::new(!learning.config_only, learning.registries.clone())),
            progress: Mutex::default(),
            learning,
            reader,
            client,
            wake: Default::default(),
        })
    }

    fn known(&self) -> MutexGuard<'_, KnownImages> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the ConfigMaps are and why they cannot be read or written, if so.
    pub fn trouble(&self) -> Option<String> {
        self.progress().trouble.clone()
    }

    /// Takes a pod, as JSON.
    ///
    /// # Errors
    /// When it is not a pod.
    pub fn pod(&self, namespace: &str, json: &str) -> serde_json::Result<()> {
        let pod: PodOfImages<'_> = serde_json::from_str(json)?;
        let secrets: Vec<&str> = pod.pull_secrets().collect();
        let now = now();
        let mut known = self.known();
        for image in pod.images() {
            known.seen(&image, namespace, &secrets, now);
        }
        drop(known);
        self.wake_all();
        Ok(())
    }

    /// Answers a question about an image.
    pub fn ask(&self, image: &str, namespace: &str, secrets: &[String]) -> Answer {
        let Ok(name) = Name::parse(image) else { return Answer::Unknown };
        let answer = self.known().ask(name, namespace, secrets, now());
        self.wake_all();
        answer
    }

    fn wake_all(&self) {
        self.wake.iter().for_each(Notify::notify_one);
    }

    /// Learns for ever.
    pub async fn run(self: Arc<Self>) {
        let maps = ConfigMaps::new(self.client.clone(), self.learning.place.clone());
        let mut written = self.load(&maps).await;
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&self).read_all(Depth::Configuration, CONFIGURATIONS_AT_ONCE));
        tasks.spawn(Arc::clone(&self).read_all(Depth::Layers, LAYERS_AT_ONCE));
        loop {
            sleep(self.learning.write_every).await;
            self.known().forget_unused(now());
            self.write(&maps, &mut written).await;
        }
    }

    /// Reads the ConfigMaps, and does not give up. Returns the digest of each one's text.
    async fn load(&self, maps: &ConfigMaps) -> Vec<Digest> {
        let mut digests = Vec::new();
        while digests.len() < SHARDS {
            match maps.get(digests.len()).await {
                Ok(held) => {
                    match held.facts() {
                        Ok(facts) => self.known().remember(facts, now()),
                        // It is written anew.
                        Err(error) => warn!(error, "facts cannot be read"),
                    }
                    digests.push(digest_of(held.text()));
                }
                Err(failure) => {
                    self.failed(failure);
                    sleep(RETRY).await;
                }
            }
        }
        self.well();
        let images: u64 = self.known().counts().known.iter().sum();
        info!(images, "facts of images loaded");
        digests
    }

    /// Writes what has changed.
    async fn write(&self, maps: &ConfigMaps, written: &mut [Digest]) {
        // A shard that cannot be written is tried in the next round.
        let mut failed = Vec::new();
        loop {
            let next = self.known().changed_shard();
            let Some((shard, text)) = next else { break };
            let Some(before) = written.get_mut(shard) else { break };
            match self.write_one(maps, shard, text, before).await {
                Ok(()) => count(&mut self.progress().writes, 0),
                Err(failure) => {
                    let conflict = matches!(failure, Failure::Conflict);
                    count(&mut self.progress().writes, if conflict { 1 } else { 2 });
                    self.failed(failure);
                    failed.push(shard);
                }
            }
        }
        let mut known = self.known();
        failed.iter().for_each(|shard| known.is_unwritten(*shard));
        drop(known);
        if failed.is_empty() {
            self.well();
        }
    }

    async fn write_one(
        &self,
        maps: &ConfigMaps,
        shard: usize,
        text: String,
        before: &mut Digest,
    ) -> Result<(), Failure> {
        let held = maps.get(shard).await?;
        let found = digest_of(held.text());
        if found != *before {
            // Another one has written: what it knows is taken over first.
            if let Ok(facts) = held.facts() {
                self.known().remember(facts, now());
            }
            *before = found;
            return Err(Failure::Conflict);
        }
        let new = digest_of(&text);
        maps.put(held, text).await?;
        *before = new;
        Ok(())
    }

    fn failed(&self, failure: Failure) {
        // The next round goes on from what the other one wrote.
        let Failure::Other(why) = failure else { return };
        let mut progress = self.progress();
        if progress.trouble.as_ref() != Some(&why) {
            error!(error = why, "facts cannot be kept");
            progress.trouble = Some(why);
        }
    }

    fn well(&self) {
        if self.progress().trouble.take().is_some() {
            info!("facts are kept again");
        }
    }

    /// Reads what is due to this depth, so many at once, for ever.
    async fn read_all(self: Arc<Self>, depth: Depth, at_once: usize) {
        let mut reading = JoinSet::new();
        loop {
            while reading.len() < at_once {
                let Some(job) = self.known().next(depth, now()) else { break };
                reading.spawn(Arc::clone(&self).read(job));
            }
            let wake = self.wake.get(depth as usize);
            let woken = async {
                match wake {
                    Some(wake) => wake.notified().await,
                    None => sleep(LOOK).await,
                }
            };
            tokio::select! {
                Some(_) = reading.join_next(), if !reading.is_empty() => {}
                () = woken => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    async fn read(self: Arc<Self>, job: Job) {
        let mut secrets = Vec::new();
        let mut unread = Vec::new();
        for secret in &job.secrets {
            match self.pull_secret(secret).await {
                Ok(Some(found)) if found.knows(&job.name.registry, &job.name.repository) => {
                    secrets.push(found);
                }
                Ok(_) => {}
                Err(why) => unread.push(why),
            }
        }
        let options = Options {
            platform: Some(self.learning.platform.clone()),
            config_only: job.depth == Depth::Configuration,
            limits: Limits { names: NAMES, ..Limits::default() },
        };
        let reader = self.reader.with_options(options);
        let (reference, known) = (Reference::Registry(job.name.clone()), job.known.clone());
        let result = spawn_blocking(move || {
            let known = known.as_ref().map(|digest| digest.as_str());
            first_that_opens(&reader, secrets, &reference, known)
        });
        let broken = |_| {
            Err(ImageError::new(ErrorKind::BadImage, "reading it ended by a fault of ironhull"))
        };
        let result = result.await.unwrap_or_else(broken);
        let read = match &result {
            Ok(Some(_)) => 0,
            Ok(None) => 1,
            Err(error) => {
                let image = job.name.to_string();
                let hint = unread.join("; ");
                warn!(image, %error, secrets = hint, "an image cannot be read");
                2
            }
        };
        count(&mut self.progress().reads, read);
        self.known().done(&job, result, now());
        self.wake_all();
    }

    /// Reads a Secret. `None` if it holds no credentials, or is not there.
    async fn pull_secret(
        &self,
        (namespace, name): &SecretName,
    ) -> Result<Option<PullSecret>, String> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let secret = match tokio::time::timeout(SECRET, secrets.get_opt(name)).await {
            Ok(Ok(secret)) => secret,
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
                return Err(format!("not allowed to read {namespace}/{name}"));
            }
            Ok(Err(_)) | Err(_) => return Err(format!("cannot read {namespace}/{name}")),
        };
        let data: BTreeMap<String, ByteString> = secret.and_then(|it| it.data).unwrap_or_default();
        Ok(PullSecret::of(|key| data.get(key).map(|bytes| bytes.0.as_slice())))
    }
}

/// Reads an image with the first credentials that open it: those of these secrets, then our own.
fn first_that_opens(
    reader: &Reader,
    secrets: Vec<PullSecret>,
    reference: &Reference,
    known: Option<&str>,
) -> Result<Option<Vec<ImageFacts>>, ImageError> {
    for secret in secrets {
        match reader.with_pull_secret(secret).changed(reference, known) {
            // Some registries say of what may not be seen that it is not there.
            Err(error) if matches!(error.kind, ErrorKind::Unauthorized | ErrorKind::NotFound) => {}
            result => return result,
        }
    }
    reader.changed(reference, known)
}
