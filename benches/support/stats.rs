//! Medians and spreads.

use serde::{Deserialize, Serialize};

/// What was seen in the rounds of one measurement: the lowest, the quartiles, the highest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub min: f64,
    pub q1: f64,
    pub median: f64,
    pub q3: f64,
    pub max: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        assert!(!values.is_empty(), "nothing was measured");
        values.sort_by(f64::total_cmp);
        let at = |share| quantile(&values, share);
        Self { min: at(0.0), q1: at(0.25), median: at(0.5), q3: at(0.75), max: at(1.0) }
    }

    /// Of what each of them is to its counterpart.
    pub fn of_ratios<'v, T: 'v>(
        these: impl IntoIterator<Item = &'v T>,
        those: impl IntoIterator<Item = &'v T>,
        of: impl Fn(&T) -> f64,
    ) -> Self {
        Self::of(these.into_iter().zip(those).map(|(this, that)| of(this) / of(that)))
    }
}

/// Of values in order, the one that a share of them is below; between two, what lies between.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// The same without what lies between; zero if there is none.
pub fn percentile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    let place = share * sorted.len().saturating_sub(1) as f64;
    sorted.get(place.round() as usize).copied().unwrap_or_default()
}
