//! How far the reports are behind, as metrics.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric as _};

use super::Reporter;
use super::store::{Counts, Store};
use crate::watch::series::{Labels, counts};

/// Collector that writes what is kept.
#[derive(Debug)]
pub struct Kept(pub Arc<Reporter>);

impl Collector for Kept {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        self.0.store().encode(encoder)
    }
}

impl Collector for Store {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let (waiting, oldest) = self.waiting();
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for (name, help, value) in [
            ("reports", "Reports of workloads that exist", whole(self.reports())),
            (
                "reports_waiting",
                "Workloads that have changed and whose Report is yet to be written",
                whole(waiting),
            ),
            (
                "reports_over_limit",
                "Times that a pod was in no Report because a limit was reached",
                self.over().cast_signed(),
            ),
            (
                "reports_failing",
                "1 while Reports cannot be listed, read or written",
                i64::from(self.trouble.is_some()),
            ),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None, ConstGauge::<i64>::TYPE)?;
            ConstGauge::new(value).encode(gauge)?;
        }
        if let Some(oldest) = oldest {
            let help = "When the first change came that is in no Report yet, in Unix time";
            let name = "reports_oldest_change_timestamp_seconds";
            let gauge = encoder.encode_descriptor(name, help, None, ConstGauge::<i64>::TYPE)?;
            ConstGauge::new(oldest.as_second()).encode(gauge)?;
        }
        let Counts { written, deleted, failed, taken } = self.counts;
        let help = "Reports written, by result; taken where somebody else has one of the name";
        let mut metric =
            encoder.encode_descriptor("report_writes", help, None, MetricType::Counter)?;
        for (result, count) in
            [("written", written), ("deleted", deleted), ("failed", failed), ("taken", taken)]
        {
            counts(&mut metric, Labels([("result", result)]), count)?;
        }
        Ok(())
    }
}
