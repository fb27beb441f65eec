//! The help holds together.

#![allow(clippy::unwrap_used, clippy::string_slice, reason = "a test that fails says where")]

use super::*;

#[test]
fn the_name_decides() {
    for (path, program) in [
        ("/usr/bin/ironhull", Program::Ironhull),
        ("/usr/local/bin/kubectl-ironhull", Program::Plugin),
        ("kubectl-ironhull.exe", Program::Plugin),
        ("bin/kubectl_complete-ironhull", Program::Completer),
        ("anything", Program::Ironhull),
    ] {
        assert_eq!(Program::of(Some(OsStr::new(path))), program, "{path}");
    }
    assert_eq!(Program::of(None), Program::Ironhull);
}

fn words(command: &clap::Command, before: &str, found: &mut Vec<String>) {
    found.push(before.to_owned());
    let shown = |below: &&clap::Command| below.get_name() != "help" && !below.is_hide_set();
    for below in command.get_subcommands().filter(shown) {
        words(below, format!("{before} {}", below.get_name()).trim_start(), found);
    }
}

#[test]
fn every_command_has_an_extra() {
    let mut commands = Vec::new();
    words(&command(Program::Ironhull), "", &mut commands);
    let extras: Vec<_> = EXTRAS.iter().map(|extra| extra.command.to_owned()).collect();
    commands.sort();
    let mut sorted = extras.clone();
    sorted.sort();
    assert_eq!(commands, sorted);
}

/// People copy the examples, so each of them has to be a valid command line.
#[test]
fn examples_are_understood() {
    for (line, _) in EXTRAS.iter().flat_map(|extra| extra.examples) {
        let ours = &line[line.find("ironhull ").unwrap()..];
        let ours = ours.split(['|', '>', ')']).next().unwrap().split_whitespace();
        let parsed = parser(Program::Ironhull, Detail::Full).try_get_matches_from(ours);
        assert!(parsed.is_ok(), "{line}: {:?}", parsed.err().map(|error| error.to_string()));
    }
}

#[test]
fn the_definitions_hold_together() {
    parser(Program::Plugin, Detail::Brief).debug_assert();
    parser(Program::Ironhull, Detail::Full).debug_assert();
}

#[test]
fn help_is_an_option_after_all() {
    let asked = |line: &str| {
        let (words, detail) = asked(line.split(' ').map(OsString::from));
        (words.join(OsStr::new(" ")).into_string().unwrap(), detail)
    };
    for (line, words, detail) in [
        ("ironhull help", "ironhull --help", Detail::Full),
        ("ironhull help policy check", "ironhull policy check --help", Detail::Full),
        ("ironhull rules -h", "ironhull rules -h", Detail::Brief),
        ("ironhull rules -- -h", "ironhull rules -- -h", Detail::Full),
    ] {
        assert_eq!(asked(line), (words.to_owned(), detail));
    }
}
