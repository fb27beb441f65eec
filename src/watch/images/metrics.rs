//! What is known of images, as metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric as _};

use super::known::Counts;
use super::{Learner, Progress};
use crate::watch::series::{Labels, counts, one};
use crate::watch::tally::OTHERS;

/// Maximum number of registries with lines of their own. Anybody who may create pods can name one.
const MAX_REGISTRIES: usize = 50;

/// Collector that writes what is known.
#[derive(Debug)]
pub struct Learnt(pub Arc<Learner>);

impl Collector for Learnt {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let known = self.0.known().counts();
        Shown(known, self.0.progress().clone()).encode(encoder)
    }
}

/// Collector that writes these numbers.
#[derive(Debug)]
pub struct Shown(pub Counts, pub Progress);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let Self(known, progress) = self;
        let mut metric = encoder.encode_descriptor(
            "images",
            "Images of pods, by what their facts are from",
            None,
            MetricType::Gauge,
        )?;
        for (from, count) in Counts::KNOWN.iter().zip(known.known) {
            one(&mut metric, Labels([("known", *from)]), count.cast_signed())?;
        }
        let mut metric = encoder.encode_descriptor(
            "images_failed",
            "Images that could not be read at the last try, by registry and reason",
            None,
            MetricType::Gauge,
        )?;
        for ((registry, reason), count) in bounded(&known.failed) {
            let labels = Labels([("registry", registry), ("reason", reason)]);
            one(&mut metric, labels, count.cast_signed())?;
        }
        if let Some(oldest) = known.oldest {
            let help = "When the image that was checked longest ago was checked, in Unix time";
            let name = "images_oldest_check_timestamp_seconds";
            let gauge = encoder.encode_descriptor(name, help, None, ConstGauge::<i64>::TYPE)?;
            ConstGauge::new(oldest).encode(gauge)?;
        }
        for (name, help, value) in [
            ("images_dropped", "Images whose facts do not fit in their ConfigMap", known.dropped),
            (
                "images_over_limit",
                "Images not kept because the limit of images in memory was reached",
                known.over,
            ),
            (
                "image_facts_failing",
                "1 while the ConfigMaps of facts cannot be read or written",
                u64::from(progress.trouble.is_some()),
            ),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None, ConstGauge::<i64>::TYPE)?;
            ConstGauge::new(value.cast_signed()).encode(gauge)?;
        }
        for (name, help, words, values) in [
            ("image_reads", "Images read, by result", Progress::READS, progress.reads),
            (
                "image_facts_writes",
                "ConfigMaps of facts written, by result",
                Progress::WRITES,
                progress.writes,
            ),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (word, value) in words.iter().zip(values) {
                counts(&mut metric, Labels([("result", *word)]), value)?;
            }
        }
        Ok(())
    }
}

/// The first registries, and the sum of all others.
fn bounded<'f>(
    failed: &'f BTreeMap<(String, &'static str), u64>,
) -> BTreeMap<(&'f str, &'static str), u64> {
    let mut sums: BTreeMap<(&str, &'static str), u64> = BTreeMap::new();
    let mut registries: Vec<&str> = Vec::new();
    for ((registry, reason), count) in failed {
        if registries.last() != Some(&registry.as_str()) {
            registries.push(registry);
        }
        let name = if registries.len() > MAX_REGISTRIES { OTHERS } else { registry };
        *sums.entry((name, reason)).or_default() += count;
    }
    sums
}
