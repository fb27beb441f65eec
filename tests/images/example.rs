//! `tests/images/example`: an image in the OCI's layout, small enough to be kept here. What other
//! tests and the pages show of `ironhull image` is of it.

#[path = "../support/update.rs"]
mod update;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::image::{LayoutDirectory, Packing};
use super::tar::Tar;

pub const PATH: &str = "tests/images/example";

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/sh\n";
const GROUP: &str = "root:x:0:\nweb:x:33:node\nnode:x:1000:\n";
const ENTRYPOINT: &str = "#!/bin/sh\nset -e\nif [ \"$(id -u)\" = 0 ]; then\n  \
    chown -R node /data\n  exec gosu node \"$0\" \"$@\"\nfi\nmkdir -p /var/cache/web\nexec \"$@\"\n";

/// Writes the image.
fn write(path: &Path) {
    let bind: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let layer = Tar::new()
        .file("etc/passwd", PASSWD)
        .file("etc/group", GROUP)
        .owned_directory("app/cache", 0o755, 1000, 1000)
        .file("tmp/left-over", "")
        .pax(&[("SCHILY.xattr.security.capability", bind)])
        .program("usr/bin/caddy", "\x7fELF")
        .program("docker-entrypoint.sh", ENTRYPOINT)
        .finish();
    let config = json!({
        "User": "node", "Entrypoint": ["/docker-entrypoint.sh"], "Cmd": ["caddy", "run"],
        "WorkingDir": "/app", "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/data": {} },
    });
    let mut directory = LayoutDirectory::new(path);
    let manifest = directory.manifest("linux/amd64", config, &[(Packing::None, layer)]);
    directory.tag(Some("registry.example/shop/web:1.4.2"), manifest);
}

fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_example_is_what_it_should_be() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH);
    let fresh = tempfile::tempdir().unwrap();
    write(fresh.path());
    if files(&kept) == files(fresh.path()) {
        return;
    }
    assert!(update::is_wanted(), "{PATH} differs: UPDATE_EXPECT=1 writes it anew");
    let _ = fs::remove_dir_all(&kept);
    write(&kept);
}
