//! A patch applied to a document's text.

use serde_json::Value;

use super::{Document, Source, Syntax, emit, value_of};

/// A document after a patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// Its new text.
    pub text: String,
    /// What Kubernetes makes of it.
    pub value: Value,
    /// The JSON Pointer of what had to be written anew, comments lost, because there was
    /// no safe place to edit.
    pub rewritten: Option<String>,
}

impl Source {
    /// Applies an RFC 6902 patch of `add` and `replace` to one of the documents.
    ///
    /// # Errors
    /// When the patch does not apply, or the new text would not mean what it should:
    /// then nothing is written rather than something wrong.
    pub fn apply(&self, document: &Document, patch: &[Value]) -> Result<Edited, String> {
        let operations: json_patch::Patch = serde_json::from_value(Value::Array(patch.to_vec()))
            .map_err(|error| format!("not a patch: {error}"))?;
        let mut value = document.value.clone();
        json_patch::patch(&mut value, &operations)
            .map_err(|error| format!("the patch does not apply: {error}"))?;
        let text = match document.syntax {
            Syntax::Json => format!("{value:#}\n"),
            Syntax::Yaml => emit::document(&value),
        };
        if value_of(&text, document.syntax).as_ref() != Some(&value) {
            return Err("the hardened document cannot be written".to_owned());
        }
        Ok(Edited { text, value, rewritten: Some(String::new()) })
    }
}
