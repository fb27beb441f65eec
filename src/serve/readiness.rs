//! Readiness of the server, and in detail what is in force and what was refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// State behind `/readyz`.
#[derive(Debug, Default)]
pub struct Readiness {
    draining: AtomicBool,
    detail: Mutex<Detail>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    certificate: Certificate,
    policies: Policies,
    image_facts: ImageFacts,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    subject: String,
    not_after: Option<Timestamp>,
    since: Option<Timestamp>,
    /// Why the newest files are not in force.
    refused: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Policies {
    loaded: usize,
    since: Option<Timestamp>,
    /// Why the newest files are not in force.
    refused: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct ImageFacts {
    /// Number of images that something is known of.
    known: usize,
    /// Why the newest files are not in force.
    refused: Option<String>,
}

#[derive(Serialize)]
struct Report<'d> {
    ready: bool,
    draining: bool,
    #[serde(flatten)]
    detail: &'d Detail,
}

impl Readiness {
    /// Makes the server not ready from now on: it is about to stop.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether the server is about to stop.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Whether requests are welcome: a certificate is in force, and the server is not about to
    /// stop.
    pub fn is_ready(&self) -> bool {
        !self.is_draining() && self.lock().certificate.not_after.is_some()
    }

    /// Records that a certificate is in force.
    pub fn certificate_in_force(&self, subject: &str, not_after: Timestamp) {
        self.lock().certificate = Certificate {
            subject: subject.to_owned(),
            not_after: Some(not_after),
            since: Some(Timestamp::now()),
            refused: None,
        };
    }

    /// Records why the newest certificate is refused, or with `None` that it no longer is.
    pub fn certificate_refused(&self, why: Option<&str>) {
        self.lock().certificate.refused = why.map(str::to_owned);
    }

    /// Records the number of policies in force.
    pub fn policies_in_force(&self, loaded: usize) {
        self.lock().policies = Policies { loaded, since: Some(Timestamp::now()), refused: None };
    }

    /// Records why the newest policy files are refused, or with `None` that they no longer are.
    pub fn policies_refused(&self, why: Option<&str>) {
        self.lock().policies.refused = why.map(str::to_owned);
    }

    /// Records how many images are known, and why files of facts are refused, if they are.
    pub fn facts_in_force(&self, known: usize, refused: &[String]) {
        let refused = (!refused.is_empty()).then(|| refused.join("; "));
        self.lock().image_facts = ImageFacts { known, refused };
    }

    /// Readiness, and the reasons against it, as a JSON object. Refused content leaves the server
    /// ready while a last good certificate and policies are in force.
    pub fn report(&self) -> String {
        let (ready, draining) = (self.is_ready(), self.is_draining());
        let detail = self.lock();
        let report = Report { ready, draining, detail: &detail };
        serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
    }

    fn lock(&self) -> MutexGuard<'_, Detail> {
        self.detail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
