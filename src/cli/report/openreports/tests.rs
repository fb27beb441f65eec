#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says where")]

use super::*;
use crate::cli::report::sample::{self, HOSTILE};
use crate::evidence::controls::ControlSet;

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().unwrap()
}

/// The words that the CRD takes, the members that it requires, and sums that are so.
#[test]
fn reports_are_what_the_crd_takes() {
    let list = list(&sample::document(12, "web"), true);
    assert_eq!(items(&list).len(), 13);
    for item in items(&list) {
        assert_eq!(item["apiVersion"], API_VERSION);
        let results = item["results"].as_array().unwrap();
        for result in results {
            assert!(result["policy"].is_string());
            let word = result["result"].as_str().unwrap();
            assert!(["pass", "fail", "warn", "error", "skip"].contains(&word), "{word}");
            if let Some(severity) = result.get("severity") {
                let severity = severity.as_str().unwrap();
                assert!(["critical", "high", "medium", "low", "info"].contains(&severity));
            }
            assert!(result["timestamp"]["seconds"].as_i64().unwrap() > 0);
            assert!(result["properties"].as_object().unwrap().values().all(Value::is_string));
        }
        let sum: u64 = ["pass", "fail", "warn", "error", "skip"]
            .iter()
            .map(|word| item["summary"][word].as_u64().unwrap())
            .sum();
        assert_eq!(sum, results.len() as u64);
    }
}

#[test]
fn a_report_goes_with_its_workload() {
    let list = list(&sample::document(1, "web"), false);
    let report = &items(&list)[0];
    assert_eq!(report["kind"], "Report");
    let owner = &report["metadata"]["ownerReferences"][0];
    for key in ["kind", "name", "uid"] {
        assert_eq!(owner[key], report["scope"][key]);
    }
    assert_eq!(report["scope"]["namespace"], report["metadata"]["namespace"]);
}

/// A field that an exemption allows was not asked for, and says until when.
#[test]
fn an_exemption_is_skipped_with_its_end() {
    let list = list(&sample::document(12, "web"), false);
    let results = items(&list).iter().flat_map(|item| item["results"].as_array().unwrap());
    let exempt: Vec<&Value> =
        results.filter(|result| result["properties"]["state"] == "exempt").collect();
    assert!(!exempt.is_empty());
    for result in exempt {
        assert_eq!(result["result"], "skip");
        assert_eq!(result["properties"]["until"], "2027-03-01");
        assert_eq!(result["properties"]["ticket"], "SEC-12");
    }
}

/// However long the texts of a cluster are, a report fits into etcd; its name is one.
#[test]
fn reports_are_bounded() {
    let long = HOSTILE.repeat(400);
    let list = list(&sample::document(3, &long), true);
    for item in items(&list) {
        let size = item["results"].to_string().len();
        assert!(size < 300_000, "{size}");
        let name = item["metadata"]["name"].as_str().unwrap();
        assert!(name.len() < 253, "{}", name.len());
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        assert!(name.chars().all(good), "{name}");
    }
}

#[test]
fn a_part_of_a_cluster_has_no_report_of_controls() {
    let document = sample::document(1, "web");
    let list = list(&document, false);
    assert!(items(&list).iter().all(|item| item["kind"] == "Report"));
    let controls: usize =
        ControlSet::built_in().frameworks.iter().map(|it| it.controls.len()).sum();
    let all = super::list(&document, true);
    let report = items(&all).last().unwrap();
    assert_eq!(report["results"].as_array().unwrap().len(), controls);
}
