//! Controls of published standards, and the checks that answer them.
//!
//! The compiled-in list is `controls.yaml`, beside this file; `--controls FILE` takes another of the
//! same form. A control says which checks answer it, whether that is all it asks of a running
//! container, and where that reading can be checked.

mod result;

use std::collections::HashSet;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, schema_for};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::check::Check;
use crate::policy::{Diagnostic, Place, PolicyFile};
use crate::text::{listed, nearest, quoted};

pub use super::document::{ControlResult, Decided, Extent, FrameworkResult, Unanswered};
pub use result::{results, state, states};

/// Version of the form of a file of controls. It changes when a key goes or changes its meaning.
pub const FORMAT: &str = "ironhull.dev/controls/v1";

/// Name of the compiled-in list in diagnostics.
const BUILT_IN: &str = "controls.yaml";

/// A file of controls.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlSet {
    /// `ironhull.dev/controls/v1`
    #[schemars(extend("const" = FORMAT))]
    pub format: String,
    /// Standards, in the order of reports.
    #[serde(deserialize_with = "each")]
    pub frameworks: Vec<Framework>,
}

/// A standard, and what a report answers of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Framework {
    /// Short name of the standard, unique in the file: `cis-kubernetes`.
    pub id: String,
    /// Name of the standard, as people call it.
    pub name: String,
    /// Edition that the identifiers are from.
    pub version: String,
    /// Where the standard is published.
    pub url: String,
    /// Public texts in which identifiers and readings were checked.
    #[serde(default)]
    pub read: Vec<String>,
    /// What a reader has to know, such as how other editions number. May be empty.
    #[serde(default)]
    pub notes: String,
    /// What each of its controls asks beyond the checks. May be empty.
    #[serde(default)]
    pub beyond: String,
    /// Controls that a report answers, in part or as a whole.
    #[serde(deserialize_with = "each")]
    pub controls: Vec<Control>,
    /// Controls that it does not answer.
    #[serde(default)]
    pub unanswered: Vec<Unanswered>,
}

/// A control, and the checks that answer it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Control {
    /// Its identifier in the standard, unique there.
    pub id: String,
    /// Chapter, level or second identifier. May be empty.
    #[serde(default)]
    pub group: String,
    /// What it asks, in our own words.
    pub title: String,
    /// Checks that ask no more than the control does: if one fails, so does the control.
    #[serde(default, deserialize_with = "checks")]
    pub checks: Vec<Check>,
    /// Checks that ask for more than the control does: if one fails, the control is open.
    #[serde(default, deserialize_with = "checks")]
    pub stricter: Vec<Check>,
    /// Whether the checks answer all that it asks of a running container.
    pub extent: Extent,
    /// What it asks beyond the checks. May be empty if `extent` is `whole`, or if the standard's says it.
    #[serde(default)]
    pub beyond: String,
    /// Part of the standard, or of what was read, that this reading is from.
    pub source: String,
}

impl ControlSet {
    /// The compiled-in list.
    pub fn built_in() -> &'static Self {
        static BUILT_IN_SET: LazyLock<ControlSet> = LazyLock::new(|| {
            let text = include_str!("controls.yaml").to_owned();
            let parsed = ControlSet::parse(&PolicyFile { name: BUILT_IN.to_owned(), text });
            // A unit test reads it, so that no release has one that cannot be read.
            parsed.unwrap_or(ControlSet { format: FORMAT.to_owned(), frameworks: Vec::new() })
        });
        &BUILT_IN_SET
    }

    /// Reads a file of controls.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its place.
    pub fn parse(file: &PolicyFile) -> Result<Self, Box<Diagnostic>> {
        let read: Result<Self, serde_yaml::Error> = serde_yaml::from_str(&file.text);
        let wrong = |error: serde_yaml::Error| Box::new(diagnostic(file, &error));
        let set = read.map_err(wrong)?;
        set.valid().map_err(serde_yaml::Error::custom).map_err(wrong)?;
        Ok(set)
    }

    /// JSON Schema of the file.
    pub fn schema() -> Schema {
        schema_for!(Self)
    }
}

/// An error of the YAML parser, which has its place in its words, as a diagnostic.
fn diagnostic(file: &PolicyFile, error: &serde_yaml::Error) -> Diagnostic {
    let text = error.to_string();
    let (line, column, start) =
        error.location().map_or((1, 1, 0), |place| (place.line(), place.column(), place.index()));
    let start = start.min(file.text.len());
    let rest = file.text.get(start..).unwrap_or_default();
    let end = start + rest.find('\n').unwrap_or(rest.len());
    let place = Place { file: file.name.as_str().into(), line, column, span: start..end };
    let message = text.split(" at line ").next().unwrap_or_default();
    match message.split_once("; ") {
        Some((message, hint)) => {
            let mut error = Diagnostic::error(place, message);
            error.hint = Some(hint.to_owned());
            error
        }
        None => Diagnostic::error(place, message),
    }
}

/// What can be wrong with a value whose parts are right.
trait Valid {
    /// Says what is wrong; a hint follows after `; `.
    fn valid(&self) -> Result<(), String>;
}

impl Valid for ControlSet {
    fn valid(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("`format` is {}; write `{FORMAT}`", quoted(&self.format)));
        }
        unique("standard", self.frameworks.iter().map(|framework| &framework.id))
    }
}

impl Valid for Framework {
    fn valid(&self) -> Result<(), String> {
        let Self { id, name, version, beyond, controls, .. } = self;
        named("a standard", &[("id", id), ("name", name), ("version", version)])?;
        let unsaid = |control: &&Control| {
            control.extent == Extent::Part && control.beyond.is_empty() && beyond.is_empty()
        };
        if let Some(control) = controls.iter().find(unsaid) {
            return Err(format!(
                "control {} is answered in part, and nothing says what is left; add `beyond`",
                quoted(&control.id)
            ));
        }
        unique("control", controls.iter().map(|control| &control.id))
    }
}

impl Valid for Control {
    fn valid(&self) -> Result<(), String> {
        let Self { id, title, checks, stricter, extent, beyond, source, .. } = self;
        named("a control", &[("id", id), ("title", title), ("source", source)])?;
        let id = quoted(id);
        if checks.is_empty() && stricter.is_empty() {
            return Err(format!(
                "control {id} names no check; name one, or list it under `unanswered`"
            ));
        }
        let mut seen = HashSet::new();
        if let Some(check) = checks.iter().chain(stricter).find(|check| !seen.insert(**check)) {
            return Err(format!("control {id} names the check `{}` twice", check.as_str()));
        }
        match extent {
            Extent::Whole if !stricter.is_empty() => Err(format!(
                "control {id} is answered as a whole by checks that are stricter; say `extent: part`"
            )),
            Extent::Whole if !beyond.is_empty() => Err(format!(
                "control {id} is answered as a whole, and has `beyond`; say `extent: part`"
            )),
            _ => Ok(()),
        }
    }
}

fn named(noun: &str, texts: &[(&str, &String)]) -> Result<(), String> {
    match texts.iter().find(|(_, text)| text.trim().is_empty()) {
        Some((key, _)) => Err(format!("`{key}` of {noun} is empty")),
        None => Ok(()),
    }
}

fn unique<'i>(noun: &str, mut ids: impl Iterator<Item = &'i String>) -> Result<(), String> {
    let mut seen = HashSet::new();
    match ids.find(|id| !seen.insert(id.as_str())) {
        Some(id) => Err(format!("the {noun} {} stands here twice", quoted(id))),
        None => Ok(()),
    }
}

/// A value that was looked at where it stands, so that an error has its place.
struct Checked<T>(T);

impl<'de, T: Deserialize<'de> + Valid> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = T::deserialize(deserializer)?;
        value.valid().map_err(D::Error::custom)?;
        Ok(Self(value))
    }
}

fn each<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Valid,
{
    let values: Vec<Checked<T>> = Vec::deserialize(deserializer)?;
    Ok(values.into_iter().map(|checked| checked.0).collect())
}

/// A check by its name.
struct Named(Check);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let names = Check::ALL.map(Check::as_str);
        match Check::ALL.into_iter().find(|check| check.as_str() == name) {
            Some(check) => Ok(Self(check)),
            None => {
                let hint = match nearest(&name, &names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("one of {}", listed(names)),
                };
                Err(D::Error::custom(format!("unknown check {}; {hint}", quoted(&name))))
            }
        }
    }
}

fn checks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Check>, D::Error> {
    let names: Vec<Named> = Vec::deserialize(deserializer)?;
    Ok(names.into_iter().map(|named| named.0).collect())
}

#[cfg(test)]
mod tests;
