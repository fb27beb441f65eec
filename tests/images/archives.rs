//! Images in archives.

use std::fs;
use std::path::Path;

use ironhull::images::digest::Digest;
use ironhull::images::error::ErrorKind;
use serde_json::json;

use super::image::LayoutDirectory;
use super::tar::Tar;
use super::{facts, layout, one};

fn layer(uid: u32) -> Vec<u8> {
    Tar::new().file("etc/passwd", format!("app:x:{uid}:{uid}::/:\n")).finish()
}

/// All files of a directory, as an archive.
fn pack(directory: &Path) -> Vec<u8> {
    let mut tar = Tar::new();
    let mut open = vec![directory.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                tar = tar.directory(&name);
                open.push(path);
            } else {
                tar = tar.file(&name, fs::read(&path).unwrap());
            }
        }
    }
    tar.finish()
}

#[test]
fn of_the_oci() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("layout");
    let mut directory = LayoutDirectory::new(&path);
    directory.image("registry.example/app:1", json!({ "User": "app" }), vec![layer(7)]);
    directory.image("two", json!({ "User": "app" }), vec![layer(8)]);
    let archive = home.path().join("image.tar");
    fs::write(&archive, pack(&path)).unwrap();
    let archive = archive.display();
    let found = one(&format!("oci-archive:{archive}:registry.example/app:1"));
    assert_eq!(found, one(&layout(&path, "registry.example/app:1")));
    assert_eq!((found.uid, found.image.as_str()), (Some(7), "registry.example/app:1"));
    assert_eq!(one(&format!("oci-archive:{archive}:two")).uid, Some(8));
    let error = facts(&format!("docker-archive:{archive}")).unwrap_err();
    assert!(error.message.contains("for the OCI's, write oci-archive:"), "{error}");
}

/// An archive as `docker save` writes it.
fn docker(images: &[(&str, u32)]) -> Tar {
    let mut entries = Vec::new();
    let mut tar = Tar::new();
    for (name, uid) in images {
        let layer = layer(*uid);
        let config = json!({
            "os": "linux", "architecture": "amd64", "config": { "User": "app" },
            "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer).as_str()] },
        });
        let (config_file, layer_file) = (format!("{uid}.json"), format!("{uid}/layer.tar"));
        tar = tar.file(&config_file, config.to_string()).file(&layer_file, layer);
        entries.push(json!({ "Config": config_file, "RepoTags": [name], "Layers": [layer_file] }));
    }
    tar.file("manifest.json", json!(entries).to_string())
}

#[test]
fn of_docker() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, tar: Tar| {
        let path = home.path().join(name);
        fs::write(&path, tar.finish()).unwrap();
        format!("docker-archive:{}", path.display())
    };
    let single = write("one.tar", docker(&[("app:1", 7)]));
    let found = one(&single);
    assert_eq!((found.uid, found.image.as_str()), (Some(7), "docker.io/library/app:1"));
    assert_eq!((found.digest, found.platforms), (None, vec!["linux/amd64".to_owned()]));

    let several = write("two.tar", docker(&[("app:1", 7), ("registry.example/b:2", 8)]));
    let error = facts(&several).unwrap_err();
    assert!(error.message.contains("there are 2 images in it"), "{error}");
    assert_eq!(one(&format!("{several}:registry.example/b:2")).uid, Some(8));
    assert_eq!(one(&format!("{several}:docker.io/library/app:1")).uid, Some(7));
    assert_eq!(facts(&format!("{several}:c")).unwrap_err().kind, ErrorKind::NotFound);

    let gone = write("gone.tar", docker(&[("app:1", 7)]).symlink("7/layer.tar", "../8/layer.tar"));
    assert_eq!(facts(&gone).unwrap_err().kind, ErrorKind::NotFound);
    let linked = docker(&[("app:1", 7)]).file("8/layer.tar", layer(7));
    let linked = write("linked.tar", linked.symlink("7/layer.tar", "../8/layer.tar"));
    assert_eq!(one(&linked).uid, Some(7));
    let other = write("other.tar", docker(&[("app:1", 7)]).file("7/layer.tar", layer(9)));
    let error = facts(&other).unwrap_err();
    assert!(error.message.contains("it was damaged or replaced"), "{error}");
}

#[test]
fn what_is_no_archive() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("file");
    for (content, kind) in [
        (&b"\x1f\x8b\x08\0"[..], ErrorKind::Unsupported),
        (b"text", ErrorKind::BadImage),
        (b"", ErrorKind::NotFound),
    ] {
        fs::write(&path, content).unwrap();
        for prefix in ["oci-archive", "docker-archive"] {
            let error = facts(&format!("{prefix}:{}", path.display())).unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
        }
    }
    let missing = facts("docker-archive:no/such/file").unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
}
