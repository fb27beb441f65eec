//! Real manifests through the reader and the editor: set `IRONHULL_CORPUS` to a directory
//! of them.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says where"
)]
#![allow(unreachable_pub, reason = "the modules of a test are nobody else's")]

mod fields;
mod lines;
mod patch;

#[path = "../support/judge.rs"]
#[allow(dead_code, reason = "other tests judge pods, this one readings")]
mod judge;
#[path = "../support/reader.rs"]
mod reader;
#[path = "../support/corpus.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use granit_parser::{Event, Parser, options};
use ironhull::cli::pass::{Assignment, Pass};
use ironhull::manifest::{Document, ManifestFile};
use ironhull::policy::PolicySet;
use jiff::civil::date;
use patch::patch;
use reader::Kubernetes;
use serde_json::Value;

/// The manifests' files, in order; none, and loudly so, where the variable is not set.
fn corpus() -> Vec<PathBuf> {
    let Some(directory) = support::directory() else { return Vec::new() };
    let files = support::files(&directory);
    assert!(files.len() > 1000, "the corpus has more than {} files", files.len());
    files
}

fn read(path: &Path) -> ManifestFile {
    let text = std::fs::read_to_string(path).unwrap();
    ManifestFile::read(&path.display().to_string(), text).unwrap_or_else(|errors| {
        panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

/// The comments of a text, each as often as it occurs.
fn comments(text: &str) -> BTreeMap<String, usize> {
    let mut comments = BTreeMap::new();
    let options = options! { max_buffered_comment_events: usize::MAX };
    for event in Parser::new_from_str_with_options(text, options) {
        if let (Event::Comment(comment, _), _) = event.unwrap() {
            *comments.entry(comment.trim_end().to_owned()).or_default() += 1;
        }
    }
    comments
}

/// What Kubernetes' own reader makes of texts: the JSON, or the error.
fn kubernetes_reads(judge: &Path, texts: &[String]) -> Vec<Result<Value, String>> {
    let mut kubernetes = Kubernetes::start(judge);
    texts.iter().map(|text| kubernetes.reads(text)).collect()
}

#[test]
fn every_document_reads_as_kubernetes_reads_it() {
    let (files, Some(judge)) = (corpus(), judge::binary()) else { return };
    let mut texts = Vec::new();
    let mut ours = Vec::new();
    for path in files {
        let source = read(&path);
        for document in &source.documents {
            texts.push(source.text_of(document).to_owned());
            ours.push((
                format!("{} {:?}", path.display(), document.number),
                document.value.clone(),
            ));
        }
    }
    let theirs = kubernetes_reads(&judge, &texts);
    println!("{} documents read", theirs.len());
    for ((place, ours), theirs) in ours.iter().zip(theirs) {
        assert_eq!(Ok(ours), theirs.as_ref(), "{place}");
    }
}

#[test]
fn every_workload_can_be_edited_in_place() {
    let mut edited = 0;
    let mut failures = Vec::new();
    for path in corpus() {
        let source = read(&path);
        let pieces: String = source.documents.iter().map(|d| source.text_of(d)).collect();
        assert_eq!(pieces, source.text, "{}", path.display());
        for document in &source.documents {
            let patches: Vec<Value> = document.contents.workloads.iter().flat_map(patch).collect();
            if patches.is_empty() {
                continue;
            }
            edited += 1;
            let before = source.text_of(document);
            let place = format!("{} document {:?}", path.display(), document.number);
            match source.apply(document, &patches) {
                Err(error) => failures.push(format!("{place}: {error}")),
                Ok(after) => {
                    if !after.rewritten.is_empty() {
                        failures.push(format!("{place}: rewritten {:?}", after.rewritten));
                    }
                    if comments(before) != comments(&after.text) {
                        failures.push(format!("{place}: comments differ"));
                    }
                }
            }
        }
    }
    println!("{edited} documents edited");
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// What only Kubernetes' types know: these hold a value of a wrong type, and its own
/// decoder refuses them too.
fn is_wrong_type(error: &str) -> bool {
    error.contains(": expected ")
}

#[test]
fn hardening_changes_only_what_it_means_to() {
    let policies = PolicySet::load(&[], None).unwrap().0;
    let policies = Assignment::of(&policies);
    let pass = Pass {
        policies: &policies,
        namespace: "default",
        date: date(2026, 1, 1),
        seed_image: None,
    };
    let mut refused = Vec::new();
    let mut failures = Vec::new();
    let mut changed = 0;
    for path in corpus() {
        let source = read(&path);
        for document in &source.documents {
            let place = format!("{} document {:?}", path.display(), document.number);
            let patch = match patch_of(&pass, &source, document) {
                Ok(patch) => patch,
                Err(error) => {
                    refused.push(error);
                    continue;
                }
            };
            if patch.is_empty() {
                continue;
            }
            changed += 1;
            let before = source.text_of(document);
            let after = source.apply(document, &patch).unwrap();
            if !after.rewritten.is_empty() {
                failures.push(format!("{place}: rewritten {:?}", after.rewritten));
            }
            if comments(before) != comments(&after.text) {
                failures.push(format!("{place}: comments differ"));
            }
            let again = ManifestFile::read("again", after.text.clone()).unwrap();
            assert_eq!(again.documents.len(), 1, "{place}");
            assert_eq!(again.documents[0].value, after.value, "{place}");
            if patch_of(&pass, &again, &again.documents[0]) != Ok(Vec::new()) {
                failures.push(format!("{place}: hardened again, it changes again"));
            }
            failures.extend(
                lost_lines(before, &after.text)
                    .map(|line| format!("{place}: a line is gone: {line}")),
            );
        }
    }
    println!("{changed} documents changed, {} refused\n{}", refused.len(), refused.join("\n"));
    assert!(refused.iter().all(|error| is_wrong_type(error)), "{}", refused.join("\n"));
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

fn patch_of(
    pass: &Pass<'_>,
    source: &ManifestFile,
    document: &Document,
) -> Result<Vec<Value>, String> {
    let mut patch: Vec<Value> = Vec::new();
    pass.judge(source, document, |judged| {
        patch.extend(judged.patch().unwrap_or_default());
    })
    .map(|()| patch)
    .map_err(|error| error.to_string())
}

/// The lines of `before` that are in `after` neither as they were nor with another value
/// after the same beginning, but for members of lists: those the patch may take out.
fn lost_lines<'t>(before: &'t str, after: &'t str) -> impl Iterator<Item = String> + 't {
    let diff = similar::TextDiff::from_lines(before, after);
    let mut lost = Vec::new();
    let mut new: Vec<String> = Vec::new();
    for change in diff.iter_all_changes() {
        match change.tag() {
            similar::ChangeTag::Delete => lost.push(change.value().trim_end().to_owned()),
            similar::ChangeTag::Insert => new.push(change.value().trim_end().to_owned()),
            similar::ChangeTag::Equal => {}
        }
    }
    lost.into_iter().filter(move |line| {
        let key = line.split(':').next().unwrap_or_default().to_owned();
        let item = line.trim_start().starts_with(['-', '[', '{']);
        !item && !new.iter().any(|new| new.starts_with(&key))
    })
}

/// What `harden --write --keep-going` says of CI's corpus: how many files there are, how
/// many it changes and how many it refuses.
const PINNED: [usize; 3] = [1360, 1227, 1];

/// The whole way: the corpus is rewritten in place, as a user's repository would be.
#[test]
fn rewritten_in_place_the_files_have_the_hardening_and_nothing_else() {
    let (files, Some(judge)) = (corpus(), judge::binary()) else { return };
    if files.is_empty() {
        return;
    }
    let root = support::directory().unwrap();
    let copy = tempfile::tempdir().unwrap();
    for file in &files {
        let to = copy.path().join(file.strip_prefix(&root).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        // Not with the permissions: those of the corpus may forbid to write.
        std::fs::write(to, std::fs::read(file).unwrap()).unwrap();
    }
    let ironhull = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ironhull"));
        command.args(["harden", "--date", "2026-01-01", "-f", "."]).args(arguments);
        command.current_dir(copy.path()).env("NO_COLOR", "1").output().unwrap()
    };
    let output = ironhull(&["--write", "--keep-going"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let counts: Vec<usize> =
        said.lines().last().unwrap().split(' ').filter_map(|word| word.parse().ok()).collect();
    let [written, unchanged, refused] = counts[..] else { panic!("{said}") };
    let errors = String::from_utf8(output.stderr).unwrap();
    let reasons: Vec<_> = errors.lines().filter(|line| line.starts_with("error")).collect();
    println!("{} files: {written} changed, {unchanged} not, {refused} refused", files.len());
    println!("{}", reasons.join("\n"));
    assert_eq!([files.len(), written, refused], PINNED);
    assert!(refused * 200 < files.len(), "0.5 % are refused");

    let mut failures = Vec::new();
    let (mut texts, mut expected) = (Vec::new(), Vec::new());
    let mut changed = 0;
    for file in &files {
        let before = std::fs::read_to_string(file).unwrap();
        let name = file.strip_prefix(&root).unwrap();
        let after = std::fs::read_to_string(copy.path().join(name)).unwrap();
        if before == after {
            continue;
        }
        changed += 1;
        let mut wrong = lines::wrong(&before, &after);
        let (old, new) = (read(file), ManifestFile::read("after", after).unwrap());
        assert_eq!(old.documents.len(), new.documents.len(), "{}", name.display());
        for (old_document, new_document) in old.documents.iter().zip(&new.documents) {
            let (before, after) = (old.text_of(old_document), new.text_of(new_document));
            if before == after {
                continue;
            }
            if comments(before) != comments(after) {
                wrong.push("comments differ".to_owned());
            }
            wrong.extend(fields::wrong(&old_document.value, &new_document.value));
            texts.extend([before, after].map(|text| format!("{}\n", text.trim_end_matches('\n'))));
            expected.push((name.to_owned(), old_document.number));
        }
        failures.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", name.display())));
    }
    assert_eq!(changed, written);
    failures.extend(misread(&judge, &root, &texts, &expected));
    println!("{} documents changed, by Kubernetes' own reading", expected.len());
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    let again = ironhull(&["--write", "--keep-going"]);
    let said = String::from_utf8(again.stdout).unwrap();
    assert!(said.starts_with("0 files written"), "hardened again, files change again: {said}");
}

/// The documents of which Kubernetes' reading, after, is not its reading before with the
/// engine's patch. `texts` has a document before and after in turn.
fn misread(
    judge: &Path,
    root: &Path,
    texts: &[String],
    documents: &[(PathBuf, Option<usize>)],
) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_ironhull"))
        .args(["harden", "--date", "2026-01-01", "-o", "patch"])
        .args(
            documents
                .iter()
                .map(|(name, _)| name)
                .collect::<BTreeSet<_>>()
                .iter()
                .flat_map(|name| ["-f".into(), name.as_os_str().to_owned()]),
        )
        .current_dir(root)
        .output()
        .unwrap();
    let mut patches: BTreeMap<(PathBuf, Option<usize>), json_patch::Patch> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let number = line["document"].as_u64().and_then(|number| usize::try_from(number).ok());
        let patch = serde_json::from_value(line["patch"].clone()).unwrap();
        patches.insert((line["file"].as_str().unwrap().into(), number), patch);
    }
    assert_eq!(patches.len(), documents.len());
    let theirs = kubernetes_reads(judge, texts);
    let mut wrong = Vec::new();
    for (readings, document) in theirs.chunks(2).zip(documents) {
        let mut value = readings[0].clone().unwrap();
        json_patch::patch(&mut value, &patches[document]).unwrap();
        if readings[1].as_ref() != Ok(&value) {
            wrong.push(format!("{document:?}: Kubernetes reads something else"));
        }
    }
    wrong
}
