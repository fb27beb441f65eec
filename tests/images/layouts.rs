//! Images in the OCI's layout.

use ironhull::images::cache::Cache;
use ironhull::images::error::ErrorKind;
use ironhull::images::facts::Options;
use ironhull::images::limits::Limits;
use ironhull::images::reference::Reference;
use ironhull::images::registry::Settings;
use ironhull::images::{Reader, digest::Digest};
use serde_json::json;

use super::image::{LayoutDirectory, Packing};
use super::tar::{Entry, Tar};
use super::{facts, layout, one, yaml};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n";
const GROUP: &str = "root:x:0:\nnode:x:1000:\nweb:x:33:node\n";
const ENTRYPOINT: &str = "#!/bin/sh\nset -e\nif [ \"$(id -u)\" = 0 ]; then\n\
    chown -R node /data\n  exec gosu node \"$0\" \"$@\"\nfi\nexec \"$@\"\n";

fn base() -> Vec<u8> {
    Tar::new()
        .directory("./")
        .file("etc/passwd", PASSWD)
        .file("etc/group", GROUP)
        .owned_directory("tmp", 0o1777, 0, 0)
        .owned_directory("home/node", 0o755, 1000, 1000)
        .file("home/node/.profile", "")
        .entry(Entry { name: "usr/bin/sudo", mode: 0o4755, ..Entry::default() }, b"\x7fELF")
        .finish()
}

fn app() -> Vec<u8> {
    let bind: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    Tar::new()
        .owned_directory("app", 0o755, 0, 0)
        .owned_directory("app/cache", 0o755, 1000, 1000)
        .owned_directory("data", 0o755, 1000, 1000)
        .pax(&[("SCHILY.xattr.security.capability", bind)])
        .program("usr/bin/caddy", "\x7fELF")
        .program("usr/local/bin/docker-entrypoint.sh", ENTRYPOINT)
        .finish()
}

fn config() -> serde_json::Value {
    json!({
        "User": "node", "Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["node", "server.js"],
        "WorkingDir": "/app", "ExposedPorts": { "3000/tcp": {} }, "Volumes": { "/data": {} },
        "Env": ["PATH=/usr/local/bin:/usr/bin"],
    })
}

const EXPECTED: &str = "\
image: registry.corp.example/shop/web:1.4.2
digest: DIGEST
platforms:
- linux/amd64
user: node
uid: 1000
gid: 1000
groups:
- 33
- 1000
home: /home/node
entrypoint:
- docker-entrypoint.sh
cmd:
- node
- server.js
workingDir: /app
ports:
- 3000/tcp
volumes:
- /data
writable:
- path: /app/cache
  empty: true
- path: /home/node
  empty: false
hidden:
- /home/node
fileCapabilities:
  /usr/bin/caddy:
  - NET_BIND_SERVICE
setuid:
- /usr/bin/sudo
needs:
- by: /usr/local/bin/docker-entrypoint.sh
  chown: /data
  onlyAsRoot: true
- by: /usr/local/bin/docker-entrypoint.sh
  setuid: gosu node
  onlyAsRoot: true
";

#[test]
fn every_fact() {
    let home = tempfile::tempdir().unwrap();
    for packing in [Packing::None, Packing::Gzip, Packing::Zstd] {
        let path = home.path().join(format!("{packing:?}"));
        let mut directory = LayoutDirectory::new(&path);
        let manifest =
            directory.manifest("linux/amd64", config(), &[(packing, base()), (packing, app())]);
        let name = "registry.corp.example/shop/web:1.4.2";
        directory.tag(Some(name), manifest.clone());
        let facts = one(&layout(&path, name));
        let digest = manifest["digest"].as_str().unwrap();
        assert_eq!(yaml(&facts), EXPECTED.replace("DIGEST", digest));
        // The only image needs no name.
        assert_eq!(one(&format!("oci:{}", path.display())), facts);
    }
}

#[test]
fn platforms() {
    let home = tempfile::tempdir().unwrap();
    let mut directory = LayoutDirectory::new(home.path());
    let layers = [(Packing::Gzip, base())];
    let mut manifests: Vec<_> = ["linux/amd64", "linux/arm64/v8", "linux/arm/v7"]
        .iter()
        .map(|platform| directory.manifest(platform, config(), &layers))
        .collect();
    let mut attestation = manifests[0].clone();
    attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    attestation["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
    manifests.push(attestation);
    manifests.push(directory.manifest("windows/amd64", json!({}), &[]));
    let index = directory.index(&manifests);
    let digest = index["digest"].clone();
    directory.tag(Some("agree"), index);
    let all = one(&layout(home.path(), "agree"));
    assert_eq!(all.platforms, ["linux/amd64", "linux/arm/v7", "linux/arm64"]);
    assert_eq!(all.digest.as_deref(), digest.as_str());
    assert_eq!(all.image, layout(home.path(), "agree"));

    let mut other = config();
    other["User"] = json!("33");
    manifests[1] = directory.manifest("linux/arm64/v8", other, &layers);
    let index = directory.index(&manifests);
    directory.tag(Some("differ"), index);
    let all = facts(&layout(home.path(), "differ")).unwrap();
    let said: Vec<_> = all.iter().map(|it| (it.uid, it.platforms.join(" "))).collect();
    let expected =
        [(Some(1000), "linux/amd64 linux/arm/v7".to_owned()), (Some(33), "linux/arm64".to_owned())];
    assert_eq!(said, expected);

    let of = |platform: &str, tag: &str| {
        let options = Options { platform: Some(platform.to_owned()), ..Options::default() };
        let reader = Reader::new(options, Cache::default(), Settings::default());
        reader.facts(&Reference::parse(&layout(home.path(), tag)).unwrap())
    };
    assert_eq!(of("linux/arm64", "differ").unwrap()[0].uid, Some(33));
    assert_eq!(of("linux/arm/v7", "differ").unwrap()[0].platforms, ["linux/arm/v7"]);
    let error = of("linux/s390x", "differ").unwrap_err();
    let why = "it is not for `linux/s390x`, but for linux/amd64, linux/arm/v7, linux/arm64, windows/amd64";
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Unsupported, why));

    let windows = directory.index(&manifests[4..]);
    directory.tag(Some("windows"), windows);
    let error = facts(&layout(home.path(), "windows")).unwrap_err();
    assert_eq!(error.message, "it is not for Linux, but for windows/amd64");
}

#[test]
fn the_configuration_alone() {
    let home = tempfile::tempdir().unwrap();
    let mut directory = LayoutDirectory::new(home.path());
    let options = Options { config_only: true, ..Options::default() };
    let reader = Reader::new(options, Cache::default(), Settings::default());
    // The gid is that of /etc/passwd, whatever is stated.
    for (user, uid) in [
        ("node", None),
        ("", Some(0)),
        ("65532", Some(65532)),
        ("65532:65533", Some(65532)),
        ("65532:web", Some(65532)),
        ("3000000000", None),
        ("node:7", None),
    ] {
        let tag = format!("u{}", user.replace(':', "-"));
        // A layer that does not exist is not asked for.
        let manifest =
            directory.manifest("linux/amd64", json!({ "User": user }), &[(Packing::None, base())]);
        let layer = Digest::of(&base());
        directory.tag(Some(&tag), manifest);
        let _ = std::fs::remove_file(home.path().join("blobs/sha256").join(layer.digits()));
        let facts =
            &reader.facts(&Reference::parse(&layout(home.path(), &tag)).unwrap()).unwrap()[0];
        assert_eq!((facts.uid, facts.gid), (uid, None), "{user}");
        assert!(yaml(facts).contains("from: configuration"), "{}", yaml(facts));
    }
}

/// Files that a link leads to, outside of where anybody looks first.
#[test]
fn files_behind_links() {
    let home = tempfile::tempdir().unwrap();
    let mut directory = LayoutDirectory::new(home.path());
    let of = |user: &str, tar: Tar| {
        (json!({ "User": user, "Entrypoint": ["entry"] }), vec![tar.finish()])
    };
    for (name, (config, layers), uid) in [
        (
            "symlink",
            of(
                "node",
                Tar::new().file("usr/etc/users", PASSWD).symlink("etc/passwd", "../usr/etc/users"),
            ),
            1000,
        ),
        (
            "absolute",
            of(
                "node",
                Tar::new().file("usr/etc/users", PASSWD).symlink("etc/passwd", "/usr/etc/users"),
            ),
            1000,
        ),
        (
            "directory",
            of("node", Tar::new().file("usr/etc/passwd", PASSWD).symlink("etc", "usr/etc")),
            1000,
        ),
        (
            "hard-link",
            of("node", Tar::new().file("data/users", PASSWD).hard_link("etc/passwd", "data/users")),
            1000,
        ),
        (
            "chain",
            of(
                "node",
                Tar::new()
                    .file("a", PASSWD)
                    .symlink("b", "a")
                    .symlink("c", "b")
                    .symlink("etc/passwd", "/c"),
            ),
            1000,
        ),
        (
            "up",
            of("node", Tar::new().file("a", PASSWD).symlink("etc/passwd", "../../../../a")),
            1000,
        ),
    ] {
        directory.image(name, config, layers);
        let facts = one(&layout(home.path(), name));
        assert_eq!(facts.uid, Some(uid), "{name}: {facts:?}");
    }
    let script = "#!/bin/sh\nchown node /srv\n";
    let tar = Tar::new().program("opt/start", script).symlink("usr/bin/entry", "/opt/start");
    let (config, layers) = of("0", tar);
    directory.image("script", config, layers);
    assert_eq!(one(&layout(home.path(), "script")).needs[0].chown.as_deref(), Some("/srv"));
}

#[test]
fn what_was_read_is_read_once() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("layout");
    let mut directory = LayoutDirectory::new(&path);
    directory.image("one", config(), vec![base()]);
    directory.image("two", config(), vec![base(), app()]);
    let cache = home.path().join("cache");
    let reader =
        || Reader::new(Options::default(), Cache::in_directory(cache.clone()), Settings::default());
    let read = |tag: &str| reader().facts(&Reference::parse(&layout(&path, tag)).unwrap());
    let one = read("one").unwrap();
    // The base image is gone; what was in it is known.
    let gzip = Digest::of(&Packing::Gzip.pack(&base()));
    std::fs::remove_file(path.join("blobs/sha256").join(gzip.digits())).unwrap();
    assert_eq!(read("one").unwrap(), one);
    assert_eq!(read("two").unwrap()[0].file_capabilities.len(), 1);
    // What is damaged in the cache is read again, and here it cannot be.
    for entry in std::fs::read_dir(&cache).unwrap() {
        std::fs::write(entry.unwrap().path(), "{").unwrap();
    }
    assert_eq!(read("one").unwrap_err().kind, ErrorKind::NotFound);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&cache).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[test]
fn what_cannot_be_read() {
    let home = tempfile::tempdir().unwrap();
    let mut directory = LayoutDirectory::new(home.path());
    let not_found = |reference: &str, why: &str| {
        let error = facts(reference).unwrap_err();
        assert!(error.message.contains(why), "{error}");
        assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    };
    let path = home.path().display();
    not_found(&format!("oci:{path}"), "there is no image in it");
    directory.image("a", config(), vec![base()]);
    directory.image("b", config(), vec![base()]);
    not_found(
        &format!("oci:{path}"),
        "there are 2 images in it; name one by `:TAG` behind the path: `a`, `b`",
    );
    not_found(&format!("oci:{path}:c"), "there is no `c` in it, but `a`, `b`");
    not_found(&format!("oci:{path}/no/such"), "No such file");

    let layer =
        home.path().join("blobs/sha256").join(Digest::of(&Packing::Gzip.pack(&base())).digits());
    let other = Packing::Gzip.pack(&app());
    std::fs::write(&layer, other).unwrap();
    let error = facts(&layout(home.path(), "a")).unwrap_err();
    assert!(error.message.contains("it was damaged or replaced"), "{error}");
    std::fs::write(&layer, "no archive").unwrap();
    assert_eq!(facts(&layout(home.path(), "a")).unwrap_err().kind, ErrorKind::BadImage);

    std::fs::write(home.path().join("index.json"), "[").unwrap();
    assert_eq!(facts(&layout(home.path(), "a")).unwrap_err().kind, ErrorKind::BadImage);
    std::fs::write(home.path().join("index.json"), " ".repeat(5 << 20)).unwrap();
    assert_eq!(facts(&layout(home.path(), "a")).unwrap_err().kind, ErrorKind::TooLarge);
}

#[test]
fn what_is_no_image() {
    let home = tempfile::tempdir().unwrap();
    let mut directory = LayoutDirectory::new(home.path());
    let chart = json!({
        "schemaVersion": 2, "artifactType": "application/vnd.example", "layers": [],
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}").as_str(), "size": 2 },
    });
    let schema_1 = json!({ "schemaVersion": 1, "fsLayers": [] });
    let nested = directory.index(&[]);
    let mut inner = directory.index(&[nested]);
    inner["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let nested = directory.index(&[inner]);
    directory.tag(Some("nested"), nested);
    for (name, document) in [("chart", chart), ("old", schema_1)] {
        let blob = directory.blob("", document.to_string().as_bytes());
        directory.tag(Some(name), blob);
    }
    for (name, why) in [
        ("chart", "this is no image, but something else that registries keep"),
        ("old", "the manifest is of Docker's schema 1"),
        ("nested", "its index lists another index"),
    ] {
        let error = facts(&layout(home.path(), name)).unwrap_err();
        assert!(error.message.contains(why), "{error}");
        assert_eq!(error.kind, ErrorKind::Unsupported);
    }
}

/// Memory and time are bounded, whatever a layer unpacks to.
#[test]
fn a_bomb() {
    let home = tempfile::tempdir().unwrap();
    let mut directory = LayoutDirectory::new(home.path());
    let bomb = Tar::new().file("zeros", vec![0; 8 << 20]).finish();
    directory.image("bomb", json!({}), vec![bomb]);
    let limits = Limits { unpacked: 1 << 20, ..Limits::default() };
    let reader = Reader::new(
        Options { limits, ..Options::default() },
        Cache::default(),
        Settings::default(),
    );
    let error = reader.facts(&Reference::parse(&layout(home.path(), "bomb")).unwrap()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert!(error.message.starts_with("layer sha256:"), "{error}");
}
