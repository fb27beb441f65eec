//! The chart's schema of values.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::policies::run_policy;
use super::rendered::root;
use super::update;

/// The chart's schema has the policies' in it, each definition on a line of its own.
/// `UPDATE_EXPECT=1` writes them.
#[test]
fn the_schema_has_that_of_policies() {
    let file = root().join("deploy/chart/values.schema.json");
    let (code, text) = run_policy(&["policy", "schema"]);
    assert_eq!(code, 0);
    let schema: Value = serde_json::from_str(&text).unwrap();
    let definitions = schema["$defs"].as_object().unwrap();
    let lines: Vec<String> = definitions
        .iter()
        .filter(|(name, _)| {
            !matches!(name.as_str(), "HardeningPolicy" | "KnownImages" | "Metadata")
        })
        .map(|(name, definition)| {
            let mut definition = definition.clone();
            without_lookahead(&mut definition);
            let mut text = definition.to_string();
            for name in definitions.keys() {
                let (ours, theirs) =
                    (format!("#/definitions/policy{name}\""), format!("#/$defs/{name}\""));
                text = text.replace(&theirs, &ours);
            }
            format!("    \"policy{name}\": {text},")
        })
        .collect();
    let found = fs::read_to_string(&file).unwrap();
    let (others, ours): (Vec<&str>, Vec<&str>) =
        found.lines().partition(|line| !line.starts_with("    \"policy"));
    if update::is_wanted() {
        let at = others.iter().position(|line| *line == "  \"definitions\": {").unwrap() + 1;
        let (before, after) = others.split_at(at);
        let lines = lines.iter().map(String::as_str);
        let lines = before.iter().copied().chain(lines).chain(after.iter().copied());
        fs::write(&file, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        return;
    }
    assert_eq!(ours, lines, "UPDATE_EXPECT=1 writes them");
}

/// Helm's regular expressions, those of Go, cannot look ahead: what must not follow the
/// beginning becomes a `not`.
fn without_lookahead(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let pattern = members.get("pattern").and_then(Value::as_str).map(str::to_owned);
            if let Some(mut rest) = pattern.as_deref().and_then(|text| text.strip_prefix("^(?!")) {
                let mut refused = Vec::new();
                while let Some((not, after)) = rest.split_once(')') {
                    refused.push(json!({"pattern": format!("^{not}")}));
                    match after.strip_prefix("(?!") {
                        Some(next) => rest = next,
                        None => {
                            rest = after;
                            break;
                        }
                    }
                }
                members.insert("pattern".to_owned(), format!("^{rest}").into());
                members.insert("not".to_owned(), json!({"anyOf": refused}));
            }
            members.values_mut().for_each(without_lookahead);
        }
        Value::Array(items) => items.iter_mut().for_each(without_lookahead),
        _ => {}
    }
}

/// What can be set is what values.yaml lists, and the schema knows all of it.
#[test]
fn the_schema_lists_every_value() {
    let text = fs::read_to_string(root().join("deploy/chart/values.yaml")).unwrap();
    let values: Value = serde_yaml::from_str(&text).unwrap();
    let text = fs::read_to_string(root().join("deploy/chart/values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    compare("", &values, &schema);
}

fn compare(path: &str, values: &Value, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    // Optional by nature: listed in the schema alone.
    if path == ".certManager.issuerRef" {
        return;
    }
    let listed: BTreeSet<_> = values.as_object().unwrap().keys().collect();
    let known: BTreeSet<_> = properties.keys().filter(|key| *key != "global").collect();
    assert_eq!(listed, known, "in `{path}`");
    // A group that is missing is an error with its name, and none from within a template: `helm upgrade --reuse-values`
    // has the values of the older chart, without the groups that are new.
    let is_group = |key: &&&String| {
        properties[key.as_str()]["properties"].is_object() && key.as_str() != "issuerRef"
    };
    let groups: BTreeSet<_> = known.iter().filter(is_group).map(|key| key.as_str()).collect();
    let required = schema["required"].as_array().into_iter().flatten();
    let required: BTreeSet<_> = required.filter_map(Value::as_str).collect();
    assert_eq!(required, groups, "required in `{path}`");
    for key in listed {
        compare(&format!("{path}.{key}"), &values[key], &properties[key]);
    }
}
