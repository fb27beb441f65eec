//! From the tree to typed values, with every error and not only the first.
//!
//! Each macro of `define` turns one definition into the type, its decoder and its JSON Schema,
//! so that the three cannot differ.

mod define;

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::diagnostic::{Diagnostic, Place, Severity};
use super::tree::{Node, Span, Value};
use crate::rule::Action;
use crate::text::{listed, nearest, quoted};

pub(crate) use define::{inline_schema, object, settings, words};

/// Collects the diagnostics of one file.
pub(crate) struct Decoder {
    pub(crate) file: Arc<str>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// A value that can be read from a node.
pub(crate) trait Decode: Sized {
    /// The value; `None` if an error was reported.
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self>;

    /// The value of a missing key; `None` if the key is required.
    fn absent() -> Option<Self> {
        None
    }

    /// Placeholder for a required value that was reported, so that what is around it is checked
    /// too. A value with a placeholder in it is never used.
    fn stand_in() -> Option<Self> {
        Self::absent()
    }
}

/// A value and its position.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// The settings of one rule.
pub(crate) trait RuleSettings: Sized {
    /// What a policy may state of them; every key may be left out.
    type Stated: Decode + JsonSchema;

    /// What the short form (the action alone) states.
    fn short(action: Action) -> Self::Stated;

    /// What is stated, completed from `base`. `None` if something is in neither.
    fn complete(stated: Self::Stated, base: Option<&Self>) -> Option<Self>;
}

/// A rule in a policy: its action alone, or a map.
pub(crate) struct RuleEntry<S: RuleSettings>(pub(crate) S::Stated);

impl Decoder {
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.into(), diagnostics: Vec::new() }
    }

    pub(crate) fn place(&self, span: Span) -> Place {
        let Span { start, end, line, column } = span;
        Place { file: Arc::clone(&self.file), line, column, span: start..end }
    }

    /// Reports an error, and returns it so that a hint can be added.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Diagnostic::error(self.place(span), message))
    }

    /// Reports a warning, and returns it so that a hint can be added.
    pub(crate) fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Diagnostic::warning(self.place(span), message))
    }

    /// Reports that `node` is not `what`. Silent if `node` was already reported.
    pub(crate) fn expected(&mut self, node: &Node<'_>, what: &str) -> Option<&mut Diagnostic> {
        if matches!(node.value, Value::Broken) {
            return None;
        }
        Some(self.error(node.span, format!("expected {what}, found {}", node.found())))
    }

    /// Whether an error was reported within `node`. Errors that only follow from it are better
    /// left unsaid.
    pub(crate) fn failed_in(&self, node: &Node<'_>) -> bool {
        let extent = node.extent();
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error && extent.contains(&d.place.span.start))
    }

    /// Reports that `word` is not one of `words`.
    pub(crate) fn unknown(&mut self, span: Span, noun: &str, word: &str, words: &[&str]) {
        let error = self.error(span, format!("unknown {noun} {}", quoted(word)));
        match nearest(word, words) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            // `true` is a value for the Kubernetes field, not for the rule.
            None if noun == "action" && word == "true" => error.hint(format!(
                "write `enforce` to set it always; an action is one of {}",
                listed(words.iter().copied())
            )),
            None => error.hint(format!("one of {}", listed(words.iter().copied()))),
        };
    }

    /// The text of a string. Numbers and booleans are not strings: YAML may have changed how
    /// they were written.
    pub(crate) fn string<'n>(&mut self, node: &'n Node<'_>, what: &str) -> Option<&'n str> {
        let other = node.is_null() || node.bool().is_some() || node.is_number();
        match node.text() {
            Some(text) if !other => Some(text),
            _ => {
                let error = self.expected(node, what)?;
                if other && !error.message.ends_with("nothing") {
                    error.hint("YAML reads this as a number or a boolean; put it in quotes");
                }
                None
            }
        }
    }

    fn push(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        let at = self.diagnostics.len();
        self.diagnostics.push(diagnostic);
        #[expect(clippy::indexing_slicing, reason = "it was pushed on the line above")]
        &mut self.diagnostics[at]
    }
}

/// A map with known keys.
pub(crate) struct Fields<'n, 's> {
    node: &'n Node<'s>,
}

impl<'n, 's> Fields<'n, 's> {
    /// The map `node`, after a check of its keys.
    pub(crate) fn of(
        node: &'n Node<'s>,
        noun: &str,
        keys: &[&str],
        decoder: &mut Decoder,
    ) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            decoder.expected(node, &format!("a map with {}", listed(keys.iter().copied())));
            return None;
        };
        for (key, _) in entries {
            match key.text() {
                Some(name) if !keys.contains(&name) => decoder.unknown(key.span, noun, name, keys),
                _ => {}
            }
        }
        Some(Self { node })
    }

    /// The value of one key. `doc` is its documentation: the hint of every error without a
    /// better one.
    pub(crate) fn get<T: Decode>(&self, key: &str, doc: &str, out: &mut Decoder) -> Option<T> {
        let before = out.diagnostics.len();
        let value = self.value(key, out);
        let doc = doc.trim();
        let doc = doc.split_once(". ").map_or(doc, |(first, _)| first).trim_end_matches('.');
        for error in out.diagnostics.iter_mut().skip(before) {
            if error.hint.is_none() && !doc.is_empty() {
                error.hint(format!("`{key}`: {}", uncapitalised(doc)));
            }
        }
        value
    }

    fn value<T: Decode>(&self, key: &str, decoder: &mut Decoder) -> Option<T> {
        let value = match self.node.get(key) {
            // Kubernetes treats null as absent.
            Some(node) if node.is_null() && T::absent().is_some() => T::absent(),
            Some(node) => T::decode(node, decoder),
            None => T::absent().or_else(|| {
                decoder.error(self.node.span, format!("missing key `{key}`"));
                None
            }),
        };
        value.or_else(T::stand_in)
    }
}

fn uncapitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(char::to_lowercase).into_iter().flatten().chain(chars).collect()
}

/// A value that cannot be read is reported and then counts as absent.
impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        Some(if node.is_null() { None } else { T::decode(node, decoder) })
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// An item that cannot be read is reported and left out.
impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Value::List(items) = &node.value else {
            let error = decoder.expected(node, "a list")?;
            match &node.value {
                Value::Scalar { text, .. } if !text.is_empty() && text.len() < 40 => {
                    error.hint(format!("write `[{text}]`"));
                }
                Value::Map(_) => {
                    error.hint("start each entry with `- `");
                }
                _ => {}
            }
            return None;
        };
        Some(items.iter().filter_map(|item| T::decode(item, decoder)).collect())
    }

    fn stand_in() -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: Decode> Decode for Spanned<T> {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        Some(Self { value: T::decode(node, decoder)?, span: node.span })
    }

    fn stand_in() -> Option<Self> {
        Some(Self { value: T::stand_in()?, span: Span::default() })
    }
}

impl Decode for bool {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        node.bool().or_else(|| {
            let error = decoder.expected(node, "`true` or `false`")?;
            match node.text().map(str::to_lowercase).as_deref() {
                Some("true" | "false") => error.hint("remove the quotes"),
                Some("yes" | "on" | "1") => error.hint("write `true`"),
                Some("no" | "off" | "0") => error.hint("write `false`"),
                _ => return None,
            };
            None
        })
    }
}

impl Decode for String {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        decoder.string(node, "text").map(str::to_owned)
    }

    fn stand_in() -> Option<Self> {
        Some(Self::new())
    }
}

impl<S: RuleSettings> Decode for RuleEntry<S> {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        match node.value {
            Value::Scalar { .. } => Action::decode(node, decoder).map(|a| Self(S::short(a))),
            Value::Map(_) => S::Stated::decode(node, decoder).map(Self),
            Value::List(_) | Value::Broken => {
                let words = listed(Action::ALL.map(Action::as_str));
                if let Some(error) = decoder.expected(node, "an action or a map") {
                    error.hint(format!("an action is one of {words}"));
                }
                None
            }
        }
    }
}

impl<S: RuleSettings> JsonSchema for RuleEntry<S> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        S::Stated::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (short, long) = (Action::json_schema(generator), S::Stated::json_schema(generator));
        json_schema!({ "anyOf": [short, long] })
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
