//! A Report of openreports.io for each workload of the namespaces that opted in, so that `kubectl get
//! reports`, and the tools that read these, show what runs.
//!
//! | module | what it does |
//! |---|---|
//! | [`store`] | the reports that exist, those that have to be written, and what is due |
//! | [`running`] | pods, what made them, and the workloads they are of |
//! | [`shapes`] | what runs in pods, of which the same is kept once |
//! | `object` | a report in the cluster, and one to be written |
//! | `objects` | reports in the cluster: listed, read, applied and deleted |
//! | [`metrics`] | how far the reports are behind, as metrics |
//!
//! Pods come from the one watch. What a report says is that of `ironhull report -o openreports`, but for
//! what needs templates and for numbers of pods. Before each write the metadata of the report is read:
//! one that says so already is left alone, so that two instances do no harm, and one of somebody else's
//! is never touched.

pub mod metrics;
mod object;
mod objects;
pub mod running;
pub mod shapes;
pub mod store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

use crate::cluster::{Resource, message_of};
use crate::evidence::watched::WatchedPod;
use crate::foresight::workloads::{Maker, controller};
use crate::watch::above;
use object::{Draft, Found, MadeBy};
use objects::{Failure, Objects};
use running::Unread;
use store::{Store, Task};

/// Time after which it is asked what is due.
const LOOK: Duration = Duration::from_millis(500);
/// Time for an answer of the API server about an owner.
const ANSWER: Duration = Duration::from_secs(10);
/// Pause after the first failure. It doubles with each further one, up to the last pause.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// Writes that fail one after the other until none is expected to succeed.
const MANY: u32 = 5;

/// Keeps the reports.
pub struct Reporter {
    store: Mutex<Store>,
    client: Client,
    objects: Objects,
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporter").finish_non_exhaustive()
    }
}

impl Reporter {
    /// Reads and writes through `client`.
    pub fn new(client: Client) -> Arc<Self> {
        let objects = Objects::new(client.clone());
        Arc::new(Self { store: Mutex::new(Store::default()), client, objects })
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why reports cannot be kept at present.
    pub fn trouble(&self) -> Option<String> {
        self.store().why_not().map(str::to_owned)
    }

    /// Begins a list of all pods.
    pub fn begin(&self) {
        self.store().begin();
    }

    /// Completes a list of all pods: what did not come in it is gone.
    pub fn finish(&self) {
        self.store().finish(Timestamp::now());
    }

    /// Takes a pod of a namespace that opted in, as it is now.
    pub fn pod(&self, namespace: &str, uid: &str, pod: WatchedPod) {
        self.store().pod(namespace, uid, pod, Timestamp::now());
    }

    /// Forgets a pod.
    pub fn pod_is_gone(&self, uid: &str) {
        self.store().gone(uid, Timestamp::now());
    }

    /// Keeps the reports, for ever. `opted_in` says whether a namespace has; `None` while that is not
    /// known.
    pub async fn run(self: Arc<Self>, opted_in: impl Fn(&str) -> Option<bool>) {
        let mut pause = FIRST_PAUSE;
        let mut failed = 0;
        loop {
            let task = self.store().next(Timestamp::now(), &opted_in);
            let Some(task) = task else {
                sleep(LOOK).await;
                continue;
            };
            let writes = matches!(task, Task::Write(_) | Task::Delete { .. });
            let trouble = match self.perform(task).await {
                Ok(done) => {
                    if done && writes {
                        failed = 0;
                    }
                    if done && failed < MANY {
                        self.well();
                        pause = FIRST_PAUSE;
                    }
                    continue;
                }
                Err(Failure::All(why)) => why,
                Err(Failure::One(why)) => {
                    failed += 1;
                    warn!(error = why, "a report cannot be written");
                    if failed < MANY {
                        continue;
                    }
                    why
                }
                Err(Failure::Missing) => {
                    self.store().list_again();
                    continue;
                }
                Err(Failure::Conflict) => {
                    sleep(LOOK).await;
                    continue;
                }
            };
            self.failed(trouble);
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    fn well(&self) {
        if self.store().trouble.take().is_some() {
            info!("reports are kept again");
        }
    }

    fn failed(&self, why: String) {
        let mut store = self.store();
        if store.trouble.as_ref() != Some(&why) {
            error!(error = why, "reports cannot be kept");
            store.trouble = Some(why);
        }
    }

    /// Does one thing. Returns whether the API server has done what it was asked for.
    async fn perform(&self, task: Task) -> Result<bool, Failure> {
        match task {
            Task::List => {
                let found = self.objects.list().await?;
                let reports = found.len();
                debug!(reports, "listed reports");
                self.store().listed(found, Timestamp::now());
                Ok(true)
            }
            Task::Read(unread) => self.read(unread).await,
            Task::Write(draft) => {
                let result = self.write(&draft).await;
                if let Err(failure) = &result {
                    let later = matches!(failure, Failure::One(_) | Failure::Missing);
                    let mut store = self.store();
                    store.counts.failed += u64::from(!matches!(failure, Failure::Conflict));
                    store.again(&draft, later, Timestamp::now());
                }
                result.map(|()| true)
            }
            Task::Delete { key, namespace, name, uid } => {
                self.objects.delete(&namespace, &name, &uid).await.inspect_err(|_| {
                    self.store().counts.failed += 1;
                })?;
                let mut store = self.store();
                store.counts.deleted += 1;
                store.deleted(key, Timestamp::now());
                Ok(true)
            }
            Task::GoOn => {
                yield_now().await;
                Ok(false)
            }
        }
    }

    /// Finds out what a ReplicaSet or Job belongs to.
    async fn read(&self, Unread { key, namespace, maker }: Unread) -> Result<bool, Failure> {
        let asked = match above::means(&maker.api_version, &maker.kind) {
            None => Ok(Some(maker)),
            Some(resource) => self.above(resource, &namespace, maker).await,
        };
        let now = Timestamp::now();
        let mut store = self.store();
        match asked {
            Ok(Some(top)) => store.belongs(key, top, now),
            Ok(None) => store.unknown(key, now),
            Err(Failure::All(why)) => {
                store.unknown(key, now);
                return Err(Failure::All(why));
            }
            Err(Failure::One(why)) => {
                if store.cannot_read(key, &why, now) {
                    error!(error = why, "reports of some workloads cannot be kept");
                }
                return Ok(false);
            }
            Err(Failure::Conflict | Failure::Missing) => {}
        }
        Ok(true)
    }

    /// What an object of this resource belongs to; itself, if to nothing. `None` if it is gone: its
    /// pods are about to go too.
    async fn above(
        &self,
        resource: &Resource,
        namespace: &str,
        maker: Maker,
    ) -> Result<Option<Maker>, Failure> {
        let asked = above::metadata(&self.client, resource, namespace, &maker.name);
        let what = &resource.resource;
        match timeout(ANSWER, asked).await {
            // What pods name may be one of the same name.
            Ok(Ok(found)) if found.uid.as_deref() != Some(&*maker.uid) => Ok(None),
            Ok(Ok(found)) => {
                let owner = controller(found.owner_references.as_ref());
                Ok(Some(owner.map_or(maker, Maker::from)))
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(None),
            Ok(Err(error @ kube::Error::Api(_))) => {
                let message = message_of(&error);
                Err(Failure::One(format!(
                    "cannot get {what}: {message}; it needs `get` on {what} in all namespaces, as in \
                     the chart's ClusterRole with watch.reports.enabled",
                )))
            }
            Ok(Err(error)) => {
                Err(Failure::All(format!("cannot reach the API server: {}", message_of(&error))))
            }
            Err(_) => Err(Failure::All("the API server does not answer".to_owned())),
        }
    }

    /// Writes a report, unless it says so already, or is somebody else's.
    async fn write(&self, draft: &Draft) -> Result<(), Failure> {
        let Draft { key, namespace, name, content, .. } = draft;
        let uid = match self.objects.get(namespace, name).await? {
            Some(Found { maker: MadeBy::Others, .. }) => {
                warn!(
                    namespace = &**namespace,
                    report = &**name,
                    "somebody else has a report of this name"
                );
                self.store().counts.taken += 1;
                return Ok(());
            }
            Some(Found { maker: MadeBy::Mixed, uid, .. }) => {
                self.objects.delete(namespace, name, &uid).await?;
                None
            }
            Some(found) if found.content == Some(*content) => {
                self.store().exists(*key, found);
                return Ok(());
            }
            found => found.map(|it| it.uid),
        };
        let made = self.objects.apply(draft, uid.as_deref()).await?;
        let mut store = self.store();
        store.counts.written += 1;
        store.exists(*key, made);
        Ok(())
    }
}
