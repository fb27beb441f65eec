//! Manual pages.

use std::process::Command;

use ironhull::cli::help::EXTRAS;

use super::{answer, there_is};

fn name(words: &str) -> String {
    format!("ironhull {words}").trim_end().replace(' ', "-") + ".1"
}

#[test]
fn every_command_has_a_page() {
    let directory = tempfile::tempdir().unwrap();
    let man = directory.path().join("share/man1");
    assert_eq!(answer(&format!("man --out {}", man.display())), "");
    let mut files: Vec<String> = std::fs::read_dir(&man)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut expected: Vec<String> = EXTRAS.iter().map(|extra| name(extra.command)).collect();
    expected.sort();
    assert_eq!(files, expected);
    for extra in EXTRAS {
        let page = std::fs::read_to_string(man.join(name(extra.command))).unwrap();
        assert_eq!(page, answer(&format!("man {}", extra.command)), "{}", extra.command);
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "\"EXIT STATUS\"", "EXAMPLES"]
        {
            assert!(page.contains(&format!(".SH {section}\n")), "{}: {section}", extra.command);
        }
        assert!(!page.contains("ironhull\\-help"), "{}", extra.command);
    }
}

#[test]
fn variables_have_a_section() {
    let page = answer("man serve");
    let (_, variables) = page.split_once(".SH ENVIRONMENT").unwrap();
    for variable in ["IRONHULL_TLS_CERT", "IRONHULL_MAX_BODY", "NO_COLOR"] {
        assert!(variables.contains(variable), "{variable}");
    }
    // What the short help leaves out is described all the same.
    assert!(page.contains("Timeout for a TLS handshake"));
}

#[test]
fn groff_has_nothing_to_say() {
    if !there_is("groff", "the check of the manual pages") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    answer(&format!("man --out {}", directory.path().display()));
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let file = file.unwrap().path();
        let mut groff = Command::new("groff");
        groff.args(["-man", "-Tutf8", "-ww", "-z"]).arg(&file);
        let said = groff.output().unwrap();
        assert!(said.status.success());
        assert_eq!(String::from_utf8_lossy(&said.stderr), "", "{}", file.display());
    }
}
