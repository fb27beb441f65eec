//! Documents of `kind: ImageFacts`: what is read from images, kept beside policies.

use std::collections::BTreeMap;

use super::decode::{Decode, Decoder, inline_schema, object};
use super::names::{ApiVersion, ImageFactsKind, Unread};
use super::tree::{Node, Value};
use super::values::integer;
use crate::facts::{ImageFacts, Need, Origin, WritableDirectory};
use crate::image::full_name;
use crate::text::quoted;

object! {
    /// What some images are: who they run as, what they may write, what they are started with.
    #[schemars(rename = "ImageFacts")]
    #[expect(dead_code, reason = "`apiVersion` and `kind` say all they have to say by being right")]
    pub(crate) struct FactsDocument as "key" {
        /// Always `ironhull.dev/v1alpha1`.
        api_version: ApiVersion = "apiVersion",
        /// Always `ImageFacts`.
        kind: ImageFactsKind = "kind",
        /// Accepted, because tools add it, but not read.
        metadata: Option<Unread> = "metadata",
        /// The images. Several entries for one name, such as those of its platforms, count as far
        /// as they agree.
        images: Vec<Entry> = "images",
    }
}

object! {
    /// What one image is. `ironhull image facts` writes these; what is left out is not so, or not
    /// known where `from` says that only a part was read.
    #[schemars(rename = "ImageFactsEntry")]
    pub(crate) struct Entry as "key" {
        /// The image, as workloads name it: `nginx:1.27` is `docker.io/library/nginx:1.27`.
        image: ImageName = "image",
        /// What the name meant when the image was read.
        digest: Option<ImageDigest> = "digest",
        /// The platforms it is for, as `linux/amd64`.
        platforms: Option<Vec<String>> = "platforms",
        /// What was read: `image` when left out, its `configuration` alone, or what a running
        /// `pod` says of its user.
        from: Option<Origin> = "from",
        /// The user in its configuration, as it stands there. Root when left out.
        user: Option<String> = "user",
        /// That user's uid.
        uid: Option<Id> = "uid",
        /// That user's gid.
        gid: Option<Id> = "gid",
        /// Supplementary groups by the image's `/etc/group`.
        groups: Option<Vec<Id>> = "groups",
        /// Why no runtime can start it as that user.
        unusable_user: Option<String> = "unusableUser",
        /// That user's home directory.
        home: Option<String> = "home",
        /// `ENTRYPOINT`
        entrypoint: Option<Vec<String>> = "entrypoint",
        /// `CMD`
        cmd: Option<Vec<String>> = "cmd",
        /// `WORKDIR`
        working_dir: Option<String> = "workingDir",
        /// `EXPOSE`, as `3000/tcp`.
        ports: Option<Vec<String>> = "ports",
        /// `VOLUME`
        volumes: Option<Vec<String>> = "volumes",
        /// The topmost directories outside volumes that its user may write, unless that is root.
        writable: Option<Vec<Directory>> = "writable",
        /// Directories with content that an emptyDir at a customary writable path would hide.
        hidden: Option<Vec<String>> = "hidden",
        /// Programs with file capabilities, by path; names without `CAP_`.
        file_capabilities: Option<Programs> = "fileCapabilities",
        /// Programs that are setuid or setgid.
        setuid: Option<Vec<String>> = "setuid",
        /// What the script behind its entrypoint asks for.
        needs: Option<Vec<Asked>> = "needs",
        /// Whether that is all that it asks for, as it is started by itself.
        recognised: Option<bool> = "recognised",
    }
}

object! {
    /// A directory that an image's user may write.
    pub(crate) struct Directory as "key" {
        /// Its path.
        path: String = "path",
        /// Whether the image has nothing in it.
        empty: bool = "empty",
    }
}

object! {
    /// Something that a script of the image does.
    pub(crate) struct Asked as "key" {
        /// The script's path.
        by: String = "by",
        /// The path whose owner it changes.
        chown: Option<String> = "chown",
        /// The command with which it becomes another user.
        setuid: Option<String> = "setuid",
        /// The path it writes to.
        write: Option<String> = "write",
        /// The port it binds.
        port: Option<Id> = "port",
        /// Whether it does so only as root.
        only_as_root: Option<bool> = "onlyAsRoot",
        /// Whether it goes on without.
        optional: Option<bool> = "optional",
    }
}

impl Decode for Origin {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        const WORDS: [&str; 3] = ["image", "configuration", "pod"];
        match decoder.string(node, "a source of facts")? {
            "image" => Some(Self::Image),
            "configuration" => Some(Self::Configuration),
            "pod" => Some(Self::Pod),
            other => {
                decoder.unknown(node.span, "source", other, &WORDS);
                None
            }
        }
    }
}

/// An image's full name.
#[derive(Clone, Debug)]
pub(crate) struct ImageName(String);

impl Decode for ImageName {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.string(node, "an image's name")?;
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c == '*') {
            decoder
                .error(node.span, format!("{} is not an image's name", quoted(text)))
                .hint("write it as a container does, for example `registry.corp/shop/web:1.4.2`");
            return None;
        }
        Some(Self(full_name(text).into_owned()))
    }

    fn stand_in() -> Option<Self> {
        Some(Self(String::new()))
    }
}

inline_schema!(ImageName, { "type": "string", "pattern": "^[^*\\s]+$" });

/// `sha256:` and 64 digits.
#[derive(Clone, Debug)]
pub(crate) struct ImageDigest(String);

impl Decode for ImageDigest {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        /// Of a SHA-256, in hexadecimal.
        const DIGITS: usize = 64;
        let text = decoder.string(node, "a digest")?;
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let good = |hex: &str| hex.len() == DIGITS && hex.bytes().all(digit);
        if !text.strip_prefix("sha256:").is_some_and(good) {
            decoder
                .error(node.span, format!("{} is not a digest", quoted(text)))
                .hint("`sha256:` and 64 hexadecimal digits in lower case");
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

inline_schema!(ImageDigest, { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" });

/// A uid or gid of Linux, which are 32 bits wide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(u32);

impl Decode for Id {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let number = integer(node).and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            decoder.expected(node, "a number from 0 to 4294967295");
        }
        number.map(Self)
    }
}

inline_schema!(Id, { "type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32 });

/// Programs and their capabilities.
#[derive(Clone, Debug)]
pub(crate) struct Programs(BTreeMap<String, Vec<String>>);

impl Decode for Programs {
    fn decode(node: &Node<'_>, decoder: &mut Decoder) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            decoder.expected(node, "a map from path to capabilities");
            return None;
        };
        let mut programs = BTreeMap::new();
        for (path, capabilities) in entries {
            let path = String::decode(path, decoder);
            let capabilities = Vec::decode(capabilities, decoder);
            if let (Some(path), Some(capabilities)) = (path, capabilities) {
                programs.insert(path, capabilities);
            }
        }
        Some(Self(programs))
    }
}

inline_schema!(Programs, {
    "type": "object",
    "additionalProperties": { "type": "array", "items": { "type": "string" } }
});

impl Entry {
    /// The entry as the engine has it.
    pub(crate) fn facts(self) -> ImageFacts {
        let id = |id: Id| id.0;
        let need = |asked: Asked| Need {
            by: asked.by,
            chown: asked.chown,
            setuid: asked.setuid,
            write: asked.write,
            port: asked.port.and_then(|port| u16::try_from(port.0).ok()),
            only_as_root: asked.only_as_root.unwrap_or_default(),
            optional: asked.optional.unwrap_or_default(),
        };
        let directory = |it: Directory| WritableDirectory { path: it.path, empty: it.empty };
        ImageFacts {
            image: self.image.0,
            digest: self.digest.map(|digest| digest.0),
            platforms: self.platforms.unwrap_or_default(),
            from: self.from.unwrap_or_default(),
            user: self.user,
            uid: self.uid.map(id),
            gid: self.gid.map(id),
            groups: self.groups.unwrap_or_default().into_iter().map(id).collect(),
            unusable_user: self.unusable_user,
            home: self.home,
            entrypoint: self.entrypoint.unwrap_or_default(),
            cmd: self.cmd.unwrap_or_default(),
            working_dir: self.working_dir,
            ports: self.ports.unwrap_or_default(),
            volumes: self.volumes.unwrap_or_default(),
            writable: self.writable.unwrap_or_default().into_iter().map(directory).collect(),
            hidden: self.hidden.unwrap_or_default(),
            file_capabilities: self.file_capabilities.map(|it| it.0).unwrap_or_default(),
            setuid: self.setuid.unwrap_or_default(),
            needs: self.needs.unwrap_or_default().into_iter().map(need).collect(),
            recognised: self.recognised.unwrap_or_default(),
        }
    }
}
