//! The paths that get an emptyDir, and how policies and annotations write them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::decode::{Decode, Decoder, inline_schema, object};
use super::tree::{Node, Value};
use crate::text::{is_deceptive, quoted};

/// An absolute, normalised path that may be given an emptyDir.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WritablePath(String);

impl WritablePath {
    /// The path, if an emptyDir may be mounted there.
    ///
    /// # Errors
    /// Why none may.
    pub fn new(path: &str) -> Result<Self, WritablePathError> {
        if !path.starts_with('/') {
            return Err(WritablePathError::NotAbsolute);
        }
        if path.chars().any(|c| is_deceptive(c) || c == ':') {
            return Err(WritablePathError::Characters);
        }
        if path.split('/').any(|part| part == "..") {
            return Err(WritablePathError::DotDot);
        }
        let path = crate::pod::normalise_path(path).into_owned();
        if KERNEL_DIRECTORIES.contains(&first_part(&path)) {
            return Err(WritablePathError::Kernel);
        }
        Ok(Self(path))
    }

    /// The path, normalised.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A path that gets an emptyDir, as policies and annotations list it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Writable {
    /// The path.
    pub path: WritablePath,
    /// Whether the emptyDir begins with what the image has there.
    pub seed: bool,
}

impl Writable {
    /// What a workload asks for by annotation: `PATH`, or `PATH=seed`. Where an image keeps its
    /// programs, only administrators may put an emptyDir: they can see what it hides.
    ///
    /// # Errors
    /// Why it may not.
    pub fn asked_for(text: &str) -> Result<Self, WritablePathError> {
        let (path, seed) = match text.rsplit_once('=') {
            Some((path, SEED)) => (path, true),
            // A directory's name may hold a `=`, but hardly ever does. A misspelt word would
            // silently be another directory.
            Some((_, word)) if !word.contains('/') => return Err(WritablePathError::Word),
            _ => (text, false),
        };
        let path = WritablePath::new(path)?;
        let first = first_part(path.as_str());
        if SYSTEM_DIRECTORIES.contains(&first) || first.starts_with("lib") {
            return Err(WritablePathError::System);
        }
        Ok(Self { path, seed })
    }

    /// As an annotation has it.
    pub fn written(path: &str, seed: bool) -> Cow<'_, str> {
        if seed { Cow::Owned(format!("{path}={SEED}")) } else { Cow::Borrowed(path) }
    }
}

/// The word after a path, and its `=`, that asks for the image's content.
const SEED: &str = "seed";

/// The first part of a normalised path; empty for `/`.
fn first_part(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// Directories that the kernel or the runtime fills: no container starts with an emptyDir
/// there. The empty name is `/` itself, which cannot be a mount point.
const KERNEL_DIRECTORIES: [&str; 4] = ["", "dev", "proc", "sys"];

/// Directories that hold the image's own system. Names that begin with `lib` belong to them too.
const SYSTEM_DIRECTORIES: [&str; 5] = ["bin", "boot", "etc", "sbin", "usr"];

/// Why a path may not be made writable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WritablePathError {
    /// It does not begin with `/`.
    #[error("is not an absolute path")]
    NotAbsolute,
    /// It holds `:`, which the API server refuses in a mount path, or a control character.
    #[error("contains a character that a mount path cannot have")]
    Characters,
    /// It holds `..`.
    #[error("contains `..`")]
    DotDot,
    /// It is `/`, or one that the kernel or the runtime fills, or below one.
    #[error(
        "is `/`, /dev, /proc or /sys, or below one; no container starts with an emptyDir there"
    )]
    Kernel,
    /// It is a directory of the system, or below one.
    #[error("is a system directory, or below one; only a policy may put an emptyDir there")]
    System,
    /// It ends with `=` and a word that means nothing.
    #[error("ends with an unknown word: write `=seed`")]
    Word,
}

impl Decode for WritablePath {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "a path")?;
        Self::new(text)
            .map_err(|why| {
                let error = decoder.error(node.span, format!("{} {why}", quoted(text)));
                if why == WritablePathError::NotAbsolute {
                    error.hint("start it with `/`");
                }
            })
            .ok()
    }
}

inline_schema!(WritablePath, { "type": "string", "pattern": "^/" });

impl Serialize for WritablePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

object! {
    /// A path, and what its emptyDir begins with.
    #[schemars(inline)]
    struct Stated as "key" {
        /// The path.
        path: WritablePath = "path",
        /// Whether the emptyDir begins with a copy of what the image has there.
        seed: Option<bool> = "seed",
    }
}

impl Decode for Writable {
    /// A path, or a map.
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        if matches!(node.value, Value::Map(_)) {
            let Stated { path, seed } = Stated::decode(node, decoder)?;
            return Some(Self { path, seed: seed.unwrap_or(false) });
        }
        if let Some((path, SEED)) = node.text().and_then(|text| text.rsplit_once('=')) {
            decoder
                .error(
                    node.span,
                    format!("{} is how an annotation writes it", quoted(node.text()?)),
                )
                .hint(format!("write it as a map, with `path: {path}` and `seed: true`"));
            return None;
        }
        WritablePath::decode(node, decoder).map(|path| Self { path, seed: false })
    }
}

impl JsonSchema for Writable {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Writable".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let path = generator.subschema_for::<WritablePath>();
        let stated = generator.subschema_for::<Stated>();
        json_schema!({ "anyOf": [path, stated] })
    }
}

impl Serialize for Writable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.seed {
            return self.path.serialize(serializer);
        }
        let mut map = serializer.serialize_struct("Writable", 2)?;
        map.serialize_field("path", &self.path)?;
        map.serialize_field("seed", &true)?;
        map.end()
    }
}
