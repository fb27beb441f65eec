#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that fails says where"
)]

use std::collections::HashSet;

use super::*;
use crate::cli::report::sample::{self, HOSTILE};

/// Every value of `key`, wherever it stands.
fn all<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if name == key {
                    found.push(member);
                }
                all(member, key, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| all(item, key, found)),
        _ => {}
    }
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    all(value, key, &mut found);
    found.into_iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

#[test]
fn identifiers_are_stable_and_lead_somewhere() {
    let results = assessment_results(&sample::document(12, "web")).unwrap();
    assert_eq!(results, assessment_results(&sample::document(12, "web")).unwrap());
    let uuids = texts(&results, "uuid");
    let unique: HashSet<&String> = uuids.iter().collect();
    assert_eq!(unique.len(), uuids.len());
    for uuid in &uuids {
        let form = uuid.len() == 36 && &uuid[14..15] == "5" && "89ab".contains(&uuid[19..20]);
        assert!(form && uuid.bytes().filter(|byte| *byte == b'-').count() == 4, "{uuid}");
    }
    for key in ["observation-uuid", "subject-uuid"] {
        let references = texts(&results, key);
        assert!(!references.is_empty());
        assert!(references.iter().all(|reference| unique.contains(reference)), "{key}");
    }
    // As another implementation (Python's uuid) makes it of the same bytes.
    assert_eq!(uuid(&["plan"]), "73033aa5-bbaa-5a00-99f0-e5f8e1a263ae");
}

/// No control is called satisfied by what answers a part of it.
#[test]
fn nothing_is_called_satisfied() {
    let results = assessment_results(&sample::document(3, "web")).unwrap();
    let result = &results["assessment-results"]["results"][0];
    let findings = result["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 6);
    let states = texts(&result["findings"], "state");
    assert!(states.iter().all(|state| state == "not-satisfied"), "{states:?}");
    let targets = texts(result, "target-id");
    assert_eq!(targets[..2], ["ac-6_smt", "ac-6.10_smt"]);
}

/// A property's value has no space at its ends, and no character that cannot be seen.
#[test]
fn properties_are_what_oscal_takes() {
    let results = assessment_results(&sample::document(3, HOSTILE)).unwrap();
    for value in texts(&results, "value") {
        assert!(!value.is_empty() && value.trim() == value, "{value:?}");
        assert!(!value.contains(crate::text::is_deceptive), "{value:?}");
    }
}

#[test]
fn without_the_standard_there_is_nothing_to_say() {
    let mut document = sample::document(1, "web");
    document.controls.retain(|framework| framework.id != STANDARD);
    assert!(assessment_results(&document).is_none());
}
