#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says where"
)]

use super::*;
use crate::images::error::ErrorKind;
use crate::images::testing::tar::{Entry, Tar};

fn layer(tar: Tar) -> Directory {
    try_layer(tar).unwrap()
}

fn try_layer(tar: Tar) -> Result<Directory, ImageError> {
    read(&*tar.finish(), &BTreeSet::new(), &Limits::default()).map(|layer| layer.root)
}

/// Layers on top of each other.
fn merged(layers: impl IntoIterator<Item = Tar>) -> Directory {
    let mut tree = Directory::default();
    for tar in layers {
        let read = layer(tar);
        let again = Directory::of_rows(read.rows()).unwrap();
        assert_eq!(again, read, "what is kept is what was read");
        tree.overlay(read);
    }
    tree
}

/// All paths of a tree, plain files by whether `names` of them are there.
fn paths(tree: &Directory) -> Vec<String> {
    let paths = tree.rows().into_iter().map(|row| match row {
        crate::images::tree::Row::Directory(at, _, _, plain) => format!("{at}/{}", plain.len()),
        crate::images::tree::Row::File(at, ..) => at,
        crate::images::tree::Row::Symlink(at, to) => format!("{at} -> {to}"),
        crate::images::tree::Row::Whiteout(at) => format!("{at} removed"),
    });
    paths.collect()
}

fn content(tree: &Directory, path: &str) -> Option<String> {
    match tree.find(path)? {
        (_, Found::File(File { content: Content::Kept(text), .. })) => Some(text.to_string()),
        _ => None,
    }
}

#[test]
fn what_is_kept_of_a_layer() {
    let tree = layer(
        Tar::new()
            .directory("./")
            .file("etc/passwd", "root:x:0:0")
            .file("etc/hosts", "")
            .program("usr/bin/run", "#!/bin/sh\necho\n")
            .program("usr/bin/program", "\x7fELF")
            .program("usr/lib/script", "#!/bin/sh\n")
            .entry(Entry { name: "usr/bin/su", mode: 0o4755, ..Entry::default() }, b"\x7fELF")
            .symlink("bin", "usr/bin"),
    );
    assert_eq!(
        paths(&tree),
        [
            "/0",
            "bin -> usr/bin",
            "etc/1",
            "etc/passwd",
            "usr/0",
            "usr/bin/1",
            "usr/bin/run",
            "usr/bin/su",
            "usr/lib/1"
        ]
    );
    assert_eq!(content(&tree, "bin/run").as_deref(), Some("#!/bin/sh\necho\n"));
    assert_eq!(tree.find("bin/program").unwrap().1, Found::Plain { executable: true });
    assert_eq!(tree.find("etc/hosts").unwrap().1, Found::Plain { executable: false });
    assert_eq!(tree.find("etc/shadow"), None);
}

#[test]
fn files_that_are_asked_for() {
    let tar = Tar::new().file("opt/a", "a script").program("opt/b", "\x7fELF").finish();
    let wanted = BTreeSet::from(["opt/a".to_owned(), "opt/b".to_owned()]);
    let tree = read(&*tar, &wanted, &Limits::default()).unwrap().root;
    assert_eq!(content(&tree, "opt/a").as_deref(), Some("a script"));
    assert_eq!(content(&tree, "opt/b"), None);
}

#[test]
fn layers_cover_each_other() {
    let base = || {
        Tar::new()
            .owned_directory("app", 0o755, 1, 1)
            .file("app/a", "")
            .file("app/b", "")
            .directory("app/sub")
            .file("app/sub/c", "")
            .symlink("link", "app")
            .file("etc/passwd", "old")
    };
    for (above, expected) in [
        (Tar::new().file("etc/passwd", "new"), "new"),
        (Tar::new().file("etc/.wh.passwd", ""), "-"),
        (Tar::new().file("etc/.wh..wh..opq", ""), "-"),
        (Tar::new().file("etc/.wh..wh..opq", "").file("etc/passwd", "new"), "new"),
        // The marker may come last.
        (Tar::new().file("etc/passwd", "new").file("etc/.wh..wh..opq", ""), "new"),
        (Tar::new().file(".wh.etc", ""), "-"),
        // overlayfs's own whiteout, the device 0:0.
        (Tar::new().entry(Entry { name: "etc/passwd", kind: b'3', ..Entry::default() }, b""), "-"),
        (Tar::new().file(".wh..wh..opq", ""), "old"),
        (Tar::new().file(".wh.etc", "").directory("other"), "-"),
        (Tar::new().symlink("etc/passwd", "../app/a"), "-"),
        (Tar::new().file("etc", "a file"), "-"),
        (Tar::new().directory("etc"), "old"),
        (Tar::new().file("etc/hosts", ""), "old"),
        // Removed in its own layer only: layers below stay.
        (Tar::new().file("etc/.wh.passwd", "").file("etc/passwd", "new"), "new"),
        (Tar::new().file("etc/passwd", "new").file("etc/.wh.passwd", ""), "new"),
    ] {
        let tree = merged([base(), above.clone()]);
        let found = content(&tree, "etc/passwd").unwrap_or_else(|| "-".to_owned());
        assert_eq!(found, expected, "{:?}", paths(&layer(above)));
    }
    let tree =
        merged([base(), Tar::new().owned_directory("app", 0o700, 7, 7).file("app/.wh.a", "")]);
    let Some(Found::Directory(app)) = tree.get("app") else { panic!("it is a directory") };
    assert_eq!(app.attributes(), Attributes { mode: 0o700, uid: 7, gid: 7 });
    assert_eq!((app.plain.len(), app.nodes.len()), (1, 1));
    // A parent that the layer does not state keeps its owner.
    let tree = merged([base(), Tar::new().file("app/d", "")]);
    let Some(Found::Directory(app)) = tree.get("app") else { panic!("it is a directory") };
    assert_eq!((app.attributes().uid, app.plain.len()), (1, 3));
}

#[test]
fn kinds_that_change() {
    let base = || Tar::new().directory("a").file("a/x", "").symlink("b", "a").file("c", "");
    let above = Tar::new().file("a", "").directory("b").program("c", "");
    let tree = merged([base(), above]);
    assert_eq!(tree.get("a"), Some(Found::Plain { executable: false }));
    assert!(matches!(tree.get("b"), Some(Found::Directory(directory)) if directory.is_empty()));
    assert_eq!(tree.get("c"), Some(Found::Plain { executable: true }));
    let tree = merged([base(), Tar::new().symlink("c", "a").file("b", "")]);
    assert_eq!(tree.get("c"), Some(Found::Symlink("a")));
    assert_eq!(tree.get("b"), Some(Found::Plain { executable: false }));
    // In one layer, the last entry counts.
    let twice = Tar::new().directory("d").file("d/x", "").file("d", "").directory("d");
    assert_eq!(paths(&layer(twice)), ["/0", "d/0"]);
}

#[test]
fn directories_that_empty() {
    let base = || Tar::new().directory("d").file("d/a", "").file("d/b", "");
    let is_empty = |above: Tar| {
        let tree = merged([base(), above]);
        matches!(tree.get("d"), Some(Found::Directory(directory)) if directory.is_empty())
    };
    assert!(!is_empty(Tar::new()));
    assert!(!is_empty(Tar::new().file("d/.wh.a", "")));
    assert!(is_empty(Tar::new().file("d/.wh.a", "").file("d/.wh.b", "")));
    assert!(is_empty(Tar::new().file("d/.wh..wh..opq", "")));
    assert!(!is_empty(Tar::new().file("d/.wh..wh..opq", "").symlink("d/l", "x")));
}

/// Links among the parents lead within a layer. Across layers a directory replaces a link, as
/// overlayfs has it.
#[test]
fn links_among_parents() {
    let one = Tar::new().directory("run").symlink("var/run", "/run").file("var/run/pid", "");
    assert_eq!(paths(&layer(one)), ["/0", "run/1", "var/0", "var/run -> /run"]);
    let relative = Tar::new().symlink("a/b/up", "../../c").file("a/b/up/x", "");
    assert_eq!(paths(&layer(relative)), ["/0", "a/0", "a/b/0", "a/b/up -> ../../c", "c/1"]);
    let outside = Tar::new().symlink("out", "../../../etc").file("out/passwd", "x");
    assert_eq!(content(&layer(outside), "etc/passwd").as_deref(), Some("x"));
    let tree = merged([
        Tar::new().directory("run").file("run/lock", "").symlink("var/run", "../run"),
        Tar::new().file("var/run/pid", ""),
    ]);
    assert!(matches!(tree.get("var/run"), Some(Found::Directory(it)) if it.plain.len() == 1));
    let tree = merged([
        Tar::new().owned_directory("run", 0o700, 7, 8).symlink("var/run", "/run"),
        Tar::new().file("var/run/pid", ""),
    ]);
    let Some(Found::Directory(run)) = tree.get("var/run") else { panic!("it is a directory") };
    assert_eq!(run.attributes(), Attributes { mode: 0o700, uid: 7, gid: 8 });
}

#[test]
fn hard_links() {
    let tree = layer(
        Tar::new()
            .file("etc/passwd", "text")
            .hard_link("copy", "etc/passwd")
            .symlink("link", "etc/passwd")
            .hard_link("of-link", "link")
            .program("usr/bin/a", "\x7fELF")
            .entry(
                Entry {
                    name: "b",
                    kind: b'1',
                    mode: 0o755,
                    link: "/usr/bin/a",
                    ..Entry::default()
                },
                b"",
            ),
    );
    assert_eq!(content(&tree, "copy").as_deref(), Some("text"));
    assert_eq!(tree.get("of-link"), Some(Found::Symlink("etc/passwd")));
    assert_eq!(tree.get("b"), Some(Found::Plain { executable: true }));
    // A database that is another name of a file that was not looked at.
    let tree = layer(Tar::new().file("data/users", "text").hard_link("etc/passwd", "data/users"));
    let Some(Found::File(file)) = tree.get("etc/passwd") else { panic!("it counts") };
    assert_eq!(file.content, Content::At("data/users".to_owned()));
}

#[test]
fn what_no_runtime_unpacks() {
    let long = "x".repeat(256);
    let deep = "d/".repeat(1000);
    for (tar, why) in [
        (
            Tar::new().hard_link("a", "b"),
            "`a`: it is a hard link to `b`, which its layer does not have",
        ),
        (Tar::new().directory("d").hard_link("a", "d"), "`a`: it is a hard link to a directory"),
        (Tar::new().file("a", "").file("a/b", ""), "`a/b`: it is below a file"),
        (Tar::new().file("etc/.wh.", ""), "`etc/.wh.`: it removes what has no name"),
        (Tar::new().file("etc/.wh...", ""), "`etc/.wh...`: it removes what has no name"),
        (
            Tar::new().symlink("a", "b").symlink("b", "a").file("a/x", ""),
            "`a/x`: there are too many symbolic links on the way to it",
        ),
        (
            Tar::new().pax(&[("path", long.as_bytes())]).file("x", ""),
            "the path is longer than Linux allows",
        ),
        (
            Tar::new().pax(&[("path", deep.as_bytes())]).file("x", ""),
            "the path is longer than Linux allows",
        ),
    ] {
        let error = try_layer(tar).unwrap_err();
        assert!(error.message.ends_with(why), "{error}");
        assert_eq!(error.kind, ErrorKind::BadImage);
    }
}

#[test]
fn limits() {
    let many = (0..100).fold(Tar::new(), |tar, n| tar.file(&format!("f{n}"), "")).finish();
    let limits = Limits { entries: 99, ..Limits::default() };
    let error = read(&*many, &BTreeSet::new(), &limits).unwrap_err();
    assert_eq!(error.message, "`f99`: the layer has more entries than any image needs");
    // Plain files take four bytes, and no name.
    let limits = Limits { names: 1000, ..Limits::default() };
    assert!(read(&*many, &BTreeSet::new(), &limits).is_ok());
    let links = (0..100).fold(Tar::new(), |tar, n| tar.symlink(&format!("l{n}"), "x")).finish();
    let error = read(&*links, &BTreeSet::new(), &limits).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    // All scripts together.
    let script = format!("#!/bin/sh\n{}", "x".repeat(60_000));
    let scripts = (0..100).fold(Tar::new(), |tar, n| tar.program(&format!("bin/{n}"), &script));
    let tree = layer(scripts);
    let kept = paths(&tree).iter().filter(|path| path.starts_with("bin/")).count() - 1;
    assert!((60..75).contains(&kept), "{kept}");
}

/// Archives with anything in them: there is an end, and what is kept is in order.
#[test]
fn no_archive_stops_it() {
    let mut state = 0x9e37_79b9_u32;
    let mut random = move |n: u32| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state % n
    };
    let names = ["a", "b", "..", ".", "", "etc", "passwd", ".wh.a", ".wh..wh..opq", ".wh.", "bin"];
    for _ in 0..2000 {
        let mut tree = Directory::default();
        for _ in 0..2 {
            let mut tar = Tar::new();
            for _ in 0..12 {
                let mut name = || names[random(names.len() as u32) as usize];
                let (at, to) = ([name(), name(), name()].join("/"), [name(), name()].join("/"));
                let kind = b"0123456gSxLK"[random(12) as usize];
                let mode = random(0o10000);
                tar =
                    tar.entry(Entry { name: &at, kind, mode, link: &to, ..Entry::default() }, b"");
            }
            let Ok(layer) = try_layer(tar) else { continue };
            assert_eq!(Directory::of_rows(layer.rows()).as_ref(), Some(&layer));
            tree.overlay(layer);
        }
        for path in paths(&tree) {
            assert!(!path.ends_with("removed"), "{path}");
            let at = path.split([' ', '\0']).next().unwrap();
            assert!(!at.split('/').any(|name| matches!(name, "." | "..")), "{path}");
        }
        for path in ["etc/passwd", "a/b/../c", "../../a", "bin/a/b/passwd"] {
            let resolved = tree.resolve(path, true);
            assert!(resolved.is_none_or(|path| path == path::clean(&path)), "{path}");
        }
    }
}
