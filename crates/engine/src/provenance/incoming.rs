//! A note as it is read from a pod. What it says is not believed without a look at the pod.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Map;

use crate::rule::RuleName;

/// A note that was read. Whatever has another shape counts as missing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Incoming {
    /// The policy (`NAME@REVISION`), if it is a string.
    policy: serde_json::Value,
    /// The rules that were set, by [`key`].
    pub set: BTreeMap<String, Vec<String>>,
    /// The previous values, by [`key`] and rule.
    pub was: BTreeMap<String, Map<String, serde_json::Value>>,
    /// What facts say of the images' users, by [`key`].
    pub(super) facts: BTreeMap<String, String>,
}

impl Incoming {
    /// Parses the annotation's text.
    pub fn read(note: &str) -> Option<Self> {
        serde_json::from_str(note).ok()
    }

    /// The policy, as `NAME@REVISION`.
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_str()
    }

    /// Whether the rule was set for this container at its own level.
    pub fn has_set_in(&self, container: &str, rule: RuleName) -> bool {
        self.has_set_at(container_key(container), rule)
    }

    /// Whether the rule was set at the pod level.
    pub fn has_set_on_pod(&self, rule: RuleName) -> bool {
        self.has_set_at("pod", rule)
    }

    fn has_set_at(&self, key: &str, rule: RuleName) -> bool {
        self.set.get(key).into_iter().flatten().any(|name| name == rule.as_str())
    }

    /// Whether the container was given the uid that its image has itself, so that it is the user it
    /// would be anyway.
    pub fn keeps_user(&self, container: &str) -> bool {
        let words = self.facts.get(container_key(container));
        words.is_some_and(|words| words.starts_with(OWN_USER))
    }
}

/// Key of a container in a note. One may be named `pod`; no name has a `/`.
pub(super) fn container_key(name: &str) -> &str {
    if name == "pod" { "containers/pod" } else { name }
}

/// How the words of [`Note::OwnUser`](crate::outcome::Note::OwnUser) begin.
const OWN_USER: &str = "the image's user is ";
