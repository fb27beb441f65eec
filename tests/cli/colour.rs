//! Colours: on terminals, and where somebody asks for them.

use std::process::{Command, Stdio};

use super::{ironhull, there_is};

const LINE: &str = "explain -f docs/examples/auditor.yaml";
const ESCAPE: u8 = 0x1b;

fn coloured(line: &str, variables: &[(&str, &str)]) -> bool {
    let output = ironhull(line).envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{line}");
    output.stdout.contains(&ESCAPE)
}

#[test]
fn pipes_have_none_unless_asked_for() {
    let always = format!("{LINE} --color always");
    let never = format!("{LINE} --color never");
    for (line, variables, expected) in [
        (LINE, &[][..], false),
        (LINE, &[("CLICOLOR_FORCE", "1")], true),
        (LINE, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&always, &[], true),
        (&always, &[("NO_COLOR", "1")], true),
        (&never, &[("CLICOLOR_FORCE", "1")], false),
        ("--color=always rules", &[], false),
    ] {
        assert_eq!(coloured(line, variables), expected, "{line} {variables:?}");
    }
}

#[test]
fn errors_are_coloured_as_answers_are() {
    let errors = |line: &str| ironhull(line).output().unwrap().stderr.contains(&ESCAPE);
    assert!(errors("policy check tests/policy-errors/uid --color always"));
    assert!(!errors("policy check tests/policy-errors/uid"));
    assert!(errors("harden -f tests/manifests/error-yaml/in.yaml --color always"));
}

#[test]
fn outputs_for_programs_never_have_any() {
    for line in [
        "explain -f docs/examples/auditor.yaml -o json",
        "harden -f docs/examples/auditor.yaml -o patch",
        "policy check policies -o json",
    ] {
        assert!(!coloured(&format!("{line} --color always"), &[]), "{line}");
    }
}

#[test]
fn a_terminal_has_them_unless_somebody_minds() {
    if !there_is("script", "a terminal of one's own") {
        return;
    }
    let on_a_terminal = |variable: &str, value: &str| {
        let program = env!("CARGO_BIN_EXE_ironhull");
        let mut script = Command::new("script");
        script.args(["-qec", &format!("{program} {LINE}"), "/dev/null"]);
        script.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
        // On a pipeline there are colours whatever the terminal.
        for unset in ["CI", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            script.env_remove(unset);
        }
        let output = script.env("TERM", "xterm").env(variable, value).output().unwrap();
        assert!(output.status.success());
        output.stdout.contains(&ESCAPE)
    };
    assert!(on_a_terminal("TERM", "xterm"));
    assert!(!on_a_terminal("NO_COLOR", "1"));
    assert!(!on_a_terminal("CLICOLOR", "0"));
    assert!(!on_a_terminal("TERM", "dumb"));
}
