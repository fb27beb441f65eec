//! What must hold of every text.

use std::collections::BTreeMap;
use std::path::PathBuf;

use granit_parser::{Event, Parser, options};
use ironhull::cli::pass::{Assignment, Pass};
use ironhull::harden::SeedImage;
use ironhull::manifest::{Document, ManifestFile, Syntax};
use ironhull::policy::PolicySet;
use jiff::civil::date;
use serde_json::{Value, json};

use super::reader::Kubernetes;

/// How far a text came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is no manifest.
    Unreadable,
    /// A field has a wrong type.
    WrongType,
    /// Nothing is to be hardened.
    Nothing,
    /// It cannot be written in a way that reads back, and is not.
    Refused,
    /// It was hardened, and all is well.
    Changed,
    /// The same, with something written anew.
    Rewritten,
}

pub struct Checker {
    policies: PolicySet,
    kubernetes: Option<Kubernetes>,
}

impl Checker {
    pub fn new(judge: Option<PathBuf>) -> Self {
        let policies = PolicySet::load(&[], None).unwrap().0;
        Self { policies, kubernetes: judge.as_deref().map(Kubernetes::start) }
    }

    /// How far the text comes, or what is wrong: a kind, a colon, and more.
    pub fn check(&mut self, text: &str) -> Result<Verdict, String> {
        let Ok(source) = ManifestFile::read("a.yaml", text.to_owned()) else {
            return Ok(Verdict::Unreadable);
        };
        let pieces: String = source.documents.iter().map(|d| source.text_of(d)).collect();
        if pieces != text {
            return Err("documents do not make up the text:".to_owned());
        }
        let mut verdict = Verdict::Nothing;
        let mut whole = String::new();
        let mut values = Vec::new();
        for document in &source.documents {
            let before = source.text_of(document);
            let Ok(patch) = self.patch(&source, document) else { return Ok(Verdict::WrongType) };
            if patch.is_empty() {
                whole.push_str(before);
                values.push(document.value.clone());
                continue;
            }
            let Ok(after) = source.apply(document, &patch) else { return Ok(Verdict::Refused) };
            self.readings(document, before, &patch, &after.text, &after.value)?;
            if after.rewritten.is_empty() {
                verdict = verdict.max(Verdict::Changed);
                lost(before, &after.text)?;
            } else {
                verdict = Verdict::Rewritten;
            }
            whole.push_str(&after.text);
            values.push(after.value);
        }
        // What `harden` refuses: a first document that becomes JSON parts the rest otherwise.
        let Ok(again) = ManifestFile::read("a.yaml", whole.clone()) else {
            return Ok(Verdict::Refused);
        };
        if !again.documents.iter().map(|document| &document.value).eq(&values) {
            return Ok(Verdict::Refused);
        }
        for document in &again.documents {
            if self.patch(&again, document) != Ok(Vec::new()) {
                return Err(format!("hardened again, it changes again: \n{whole}"));
            }
        }
        if verdict == Verdict::Nothing && whole != text {
            return Err("nothing to harden, and other bytes:".to_owned());
        }
        Ok(verdict)
    }

    fn patch(&self, source: &ManifestFile, document: &Document) -> Result<Vec<Value>, String> {
        let policies = Assignment::of(&self.policies);
        let pass = Pass {
            policies: &policies,
            namespace: "default",
            date: date(2026, 1, 1),
            seed_image: Some(SeedImage::ANY),
        };
        let mut patch: Vec<Value> = Vec::new();
        pass.judge(source, document, |judged| {
            patch.extend(judged.patch().unwrap_or_default());
        })
        .map(|()| patch)
        .map_err(|error| error.to_string())
    }

    /// Kubernetes' own reading of the text before, patched, is its reading of that after.
    fn readings(
        &mut self,
        document: &Document,
        before: &str,
        patch: &[Value],
        after: &str,
        value: &Value,
    ) -> Result<(), String> {
        let operations: json_patch::Patch = serde_json::from_value(json!(patch)).unwrap();
        let mut expected = document.value.clone();
        json_patch::patch(&mut expected, &operations).map_err(|e| format!("no patch: {e}"))?;
        if &expected != value {
            return Err(format!("another value than the patch makes: {value}"));
        }
        let Some(kubernetes) = &mut self.kubernetes else { return Ok(()) };
        // How kubectl parts JSON objects is not the judge's to say.
        if document.syntax == Syntax::Json {
            return Ok(());
        }
        let theirs = kubernetes.reads(before);
        if theirs.as_ref() != Ok(&document.value) {
            return Err(format!("Kubernetes reads it otherwise: {theirs:?}"));
        }
        let theirs = kubernetes.reads(after);
        if theirs.as_ref() != Ok(value) {
            return Err(format!("Kubernetes reads the result otherwise: {theirs:?}\n{after}"));
        }
        Ok(())
    }
}

/// Whether a comment is gone.
fn lost(before: &str, after: &str) -> Result<(), String> {
    match (comments(before), comments(after)) {
        (Some(before), Some(now)) if before != now => {
            Err(format!("comments are others: {before:?} {now:?}\n{after}"))
        }
        _ => Ok(()),
    }
}

/// The comments of a text, each as often as it occurs; of the first document, as far as
/// Kubernetes reads. `None` where the other parser does not take what Kubernetes takes: then it
/// says nothing of what comes after.
fn comments(text: &str) -> Option<BTreeMap<String, usize>> {
    let mut comments = BTreeMap::new();
    let options = options! { max_buffered_comment_events: usize::MAX };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((Event::Comment(comment, _), _)) => {
                *comments.entry(comment.trim_end().to_owned()).or_default() += 1;
            }
            Ok((Event::DocumentEnd, _)) => break,
            Ok(_) => {}
            Err(_) => return None,
        }
    }
    Some(comments)
}
