//! A server on a free loopback port, with reviewers that say what they were given.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ironhull::admission::{Answer, Endpoint, Environment, Facts, NotAReview, Verdict};
use ironhull::policy::PolicySet;
use ironhull::serve::certs::{PemPair, self_signed};
use ironhull::serve::{self, Certificate, Config, Running};

use crate::client::{Client, Trust, get};

/// How long to wait for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server and what a client of it needs.
pub(crate) struct Fixture {
    pub running: Running,
    pub trust: Trust,
}

pub(crate) fn certificate() -> PemPair {
    self_signed(&["localhost"]).unwrap()
}

/// One that ends with the year before.
pub(crate) fn certificate_until(year: i32) -> PemPair {
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    PemPair {
        certificate: params.self_signed(&key).unwrap().pem().into_bytes(),
        key: key.serialize_pem().into_bytes(),
    }
}

/// A server with a reviewer that repeats what it was given.
pub(crate) fn echoing() -> Fixture {
    with(|config| config.review = echo)
}

/// A server set up by `change`.
pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Fixture {
    let pair = certificate();
    let trust = Trust::new([pair.certificate.as_slice()]);
    let mut config = Config::on_loopback(Certificate::Given(pair));
    config.poll_interval = Duration::from_millis(50);
    change(&mut config);
    Fixture { running: serve::start(config).unwrap(), trust }
}

impl Fixture {
    pub(crate) fn webhook(&self) -> SocketAddr {
        self.running.webhook_addr
    }

    pub(crate) fn ops(&self) -> SocketAddr {
        self.running.ops_addr
    }

    pub(crate) fn connect(&self) -> Client {
        self.trust.connect(self.webhook()).unwrap()
    }

    /// The value of the metric whose name and labels are `series`.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        metric(self.ops(), series)
    }

    pub(crate) fn stop(self) {
        self.running.stop().unwrap();
    }
}

pub(crate) fn metric(ops: SocketAddr, series: &str) -> u64 {
    let answer = get(ops, "/metrics");
    let line = answer.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

pub(crate) fn ready(ops: SocketAddr) -> (u16, serde_json::Value) {
    let answer = get(ops, "/readyz");
    (answer.status, answer.json())
}

/// Waits until `holds` does.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Answers with the endpoint, the length of the body and the loaded policies.
pub(crate) fn echo(
    body: &[u8],
    endpoint: Endpoint<'_>,
    policies: &PolicySet,
    _environment: Environment,
) -> Result<Answer, NotAReview> {
    let names: Vec<&str> = policies.policies().iter().map(|policy| policy.name.as_str()).collect();
    let said = serde_json::json!({
        "mode": endpoint.mode.as_str(),
        "policy": endpoint.policy,
        "length": body.len(),
        "loaded": names,
    });
    Ok(Answer { body: said.to_string().into_bytes(), facts: facts() })
}

/// Panics.
pub(crate) fn panicking(
    body: &[u8],
    endpoint: Endpoint<'_>,
    policies: &PolicySet,
    environment: Environment,
) -> Result<Answer, NotAReview> {
    assert!(!body.starts_with(b"panic"), "a secret");
    echo(body, endpoint, policies, environment)
}

fn facts() -> Facts {
    Facts {
        uid: "u".to_owned(),
        namespace: "n".to_owned(),
        name: "p".to_owned(),
        kind: "Pod".to_owned(),
        policy: Some("restricted".to_owned()),
        dry_run: false,
        verdict: Verdict::Unchanged,
        results: Default::default(),
        skips: Vec::new(),
        exemptions: Vec::new(),
        warnings: 0,
    }
}
