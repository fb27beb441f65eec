//! A shell script as far as it can be read without running it: which commands it has,
//! where their output goes, and which of them it cannot go on without.
//!
//! It is a hint and no shell: of a loop or a condition the commands count, not whether or
//! how often they run. What it cannot follow (functions, `case`, here-documents) it says,
//! and then nobody should conclude anything from what is left.

use std::collections::BTreeMap;

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
    /// What comes of its failure.
    pub failure: Failure,
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
    let mut lexer = Lexer { rest: text, variables, murky: false, inner: Vec::new() };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.token() {
        tokens.push(token);
    }
    let Lexer { murky, inner, .. } = lexer;
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

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word {
        text: Option<String>,
        quoted: bool,
        assignment: bool,
    },
    /// `;`, a line's end, `&`, `&&`, `||`, `|`, `(`, `)`
    Op(&'static str),
    /// `>` and the like; the word after it is the file.
    Output,
    /// `<` and what copies or closes a descriptor: the word after it does not matter.
    Input,
}

/// The longest first.
const OPERATORS: [&str; 9] = ["&&", "||", ";;", ";", "&", "|", "(", ")", "\n"];
const OUTPUTS: [&str; 4] = ["&>>", "&>", ">>", ">|"];

struct Lexer<'t> {
    rest: &'t str,
    variables: &'t BTreeMap<&'t str, &'t str>,
    murky: bool,
    /// The scripts inside `$(…)`.
    inner: Vec<String>,
}

impl<'t> Lexer<'t> {
    fn token(&mut self) -> Option<Token> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
            if let Some(rest) = self.rest.strip_prefix("\\\n") {
                self.rest = rest;
            } else if self.rest.starts_with('#') {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.rest = self.rest.get(end..).unwrap_or_default();
            } else {
                break;
            }
        }
        // A descriptor's number before a redirection.
        let digits = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if digits.len() < self.rest.len() && digits.starts_with(['<', '>']) {
            self.rest = digits;
        }
        if self.eat("<<") {
            self.murky = true;
            return Some(Token::Input);
        }
        if OUTPUTS.iter().any(|output| self.eat(output)) {
            return Some(Token::Output);
        }
        if self.eat(">&") || self.eat("<&") || self.eat("<>") || self.eat("<") {
            return Some(Token::Input);
        }
        if self.eat(">") {
            return Some(Token::Output);
        }
        if let Some(operator) = OPERATORS.into_iter().find(|operator| self.eat(operator)) {
            return Some(Token::Op(operator));
        }
        self.rest.chars().next()?;
        Some(self.word())
    }

    fn eat(&mut self, text: &str) -> bool {
        self.rest.strip_prefix(text).is_some_and(|rest| {
            self.rest = rest;
            true
        })
    }

    fn word(&mut self) -> Token {
        let mut text = String::new();
        let (mut known, mut quoted) = (true, false);
        while let Some(c) = self.rest.chars().next() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\'' => {
                    quoted = true;
                    let rest = self.rest.get(1..).unwrap_or_default();
                    let (inside, after) = rest.split_once('\'').unwrap_or((rest, ""));
                    text.push_str(inside);
                    self.rest = after;
                }
                '"' => {
                    quoted = true;
                    self.advance(c);
                    while let Some(c) = self.rest.chars().next() {
                        if c == '"' {
                            self.advance(c);
                            break;
                        }
                        known &= self.piece(c, &mut text);
                    }
                }
                '*' | '?' | '[' if self.rest.len() > 1 => {
                    known = false;
                    self.advance(c);
                }
                c => known &= self.piece(c, &mut text),
            }
        }
        let assignment = is_assignment(&text);
        Token::Word { text: known.then_some(text), quoted, assignment }
    }

    /// One character, or what stands for others; false where nobody knows for which.
    fn piece(&mut self, c: char, text: &mut String) -> bool {
        match c {
            '\\' => {
                self.advance(c);
                if let Some(c) = self.rest.chars().next() {
                    text.push(c);
                    self.advance(c);
                }
                true
            }
            '`' => {
                self.advance(c);
                let (inside, after) = self.rest.split_once('`').unwrap_or((self.rest, ""));
                self.inner.push(inside.to_owned());
                self.rest = after;
                false
            }
            '$' => self.expansion(text),
            c => {
                text.push(c);
                self.advance(c);
                true
            }
        }
    }

    fn expansion(&mut self, text: &mut String) -> bool {
        self.advance('$');
        if let Some(rest) = self.rest.strip_prefix('(') {
            let arithmetic = rest.starts_with('(');
            let end = closing(rest).unwrap_or(rest.len());
            let (inside, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            if !arithmetic {
                self.inner.push(inside.to_owned());
            }
            self.rest = after.strip_prefix(')').unwrap_or(after);
            return false;
        }
        let name = match self.rest.strip_prefix('{') {
            Some(rest) => {
                let (inside, after) = rest.split_once('}').unwrap_or((rest, ""));
                self.rest = after;
                inside
            }
            None => {
                let other = |c: char| !c.is_ascii_alphanumeric() && c != '_';
                let end = self.rest.find(other).unwrap_or(self.rest.len());
                // `$1`, `$?`: one character.
                let end = end.max(usize::from(!self.rest.is_empty() && end == 0));
                let (name, after) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
                self.rest = after;
                name
            }
        };
        match self.variables.get(name) {
            Some(value) => {
                text.push_str(value);
                true
            }
            None => false,
        }
    }

    fn advance(&mut self, c: char) {
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
    }
}

/// Where the `)` stands that closes what has begun.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
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
            let (command, begins) = self.command(words);
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

/// `NAME=…`
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
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
    fn what_is_not_followed_is_said() {
        for text in ["f() { a; }; f", "case $1 in a) b;; esac", "cat <<EOF\nx\nEOF"] {
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
