//! What hardening breaks, as metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric as _};

use super::Breakage;
use super::store::Store;
use crate::foresight::risk::Cause;
use crate::watch::series::{Labels, counts, one};
use crate::watch::tally::{MAX_NAMESPACES, OTHERS};

/// Label value of pods that fail for a reason that is not known.
const UNKNOWN: &str = "unknown";

/// Collector that writes what is broken.
#[derive(Debug)]
pub struct Broken(pub Arc<Breakage>);

impl Collector for Broken {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        self.0.store().encode(encoder)
    }
}

impl Collector for Store {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let mut metric = encoder.encode_descriptor(
            "broken_pods",
            "Hardened pods that fail, by the cause in hardening; unknown where none is seen",
            None,
            MetricType::Gauge,
        )?;
        for ((namespace, cause), count) in bounded(self.broken()) {
            let labels = Labels([("namespace", namespace), ("cause", cause)]);
            one(&mut metric, labels, count.cast_signed())?;
        }
        let values = self.counts;
        for (name, help, results) in [
            (
                "breakage_events",
                "Causes told in Events, by result",
                [("told", values.told), ("failed", values.untold)],
            ),
            (
                "breakage_log_reads",
                "Logs of pods that fail, by result",
                [("read", values.logs), ("failed", values.no_logs)],
            ),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (result, count) in results {
                counts(&mut metric, Labels([("result", result)]), count)?;
            }
        }
        let waiting = i64::try_from(self.waiting()).unwrap_or(i64::MAX);
        for (name, help, value) in [
            ("breakage_waiting", "Pods that fail and wait for being read", waiting),
            (
                "breakage_over_limit",
                "Times that a pod that fails was not kept because a limit was reached",
                values.over.cast_signed(),
            ),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None, ConstGauge::<i64>::TYPE)?;
            ConstGauge::new(value).encode(gauge)?;
        }
        Ok(())
    }
}

/// The same with a bounded number of namespaces: those beyond the limit are summed up.
fn bounded(all: BTreeMap<(&str, Option<Cause>), u64>) -> BTreeMap<(&str, &'static str), u64> {
    let namespaces: BTreeSet<&str> = all.keys().map(|(namespace, _)| *namespace).collect();
    let named: BTreeSet<&str> = namespaces.into_iter().take(MAX_NAMESPACES).collect();
    let mut sums = BTreeMap::new();
    for ((namespace, cause), count) in all {
        let namespace = if named.contains(namespace) { namespace } else { OTHERS };
        let cause = cause.map_or(UNKNOWN, Cause::as_str);
        *sums.entry((namespace, cause)).or_default() += count;
    }
    sums
}
