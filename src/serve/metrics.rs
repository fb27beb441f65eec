//! The server's metrics, in the OpenMetrics text format.
//!
//! Label values come from closed sets: modes, outcomes, rules, results, reasons, status codes, and
//! the names of the policies that are loaded. The counters of a request are resolved beforehand, so
//! that counting is an atomic addition.

mod labels;
pub(crate) mod process;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::admission::{Facts, Mode, Verdict};
use crate::outcome::RuleResult;
use crate::rule::RuleName;
pub use labels::Asked;
use labels::{
    CodeLabel, ModeLabel, ReasonLabel, ResultLabel, ReviewLabels, RuleLabel, RuleResultLabels,
    SkipLabels, Word, review_labels,
};
use process::Process;

/// From 50 µs, about what a review takes, to 10 s, the longest an API server usually waits.
const DURATION_BUCKETS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 10.0,
];

/// HTTP status codes of all answers that are not reviews.
const ERROR_CODES: [u16; 10] = [400, 404, 405, 408, 413, 415, 417, 431, 500, 503];

/// Reload counters of one source.
#[derive(Clone, Debug)]
pub struct Reloads {
    /// New contents that were put in force.
    pub loaded: Counter,
    /// New contents that were refused or could not be read.
    pub refused: Counter,
    /// 1 while the newest content is refused, and so an older one is in force.
    pub failing: Gauge,
}

/// Every metric of the server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    process: Process,
    reviews: Family<ReviewLabels, Counter>,
    rule_results: Vec<Vec<Counter>>,
    skips: Family<SkipLabels, Counter>,
    exemptions: Vec<Counter>,
    durations: Vec<Histogram>,
    http_errors: Family<CodeLabel, Counter>,
    log_lines_dropped: Gauge,
    /// Reloads of the policies.
    pub policy_reloads: Reloads,
    /// Reloads of the certificate.
    pub certificate_reloads: Reloads,
    /// End of the validity of the certificate in force, in Unix time.
    pub certificate_expiry: Gauge,
    /// Number of policies loaded from files.
    pub policies: Gauge,
    /// Number of image names that facts are known of.
    pub image_facts: Gauge,
    image_facts_refused: Gauge,
    image_questions: Family<ResultLabel, Counter>,
    /// Open connections of the webhook's listener.
    pub connections: Gauge,
    /// Connections beyond the limit, answered with 503.
    pub connections_over_limit: Counter,
    /// Connections beyond the limit and its overflow, closed at once.
    pub connections_dropped: Counter,
    /// TLS handshakes that failed or took too long.
    pub handshake_failures: Counter,
    /// Bytes of request bodies in memory.
    pub body_bytes: Gauge,
    /// Panics that a request set off.
    pub panics: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Every metric at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let process = Process::new(&mut registry);
        let r = registry.sub_registry_with_prefix("ironhull");
        let rule_results: Family<RuleResultLabels, Counter> =
            register(r, "rule_results", "Findings, by rule and result");
        let exemptions: Family<RuleLabel, Counter> =
            register(r, "exemptions", "Exemptions in force that were seen in reviews, by rule");
        let durations = Family::<ModeLabel, Histogram>::new_with_constructor(|| {
            Histogram::new(DURATION_BUCKETS)
        });
        r.register(
            "review_duration_seconds",
            "Time from a request's head to its answer, body included",
            durations.clone(),
        );
        let connections_refused: Family<ReasonLabel, Counter> = register(
            r,
            "connections_refused",
            "Connections beyond the limit, answered with 503 or dropped",
        );
        r.register(
            "build",
            "Version of the program",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        let refused = |reason| {
            connections_refused.get_or_create(&ReasonLabel { reason: Word(reason) }).clone()
        };
        let (connections_over_limit, connections_dropped) = (refused("limit"), refused("overflow"));
        Self {
            reviews: register(r, "reviews", "Reviews answered, by mode, policy and outcome"),
            rule_results: resolve_results(&rule_results),
            skips: register(r, "skips", "Findings that were skipped, by rule and reason"),
            exemptions: resolve_exemptions(&exemptions),
            durations: Mode::ALL.map(|mode| durations.get_or_create(&mode.into()).clone()).into(),
            http_errors: resolve_codes(register(r, "http_errors", "Requests refused, by status")),
            log_lines_dropped: register(
                r,
                "log_lines_dropped",
                "Log lines dropped because they could not be written, or not in time",
            ),
            policy_reloads: Reloads::new(r, "policy", "the policies"),
            certificate_reloads: Reloads::new(r, "certificate", "the serving certificate"),
            certificate_expiry: register(
                r,
                "certificate_expiry_seconds",
                "Expiry of the serving certificate, in Unix time",
            ),
            policies: register(r, "policies", "Policies loaded from files"),
            image_facts: register(r, "image_facts", "Image names with known facts"),
            image_facts_refused: register(
                r,
                "image_facts_refused",
                "Files of facts that cannot be read",
            ),
            image_questions: register(
                r,
                "image_questions",
                "Questions about unknown images to `ironhull watch`, by result",
            ),
            connections: register(r, "connections", "Open connections of the webhook"),
            connections_over_limit,
            connections_dropped,
            handshake_failures: register(
                r,
                "tls_handshake_failures",
                "TLS handshakes that failed or took too long",
            ),
            body_bytes: register(r, "body_bytes_in_flight", "Bytes of request bodies in memory"),
            panics: register(r, "panics", "Panics while handling requests"),
            process,
            registry,
        }
    }

    /// Counts one answered review. `row` is the row of the policy in `facts`.
    pub fn review(&self, row: &PolicyRow, mode: Mode, facts: &Facts, duration: Duration) {
        row.counter(&self.reviews, mode, facts.verdict, facts.dry_run).inc();
        if let Some(histogram) = self.durations.get(mode as usize) {
            histogram.observe(duration.as_secs_f64());
        }
        for (counts, counters) in facts.results.iter().zip(&self.rule_results) {
            for (count, counter) in counts.iter().zip(counters).filter(|(count, _)| **count > 0) {
                counter.inc_by(u64::from(*count));
            }
        }
        for (rule, reason) in &facts.skips {
            let labels = SkipLabels { rule: Word(rule.as_str()), reason: Word(reason) };
            self.skips.get_or_create(&labels).inc();
        }
        for rule in &facts.exemptions {
            if let Some(counter) = self.exemptions.get(*rule as usize) {
                counter.inc();
            }
        }
    }

    /// Counts one request that was refused with `code`.
    pub fn http_error(&self, code: u16) {
        self.http_errors.get_or_create(&CodeLabel { code }).inc();
    }

    /// Sets the number of files of facts that cannot be read.
    pub fn facts_refused(&self, files: usize) {
        self.image_facts_refused.set(i64::try_from(files).unwrap_or(i64::MAX));
    }

    /// Counts a question about an image.
    pub fn asked(&self, asked: Asked) {
        let label = ResultLabel { result: Word(asked.as_str()) };
        self.image_questions.get_or_create(&label).inc();
    }

    /// Begins to count questions, each result at zero.
    pub fn asks(&self) {
        for asked in Asked::ALL {
            let label = ResultLabel { result: Word(asked.as_str()) };
            let _at_zero = self.image_questions.get_or_create(&label);
        }
    }

    /// Drops the counts of policies that are no longer loaded: their names no longer belong to the
    /// closed set.
    pub fn forget_policies<'n>(&self, names: impl Iterator<Item = &'n str>) {
        for policy in names {
            for mode in Mode::ALL {
                for verdict in Verdict::ALL {
                    for dry_run in [false, true] {
                        self.reviews.remove(&review_labels(policy, mode, verdict, dry_run));
                    }
                }
            }
        }
    }

    /// All metrics, as OpenMetrics text.
    pub fn encode(&self) -> String {
        self.process.look();
        let dropped = super::telemetry::dropped_lines();
        self.log_lines_dropped.set(i64::try_from(dropped).unwrap_or(i64::MAX));
        let mut text = String::with_capacity(32 * 1024);
        if encode(&mut text, &self.registry).is_err() {
            let _never = writeln!(text, "# a metric could not be written");
        }
        text
    }
}

impl Reloads {
    /// Counters of one source; `what` is its name in words.
    pub(crate) fn new(registry: &mut Registry, source: &str, what: &str) -> Self {
        let family: Family<ResultLabel, Counter> =
            register(registry, &format!("{source}_reloads"), &format!("Reloads of {what}"));
        let resolve = |result| family.get_or_create(&ResultLabel { result: Word(result) }).clone();
        let failing = register(
            registry,
            &format!("{source}_reload_failing"),
            &format!("1 while a new version of {what} is refused"),
        );
        Self { loaded: resolve("loaded"), refused: resolve("refused"), failing }
    }
}

/// Counters of one policy, each created on first use: there may be a thousand policies, and most of
/// them see one or two outcomes.
#[derive(Debug)]
pub struct PolicyRow {
    policy: String,
    cells: [OnceLock<Counter>; Mode::ALL.len() * Verdict::ALL.len() * 2],
}

impl PolicyRow {
    /// The row of one policy.
    pub fn new(policy: &str) -> Self {
        Self { policy: policy.to_owned(), cells: std::array::from_fn(|_| OnceLock::new()) }
    }

    /// One row for each name.
    pub fn table<'n>(names: impl Iterator<Item = &'n str>) -> HashMap<String, Self> {
        names.map(|name| (name.to_owned(), Self::new(name))).collect()
    }

    fn counter(
        &self,
        reviews: &Family<ReviewLabels, Counter>,
        mode: Mode,
        verdict: Verdict,
        dry_run: bool,
    ) -> Counter {
        let make =
            || reviews.get_or_create(&review_labels(&self.policy, mode, verdict, dry_run)).clone();
        let index =
            (mode as usize * Verdict::ALL.len() + verdict as usize) * 2 + usize::from(dry_run);
        self.cells.get(index).map_or_else(make, |cell| cell.get_or_init(make).clone())
    }
}

pub(crate) fn register<M>(registry: &mut Registry, name: &str, help: &str) -> M
where
    M: prometheus_client::registry::Metric + Clone + Default,
{
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn resolve_results(family: &Family<RuleResultLabels, Counter>) -> Vec<Vec<Counter>> {
    let one = |rule: RuleName, result| {
        let labels = RuleResultLabels { rule: Word(rule.as_str()), result: Word(result) };
        family.get_or_create(&labels).clone()
    };
    let row = |rule: &RuleName| RuleResult::WORDS.map(|result| one(*rule, result)).into();
    RuleName::ALL.iter().map(row).collect()
}

fn resolve_exemptions(family: &Family<RuleLabel, Counter>) -> Vec<Counter> {
    let one =
        |rule: &RuleName| family.get_or_create(&RuleLabel { rule: Word(rule.as_str()) }).clone();
    RuleName::ALL.iter().map(one).collect()
}

fn resolve_codes(family: Family<CodeLabel, Counter>) -> Family<CodeLabel, Counter> {
    for code in ERROR_CODES {
        let _at_zero = family.get_or_create(&CodeLabel { code });
    }
    family
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test that fails says where")]

    use super::*;
    use crate::admission::Results;
    use crate::outcome::Skip;

    fn facts(verdict: Verdict) -> Facts {
        let mut results = Results::default();
        for result in [RuleResult::Set, RuleResult::Skipped(Skip::Privileged)] {
            results[RuleName::RunAsUser as usize][result.index()] = 1;
        }
        Facts {
            uid: "u".to_owned(),
            namespace: "n".to_owned(),
            name: "p".to_owned(),
            kind: "Pod".to_owned(),
            policy: Some("restricted".to_owned()),
            dry_run: true,
            verdict,
            results,
            skips: vec![(RuleName::RunAsUser, "privileged")],
            exemptions: vec![RuleName::Capabilities],
            warnings: 0,
        }
    }

    #[test]
    fn a_review_is_counted_under_its_labels() {
        let metrics = Metrics::new();
        let row = PolicyRow::new("restricted");
        let duration = Duration::from_micros(70);
        metrics.review(&row, Mode::Enforce, &facts(Verdict::Patched), duration);
        metrics.review(&row, Mode::Enforce, &facts(Verdict::Patched), duration);
        let text = metrics.encode();
        for line in [
            r#"ironhull_reviews_total{mode="enforce",policy="restricted",outcome="patched",dry_run="true"} 2"#,
            r#"ironhull_rule_results_total{rule="runAsUser",result="set"} 2"#,
            r#"ironhull_rule_results_total{rule="runAsUser",result="kept"} 0"#,
            r#"ironhull_skips_total{rule="runAsUser",reason="privileged"} 2"#,
            r#"ironhull_exemptions_total{rule="capabilities"} 2"#,
            r#"ironhull_review_duration_seconds_bucket{le="0.00005",mode="enforce"} 0"#,
            r#"ironhull_review_duration_seconds_bucket{le="0.0001",mode="enforce"} 2"#,
            r#"ironhull_http_errors_total{code="503"} 0"#,
            r#"ironhull_policy_reloads_total{result="refused"} 0"#,
            r#"ironhull_build_info{version="0.1.0"} 1"#,
            "ironhull_certificate_expiry_seconds 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_policy_that_is_gone_is_forgotten() {
        let metrics = Metrics::new();
        let row = PolicyRow::new("restricted");
        metrics.review(&row, Mode::Audit, &facts(Verdict::WouldPatch), Duration::ZERO);
        metrics.forget_policies(["restricted"].into_iter());
        assert!(!metrics.encode().contains(r#"policy="restricted""#));
    }
}
