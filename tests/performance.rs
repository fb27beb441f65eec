//! The measuring tools count right, and the page of figures is what was measured.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says where")]
#![allow(unreachable_pub, missing_docs, reason = "the modules of a test are nobody else's")]

#[path = "../benches/report/render.rs"]
mod render;
#[path = "../benches/support"]
mod support {
    pub mod page;
    #[allow(dead_code, reason = "the report uses all of it")]
    pub mod stats;
}

#[path = "support/update.rs"]
mod update;

use std::fs;

use support::stats::Spread;

/// They are made by `make bench`, and by nobody else: `UPDATE_EXPECT=1` writes what the
/// renderer makes of the same figures.
#[test]
fn the_page_of_figures_is_what_was_measured() {
    let docs = |name: &str| format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    let report = fs::read_to_string(docs("performance.json")).unwrap();
    let report = serde_json::from_str(&report).unwrap();
    for (name, text) in render::files(&report).unwrap() {
        if update::is_wanted() {
            fs::write(docs(name), &text).unwrap();
        }
        let there = fs::read_to_string(docs(name)).unwrap_or_default();
        assert!(there == text, "docs/{name} is not what docs/performance.json says: `make docs`");
    }
}

#[test]
fn quartiles_lie_between_values() {
    let spread = Spread::of([4.0, 1.0, 3.0, 2.0]);
    assert_eq!((spread.min, spread.q1, spread.median), (1.0, 1.75, 2.5));
    assert_eq!((spread.q3, spread.max), (3.25, 4.0));
}
