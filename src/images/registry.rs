//! Images in registries, by the OCI's distribution protocol over HTTP/1.1.
//!
//! The client is a thin one over hyper, which is in the program anyway. The crate `oci-client`
//! follows redirects wherever they lead, with reqwest's rules, and neither resumes a blob nor
//! bounds a manifest.
//!
//! | module | what it does |
//! |---|---|
//! | `session` | one request: authorisation, redirects, retries |
//! | `auth` | challenges and tokens |
//! | `refusal` | what is said where a registry refuses |
//! | `credentials` | docker's configuration and credential helpers |
//! | `connect` | addresses, proxies, TLS |
//! | `http` | connections that are used again, deadlines |
//! | `blob` | a blob as a stream that goes on where it broke off |

mod auth;
mod blob;
mod connect;
mod credentials;
mod http;
mod refusal;
mod session;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::http::Method;

use super::digest::Digest;
use super::document::{
    DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Document, OCI_INDEX, OCI_MANIFEST,
};
use super::error::{ErrorKind, ImageError};
use super::limits::Limits;
use super::reference::Name;
use super::source::{Resolved, Source};
use blob::Blob;
use connect::Origin;
pub use credentials::PullSecret;
pub(super) use session::Client;
use session::Request;

/// How registries are spoken to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether names come from strangers. Then only a registry of `trusted` may be on this machine
    /// or have a link-local address: names are no way to what is near.
    pub strangers: bool,
    /// Registries that the operator named.
    pub trusted: Vec<String>,
    /// Whether HTTP will do where there is no TLS. On loopback it does anyway.
    pub plain_http: bool,
    /// Time in which 30 KiB of an answer have to come, at least. Nobody waits for less than a modem's
    /// kilobyte a second.
    pub progress: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ca_file: None,
            strangers: false,
            trusted: Vec::new(),
            plain_http: false,
            progress: Duration::from_secs(30),
        }
    }
}

/// One image in a registry.
pub(super) struct RegistryImage<'c> {
    client: &'c Arc<Client>,
    name: &'c Name,
    origin: Origin,
}

impl<'c> RegistryImage<'c> {
    pub(super) fn new(client: &'c Arc<Client>, name: &'c Name) -> Result<Self, ImageError> {
        let host = match name.registry.as_str() {
            // Docker Hub's registry has never been where its name is.
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        let origin = Origin::of_host(host).ok_or_else(|| {
            ImageError::new(ErrorKind::BadName, format!("`{host}` is not a registry's host"))
        })?;
        Ok(Self { client, name, origin })
    }

    fn request(&self, method: Method, kind: &str, what: &str) -> Request {
        Request {
            method,
            origin: self.origin.clone(),
            path: format!("/v2/{}/{kind}/{what}", self.name.repository),
            accept: (kind == "manifests")
                .then(|| [OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST].join(", ")),
            from: 0,
            registry: self.name.registry.clone(),
            repository: self.name.repository.clone(),
        }
    }

    /// A manifest or an index, and what it was served as.
    fn manifest(&self, wanted: &str, limit: usize) -> Result<(Vec<u8>, String), ImageError> {
        let request = self.request(Method::GET, "manifests", wanted);
        self.client.run(async {
            let response = self.client.send(&request).await?;
            let media_type = response.header("content-type").unwrap_or_default().to_owned();
            Ok((response.bytes(limit, "manifest").await?, media_type))
        })
    }
}

impl Source for RegistryImage<'_> {
    fn resolve(&self) -> Result<Resolved, ImageError> {
        let top = |digest: Digest, media_type: String| Resolved {
            image: Some(self.name.normalised()),
            digest: Some(digest.clone()),
            top: Descriptor { media_type, ..Descriptor::of(digest) },
        };
        if let Some(digest) = &self.name.digest {
            return Ok(top(digest.clone(), String::new()));
        }
        // Docker Hub counts how often a manifest is fetched, and not how often one is asked about.
        let request = self.request(Method::HEAD, "manifests", self.name.wanted());
        let head = self.client.run(async {
            let response = self.client.send(&request).await?;
            let digest = response.header("docker-content-digest").and_then(Digest::parse);
            let media_type = response.header("content-type").unwrap_or_default().to_owned();
            response.discard().await;
            Ok(digest.map(|digest| top(digest, media_type)))
        });
        match head {
            Ok(Some(resolved)) => return Ok(resolved),
            // Not every registry answers to HEAD, or tells the digest.
            Ok(None) => {}
            Err(error) if error.kind == ErrorKind::Registry => {}
            Err(error) => return Err(error),
        }
        let limit = Limits::default().document;
        let (bytes, media_type) = self.manifest(self.name.wanted(), limit)?;
        Ok(top(Digest::of(&bytes), media_type))
    }

    fn document(&self, descriptor: &Descriptor, limits: &Limits) -> Result<Document, ImageError> {
        let (bytes, served) = self.manifest(descriptor.digest.as_str(), limits.document)?;
        descriptor.digest.check(&bytes, "manifest")?;
        // Some registries serve everything as octets.
        let stated = &descriptor.media_type;
        Document::read(&bytes, if stated.is_empty() { &served } else { stated })
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>, ImageError> {
        let request = self.request(Method::GET, "blobs", descriptor.digest.as_str());
        Ok(Box::new(Blob::open(Arc::clone(self.client), request)?))
    }
}
