//! A policy file's text: nothing panics, every diagnostic points into the text, and what is
//! loaded can be written, is then the same policy, and hardens pods as any does.

use std::sync::LazyLock;

use ironhull::harden::{Context, Scope};
use ironhull::policy::{Diagnostic, Place, Policy, PolicyFile, PolicySet, effective, parse};
use ironhull::terminal::diagnostics;
use serde_json::{Value, json};

use super::hardening::hardened;
use super::{TODAY, ensure};

const FILE: &str = "policy.yaml";

/// Pods with something for every rule to do, and for image entries and grants to match.
static PODS: LazyLock<[Value; 2]> = LazyLock::new(|| {
    [
        json!({
            "metadata": {"name": "a", "annotations": {"exempt.ironhull.dev/all": "ticket=a b"}},
            "spec": {"containers": [{"name": "web", "image": "nginx"}]},
        }),
        json!({
            "metadata": {"name": "b"},
            "spec": {
                "securityContext": {"runAsUser": 0, "sysctls": []},
                "initContainers": [
                    {"name": "setup", "image": "busybox:1"},
                    {"name": "proxy", "image": "istio/proxyv2:1", "restartPolicy": "Always"},
                ],
                "containers": [
                    {
                        "name": "web",
                        "image": "nginx:1.29",
                        "ports": [{"containerPort": 80}],
                        "volumeMounts": [{"name": "a", "mountPath": "/tmp/a"}],
                        "securityContext": {"capabilities": {"add": ["SYS_TIME", "CHOWN"]}},
                    },
                    {"name": "db", "image": "mirror.example/library/postgres@sha256:0"},
                ],
                "volumes": [{"name": "a", "emptyDir": {}}],
            },
        }),
    ]
});

pub fn check(input: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    let files = [source(text.to_owned())];
    match PolicySet::load(&files, Some(TODAY)) {
        Err(diagnostics) => {
            ensure!(!diagnostics.is_empty(), "refused without a word");
            said_well(&diagnostics, &files)
        }
        Ok((set, warnings)) => {
            said_well(&warnings, &files)?;
            for policy in set.policies() {
                reads_back(policy, &set)?;
                hardens(policy)?;
            }
            hardens(set.fallback())
        }
    }
}

fn source(text: String) -> PolicyFile {
    PolicyFile { name: FILE.to_owned(), text }
}

fn said_well(diagnostics: &[Diagnostic], files: &[PolicyFile; 1]) -> Result<(), String> {
    for diagnostic in diagnostics {
        ensure!(!diagnostic.message.is_empty(), "a diagnostic without a word");
        let message = &diagnostic.message;
        ensure!(!message.contains(char::is_control), "a control character: {message:?}");
        points_into(&diagnostic.place, files)?;
        if let Some((place, _)) = diagnostic.related.as_ref().filter(|(p, _)| &*p.file == FILE) {
            points_into(place, files)?;
        }
    }
    // What is rendered takes a line for each, so a few are enough.
    let few = diagnostics.get(..20).unwrap_or(diagnostics);
    ensure!(few.is_empty() != diagnostics::plain(few, files).contains("-->"), "nothing is shown");
    Ok(())
}

fn points_into(place: &Place, [file]: &[PolicyFile; 1]) -> Result<(), String> {
    let text = &file.text;
    let Some(before) = text.get(..place.span.start) else {
        return Err(format!("{place}: it does not begin in the text: {:?}", place.span));
    };
    ensure!(text.get(place.span.clone()).is_some(), "{place}: not in the text: {:?}", place.span);
    // A lone carriage return ends a line for YAML, and a byte-order mark is no column.
    if !text.contains('\r') && !text.contains('\u{feff}') {
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let said = (place.line, place.column);
        ensure!(said == (line, column), "{place}: it stands in line {line}, column {column}");
    }
    Ok(())
}

/// `policy show` prints a document that is the same policy.
fn reads_back(policy: &Policy, set: &PolicySet) -> Result<(), String> {
    let shown = serde_yaml::to_string(&effective::document(policy)).map_err(|e| e.to_string())?;
    let read = parse::parse(&[source(shown.clone())])
        .map_err(|errors| format!("what is shown is refused: {errors:#?}\n{shown}"))?;
    let [again] = read.policies.as_slice() else {
        return Err(format!("what is shown is {} policies:\n{shown}", read.policies.len()));
    };
    let same = serde_yaml::to_string(&effective::document(again)).map_err(|e| e.to_string())?;
    ensure!(shown == same, "shown again it is another:\n{shown}\n{same}");
    // A document that lists known images of its own is not shown with them.
    if set.fallback().revision == Policy::restricted().revision {
        ensure!(policy.revision == again.revision, "another revision: \n{shown}");
    }
    Ok(())
}

fn hardens(policy: &Policy) -> Result<(), String> {
    let context = Context {
        date: TODAY,
        scope: Scope::Create,
        user_namespaces: false,
        provenance: true,
        root: "",
        reserved_volumes: &[],
        seed_image: super::ENVIRONMENT.seed_image,
    };
    for pod in &*PODS {
        let Some(hardened) = hardened(pod, policy, &context)? else {
            return Err("the pod cannot be read".to_owned());
        };
        let debugged = Context { scope: Scope::Ephemeral { known: &[] }, ..context };
        let mut pod = hardened.pod;
        pod["spec"]["ephemeralContainers"] =
            json!([{"name": "debug", "image": "busybox", "targetContainerName": "web"}]);
        super::hardening::hardened(&pod, policy, &debugged)?;
    }
    Ok(())
}
