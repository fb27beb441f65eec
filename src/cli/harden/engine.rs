//! Runs every source through the engine: how its documents change.

use std::io::{self, Write};

use serde_json::Value;

use super::would_change::{self, WouldChange};
use crate::cli::input::{Input, Read};
use crate::cli::parallel;
use crate::cli::pass::{self, Assignment, Judged, Pass};
use crate::foresight::outlook;
use crate::harden::SeedImage;
use crate::manifest::{Document, Edited, ManifestError, ManifestFile};
use crate::terminal::say;
use crate::text::{clean, named};

/// A source after the engine has seen all of it.
pub(super) struct Hardened {
    pub(super) source: ManifestFile,
    /// For each document that changes, in order: its index, and how.
    pub(super) changes: Vec<Change>,
    /// Whether a pod is left as it is because its kind cannot be given what it needs.
    pub(super) leaves_something: bool,
    /// Whether it is sure that a hardened pod breaks.
    pub(super) breaks: bool,
}

/// A document that changes.
pub(super) struct Change {
    pub(super) document: usize,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) patch: Vec<Value>,
    pub(super) edited: Edited,
    pub(super) found: Vec<WouldChange>,
}

impl Change {
    /// Number of fields that change, container by container, as `explain` lists them. A patch has
    /// fewer operations, since one may carry a whole `securityContext`. If none of the rules'
    /// fields changes but another one does, that counts as one.
    pub(super) fn fields(&self) -> usize {
        self.found.len().max(1)
    }
}

/// The result for everything that was named.
pub(super) struct Hardening {
    /// The sources without errors.
    pub(super) hardened: Vec<Hardened>,
    /// The errors of the others.
    pub(super) errors: Vec<ManifestError>,
}

/// What to do when something could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtErrors {
    /// Harden nothing: only the errors are wanted then.
    Stop,
    /// Harden the rest.
    GoOn,
}

/// Hardens what the input names. `None` if the policies are wrong, which has been reported then.
///
/// # Errors
/// When `err` cannot be written to, or a policy file cannot be read.
pub(super) fn harden_all(
    input: &Input,
    at_errors: AtErrors,
    seed_image: Option<&str>,
    err: &mut dyn Write,
) -> anyhow::Result<Option<Hardening>> {
    let Some(set) = input.policies(err)? else { return Ok(None) };
    let Read { sources, mut errors } = input.read(set.kinds(), err)?;
    if at_errors == AtErrors::Stop && !errors.is_empty() {
        return Ok(Some(Hardening { hardened: Vec::new(), errors }));
    }
    let policies = Assignment::chosen(input.asked(), &set, &sources, err)?;
    let pass = Pass {
        policies: &policies,
        namespace: input.namespace(),
        date: input.date(),
        seed_image: seed_image.map(|name| SeedImage { name, pull_policy: "" }),
    };
    let each = parallel::in_order("hardening", sources, |source| {
        let mut said = Vec::new();
        (harden_file(&pass, source, &mut said), said)
    })?;
    let mut hardened = Vec::with_capacity(each.len());
    for (result, said) in each {
        err.write_all(&said)?;
        match result? {
            Ok(one) => hardened.push(one),
            Err(wrong) => errors.extend(wrong),
        }
    }
    if hardened.iter().any(|one| one.breaks) {
        say::note(err, "`ironhull preview` with the same -f and --policy says what helps")?;
    }
    Ok(Some(Hardening { hardened, errors }))
}

/// Hardens a source, or returns everything that is wrong with it.
pub(super) fn harden_file(
    pass: &Pass<'_>,
    source: ManifestFile,
    err: &mut dyn Write,
) -> io::Result<Result<Hardened, Vec<ManifestError>>> {
    let mut one = Hardened { source, changes: Vec::new(), leaves_something: false, breaks: false };
    let mut errors = Vec::new();
    for (index, document) in one.source.documents.iter().enumerate() {
        pass::say_remarks(err, &one.source, document)?;
        match harden_document(pass, &one.source, document, index) {
            Ok(Judgement { change, warnings, breaks, left }) => {
                warnings.iter().chain(&breaks).try_for_each(|it| say::warning(err, it))?;
                left.iter().try_for_each(|note| say::note(err, note))?;
                one.leaves_something |= !left.is_empty();
                one.breaks |= !breaks.is_empty();
                if let Some(change) = &change {
                    say_rewritten(err, &one.source, document, change)?;
                }
                one.changes.extend(change);
            }
            Err(error) => errors.push(*error),
        }
    }
    if errors.is_empty() && !one.reads_back() {
        errors.push(ManifestError::about(&one.source.name, UNWRITABLE));
    }
    Ok(if errors.is_empty() { Ok(one) } else { Err(errors) })
}

/// Error for a source whose documents are good one by one, but would not be the same documents
/// together: a first one that becomes JSON changes how kubectl splits the rest.
const UNWRITABLE: &str = "the hardened file cannot be written so that it reads back the same";

/// What becomes of a document.
struct Judgement {
    /// How it changes, if it does.
    change: Option<Change>,
    /// The engine's warnings.
    warnings: Vec<String>,
    /// What is sure to break.
    breaks: Vec<String>,
    /// Notes on pods that are left as they are.
    left: Vec<String>,
}

fn harden_document(
    pass: &Pass<'_>,
    source: &ManifestFile,
    document: &Document,
    index: usize,
) -> Result<Judgement, Box<ManifestError>> {
    let mut patch: Vec<Value> = Vec::new();
    let mut namespaces: Vec<String> = Vec::new();
    let mut warnings = Vec::new();
    let mut found = Vec::new();
    let mut left = Vec::new();
    let mut breaks = Vec::new();
    pass.judge(source, document, |judged| {
        match judged.patch() {
            Ok(operations) => patch.extend(operations),
            Err(why) => return left.push(judged.left(source, document, &why)),
        }
        warnings.extend(say_warnings(source, document, judged));
        breaks.extend(say_breaks(pass, source, document, judged));
        found.extend(would_change::found(judged));
        namespaces.push(judged.namespace.to_owned());
    })?;
    if patch.is_empty() {
        return Ok(Judgement { change: None, warnings, breaks, left });
    }
    let edited = source
        .apply(document, &patch)
        .map_err(|message| Box::new(ManifestError::of(source, document, "", message)))?;
    namespaces.dedup();
    let single = namespaces.len() == 1;
    let namespace = namespaces.into_iter().next().filter(|_| single).unwrap_or_default();
    // Of an object with several templates each is a workload.
    let name = match document.contents.workloads.as_slice() {
        [workload, ..] if workload.at.is_empty() => workload.name.clone(),
        _ => String::new(),
    };
    let change = Some(Change { document: index, namespace, name, patch, edited, found });
    Ok(Judgement { change, warnings, breaks, left })
}

fn say_warnings(source: &ManifestFile, document: &Document, judged: &Judged<'_>) -> Vec<String> {
    let place = pass::place(source, document, Some(judged.workload));
    let warnings = judged.outcome.warnings_in_full().into_iter();
    warnings
        .map(|warning| {
            // It is clear here who speaks.
            let warning = warning.strip_prefix("ironhull: ").unwrap_or(&warning);
            format!("{place}: {warning}")
        })
        .collect()
}

/// What is sure to break once it is hardened.
fn say_breaks(
    pass: &Pass<'_>,
    source: &ManifestFile,
    document: &Document,
    judged: &Judged<'_>,
) -> Vec<String> {
    let Judged { workload, pod, outcome, .. } = *judged;
    let risks = outlook::risks(&judged.template(pass), &workload.pod, pod, outcome);
    let place = pass::place(source, document, Some(workload));
    let sure = risks.unwrap_or_default().into_iter().filter(|risk| risk.certain);
    sure.map(|risk| {
        format!("{place}: {}: breaks: {}", clean(named(&risk.container)), clean(&risk.why))
    })
    .collect()
}

fn say_rewritten(
    err: &mut dyn Write,
    source: &ManifestFile,
    document: &Document,
    change: &Change,
) -> io::Result<()> {
    let places: Vec<String> =
        change.edited.rewritten.iter().map(|place| format!("`{place}`")).collect();
    if places.is_empty() {
        return Ok(());
    }
    let place = pass::place(source, document, None);
    let places = places.join(", ");
    say::note(
        err,
        format!(
            "{place}: rewritten as a whole, because of an anchor or an unusual layout: {places}"
        ),
    )
}

impl Hardened {
    /// The text of the source with its changed documents.
    pub(super) fn new_text(&self) -> String {
        let mut changes = self.changes.iter().peekable();
        let mut text = String::with_capacity(self.source.text.len() + 512 * self.changes.len());
        for (index, document) in self.source.documents.iter().enumerate() {
            match changes.next_if(|change| change.document == index) {
                Some(change) => text.push_str(&change.edited.text),
                None => text.push_str(self.source.text_of(document)),
            }
        }
        text
    }

    /// Value that Kubernetes has to read from each document of [`Hardened::new_text`].
    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        let mut changes = self.changes.iter().peekable();
        self.source.documents.iter().enumerate().map(move |(index, document)| {
            match changes.next_if(|change| change.document == index) {
                Some(change) => &change.edited.value,
                None => &document.value,
            }
        })
    }

    /// Whether the new text, read as any manifest, has exactly the documents it should have.
    fn reads_back(&self) -> bool {
        if self.changes.is_empty() {
            return true;
        }
        let Ok(again) = ManifestFile::read(&self.source.name, self.new_text()) else {
            return false;
        };
        again.documents.len() == self.source.documents.len()
            && again.documents.iter().map(|document| &document.value).eq(self.values())
    }

    /// The fields that would change in a document, with line and column.
    pub(super) fn found<'h>(
        &self,
        document: &Document,
        change: &'h Change,
    ) -> impl Iterator<Item = (&'h WouldChange, (usize, usize))> + use<'h> {
        let pointers = change.found.iter().map(|found| found.pointer.as_str());
        change.found.iter().zip(self.source.positions(document, pointers))
    }

    /// The pods of a document that are not judged: a message about each, with line and column.
    pub(super) fn not_judged(
        &self,
        document: &Document,
    ) -> impl Iterator<Item = (String, (usize, usize))> + use<> {
        let pods = pass::not_judged(&document.contents);
        let places = self.source.positions(document, pods.iter().map(|(pointer, _)| *pointer));
        let messages: Vec<String> = pods.into_iter().map(|(_, message)| message).collect();
        messages.into_iter().zip(places)
    }

    /// Number of fields that change.
    pub(super) fn fields(&self) -> usize {
        self.changes.iter().map(Change::fields).sum()
    }
}
