//! A container's command, environment and resources.
//!
//! They matter for few images and are the largest parts of most pods. They are skipped like
//! everything unknown, but their position is kept, to be read on demand.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::value::RawValue;

use super::{Container, FieldRef, Fill, Text, view};

/// A value that is read on demand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw<'a>(Option<&'a RawValue>);

impl<'a> Raw<'a> {
    /// The value's JSON; `None` if there is none.
    pub fn json(self) -> Option<&'a str> {
        self.0.map(RawValue::get)
    }

    /// The items of a list; empty if there is no value. `None` if the value is no such list.
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
        value_from: ValueFrom<'a> = "valueFrom",
    }
}

view! {
    /// `valueFrom`: where a value comes from.
    pub struct ValueFrom<'a> {
        field_ref: FieldRef<'a> = "fieldRef",
    }
}

view! {
    /// One of a container's `envFrom`.
    pub struct EnvFrom {}
}

/// The amounts of processor time, memory and ephemeral storage in `resources`, as JSON.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Resources<'a> {
    /// `limits`
    #[serde(borrow)]
    pub limits: Option<Amounts<'a>>,
    /// `requests`
    #[serde(borrow)]
    pub requests: Option<Amounts<'a>>,
}

/// Amounts of resources, as JSON.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Amounts<'a> {
    #[serde(borrow)]
    cpu: Option<&'a RawValue>,
    #[serde(borrow)]
    memory: Option<&'a RawValue>,
    #[serde(borrow)]
    ephemeral_storage: Option<&'a RawValue>,
}

impl<'a> Amounts<'a> {
    /// Names and amounts; without what is neither a string nor a number.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let Self { cpu, memory, ephemeral_storage } = self;
        let all = [("cpu", cpu), ("memory", memory), ("ephemeral-storage", ephemeral_storage)];
        let named =
            all.into_iter().filter_map(|(name, amount)| Some((name, amount.as_ref()?.get())));
        named.filter(|(_, amount)| !amount.starts_with(['{', '[', 't', 'f']))
    }
}

/// A variable of a container, as far as the manifest tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable<'a> {
    /// Set to this value, which may be empty.
    Set(Text<'a>),
    /// Not set. Variables that the image itself sets are not seen.
    Unset,
    /// Possibly set by a ConfigMap, a Secret or a field of the pod.
    Unknown,
}

impl<'a> Container<'a> {
    /// Looks a variable up in the manifest. Of a duplicate name the last counts, and `env`
    /// goes before `envFrom`.
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

    /// Its variables, as far as the manifest tells; none where they cannot be read.
    pub fn variables(&self) -> Vec<EnvVar<'a>> {
        self.env.items().unwrap_or_default()
    }

    /// The words of `command` and `args`; `None` where they cannot be read.
    pub fn words(&self) -> Option<Vec<Text<'a>>> {
        let mut words = self.command.items()?;
        words.extend(self.args.items::<Text<'a>>()?);
        Some(words)
    }

    /// Its `resources`; none where they cannot be read.
    pub fn amounts(&self) -> Resources<'a> {
        let raw = self.resources.0.map(|raw| serde_json::from_str(raw.get()));
        raw.and_then(Result::ok).unwrap_or_default()
    }

    /// Name of an extended resource in its `resources`: a device that a plugin of the node hands
    /// over (`k8s.io/kubernetes/pkg/apis/core/v1/helper`, `IsExtendedResourceName`).
    pub fn extended_resource(&self) -> Option<String> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Named {
            limits: Option<BTreeMap<String, IgnoredAny>>,
            requests: Option<BTreeMap<String, IgnoredAny>>,
        }

        let Named { limits, requests } = serde_json::from_str(self.resources.json()?).ok()?;
        let names = [limits, requests].into_iter().flatten().flat_map(BTreeMap::into_keys);
        names.into_iter().find(|name| name.contains('/'))
    }

    /// Whether it runs something other than its image's entry point.
    pub fn has_command(&self) -> bool {
        self.command.items::<Text<'a>>().is_none_or(|words| !words.is_empty())
    }
}
