//! Users as images have them: what `id` prints in a container.

use serde_json::json;

use super::image::LayoutDirectory;
use super::tar::Tar;
use super::{layout, one};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:100:101::/app:\n1234:x:77:78::/:\n";
const GROUP: &str = "root:x:0:root\napp:x:101:app\nweb:x:33:app\n";

fn base() -> Tar {
    Tar::new().directory("etc").file("etc/passwd", PASSWD).file("etc/group", GROUP)
}

#[test]
fn whatever_happens_to_the_databases() {
    let home = tempfile::tempdir().unwrap();
    let mut directory = LayoutDirectory::new(home.path());
    let missing = Err("user `app` is looked for in /etc/passwd, which it does not have");
    let other = "root:x:0:0::/:\napp:x:200:201::/:\n";
    for (name, user, above, expected) in [
        ("plain", "app", Tar::new(), Ok((100, 101))),
        ("digits", "1234", Tar::new(), Ok((1234, 0))),
        ("replaced", "app", Tar::new().file("etc/passwd", other), Ok((200, 201))),
        ("removed", "app", Tar::new().file("etc/.wh.passwd", ""), missing),
        ("removed-number", "100", Tar::new().file("etc/.wh.passwd", ""), Ok((100, 0))),
        ("opaque", "app", Tar::new().directory("etc").file("etc/.wh..wh..opq", ""), missing),
        (
            "opaque-new",
            "app",
            Tar::new().directory("etc").file("etc/.wh..wh..opq", "").file("etc/passwd", other),
            Ok((200, 201)),
        ),
        ("dangling", "app", Tar::new().symlink("etc/passwd", "nowhere"), missing),
        (
            "circle",
            "100",
            Tar::new().symlink("etc/passwd", "passwd"),
            Err("its /etc/passwd is not a regular file"),
        ),
        (
            "directory",
            "100",
            Tar::new().directory("etc/passwd"),
            Err("its /etc/passwd is not a regular file"),
        ),
        // The device that overlayfs removes files with.
        (
            "removed-by-device",
            "100",
            Tar::new().entry(
                super::tar::Entry { name: "etc/passwd", kind: b'3', ..Default::default() },
                b"",
            ),
            Ok((100, 0)),
        ),
        (
            "block-device",
            "app",
            Tar::new().entry(
                super::tar::Entry { name: "etc/passwd", kind: b'4', ..Default::default() },
                b"",
            ),
            Err("its /etc/passwd is not a regular file"),
        ),
        ("root-opaque", "app", Tar::new().file(".wh..wh..opq", ""), missing),
        ("unknown", "nobody", Tar::new(), Err("user `nobody` is not in its /etc/passwd")),
        ("group", "app:web", Tar::new(), Ok((100, 101))),
        ("no-group", "app:no", Tar::new(), Ok((100, 101))),
        (
            "empty",
            "app",
            Tar::new().file("etc/passwd", ""),
            Err("user `app` is not in its /etc/passwd"),
        ),
    ] {
        let layers = vec![base().finish(), above.finish()];
        directory.image(name, json!({ "User": user }), layers);
        let facts = one(&layout(home.path(), name));
        let found = match &facts.unusable_user {
            Some(why) => Err(why.as_str()),
            None => Ok((facts.uid.unwrap(), facts.gid.unwrap())),
        };
        assert_eq!(found, expected, "{name}");
        assert_eq!(facts.uid.is_some(), found.is_ok(), "{name}: no uid beside a reason");
    }
}

/// containerd looks for users layer by layer, and finds what overlayfs no longer shows.
#[test]
fn what_containerd_still_finds() {
    let home = tempfile::tempdir().unwrap();
    let mut directory = LayoutDirectory::new(home.path());
    let etc = || Tar::new().directory("etc");
    let file = |path: &str, gid: u32| Tar::new().file(path, format!("app:x:100:{gid}::/:\n"));
    let linked = Tar::new().symlink("etc", "conf").file("conf/passwd", "app:x:100:3::/:\n");
    let back = file("data/users", 4)
        .file("a/users", "app:x:100:5::/:\n")
        .symlink("a/b", "../data/below")
        .symlink("etc/passwd", "../a/b/../users");
    for (name, layers, gid) in [
        ("remade", vec![base(), Tar::new().file(".wh.etc", ""), etc()], 101),
        ("remade-at-once", vec![base(), Tar::new().file(".wh.etc", "").directory("etc")], 101),
        ("was-link", vec![linked, etc()], 3),
        ("link-back", vec![back], 5),
    ] {
        let layers = layers.into_iter().map(Tar::finish).collect();
        directory.image(name, json!({ "User": "100" }), layers);
        let facts = one(&layout(home.path(), name));
        assert_eq!((facts.uid, facts.gid), (Some(100), Some(gid)), "{name}");
    }
}

/// Without a user the kubelet says uid 0, whose entry may have any gid.
#[test]
fn root_by_its_entry() {
    let home = tempfile::tempdir().unwrap();
    let mut directory = LayoutDirectory::new(home.path());
    for (name, user) in [("none", ""), ("group", ":33")] {
        let layer = Tar::new().file("etc/passwd", "root:x:0:7::/:\n").finish();
        directory.image(name, json!({ "User": user }), vec![layer]);
        let facts = one(&layout(home.path(), name));
        assert_eq!((facts.uid, facts.gid, facts.groups), (Some(0), Some(7), vec![7]), "{name}");
    }
}
