//! Images in CEL: the full name of one, compared with patterns. Follows `RegistryAliases::normalise`
//! in [`crate::image`] step by step; `tests/backstop` compares the two.

use super::cel;
use crate::image::{ImagePattern, RegistryAliases};

/// A condition on the container `c`: its image matches one of `patterns`.
pub(super) fn matches(patterns: &[ImagePattern], aliases: &RegistryAliases) -> String {
    let wanted: Vec<_> = patterns.iter().map(|pattern| cel::glob(pattern.as_str())).collect();
    let mut steps = vec![TAG.to_owned(), REGISTRY.to_owned()];
    let replaced: Vec<String> = aliases
        .iter()
        .map(|(from, to)| {
            let length = from.chars().count();
            let (from, to) = (cel::text(from), cel::text(to));
            format!("i.startsWith({from}) ? {to} + i.substring({length}) : ")
        })
        .collect();
    if !replaced.is_empty() {
        steps.push(format!("{}i", replaced.concat()));
        // What an alias stands for may be short again. A full name stays as it is.
        steps.extend([TAG.to_owned(), REGISTRY.to_owned()]);
    }
    let steps: String = steps.iter().map(|step| format!(".map(i, {step})\n")).collect();
    format!("[c.?image.orValue('')]{steps}.exists(i, i.matches({}))", cel::any_of(&wanted))
}

/// Drops a digest beside a tag, and completes the tag if there is neither.
const TAG: &str = r"i.matches(r'(?s)^[^@]*:[^/@]*(@.*)?$') ? i.split('@')[0] : i.contains('@') ? i : i + ':latest'";

/// Adds Docker Hub's name to an image without a registry, and `library/` to an official one.
const REGISTRY: &str = r"i.matches(r'(?s)^[^/@]*(@.*)?$') ? 'docker.io/library/' + i :
    i.matches(r'(?s)^(index\.)?docker\.io/[^/@*][^/@]*(@.*)?$') ? 'docker.io/library/' + i.substring(i.indexOf('/') + 1) :
    i.startsWith('index.docker.io/') ? i.substring(6) :
    i.matches(r'(?s)^([^/]*[.:*][^/]*|localhost)/') ? i : 'docker.io/' + i";
