//! The scripts of `ironhull completions`, by the shells themselves where they are installed.

use std::process::Command;

use super::{answer, there_is};

/// What bash offers after a line.
fn offered(line: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("ironhull.bash");
    std::fs::write(&script, answer("completions bash")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let (last, before) = (words.len() - 1, words[words.len().saturating_sub(2)]);
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let program = format!(
        "source {script}; COMP_WORDS=({words}); COMP_CWORD={last}; COMP_LINE='{line}'\n\
         COMP_POINT=${{#COMP_LINE}}\n\
         _ironhull ironhull '{current}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script = script.display(),
        words = quoted.join(" "),
        current = words[last],
    );
    let output = Command::new("bash").args(["--norc", "-c", &program]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    for (line, expected) in [
        ("ironhull har", "harden"),
        ("ironhull policy ch", "check"),
        ("ironhull harden --ch", "--check"),
        ("ironhull harden -o di", "diff"),
        ("ironhull rules seccomp", "seccompProfile"),
        ("ironhull completions po", "powershell"),
    ] {
        assert_eq!(offered(line), [expected], "{line}");
    }
    assert!(offered("ironhull explain -f Cargo.t").contains(&"Cargo.toml".to_owned()));
}

/// Each shell that is here takes its script for good.
#[test]
fn the_scripts_are_good() {
    for (shell, check) in
        [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["-n"]), ("elvish", &["-compileonly"])]
    {
        let script = answer(&format!("completions {shell}"));
        if !there_is(shell, &format!("the check of {shell}'s completion")) {
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("script");
        std::fs::write(&path, script).unwrap();
        let output = Command::new(shell).args(check).arg(&path).output().unwrap();
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(answer("completions powershell").contains("Register-ArgumentCompleter"));
}
