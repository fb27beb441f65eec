//! An image: a line of JSON, its configuration, and layers behind it. Whatever they hold, reading
//! ends within its bounds, says the same twice, and what it says can be written, read and used.

use ironhull::facts::{FactTable, ImageFacts};
use ironhull::images::cache::Cache;
use ironhull::images::error::ImageError;
use ironhull::images::facts::Options;
use ironhull::images::limits::Limits;
use ironhull::images::{memory, write};
use ironhull::policy::{PolicyFile, parse};
use serde_json::Value;

use super::ensure;

/// What separates layers.
pub const SEPARATOR: &[u8] = b"\n%%%%layer%%%%\n";

const NAME: &str = "registry.corp/fuzz/image:1";

/// Configuration and layers. `None` if the first line is not JSON.
pub fn parts(input: &[u8]) -> Option<(Value, Vec<Vec<u8>>)> {
    let mut parts = Vec::new();
    let mut rest = input;
    while let Some(at) = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) {
        parts.push(rest[..at].to_vec());
        rest = &rest[at + SEPARATOR.len()..];
    }
    parts.push(rest.to_vec());
    let config = serde_json::from_slice(&parts.remove(0)).ok()?;
    Some((config, parts))
}

fn options() -> Options {
    let limits = Limits {
        unpacked: 1 << 22,
        stored: 1 << 20,
        entries: 2000,
        names: 1 << 18,
        layers: 8,
        ..Limits::default()
    };
    Options { limits, ..Options::default() }
}

fn read(config: &Value, layers: &[Vec<u8>]) -> Result<Vec<ImageFacts>, ImageError> {
    anonymous(memory::facts(config, layers, &options(), &Cache::default()))
}

/// Without what says which image it is.
fn anonymous(facts: Result<Vec<ImageFacts>, ImageError>) -> Result<Vec<ImageFacts>, ImageError> {
    let mut facts = facts?;
    for facts in &mut facts {
        NAME.clone_into(&mut facts.image);
        facts.digest = None;
    }
    Ok(facts)
}

pub fn check(input: &[u8]) -> Result<(), String> {
    let Some((config, layers)) = parts(input) else { return Ok(()) };
    let cache = Cache::default();
    let first = anonymous(memory::facts(&config, &layers, &options(), &cache));
    let again = anonymous(memory::facts(&config, &layers, &options(), &cache));
    ensure!(first == again, "what is kept differs: {first:?}, {again:?}");
    let facts = match first {
        Ok(facts) => facts,
        Err(error) => {
            let message = error.to_string();
            ensure!(!message.chars().any(char::is_control), "it says {message:?}");
            return Ok(());
        }
    };
    let [one] = facts.as_slice() else { return Err(format!("{} entries", facts.len())) };
    places(one)?;
    written(&facts)?;
    merged(&config, &layers, &facts)?;
    let known = FactTable::new(&facts);
    ensure!(known.find(NAME, NAME).is_some(), "it is not found");
    Ok(())
}

/// Paths are those of a tree: absolute, without detours.
fn places(facts: &ImageFacts) -> Result<(), String> {
    let ImageFacts { writable, hidden, setuid, file_capabilities, .. } = facts;
    ensure!(writable.len() <= 64, "{} writable directories", writable.len());
    let writable = writable.iter().map(|directory| &directory.path);
    for path in writable.chain(hidden).chain(setuid).chain(file_capabilities.keys()) {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let detour = parts.iter().any(|part| matches!(*part, "" | "." | ".."));
        ensure!(path.starts_with('/') && (path == "/" || !detour), "the path {path:?}");
        ensure!(!path.chars().any(char::is_control), "the path {path:?}");
    }
    Ok(())
}

/// A document of facts says what they are, however it was written.
fn written(facts: &[ImageFacts]) -> Result<(), String> {
    let lines = write::lines(facts);
    let yaml = serde_yaml::to_string(facts).map_err(|error| error.to_string())?;
    let head = "apiVersion: ironhull.dev/v1alpha1\nkind: ImageFacts\nimages:\n";
    for text in [write::document([lines.as_str()].into_iter()), format!("{head}{yaml}")] {
        let file = PolicyFile { name: "facts".to_owned(), text };
        match parse::facts(&file) {
            Ok(read) => ensure!(read == facts, "written {facts:?}, read {read:?}"),
            Err(wrong) => return Err(format!("{}: {}", file.text, wrong[0])),
        }
    }
    Ok(())
}

/// A layer with nothing in it changes nothing, nor does the last one if it comes once more.
fn merged(config: &Value, layers: &[Vec<u8>], facts: &[ImageFacts]) -> Result<(), String> {
    let empty = vec![0; 1024];
    let with = |more: &[&Vec<u8>], first: bool| -> Vec<Vec<u8>> {
        let more = more.iter().map(|layer| (*layer).clone());
        match first {
            true => more.chain(layers.iter().cloned()).collect(),
            false => layers.iter().cloned().chain(more).collect(),
        }
    };
    let mut others = vec![with(&[&empty], true), with(&[&empty], false)];
    others.extend(layers.last().map(|last| with(&[last], false)));
    for layers in others.iter().filter(|layers| layers.len() <= options().limits.layers) {
        let read = read(config, layers);
        ensure!(read.as_deref() == Ok(facts), "{facts:?} becomes {read:?}");
    }
    Ok(())
}
