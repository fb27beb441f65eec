//! From tokens to nodes, as go-yaml v2 does it (`parserc.go`).

use std::collections::HashMap;

use super::scanner::{Scanned, Scanner, Token, error, refused};

/// A node. Those of a document stand one after the other, each collection before what it holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) what: What,
    pub(super) tag: String,
    /// Where it begins, or what should be there.
    pub(super) at: usize,
}

/// What a node is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    Scalar {
        text: String,
        plain: bool,
    },
    /// How many items it has.
    Sequence(usize),
    /// How many entries it has.
    Mapping(usize),
    /// The place of the node that it stands for.
    Alias(usize),
}

/// The nodes of the first document.
pub(super) fn parse(text: &str) -> Scanned<Vec<Seen>> {
    let scanner = Scanner::new(text);
    let mut parser = Parser { scanner, nodes: Vec::new(), anchors: HashMap::new(), depth: 0 };
    if parser.is(|token| *token == Token::DocumentStart)? {
        parser.scanner.take();
        if parser
            .is(|token| matches!(token, Token::DocumentStart | Token::DocumentEnd | Token::End))?
        {
            parser.empty()?;
        } else {
            parser.node(true, false)?;
        }
    } else if !parser.is(|token| *token == Token::End)? {
        parser.node(true, false)?;
    }
    // What ends the document is looked at, and nothing after it.
    parser.scanner.peek()?;
    Ok(parser.nodes)
}

struct Parser<'t> {
    scanner: Scanner<'t>,
    nodes: Vec<Seen>,
    anchors: HashMap<String, usize>,
    depth: usize,
}

impl Parser<'_> {
    fn is(&mut self, what: impl FnOnce(&Token) -> bool) -> Scanned<bool> {
        Ok(what(self.scanner.peek()?.0))
    }

    /// Takes the next token if it is this one.
    fn takes(&mut self, token: &Token) -> Scanned<bool> {
        let is = self.is(|next| next == token)?;
        if is {
            self.scanner.take();
        }
        Ok(is)
    }

    fn refused<T>(&mut self) -> Scanned<T> {
        let (_, at) = self.scanner.peek()?;
        Err(refused(at))
    }

    fn push(&mut self, what: What, tag: String) -> Scanned<usize> {
        let (_, at) = self.scanner.peek()?;
        self.nodes.push(Seen { what, tag, at });
        Ok(self.nodes.len() - 1)
    }

    /// A value that is not written.
    fn empty(&mut self) -> Scanned {
        self.push(What::Scalar { text: String::new(), plain: true }, String::new()).map(drop)
    }

    /// A node, or nothing where one of these tokens comes instead.
    fn node_unless(&mut self, ends: &[Token], block: bool, indentless: bool) -> Scanned {
        if self.is(|token| ends.contains(token))? {
            self.empty()
        } else {
            self.node(block, indentless)
        }
    }

    /// The value of a key, or nothing where there is no colon.
    fn value(&mut self, ends: &[Token], block: bool, indentless: bool) -> Scanned {
        if self.takes(&Token::Value)? {
            self.node_unless(ends, block, indentless)
        } else {
            self.empty()
        }
    }

    fn node(&mut self, block: bool, indentless: bool) -> Scanned {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let (_, at) = self.scanner.peek()?;
            return Err(error(at, "the document is nested too deeply"));
        }
        if let (Token::Alias(name), at) = self.scanner.peek()? {
            let Some(&target) = self.anchors.get(name) else {
                return Err(error(at, "unknown anchor"));
            };
            self.push(What::Alias(target), String::new())?;
            self.scanner.take();
        } else {
            self.content(block, indentless)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn content(&mut self, block: bool, indentless: bool) -> Scanned {
        let (mut anchor, mut tag) = (None, None);
        loop {
            match self.scanner.peek()?.0 {
                Token::Anchor(_) if anchor.is_none() => {
                    anchor = self.scanner.take();
                }
                Token::Tag(_) if tag.is_none() => tag = self.scanner.take(),
                _ => break,
            }
        }
        let bare = anchor.is_none() && tag.is_none();
        if let Some(Token::Anchor(name)) = anchor {
            self.anchors.insert(name, self.nodes.len());
        }
        let tag = match tag {
            Some(Token::Tag(tag)) => tag,
            _ => String::new(),
        };
        match self.scanner.peek()?.0 {
            Token::BlockEntry if indentless => {
                let id = self.push(What::Sequence(0), tag)?;
                let ends = [Token::BlockEntry, Token::Key, Token::Value, Token::BlockEnd];
                while self.takes(&Token::BlockEntry)? {
                    self.count(id);
                    self.node_unless(&ends, true, false)?;
                }
                Ok(())
            }
            Token::Scalar { .. } => {
                let id = self.push(What::Sequence(0), tag)?;
                if let (Some(Token::Scalar { text, plain }), Some(node)) =
                    (self.scanner.take(), self.nodes.get_mut(id))
                {
                    node.what = What::Scalar { text, plain };
                }
                Ok(())
            }
            Token::FlowSequence => self.flow_sequence(tag),
            Token::FlowMapping => self.flow_mapping(tag),
            Token::BlockSequence if block => self.block_sequence(tag),
            Token::BlockMapping if block => self.block_mapping(tag),
            _ if bare => self.refused(),
            _ => self.push(What::Scalar { text: String::new(), plain: true }, tag).map(drop),
        }
    }

    /// One more in that collection.
    fn count(&mut self, id: usize) {
        match self.nodes.get_mut(id).map(|node| &mut node.what) {
            Some(What::Sequence(items)) => *items += 1,
            Some(What::Mapping(entries)) => *entries += 1,
            _ => {}
        }
    }

    fn block_sequence(&mut self, tag: String) -> Scanned {
        let id = self.push(What::Sequence(0), tag)?;
        self.scanner.take();
        while self.takes(&Token::BlockEntry)? {
            self.count(id);
            self.node_unless(&[Token::BlockEntry, Token::BlockEnd], true, false)?;
        }
        if self.takes(&Token::BlockEnd)? {
            return Ok(());
        }
        self.refused()
    }

    fn block_mapping(&mut self, tag: String) -> Scanned {
        let id = self.push(What::Mapping(0), tag)?;
        self.scanner.take();
        let ends = [Token::Key, Token::Value, Token::BlockEnd];
        while self.takes(&Token::Key)? {
            self.count(id);
            self.node_unless(&ends, true, true)?;
            self.value(&ends, true, true)?;
        }
        if self.takes(&Token::BlockEnd)? {
            return Ok(());
        }
        self.refused()
    }

    /// Whether a flow collection goes on: its end is taken, or the comma before what is not its
    /// first entry.
    fn goes_on(&mut self, end: &Token, first: &mut bool) -> Scanned<bool> {
        if self.takes(end)? {
            return Ok(false);
        }
        if !std::mem::take(first) && !self.takes(&Token::FlowEntry)? {
            return self.refused();
        }
        Ok(true)
    }

    fn flow_sequence(&mut self, tag: String) -> Scanned {
        let id = self.push(What::Sequence(0), tag)?;
        self.scanner.take();
        let ends = [Token::FlowEntry, Token::FlowSequenceEnd];
        let mut first = true;
        while self.goes_on(&Token::FlowSequenceEnd, &mut first)? {
            if self.takes(&Token::Key)? {
                self.count(id);
                self.push(What::Mapping(1), String::new())?;
                if self.is(|token| *token == Token::Value || ends.contains(token))? {
                    // go-yaml takes the token here, whatever it is.
                    self.scanner.take();
                    self.empty()?;
                } else {
                    self.node(false, false)?;
                }
                self.value(&ends, false, false)?;
            } else if !self.is(|token| *token == Token::FlowSequenceEnd)? {
                self.count(id);
                self.node(false, false)?;
            }
        }
        Ok(())
    }

    fn flow_mapping(&mut self, tag: String) -> Scanned {
        let id = self.push(What::Mapping(0), tag)?;
        self.scanner.take();
        let ends = [Token::FlowEntry, Token::FlowMappingEnd];
        let mut first = true;
        while self.goes_on(&Token::FlowMappingEnd, &mut first)? {
            if self.takes(&Token::Key)? {
                self.count(id);
                let ends_key = [Token::Value, Token::FlowEntry, Token::FlowMappingEnd];
                self.node_unless(&ends_key, false, false)?;
                self.value(&ends, false, false)?;
            } else if !self.is(|token| *token == Token::FlowMappingEnd)? {
                self.count(id);
                self.node(false, false)?;
                self.empty()?;
            }
        }
        Ok(())
    }
}

/// Deeper than what is decoded; this keeps the stack bounded.
const MAX_DEPTH: usize = 1000;
