//! SARIF 2.1.0, the format in which code scanning takes the findings of an analysis.
//!
//! Has the parts that are required, and those that GitHub reads:
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>,
//! <https://docs.github.com/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning>.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::manifest::ManifestError;
use crate::text::hex;

/// Directory that file names are relative to. The reader knows where it is.
const ROOT: &str = "%SRCROOT%";

/// Address of the help for what is found. SARIF wants one for each.
const HELP: &str = "https://kubernetes.io/docs/concepts/security/pod-security-standards/";

/// Describes something that may be found.
pub(super) fn descriptor(id: &str, short: &str, full: &str, help: Value, level: &str) -> Value {
    json!({
        "id": id,
        "shortDescription": {"text": short},
        "fullDescription": {"text": full},
        "help": help,
        "helpUri": HELP,
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["security", "kubernetes"]},
    })
}

/// A log of one run.
#[derive(Default)]
pub(super) struct Log {
    /// Descriptions of everything that may be found.
    pub(super) rules: Vec<Value>,
    /// What was found.
    pub(super) results: Vec<Value>,
    /// What could not be read or judged.
    pub(super) notifications: Vec<Value>,
    /// Whether everything could be read.
    pub(super) successful: bool,
    /// Those of the results.
    pub(super) fingerprints: Fingerprints,
}

/// Identities in short. They stay the same when lines move.
#[derive(Default)]
pub(super) struct Fingerprints {
    /// How often each identity occurred: two objects may have the same name, in two files or in one.
    seen: HashMap<String, usize>,
}

impl Fingerprints {
    /// The fingerprint of what comes next with this identity.
    pub(super) fn next(&mut self, identity: &str) -> String {
        let times = self.seen.entry(identity.to_owned()).or_default();
        *times += 1;
        let digest = Sha256::digest(identity);
        format!("{}:{times}", hex(digest.iter().take(8)))
    }
}

impl Log {
    /// Adds a result. `identity` stays the same when lines move.
    pub(super) fn result(&mut self, mut result: Value, identity: &str) {
        let fingerprint = self.fingerprints.next(identity);
        if let Some(result) = result.as_object_mut() {
            // The first is for everybody; the second is the only one that GitHub reads.
            let fingerprints = json!({
                "ironhull/v1": fingerprint,
                "primaryLocationLineHash": fingerprint,
            });
            result.insert("partialFingerprints".to_owned(), fingerprints);
        }
        self.results.push(result);
    }

    /// The log's text.
    pub(super) fn text(self) -> String {
        let Self { rules, results, notifications, successful, fingerprints: _ } = self;
        let log = json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "ironhull",
                    "version": env!("CARGO_PKG_VERSION"),
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": rules,
                }},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {
                    ROOT: {"description": {"text": "The directory in which ironhull was started."}},
                },
                "invocations": [{
                    "executionSuccessful": successful,
                    "toolExecutionNotifications": notifications,
                }],
                "results": results,
            }],
        });
        format!("{log:#}\n")
    }
}

/// The notification about something that could not be read.
pub(super) fn notification(error: &ManifestError) -> Value {
    json!({
        "level": "error",
        "message": {"text": error.in_full()},
        "locations": [location(&error.file, error.at)],
    })
}

/// A place in a file: line and column, from 1.
pub(super) fn location(file: &str, at: Option<(usize, usize)>) -> Value {
    let path = relative(file);
    let inside = !path.is_absolute() && !path.components().any(|part| part == Component::ParentDir);
    let artifact = if inside {
        json!({"uri": uri(&path), "uriBaseId": ROOT})
    } else {
        let whole = std::path::absolute(&path).unwrap_or(path);
        json!({"uri": format!("file://{}", uri(&whole))})
    };
    let mut location = json!({"artifactLocation": artifact});
    if let (Some((line, column)), Some(object)) = (at, location.as_object_mut()) {
        object.insert("region".to_owned(), json!({"startLine": line, "startColumn": column}));
    }
    json!({"physicalLocation": location})
}

/// A path in which characters with a meaning in addresses are escaped (RFC 3986: `pchar` and `/`).
fn uri(path: &Path) -> String {
    let mut uri = String::new();
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// Name of a file relative to the current directory, without `./`.
pub(super) fn relative(name: &str) -> PathBuf {
    let path = Path::new(name);
    let here = std::env::current_dir().ok();
    let path = here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    let clean = path.components().filter(|part| *part != Component::CurDir);
    clean.collect()
}
