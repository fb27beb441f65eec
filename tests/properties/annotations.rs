//! Annotations of pods: exemptions, writable paths, notes, those of others.

use ironhull::rule::RuleName;
use serde_json::{Value, json};

use super::choices::Choices;

pub(crate) fn annotations(
    numbers: &[Vec<u16>],
    choices: &mut Choices<'_>,
    names: &[String],
) -> Vec<(String, Value)> {
    let mut annotations: Vec<(String, Value)> = Vec::new();
    if choices.chance(3) {
        annotations.push(("kubernetes.io/config.mirror".into(), "0123".into()));
    }
    if choices.chance(12) {
        annotations.push(("ironhull.dev/hardened".into(), note(choices, names)));
    }
    if choices.chance(8) {
        let key = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
        annotations.push((key.into(), choices.pick(&["data", "", " ", "data,tmp"]).into()));
    }
    if choices.chance(1) {
        // So near to 256 KiB in all that ours may not fit.
        let filler = "x".repeat(256 * 1024 - choices.below(1200));
        annotations.push(("example.com/filler".into(), filler.into()));
    }
    for numbers in numbers {
        annotations.push(annotation(&mut Choices::new(numbers), names));
    }
    annotations
}

/// One annotation that some rule reads.
fn annotation(choices: &mut Choices<'_>, names: &[String]) -> (String, Value) {
    let name = |choices: &mut Choices<'_>| match names {
        _ if choices.chance(6) => "not-there".to_owned(),
        [] => "web".to_owned(),
        names => choices.pick(names),
    };
    match choices.below(20) {
        0..12 => {
            let place = if choices.chance(60) { name(choices) + "." } else { String::new() };
            let rule = match choices.chance(25) {
                true => choices.pick(&NOT_RULES),
                false => choices.pick(RuleName::ALL).as_str(),
            };
            (format!("{place}exempt.ironhull.dev/{rule}"), exemption(choices))
        }
        12..14 => {
            let place = if choices.chance(50) { name(choices) + "." } else { String::new() };
            let paths = [
                "/var/cache/nginx,/run",
                "/tmp",
                "/opt/x, /opt ,/opt/x/y",
                "/usr/x,/etc",
                "/opt/x=seed,/run",
                "/srv=seed,/srv/x,/tmp=seed",
                "/opt/x=sed,/etc=seed,=seed,/ironhull-seed/x=seed",
                "relative,/a/../b,/a:b",
                "/srv/é,/srv/long-name-that-makes-a-volume-name-of-more-than-sixty-three-characters",
                "/a1,/a2,/a3,/a4,/a5,/a6,/a7,/a8,/a9,/b1,/b2,/b3,/b4,/b5,/b6,/b7,/b8",
                "",
            ];
            (format!("{place}ironhull.dev/writable-paths"), choices.pick(&paths).into())
        }
        14..18 => {
            let key = match choices.chance(50) {
                true => "seccomp.security.alpha.kubernetes.io/pod".to_owned(),
                false => {
                    format!("container.seccomp.security.alpha.kubernetes.io/{}", name(choices))
                }
            };
            let values = [
                "runtime/default",
                "unconfined",
                "docker/default",
                "localhost/profiles/a.json",
                "localhost/b",
                "",
            ];
            (key, choices.pick(&values).into())
        }
        18 => ("ironhull.dev/unknown".into(), "x".into()),
        _ => ("example.com/a~b".into(), Value::Null),
    }
}

/// What else may stand after `exempt.ironhull.dev/`: every rule, and no rule at all.
const NOT_RULES: [&str; 4] = ["all", "runAsNonroot", "ALL", ""];

fn exemption(choices: &mut Choices<'_>) -> Value {
    choices
        .pick(&[
            "until=2027-02-01 ticket=SEC-12 chown of the data volume",
            "until=2027-01-15 the last day",
            "needs it",
            "ticket=OPS-7 needs it",
            "until=2027-01-14 too late",
            "until=2030-01-01 far ahead",
            "",
            "until=2027-02-30 no such day",
            "expires=2027-03-01 no such key",
            "a\nb\u{1b}[31m \"quoted\" \\ and \u{2028} a very long reason that goes on and on for as long as it likes, which is longer than one warning may be",
        ])
        .into()
}

/// A note that says ironhull was here: plausible, forged, or nonsense.
fn note(choices: &mut Choices<'_>, names: &[String]) -> Value {
    let name = names.first().map_or("web", String::as_str);
    let note = match choices.below(6) {
        0 => json!({"policy": "x@1", "set": {"pod": ["runAsNonRoot", "runAsUser", "runAsGroup"]}}),
        1 => json!({"policy": "x@1", "set": {"pod": ["fsGroup", "seccompProfile"], name: [
            "runAsUser", "capabilities", "readOnlyRootFilesystem", "noSuchRule"]}}),
        2 => {
            json!({"set": {"pod": ["runAsUser"]}, "was": {"pod": {"runAsUser": 0, "x": {}}, name: {
            "capabilities": ["ALL"]}}, "exempt": {"gone": {"all": "until 2020-01-01"}}})
        }
        3 => json!({"set": {"pod": "runAsUser"}}),
        4 => return "{".into(),
        _ => return "".into(),
    };
    note.to_string().into()
}
