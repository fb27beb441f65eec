//! Where nothing is exempt, the backstop refuses what Pod Security's *restricted* refuses, for the same
//! checks.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::ask::{MADE, ask, checks, created, only, policies};
use crate::manifests::{hardened, pods};
use crate::{fixtures, judge, support, update};

/// Compares both evaluators on each pod. Returns how many pods both could read, and how many are refused.
fn compare(binary: &PathBuf, pods: &[(String, Value)]) -> (usize, usize) {
    let only_pods: Vec<Value> = pods.iter().map(|(_, pod)| pod.clone()).collect();
    let judged = judge::judge(binary, &only_pods);
    let readable: Vec<_> =
        pods.iter().zip(judged).filter(|(_, judged)| judged.error.is_none()).collect();
    let requests: Vec<Value> = readable.iter().map(|((_, pod), _)| created(pod)).collect();
    let decided = ask(binary, &policies(""), &requests);
    let mut refused = 0;
    let mut different = Vec::new();
    for (((id, _), judged), decisions) in readable.iter().zip(&decided) {
        let decision = only(decisions);
        refused += usize::from(!decision.allowed);
        let (ours, theirs) = (decision.refused(), checks(&judged.restricted.reasons));
        if ours != theirs || decision.allowed != judged.restricted.allowed {
            different.push(format!("{id}: {ours:?}, Pod Security {theirs:?}"));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    (readable.len(), refused)
}

/// The tests share the file of expected lines, and run side by side.
static FILE: Mutex<()> = Mutex::new(());

/// Holds a line of `expected.txt` against what came out.
fn expect(what: &str, (pods, refused): (usize, usize)) {
    let line = format!("{what}: {pods} pods, {refused} refused by both, 0 differences");
    println!("{line}");
    let _held = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backstop/expected.txt");
    let mut lines: Vec<String> =
        std::fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect();
    if update::is_wanted() && !lines.contains(&line) {
        lines.retain(|other| !other.starts_with(&format!("{what}: ")));
        lines.push(line.clone());
        lines.sort();
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
    assert!(lines.contains(&line), "not in {}: {line}", path.display());
}

#[test]
fn the_corpus_is_refused_as_by_pod_security() {
    let (Some(binary), Some(directory)) = (judge::binary(), support::directory()) else { return };
    let shipped = pods(&directory);
    let each = shipped.iter().filter_map(|(id, pod)| Some((id.clone(), hardened(pod, MADE)?)));
    let each: Vec<_> = each.collect();
    expect("corpus", compare(&binary, &shipped));
    expect("corpus, hardened", compare(&binary, &each));
}

/// What each version of each level allows and refuses.
#[test]
fn kubernetes_own_fixtures_are_refused_as_by_pod_security() {
    let (Some(binary), Some(directory)) = (judge::binary(), fixtures::directory()) else { return };
    let fixtures = pods(&directory);
    assert!(fixtures.len() > 4000, "{}", fixtures.len());
    expect("Pod Security's fixtures", compare(&binary, &fixtures));
}
