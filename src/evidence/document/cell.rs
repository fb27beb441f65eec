//! Cells: a check of a container, its result, and where that is known from.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::evidence::check::Check;

/// A check of a container.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// The check.
    pub check: Check,
    /// The result.
    pub state: State,
    /// The value in the live pod: what is effective, of both levels; null where nothing is set.
    pub value: Value,
    /// Where the value is known from.
    pub source: Source,
    /// Who set it.
    pub set_by: SetBy,
    /// What the template says, if that is something else; left out otherwise, and without a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateCell>,
    /// `id` of the exemption for which it is `exempt`, or would be if that were in force; left out if
    /// there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exemption: Option<String>,
    /// Why, in words; left out if there is nothing to say.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub why: Cow<'static, str>,
}

/// A cell's value as text, nothing for null.
pub fn value_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A check of a container in a template: what a scanner of templates sees.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateCell {
    /// The result.
    pub state: State,
    /// The value; null where nothing is set.
    pub value: Value,
}

/// Result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is as it should be, and that is known.
    Pass,
    /// It is not, or it is set so that it need not be.
    Fail,
    /// It is not, and an exemption in force allows that.
    Exempt,
    /// It means nothing for this container, such as a uid on Windows.
    NotApplicable,
    /// It cannot be told from what can be read.
    Unknown,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Pass, Self::Fail, Self::Exempt, Self::NotApplicable, Self::Unknown];

    /// Whether nothing is wanting: it passes, or means nothing here.
    pub fn holds(self) -> bool {
        matches!(self, Self::Pass | Self::NotApplicable)
    }

    /// Its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Exempt => "exempt",
            Self::NotApplicable => "notApplicable",
            Self::Unknown => "unknown",
        }
    }
}

/// Where a value is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The kubelet reports it of the running container (`status.…user.linux`).
    Kubelet,
    /// The pod's own spec, as the API server has stored it. The kubelet starts no container
    /// otherwise.
    PodSpec,
    /// Facts read from the image.
    ImageFacts,
    /// Nothing is set, so the API server's or the runtime's documented default holds.
    Default,
    /// It is not known.
    None,
}

impl Source {
    /// Its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::PodSpec => "podSpec",
            Self::ImageFacts => "imageFacts",
            Self::Default => "default",
            Self::None => "none",
        }
    }
}

/// Who set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SetBy {
    /// Whoever wrote the template: it has the same.
    Author,
    /// ironhull, by its note: the template has something else, and the pod is as the note says. The
    /// policy and revision are those of the container's `note`.
    Ironhull,
    /// Another webhook, an admission policy or somebody by hand: the template has something else,
    /// and the note does not claim it.
    Other,
    /// Nobody: a default holds.
    Default,
    /// The image or the runtime.
    Image,
    /// It cannot be told, since there is no template to compare with.
    Unknown,
}

impl SetBy {
    /// Its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Ironhull => "ironhull",
            Self::Other => "other",
            Self::Default => "default",
            Self::Image => "image",
            Self::Unknown => "unknown",
        }
    }
}
