//! A script's words and operators.

use std::collections::BTreeMap;

/// A word, or what stands between words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
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

/// A script's tokens, and what was met on the way.
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    /// Whether there is something in it that is not followed.
    pub(super) murky: bool,
    /// The scripts inside `$(…)`.
    pub(super) inner: Vec<String>,
}

/// Takes a script apart.
pub(super) fn lex(text: &str, variables: &BTreeMap<&str, &str>) -> Lexed {
    let mut lexer = Lexer { rest: text, variables, murky: false, inner: Vec::new() };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.token() {
        tokens.push(token);
    }
    let Lexer { murky, inner, .. } = lexer;
    Lexed { tokens, murky, inner }
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

/// `NAME=…`
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}
