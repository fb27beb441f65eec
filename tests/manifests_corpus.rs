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

#[path = "support/judge.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests judge pods, this one readings")]
mod judge;
#[path = "support/corpus.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use granit_parser::{Event, Parser, options};
use ironhull::cli::manifest::{Document, Source, Workload};
use ironhull::cli::pass::Pass;
use ironhull::policy::PolicySet;
use jiff::civil::date;
use serde_json::{Value, json};

/// The manifests' files, in order; none, and loudly so, where the variable is not set.
fn corpus() -> Vec<PathBuf> {
    let Some(directory) = support::directory() else { return Vec::new() };
    let files = support::files(&directory);
    assert!(files.len() > 1000, "the corpus has more than {} files", files.len());
    files
}

fn read(path: &Path) -> Source {
    let text = std::fs::read_to_string(path).unwrap();
    Source::read(&path.display().to_string(), text).unwrap_or_else(|errors| {
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

/// A patch of every shape the engine writes, for one workload.
fn patch(document: &Document, workload: &Workload) -> Vec<Value> {
    let mut patch = Vec::new();
    let pod = document.value.pointer(&workload.pod).unwrap();
    let root = &workload.pod;
    members(
        &mut patch,
        pod.pointer("/spec/securityContext"),
        &format!("{root}/spec/securityContext"),
        &[
            ("runAsNonRoot", json!(true)),
            ("runAsUser", json!(1000)),
            ("seccompProfile", json!({"type": "RuntimeDefault"})),
        ],
    );
    for list in ["initContainers", "containers"] {
        let containers = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
        for (index, container) in containers.into_iter().flatten().enumerate() {
            let path = format!("{root}/spec/{list}/{index}");
            let context = container.get("securityContext");
            members(
                &mut patch,
                context,
                &format!("{path}/securityContext"),
                &[("allowPrivilegeEscalation", json!(false)), ("runAsUser", json!(2000))],
            );
            let drop = container.pointer("/securityContext/capabilities/drop");
            if context.and_then(Value::as_object).is_some_and(|context| !context.is_empty()) {
                let capabilities = format!("{path}/securityContext/capabilities");
                match drop.and_then(Value::as_array) {
                    Some(drop) if !drop.is_empty() => {
                        patch.push(json!({"op": "add", "path": format!("{capabilities}/drop/-"), "value": "ALL"}));
                    }
                    _ => members(
                        &mut patch,
                        container.pointer("/securityContext/capabilities"),
                        &capabilities,
                        &[("drop", json!(["ALL"]))],
                    ),
                }
                if let Some(Value::Array(add)) =
                    container.pointer("/securityContext/capabilities/add")
                {
                    let kept: Vec<_> = add.iter().skip(1).collect();
                    patch.push(json!({"op": "replace", "path": format!("{capabilities}/add"), "value": kept}));
                }
            }
            append(
                &mut patch,
                container.get("volumeMounts"),
                &format!("{path}/volumeMounts"),
                &[json!({"name": "ironhull-tmp", "mountPath": "/tmp"})],
            );
        }
    }
    append(
        &mut patch,
        pod.pointer("/spec/volumes"),
        &format!("{root}/spec/volumes"),
        &[
            json!({"name": "ironhull-tmp", "emptyDir": {}}),
            json!({"name": "ironhull-b", "emptyDir": {"medium": "Memory"}}),
        ],
    );
    match pod.get("metadata").and_then(Value::as_object) {
        Some(metadata) if !metadata.is_empty() => members(
            &mut patch,
            metadata.get("annotations"),
            &format!("{root}/metadata/annotations"),
            &[("example.com/volumes", json!("a,b"))],
        ),
        _ => patch.push(json!({"op": "add", "path": format!("{root}/metadata"), "value": {"annotations": {"example.com/volumes": "a,b"}}})),
    }
    patch
}

fn members(patch: &mut Vec<Value>, object: Option<&Value>, path: &str, new: &[(&str, Value)]) {
    match object {
        Some(Value::Object(object)) if !object.is_empty() => {
            for (key, value) in new {
                let op = if object.contains_key(*key) { "replace" } else { "add" };
                let key = key.replace('/', "~1");
                patch.push(json!({"op": op, "path": format!("{path}/{key}"), "value": value}));
            }
        }
        _ => {
            let value: serde_json::Map<String, Value> =
                new.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            patch.push(json!({"op": "add", "path": path, "value": value}));
        }
    }
}

fn append(patch: &mut Vec<Value>, list: Option<&Value>, path: &str, new: &[Value]) {
    match list {
        Some(Value::Array(list)) if !list.is_empty() => {
            for value in new {
                patch.push(json!({"op": "add", "path": format!("{path}/-"), "value": value}));
            }
        }
        _ => patch.push(json!({"op": "add", "path": path, "value": new})),
    }
}

/// Asks Kubernetes' own reader what it makes of texts: the JSON, or the error.
fn kubernetes_reads(judge: &Path, texts: &[String]) -> Vec<Result<Value, String>> {
    let mut child = Command::new(judge)
        .arg("docs")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the judge starts");
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<String> =
        texts.iter().map(|text| json!({"id": "x", "yaml": text}).to_string()).collect();
    let writer = std::thread::spawn(move || {
        for line in lines {
            writeln!(stdin, "{line}").unwrap();
        }
    });
    let answers: Vec<_> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(|line| {
            let mut answer: Value = serde_json::from_str(&line.unwrap()).unwrap();
            match answer.get_mut("json") {
                Some(json) => Ok(json.take()),
                None => Err(answer["error"].to_string()),
            }
        })
        .collect();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(answers.len(), texts.len());
    answers
}

#[test]
fn every_document_reads_as_kubernetes_reads_it() {
    let (files, Some(judge)) = (corpus(), judge::binary()) else { return };
    let mut texts = Vec::new();
    let mut ours = Vec::new();
    for path in files {
        let source = read(&path);
        for document in &source.documents {
            // kubectl ends every line of what it hands to the reader.
            let mut text = source.text_of(document).to_owned();
            if !text.ends_with('\n') {
                text.push('\n');
            }
            texts.push(text);
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
            let patches: Vec<Value> = document
                .contents
                .workloads
                .iter()
                .flat_map(|workload| patch(document, workload))
                .collect();
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
    let pass = Pass { policies: &policies, namespace: "default", date: date(2026, 1, 1) };
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
            let again = Source::read("again", after.text.clone()).unwrap();
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

fn patch_of(pass: &Pass<'_>, source: &Source, document: &Document) -> Result<Vec<Value>, String> {
    let mut patch: Vec<Value> = Vec::new();
    pass.judge(source, document, |judged| {
        patch.extend(serde_json::from_str::<Vec<Value>>(judged.outcome.patch.as_json()).unwrap());
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
