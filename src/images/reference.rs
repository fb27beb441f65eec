//! What people name an image by: a name in a registry, or a place in the file system.

use std::fmt;
use std::path::PathBuf;

use super::digest::Digest;
use super::error::{ErrorKind, ImageError};
use crate::image::full_name;
use crate::text;

/// Maximum length of a name, in characters: the one of the reference implementation, 255, and a tag
/// and a digest.
const LONGEST: usize = 255 + 1 + 128 + 1 + 71;

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// In a registry.
    Registry(Name),
    /// `oci:DIR[:TAG]`: a directory in the OCI's layout.
    Layout(Place),
    /// `oci-archive:FILE[:TAG]`: the same as a tar archive.
    OciArchive(Place),
    /// `docker-archive:FILE[:TAG]`: what `docker save` writes.
    DockerArchive(Place),
}

/// A place in the file system, and which of its images is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The directory or file.
    pub path: PathBuf,
    /// The name or tag; `None` if it has only one image.
    pub tag: Option<String>,
}

/// A name in a registry, complete.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// Host and port, as people write them: `docker.io`.
    pub registry: String,
    /// The path in the registry: `library/nginx`.
    pub repository: String,
    /// The tag; `latest` if there is no digest either.
    pub tag: Option<String>,
    /// The digest. It wins over the tag.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Reads what people type.
    ///
    /// # Errors
    /// When it is not the name of an image.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        for (prefix, of) in [
            ("oci:", Self::Layout as fn(Place) -> Self),
            ("oci-archive:", Self::OciArchive),
            ("docker-archive:", Self::DockerArchive),
        ] {
            if let Some(rest) = text.strip_prefix(prefix) {
                return Place::parse(rest).map(of);
            }
        }
        Name::parse(text).map(Self::Registry)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(name) => name.fmt(f),
            Self::Layout(place) => write!(f, "oci:{place}"),
            Self::OciArchive(place) => write!(f, "oci-archive:{place}"),
            Self::DockerArchive(place) => write!(f, "docker-archive:{place}"),
        }
    }
}

impl Place {
    /// A path with a colon in it has to name the tag too: the first colon separates them, as in skopeo.
    fn parse(text: &str) -> Result<Self, ImageError> {
        let (path, tag) = match text.split_once(':') {
            Some((path, tag)) => (path, Some(tag).filter(|tag| !tag.is_empty())),
            None => (text, None),
        };
        if path.is_empty() {
            return Err(bad(text, "it names no file"));
        }
        Ok(Self { path: path.into(), tag: tag.map(str::to_owned) })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, tag } = self;
        match tag {
            Some(tag) => write!(f, "{}:{tag}", path.display()),
            None => write!(f, "{}", path.display()),
        }
    }
}

impl Name {
    /// Reads a name as container runtimes do: `nginx` is `docker.io/library/nginx:latest`.
    ///
    /// # Errors
    /// When no runtime would take it.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        let bad = |why: &str| bad(text, why);
        if text.len() > LONGEST {
            return Err(bad("it is too long"));
        }
        if text.contains("://") {
            return Err(bad("a name has no `https://` before it"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = Digest::parse(digest);
                (
                    rest,
                    Some(digest.ok_or_else(|| bad("its digest is not `sha256:` and 64 digits"))?),
                )
            }
            None => (text, None),
        };
        // Not through the digest, which would be lost beside a tag.
        let complete = full_name(rest);
        let (name, tag) = complete.rsplit_once(':').ok_or_else(|| bad("it has no name"))?;
        let (registry, repository) = name.split_once('/').ok_or_else(|| bad("it has no name"))?;
        let stated = rest.rsplit('/').next().is_some_and(|last| last.contains(':'));
        let tag = (stated || digest.is_none()).then(|| tag.to_owned());
        let name =
            Self { registry: registry.to_owned(), repository: repository.to_owned(), tag, digest };
        name.check().map_err(bad)?;
        Ok(name)
    }

    fn check(&self) -> Result<(), &'static str> {
        let Self { registry, repository, tag, .. } = self;
        let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let word = |part: &str| {
            part.starts_with(lower)
                && part.ends_with(lower)
                && part.chars().all(|c| lower(c) || matches!(c, '.' | '_' | '-'))
        };
        if !repository.split('/').all(word) {
            return Err("a repository is of lower-case letters, digits, `.`, `_` and `-`");
        }
        let host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if registry.is_empty() || !registry.chars().all(host) {
            return Err("its registry is no host");
        }
        let in_tag = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let is_tag = |tag: &str| {
            !tag.is_empty()
                && tag.len() <= 128
                && !tag.starts_with(['.', '-'])
                && tag.chars().all(in_tag)
        };
        if !tag.as_deref().is_none_or(is_tag) {
            return Err("a tag is of letters, digits, `_`, `.` and `-`");
        }
        Ok(())
    }

    /// The name under which workloads are looked up: the tag if there is one, otherwise the digest.
    pub fn normalised(&self) -> String {
        let Self { registry, repository, tag, digest } = self;
        match (tag, digest) {
            (Some(tag), _) => format!("{registry}/{repository}:{tag}"),
            (None, Some(digest)) => format!("{registry}/{repository}@{digest}"),
            (None, None) => format!("{registry}/{repository}"),
        }
    }

    /// What a registry is asked for: the digest if there is one, otherwise the tag.
    pub(super) fn wanted(&self) -> &str {
        let digest = self.digest.as_ref().map(Digest::as_str);
        digest.or(self.tag.as_deref()).unwrap_or("latest")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.normalised())?;
        match (&self.tag, &self.digest) {
            (Some(_), Some(digest)) => write!(f, "@{digest}"),
            _ => Ok(()),
        }
    }
}

fn bad(name: &str, why: &str) -> ImageError {
    let name = text::quoted(name);
    ImageError::new(ErrorKind::BadName, format!("{name} is not the name of an image: {why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::*;

    #[test]
    fn short_names_are_completed() {
        for (text, name, wanted) in [
            ("nginx", "docker.io/library/nginx:latest", "latest"),
            ("team/web:1.2", "docker.io/team/web:1.2", "1.2"),
            ("ghcr.io/a/b/c:x", "ghcr.io/a/b/c:x", "x"),
            ("localhost:5000/web", "localhost:5000/web:latest", "latest"),
            ("127.0.0.1:5000/web:1", "127.0.0.1:5000/web:1", "1"),
        ] {
            let read = Name::parse(text).unwrap();
            assert_eq!((read.normalised().as_str(), read.wanted()), (name, wanted), "{text}");
        }
        let digest = format!("sha256:{}", "0".repeat(64));
        let read = Name::parse(&format!("nginx@{digest}")).unwrap();
        assert_eq!(read.normalised(), format!("docker.io/library/nginx@{digest}"));
        assert_eq!(read.wanted(), digest);
        let read = Name::parse(&format!("nginx:1.27@{digest}")).unwrap();
        assert_eq!(read.normalised(), "docker.io/library/nginx:1.27");
        assert_eq!(read.wanted(), digest);
        assert_eq!(read.to_string(), format!("docker.io/library/nginx:1.27@{digest}"));
    }

    #[test]
    fn places() {
        for (text, path, tag) in [
            ("oci:build/web", "build/web", None),
            ("oci:build/web:1.2", "build/web", Some("1.2")),
            (
                "oci-archive:web.tar:registry.example/web:1",
                "web.tar",
                Some("registry.example/web:1"),
            ),
            ("docker-archive:web.tar:", "web.tar", None),
        ] {
            let (Reference::Layout(place)
            | Reference::OciArchive(place)
            | Reference::DockerArchive(place)) = Reference::parse(text).unwrap()
            else {
                panic!("{text}");
            };
            assert_eq!((place.path.to_str().unwrap(), place.tag.as_deref()), (path, tag), "{text}");
        }
    }

    #[test]
    fn what_is_no_name() {
        for (text, why) in [
            ("", "is not the name of an image: it has no name"),
            ("Nginx", "a repository is of lower-case letters"),
            ("nginx:", "a tag is of letters"),
            ("nginx:a b", "a tag is of letters"),
            ("nginx@sha256:12", "its digest is not `sha256:` and 64 digits"),
            ("https://ghcr.io/a", "a name has no `https://` before it"),
            ("ex ample.com/a", "its registry is no host"),
            ("user:pass@ghcr.io/a", "its digest is not"),
            ("oci:", "it names no file"),
            ("a/../b", "a repository is of lower-case letters"),
        ] {
            let error = Reference::parse(text).unwrap_err();
            assert!(error.message.contains(why), "{text}: {error}");
            assert_eq!(error.kind, ErrorKind::BadName);
        }
        assert!(Name::parse(&"a".repeat(600)).is_err());
    }
}
