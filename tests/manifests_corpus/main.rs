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

use std::collections::{BTreeMap, BTreeSet};
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
        let (old, new) = (read(file), Source::read("after", after).unwrap());
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

/// Which lines may go and come.
mod lines {
    /// The keys of which a line may be replaced, because their value is.
    const REPLACED: &[&str] = &[
        "runAsUser",
        "runAsGroup",
        "runAsNonRoot",
        "allowPrivilegeEscalation",
        "readOnlyRootFilesystem",
        "type",
    ];
    /// The keys whose value may be empty, and then has something.
    const FILLED: &[&str] = &[
        "securityContext",
        "capabilities",
        "drop",
        "add",
        "metadata",
        "annotations",
        "volumes",
        "volumeMounts",
    ];
    /// What new lines may begin with, but for dashes and quotes.
    const NEW: &[&str] = &[
        "allowPrivilegeEscalation: false",
        "readOnlyRootFilesystem: true",
        "runAsNonRoot: true",
        "runAsUser: ",
        "runAsGroup: ",
        "fsGroup: ",
        "fsGroupChangePolicy: OnRootMismatch",
        "seccompProfile:",
        "type: RuntimeDefault",
        "securityContext:",
        "capabilities:",
        "drop:",
        "add:",
        "ALL",
        "NET_BIND_SERVICE",
        "CHOWN",
        "metadata:",
        "annotations:",
        "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: ",
        "volumes:",
        "volumeMounts:",
        "name: ironhull-",
        "mountPath: /",
        "emptyDir: {}",
        "sysctls:",
        "name: net.ipv4.ip_unprivileged_port_start",
        "value: 0",
    ];

    /// What is wrong with the way from one text to the other, line by line.
    pub(super) fn wrong(before: &str, after: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let carriage =
            |text: &str| text.lines().count() > 0 && !text.replace("\r\n", "").contains('\n');
        if carriage(before) != carriage(after) {
            wrong.push("the line ends are others".to_owned());
        }
        if before.ends_with('\n') != after.ends_with('\n') {
            wrong.push("the end of the file is another".to_owned());
        }
        if before.starts_with('\u{feff}') != after.starts_with('\u{feff}') {
            wrong.push("the byte-order mark is another".to_owned());
        }
        let (old, new): (Vec<_>, Vec<_>) =
            (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
        let diff = similar::TextDiff::from_slices(&old, &new);
        for group in diff.ops() {
            let (_, old_range, new_range) = group.as_tag_tuple();
            if group.tag() != similar::DiffTag::Equal {
                wrong.extend(group_wrong(&old[old_range], &new[new_range]));
            }
        }
        wrong
    }

    fn group_wrong(gone: &[&str], mut come: &[&str]) -> Vec<String> {
        let mut wrong = Vec::new();
        for line in gone {
            // Each line that goes comes again, in order, with another value or with more.
            let line = line.trim_end();
            match come.iter().position(|new| becomes(line, new.trim_end())) {
                Some(at) => {
                    wrong.extend(come[..at].iter().filter_map(|new| unknown(new)));
                    come = &come[at + 1..];
                }
                // A capability that the policy does not allow; what is said of it stays.
                None if is_capability(line) => {
                    if let Some((_, comment)) = line.split_once('#') {
                        let at = come.iter().position(|new| new.trim() == format!("#{comment}"));
                        come = &come[at.map_or(0, |at| at + 1)..];
                        if at != Some(0) {
                            wrong.push(format!("what is said here is gone: {line}"));
                        }
                    }
                }
                // What was empty, on a line below its key.
                None if ["{}", "[]"].contains(&line.trim()) => {}
                None => wrong.push(format!("this line is gone: {line}")),
            }
        }
        wrong.extend(come.iter().filter_map(|new| unknown(new)));
        wrong
    }

    /// Whether one line is the other after the hardening.
    fn becomes(old: &str, new: &str) -> bool {
        let (old_said, old_comment) = old.split_once(" #").unwrap_or((old, ""));
        if !new.contains(old_comment) {
            return false;
        }
        let Some((key, value)) = old_said.trim_end().split_once(':') else {
            // `}` becomes `},`; `["a"]` becomes `["a", "b"]`.
            return is_within(old_said.trim_end(), new);
        };
        let name = key.trim_start_matches([' ', '\t', '-', '"', '{']).trim_end_matches('"');
        if REPLACED.contains(&name) && new.starts_with(&format!("{key}:")) {
            return true;
        }
        let empty = ["", "{}", "[]", "null", "~"].contains(&value.trim_matches([' ', ',']));
        if FILLED.contains(&name) && empty && new.starts_with(&format!("{key}:")) {
            return true;
        }
        // A list of capabilities on one line may lose some.
        if name == "add" && value.trim().starts_with('[') && new.starts_with(&format!("{key}:")) {
            return true;
        }
        is_within(old_said.trim_end(), new)
    }

    /// Whether all characters of one text are in the other, in order.
    fn is_within(old: &str, new: &str) -> bool {
        let mut new = new.chars();
        old.chars().all(|c| new.any(|other| other == c))
    }

    /// `- NAME # why`, or a list of them on a line of its own.
    fn is_capability(line: &str) -> bool {
        let said = line.split('#').next().unwrap().trim().trim_start_matches("- ");
        let names = said.trim_matches(['[', ']', ',']).split(',');
        names.map(|name| name.trim().trim_matches(['"', '\''])).all(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        })
    }

    fn unknown(line: &str) -> Option<String> {
        let said = line.trim().trim_start_matches("- ").replace('"', "");
        let structure = said.chars().all(|c| "{}[],".contains(c));
        let known = structure || NEW.iter().any(|new| said.starts_with(new));
        (!known).then(|| format!("this line is new: {line}"))
    }
}

/// Which fields may change, by the values.
mod fields {
    use serde_json::Value;

    /// What differs between two objects and is none of the hardening's.
    pub(super) fn wrong(before: &Value, after: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        walk(before, after, String::new(), &mut wrong);
        wrong
    }

    fn walk(before: &Value, after: &Value, path: String, wrong: &mut Vec<String>) {
        if before == after || hardened(&path, after) {
            return;
        }
        match (before, after) {
            (Value::Object(old), Value::Object(new)) => {
                for key in old.keys().filter(|key| !new.contains_key(*key)) {
                    wrong.push(format!("{path}/{key} is gone"));
                }
                for (key, new) in new {
                    walk(old.get(key).unwrap_or(&Value::Null), new, format!("{path}/{key}"), wrong);
                }
            }
            (Value::Array(old), Value::Array(new)) if old.len() <= new.len() => {
                for (index, new) in new.iter().enumerate() {
                    let old = old.get(index).unwrap_or(&Value::Null);
                    walk(old, new, format!("{path}/{index}"), wrong);
                }
            }
            // What was not there before, down to what may be new.
            (Value::Null, Value::Object(new)) => {
                for (key, new) in new {
                    walk(&Value::Null, new, format!("{path}/{key}"), wrong);
                }
            }
            (Value::Null, Value::Array(new)) => {
                for (index, new) in new.iter().enumerate() {
                    walk(&Value::Null, new, format!("{path}/{index}"), wrong);
                }
            }
            _ => wrong.push(format!("{path}: {before} became {after}")),
        }
    }

    /// Whether the field is one that hardening sets, to a value that it sets.
    fn hardened(path: &str, after: &Value) -> bool {
        let within = |name: &str| path.rsplit_once(name).map(|(_, rest)| rest);
        if let Some(field) = within("/securityContext/") {
            return match field {
                "runAsNonRoot" | "readOnlyRootFilesystem" => after == true,
                "allowPrivilegeEscalation" => after == false,
                "runAsUser" => after.as_u64().is_some_and(|uid| uid > 0),
                "runAsGroup" | "fsGroup" => after.is_u64(),
                "fsGroupChangePolicy" => after == "OnRootMismatch",
                "seccompProfile/type" => after == "RuntimeDefault",
                "capabilities/add" => after.is_array(),
                field if field.starts_with("capabilities/drop/") => after == "ALL",
                field if field.starts_with("capabilities/add/") => after.is_string(),
                field if field.ends_with("/name") => after == "net.ipv4.ip_unprivileged_port_start",
                field if field.ends_with("/value") => after == "0",
                _ => false,
            };
        }
        let ours = after["name"].as_str().is_some_and(|name| name.starts_with("ironhull-"));
        if path.rsplit_once('/').is_some_and(|(list, _)| list.ends_with("/volumeMounts")) {
            return ours && after.as_object().is_some_and(|mount| mount.len() == 2);
        }
        if path.rsplit_once('/').is_some_and(|(list, _)| list.ends_with("/volumes")) {
            return ours && after.get("emptyDir").is_some();
        }
        path.ends_with("/annotations/cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes")
    }
}
