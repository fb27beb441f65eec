//! Paths to the pods in an object: `spec.replicatedJobs[*].template.spec.template`.

use std::fmt;

use kube_yaml::escape;
use serde_json::Value;

use crate::text::quoted;

/// A path to one or more values of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path(Vec<Segment>);

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    Member(String),
    /// Every item of a list, or every member of a map.
    Each,
}

/// Stands for every item of a list or member of a map.
const EACH: &str = "[*]";

/// What is wrong with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// What is wrong, after the path.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Path {
    /// Reads a path that people wrote.
    ///
    /// # Errors
    /// When it is not names joined by dots, each with `[*]` after it for a list or a map, twice for a list of lists.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let error = |message: String, hint: &str| PathError { message, hint: hint.to_owned() };
        let example = "names joined by dots, as in `spec.workers[*].template`";
        if text.is_empty() {
            return Err(error("is empty".to_owned(), example));
        }
        if text.starts_with('/') {
            return Err(error("is a JSON Pointer".to_owned(), example));
        }
        let mut segments = Vec::new();
        for part in text.strip_prefix("$.").or(text.strip_prefix('.')).unwrap_or(text).split('.') {
            let name = part.trim_end_matches(EACH);
            let each = (part.len() - name.len()) / EACH.len();
            if name.is_empty() {
                return Err(error("has a part without a name".to_owned(), example));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if let Some((_, index)) = name.split_once('[') {
                let message = format!("has {} in it", quoted(&format!("[{index}")));
                return Err(error(message, "`[*]` stands for every item; there is no other"));
            }
            if let Some(other) = name.chars().find(|c| !plain(*c)) {
                return Err(error(format!("has {} in it", quoted(&other.to_string())), example));
            }
            segments.push(Segment::Member(name.to_owned()));
            segments.extend(std::iter::repeat_n(Segment::Each, each));
        }
        if matches!(segments.as_slice(), [Segment::Member(one), ..] if one == "metadata" || one == "status")
        {
            return Err(error(
                "begins in what is no part of a workload's template".to_owned(),
                "pods are made from what is below `spec`, or another member beside `metadata`",
            ));
        }
        Ok(Self(segments))
    }

    /// The path of a row of the table, of which a test says that each can be read.
    pub(super) fn of(text: &str) -> Self {
        Self::parse(text).unwrap_or_default()
    }

    /// Whether it may lead to several values.
    pub fn is_many(&self) -> bool {
        self.0.contains(&Segment::Each)
    }

    /// The values it leads to, each with its JSON Pointer.
    pub fn find<'o>(&self, object: &'o Value) -> Vec<(String, &'o Value)> {
        let mut found = vec![(String::new(), object)];
        for segment in &self.0 {
            let step = |(at, value): (String, &'o Value)| -> Vec<(String, &'o Value)> {
                let below = |name: &str| format!("{at}/{}", escape(name));
                match (segment, value) {
                    (Segment::Member(name), Value::Object(members)) => {
                        let value = members.get(name);
                        value.into_iter().map(|value| (below(name), value)).collect()
                    }
                    (Segment::Each, Value::Object(members)) => {
                        members.iter().map(|(name, value)| (below(name), value)).collect()
                    }
                    (Segment::Each, Value::Array(items)) => {
                        let items = items.iter().enumerate();
                        items.map(|(index, value)| (format!("{at}/{index}"), value)).collect()
                    }
                    _ => Vec::new(),
                }
            };
            found = found.into_iter().flat_map(step).collect();
        }
        found
    }

    /// The names on the way of a path that leads to one value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Member(name) => Some(name.as_str()),
            Segment::Each => None,
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Member(name) if index == 0 => f.write_str(name)?,
                Segment::Member(name) => write!(f, ".{name}")?,
                Segment::Each => f.write_str(EACH)?,
            }
        }
        Ok(())
    }
}

/// A JSON Pointer as people write paths: `spec.workers[0].template`.
pub fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        match token.parse::<usize>() {
            Ok(index) => path.push_str(&format!("[{index}]")),
            Err(_) if path.is_empty() => path.push_str(&token),
            Err(_) => path.push_str(&format!(".{token}")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_written_as_it_was_read() {
        for text in
            ["spec.template", "spec.workers[*].template", "a[*]", "a[*][*].b", "spec.x-y.z_1"]
        {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Path::parse("$.spec.template").unwrap().to_string(), "spec.template");
        assert_eq!(Path::parse(".spec.template").unwrap().to_string(), "spec.template");
    }

    #[test]
    fn what_is_no_path_says_why() {
        for (text, why) in [
            ("", "is empty"),
            ("/spec/template", "is a JSON Pointer"),
            ("spec..template", "has a part without a name"),
            ("spec.[*]", "has a part without a name"),
            ("spec.workers[0].template", "has `[0]` in it"),
            ("spec.a b", "has ` ` in it"),
            ("metadata.annotations", "begins in what is no part of a workload's template"),
        ] {
            assert_eq!(Path::parse(text).unwrap_err().message, why, "{text}");
        }
    }

    #[test]
    fn lists_and_maps_are_walked() {
        let object = json!({"spec": {
            "list": [{"template": 1}, {"other": 2}, {"template": 3}],
            "map": {"a/b": {"template": 4}, "c": {"template": 5}},
        }});
        let found = |path: &str| -> Vec<(String, Value)> {
            let path = Path::parse(path).unwrap();
            path.find(&object).into_iter().map(|(at, value)| (at, value.clone())).collect()
        };
        assert_eq!(
            found("spec.list[*].template"),
            [
                ("/spec/list/0/template".to_owned(), json!(1)),
                ("/spec/list/2/template".to_owned(), json!(3))
            ]
        );
        assert_eq!(
            found("spec.map[*].template"),
            [
                ("/spec/map/a~1b/template".to_owned(), json!(4)),
                ("/spec/map/c/template".to_owned(), json!(5))
            ]
        );
        assert_eq!(found("spec.list.template"), []);
        let object = json!({"steps": [[{"inline": 1}, {}], [{"inline": 2}]]});
        let found = Path::parse("steps[*][*].inline").unwrap().find(&object);
        let at: Vec<_> = found.iter().map(|(at, _)| at.as_str()).collect();
        assert_eq!(at, ["/steps/0/0/inline", "/steps/1/0/inline"]);
    }
}
