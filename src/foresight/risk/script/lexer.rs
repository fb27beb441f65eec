//! A script's words and operators.

use std::collections::BTreeMap;

/// A word, or an operator between words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word {
        text: Option<String>,
        quoted: bool,
        assignment: bool,
        /// Whether it contains a question for the shell's user: `$(id -u)`, `$UID`.
        asks_user: bool,
    },
    /// `;`, end of line, `&`, `&&`, `||`, `|`, `(`, `)`
    Op(&'static str),
    /// `>` and the like. The next word is the file.
    Output,
    /// `<`: the next word is the file, or with `<<<` the text.
    Input,
    /// Copies or closes a descriptor. The next word does not matter.
    Copy,
    /// `<<`: the lines of a here-document, if their text is known.
    Document(Option<String>),
}

/// Tokens of a script, and what was met on the way.
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    /// Whether part of the script is not followed.
    pub(super) murky: bool,
    /// The scripts inside `$(…)`.
    pub(super) inner: Vec<String>,
}

/// Splits a script into tokens.
pub(super) fn lex(text: &str, variables: &BTreeMap<&str, &str>) -> Lexed {
    let mut lexer = Lexer::new(text, variables);
    let mut tokens = Vec::new();
    while let Some(token) = lexer.token() {
        let ends_line = token == Token::Op("\n");
        if let Token::Document(_) = token {
            lexer.awaited.last_mut().into_iter().for_each(|awaited| awaited.token = tokens.len());
        }
        tokens.push(token);
        if ends_line {
            for (at, body) in lexer.documents() {
                if let Some(token) = tokens.get_mut(at) {
                    *token = Token::Document(body);
                }
            }
        }
    }
    let Lexer { murky, inner, awaited, .. } = lexer;
    let murky = murky || !awaited.is_empty();
    Lexed { tokens, murky, inner }
}

/// Characters that end a word.
const ENDS_WORD: [char; 11] = [' ', '\t', '\r', '\n', ';', '&', '|', '(', ')', '<', '>'];
/// Operators, the longest first.
const OPERATORS: [&str; 9] = ["&&", "||", ";;", ";", "&", "|", "(", ")", "\n"];
const OUTPUTS: [&str; 4] = ["&>>", "&>", ">>", ">|"];

struct Lexer<'t> {
    rest: &'t str,
    variables: &'t BTreeMap<&'t str, &'t str>,
    murky: bool,
    /// The scripts inside `$(…)`.
    inner: Vec<String>,
    /// Here-documents that begin on the next line.
    awaited: Vec<Awaited>,
    /// Whether the word being read asks for the shell's user.
    asks_user: bool,
    /// Number of bytes of variables' values that may still be inserted.
    room: usize,
}

/// Maximum number of bytes of variables' values: a script may repeat a variable at will.
const ROOM: usize = 256 * 1024;

impl<'t> Lexer<'t> {
    fn new(text: &'t str, variables: &'t BTreeMap<&'t str, &'t str>) -> Self {
        Self {
            rest: text,
            variables,
            murky: false,
            inner: Vec::new(),
            awaited: Vec::new(),
            asks_user: false,
            room: ROOM,
        }
    }
}

/// A here-document that has not begun.
struct Awaited {
    /// Index of its token.
    token: usize,
    /// The line that ends it.
    end: String,
    /// Whether leading tabs of each line are dropped.
    tabs: bool,
    /// Whether its text is taken literally.
    quoted: bool,
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
        // The number of a descriptor before a redirection.
        let digits = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if digits.len() < self.rest.len() && digits.starts_with(['<', '>']) {
            self.rest = digits;
        }
        if self.eat("<<<") {
            return Some(Token::Input);
        }
        if self.eat("<<") {
            return Some(self.awaits_document());
        }
        if OUTPUTS.iter().any(|output| self.eat(output)) {
            return Some(Token::Output);
        }
        if self.eat(">&") || self.eat("<&") {
            return Some(Token::Copy);
        }
        if self.eat("<>") || self.eat("<") {
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

    /// Reads what follows `<<`: the line that ends the document beginning on the next line.
    fn awaits_document(&mut self) -> Token {
        let tabs = self.eat("-");
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        let end = self.rest.find(ENDS_WORD);
        let (word, rest) =
            self.rest.split_at_checked(end.unwrap_or(self.rest.len())).unwrap_or_default();
        self.rest = rest;
        let quotes = ['\'', '"', '\\'];
        let quoted = word.contains(quotes);
        self.awaited.push(Awaited { token: 0, end: word.replace(quotes, ""), tabs, quoted });
        Token::Document(None)
    }

    /// Reads the documents that begin here, each with its token. One without an end is no document,
    /// and what stands there instead is not followed.
    fn documents(&mut self) -> Vec<(usize, Option<String>)> {
        let mut found = Vec::new();
        for Awaited { token, end, tabs, quoted } in std::mem::take(&mut self.awaited) {
            let mut body = String::new();
            let mut rest = self.rest;
            let closed = loop {
                let Some((line, after)) =
                    rest.split_once('\n').or_else(|| (!rest.is_empty()).then_some((rest, "")))
                else {
                    break false;
                };
                rest = after;
                let line = if tabs { line.trim_start_matches('\t') } else { line };
                if line.trim_end_matches('\r') == end {
                    break true;
                }
                body.push_str(line);
                body.push('\n');
            };
            if !closed {
                self.murky = true;
                break;
            }
            self.rest = rest;
            found.push((token, if quoted { Some(body) } else { self.expanded(&body) }));
        }
        found
    }

    /// A here-document with its variables expanded; `None` if one is unknown.
    fn expanded(&mut self, body: &str) -> Option<String> {
        let mut lexer = Lexer { room: self.room, ..Lexer::new(body, self.variables) };
        let (mut text, mut known) = (String::new(), true);
        while let Some(c) = lexer.rest.chars().next() {
            known &= lexer.piece(c, &mut text);
        }
        self.inner.append(&mut lexer.inner);
        self.room = lexer.room;
        known.then_some(text)
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
        self.asks_user = false;
        while let Some(c) = self.rest.chars().next() {
            match c {
                c if ENDS_WORD.contains(&c) => break,
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
                '*' | '?' if self.rest.len() > 1 => {
                    known = false;
                    self.advance(c);
                }
                // `[a-z]`; a `[` alone is a command.
                '[' if self.rest.split(ENDS_WORD).next().is_some_and(|word| word.contains(']')) => {
                    known = false;
                    self.advance(c);
                }
                c => known &= self.piece(c, &mut text),
            }
        }
        let assignment = is_assignment(&text);
        Token::Word { text: known.then_some(text), quoted, assignment, asks_user: self.asks_user }
    }

    /// Reads one character, or an expansion. False if its value is unknown.
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
                self.substituted(inside);
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
                self.substituted(inside);
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
            Some(value) if value.len() <= self.room => {
                self.room -= value.len();
                text.push_str(value);
                true
            }
            Some(_) => false,
            None => {
                self.asks_user |= matches!(name, "UID" | "EUID");
                false
            }
        }
    }

    /// Records a script that is replaced by its output.
    fn substituted(&mut self, script: &str) {
        self.asks_user |= matches!(script.trim(), "id -u" | "id -un" | "whoami");
        self.inner.push(script.to_owned());
    }

    fn advance(&mut self, c: char) {
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
    }
}

/// Position of the `)` that closes what has begun.
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

/// `NAME=…`
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}
