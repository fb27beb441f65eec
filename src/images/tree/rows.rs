//! A layer's tree as a list, to be kept in a file. Nested as deeply as directories are, it could
//! not be read back.

use serde::{Deserialize, Serialize};

use super::{Attributes, Content, Directory, File, Node};
use crate::images::path;

/// One node, after its directory.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::images) enum Row {
    /// Path; mode, uid and gid; whether it is opaque; its plain files.
    #[serde(rename = "d")]
    Directory(String, Option<(u32, u32, u32)>, bool, Vec<u32>),
    /// Path; mode, uid and gid; capabilities; content, or else where it is.
    #[serde(rename = "f")]
    File(String, (u32, u32, u32), Vec<String>, Result<String, String>),
    /// Path and target.
    #[serde(rename = "s")]
    Symlink(String, String),
    #[serde(rename = "w")]
    Whiteout(String),
}

impl Directory {
    /// All of the tree.
    pub(in crate::images) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        self.push_rows("", &mut rows);
        rows
    }

    fn push_rows(&self, at: &str, rows: &mut Vec<Row>) {
        let mut plain: Vec<u32> = self.plain.iter().copied().collect();
        plain.sort_unstable();
        let owner = self.attributes.map(tuple);
        rows.push(Row::Directory(at.to_owned(), owner, self.opaque, plain));
        for (name, node) in &self.nodes {
            let at = path::join(at, name);
            match node {
                Node::Directory(directory) => directory.push_rows(&at, rows),
                Node::File(File { attributes, capabilities, content }) => {
                    let content = match content {
                        Content::Kept(text) => Ok(text.as_ref().to_owned()),
                        Content::At(path) => Err(path.clone()),
                    };
                    rows.push(Row::File(at, tuple(*attributes), capabilities.clone(), content));
                }
                Node::Symlink(target) => rows.push(Row::Symlink(at, target.clone())),
                Node::Whiteout => rows.push(Row::Whiteout(at)),
            }
        }
    }

    /// The tree of these rows; `None` if they are none of a tree.
    pub(in crate::images) fn of_rows(rows: Vec<Row>) -> Option<Self> {
        let mut root = Self::default();
        for row in rows {
            let (at, node) = match row {
                Row::Directory(at, owner, opaque, plain) => {
                    let directory = root.make(&at)?;
                    directory.attributes = owner.map(attributes);
                    directory.opaque = opaque;
                    directory.plain = plain.into_iter().collect();
                    continue;
                }
                Row::File(at, owner, capabilities, content) => {
                    let content = match content {
                        Ok(text) => Content::Kept(text.into()),
                        Err(path) => Content::At(path),
                    };
                    let attributes = attributes(owner);
                    (at, Node::File(File { attributes, capabilities, content }))
                }
                Row::Symlink(at, target) => (at, Node::Symlink(target)),
                Row::Whiteout(at) => (at, Node::Whiteout),
            };
            let (parent, name) = path::split(&at)?;
            root.make(parent)?.nodes.insert(name.to_owned(), node);
        }
        Some(root)
    }
}

fn tuple(Attributes { mode, uid, gid }: Attributes) -> (u32, u32, u32) {
    (mode, uid, gid)
}

fn attributes((mode, uid, gid): (u32, u32, u32)) -> Attributes {
    Attributes { mode, uid, gid }
}
