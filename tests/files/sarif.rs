//! `harden -o sarif`, by what SARIF 2.1.0 requires and GitHub reads.

use std::collections::{BTreeMap, BTreeSet};

use ironhull::rule::RuleName;
use serde_json::Value;

use crate::{POD, ironhull, lay, root, stdout};

fn log(directory: &std::path::Path, arguments: &[&str]) -> (Value, Option<i32>) {
    let mut command = vec!["harden", "-o", "sarif"];
    command.extend(arguments);
    let output = ironhull(directory, &command);
    (serde_json::from_str(&stdout(&output)).expect("JSON"), output.status.code())
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}: {value}"))
}

/// What the schema calls for in a location, and that the place is there.
fn check_location(location: &Value) {
    let place = &location["physicalLocation"];
    let uri = text(place, "/artifactLocation/uri");
    assert!(!uri.contains([' ', '\\', '"']), "{uri}");
    match place.pointer("/artifactLocation/uriBaseId") {
        Some(base) => {
            assert_eq!(base, "%SRCROOT%");
            assert!(!uri.starts_with('/') && !uri.contains(".."), "{uri}");
        }
        None => assert!(uri.starts_with("file:///"), "{uri}"),
    }
    if let Some(region) = place.get("region") {
        assert!(region["startLine"].as_u64().unwrap() >= 1);
        assert!(region["startColumn"].as_u64().unwrap() >= 1);
    }
}

/// The log's one run, checked against what the standard requires.
fn checked(log: &Value) -> &Value {
    assert_eq!(log["version"], "2.1.0");
    assert!(text(log, "/$schema").contains("2.1.0"));
    let run = &log["runs"][0];
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    assert_eq!(text(run, "/tool/driver/name"), "ironhull");
    assert_eq!(text(run, "/tool/driver/version"), env!("CARGO_PKG_VERSION"));
    assert!(run["originalUriBaseIds"].get("%SRCROOT%").is_some());
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), RuleName::ALL.len());
    let levels = ["none", "note", "warning", "error"];
    for rule in rules {
        for pointer in ["/id", "/shortDescription/text", "/fullDescription/text", "/help/text"] {
            assert!(!text(rule, pointer).is_empty(), "{pointer} of {rule}");
        }
        // GitHub cuts longer ones.
        assert!(text(rule, "/shortDescription/text").len() <= 1024);
        assert!(text(rule, "/helpUri").starts_with("https://"));
        assert!(levels.contains(&text(rule, "/defaultConfiguration/level")));
    }
    let mut fingerprints = BTreeSet::new();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], rules[index]["id"]);
        assert!(levels.contains(&text(result, "/level")));
        assert!(!text(result, "/message/text").is_empty());
        result["locations"].as_array().unwrap().iter().for_each(check_location);
        assert!(fingerprints.insert(text(result, "/partialFingerprints/ironhull~1v1")), "{result}");
    }
    for invocation in run["invocations"].as_array().unwrap() {
        assert!(invocation["executionSuccessful"].is_boolean());
        for notification in invocation["toolExecutionNotifications"].as_array().unwrap() {
            assert!(levels.contains(&text(notification, "/level")));
            assert!(!text(notification, "/message/text").is_empty());
            notification["locations"].as_array().unwrap().iter().for_each(check_location);
        }
    }
    run
}

/// A result a line: where, how bad, what.
fn results(run: &Value) -> String {
    let lines = run["results"].as_array().unwrap().iter().map(|result| {
        let place = &result["locations"][0]["physicalLocation"];
        let (uri, region) = (&place["artifactLocation"]["uri"], &place["region"]);
        format!(
            "{}:{}:{}: {}: {}\n",
            uri.as_str().unwrap(),
            region["startLine"],
            region["startColumn"],
            text(result, "/level"),
            text(result, "/message/text")
        )
    });
    lines.collect()
}

#[test]
fn each_field_that_would_change_is_a_result_where_it_stands() {
    let directory = root().join("tests/files/sarif");
    let (log, code) = log(&directory, &["--check", "-f", "web.yaml"]);
    assert_eq!(code, Some(1));
    let results = results(checked(&log));
    let path = directory.join("web.expected");
    if crate::update::is_wanted() {
        std::fs::write(&path, &results).unwrap();
    }
    assert_eq!(results, std::fs::read_to_string(path).unwrap());
}

#[test]
fn without_check_only_the_exit_code_differs() {
    let directory = root().join("tests/files/sarif");
    let (checked, code) = log(&directory, &["--check", "-f", "web.yaml"]);
    assert_eq!((log(&directory, &["-f", "web.yaml"]), code), ((checked, Some(0)), Some(1)));
}

#[test]
fn what_cannot_be_read_is_a_notification_and_the_rest_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let template = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .name }}\n";
    lay(directory.path(), &[("a b/ü#.yaml", POD), ("bad.yaml", template)]);
    let (log, code) = log(directory.path(), &["-f", ".", "-f", "missing.yaml"]);
    assert_eq!(code, Some(2));
    let run = checked(&log);
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let notifications = invocation["toolExecutionNotifications"].as_array().unwrap();
    assert_eq!(notifications.len(), 2);
    assert_eq!(notifications[0]["locations"][0]["physicalLocation"]["region"]["startLine"], 4);
    assert!(results(run).starts_with("a%20b/%C3%BC%23.yaml:8:5: warning: Pod/app, container app"));
}

/// An alert that is known stays known when lines move, and is not taken for another.
#[test]
fn identities_stay_when_lines_move() {
    let identities = |text: &str| -> BTreeMap<String, String> {
        let directory = tempfile::tempdir().unwrap();
        lay(directory.path(), &[("in.yaml", text)]);
        let (log, _) = log(directory.path(), &["-f", "in.yaml"]);
        let run = checked(&log);
        let one = |result: &Value| {
            let print = text_of(result, "/partialFingerprints/primaryLocationLineHash");
            (print, text_of(result, "/message/text"))
        };
        run["results"].as_array().unwrap().iter().map(one).collect()
    };
    let before = identities(POD);
    let moved = identities(&format!("# more\n\n{}", POD.replace("app:1", "app:2")));
    assert_eq!(before, moved);
    let other = identities(&POD.replace("name: app\nspec", "name: other\nspec"));
    assert!(before.keys().all(|print| !other.contains_key(print)));
    // Two objects of one name are two.
    assert_eq!(identities(&format!("{POD}---\n{POD}")).len(), 2 * before.len());
}

fn text_of(value: &Value, pointer: &str) -> String {
    text(value, pointer).to_owned()
}
