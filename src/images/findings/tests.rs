#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says where")]

use std::collections::BTreeSet;

use super::*;
use crate::images::layer;
use crate::images::limits::Limits;
use crate::images::testing::tar::{Entry, Tar};

fn tree(tar: Tar) -> Directory {
    let mut tree = Directory::default();
    tree.overlay(layer::read(&*tar.finish(), &BTreeSet::new(), &Limits::default()).unwrap().root);
    tree
}

fn user(uid: u32, groups: &[u32]) -> User {
    User { uid, gid: groups[0], groups: groups.to_vec(), home: None }
}

#[test]
fn what_a_user_may_write() {
    let tree = tree(
        Tar::new()
            .owned_directory("app", 0o755, 1000, 1000)
            .owned_directory("app/cache", 0o755, 1000, 1000)
            .owned_directory("data", 0o755, 1000, 1000)
            .owned_directory("srv/group", 0o775, 0, 33)
            .file("srv/group/file", "")
            .owned_directory("srv/owner-may-not", 0o570, 1000, 0)
            .owned_directory("srv/group-may-not", 0o757, 0, 33)
            .owned_directory("srv/no-search", 0o766, 0, 0)
            .owned_directory("var/tmp", 0o1777, 0, 0)
            .owned_directory("tmp", 0o1777, 0, 0)
            .owned_directory("dev/shm", 0o1777, 0, 0)
            .owned_directory("closed", 0o700, 0, 0)
            .owned_directory("closed/open", 0o777, 0, 0)
            // Not to be told from others, or a line by itself.
            .owned_directory("srv/a\nb", 0o777, 0, 0)
            .owned_directory("srv/\u{202e}gpj", 0o777, 0, 0),
    );
    let volumes = BTreeSet::from(["data".to_owned()]);
    let found = |user| {
        let found = writable(&tree, &user, &volumes);
        found.into_iter().map(|it| (it.path, it.empty)).collect::<Vec<_>>()
    };
    let expected = [("/app", false), ("/srv/group", false), ("/var/tmp", true)];
    assert_eq!(found(user(1000, &[1000, 33])), expected.map(|(at, it)| (at.to_owned(), it)));
    let expected = [("/srv/group-may-not", true), ("/var/tmp", true)];
    assert_eq!(found(user(7, &[7])), expected.map(|(at, it)| (at.to_owned(), it)));
    assert!(found(user(0, &[0])).is_empty());
}

#[test]
fn what_mounts_would_hide() {
    let tree = tree(
        Tar::new()
            .directory("tmp")
            .file("tmp/left", "")
            .directory("run/lock")
            .symlink("var/run", "/run")
            .directory("var/log")
            .file("var/log/dpkg.log", "")
            .file("var/cache/nginx/index", ""),
    );
    let found = |volumes: &[&str]| {
        let volumes = volumes.iter().map(|at| (*at).to_owned()).collect();
        hidden(&tree, &volumes)
    };
    let all = ["/run", "/tmp", "/var/cache", "/var/cache/nginx", "/var/log", "/var/run"];
    assert_eq!(found(&[]), all);
    assert_eq!(found(&["tmp", "run"]), ["/var/cache", "/var/cache/nginx", "/var/log"]);
}

#[test]
fn programs_with_privileges() {
    let bind: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let file = |mode| Entry { name: "bin/x", mode, ..Entry::default() };
    let of = |tar: Tar| privileged(&tree(tar));
    assert_eq!(of(Tar::new().entry(file(0o4755), b"")).setuid, ["/bin/x"]);
    assert_eq!(of(Tar::new().entry(file(0o2755), b"")).setuid, ["/bin/x"]);
    for mode in [0o755, 0o4644, 0o2745, 0o1755] {
        assert_eq!(of(Tar::new().entry(file(mode), b"")), Privileged::default(), "{mode:o}");
    }
    let record = ("SCHILY.xattr.security.capability", bind);
    let caddy = Tar::new().pax(&[record]).program("usr/bin/caddy", "\x7fELF");
    let found = of(caddy);
    assert_eq!(found.capabilities["/usr/bin/caddy"], ["NET_BIND_SERVICE"]);
    assert!(found.setuid.is_empty());
}
