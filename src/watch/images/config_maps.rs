//! The ConfigMaps that hold facts.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::{Api, Client};

use super::shards::SHARDS;
use crate::cluster::root_cause;
use crate::facts::ImageFacts;
use crate::policy::{PolicyFile, parse};
use crate::text::printable;

/// Maximum length of the API server's message, in characters.
const MAX_MESSAGE: usize = 400;

/// Where facts are kept: `NAMESPACE/NAME`, for ConfigMaps called `NAME-00` to `NAME-15`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The namespace.
    pub namespace: String,
    /// What the names begin with.
    pub name: String,
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) =
            text.split_once('/').ok_or("not of the form NAMESPACE/NAME".to_owned())?;
        let fits = |name: &str| {
            let fits =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
            !name.is_empty() && name.chars().all(fits)
        };
        match fits(namespace) && fits(name) {
            true => Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() }),
            false => Err("not of the form NAMESPACE/NAME".to_owned()),
        }
    }
}

/// The key of a shard. All are mounted into one directory.
fn key(shard: usize) -> String {
    format!("facts-{shard:02}.yaml")
}

/// The ConfigMaps.
pub struct ConfigMaps {
    api: Api<ConfigMap>,
    place: Place,
}

/// Why a ConfigMap could not be read or written.
#[derive(Debug)]
pub enum Failure {
    /// Somebody else has written it meanwhile.
    Conflict,
    /// Anything else, in words.
    Other(String),
}

/// What one holds.
pub struct Held {
    map: ConfigMap,
    shard: usize,
}

impl Held {
    /// Its text.
    pub fn text(&self) -> &str {
        let text = self.map.data.as_ref().and_then(|data| data.get(&key(self.shard)));
        text.map_or("", String::as_str)
    }

    /// The facts in it.
    ///
    /// # Errors
    /// When they cannot be read: what is wrong first.
    pub fn facts(&self) -> Result<Vec<ImageFacts>, String> {
        if self.text().is_empty() {
            return Ok(Vec::new());
        }
        let name = self.map.metadata.name.clone().unwrap_or_default();
        let file = PolicyFile { name, text: self.text().to_owned() };
        parse::facts(&file)
            .map_err(|errors| errors.first().map(ToString::to_string).unwrap_or_default())
    }
}

impl ConfigMaps {
    /// Those at `place`.
    pub fn new(client: Client, place: Place) -> Self {
        Self { api: Api::namespaced(client, &place.namespace), place }
    }

    fn name(&self, shard: usize) -> String {
        format!("{}-{shard:02}", self.place.name)
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is not there, or may not be read.
    pub async fn get(&self, shard: usize) -> Result<Held, Failure> {
        let name = self.name(shard);
        let found = self.api.get_opt(&name).await.map_err(|error| self.failed("get", &error))?;
        let Some(map) = found else {
            return Err(Failure::Other(format!(
                "there is no configmap `{name}` in `{}`: the chart makes {SHARDS} of them with imageFacts.enabled",
                self.place.namespace
            )));
        };
        Ok(Held { map, shard })
    }

    /// Writes one that was read before, unless it holds the same.
    ///
    /// # Errors
    /// When it has changed meanwhile, or may not be written.
    pub async fn put(&self, held: Held, text: String) -> Result<(), Failure> {
        if held.text() == text {
            return Ok(());
        }
        let Held { mut map, shard } = held;
        map.data.get_or_insert_default().insert(key(shard), text);
        let replaced = self.api.replace(&self.name(shard), &PostParams::default(), &map).await;
        replaced.map(drop).map_err(|error| self.failed("update", &error))
    }

    fn failed(&self, verb: &str, error: &kube::Error) -> Failure {
        let Place { namespace, name } = &self.place;
        let kube::Error::Api(status) = error else {
            return Failure::Other(root_cause(error));
        };
        let message = printable(&status.message, MAX_MESSAGE);
        match status.code {
            409 => Failure::Conflict,
            403 => Failure::Other(format!(
                "not allowed to {verb} the configmaps `{name}-…` in `{namespace}`: {message}; the chart's Role allows it with imageFacts.enabled",
            )),
            _ => Failure::Other(format!("cannot {verb} the configmaps `{name}-…`: {message}")),
        }
    }
}
