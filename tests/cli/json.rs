//! What the commands write for programs is what its schema says, and not a member more.

use std::path::Path;

use ironhull::cli::schemas::schemas;
use serde_json::Value;

use super::live::{Case, cases};
use super::schema::check;
use super::{answer, run};

/// Command lines by the name of the schema of what they write.
const CASES: &[(&str, &str)] = &[
    ("explain", "explain -o json -f docs/examples/auditor.yaml"),
    ("explain", "explain -o json -f tests/manifests/explain/in.yaml --date 2026-07-01"),
    ("explain", "explain -o json -f tests/manifests/kinds/in.yaml"),
    ("explain", "explain -o json -f tests/manifests/explain-nothing/in.yaml"),
    ("harden-patch", "harden -o patch -f tests/manifests/kinds/in.yaml"),
    ("harden-patch", "harden -o patch -f tests/manifests/list/in.yaml"),
    ("rules", "rules -o json"),
    ("rules", "rules capabilities -o json"),
    ("image-inspect", "image inspect --no-cache -o json oci:tests/images/example"),
    ("policy-check", "policy check -o json policies"),
    ("policy-check", "policy check -o json tests/policy-errors/uid"),
    ("policy-check", "policy check -o json tests/policy-errors/conflict-name"),
    ("policy-check", "policy check -o json tests/policy-errors/warning-never-reached"),
    ("policy-show", "policy show shop -o json"),
    ("policy-show", "policy show shop -o json --policy policies"),
];

/// What takes a node: the end-to-end suite holds it against its schema.
const ELSEWHERE: &[&str] = &["observe"];

#[test]
fn outputs_are_as_described() {
    let live: Vec<_> = cases().iter().flat_map(|directory| with_cluster(directory)).collect();
    for output in schemas() {
        let schema = output.schema.to_value();
        let mut cases = 0;
        for (_, line, value) in live.iter().filter(|(name, ..)| *name == output.name) {
            cases += 1;
            let wrong = check(&schema, &schema, value, "");
            assert!(wrong.is_empty(), "{line}\n{}", wrong.join("\n"));
        }
        for (_, line) in CASES.iter().filter(|(name, _)| *name == output.name) {
            for value in values(line) {
                cases += 1;
                let wrong = check(&schema, &schema, &value, "");
                assert!(wrong.is_empty(), "ironhull {line}\n{}", wrong.join("\n"));
            }
        }
        assert!(cases > 0 || ELSEWHERE.contains(&output.name), "no case for {}", output.name);
    }
}

/// What a case of tests/live writes for programs, with the name of its schema.
fn with_cluster(directory: &Path) -> Option<(&'static str, String, Value)> {
    let case = Case::read(directory).unwrap();
    let name = match case.arguments[0].as_str() {
        _ if case.exit == 2 => return None,
        "preview" => "preview",
        "report" => "report",
        "explain" => "explain-pod",
        _ if case.arguments[1] == "show" => "policy-show",
        _ => "policy-diff",
    };
    if case.arguments.iter().any(|word| ["csv", "csv-controls", "markdown"].contains(&&**word)) {
        return None;
    }
    let said = case.arguments.iter().any(|word| word == "-o");
    let output = case.run(if said { &[] } else { &["-o", "json"] });
    let line = format!("{}: ironhull {}", directory.display(), case.arguments.join(" "));
    let text = String::from_utf8(output.stdout).unwrap();
    let value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}"));
    Some((name, line, value))
}

fn values(line: &str) -> Vec<Value> {
    let text = String::from_utf8(run(line).stdout).unwrap();
    serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect()
}

#[test]
fn nothing_for_people_gets_among_it() {
    for (_, line) in CASES.iter().filter(|(name, _)| *name == "rules") {
        assert!(serde_json::from_str::<Value>(&answer(line)).is_ok(), "{line}");
    }
}

#[test]
fn a_member_that_is_not_described_is_found() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"],
        "properties": {"a": {"type": ["string", "null"]}, "b": {"anyOf": [{"$ref": "#/$defs/B"}]}},
        "$defs": {"B": {"type": "array", "items": {"type": "integer"}}},
    });
    for (value, wrong) in [
        (serde_json::json!({"a": null, "b": [1]}), 0),
        (serde_json::json!({"a": "", "c": 1}), 1),
        (serde_json::json!({"b": []}), 1),
        (serde_json::json!({"a": 1, "b": ["x"]}), 2),
    ] {
        assert_eq!(check(&schema, &schema, &value, "").len(), wrong, "{value}");
    }
}
