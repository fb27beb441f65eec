//! The measuring tools measure right, and the page of figures is what was measured.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says where")]
#![allow(unreachable_pub, reason = "the modules of a test are nobody else's")]

#[path = "../benches/support/stats.rs"]
#[allow(dead_code, reason = "the report uses all of it")]
mod stats;

use stats::{Line, Spread};

#[test]
fn quartiles_lie_between_values() {
    let spread = Spread::of([4.0, 1.0, 3.0, 2.0]);
    assert_eq!((spread.min, spread.q1, spread.median), (1.0, 1.75, 2.5));
    assert_eq!((spread.q3, spread.max), (3.25, 4.0));
}

#[test]
fn a_line_is_found_and_a_parabola_is_not_called_one() {
    let points: Vec<_> = [1.0, 3.0, 10.0, 100.0].map(|x| (x, 2.0 + 3.0 * x)).into();
    let line = Line::through(&points);
    assert!((line.start - 2.0).abs() < 1e-6 && (line.slope - 3.0).abs() < 1e-6, "{line:?}");
    assert!(line.r_squared > 0.999_999);
    let points: Vec<_> = [1.0, 3.0, 10.0, 100.0].map(|x| (x, x * x)).into();
    assert!(Line::through(&points).r_squared < 0.9);
}
