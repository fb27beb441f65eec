//! A shell script as far as it can be read without running it: which commands it has,
//! where their output goes, and which of them it cannot go on without.
//!
//! It is a hint and no shell: of a loop or a condition the commands count, not whether or
//! how often they run. What it cannot follow (functions, `case`) it says, and then nobody
//! should conclude anything from what is left.

mod lexer;

use std::collections::BTreeMap;

use lexer::{Lexed, Token};

/// A script.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Its commands, in order.
    pub commands: Vec<Command>,
    /// Whether there is something in it that was not followed.
    pub murky: bool,
}

/// One simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments; a word whose value nobody knows before it runs is
    /// `None`.
    pub words: Vec<Option<String>>,
    /// The files its output is written to.
    pub writes: Vec<Option<String>>,
    /// What it reads.
    pub input: Input,
    /// What comes of its failure.
    pub failure: Failure,
}

/// What a command reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// What its container does: nothing, or what somebody types.
    #[default]
    Inherited,
    /// This text, a here-document.
    Text(String),
    /// A file, or what another command writes.
    Unknown,
}

/// What comes of a command's failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failure {
    /// The script ends with it, or what it is there for does not happen.
    #[default]
    Ends,
    /// The script goes on.
    GoesOn,
    /// The script says what then: `||`, or it is a condition.
    Expected,
}

/// Reads a script. `errexit` is whether the shell was started with `-e`; `variables` are
/// those of the container that are known.
pub fn read(text: &str, errexit: bool, variables: &BTreeMap<&str, &str>) -> Script {
    let Lexed { tokens, murky, inner } = lexer::lex(text, variables);
    let mut parser = Parser { script: Script { commands: Vec::new(), murky }, errexit };
    parser.run(&tokens);
    let mut script = parser.script;
    for text in inner {
        // `$(…)`: what it fails with is rarely looked at.
        let inner = read(&text, false, variables);
        script.murky |= inner.murky;
        let commands = inner.commands.into_iter();
        script.commands.splice(
            0..0,
            commands.map(|command| Command { failure: Failure::Expected, ..command }),
        );
    }
    script
}

struct Parser {
    script: Script,
    errexit: bool,
}

/// Words before a command that are no part of it.
const BEFORE: [&str; 9] = ["then", "else", "do", "{", "}", "!", "fi", "done", "time"];
/// Words before a command whose failure is a question answered.
const CONDITIONS: [&str; 4] = ["if", "elif", "while", "until"];

impl Parser {
    fn run(&mut self, tokens: &[Token]) {
        let mut condition = false;
        // Those of the list of `&&` that is being read.
        let mut chain: Vec<usize> = Vec::new();
        let mut piped = false;
        let mut rest = tokens;
        while !rest.is_empty() {
            let end = rest.iter().position(|token| matches!(token, Token::Op(_)));
            let (words, after) =
                rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            let operator = match after.first() {
                Some(Token::Op(operator)) => *operator,
                _ => "\n",
            };
            rest = after.get(1..).unwrap_or_default();
            let (mut command, begins) = self.command(words);
            match begins {
                Some(true) => condition = true,
                Some(false) => condition = false,
                None => {}
            }
            if operator == "(" && !command.words.is_empty() || operator == ";;" {
                self.script.murky = true;
            }
            if command.words.is_empty() && command.writes.is_empty() {
                continue;
            }
            let fed = std::mem::replace(&mut piped, operator == "|");
            if fed && command.input == Input::Inherited {
                command.input = Input::Unknown;
            }
            let index = self.script.commands.len();
            chain.push(index);
            let failure = match operator {
                _ if condition => Failure::Expected,
                "||" => Failure::Expected,
                "|" | "&" => Failure::GoesOn,
                // Set below, when it is known what comes after.
                _ => Failure::Ends,
            };
            self.script.commands.push(Command { failure, ..command });
            if operator == "&&" {
                continue;
            }
            if operator == "||" {
                for index in chain.drain(..) {
                    self.set(index, Failure::Expected);
                }
                continue;
            }
            let last = rest.iter().all(|token| match token {
                Token::Op(_) => true,
                Token::Word { text, quoted, .. } => {
                    !quoted && matches!(text.as_deref(), Some("fi" | "done" | "}"))
                }
                _ => false,
            });
            // A list of `&&` fails as a whole only at its last command; but then what comes
            // after does not happen either.
            for (at, index) in std::mem::take(&mut chain).into_iter().rev().enumerate() {
                let ends = last || (self.errexit && at == 0);
                if !ends && self.failure(index) == Some(Failure::Ends) {
                    self.set(index, Failure::GoesOn);
                }
            }
        }
    }

    fn failure(&self, index: usize) -> Option<Failure> {
        self.script.commands.get(index).map(|command| command.failure)
    }

    fn set(&mut self, index: usize, failure: Failure) {
        if let Some(command) = self.script.commands.get_mut(index) {
            command.failure = failure;
        }
    }

    /// The command in these words; and whether a condition begins or ends with it.
    fn command(&mut self, tokens: &[Token]) -> (Command, Option<bool>) {
        let mut command = Command::default();
        let mut condition = None;
        let mut tokens = tokens.iter();
        while let Some(token) = tokens.next() {
            match token {
                Token::Output => {
                    if let Some(Token::Word { text, .. }) = tokens.next() {
                        command.writes.push(text.clone());
                    }
                }
                Token::Input => {
                    tokens.next();
                    command.input = Input::Unknown;
                }
                Token::Copy => {
                    tokens.next();
                }
                Token::Document(text) => {
                    command.input = text.clone().map_or(Input::Unknown, Input::Text);
                }
                // `VAR=…` before a command, or alone.
                Token::Word { assignment: true, .. } if command.words.is_empty() => {}
                Token::Word { text: Some(word), quoted: false, .. } if command.words.is_empty() => {
                    let word = word.as_str();
                    if CONDITIONS.contains(&word) {
                        condition = Some(true);
                    } else if BEFORE.contains(&word) {
                        if matches!(word, "then" | "do") {
                            condition = Some(false);
                        }
                    } else if matches!(word, "for" | "case" | "function" | "select" | "esac") {
                        // Of a loop, what it runs comes after `do`.
                        self.script.murky |= word != "for";
                        return (Command::default(), condition);
                    } else {
                        command.words.push(Some(word.to_owned()));
                    }
                }
                Token::Word { text, .. } => command.words.push(text.clone()),
                Token::Op(_) => {}
            }
        }
        self.set_option(&command);
        (command, condition)
    }

    /// `set -e`, `set -euo pipefail`
    fn set_option(&mut self, command: &Command) {
        let mut words = command.words.iter().flatten();
        if words.next().is_some_and(|word| word == "set")
            && words.any(|word| {
                word == "errexit" || word.strip_prefix('-').is_some_and(|flags| flags.contains('e'))
            })
        {
            self.errexit = true;
        }
    }
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
        assert_eq!(said("set -e; a; b"), ["Ends: set -e", "Ends: a", "Ends: b"]);
        assert_eq!(
            said("set -eu\na && b; c"),
            ["Ends: set -eu", "GoesOn: a", "Ends: b", "Ends: c"]
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
        for text in ["'", "\"", "$(", "${", "`", "\\", ">", "a >", "$", "(((", "&&", ";;;", "é$é'ü"]
        {
            said(text);
        }
    }
}
