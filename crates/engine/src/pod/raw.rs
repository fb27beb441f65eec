//! What a container runs, and with which variables.
//!
//! Few pods have an image about which anybody asks, and these are the largest parts of most:
//! they are skipped as everything unknown is, with a note of where they stand.

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

use super::{Container, Fill, Text, view};

/// A value that is not read before it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw<'a>(Option<&'a RawValue>);

impl<'a> Raw<'a> {
    /// The items of a list; none where nothing is there. `None` where it is no such list.
    fn items<T: Fill<'a>>(self) -> Option<Vec<T>> {
        let mut items = Vec::new();
        if let Some(raw) = self.0 {
            items.fill(&mut serde_json::Deserializer::from_str(raw.get())).ok()?;
        }
        Some(items)
    }
}

impl<'de: 'a, 'a> Fill<'de> for Raw<'a> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        self.0 = Some(<&RawValue>::deserialize(deserializer)?);
        Ok(())
    }
}

view! {
    /// One of a container's `env`.
    pub struct EnvVar<'a> {
        name: Text<'a> = "name",
        value: Text<'a> = "value",
        value_from: ValueFrom = "valueFrom",
    }
}

view! {
    /// `valueFrom`: where a value comes from.
    pub struct ValueFrom {}
}

view! {
    /// One of a container's `envFrom`.
    pub struct EnvFrom {}
}

/// A variable of a container, as far as the manifest tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable<'a> {
    /// It has this value, which may be empty.
    Set(Text<'a>),
    /// It is not set. What the image itself sets is not seen.
    Unset,
    /// A ConfigMap, a Secret or a field of the pod may set it.
    Unknown,
}

impl<'a> Container<'a> {
    /// What the manifest says of a variable. Of a name that is there twice the last counts,
    /// and `env` before `envFrom`.
    pub fn variable(&self, name: &str) -> Variable<'a> {
        let Some(variables) = self.env.items::<EnvVar<'a>>() else { return Variable::Unknown };
        match variables.into_iter().rev().find(|variable| &*variable.name == name) {
            Some(variable) if variable.value_from.has_members => Variable::Unknown,
            Some(variable) => Variable::Set(variable.value),
            None => match self.env_from.items::<EnvFrom>() {
                Some(sources) if sources.is_empty() => Variable::Unset,
                _ => Variable::Unknown,
            },
        }
    }

    /// The words of `command` and `args`; `None` where they cannot be read.
    pub fn words(&self) -> Option<Vec<Text<'a>>> {
        let mut words = self.command.items()?;
        words.extend(self.args.items::<Text<'a>>()?);
        Some(words)
    }

    /// Whether it runs something else than its image's own entry point.
    pub fn has_command(&self) -> bool {
        self.command.items::<Text<'a>>().is_none_or(|words| !words.is_empty())
    }
}
