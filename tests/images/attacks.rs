//! Registries that are slow, busy, broken or hostile.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ironhull::facts::ImageFacts;
use ironhull::images::Reader;
use ironhull::images::cache::Cache;
use ironhull::images::digest::Digest;
use ironhull::images::error::{ErrorKind, ImageError};
use ironhull::images::facts::Options;
use ironhull::images::limits::Limits;
use ironhull::images::reference::Reference;
use ironhull::images::registry::Settings;
use serde_json::json;
use tempfile::TempDir;

use super::fake::{Fake, Reply, Seen};
use super::image::{LayoutDirectory, Packing};
use super::tar::Tar;

const PASSWD: &str = "app:x:100:101::/app:\n";

/// A layer that does not pack well, and the blob that it is.
fn layer() -> (Vec<u8>, Vec<u8>) {
    let mut state = 1_u32;
    let noise: Vec<u8> = (0..400_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect();
    let tar = Tar::new().file("noise", noise).file("etc/passwd", PASSWD).finish();
    let blob = Packing::Gzip.pack(&tar);
    (tar, blob)
}

fn layout() -> (TempDir, Vec<u8>) {
    let home = tempfile::tempdir().unwrap();
    let (tar, blob) = layer();
    LayoutDirectory::new(home.path()).image("1", json!({ "User": "app" }), vec![tar]);
    (home, blob)
}

fn reader() -> Reader {
    let settings = Settings { progress: Duration::from_millis(500), ..Settings::default() };
    Reader::new(Options::default(), Cache::default(), settings)
}

fn read(fake: &Fake) -> Result<Vec<ImageFacts>, ImageError> {
    reader().facts(&Reference::parse(&fake.image("1")).unwrap())
}

fn is_layer(seen: &Seen, blob: &[u8]) -> bool {
    seen.path.ends_with(Digest::of(blob).as_str())
}

#[test]
fn what_is_asked_for() {
    let (home, _) = layout();
    let fake = Fake::start(Some(home.path()), |_| Reply::Usual);
    let cache = home.path().join("cache");
    let reader =
        || Reader::new(Options::default(), Cache::in_directory(cache.clone()), Settings::default());
    let image = Reference::parse(&fake.image("1")).unwrap();
    let facts = reader().facts(&image).unwrap();
    assert_eq!((facts[0].uid, facts[0].image.as_str()), (Some(100), fake.image("1").as_str()));
    assert_eq!(fake.asked(), ["HEAD manifests", "GET manifests", "GET blobs", "GET blobs"]);
    // What is known by its digest is not asked for again.
    assert_eq!(reader().facts(&image).unwrap(), facts);
    assert_eq!(fake.asked().len(), 5);
    let digest = facts[0].digest.as_deref();
    assert_eq!(reader().changed(&image, digest).unwrap(), None);
    assert_eq!(fake.asked().last().unwrap(), "HEAD manifests");
    let by_digest = format!("{}/app@{}", fake.address, digest.unwrap());
    let read = Reader::default().facts(&Reference::parse(&by_digest).unwrap()).unwrap();
    assert_eq!((read[0].uid, read[0].image.as_str()), (Some(100), by_digest.as_str()));
    assert_eq!(
        fake.seen()[0].headers["user-agent"],
        format!("ironhull/{}", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_registry_without_heads() {
    let (home, _) = layout();
    let fake = Fake::start(Some(home.path()), |seen| match seen.method.as_str() {
        "HEAD" => Reply::status(405),
        _ => Reply::Usual,
    });
    assert_eq!(read(&fake).unwrap()[0].uid, Some(100));
}

/// A download goes on where it broke off, whether or not the registry knows of ranges.
#[test]
fn broken_downloads() {
    for ranges in [true, false] {
        let (home, blob) = layout();
        let breaks = AtomicUsize::new(0);
        let body = blob.clone();
        let fake = Fake::start(Some(home.path()), move |seen| {
            if !is_layer(seen, &body) {
                return Reply::Usual;
            }
            match breaks.fetch_add(1, Ordering::SeqCst) {
                0 => Reply::Cut(body.clone(), 100_000),
                1 if !ranges => Reply::Cut(body.clone(), 200_000),
                _ if !ranges => Reply::With(200, Vec::new(), body.clone()),
                _ => Reply::Usual,
            }
        });
        assert_eq!(read(&fake).unwrap()[0].uid, Some(100), "ranges: {ranges}");
        let asked: Vec<_> =
            fake.seen().into_iter().filter_map(|seen| seen.headers.get("range").cloned()).collect();
        assert_eq!(asked[0], "bytes=100000-");
        assert_eq!(asked.len(), if ranges { 1 } else { 2 });
    }
    // Not for ever.
    let (home, blob) = layout();
    let body = blob.clone();
    let fake = Fake::start(Some(home.path()), move |seen| match is_layer(seen, &body) {
        true => Reply::Cut(body.clone(), 10),
        false => Reply::Usual,
    });
    assert_eq!(read(&fake).unwrap_err().kind, ErrorKind::Unreachable);
}

#[test]
fn redirects() {
    let (home, blob) = layout();
    let cdn = Fake::start(Some(home.path()), |_| Reply::Usual);
    let target = format!("http://{}/storage/{}?signature=secret", cdn.address, "x");
    let target = target.replace("/x?", &format!("/{}?", Digest::of(&blob)));
    // Tokens are for the registry alone.
    let token_server = |seen: &Seen, address: &str| {
        if seen.path.starts_with("/token") {
            return Some(Reply::With(200, Vec::new(), br#"{"token":"s3cret"}"#.to_vec()));
        }
        if seen.headers.get("authorization").map(String::as_str) != Some("Bearer s3cret") {
            let challenge = format!("Bearer realm=\"http://{address}/token\",service=\"fake\"");
            return Some(Reply::With(401, vec![("WWW-Authenticate", challenge)], Vec::new()));
        }
        None
    };
    let (body, to) = (blob.clone(), target.replace("?signature=secret", ""));
    let fake = Fake::start(Some(home.path()), move |seen| {
        let address = seen.headers["host"].clone();
        match token_server(seen, &address) {
            Some(reply) => reply,
            None if is_layer(seen, &body) => Reply::redirect(&to),
            None => Reply::Usual,
        }
    });
    assert_eq!(read(&fake).unwrap()[0].uid, Some(100));
    let token = fake.seen().into_iter().find(|seen| seen.path.starts_with("/token")).unwrap();
    assert_eq!(token.path, "/token?scope=repository:app:pull&service=fake");
    assert_eq!(cdn.seen().len(), 1);
    assert!(!cdn.seen()[0].headers.contains_key("authorization"), "{:?}", cdn.seen());

    for (to, why) in [
        (
            "http://169.254.169.254/latest/meta-data",
            "which is an address of this network or machine",
        ),
        ("http://[fe80::1]/", "which is an address of this network or machine"),
        ("file:///etc/passwd", "it redirects to what is no"),
        ("http://me:secret@127.0.0.1/", "it redirects to what is no web address"),
        ("/v2/app/blobs/again", "it redirects in circles"),
    ] {
        let fake =
            Fake::start(Some(home.path()), move |seen| match seen.path.contains("/blobs/") {
                true => Reply::redirect(to),
                false => Reply::Usual,
            });
        let error = read(&fake).unwrap_err();
        assert!(error.message.contains(why) && !error.message.contains("secret"), "{to}: {error}");
        assert_eq!(error.kind, ErrorKind::Forbidden, "{to}");
    }
}

#[test]
fn a_busy_registry() {
    let (home, _) = layout();
    let count = AtomicUsize::new(0);
    let fake = Fake::start(Some(home.path()), move |seen| {
        match (seen.method.as_str(), count.fetch_add(1, Ordering::SeqCst)) {
            ("HEAD", 0) => Reply::With(429, vec![("Retry-After", "1".into())], Vec::new()),
            ("HEAD", 1) => Reply::status(503),
            _ => Reply::Usual,
        }
    });
    let start = Instant::now();
    assert_eq!(read(&fake).unwrap()[0].uid, Some(100));
    assert!(start.elapsed() > Duration::from_secs(1), "it waited");

    let busy = |headers: Vec<(&'static str, String)>| {
        let fake = Fake::start(None, move |_| Reply::With(429, headers.clone(), Vec::new()));
        (read(&fake).unwrap_err(), fake.seen().len())
    };
    // Nobody waits for an hour.
    let (error, asked) = busy(vec![("Retry-After", "3600".into())]);
    assert_eq!((error.kind, asked), (ErrorKind::RateLimited, 1));
    assert!(error.message.contains("it asks to come back in 3600 s"), "{error}");
    let (error, asked) = busy(Vec::new());
    assert_eq!((error.kind, asked), (ErrorKind::RateLimited, 4));
}

#[test]
fn at_most_four_requests_at_once() {
    let home = tempfile::tempdir().unwrap();
    let mut directory = LayoutDirectory::new(home.path());
    for n in 0..8 {
        let tar = Tar::new().file("etc/passwd", format!("app:x:{n}:{n}::/:\n")).finish();
        directory.image(&n.to_string(), json!({ "User": "app" }), vec![tar]);
    }
    let fake = Fake::start(Some(home.path()), |_| {
        std::thread::sleep(Duration::from_millis(30));
        Reply::Usual
    });
    let reader = reader();
    std::thread::scope(|scope| {
        for n in 0..8_u32 {
            let image = Reference::parse(&fake.image(&n.to_string())).unwrap();
            let reader = &reader;
            scope.spawn(move || assert_eq!(reader.facts(&image).unwrap()[0].uid, Some(n)));
        }
    });
    let most = fake.most.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most}");
}

#[test]
fn a_registry_that_drips() {
    let (home, blob) = layout();
    let fake = Fake::start(Some(home.path()), move |seen| match is_layer(seen, &blob) {
        true => Reply::Drip(blob.clone(), Duration::from_millis(50)),
        false => Reply::Usual,
    });
    let start = Instant::now();
    let error = read(&fake).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
    assert!(error.message.contains("it sends next to nothing"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// A registry that is just fast enough keeps nobody longer than the time for an image.
#[test]
fn a_registry_that_takes_for_ever() {
    let (home, blob) = layout();
    let fake = Fake::start(Some(home.path()), move |seen| match is_layer(seen, &blob) {
        true => Reply::Drip(blob.clone(), Duration::from_micros(50)),
        false => Reply::Usual,
    });
    let limits = Limits { total: Duration::from_secs(1), ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let reader = Reader::new(options, Cache::default(), Settings::default());
    let start = Instant::now();
    let error = reader.facts(&Reference::parse(&fake.image("1")).unwrap()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_registry_that_lies() {
    let (home, blob) = layout();
    let other = Packing::Gzip.pack(&Tar::new().file("etc/passwd", "app:x:0:0::/:\n").finish());
    let body = blob.clone();
    let fake = Fake::start(Some(home.path()), move |seen| match is_layer(seen, &body) {
        true => Reply::With(200, Vec::new(), other.clone()),
        false => Reply::Usual,
    });
    let error = read(&fake).unwrap_err();
    assert!(error.message.contains("it was damaged or replaced"), "{error}");

    let digest = format!("sha256:{}", "0".repeat(64));
    let fake =
        Fake::start(Some(home.path()), move |seen| match seen.path.contains("/manifests/") {
            true => {
                let headers = vec![("Docker-Content-Digest", digest.clone())];
                Reply::With(200, headers, br#"{"config":{}}"#.to_vec())
            }
            false => Reply::Usual,
        });
    let error = read(&fake).unwrap_err();
    assert!(error.message.starts_with("the manifest is not the content of"), "{error}");
}

#[test]
fn what_is_too_large() {
    let (home, blob) = layout();
    let fake = Fake::start(Some(home.path()), move |seen| match seen.method.as_str() {
        "GET" if seen.path.contains("/manifests/") => {
            Reply::With(200, Vec::new(), vec![b' '; 100 << 20])
        }
        _ => Reply::Usual,
    });
    let error = read(&fake).unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::TooLarge, "the manifest has more than 4194304 bytes")
    );
    // More than the manifest says.
    let more = [blob.clone(), vec![0; 4 << 20]].concat();
    let fake = Fake::start(Some(home.path()), move |seen| match is_layer(seen, &blob) {
        true => Reply::With(200, Vec::new(), more.clone()),
        false => Reply::Usual,
    });
    assert!(matches!(read(&fake).unwrap_err().kind, ErrorKind::TooLarge | ErrorKind::BadImage));
}

#[test]
fn what_is_not_there() {
    let (home, blob) = layout();
    let fake = Fake::start(Some(home.path()), |_| Reply::Usual);
    let error = reader().facts(&Reference::parse(&fake.image("2")).unwrap()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.ends_with("there is no `2` in `app`"), "{error}");
    for (status, kind) in [
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Unauthorized),
        (500, ErrorKind::Registry),
        (418, ErrorKind::Registry),
    ] {
        let fake = Fake::start(None, move |_| Reply::status(status));
        assert_eq!(read(&fake).unwrap_err().kind, kind, "{status}");
    }
    drop(blob);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = reader().facts(&Reference::parse(&format!("{nobody}/app")).unwrap()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
}

#[test]
fn layers_that_are_kept_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    foreign(home.path());
    let fake = Fake::start(Some(home.path()), |_| Reply::Usual);
    let error = read(&fake).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ForeignLayer);
    assert!(error.message.contains("it may not be distributed"), "{error}");
    // Nobody asks where the manifest says.
    assert!(fake.seen().iter().all(|seen| seen.path.starts_with("/v2/app/")));
}

/// An image with a layer that is only to be had elsewhere.
fn foreign(path: &Path) {
    let mut directory = LayoutDirectory::new(path);
    let config = directory.blob(
        "application/vnd.oci.image.config.v1+json",
        br#"{"os":"linux","architecture":"amd64"}"#,
    );
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
        "layers": [{
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "size": 5,
            "digest": format!("sha256:{}", "1".repeat(64)), "urls": ["http://127.0.0.1:1/layer"],
        }],
    });
    let manifest = directory
        .blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
    directory.tag(Some("1"), manifest);
}
