//! Help fits a screen, and says the same everywhere.

use ironhull::cli::help::EXTRAS;

use super::{answer, ironhull};

/// What fits beside other things on a screen. What a chart starts has an option for everything.
const LINES: usize = 40;
const SHORT_LINES: usize = 24;
const COLUMNS: usize = 80;

#[test]
fn help_fits_a_screen() {
    for extra in EXTRAS {
        let (full, brief) = (
            answer(&format!("{} --help", extra.command)),
            answer(&format!("{} -h", extra.command)),
        );
        for line in full.lines().chain(brief.lines()) {
            assert!(line.chars().count() <= COLUMNS, "{}: {line}", extra.command);
        }
        let (full, brief) = (full.lines().count(), brief.lines().count());
        let (most, most_brief) = match extra.command {
            "serve" => (100, 50),
            "watch" => (60, SHORT_LINES),
            _ => (LINES, SHORT_LINES),
        };
        assert!(full <= most, "`{} --help` has {full} lines", extra.command);
        assert!(brief <= most_brief, "`{} -h` has {brief} lines", extra.command);
        assert!(brief < full, "{}", extra.command);
    }
}

#[test]
fn every_help_has_examples_and_exit_statuses() {
    for extra in EXTRAS {
        let help = answer(&format!("{} --help", extra.command));
        assert!(help.contains("\nExamples:\n"), "{help}");
        assert!(help.contains("\nExit status:\n  0  "), "{help}");
    }
}

#[test]
fn help_as_a_word_is_help() {
    assert_eq!(answer("help policy check"), answer("policy check --help"));
    assert_eq!(answer("help"), answer("--help"));
    assert_eq!(answer("--version"), format!("ironhull {}\n", env!("CARGO_PKG_VERSION")));
}

/// No value of the caller's environment gets into it.
#[test]
fn help_is_the_same_for_everybody() {
    let mut command = ironhull("policy check --help");
    let output = command.env("IRONHULL_POLICY", "/secret/place").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), answer("policy check --help"));
}
