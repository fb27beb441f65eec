//! From an image to its facts.

use std::collections::{BTreeMap, BTreeSet};

use super::cache::Cache;
use super::digest::Digest;
use super::document::{Config, Descriptor, Document, Manifest, Platform};
use super::entrypoint;
use super::error::{ErrorKind, ImageError};
use super::findings::{self, Privileged};
use super::layer::{GROUP, PASSWD};
use super::layers::{self, Merged};
use super::limits::Limits;
use super::path;
use super::source::{Resolved, Source};
use super::tree::{Content, Found};
use super::users::{self, Database};
use super::view::{Refused, View};
use crate::facts::{ImageFacts, Origin};
use crate::text;

/// Times that layers are read again for a file that turns out to count. Each time follows one more
/// link.
const ROUNDS: usize = 3;
/// Maximum length of a text that is taken over from the configuration, in characters.
const TEXT: usize = 4096;
/// Maximum number of words, ports or volumes that are taken over.
const WORDS: usize = 256;

/// What of an image is read, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only this platform (`linux/arm64`); all of Linux by default.
    pub platform: Option<String>,
    /// Only the configuration, no layers.
    pub config_only: bool,
    /// How much is read at most.
    pub limits: Limits,
}

impl Options {
    /// What distinguishes facts of one digest from each other.
    fn key(&self, digest: &Digest) -> String {
        let Self { platform, config_only, limits: _ } = self;
        let platform = platform.as_deref().unwrap_or("all");
        let platform: String =
            platform.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let part = if *config_only { "config" } else { "whole" };
        format!("{}-{part}-{platform}", digest.digits())
    }
}

/// The facts of an image: an entry for all platforms that agree, and one for each that does not.
/// `shown` is the image as it was asked for, where it has no other name. `None` if its digest is the
/// one that is `known`.
///
/// # Errors
/// When any part of the image cannot be read.
pub(super) fn of_source(
    source: &dyn Source,
    shown: &str,
    known: Option<&str>,
    options: &Options,
    cache: &Cache,
) -> Result<Option<Vec<ImageFacts>>, ImageError> {
    let Resolved { image, digest, top } = source.resolve()?;
    if known.is_some() && known == digest.as_ref().map(Digest::as_str) {
        return Ok(None);
    }
    let image = image.unwrap_or_else(|| shown.to_owned());
    let named = |mut facts: Vec<ImageFacts>| {
        for facts in &mut facts {
            facts.image.clone_from(&image);
            facts.digest = digest.as_ref().map(|digest| digest.as_str().to_owned());
        }
        Some(facts)
    };
    let key = digest.as_ref().map(|digest| options.key(digest));
    if let Some(facts) = key.as_deref().and_then(|key| cache.get("facts", key)) {
        return Ok(named(facts));
    }
    let options = &Options { limits: options.limits.started(), ..options.clone() };
    let mut all: Vec<ImageFacts> = Vec::new();
    for (platform, manifest) in manifests(source, &top, options)? {
        options.limits.check_time()?;
        let facts = of_manifest(source, platform, &manifest, options, cache)?;
        let agrees = |other: &&mut ImageFacts| {
            ImageFacts { platforms: Vec::new(), ..(*other).clone() }
                == ImageFacts { platforms: Vec::new(), ..facts.clone() }
        };
        match all.iter_mut().find(agrees) {
            Some(other) => other.platforms.extend(facts.platforms),
            None => all.push(facts),
        }
    }
    for facts in &mut all {
        facts.platforms.sort();
        facts.platforms.dedup();
    }
    if let Some(key) = key {
        cache.put("facts", &key, &all);
    }
    Ok(named(all))
}

/// The manifests of the platforms that are wanted.
fn manifests(
    source: &dyn Source,
    top: &Descriptor,
    options: &Options,
) -> Result<Vec<(Option<Platform>, Manifest)>, ImageError> {
    let index = match source.document(top, &options.limits)? {
        Document::Manifest(manifest) => return Ok(vec![(None, manifest)]),
        Document::Index(index) => index,
    };
    if index.manifests.len() > options.limits.platforms {
        let message = format!("it is for {} platforms", index.manifests.len());
        return Err(ImageError::too_large(message));
    }
    let images = index.manifests.iter().filter(|image| !image.is_attestation());
    let images: Vec<_> = images.map(|image| (image.platform.clone(), image)).collect();
    let wanted = |(platform, _): &&(Option<Platform>, &Descriptor)| {
        let platform = platform.as_ref();
        let linux = platform.is_none_or(|it| it.os == "linux" && it.architecture != "unknown");
        let asked = options.platform.as_deref();
        linux && asked.is_none_or(|asked| platform.is_some_and(|it| is_platform(it, asked)))
    };
    let mut found = Vec::new();
    for (platform, descriptor) in images.iter().filter(wanted) {
        let place = |error: ImageError| match platform {
            Some(platform) => error.at(platform.name()),
            None => error,
        };
        options.limits.check_time()?;
        match source.document(descriptor, &options.limits).map_err(place)? {
            Document::Manifest(manifest) => found.push((platform.clone(), manifest)),
            Document::Index(_) => {
                let message = "its index lists another index, which no container runtime follows";
                return Err(ImageError::new(ErrorKind::Unsupported, message));
            }
        }
    }
    if found.is_empty() {
        let names: BTreeSet<String> =
            images.iter().filter_map(|(platform, _)| Some(platform.as_ref()?.name())).collect();
        let names: Vec<String> = names.into_iter().collect();
        return Err(no_platform(options.platform.as_deref(), &names.join(", ")));
    }
    Ok(found)
}

fn no_platform(asked: Option<&str>, there_are: &str) -> ImageError {
    let there_are = if there_are.is_empty() { "none" } else { there_are };
    let message = match asked {
        Some(asked) => format!("it is not for {}, but for {there_are}", text::quoted(asked)),
        None => format!("it is not for Linux, but for {there_are}"),
    };
    ImageError::new(ErrorKind::Unsupported, message)
}

/// Whether a platform is the one that is asked for. A variant counts only if it is stated.
fn is_platform(platform: &Platform, asked: &str) -> bool {
    let mut parts = asked.splitn(3, '/');
    let mut next = || parts.next();
    next() == Some(platform.os.as_str())
        && next() == Some(platform.architecture.as_str())
        && next().is_none_or(|variant| platform.variant.as_deref() == Some(variant))
}

fn of_manifest(
    source: &dyn Source,
    platform: Option<Platform>,
    manifest: &Manifest,
    options: &Options,
    cache: &Cache,
) -> Result<ImageFacts, ImageError> {
    let file = source.config(&manifest.config, &options.limits)?;
    let stated = platform.is_some();
    let platform = platform.unwrap_or(file.platform);
    if platform.os != "linux" && !platform.os.is_empty() {
        return Err(no_platform(None, &platform.name()));
    }
    let asked = options.platform.as_deref().filter(|_| !stated);
    if let Some(asked) = asked.filter(|asked| !is_platform(&platform, asked)) {
        return Err(no_platform(Some(asked), &platform.name()));
    }
    let config = file.config.unwrap_or_default();
    let mut configured = of_config(&config);
    configured.platforms = Some(platform.name()).filter(|name| name != "/").into_iter().collect();
    if options.config_only {
        configured.from = Origin::Configuration;
        return Ok(configured);
    }
    let mut facts = configured.clone();
    let mut asked = entrypoint::candidates(&config);
    for _ in 0..ROUNDS {
        let files = layers::merged(source, &manifest.layers, &asked, cache, &options.limits)?;
        let mut wanted = BTreeSet::new();
        // What was read in part may have told something else.
        facts.clone_from(&configured);
        of_files(&files, &config, &asked, &mut facts, &mut wanted);
        if wanted.is_empty() {
            break;
        }
        asked.extend(wanted);
    }
    Ok(facts)
}

/// What the configuration alone tells. A uid is known without any file; its gid is that of
/// `/etc/passwd`.
fn of_config(config: &Config) -> ImageFacts {
    let text = |text: &str| text::printable(text, TEXT).into_owned();
    let words = |words: &Option<Vec<String>>| -> Vec<String> {
        words.iter().flatten().take(WORDS).map(|word| text(word)).collect()
    };
    let keys = |map: &Option<BTreeMap<String, serde::de::IgnoredAny>>| -> Vec<String> {
        map.iter().flatten().take(WORDS).map(|(key, _)| text(key)).collect()
    };
    let Config { user, entrypoint, cmd, env: _, working_dir, exposed_ports, volumes } = config;
    ImageFacts {
        uid: users::number(user),
        user: Some(text(user)).filter(|user| !user.is_empty()),
        entrypoint: words(entrypoint),
        cmd: words(cmd),
        working_dir: working_dir.as_deref().map(text).filter(|directory| !directory.is_empty()),
        ports: keys(exposed_ports),
        volumes: keys(volumes),
        ..ImageFacts::default()
    }
}

/// Adds what the files tell.
fn of_files(
    files: &Merged,
    config: &Config,
    asked: &BTreeSet<String>,
    facts: &mut ImageFacts,
    wanted: &mut BTreeSet<String>,
) {
    let Merged { tree, layers } = files;
    let view = View::new(layers);
    let passwd = database(&view, PASSWD, asked, wanted);
    let group = database(&view, GROUP, asked, wanted);
    let volumes: BTreeSet<String> =
        config.volumes.iter().flatten().map(|(volume, _)| path::clean(volume)).collect();
    (facts.uid, facts.gid) = (None, None);
    match users::resolve(&config.user, passwd, group) {
        Ok(user) => {
            facts.writable = findings::writable(tree, &user, &volumes);
            let users::User { uid, gid, groups, home } = user;
            (facts.uid, facts.gid, facts.groups) = (Some(uid), Some(gid), groups);
            facts.home = home.map(|home| text::printable(&home, TEXT).into_owned());
            facts.unusable_user = None;
        }
        Err(why) => facts.unusable_user = Some(text::printable(&why, TEXT).into_owned()),
    }
    facts.hidden = findings::hidden(tree, &volumes);
    let Privileged { capabilities, setuid } = findings::privileged(tree);
    (facts.file_capabilities, facts.setuid) = (capabilities, setuid);
    (facts.needs, facts.recognised) = entrypoint::needs(tree, config, asked, wanted);
}

/// A user database, as containerd finds it.
fn database<'l>(
    view: &View<'l>,
    path: &str,
    asked: &BTreeSet<String>,
    wanted: &mut BTreeSet<String>,
) -> Database<'l> {
    let mut want = |place: &str| {
        if asked.contains(place) {
            return Database::Unusable;
        }
        wanted.insert(place.to_owned());
        Database::Absent
    };
    match view.open(path) {
        Ok(None) => Database::Absent,
        Ok(Some((_, Found::File(file)))) => match &file.content {
            Content::Kept(text) => Database::Text(text),
            Content::At(place) => want(place),
        },
        Ok(Some((place, Found::Plain { .. }))) => want(&place),
        Ok(Some((_, Found::Directory(_) | Found::Symlink(_)))) | Err(Refused) => Database::Unusable,
    }
}
