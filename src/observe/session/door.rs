//! The way in where the target's own processes show nobody their root file system.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams, AttachedProcess};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::MAX_MESSAGE;
use crate::cluster::message_of;
use crate::observe::agent::DOOR_COMMAND;
use crate::observe::snapshot::Snapshot;
use crate::observe::targets::Target;
use crate::text::printable;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// Attempts: each starts a process in the target.
const ATTEMPTS: u32 = 20;
/// How long an attempt may take, and an open door may be of no use.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that gives up root for another user shows nobody its root file system, not even this
/// user. A process that is newly started in the container does: the agent's own program, called
/// by its link in /proc. It is needed for a moment, and ends with the connection.
#[derive(Default)]
pub(super) struct Door {
    attempts: u32,
    open: Option<Open>,
    /// When the next attempt may be made.
    next: Option<Instant>,
    /// Why the last attempt was of no use, for people.
    pub(super) trouble: Option<String>,
}

struct Open {
    process: AttachedProcess,
    /// How it ended, once it has.
    ended: JoinHandle<Option<Status>>,
    until: Instant,
}

impl Door {
    /// Opens the door where the agent needs it, and closes it when it has been used.
    pub(super) async fn ask(&mut self, pods: &Api<Pod>, target: &Target, snapshot: &Snapshot) {
        if snapshot.root.open {
            return self.close();
        }
        let now = Instant::now();
        if let Some(open) = &mut self.open {
            if !open.ended.is_finished() && now < open.until {
                return;
            }
            let ended = timeout(Duration::ZERO, &mut open.ended).await;
            let status = ended.ok().and_then(Result::ok).flatten();
            self.failed(status.and_then(|status| status.message).as_deref());
            self.close();
        }
        let waits = self.next.is_some_and(|next| now < next);
        if waits || self.attempts >= ATTEMPTS || snapshot.processes.is_empty() {
            return;
        }
        self.attempts += 1;
        self.next = Some(now + PAUSE);
        let program = format!("/proc/{}/exe", snapshot.agent);
        let command = [program.as_str(), DOOR_COMMAND];
        let parameters = AttachParams::default().container(&target.container).stdin(true);
        match timeout(PATIENCE, pods.exec(&target.pod, command, &parameters)).await {
            Ok(Ok(mut process)) => {
                let status = process.take_status();
                let ended = tokio::spawn(async { status?.await });
                self.open = Some(Open { process, ended, until: Instant::now() + PATIENCE });
            }
            Ok(Err(error)) => self.failed(Some(&message_of(&error))),
            Err(_) => self.failed(Some("no answer")),
        }
    }

    fn failed(&mut self, why: Option<&str>) {
        let why = why.unwrap_or("it ended, or its processes still show nothing");
        self.trouble = Some(printable(why, MAX_MESSAGE).into_owned());
    }

    pub(super) fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.process.abort();
            open.ended.abort();
        }
    }
}
