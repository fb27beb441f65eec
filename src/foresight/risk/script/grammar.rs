//! Parses a script's tokens into lists, pipelines and compound commands (POSIX.1-2017, Shell
//! Command Language, 2.9 and 2.10), as far as they are followed.

use super::lexer::Token;
use super::{Command, Input};

/// Commands in order: and-or lists, each with whether it runs in the background.
pub(super) type List = Vec<AndOr>;

/// Pipelines, and the operators between them: one fewer than pipelines.
#[derive(Debug, Default)]
pub(super) struct AndOr {
    pub(super) pipelines: Vec<Pipeline>,
    pub(super) joins: Vec<Joined>,
    pub(super) background: bool,
}

impl From<Stage> for AndOr {
    fn from(stage: Stage) -> Self {
        let pipeline = Pipeline { negated: false, stages: vec![stage] };
        Self { pipelines: vec![pipeline], ..Self::default() }
    }
}

/// Operator between two pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// `&&`
    And,
    /// `||`
    Or,
}

/// Commands connected by `|`.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    /// Whether `!` stands before it.
    pub(super) negated: bool,
    pub(super) stages: Vec<Stage>,
}

/// One command of a pipeline.
#[derive(Debug)]
pub(super) enum Stage {
    Simple(Simple),
    /// `{ … }`, or `( … )`, which runs in a shell of its own.
    Group {
        list: List,
        subshell: bool,
    },
    If(Box<If>),
    /// `while`, or `until`, where it runs for as long as the condition fails.
    Loop {
        until: bool,
        condition: List,
        body: List,
    },
    /// `for`
    For(List),
}

/// A simple command.
#[derive(Debug, Default)]
pub(super) struct Simple {
    pub(super) command: Command,
    /// Whether a word of it asks for the shell's user: `$(id -u)`.
    pub(super) asks_user: bool,
}

/// `if`; an `elif` is in its `otherwise`.
#[derive(Debug)]
pub(super) struct If {
    pub(super) condition: List,
    pub(super) then: List,
    pub(super) otherwise: List,
}

/// Maximum nesting of lists. Nobody writes a deeper script by hand.
const DEPTH: usize = 32;

/// Parses these tokens into a script. The second value is whether part of it was not followed; of
/// such a script there are only the commands, one by one.
pub(super) fn parse(tokens: &[Token]) -> (List, bool) {
    let mut parser = Parser { tokens, depth: 0 };
    let list = parser.list(&[]).filter(|_| parser.tokens.is_empty());
    match list {
        Some(list) => (list, false),
        None => (flat(tokens), true),
    }
}

/// Words that begin, divide or end a compound command where a command could begin.
const RESERVED: [&str; 17] = [
    "if", "then", "elif", "else", "fi", "while", "until", "for", "do", "done", "{", "}", "!",
    "case", "esac", "select", "function",
];

struct Parser<'t> {
    tokens: &'t [Token],
    depth: usize,
}

// A method returns `None` for what it cannot follow, and then the whole script is given up.
impl<'t> Parser<'t> {
    /// The commands up to one of these words, which is not consumed.
    fn list(&mut self, ends: &[&str]) -> Option<List> {
        self.depth += 1;
        let list = (self.depth <= DEPTH).then(|| self.items(ends)).flatten();
        self.depth -= 1;
        list
    }

    fn items(&mut self, ends: &[&str]) -> Option<List> {
        let mut list = List::new();
        loop {
            while self.eat_operator(&["\n", ";"]).is_some() {}
            match self.tokens.first() {
                None | Some(Token::Op(")")) => return Some(list),
                _ if self.word().is_some_and(|word| ends.contains(&word)) => return Some(list),
                _ => {}
            }
            let mut item = self.and_or()?;
            match self.tokens.first() {
                None | Some(Token::Op("\n" | ";" | ")")) => {}
                Some(Token::Op("&")) => {
                    self.advance();
                    item.background = true;
                }
                _ => return None,
            }
            list.push(item);
        }
    }

    fn and_or(&mut self) -> Option<AndOr> {
        let mut item = AndOr { pipelines: vec![self.pipeline()?], ..AndOr::default() };
        while let Some(operator) = self.eat_operator(&["&&", "||"]) {
            item.joins.push(if operator == "&&" { Joined::And } else { Joined::Or });
            while self.eat_operator(&["\n"]).is_some() {}
            item.pipelines.push(self.pipeline()?);
        }
        Some(item)
    }

    fn pipeline(&mut self) -> Option<Pipeline> {
        let mut pipeline = Pipeline::default();
        while self.eat_word("!") {
            pipeline.negated = !pipeline.negated;
        }
        self.stage(&mut pipeline.stages, false)?;
        while self.eat_operator(&["|"]).is_some() {
            while self.eat_operator(&["\n"]).is_some() {}
            self.stage(&mut pipeline.stages, true)?;
        }
        Some(pipeline)
    }

    /// Reads a command. `fed` is whether it reads another command's output.
    fn stage(&mut self, stages: &mut Vec<Stage>, fed: bool) -> Option<()> {
        self.eat_word("time");
        let mut stage = match self.tokens.first()? {
            Token::Op("(") => {
                self.advance();
                let list = self.list(&[])?;
                self.eat_operator(&[")"])?;
                Stage::Group { list, subshell: true }
            }
            Token::Op(_) => return None,
            _ => match self.word().filter(|word| RESERVED.contains(word)) {
                None => {
                    let mut simple = self.simple();
                    if fed && simple.command.input == Input::Inherited {
                        simple.command.input = Input::Unknown;
                    }
                    // `name()`, a function.
                    let function = matches!(self.tokens.first(), Some(Token::Op("(")));
                    stages.push(Stage::Simple(simple));
                    return (!function).then_some(());
                }
                Some("{") => {
                    let list = self.block("{", "}")?;
                    Stage::Group { list, subshell: false }
                }
                Some("if") => Stage::If(Box::new(self.condition("if")?)),
                Some(word @ ("while" | "until")) => {
                    let condition = self.block(word, "do")?;
                    let body = self.list(&["done"])?;
                    self.eat_word("done").then_some(())?;
                    Stage::Loop { until: word == "until", condition, body }
                }
                Some("for") => {
                    self.advance();
                    let body = self.tokens.iter().position(|token| is_word(token, "do"))?;
                    // Between `for` and `do` are a name and words.
                    let plain =
                        |token: &Token| matches!(token, Token::Word { .. } | Token::Op(";" | "\n"));
                    let (words, rest) = self.tokens.split_at_checked(body)?;
                    words.iter().all(plain).then_some(())?;
                    self.tokens = rest;
                    Stage::For(self.block("do", "done")?)
                }
                Some(_) => return None,
            },
        };
        // After it come redirections of its commands.
        let redirected = self.simple();
        redirected.command.words.is_empty().then_some(())?;
        if fed || redirected.command.input != Input::Inherited {
            stage.feed();
        }
        if !redirected.command.writes.is_empty() {
            stages.push(Stage::Simple(redirected));
        }
        stages.push(stage);
        Some(())
    }

    /// The commands between two words, which are consumed too.
    fn block(&mut self, begin: &str, end: &str) -> Option<List> {
        self.eat_word(begin).then_some(())?;
        let list = self.list(&[end])?;
        self.eat_word(end).then_some(list)
    }

    fn condition(&mut self, begin: &str) -> Option<If> {
        let condition = self.block(begin, "then")?;
        let then = self.list(&["elif", "else", "fi"])?;
        let otherwise = match self.word()? {
            "elif" => {
                self.depth += 1;
                let nested = (self.depth <= DEPTH).then(|| self.condition("elif")).flatten()?;
                self.depth -= 1;
                let otherwise = vec![Stage::If(Box::new(nested)).into()];
                return Some(If { condition, then, otherwise });
            }
            "else" => self.block("else", "fi")?,
            _ => self.eat_word("fi").then(List::new)?,
        };
        Some(If { condition, then, otherwise })
    }

    /// A command's words and redirections.
    fn simple(&mut self) -> Simple {
        let mut simple = Simple::default();
        let command = &mut simple.command;
        // Between `[[` and `]]`, operators compare.
        let mut compares = false;
        while let Some(token) = self.tokens.first() {
            match token {
                Token::Op("\n" | ";") => break,
                _ if compares && !matches!(token, Token::Word { .. }) => {}
                Token::Op(_) => break,
                Token::Output => {
                    self.advance();
                    if let Some(Token::Word { text, .. }) = self.tokens.first() {
                        command.writes.push(text.clone());
                        self.advance();
                    }
                    continue;
                }
                Token::Input => {
                    self.advance();
                    command.input = Input::Unknown;
                }
                Token::Copy => self.advance(),
                Token::Document(text) => {
                    command.input = text.clone().map_or(Input::Unknown, Input::Text);
                }
                // `VAR=…` before a command, or alone.
                Token::Word { assignment: true, .. } if command.words.is_empty() => {}
                Token::Word { text, asks_user, .. } => {
                    compares |= command.words.is_empty() && is_word(token, "[[");
                    compares &= !is_word(token, "]]");
                    simple.asks_user |= asks_user;
                    command.words.push(text.clone());
                }
            }
            self.advance();
        }
        simple
    }

    fn advance(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    /// The next token, if it is a word without quotes.
    fn word(&self) -> Option<&'t str> {
        match self.tokens.first()? {
            Token::Word { text: Some(text), quoted: false, .. } => Some(text),
            _ => None,
        }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let is = self.word() == Some(word);
        if is {
            self.advance();
        }
        is
    }

    fn eat_operator(&mut self, operators: &[&str]) -> Option<&'static str> {
        match self.tokens.first()? {
            Token::Op(operator) if operators.contains(operator) => {
                self.advance();
                Some(operator)
            }
            _ => None,
        }
    }
}

impl Stage {
    /// Marks its commands as reading another command's output, or a file.
    fn feed(&mut self) {
        let feed = |list: &mut List| {
            let pipelines = list.iter_mut().flat_map(|item| &mut item.pipelines);
            pipelines.flat_map(|pipeline| &mut pipeline.stages).for_each(Self::feed);
        };
        match self {
            Self::Simple(simple) => {
                if simple.command.input == Input::Inherited {
                    simple.command.input = Input::Unknown;
                }
            }
            Self::Group { list, .. } | Self::For(list) => feed(list),
            Self::If(parts) => {
                let If { condition, then, otherwise } = &mut **parts;
                [condition, then, otherwise].into_iter().for_each(feed);
            }
            Self::Loop { condition, body, .. } => {
                [condition, body].into_iter().for_each(feed);
            }
        }
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word { text: Some(text), quoted: false, .. } if text == word)
}

/// The commands alone, without structure.
fn flat(tokens: &[Token]) -> List {
    let mut list = List::new();
    for tokens in tokens.split(|token| matches!(token, Token::Op(_))) {
        let reserved = |token: &&Token| RESERVED.iter().any(|word| is_word(token, word));
        let skipped = tokens.iter().take_while(reserved).count();
        let mut parser = Parser { tokens: tokens.get(skipped..).unwrap_or_default(), depth: 0 };
        list.push(Stage::Simple(parser.simple()).into());
    }
    list
}
