//! Whether a value is as a JSON Schema says: as much of it as schemars writes for our types.

use serde_json::Value;

/// What of a value is not as its schema says. Knows what schemars writes for our types; a
/// member that the schema does not name is wrong here.
pub fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let Some(map) = schema.as_object() else { return Vec::new() };
    if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
        let definition = root.pointer(reference.trim_start_matches('#')).unwrap();
        return check(root, definition, value, at);
    }
    if let Some(Value::Array(choices)) = map.get("anyOf") {
        let all: Vec<_> = choices.iter().map(|choice| check(root, choice, value, at)).collect();
        return all.into_iter().min_by_key(Vec::len).unwrap();
    }
    let mut wrong = Vec::new();
    if let Some(Value::Array(words)) = map.get("oneOf")
        && words.iter().all(|word| word["const"] != *value)
    {
        wrong.push(format!("{at}: {value} is no word of the list"));
    }
    let kinds = match map.get("type") {
        Some(Value::String(kind)) => vec![kind.as_str()],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind, value)) {
        wrong.push(format!("{at}: {value} is no {}", kinds.join(" or ")));
    }
    if let (Some(items), Value::Array(values)) = (map.get("items"), value) {
        for (index, item) in values.iter().enumerate() {
            wrong.extend(check(root, items, item, &format!("{at}/{index}")));
        }
    }
    if let (Some(Value::Object(known)), Value::Object(members)) = (map.get("properties"), value) {
        for (name, member) in members {
            match known.get(name) {
                Some(schema) => wrong.extend(check(root, schema, member, &format!("{at}/{name}"))),
                None => wrong.push(format!("{at}/{name} is not described")),
            }
        }
        for name in map.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !members.contains_key(name.as_str().unwrap()) {
                wrong.push(format!("{at}/{name} is missing"));
            }
        }
    }
    wrong
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}
