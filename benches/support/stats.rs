//! Medians and spreads.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What was seen in the rounds of one measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The lowest.
    pub min: f64,
    /// A quarter is below.
    pub q1: f64,
    /// Half are below.
    pub median: f64,
    /// Three quarters are below.
    pub q3: f64,
    /// The highest.
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

    /// The same in another unit.
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        let Self { min, q1, median, q3, max } = self;
        Self {
            min: change(min),
            q1: change(q1),
            median: change(median),
            q3: change(q3),
            max: change(max),
        }
    }
}

/// Of values in order, the one that a share of them is below; between two, what lies between.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// The same of times.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let place = (share * (sorted.len() - 1) as f64).round();
    sorted[place as usize]
}

/// The straight line that is nearest to the points: what it starts from, what it rises by,
/// and the share of the variance that it explains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// At nothing.
    pub start: f64,
    /// For each one more.
    pub slope: f64,
    /// 1 for points on a line.
    pub r_squared: f64,
}

impl Line {
    /// Through at least two points. Each counts by how far off it is in relation to its
    /// height, so that the largest does not decide alone.
    pub fn through(points: &[(f64, f64)]) -> Self {
        let weight = |y: f64| 1.0 / (y * y);
        let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
            points.iter().map(|(x, y)| weight(*y) * of(*x, *y)).sum()
        };
        let (one, x, y) = (sum(&|_, _| 1.0), sum(&|x, _| x), sum(&|_, y| y));
        let (xx, xy) = (sum(&|x, _| x * x), sum(&|x, y| x * y));
        let slope = (one * xy - x * y) / (one * xx - x * x);
        let start = (y - slope * x) / one;
        let mean = y / one;
        let off = sum(&|x, y| (y - start - slope * x).powi(2));
        let all = sum(&|_, y| (y - mean).powi(2));
        Self { start, slope, r_squared: 1.0 - off / all }
    }
}
