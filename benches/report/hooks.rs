//! ironhull, and the two hooks that it is held against: the same binary, told what to answer.
//!
//! | hook | what it does with a review |
//! |---|---|
//! | `ironhull` | reviews it |
//! | `constant` | reads `request.uid`, and answers the very patch that ironhull answers |
//! | `naive` | the same with a patch of one operation for each field, whose result is the same |

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::server::{Server, Setup};

/// The three, all running.
pub struct Hooks {
    /// In the order of [`Hooks::NAMES`].
    pub servers: [Server; 3],
    pub answer_bytes: usize,
    pub operations: usize,
    pub naive_operations: usize,
    _files: TempDir,
}

impl Hooks {
    pub const NAMES: [&'static str; 3] = ["ironhull", "constant", "naive"];

    /// Starts them for one review, and sees to it that their answers are what they should be.
    ///
    /// # Errors
    /// When the binary cannot be told what to answer, or an answer is another.
    pub fn start(binary: &Path, review: &[u8]) -> anyhow::Result<Self> {
        let files = tempfile::tempdir()?;
        let (told, patch) = (files.path().join("review.json"), files.path().join("patch.json"));
        fs::write(&told, review)?;
        let variable = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
        let start = |environment| Server::start(binary, &Setup { environment, ..Setup::default() });
        let ironhull = start(Vec::new())?;
        let (status, answer) = ironhull.target()?.post("/enforce", review.to_vec())?;
        ensure!(status == 200, "ironhull answers {status}");
        let operations = patch_of(&answer)?;
        let reviewed: Value = serde_json::from_slice(review)?;
        let pod = &reviewed["request"]["object"];
        let small = naive(pod, &operations);
        ensure!(
            patched(pod, &small)? == patched(pod, &operations)?,
            "the naive hook's patch does not do the same"
        );
        fs::write(&patch, serde_json::to_vec(&small)?)?;

        let told = variable("IRONHULL_BENCH_REVIEW", &told);
        let constant = start(vec![told.clone()])?;
        let naive = start(vec![told, variable("IRONHULL_BENCH_PATCH", &patch)])?;
        for hook in [&constant, &naive] {
            // Nothing but a uid: ironhull would call it no review.
            let (status, _) = hook.target()?.post("/enforce", r#"{"request":{"uid":"x"}}"#)?;
            if status != 200 {
                bail!(
                    "{} cannot be told what to answer: build it with --features bench",
                    binary.display()
                );
            }
        }
        let (_, same) = constant.target()?.post("/enforce", review.to_vec())?;
        ensure!(same == answer, "the constant hook's answer is not ironhull's");
        let (_, other) = naive.target()?.post("/enforce", review.to_vec())?;
        ensure!(patch_of(&other)? == small, "the naive hook's answer is not what it was told");
        Ok(Self {
            servers: [ironhull, constant, naive],
            answer_bytes: answer.len(),
            operations: operations.len(),
            naive_operations: small.len(),
            _files: files,
        })
    }
}

/// The operations of an answer's patch.
fn patch_of(answer: &[u8]) -> anyhow::Result<Vec<Value>> {
    let answer: Value = serde_json::from_slice(answer)?;
    let patch = answer["response"]["patch"].as_str().context("there is no patch")?;
    Ok(serde_json::from_slice(&STANDARD.decode(patch)?)?)
}

fn patched(pod: &Value, operations: &[Value]) -> anyhow::Result<Value> {
    let patch: json_patch::Patch = serde_json::from_value(Value::Array(operations.to_vec()))?;
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &patch)?;
    Ok(patched)
}

/// The same as `operations`, with an operation for each field of a security context and for
/// each entry of annotations and lists. `capabilities` and `seccompProfile` are one field each.
fn naive(pod: &Value, operations: &[Value]) -> Vec<Value> {
    let mut small = Vec::new();
    for operation in operations {
        let (path, value) = (operation["path"].as_str().unwrap_or_default(), &operation["value"]);
        let add = |path: String, value: Value| json!({"op": "add", "path": path, "value": value});
        match value {
            Value::Object(fields)
                if path.ends_with("/securityContext") || path.ends_with("/annotations") =>
            {
                if pod.pointer(path).is_none_or(Value::is_null) {
                    small.push(add(path.to_owned(), json!({})));
                }
                small.extend(fields.iter().map(|(key, value)| {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    add(format!("{path}/{key}"), value.clone())
                }));
            }
            Value::Array(entries)
                if path.ends_with("/volumes") || path.ends_with("/volumeMounts") =>
            {
                if pod.pointer(path).is_none_or(Value::is_null) {
                    small.push(add(path.to_owned(), json!([])));
                }
                small.extend(entries.iter().map(|entry| add(format!("{path}/-"), entry.clone())));
            }
            _ => small.push(operation.clone()),
        }
    }
    small
}
