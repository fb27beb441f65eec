//! One series of a family, with its labels.

use prometheus_client::encoding::{
    EncodeLabel as _, EncodeLabelSet, EncodeMetric as _, LabelSetEncoder, MetricEncoder,
};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Labels and their values.
pub(super) struct Labels<'l, const N: usize>(pub(super) [(&'static str, &'l str); N]);

impl<const N: usize> EncodeLabelSet for Labels<'_, N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|label| label.encode(encoder.encode_label()))
    }
}

/// Writes a gauge.
pub(super) fn one<const N: usize>(
    metric: &mut MetricEncoder<'_>,
    labels: Labels<'_, N>,
    value: i64,
) -> std::fmt::Result {
    ConstGauge::new(value).encode(metric.encode_family(&labels)?)
}

/// Writes a counter.
pub(super) fn counts<const N: usize>(
    metric: &mut MetricEncoder<'_>,
    labels: Labels<'_, N>,
    value: u64,
) -> std::fmt::Result {
    ConstCounter::new(value).encode(metric.encode_family(&labels)?)
}
