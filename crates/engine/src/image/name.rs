//! Names of images: what a short one stands for, and patterns of them.
//!
//! `nginx` is `docker.io/library/nginx:latest`, as container runtimes read it
//! (github.com/distribution/reference, `normalize.go`). The digest is ignored if there is a
//! tag.

use std::borrow::Cow;

use memchr::{memchr, memchr3, memrchr};

/// A pattern of normalised image names. `*` matches any characters, including `/` and the
/// empty string; nothing else is special.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImagePattern {
    /// The pattern after normalisation.
    text: String,
}

impl ImagePattern {
    /// Reads a pattern. A missing registry or tag is completed as in an image name: `nginx:*`
    /// is `docker.io/library/nginx:*`, and `nginx` is `docker.io/library/nginx:latest`.
    pub fn new(pattern: &str) -> Self {
        let mut text = complete_registry(pattern).into_owned();
        if !text.rsplit('/').next().unwrap_or_default().contains([':', '@', '*']) {
            text.push_str(":latest");
        }
        Self { text }
    }

    /// The pattern after normalisation.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before its tag or digest.
    pub(super) fn repository(&self) -> Option<&str> {
        Marks::of(&self.text).repository(&self.text)
    }

    /// Whether it matches `image`, a name returned by [`RegistryAliases::normalise`].
    pub fn matches(&self, image: &str) -> bool {
        glob(self.text.as_bytes(), image.as_bytes())
    }
}

/// `registryAliases`: registries that are treated as the ones they mirror.
#[derive(Clone, Debug, Default)]
pub struct RegistryAliases(Vec<(String, String)>);

impl RegistryAliases {
    /// Aliases from pairs of prefixes. The longest prefix that fits an image is replaced.
    pub fn new(mut aliases: Vec<(String, String)>) -> Self {
        aliases.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
        Self(aliases)
    }

    /// The pairs of prefixes, in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(from, to)| (from.as_str(), to.as_str()))
    }

    /// The full name of `image`: registry, path and tag, or a digest if there is no tag.
    pub fn normalise<'i>(&self, image: &'i str) -> Cow<'i, str> {
        let name = full_name(image);
        for (from, to) in &self.0 {
            if let Some(rest) = name.strip_prefix(from.as_str()) {
                return Cow::Owned(full_name(&format!("{to}{rest}")).into_owned());
            }
        }
        name
    }
}

/// The repository of a full name: the part before its tag or digest.
pub fn repository(name: &str) -> Option<&str> {
    Marks::of(name).repository(name)
}

/// Positions of the parts of an image's name.
pub(super) struct Marks {
    /// The first `@`.
    digest: Option<usize>,
    /// The last `/` before the digest.
    slash: Option<usize>,
    /// The first `:` after the slash.
    tag: Option<usize>,
}

impl Marks {
    /// Called for every container, hence not byte by byte.
    pub(super) fn of(name: &str) -> Self {
        let name = name.as_bytes();
        let digest = memchr(b'@', name);
        let name = name.get(..digest.unwrap_or(name.len())).unwrap_or_default();
        let slash = memrchr(b'/', name);
        let path = slash.map_or(0, |slash| slash + 1);
        let tag = name.get(path..).and_then(|last| memchr(b':', last)).map(|at| path + at);
        Self { digest, slash, tag }
    }

    /// The part of a normalised name (or a pattern) before its tag or digest.
    pub(super) fn repository<'n>(&self, name: &'n str) -> Option<&'n str> {
        self.slash?;
        name.get(..self.tag.or(self.digest)?)
    }

    /// The tag of a normalised name; `None` if it has a digest instead.
    pub(super) fn tag<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.get(self.tag? + 1..)
    }
}

/// The full name of an image, without aliases: registry, path and tag, or a digest if there is no
/// tag.
pub fn full_name(image: &str) -> Cow<'_, str> {
    let Marks { digest, tag, .. } = Marks::of(image);
    let (name, digest) = match digest.and_then(|at| image.split_at_checked(at)) {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let name = complete_registry(name);
    if tag.is_some() {
        return name;
    }
    Cow::Owned([&*name, digest.unwrap_or(":latest")].concat())
}

/// Adds Docker Hub's name to a reference without a registry, and `library/` to one of its
/// official images. A name that begins with `*` is left alone: it may stand for any registry.
fn complete_registry(name: &str) -> Cow<'_, str> {
    if name.starts_with('*') || name.is_empty() {
        return Cow::Borrowed(name);
    }
    // Characters that tell a registry from a part of a path; `*` may stand for one.
    let is_registry =
        |part: &str| memchr3(b'.', b':', b'*', part.as_bytes()).is_some() || part == "localhost";
    match memchr(b'/', name.as_bytes()).and_then(|at| name.split_at_checked(at)) {
        None => Cow::Owned(["docker.io/library/", name].concat()),
        Some(("index.docker.io", rest)) => complete_hub(rest, None),
        Some(("docker.io", rest)) => complete_hub(rest, Some(name)),
        Some((first, _)) if is_registry(first) => Cow::Borrowed(name),
        Some(_) => Cow::Owned(["docker.io/", name].concat()),
    }
}

/// Completes a path on Docker Hub, which begins with `/`: one part is an official image.
fn complete_hub<'i>(path: &str, full: Option<&'i str>) -> Cow<'i, str> {
    let path = path.get(1..).unwrap_or_default();
    match full {
        _ if !path.contains('/') && !path.starts_with('*') => {
            Cow::Owned(format!("docker.io/library/{path}"))
        }
        Some(full) => Cow::Borrowed(full),
        None => Cow::Owned(format!("docker.io/{path}")),
    }
}

/// Whether `text` matches `pattern`. The time is linear in both for one `*`, and never worse
/// than their product.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // Most patterns differ from the text early.
    let alike = |(wanted, byte): &(&u8, &u8)| wanted == byte && **wanted != b'*';
    let same = pattern.iter().zip(text).take_while(alike).count();
    let (Some(pattern), Some(mut rest)) = (pattern.get(same..), text.get(same..)) else {
        return false;
    };
    let Some(pattern) = pattern.strip_prefix(b"*") else {
        return pattern.is_empty() && rest.is_empty();
    };
    let mut pieces = pattern.split(|b| *b == b'*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let found = rest.windows(piece.len().max(1)).position(|window| window.starts_with(piece));
        match found.or(piece.is_empty().then_some(0)).and_then(|at| rest.get(at + piece.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(image: &str) -> String {
        RegistryAliases::default().normalise(image).into_owned()
    }

    #[test]
    fn names_are_completed_as_runtimes_do() {
        for (short, long) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("bitnami/redis:7", "docker.io/bitnami/redis:7"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/library/nginx:1", "docker.io/library/nginx:1"),
            ("quay.io/a/b", "quay.io/a/b:latest"),
            ("localhost/a", "localhost/a:latest"),
            ("registry:5000/a", "registry:5000/a:latest"),
            ("nginx:1.27@sha256:ab", "docker.io/library/nginx:1.27"),
            ("nginx@sha256:ab", "docker.io/library/nginx@sha256:ab"),
            ("registry:5000/a@sha256:ab", "registry:5000/a@sha256:ab"),
        ] {
            assert_eq!(full(short), long);
        }
    }

    #[test]
    fn aliases_are_seen_as_what_they_mirror() {
        let aliases = RegistryAliases::new(vec![
            ("registry.corp/".into(), "ghcr.io/".into()),
            ("registry.corp/dockerhub/".into(), "docker.io/".into()),
        ]);
        assert_eq!(
            aliases.normalise("registry.corp/dockerhub/nginx:1"),
            "docker.io/library/nginx:1"
        );
        assert_eq!(aliases.normalise("registry.corp/x/y:1"), "ghcr.io/x/y:1");
    }

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("docker.io/library/postgres:*", "docker.io/library/postgres:15", true),
            ("docker.io/library/postgres:*alpine*", "docker.io/library/postgres:15-alpine", true),
            ("docker.io/library/postgres:*alpine*", "docker.io/library/postgres:15", false),
            ("postgres:*", "docker.io/library/postgres:15", true),
            ("registry.corp/*", "registry.corp/pay/api:3", true),
            ("name@*", "docker.io/library/name@sha256:1", true),
            ("name@*", "docker.io/library/name:1", false),
            ("name", "docker.io/library/name:latest", true),
            ("name", "docker.io/library/name:1", false),
            ("a.b:5000/c", "a.b:5000/c:latest", true),
            ("a.b/*x*y", "a.b/xxyy", true),
            ("a.b/*x*y", "a.b/yx", false),
            ("a.b/c:1", "a.b/c:12", false),
            ("a.b/c**", "a.b/c", true),
        ] {
            assert_eq!(ImagePattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }
}
