//! Images in the OCI's layout, written by a test.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ironhull::images::digest::Digest;
use serde_json::{Value, json};

/// A directory in the OCI's layout. What is added gets into its index.
pub struct LayoutDirectory {
    pub path: PathBuf,
    manifests: Vec<Value>,
}

/// Packing of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    pub fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::None => bytes.to_vec(),
            Self::Gzip => {
                let level = flate2::Compression::fast();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Zstd => ruzstd::encoding::compress_to_vec(
                bytes,
                ruzstd::encoding::CompressionLevel::Fastest,
            ),
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::None => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

impl LayoutDirectory {
    /// Begins a layout in an empty directory.
    pub fn new(path: &Path) -> Self {
        fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let layout = Self { path: path.to_owned(), manifests: Vec::new() };
        layout.write_index();
        layout
    }

    fn write_index(&self) {
        let index = json!({ "schemaVersion": 2, "manifests": self.manifests });
        fs::write(self.path.join("index.json"), index.to_string()).unwrap();
    }

    /// Writes a blob. Returns its descriptor.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        fs::write(self.path.join("blobs/sha256").join(digest.digits()), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest.as_str(), "size": bytes.len() })
    }

    /// Writes an image for one platform. Returns the manifest's descriptor, which is in no index yet.
    pub fn manifest(&self, platform: &str, config: Value, layers: &[(Packing, Vec<u8>)]) -> Value {
        let mut parts = platform.split('/');
        let (os, architecture) = (parts.next().unwrap(), parts.next().unwrap());
        let variant = parts.next();
        let diff_ids: Vec<_> =
            layers.iter().map(|(_, tar)| Digest::of(tar).as_str().to_owned()).collect();
        let mut file = json!({
            "architecture": architecture, "os": os, "config": config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let mut stated = json!({ "os": os, "architecture": architecture });
        if let Some(variant) = variant {
            file["variant"] = json!(variant);
            stated["variant"] = json!(variant);
        }
        let config =
            self.blob("application/vnd.oci.image.config.v1+json", file.to_string().as_bytes());
        let layers: Vec<_> = layers
            .iter()
            .map(|(packing, tar)| self.blob(packing.media_type(), &packing.pack(tar)))
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": layers,
        });
        let mut descriptor = self
            .blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
        descriptor["platform"] = stated;
        descriptor
    }

    /// Writes an index of manifests. Returns its descriptor.
    pub fn index(&self, manifests: &[Value]) -> Value {
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests });
        self.blob(media_type, index.to_string().as_bytes())
    }

    /// Names a manifest or an index. Without a name it is the only one.
    pub fn tag(&mut self, name: Option<&str>, mut descriptor: Value) {
        if let Some(name) = name {
            descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        }
        self.manifests.push(descriptor);
        self.write_index();
    }

    /// An image for linux/amd64 with gzip layers, by this name.
    pub fn image(&mut self, name: &str, config: Value, layers: Vec<Vec<u8>>) {
        let layers: Vec<_> = layers.into_iter().map(|tar| (Packing::Gzip, tar)).collect();
        let manifest = self.manifest("linux/amd64", config, &layers);
        self.tag(Some(name), manifest);
    }
}
