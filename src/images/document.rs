//! Manifests, indexes and configurations: Docker's and the OCI's, which say the same in the same
//! words (OCI image-spec, `manifest.md`, `image-index.md`, `config.md`; distribution,
//! `manifest-v2-2.md`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::digest::Digest;
use super::error::{ErrorKind, ImageError};

pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Where content is, and what it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: Digest,
    #[serde(default)]
    pub(super) size: u64,
    #[serde(default)]
    pub(super) urls: Vec<String>,
    pub(super) platform: Option<Platform>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// The descriptor of content of which only the digest is known.
    pub(super) fn of(digest: Digest) -> Self {
        let (media_type, urls) = (String::new(), Vec::new());
        Self { media_type, digest, size: 0, urls, platform: None, annotations: BTreeMap::new() }
    }

    /// Whether a layer need not be where the image is.
    pub(super) fn is_foreign(&self) -> bool {
        let kind = &self.media_type;
        !self.urls.is_empty() || kind.contains(".nondistributable.") || kind.contains(".foreign.")
    }

    /// Whether a manifest belongs to another one, as an attestation does.
    pub(super) fn is_attestation(&self) -> bool {
        self.annotations.contains_key("vnd.docker.reference.type")
    }
}

/// A platform in an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Platform {
    #[serde(default)]
    pub(super) os: String,
    #[serde(default)]
    pub(super) architecture: String,
    #[serde(default)]
    pub(super) variant: Option<String>,
}

impl Platform {
    /// `linux/arm64/v8`. The variants that every image of an architecture has are not said.
    pub(super) fn name(&self) -> String {
        let Self { os, architecture, variant } = self;
        match (architecture.as_str(), variant.as_deref()) {
            (_, None | Some("")) | ("arm64", Some("v8")) => format!("{os}/{architecture}"),
            (_, Some(variant)) => format!("{os}/{architecture}/{variant}"),
        }
    }
}

/// What a name leads to.
#[derive(Clone, Debug)]
pub(super) enum Document {
    Manifest(Manifest),
    Index(Index),
}

/// An image for one platform.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) config: Descriptor,
    #[serde(default)]
    pub(super) layers: Vec<Descriptor>,
}

/// An image for several platforms.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Index {
    #[serde(default)]
    pub(super) manifests: Vec<Descriptor>,
}

/// The members that tell what a document is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marks {
    schema_version: Option<u32>,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    artifact_type: String,
    manifests: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

impl Document {
    /// Reads a manifest or an index. `media_type` is what it was served as, if that is known.
    pub(super) fn read(bytes: &[u8], media_type: &str) -> Result<Self, ImageError> {
        let marks: Marks = json(bytes, "manifest")?;
        let stated = if media_type.is_empty() { marks.media_type.as_str() } else { media_type };
        if marks.schema_version == Some(1) {
            return Err(ImageError::new(
                ErrorKind::Unsupported,
                "the manifest is of Docker's schema 1, which no container runtime reads any more; push the image again",
            ));
        }
        // An artifact may state what it is beside an empty configuration.
        let other = !marks.artifact_type.is_empty();
        match (stated, marks.manifests, marks.config) {
            (OCI_INDEX | DOCKER_LIST, ..) | (_, Some(_), None) => {
                json(bytes, "index").map(Self::Index)
            }
            (_, None, Some(_)) if !other => json(bytes, "manifest").map(Self::Manifest),
            _ => Err(ImageError::new(
                ErrorKind::Unsupported,
                "this is no image, but something else that registries keep",
            )),
        }
    }
}

/// The configuration of an image.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct ConfigFile {
    #[serde(flatten)]
    pub(super) platform: Platform,
    #[serde(default)]
    pub(super) config: Option<Config>,
}

/// What is started, and how.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Config {
    pub(super) user: String,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) cmd: Option<Vec<String>>,
    pub(super) env: Option<Vec<String>>,
    pub(super) working_dir: Option<String>,
    pub(super) exposed_ports: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    pub(super) volumes: Option<BTreeMap<String, serde::de::IgnoredAny>>,
}

/// Reads JSON.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, ImageError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ImageError::bad(format!("the {what} is not what it should be: {error}")))
}
