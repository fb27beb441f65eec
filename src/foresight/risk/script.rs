//! Reads a shell script as far as possible without running it: its commands, where their output
//! goes, and which of them it cannot go on without.
//!
//! This is a hint and no shell. Of a loop or a condition the commands count, not whether or how
//! often they run; the exception is what a script does only as root. What cannot be followed
//! (functions, `case`) is reported, and then nobody should conclude anything from what is left.

mod fate;
mod grammar;
mod lexer;

use std::collections::BTreeMap;

use lexer::Lexed;

/// A script.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Its commands, in order.
    pub commands: Vec<Command>,
    /// Whether part of it was not followed.
    pub murky: bool,
}

/// One simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments. A word whose value is unknown before it runs is `None`.
    pub words: Vec<Option<String>>,
    /// Files that its output is written to.
    pub writes: Vec<Option<String>>,
    /// Source of its input.
    pub input: Input,
    /// What happens if it fails.
    pub failure: Failure,
    /// Whether the script runs it only as root.
    pub for_root: bool,
}

/// Input of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// Its container's input: nothing, or what somebody types.
    #[default]
    Inherited,
    /// This text, a here-document.
    Text(String),
    /// A file, or what another command writes.
    Unknown,
}

/// Consequence of a command's failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failure {
    /// The script ends with it, or its purpose is not achieved.
    #[default]
    Ends,
    /// The script goes on.
    GoesOn,
    /// The script handles the failure (`||`, or the command is a condition), and then goes on.
    Expected,
}

/// Maximum nesting of scripts: `$(… $(…) …)`.
const DEPTH: usize = 16;

/// Reads a script. `errexit` is whether the shell was started with `-e`. `variables` are the known
/// ones of the container.
pub fn read(text: &str, errexit: bool, variables: &BTreeMap<&str, &str>) -> Script {
    read_within(text, errexit, variables, DEPTH)
}

fn read_within(
    text: &str,
    errexit: bool,
    variables: &BTreeMap<&str, &str>,
    depth: usize,
) -> Script {
    let Some(depth) = depth.checked_sub(1) else {
        return Script { commands: Vec::new(), murky: true };
    };
    let Lexed { tokens, murky, inner } = lexer::lex(text, variables);
    let (list, unfollowed) = grammar::parse(&tokens);
    let mut script = Script { commands: Vec::new(), murky: murky || unfollowed };
    for text in inner.iter().rev() {
        // `$(…)`: scripts rarely look at how it fails.
        let inner = read_within(text, false, variables, depth);
        script.murky |= inner.murky;
        let commands = inner.commands.into_iter();
        script
            .commands
            .extend(commands.map(|command| Command { failure: Failure::Expected, ..command }));
    }
    script.commands.extend(fate::commands(list, errexit));
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let variables = BTreeMap::from([("DATA", "/data")]);
        let script = read(text, false, &variables);
        let mut lines: Vec<String> = script
            .commands
            .iter()
            .map(|command| {
                let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "?".to_owned());
                let words: Vec<_> = command.words.iter().map(word).collect();
                let writes: Vec<_> =
                    command.writes.iter().map(|file| format!(" >{}", word(file))).collect();
                format!("{:?}: {}{}", command.failure, words.join(" "), writes.concat())
            })
            .collect();
        if script.murky {
            lines.push("murky".to_owned());
        }
        lines
    }

    #[test]
    fn a_list_goes_on_unless_told_otherwise() {
        assert_eq!(said("a; b\nc"), ["GoesOn: a", "GoesOn: b", "Ends: c"]);
        assert_eq!(said("set -e; a; b"), ["GoesOn: set -e", "Ends: a", "Ends: b"]);
        assert_eq!(
            said("set -eu\na && b; c"),
            ["GoesOn: set -eu", "GoesOn: a", "Ends: b", "Ends: c"]
        );
    }

    #[test]
    fn what_the_last_list_needs_is_needed() {
        assert_eq!(said("a && b"), ["Ends: a", "Ends: b"]);
        assert_eq!(said("a && b; c"), ["GoesOn: a", "GoesOn: b", "Ends: c"]);
        assert_eq!(said("a || true; c"), ["Expected: a", "GoesOn: true", "Ends: c"]);
        assert_eq!(said("a | b"), ["GoesOn: a", "Ends: b"]);
        assert_eq!(said("a & b"), ["GoesOn: a", "Ends: b"]);
    }

    #[test]
    fn conditions_and_loops() {
        assert_eq!(
            said("if test -d /x; then a; else b; fi; exec c"),
            ["Expected: test -d /x", "GoesOn: a", "GoesOn: b", "Ends: exec c"]
        );
        assert_eq!(said("while true; do a; done"), ["Expected: true", "Ends: a"]);
        assert_eq!(said("for f in a b; do cat $f; done"), ["Ends: cat ?"]);
        assert_eq!(said("(a; b)"), ["GoesOn: a", "Ends: b"]);
    }

    #[test]
    fn what_ends_the_script_after_a_failure_is_its_end() {
        for end in [
            "exit 1",
            "exit",
            "{ echo no >&2; exit 1; }",
            "{ if a; then exit 1; else exit 2; fi; }",
        ] {
            let said = said(&format!("mkdir /x || {end}\nrun"));
            assert_eq!(said.first().unwrap(), "Ends: mkdir /x", "{end}");
        }
        for end in ["exit 0", "true", "{ echo no; }", "(exit 1)", "[ -d /x ] && exit 1", "exit 1 &"]
        {
            let said = said(&format!("mkdir /x || {end}\nrun"));
            assert_ne!(said.first().unwrap(), "Ends: mkdir /x", "{end}");
        }
        for text in [
            "if ! mkdir /x; then echo no; exit 1; fi; run",
            "if mkdir /x; then a; else exit 1; fi; run",
            "if a; then b; elif ! mkdir /x; then exit 1; fi; run",
            "if ! mkdir /x || ! a; then exit 1; fi; run",
            "! mkdir /x && exit 1; run",
            "until mkdir /x; do sleep 1; done; run",
            "while ! mkdir /x; do echo again; sleep 1; done; run",
            "mkdir /x && a || exit 1; run",
            "set -o pipefail; set -e; mkdir /x | a; run",
            "if a; then mkdir /x || exit 1; fi; run",
            "mkdir /x || (exit 1)",
            "mkdir /x || false",
            "set -e; mkdir /x || false; run",
        ] {
            assert!(said(text).contains(&"Ends: mkdir /x".to_owned()), "{text}: {:?}", said(text));
        }
        for text in [
            "if mkdir /x; then exit 1; fi; run",
            "if ! mkdir /x; then echo no; fi; run",
            "until mkdir /x; do [ -e /y ] && break; done; run",
            "while mkdir /x; do a; done; run",
            "set -e; if mkdir /x; then a; fi; run",
            "set -e; ! mkdir /x; run",
            "set -e; set +e; mkdir /x; run",
            "set -e; mkdir /x | a; run",
            "mkdir /x && exit 0 || a; run",
        ] {
            assert!(!said(text).contains(&"Ends: mkdir /x".to_owned()), "{text}: {:?}", said(text));
        }
    }

    #[test]
    fn what_root_alone_runs() {
        for (text, root) in [
            ("[ $(id -u) -eq 0 ] && a", true),
            ("[ \"$(id -u)\" != 0 ] || a", true),
            ("if [ \"`id -u`\" = '0' ]; then a; fi", true),
            ("if [ $UID = 0 ]; then b; a; else c; fi", true),
            ("if [[ $EUID -ne 0 ]]; then c; else a; fi", true),
            ("test \"$(whoami)\" = root && b && a", true),
            ("if ! [ $(id -u) -eq 0 ]; then c; else a; fi", true),
            // As the entrypoints of many images have it.
            ("if [ \"$1\" = redis-server ] && [ \"$(id -u)\" = 0 ]; then a; fi", true),
            ("if [ \"$1\" = redis-server -a \"$(id -u)\" = '0' ]; then a; fi", true),
            ("if [ \"$1\" = x ] || [ $(id -u) != 0 ]; then c; else a; fi", true),
            ("if [ \"$1\" = x -o $(id -u) != 0 ]; then c; else a; fi", true),
            ("[ -n \"$1\" -a $(id -u) = 0 ] && a", true),
            ("if [ \"$1\" = x ] || [ $(id -u) = 0 ]; then a; fi", false),
            ("if [ \"$1\" = x -o $(id -u) = 0 ]; then a; fi", false),
            ("if [ \"$1\" = x ] && [ $(id -u) = 0 ]; then b; else a; fi", false),
            ("if [ \"$1\" = x ] && [ $(id -u) != 0 ]; then c; else a; fi", false),
            ("[ -n \"$1\" -a $(id -u) != 0 ] || a", false),
            ("[ $(id -u) -eq 0 ] || a", false),
            ("[ $(id -u) -eq 0 ] && b; a", false),
            ("[ $(id -u) -eq 0 ] && b || a", false),
            ("[ $(id -u) -eq 1000 ] && a", false),
            ("if [ $(id -u) -eq 0 ]; then b; else a; fi", false),
            ("if [ $(id -u) -eq 0 ]; then b; fi; a", false),
            ("[ -d /x ] && a", false),
            ("if [[ $EUID -ne 0 && b ]]; then c; else a; fi", false),
        ] {
            let script = read(text, false, &BTreeMap::new());
            let a = script.commands.iter().find(|it| it.words == [Some("a".to_owned())]);
            assert_eq!(a.unwrap().for_root, root, "{text}");
        }
    }

    #[test]
    fn words_as_a_shell_has_them() {
        assert_eq!(
            said("echo 'a b' \"c; $DATA\" d\\ e # not this"),
            ["Ends: echo a b c; /data d e"]
        );
        assert_eq!(
            said("A=1 B=$(date) run ${DATA}/x $HOME"),
            ["Expected: date", "Ends: run /data/x ?"]
        );
        assert_eq!(said("echo x >> $DATA/log 2>&1"), ["Ends: echo x >/data/log"]);
        assert_eq!(said("x=$(id -u)"), ["Expected: id -u"]);
        assert_eq!(said("[ -d /x ]"), ["Ends: [ -d /x ]"]);
        assert_eq!(
            said("[[ -d /x && a < b ]]; ls [a-c]*"),
            ["GoesOn: [[ -d /x a b ]]", "Ends: ls ?"]
        );
        assert_eq!(
            said("echo `hostname` > /dev/null"),
            ["Expected: hostname", "Ends: echo ? >/dev/null"]
        );
    }

    #[test]
    fn lines_of_a_here_document_are_no_commands() {
        for (text, commands) in [
            ("cat <<EOF\nchown x\nEOF\na", &["GoesOn: cat", "Ends: a"][..]),
            ("cat > $DATA/x <<'EOF' && a\n$(b)\nEOF\n", &["Ends: cat >/data/x", "Ends: a"]),
            ("cat <<-EOF\n\tx\n\tEOF\na", &["GoesOn: cat", "Ends: a"]),
            ("cat <<A <<\"B\"\nx\nA\ny\nB\na", &["GoesOn: cat", "Ends: a"]),
            ("cat <<EOF\n$(b) `c`\nEOF", &["Expected: c", "Expected: b", "Ends: cat"]),
            ("cat <<\\EOF | a\nx\nEOF", &["GoesOn: cat", "Ends: a"]),
            ("cat <<EOF\r\nx\r\nEOF\r\na", &["GoesOn: cat", "Ends: a"]),
            ("cat <<< chown; a", &["GoesOn: cat", "Ends: a"]),
        ] {
            assert_eq!(said(text), commands, "{text}");
        }
    }

    #[test]
    fn what_a_command_reads() {
        let variables = BTreeMap::from([("DATA", "/data")]);
        for (text, input) in [
            ("a", Input::Inherited),
            ("a 2>&1", Input::Inherited),
            ("a < b", Input::Unknown),
            ("a <<< b", Input::Unknown),
            ("b | a", Input::Unknown),
            ("b |\n a; c", Input::Inherited),
            ("b |\n a", Input::Unknown),
            ("a <<E\nls $DATA\nE", Input::Text("ls /data\n".to_owned())),
            ("a <<'E'\nls $X\nE", Input::Text("ls $X\n".to_owned())),
            ("a <<E\nls $X\nE", Input::Unknown),
        ] {
            let script = read(text, false, &variables);
            let last = script.commands.last().map(|command| command.input.clone());
            assert_eq!(last, Some(input), "{text}");
        }
    }

    #[test]
    fn what_is_not_followed_is_said() {
        for text in ["f() { a; }; f", "case $1 in a) b;; esac", "cat <<EOF\nx", "x=$((1)) << 2\ny"]
        {
            assert!(said(text).contains(&"murky".to_owned()), "{text}");
        }
    }

    #[test]
    fn no_text_stops_it() {
        let deep = ["$(", "(", "{ ", "if a; then ", "! ", "`", "a && ", "a | "]
            .map(|text| text.repeat(20_000));
        deep.iter().for_each(|text| drop(said(text)));
        for text in ["'", "\"", "$(", "${", "`", "\\", ">", "a >", "$", "(((", "&&", ";;;", "é$é'ü"]
        {
            said(text);
        }
    }
}
