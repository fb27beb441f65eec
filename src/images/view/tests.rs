#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeSet;

use super::*;
use crate::images::layer;
use crate::images::limits::Limits;
use crate::images::testing::tar::Tar;
use crate::images::tree::Content;

const PASSWD: &str = layer::PASSWD;

/// What containerd reads of `/etc/passwd`; nothing, where there is none.
fn read(layers: &[Tar]) -> Result<Option<String>, Refused> {
    // Files that links lead to are asked for, as a second reading does.
    let wanted =
        ["users", "a/users", "data/users", "conf/passwd", "data/passwd"].map(str::to_owned).into();
    let layers: Vec<Arc<Layer>> = layers.iter().map(|tar| layer_of(tar.clone(), &wanted)).collect();
    let found = View::new(&layers).open(PASSWD)?;
    Ok(found.map(|(place, found)| match found {
        Found::File(file) => match &file.content {
            Content::Kept(text) => text.to_string(),
            Content::At(place) => format!("at {place}"),
        },
        Found::Directory(_) => format!("directory {place}"),
        Found::Plain { .. } => format!("plain {place}"),
        Found::Symlink(_) => format!("link {place}"),
    }))
}

fn layer_of(tar: Tar, wanted: &BTreeSet<String>) -> Arc<Layer> {
    Arc::new(layer::read(&*tar.finish(), wanted, &Limits::default()).unwrap())
}

fn one(layers: &[Tar]) -> Option<String> {
    read(layers).unwrap()
}

fn base() -> Tar {
    Tar::new().directory("etc").file(PASSWD, "base").file("data/users", "data")
}

#[test]
fn the_uppermost_layer_counts() {
    for (above, expected) in [
        (Tar::new(), Some("base")),
        (Tar::new().directory("etc"), Some("base")),
        (Tar::new().file(PASSWD, "new"), Some("new")),
        (Tar::new().file("etc/.wh.passwd", ""), None),
        (Tar::new().file("etc/.wh..wh..opq", ""), None),
        (Tar::new().file("etc/.wh..wh..opq", "").file(PASSWD, "new"), Some("new")),
        (Tar::new().file(".wh.etc", ""), None),
        (Tar::new().directory("etc/passwd"), Some("directory etc/passwd")),
        // Below the root too, unlike in the container.
        (Tar::new().file(".wh..wh..opq", ""), None),
        (Tar::new().symlink("etc", "data").file("data/passwd", "linked"), Some("linked")),
    ] {
        assert_eq!(one(&[base(), above.clone()]).as_deref(), expected);
        assert_eq!(one(&[base(), above, Tar::new()]).as_deref(), expected);
    }
    assert_eq!(one(&[]), None);
}

/// What overlayfs no longer shows.
#[test]
fn what_was_covered_is_found_again() {
    let etc = || Tar::new().directory("etc");
    for between in [
        Tar::new().file(".wh.etc", ""),
        Tar::new().file("etc", "a file"),
        Tar::new().symlink("etc", "/data"),
    ] {
        assert_eq!(one(&[base(), between, etc()]).as_deref(), Some("base"));
    }
    // A layer's own link is followed in that layer, if it is relative.
    let linked = |to: &str| Tar::new().symlink("etc", to).file("conf/passwd", "linked");
    assert_eq!(one(&[linked("conf"), etc()]).as_deref(), Some("linked"));
    assert_eq!(one(&[linked("./x/../conf"), etc()]), None);
    assert_eq!(one(&[linked("/conf"), etc()]), None);
    assert_eq!(one(&[linked("../conf"), etc()]), None);
}

#[test]
fn links_lead_to_other_layers() {
    let link = |to: &str| one(&[base(), Tar::new().symlink(PASSWD, to)]);
    for to in [
        "../data/users",
        "/data/users",
        "/data/./users/",
        "//data/users",
        "../../../data/users",
        "/../data/users",
        "../data/x/../users",
    ] {
        assert_eq!(link(to).as_deref(), Some("data"), "{to}");
    }
    assert_eq!(link("nowhere"), None);
    assert_eq!(link("/data").as_deref(), Some("directory data"));
    for to in ["/", "..", "../.."] {
        assert_eq!(link(to).as_deref(), Some("directory "), "{to}");
    }
    // In a circle, and below a file.
    for to in ["passwd", "/data/users/passwd"] {
        assert_eq!(read(&[base(), Tar::new().symlink(PASSWD, to)]), Err(Refused), "{to}");
    }
    // Through another layer's link.
    let through = Tar::new().symlink(PASSWD, "../now/users").symlink("now", "/data");
    assert_eq!(one(&[base(), through]).as_deref(), Some("data"));
    let chain = |length: usize| {
        let tar = Tar::new().symlink(PASSWD, "0").symlink(&format!("etc/{length}"), "/data/users");
        (0..length).fold(tar, |tar, n| tar.symlink(&format!("etc/{n}"), &(n + 1).to_string()))
    };
    assert_eq!(one(&[base(), chain(250)]).as_deref(), Some("data"));
    assert_eq!(read(&[base(), chain(260)]), Err(Refused));
}

/// By their text first, and as Linux does where that leads nowhere.
#[test]
fn links_that_lead_back() {
    let back = || {
        let tar = Tar::new().symlink(PASSWD, "../a/b/../users").symlink("a/b", "../data/below");
        tar.file("data/below/x", "")
    };
    assert_eq!(one(&[base(), back()]).as_deref(), Some("data"));
    let both = back().file("a/users", "by its text");
    assert_eq!(one(&[base(), both]).as_deref(), Some("by its text"));
}

#[test]
fn files_that_were_not_looked_at() {
    let elsewhere = Tar::new().symlink("etc", "lib").file("lib/passwd", "text");
    assert_eq!(one(&[elsewhere, Tar::new().directory("etc")]).as_deref(), Some("plain lib/passwd"));
}
