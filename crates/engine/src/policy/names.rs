//! The names and patterns of a policy: how each is read and described.

use super::NamespacePattern;
use super::decode::{Decode, Decoder, Spanned, inline_schema};
use super::tree::{Node, Value};
use crate::facts;
use crate::image::ImagePattern;
use crate::text::{is_deceptive, nearest, quoted};

/// The `apiVersion` of every document.
pub const API_VERSION: &str = "ironhull.dev/v1alpha1";

/// Maximum length of a DNS label (RFC 1123): of the names of namespaces and containers, and of
/// a label's value.
pub(super) const LONGEST_LABEL: usize = 63;

/// A value that is allowed and ignored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unread;

impl Decode for Unread {
    fn decode(_: &Node<'_>, _: &mut Decoder) -> Option<Self> {
        Some(Self)
    }
}

inline_schema!(Unread, { "type": "object" });

/// `apiVersion`, which has only one value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApiVersion;

impl Decode for ApiVersion {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, &format!("`{API_VERSION}`"))?;
        if text != API_VERSION {
            decoder
                .error(node.span, format!("unknown apiVersion {}", quoted(text)))
                .hint(format!("write `{API_VERSION}`"));
        }
        Some(Self)
    }

    fn stand_in() -> Option<Self> {
        Some(Self)
    }
}

inline_schema!(ApiVersion, { "const": "ironhull.dev/v1alpha1" });

/// `metadata.name`: a DNS subdomain, as the names of Kubernetes' own objects are.
#[derive(Clone, Debug)]
pub(crate) struct PolicyName(pub(crate) String);

impl Decode for PolicyName {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "a name")?;
        if !is_subdomain(text) {
            decoder
                .error(node.span, format!("{} cannot be the name of a policy", quoted(text)))
                .hint("lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit");
            return None;
        }
        Some(Self(text.to_owned()))
    }

    fn stand_in() -> Option<Self> {
        Some(Self(String::new()))
    }
}

inline_schema!(PolicyName, {
    "type": "string",
    "maxLength": 253,
    "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
});

impl Decode for NamespacePattern {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "a namespace's name")?;
        match namespace_pattern(text) {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                let error = decoder.error(node.span, format!("{} {why}", quoted(text)));
                if why != MANY_STARS {
                    error.hint(
                        "lower-case letters, digits and `-`, at most 63, beginning and ending \
                         with a letter or digit; one `*` stands for any characters",
                    );
                }
                None
            }
        }
    }
}

inline_schema!(NamespacePattern, { "type": "string", "pattern": "^[-a-z0-9]*\\*?[-a-z0-9]*$" });

const MANY_STARS: &str = "has more than one `*`";

/// Reads one entry of `namespaces`.
fn namespace_pattern(text: &str) -> Result<NamespacePattern, &'static str> {
    const NEVER: &str = "can match no namespace";
    let Some((prefix, suffix)) = text.split_once('*') else {
        return match is_label(text) {
            true => Ok(NamespacePattern::Exact(text.to_owned())),
            false => Err("cannot be the name of a namespace"),
        };
    };
    if suffix.contains('*') {
        return Err(MANY_STARS);
    }
    let characters = prefix.bytes().chain(suffix.bytes()).all(is_label_byte);
    let ends = !prefix.starts_with('-') && !suffix.ends_with('-');
    if !characters || !ends || prefix.len() + suffix.len() > LONGEST_LABEL {
        return Err(NEVER);
    }
    Ok(NamespacePattern::Glob { prefix: prefix.to_owned(), suffix: suffix.to_owned() })
}

/// Whether `text` is a DNS label, as the names of namespaces and containers must be.
pub fn is_label(text: &str) -> bool {
    text.len() <= LONGEST_LABEL && is_label_of_any_length(text)
}

/// Whether `text` is a DNS subdomain, as the names of most objects and of API groups must be.
pub(super) fn is_subdomain(text: &str) -> bool {
    /// Maximum length of a DNS subdomain.
    const LONGEST: usize = 253;
    text.len() <= LONGEST && text.split('.').all(is_label_of_any_length)
}

fn is_label_of_any_length(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(is_label_byte)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// A container's name.
#[derive(Clone, Debug)]
pub(crate) struct ContainerName(pub(crate) String);

impl Decode for ContainerName {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "a container's name")?;
        if !is_label(text) {
            let error = decoder
                .error(node.span, format!("{} cannot be the name of a container", quoted(text)));
            if text.contains('*') {
                error.hint("names are compared as they are; a pattern can be given in `images`");
            }
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

inline_schema!(ContainerName, {
    "type": "string",
    "maxLength": 63,
    "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
});

/// The name of an environment variable.
#[derive(Clone, Debug)]
pub(crate) struct VariableName(pub(crate) String);

impl Decode for VariableName {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "the name of a variable")?;
        // The API server's requirements for `env[].name` (relaxed since Kubernetes 1.30).
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic() && c != '=') {
            let error = decoder
                .error(node.span, format!("{} cannot be the name of a variable", quoted(text)));
            if text.contains('=') {
                error.hint("give the name only: any value matches");
            }
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

inline_schema!(VariableName, { "type": "string", "pattern": "^[!-<>-~]+$" });

/// A pattern of images, as written and as understood.
#[derive(Clone, Debug)]
pub(crate) struct PatternText {
    pub(crate) written: String,
    pub(crate) pattern: ImagePattern,
}

impl Decode for PatternText {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "a pattern of images")?;
        let never = |c: char| c.is_whitespace() || is_deceptive(c);
        if text.is_empty() || text.contains(never) {
            decoder.error(node.span, format!("{} can match no image", quoted(text)));
            return None;
        }
        // The digest of an image with a tag is ignored. Such a pattern would match nothing,
        // and without its digest more than its author meant.
        let tagged = |name: &str| name.rsplit('/').next().is_some_and(|last| last.contains(':'));
        if text.split_once('@').is_some_and(|(name, _)| tagged(name)) {
            decoder.error(node.span, format!("{} has both a tag and a digest", quoted(text))).hint(
                "the digest of an image is ignored where there is a tag; name one of the two",
            );
            return None;
        }
        Some(Self { written: text.to_owned(), pattern: ImagePattern::new(text) })
    }
}

inline_schema!(PatternText, { "type": "string", "pattern": r"^[^\s\x00-\x1f\x7f-\x9f]+$" });

/// A pattern of images that something is granted to. Anybody can push an image whose name
/// *ends* in any way they like, so the registry is required.
#[derive(Clone, Debug)]
pub(crate) struct GrantPattern(pub(crate) PatternText);

impl Decode for GrantPattern {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let pattern = PatternText::decode(node, decoder)?;
        if pattern.written.starts_with('*') {
            decoder
                .error(
                    node.span,
                    format!(
                        "{} begins with `*`: it would match any registry",
                        quoted(&pattern.written)
                    ),
                )
                .hint("name the registry, for example `docker.io/library/*`");
            return None;
        }
        Some(Self(pattern))
    }
}

inline_schema!(GrantPattern, { "type": "string", "pattern": "^[^*\\s]\\S*$" });

/// `registryAliases`: pairs of prefixes, each ending with `/`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aliases(pub(crate) Vec<(String, String)>);

impl Decode for Aliases {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            decoder.expected(node, "a map from registry to registry");
            return None;
        };
        let mut prefix = |node| {
            let Spanned { value, span } = Spanned::<String>::decode(node, decoder)?;
            // Without it `registry.corp` would also stand for `registry.corporate.example`.
            if !value.ends_with('/') || value.starts_with('/') || value.contains('*') {
                decoder.error(span, format!("{} is not a registry's prefix", quoted(&value))).hint(
                    "it ends with `/` and has no `*`, for example `registry.corp/dockerhub/`",
                );
                return None;
            }
            Some(value)
        };
        let pairs = entries.iter().map(|(from, to)| (prefix(from), prefix(to)));
        Some(Self(pairs.filter_map(|(from, to)| Some((from?, to?))).collect()))
    }
}

inline_schema!(Aliases, {
    "type": "object",
    "propertyNames": { "pattern": "/$" },
    "additionalProperties": { "type": "string", "pattern": "/$" }
});

/// The kind of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    HardeningPolicy,
    KnownImages,
    ImageFacts,
}

impl Kind {
    /// Reads the document's `kind`. A document of another kind is reported and not checked any
    /// further: its keys have another meaning.
    pub(crate) fn of(document: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Some(kind) = document.get("kind") else {
            return Some(Self::HardeningPolicy);
        };
        let text = decoder.string(kind, "`HardeningPolicy`")?;
        let kinds = ["HardeningPolicy", "KnownImages", facts::KIND];
        match text {
            "HardeningPolicy" => Some(Self::HardeningPolicy),
            "KnownImages" => Some(Self::KnownImages),
            facts::KIND => Some(Self::ImageFacts),
            _ => {
                let near = nearest(text, &kinds).unwrap_or("HardeningPolicy");
                decoder
                    .error(kind.span, format!("unknown kind {}", quoted(text)))
                    .hint(format!("write `{near}`; a policy file cannot contain other objects"));
                None
            }
        }
    }
}

/// A `kind` that [`Kind::of`] has checked already.
macro_rules! checked_kind {
    ($(#[$meta:meta])* $name:ident, $kind:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name;

        impl Decode for $name {
            fn decode(_: &Node<'_>, _: &mut Decoder) -> Option<Self> {
                Some(Self)
            }

            fn stand_in() -> Option<Self> {
                Some(Self)
            }
        }

        inline_schema!($name, { "const": $kind });
    };
}

checked_kind!(
    /// `kind: HardeningPolicy`
    PolicyKind,
    "HardeningPolicy"
);
checked_kind!(
    /// `kind: KnownImages`
    KnownImagesKind,
    "KnownImages"
);
checked_kind!(
    /// `kind: ImageFacts`
    ImageFactsKind,
    "ImageFacts"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_patterns() {
        for good in ["a", "payments", "payments-*", "*", "*-dev", "a*b", "0-*-1"] {
            assert_eq!(namespace_pattern(good).map(|p| p.to_string()), Ok(good.to_owned()));
        }
        let long = "x".repeat(64);
        for bad in ["", "A", "-a", "a-", "a.b", "a_b", "-*", "*-", "a**", "*a*", "A*", &long] {
            assert!(namespace_pattern(bad).is_err(), "{bad}");
        }
    }
}
