//! Workloads with random fields, in random layouts: all of them YAML, few as anybody would
//! write them.

use serde_json::{Map, Value, json};

use super::random::Random;

/// A file with one document or some.
pub fn manifest(random: &mut Random) -> String {
    let mut text = String::new();
    if random.one_in(12) {
        text.push('\u{feff}');
    }
    for number in 0..=random.below(3) {
        if number > 0 || random.one_in(3) {
            text.push_str(random.pick(&["---\n", "--- # next\n", "---   \n"]));
        }
        let value = object(random);
        let mut writer = Writer { random, text: String::new(), anchors: Vec::new() };
        writer.document(&value);
        text.push_str(&writer.text);
        if random.one_in(10) {
            text.push_str("...\n");
        }
    }
    match random.below(12) {
        0 => text = text.replace('\n', "\r\n"),
        1 | 2 => text.truncate(text.trim_end_matches('\n').len()),
        3 => text.push_str("\n\n# the end\n"),
        _ => {}
    }
    text
}

fn object(random: &mut Random) -> Value {
    let kind =
        random.pick(&["Pod", "Pod", "Deployment", "Deployment", "CronJob", "List", "ConfigMap"]);
    let pod = pod(random);
    match kind {
        "Pod" => {
            let mut object = json!({"apiVersion": "v1", "kind": "Pod"});
            object.as_object_mut().unwrap().extend(pod);
            object
        }
        "Deployment" => {
            json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a"}, "spec": {"template": pod}})
        }
        "CronJob" => {
            json!({"apiVersion": "batch/v1", "kind": kind, "spec": {"jobTemplate": {"spec": {"template": pod}}}})
        }
        "List" => {
            let items: Vec<Value> = (0..random.below(3)).map(|_| object(random)).collect();
            json!({"apiVersion": "v1", "kind": kind, "items": items})
        }
        _ => json!({"apiVersion": "v1", "kind": kind, "data": {"a": "b\nc\n", "d": ""}}),
    }
}

/// Puts a field there, or not; null and empty things too.
fn maybe(random: &mut Random, map: &mut Map<String, Value>, key: &str, value: Value) {
    match random.below(8) {
        0..=3 => {}
        4 => drop(map.insert(key.to_owned(), Value::Null)),
        5 if value.is_object() => drop(map.insert(key.to_owned(), json!({}))),
        5 if value.is_array() => drop(map.insert(key.to_owned(), json!([]))),
        _ => drop(map.insert(key.to_owned(), value)),
    }
}

fn pod(random: &mut Random) -> Map<String, Value> {
    let mut metadata = Map::new();
    maybe(random, &mut metadata, "name", json!("app"));
    maybe(random, &mut metadata, "labels", json!({"app": "a", "tier": "front: end"}));
    maybe(random, &mut metadata, "annotations", json!({"example.com/note": "first\nsecond\n"}));
    let mut spec = Map::new();
    let context = context(random);
    maybe(random, &mut spec, "securityContext", context);
    let containers: Vec<Value> = (0..=random.below(3)).map(|n| container(random, n)).collect();
    let init: Vec<Value> = (0..random.below(3)).map(|n| container(random, n + 5)).collect();
    maybe(random, &mut spec, "initContainers", json!(init));
    maybe(random, &mut spec, "hostNetwork", json!(true));
    spec.insert("containers".to_owned(), json!(containers));
    maybe(
        random,
        &mut spec,
        "volumes",
        json!([{"name": "data", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "s"}}]),
    );
    maybe(random, &mut spec, "restartPolicy", json!("Always"));
    let mut pod = Map::new();
    if !random.one_in(8) {
        pod.insert("metadata".to_owned(), Value::Object(metadata));
    }
    pod.insert("spec".to_owned(), Value::Object(spec));
    pod
}

fn context(random: &mut Random) -> Value {
    let mut context = Map::new();
    let user = random.pick(&[0, 1000, 65534]);
    maybe(random, &mut context, "runAsUser", json!(user));
    maybe(random, &mut context, "runAsGroup", json!(0));
    maybe(random, &mut context, "runAsNonRoot", json!(user != 0));
    maybe(random, &mut context, "seccompProfile", json!({"type": "Unconfined"}));
    maybe(random, &mut context, "seLinuxOptions", json!({"level": "s0:c1"}));
    Value::Object(context)
}

fn container(random: &mut Random, number: usize) -> Value {
    let mut container = Map::new();
    container.insert("name".to_owned(), json!(format!("c{number}")));
    container.insert(
        "image".to_owned(),
        json!(random.pick(&["nginx:1.27", "postgres", "registry.example/a:1", "redis:7"])),
    );
    maybe(
        random,
        &mut container,
        "args",
        json!(["--a", "b: c", "yes", "- d", "multi\nline", " # no comment"]),
    );
    maybe(
        random,
        &mut container,
        "ports",
        json!([{"containerPort": 80}, {"containerPort": 8080, "name": "http"}]),
    );
    let path = random.pick(&["/data", "/tmp", "/"]);
    maybe(random, &mut container, "volumeMounts", json!([{"name": "data", "mountPath": path}]));
    let mut context = context(random);
    let map = context.as_object_mut().unwrap();
    maybe(random, map, "privileged", json!(true));
    maybe(random, map, "allowPrivilegeEscalation", json!(true));
    maybe(random, map, "readOnlyRootFilesystem", json!(false));
    let capabilities = json!({
        "drop": random.pick(&[json!([]), json!(["ALL"]), json!(["all"]), json!(["KILL", "MKNOD"]), Value::Null]),
        "add": random.pick(&[json!([]), json!(["NET_ADMIN", "CHOWN", "CAP_KILL"]), json!(["ALL"]), json!(["NET_BIND_SERVICE"])]),
    });
    maybe(random, map, "capabilities", capabilities);
    if !random.one_in(3) {
        container.insert("securityContext".to_owned(), context);
    }
    Value::Object(container)
}

struct Writer<'r> {
    random: &'r mut Random,
    text: String,
    /// What can be written again as an alias.
    anchors: Vec<(String, Value)>,
}

impl Writer<'_> {
    fn document(&mut self, value: &Value) {
        if self.random.one_in(10) {
            let tall = self.random.one_in(2);
            self.text.push_str(&if tall { format!("{value:#}") } else { value.to_string() });
        } else if self.random.one_in(12) {
            self.flow(value, 0);
        } else {
            self.block(value, 0);
            return;
        }
        self.text.push('\n');
    }

    fn indent(&mut self, column: usize) {
        self.text.extend(std::iter::repeat_n(' ', column));
    }

    /// Something that is no data before a line.
    fn between(&mut self, column: usize) {
        match self.random.below(16) {
            0 => self.text.push('\n'),
            1 => {
                self.indent(column);
                self.text.push_str("# before\n");
            }
            2 => self.text.push_str("# at the margin\n"),
            3 => {
                self.indent(column + 2);
                self.text.push_str("# further in: {\n");
            }
            _ => {}
        }
    }

    fn end_line(&mut self) {
        match self.random.below(14) {
            0 => self.text.push_str("  # after"),
            1 => self.text.push_str(" #"),
            2 => self.text.push(' '),
            _ => {}
        }
        self.text.push('\n');
    }

    /// A collection at a column, from the beginning of a line to the end of one.
    fn block(&mut self, value: &Value, column: usize) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    self.between(column);
                    self.indent(column);
                    self.member(key, value, column);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for item in items {
                    self.between(column);
                    self.indent(column);
                    self.item(item, column);
                }
            }
            other => {
                self.indent(column);
                self.flow(other, column);
                self.end_line();
            }
        }
    }

    fn member(&mut self, key: &str, value: &Value, column: usize) {
        if self.random.one_in(40) {
            self.text.push_str("? ");
            self.word(key);
            self.text.push('\n');
            self.indent(column);
        } else {
            match self.random.below(12) {
                0 => self.text.push_str(&json!(key).to_string()),
                1 => self.text.push_str(&format!("'{key}'")),
                _ => self.word(key),
            }
            if self.random.one_in(20) {
                self.text.push(' ');
            }
        }
        self.text.push(':');
        self.after(value, column, true);
    }

    fn item(&mut self, value: &Value, column: usize) {
        self.text.push('-');
        let nested = matches!(value, Value::Object(map) if !map.is_empty());
        if nested && !self.random.one_in(5) && !self.random.one_in(8) {
            // The first member on the dash's own line.
            let gap = if self.random.one_in(6) { 1 + self.random.below(4) } else { 1 };
            self.text.extend(std::iter::repeat_n(' ', gap));
            let inner = column + 1 + gap;
            for (index, (key, value)) in value.as_object().unwrap().iter().enumerate() {
                if index > 0 {
                    self.between(inner);
                    self.indent(inner);
                }
                self.member(key, value, inner);
            }
            return;
        }
        self.after(value, column, false);
    }

    /// What comes after a key or a dash: the rest of the line, and perhaps lines below it.
    fn after(&mut self, value: &Value, column: usize, is_member: bool) {
        if let Some((name, _)) = self.anchors.iter().find(|(_, known)| known == value)
            && self.random.one_in(2)
        {
            self.text.push_str(&format!(" *{name}"));
            return self.end_line();
        }
        let collection = matches!(value, Value::Object(map) if !map.is_empty())
            || matches!(value, Value::Array(items) if !items.is_empty());
        if collection && self.random.one_in(25) {
            let name = format!("a{}", self.anchors.len());
            self.text.push_str(&format!(" &{name}"));
            self.anchors.push((name, value.clone()));
        }
        if self.random.one_in(40) {
            match value {
                Value::Object(_) => self.text.push_str(" !!map"),
                Value::Array(_) => self.text.push_str(" !!seq"),
                Value::String(_) => self.text.push_str(" !!str"),
                _ => {}
            }
        }
        if collection && !self.random.one_in(7) {
            self.end_line();
            let list = value.is_array();
            let step =
                if list && is_member { self.random.below(4) } else { 1 + self.random.below(5) };
            let step =
                if self.random.one_in(2) { if list && is_member { 0 } else { 2 } } else { step };
            return self.block(value, column + step);
        }
        match value {
            Value::String(text) if text.contains('\n') && self.random.one_in(2) => {
                self.text.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
                for line in text.lines() {
                    self.indent(column + 3);
                    self.text.push_str(line);
                    self.text.push('\n');
                }
            }
            // What is null may be said by nothing.
            Value::Null if self.random.one_in(2) => self.end_line(),
            value => {
                self.text.push(' ');
                self.flow(value, column);
                self.end_line();
            }
        }
    }

    /// Between the tokens of a flow collection.
    fn gap(&mut self, column: usize) {
        match self.random.below(14) {
            0 => self.text.push_str("  "),
            1 => {
                self.text.push('\n');
                let further = 1 + self.random.below(6);
                self.indent(column + further);
            }
            2 => {
                self.text.push_str(" # within\n");
                self.indent(column + 2);
            }
            3..=7 => self.text.push(' '),
            _ => {}
        }
    }

    fn flow(&mut self, value: &Value, column: usize) {
        match value {
            Value::Object(map) => {
                self.text.push('{');
                for (index, (key, value)) in map.iter().enumerate() {
                    self.comma(index, column);
                    self.word(key);
                    self.text.push_str(": ");
                    self.flow(value, column);
                }
                self.close(map.len(), '}', column);
            }
            Value::Array(items) => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.comma(index, column);
                    self.flow(item, column);
                }
                self.close(items.len(), ']', column);
            }
            Value::String(text) => self.string(text),
            Value::Null => self.text.push_str(self.random.pick(&["null", "~", "Null"])),
            other => self.text.push_str(&other.to_string()),
        }
    }

    fn comma(&mut self, index: usize, column: usize) {
        if index > 0 {
            self.text.push(',');
        }
        self.gap(column);
    }

    fn close(&mut self, members: usize, bracket: char, column: usize) {
        if members > 0 && self.random.one_in(5) {
            self.text.push(',');
        }
        self.gap(column);
        self.text.push(bracket);
    }

    fn word(&mut self, key: &str) {
        if key.bytes().all(|b| b.is_ascii_alphanumeric()) && !self.random.one_in(15) {
            self.text.push_str(key);
        } else {
            self.text.push_str(&json!(key).to_string());
        }
    }

    fn string(&mut self, text: &str) {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.-_".contains(&b))
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text != "yes";
        match self.random.below(3) {
            0 if !text.contains('\n') => {
                self.text.push_str(&format!("'{}'", text.replace('\'', "''")))
            }
            1 if plain => self.text.push_str(text),
            _ => self.text.push_str(&json!(text).to_string()),
        }
    }
}
