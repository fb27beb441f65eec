//! `podTemplates`: kinds of a cluster's own that pods are made from.

use super::decode::{Decode, Decoder, Spanned, inline_schema, object, words};
use super::names::is_subdomain;
use super::tree::Node;
use crate::text::quoted;
use crate::workload::{Holds, OwnKind, Path, Takes, table};

object! {
    /// A kind of one's own that pods are made from, and where in it they are. It is known wherever
    /// the policies of this load are used, whatever the namespace.
    pub(crate) struct PodTemplates as "key" {
        /// Its API group, without a version: `example.com`.
        group: Spanned<ApiGroup> = "group",
        /// Its kind, as manifests have it.
        kind: Spanned<KindName> = "kind",
        /// Path to its pod templates: names joined by `.`, with `[*]` after the name of a list or
        /// map for each of its items.
        path: Spanned<PathText> = "path",
        /// What is at the path: `template`, an object with a pod's `spec`, or the `podSpec`
        /// itself. `template` when left out.
        holds: Option<Held> = "holds",
    }
}

/// `group`
#[derive(Clone, Debug)]
pub(crate) struct ApiGroup(String);

impl Decode for ApiGroup {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "an API group")?;
        if !is_subdomain(text) {
            let error =
                decoder.error(node.span, format!("{} cannot be an API group", quoted(text)));
            error.hint(match text.split_once('/') {
                Some((group, _)) if is_subdomain(group) => {
                    format!("leave the version out: `{group}`")
                }
                _ => "what `apiVersion` has before its `/`, for example `example.com`".to_owned(),
            });
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

inline_schema!(ApiGroup, {
    "type": "string",
    "maxLength": 253,
    "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
});

/// `kind`
#[derive(Clone, Debug)]
pub(crate) struct KindName(String);

impl Decode for KindName {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "a kind")?;
        let plain = text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.chars().all(|c| c.is_ascii_alphanumeric());
        if !plain || text.len() > super::names::LONGEST_LABEL {
            decoder
                .error(node.span, format!("{} cannot be a kind", quoted(text)))
                .hint("write it as manifests do, such as `Widget`; not its plural");
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

inline_schema!(KindName, { "type": "string", "maxLength": 63, "pattern": "^[A-Z][A-Za-z0-9]*$" });

/// `path`
#[derive(Clone, Debug)]
pub(crate) struct PathText(Path);

impl Decode for PathText {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "a path")?;
        match Path::parse(text) {
            Ok(path) => Some(Self(path)),
            Err(error) => {
                let message = format!("the path {} {}", quoted(text), error.message);
                decoder.error(node.span, message).hint(error.hint);
                None
            }
        }
    }
}

inline_schema!(PathText, {
    "type": "string",
    "pattern": r"^[A-Za-z0-9_-]+(\[\*\])?(\.[A-Za-z0-9_-]+(\[\*\])?)*$"
});

/// `holds`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Template,
    PodSpec,
}

words! { Held as "holds" { Template = "template", PodSpec = "podSpec", } }

impl PodTemplates {
    /// The kind that it describes.
    pub(super) fn own_kind(&self) -> OwnKind {
        OwnKind {
            group: self.group.value.0.clone(),
            kind: self.kind.value.0.clone(),
            path: self.path.value.0.clone(),
            holds: match self.holds {
                Some(Held::PodSpec) => Holds::PodSpec,
                Some(Held::Template) | None => Holds::Template,
            },
        }
    }
}

/// Warns about a kind that ironhull knows, where naming it changes nothing.
pub(super) fn lint(own: &PodTemplates, decoder: &mut Decoder) {
    let OwnKind { group, kind, path, .. } = own.own_kind();
    let Some(row) = table::find(&group, &kind) else { return };
    if let Takes::Nothing(why) = row.takes {
        decoder
            .warning(own.kind.span, format!("`{kind}` of {group} is not hardened in manifests"))
            .hint(format!("{why}; leave the entry out"));
    } else if row.pods.iter().any(|place| place.path == path.to_string()) {
        decoder
            .warning(own.kind.span, format!("`{kind}` of {group} is known already, with this path"))
            .hint("leave the entry out");
    }
}

/// What a policy states of a kind, as `policy show` prints it.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown<'p> {
    group: &'p str,
    kind: &'p str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<&'static str>,
}

impl<'p> Shown<'p> {
    pub(super) fn of(own: &'p OwnKind) -> Self {
        let OwnKind { group, kind, path, holds } = own;
        let holds = (*holds == Holds::PodSpec).then_some("podSpec");
        Self { group, kind, path: path.to_string(), holds }
    }
}
