//! A real registry: Debian's `docker-registry` (distribution), with TLS by an authority of the
//! test, and images that skopeo pushes.

mod world;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use ironhull::facts::ImageFacts;
use serde_json::{Value, json};

use super::commands::{ironhull, said};
use super::image::{LayoutDirectory, Packing};
use super::tar::Tar;
use world::{Asks, PASSWORD, USER, World, programs};

fn layer(uid: u32) -> Vec<u8> {
    Tar::new().file("etc/passwd", format!("app:x:{uid}:{uid}::/:\n")).finish()
}

fn images(path: &Path) {
    let mut directory = LayoutDirectory::new(path);
    let config = json!({ "User": "app" });
    directory.image("one", config.clone(), vec![layer(7), Tar::new().directory("x").finish()]);
    let of = |directory: &LayoutDirectory, platform: &str, packing, uid| {
        directory.manifest(platform, json!({ "User": "app" }), &[(packing, layer(uid))])
    };
    let zstd = of(&directory, "linux/amd64", Packing::Zstd, 8);
    directory.tag(Some("zstd"), zstd);
    for (tag, arm) in [("agree", 7), ("differ", 9)] {
        let manifests = [
            of(&directory, "linux/amd64", Packing::Gzip, 7),
            of(&directory, "linux/arm64", Packing::Gzip, arm),
        ];
        let index = directory.index(&manifests);
        directory.tag(Some(tag), index);
    }
}

/// A registry with these of the images. `None` where its programs are missing.
fn serving(asks: Asks, tags: &[&str]) -> Option<(World, String)> {
    if !programs() {
        return None;
    }
    let mut world = World::new();
    let layout = world.path("layout");
    images(&layout);
    let registry = world.registry(asks, true);
    tags.iter().for_each(|tag| world.push(&layout, tag, &registry, &[]));
    Some((world, registry))
}

/// The entries of a document.
fn entries(yaml: &str) -> Vec<ImageFacts> {
    let document: Value = serde_yaml::from_str(yaml).unwrap();
    serde_json::from_value(document["images"].clone()).unwrap()
}

#[test]
fn with_passwords_and_tokens() {
    let tags = ["one", "zstd", "agree", "differ"];
    let Some((mut world, registry)) = serving(Asks::ForPassword, &tags) else { return };
    // As docker itself has them: schema 2.
    let docker = world.path("docker-layout");
    LayoutDirectory::new(&docker).image("docker", json!({ "User": "app" }), vec![layer(7)]);
    world.push(&docker, "docker", &registry, &["--format", "v2s2"]);

    let credentials = format!("{USER}:{PASSWORD}");
    let tokens = world.registry(Asks::ForToken, true);
    for registry in [&registry, &tokens] {
        for (tag, expected) in [
            ("one", &[(7, "linux/amd64")][..]),
            ("docker", &[(7, "linux/amd64")]),
            ("zstd", &[(8, "linux/amd64")]),
            ("agree", &[(7, "linux/amd64 linux/arm64")]),
            ("differ", &[(7, "linux/amd64"), (9, "linux/arm64")]),
        ] {
            let image = format!("{registry}/app:{tag}");
            let (code, out, err) = world.facts(&image, Some(&credentials), &[]);
            assert_eq!((code, err.as_str()), (0, ""), "{image}");
            let entries = entries(&out);
            let found = entries.iter().map(|it| (it.uid.unwrap(), it.platforms.join(" ")));
            let expected = expected.iter().map(|(uid, platforms)| (*uid, (*platforms).to_owned()));
            assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{image}");
            assert!(entries.iter().all(|it| it.image == image));
        }
    }
    for registry in [&registry, &tokens] {
        let image = format!("{registry}/app:one");
        for (credentials, why) in [
            (None, "it wants credentials, or there is no such image; log in with `docker login"),
            (Some("puller:wr0ng-secret"), "it refuses the credentials of docker's configuration"),
        ] {
            let (code, out, err) = world.facts(&image, credentials, &[]);
            assert!(err.contains(why), "{err}");
            assert_eq!(code, 1);
            assert!(out.contains("images: []"), "{out}");
            assert!(!err.contains("secret") && !err.contains("Basic"), "{err}");
        }
        let missing = format!("{registry}/app:missing");
        let (code, _, err) = world.facts(&missing, Some(&credentials), &[]);
        assert!(err.contains("there is no `missing` in `app`"), "{err}");
        assert_eq!(code, 1);
    }
}

#[test]
fn with_a_credential_helper() {
    use std::os::unix::fs::PermissionsExt as _;

    let Some((world, registry)) = serving(Asks::ForPassword, &["one"]) else { return };
    let helper = world.path("docker-credential-test");
    let ask = |config: &Value, script: &str| {
        fs::write(&helper, format!("#!/bin/sh\nread server\n{script}\n")).unwrap();
        fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(world.path("config.json"), config.to_string()).unwrap();
        let image = format!("{registry}/app:one");
        let mut command = ironhull(world.home.path(), &["image", "facts", "--no-cache", &image]);
        command.arg("--ca-file").arg(world.path("ca.crt"));
        command.env("DOCKER_CONFIG", world.home.path()).env("PATH", world.home.path());
        said(&command.output().unwrap())
    };
    let answer = json!({ "Username": USER, "Secret": PASSWORD });
    let knows = format!("[ \"$server\" = {registry} ] && echo '{answer}'");
    let helpers = json!({ "credHelpers": { registry.clone(): "test" } });
    let store = json!({ "credsStore": "test", "auths": { registry.clone(): {} } });
    for config in [&helpers, &store] {
        let (code, _, err) = ask(config, &knows);
        assert_eq!((code, err.as_str()), (0, ""));
    }
    for (script, why) in [
        ("echo 'credentials not found in native keychain'; exit 1", "it wants credentials"),
        ("echo oops; exit 1", "docker-credential-test: it failed"),
        ("echo '{\"Secret\":\"s3cret\"}'", "docker-credential-test: its answer is not what docker"),
    ] {
        let (code, _, err) = ask(&helpers, script);
        assert!(err.contains(why) && !err.contains("s3cret"), "{err}");
        assert_eq!(code, 1);
    }
}

#[test]
fn with_tls_and_without() {
    let Some((mut world, registry)) = serving(Asks::Nobody, &["one"]) else { return };
    let image = format!("{registry}/app:one");
    let arguments = ["image", "facts", "--no-cache", &image];
    let (code, _, err) = said(&ironhull(world.home.path(), &arguments).output().unwrap());
    assert!(err.contains("its certificate is not trusted (UnknownIssuer); name its authority with --ca-file or SSL_CERT_FILE"), "{err}");
    assert_eq!(code, 1);
    let mut command = ironhull(world.home.path(), &arguments);
    command.env("SSL_CERT_FILE", world.path("ca.crt"));
    assert_eq!(said(&command.output().unwrap()).0, 0);

    // On loopback HTTP will do.
    let plain = world.registry(Asks::Nobody, false);
    let (code, out, err) = world.facts(&format!("{plain}/app:one"), None, &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(entries(&out)[0].uid, Some(7));

    // Through a proxy, which is told nothing but the host.
    let (proxy, seen) = proxy();
    let mut command = ironhull(world.home.path(), &arguments);
    command.arg("--ca-file").arg(world.path("ca.crt"));
    command.env("HTTPS_PROXY", format!("http://{proxy}"));
    let (code, _, err) = said(&command.output().unwrap());
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        seen.lock().unwrap().iter().all(|line| line == &format!("CONNECT {registry} HTTP/1.1"))
    );
    assert!(!seen.lock().unwrap().is_empty());
    let mut command = ironhull(world.home.path(), &arguments);
    command.arg("--ca-file").arg(world.path("ca.crt"));
    command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "127.0.0.1");
    assert_eq!(said(&command.output().unwrap()).0, 0);
}

/// A proxy for tunnels. Returns its address, and the first lines that it was sent.
fn proxy() -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let lines = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut first = String::new();
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
            }
            lines.lock().unwrap().push(first.trim().to_owned());
            let target = first.split(' ').nth(1).unwrap().to_owned();
            let mut there = TcpStream::connect(target).unwrap();
            let mut back = there.try_clone().unwrap();
            let mut here = stream.try_clone().unwrap();
            (&stream).write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            thread::spawn(move || {
                let _ = std::io::copy(&mut reader, &mut there);
                let _ = there.shutdown(std::net::Shutdown::Write);
            });
            thread::spawn(move || {
                let _ = std::io::copy(&mut back, &mut here);
                let _ = here.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    (address, seen)
}
