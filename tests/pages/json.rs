//! `docs/json.md` and `docs/schemas/`: what programs may read of the commands.

use std::fmt::Write;

use ironhull::cli::schemas::{Output, schemas};
use serde_json::{Map, Value};

/// What stands before the outputs.
const INTRODUCTION: &str = "\
# Outputs for programs

Generated from the program's own types by `make docs`; each output has its JSON Schema beside this page.

Within a major version, members keep their names and meanings, and none is removed. New ones may be added: ignore
members that you do not know. Members that may be left out say so; all others are always present, and null if they have
no value.

**Errors.** If a command exits with 2, its standard output is empty, and standard error has the error in text for people:
file, line, column, the line itself, a hint. Only `policy check -o json` has errors on standard output, since they are
its result. So check the exit status first ([cli.md](cli.md)).

Besides these, `harden -o json` writes Kubernetes objects as kubectl does (one by itself, several as a `List`), and
`policy schema` writes the [JSON Schema of policy files](../policies/schema.json).
";

/// The page.
pub fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    for Output { name, command, is, schema } in schemas() {
        let schema = schema.to_value();
        let _ = write!(page, "\n## {command}\n\n{is} Schema: [{name}.json](schemas/{name}.json)\n");
        let top = schema.get("items").unwrap_or(&schema);
        let top = match top.get("$ref").and_then(Value::as_str) {
            Some(reference) => definition(&schema, reference),
            None => top,
        };
        table(&mut page, top);
        let below = schema.get("$defs").and_then(Value::as_object);
        for (name, one) in below.into_iter().flatten() {
            if std::ptr::eq(one, top) {
                continue;
            }
            let _ = write!(page, "\n**{name}**: {}\n", described(one));
            match one["oneOf"].as_array() {
                Some(words) => words_of(&mut page, words),
                None => table(&mut page, one),
            }
        }
    }
    page
}

/// The files of `docs/schemas/`, by name.
pub fn files() -> Vec<(String, String)> {
    let file = |output: Output| {
        let text = serde_json::to_string_pretty(&output.schema).unwrap() + "\n";
        (format!("{}.json", output.name), text)
    };
    schemas().into_iter().map(file).collect()
}

fn definition<'s>(schema: &'s Value, reference: &str) -> &'s Value {
    schema.pointer(reference.trim_start_matches('#')).unwrap()
}

/// A closed list of words.
fn words_of(page: &mut String, words: &[Value]) {
    page.push_str("\n| word | |\n|---|---|\n");
    for word in words {
        let _ = writeln!(page, "| `{}` | {} |", word["const"].as_str().unwrap(), described(word));
    }
}

fn table(page: &mut String, object: &Value) {
    if let Some(choices) = object["oneOf"].as_array() {
        return words_of(page, choices);
    }
    page.push_str("\n| member | type | |\n|---|---|---|\n");
    let members = object["properties"].as_object().unwrap();
    let required: Vec<&str> =
        object["required"].as_array().into_iter().flatten().map(|v| v.as_str().unwrap()).collect();
    for (name, member) in members {
        let description = described(member);
        assert!(!description.is_empty(), "`{name}` has no description");
        let there = required.contains(&name.as_str()) || description.contains("left out");
        let may_be_null = kind(member).contains("null") || kind(member) == "any";
        assert!(there || may_be_null, "`{name}` may be left out, and does not say so");
        let _ = writeln!(page, "| `{name}` | {} | {description} |", kind(member));
    }
}

/// The description of a value, on one line.
fn described(value: &Value) -> String {
    let text = value["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The type of a value, in words.
fn kind(value: &Value) -> String {
    let Some(schema) = value.as_object() else { return "any".to_owned() };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return reference.rsplit('/').next().unwrap().to_owned();
    }
    if let Some(Value::Array(choices)) = schema.get("anyOf") {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    match schema.get("type") {
        Some(Value::String(one)) => named(one, schema),
        Some(Value::Array(several)) => {
            let several = several.iter().map(|one| named(one.as_str().unwrap(), schema));
            several.collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}

fn named(kind: &str, schema: &Map<String, Value>) -> String {
    match (kind, schema.get("items")) {
        ("array", Some(items)) => format!("list of {}", self::kind(items)),
        ("array", None) => "list".to_owned(),
        _ => kind.to_owned(),
    }
}
