//! Metrics of the watch, in the OpenMetrics text format.
//!
//! The sums are computed when they are asked for, from what is kept of each pod, so nothing can
//! drift. Labels come from closed sets. The exception is the namespace, of which
//! [`MAX_NAMESPACES`](super::tally::MAX_NAMESPACES) have lines of their own.

use std::fmt::Write as _;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::metrics::{MetricType, TypedMetric as _};
use prometheus_client::registry::Registry;

use super::breakage::metrics::Broken;
use super::images::metrics::Learnt;
use super::judge::{Allowed, RESULTS, Standing};
use super::reports::metrics::Kept;
use super::series::{Labels, counts, one};
use super::state::{ClusterState, State};
use super::tally::{Sums, What};
use super::trouble::Trouble;
use crate::rule::RuleName;
use crate::serve::metrics::process::Process;
use crate::serve::metrics::register;
use crate::serve::ops::Observed;
use crate::serve::telemetry;

/// Every metric of the watch.
#[derive(Debug)]
pub struct WatchMetrics {
    state: Arc<ClusterState>,
    registry: Registry,
    process: Process,
    log_lines_dropped: Gauge,
}

impl WatchMetrics {
    /// Metrics of `state`, in addition to those that `registry` already holds.
    pub fn new(mut registry: Registry, state: Arc<ClusterState>) -> Self {
        let process = Process::new(&mut registry);
        let ours = registry.sub_registry_with_prefix("ironhull");
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        ours.register("build", "Version of the program", version);
        let log_lines_dropped = register(
            ours,
            "log_lines_dropped",
            "Log lines dropped because they could not be written, or not in time",
        );
        let watch = ours.sub_registry_with_prefix("watch");
        watch.register_collector(Box::new(Watched(Arc::clone(&state))));
        if let Some(learner) = state.learner() {
            watch.register_collector(Box::new(Learnt(Arc::clone(learner))));
        }
        if let Some(breakage) = state.breakage() {
            watch.register_collector(Box::new(Broken(Arc::clone(breakage))));
        }
        if let Some(reporter) = state.reporter() {
            watch.register_collector(Box::new(Kept(Arc::clone(reporter))));
        }
        Self { state, registry, process, log_lines_dropped }
    }
}

impl Observed for WatchMetrics {
    fn is_ready(&self) -> bool {
        self.state.is_synced()
    }

    fn report(&self) -> String {
        self.state.report()
    }

    fn metrics(&self) -> String {
        self.process.look();
        let dropped = telemetry::dropped_lines();
        self.log_lines_dropped.set(i64::try_from(dropped).unwrap_or(i64::MAX));
        let mut text = String::with_capacity(32 * 1024);
        if encode(&mut text, &self.registry).is_err() {
            let _never = writeln!(text, "# a metric could not be written");
        }
        text
    }
}

/// Collector that writes the sums.
#[derive(Debug)]
struct Watched(Arc<ClusterState>);

impl Collector for Watched {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let synced = self.0.is_synced();
        let state = self.0.state();
        of_the_watch(&state, &mut encoder)?;
        // Half of a cluster would look like a cluster with half the trouble.
        if synced { of_the_cluster(&state, &mut encoder) } else { Ok(()) }
    }
}

/// Metrics of the watch itself.
fn of_the_watch(state: &State, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
    let all = || What::ALL.iter().zip(&state.seen).map(|(what, seen)| (what.as_str(), seen));
    let mut gauge = encoder.encode_descriptor(
        "synced",
        "1 once the first list is complete",
        None,
        MetricType::Gauge,
    )?;
    for (resource, seen) in all() {
        one(&mut gauge, Labels([("resource", resource)]), i64::from(seen.synced))?;
    }
    let mut gauge = encoder.encode_descriptor(
        "last_sync_timestamp_seconds",
        "Last time that the API server confirmed the watched state as current, in Unix time",
        None,
        MetricType::Gauge,
    )?;
    for (resource, seen) in all() {
        one(&mut gauge, Labels([("resource", resource)]), seen.last)?;
    }
    let mut counter = encoder.encode_descriptor(
        "errors",
        "Watches and lists that ended unexpectedly",
        None,
        MetricType::Counter,
    )?;
    for (resource, seen) in all() {
        for (reason, count) in Trouble::REASONS.iter().zip(seen.errors) {
            counts(&mut counter, Labels([("resource", resource), ("reason", reason)]), count)?;
        }
    }
    let mut counter = encoder.encode_descriptor(
        "unreadable",
        "Events that could not be read, or were too large",
        None,
        MetricType::Counter,
    )?;
    for (resource, seen) in all() {
        counts(&mut counter, Labels([("resource", resource)]), seen.unreadable)?;
    }
    let (kept, over) = state.tally.size();
    let kept = i64::try_from(kept).unwrap_or(i64::MAX);
    for (name, help, value) in [
        ("pods_kept", "Unfinished pods kept in memory, in all namespaces", kept),
        (
            "pods_over_limit",
            "Pods not counted because the limit of pods in memory was reached",
            over.cast_signed(),
        ),
    ] {
        let gauge = ConstGauge::new(value);
        gauge.encode(encoder.encode_descriptor(name, help, None, ConstGauge::<i64>::TYPE)?)?;
    }
    Ok(())
}

/// Metrics of what runs in the namespaces that opted in.
fn of_the_cluster(state: &State, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
    let sums = state.tally.sums();
    let gauge = MetricType::Gauge;
    let mut metric = encoder.encode_descriptor(
        "root_containers",
        "Containers that run as root, by what allows it",
        None,
        gauge,
    )?;
    for ((namespace, mode), sums) in &sums {
        for (allowed, count) in Allowed::WORDS.iter().zip(sums.root) {
            let labels = [("namespace", *namespace), ("mode", mode), ("allowed", allowed)];
            one(&mut metric, Labels(labels), count.cast_signed())?;
        }
    }
    let mut metric = encoder.encode_descriptor(
        "unknown_user_containers",
        "Containers whose user is unknown: neither the kubelet nor the pod states it",
        None,
        gauge,
    )?;
    each(&mut metric, &sums, |sums| Some(sums.unknown_user.cast_signed()))?;
    let mut metric = encoder.encode_descriptor(
        "findings",
        "Findings that are not compliant, by rule and result, in running containers",
        None,
        gauge,
    )?;
    for ((namespace, mode), sums) in &sums {
        for (rule, counts) in RuleName::ALL.iter().zip(&sums.rules) {
            // Most counts are 0, and only the others are written.
            for (result, count) in RESULTS.iter().zip(counts).filter(|(_, count)| **count > 0) {
                let labels = [
                    ("namespace", *namespace),
                    ("mode", mode),
                    ("rule", rule.as_str()),
                    ("result", result),
                ];
                one(&mut metric, Labels(labels), count.cast_signed())?;
            }
        }
    }
    let mut metric =
        encoder.encode_descriptor("pods", "Pods that have not finished, by state", None, gauge)?;
    for ((namespace, mode), sums) in &sums {
        for (state, count) in Standing::WORDS.iter().zip(sums.standing) {
            let labels = [("namespace", *namespace), ("mode", mode), ("state", state)];
            one(&mut metric, Labels(labels), count.cast_signed())?;
        }
    }
    let mut metric =
        encoder.encode_descriptor("exempt_pods", "Pods with an exemption in force", None, gauge)?;
    each(&mut metric, &sums, |sums| Some(sums.exempt.cast_signed()))?;
    let mut metric = encoder.encode_descriptor(
        "exemption_end_timestamp_seconds",
        "End of the first exemption to expire, in Unix time; absent if none expires",
        None,
        gauge,
    )?;
    each(&mut metric, &sums, |sums| sums.ends)?;
    let mut metric = encoder.encode_descriptor(
        "namespaces",
        "Namespaces that opted in, by mode",
        None,
        gauge,
    )?;
    for mode in ["enforce", "audit"] {
        let of_mode = sums.iter().filter(|((_, other), _)| *other == mode);
        let count: u64 = of_mode.map(|(_, sums)| sums.namespaces).sum();
        one(&mut metric, Labels([("mode", mode)]), count.cast_signed())?;
    }
    Ok(())
}

/// Writes one gauge per namespace that has a value.
fn each(
    metric: &mut MetricEncoder<'_>,
    sums: &std::collections::BTreeMap<(&str, &'static str), Sums>,
    value: impl Fn(&Sums) -> Option<i64>,
) -> std::fmt::Result {
    for ((namespace, mode), sums) in sums {
        if let Some(value) = value(sums) {
            one(metric, Labels([("namespace", *namespace), ("mode", mode)]), value)?;
        }
    }
    Ok(())
}
