#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use super::*;

fn file(text: &str) -> PolicyFile {
    PolicyFile { name: "own.yaml".to_owned(), text: text.to_owned() }
}

/// A file with one control, whose lines after `id` are `rest`.
fn one(rest: &str) -> PolicyFile {
    file(&format!(
        "format: {FORMAT}\nframeworks:\n- id: own\n  name: Own\n  version: '1'\n  url: https://example.org\n  \
         controls:\n  - id: A.1\n    title: t\n    source: s\n{rest}"
    ))
}

fn wrong(file: &PolicyFile) -> (String, Option<String>, usize) {
    let error = *ControlSet::parse(file).unwrap_err();
    (error.message, error.hint, error.place.line)
}

#[test]
fn the_compiled_in_list_can_be_read() {
    let file =
        PolicyFile { name: BUILT_IN.to_owned(), text: include_str!("../controls.yaml").to_owned() };
    let set = ControlSet::parse(&file).unwrap();
    assert!(set.frameworks.len() > 5);
    for framework in &set.frameworks {
        assert!(!framework.read.is_empty(), "{}: nobody could check it", framework.id);
    }
}

/// A check that no control names would be evidence that nobody can find by a control.
#[test]
fn controls_name_what_reports_have() {
    let frameworks = &ControlSet::built_in().frameworks;
    let controls = frameworks.iter().flat_map(|framework| &framework.controls);
    let named: HashSet<Check> = controls
        .flat_map(|control| control.checks.iter().chain(&control.stricter))
        .copied()
        .collect();
    let unnamed: Vec<_> = Check::ALL.into_iter().filter(|check| !named.contains(check)).collect();
    // No standard among these asks for user namespaces alone.
    assert_eq!(unnamed, [Check::UserNamespace]);
}

#[test]
fn an_unknown_check_is_pointed_at() {
    let (message, hint, line) = wrong(&one("    extent: whole\n    checks:\n    - hostPId\n"));
    assert!(message.ends_with("unknown check `hostPId`"), "{message}");
    assert_eq!((hint.as_deref(), line), (Some("did you mean `hostPid`?"), 13));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (rest, message, line) in [
        ("    extent: whole\n", "control `A.1` names no check", 8),
        ("    checks: [privileged]\n    extent: part\n", "nothing says what is left", 3),
        ("    checks: [privileged]\n    stricter: [privileged]\n    extent: part\n", "twice", 8),
        ("    stricter: [privileged]\n    extent: whole\n", "checks that are stricter", 8),
        ("    checks: [privileged]\n    extent: whole\n    beyond: x\n", "has `beyond`", 8),
        ("    checks: [privileged]\n    extent: some\n", "unknown variant", 12),
        ("    cheks: [privileged]\n    extent: whole\n", "unknown field", 11),
    ] {
        let (said, _, at) = wrong(&one(rest));
        assert!(said.contains(message), "{rest}: {said}");
        assert_eq!(at, line, "{rest}: {said}");
    }
    let again = one("    checks: [privileged]\n    extent: whole\n").text;
    let again = again.replace(
        "  - id: A.1",
        "  - {id: A.1, title: t, source: s, checks: [hostPid], extent: whole}\n  - id: A.1",
    );
    assert!(wrong(&file(&again)).0.contains("the control `A.1` stands here twice"));
    let old = one("    checks: [privileged]\n    extent: whole\n").text.replace("/v1\n", "/v0\n");
    assert!(wrong(&file(&old)).0.contains("`format`"));
}

/// `unknown` counts for more than `exempt`: it may be a failure that nobody has allowed.
#[test]
fn the_worst_cell_decides() {
    use crate::evidence::document::{Cell, SetBy, Source, State};
    let cells = |states: &[(Check, State)]| -> Vec<Cell> {
        let cell = |(check, state): &(Check, State)| Cell {
            check: *check,
            state: *state,
            value: serde_json::Value::Null,
            source: Source::PodSpec,
            set_by: SetBy::Author,
            template: None,
            exemption: None,
            why: "".into(),
        };
        states.iter().map(cell).collect()
    };
    let set = ControlSet::parse(&one(
        "    checks: [privileged, hostPid]\n    stricter: [imageDigest]\n    extent: part\n    beyond: b\n",
    ));
    let set = set.unwrap();
    let control = &set.frameworks.first().unwrap().controls.first().unwrap();
    let (a, b, c) = (Check::Privileged, Check::HostPid, Check::ImageDigest);
    for (states, expected) in [
        ([State::Pass, State::Pass, State::Pass], State::Pass),
        ([State::NotApplicable, State::Pass, State::NotApplicable], State::Pass),
        ([State::NotApplicable, State::NotApplicable, State::NotApplicable], State::NotApplicable),
        ([State::Exempt, State::Pass, State::Pass], State::Exempt),
        ([State::Exempt, State::Unknown, State::Pass], State::Unknown),
        ([State::Unknown, State::Fail, State::Exempt], State::Fail),
        // Stricter than the control: open, and no failure.
        ([State::Pass, State::Pass, State::Fail], State::Unknown),
    ] {
        let [first, second, third] = states;
        let cells = cells(&[(a, first), (b, second), (c, third)]);
        assert_eq!(state(control, &cells), expected, "{states:?}");
    }
    assert_eq!(state(control, &cells(&[(a, State::Pass)])), State::Unknown, "a missing cell");
}
