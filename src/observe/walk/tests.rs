use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;

/// A tree whose files are older than a moment, and what is done to it after that.
struct Tree(tempfile::TempDir, Time);

impl Tree {
    fn of(files: &[&str]) -> Self {
        let tree = tempfile::tempdir().unwrap();
        for file in files {
            let path = tree.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create(path).unwrap();
        }
        // File systems' clocks tick a few times in a hundredth of a second.
        std::thread::sleep(Duration::from_millis(40));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let time = (i64::try_from(now.as_secs()).unwrap(), i64::from(now.subsec_nanos()));
        std::thread::sleep(Duration::from_millis(40));
        Self(tree, time)
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn found(&self, mounts: &str, limits: Limits) -> Found {
        let root = File::open(self.0.path()).unwrap().into();
        let mounts = format!("1 0 0:1 / / rw - ext4 x rw\n{mounts}");
        let mounts = Mounts::parse(mounts.as_bytes()).unwrap();
        let later = (self.1.0 + 3600, 0);
        walk(&root, &mounts, Since { made: self.1, prepared: later }, limits).unwrap()
    }

    fn all(&self) -> Found {
        self.found("", Limits::default())
    }
}

fn paths(found: &Found) -> Vec<&str> {
    found.directories.iter().map(|it| it.path.as_str()).collect()
}

#[test]
fn only_what_is_new_is_found() {
    let tree = Tree::of(&["a/old", "b/old", "c/d/old"]);
    assert_eq!(paths(&tree.all()), [""; 0]);
    File::create(tree.path("a/new")).unwrap();
    fs::write(tree.path("b/old"), "x").unwrap();
    fs::create_dir_all(tree.path("c/d/e/f")).unwrap();
    File::create(tree.path("c/d/e/f/new")).unwrap();
    let found = tree.all();
    assert_eq!(paths(&found), ["/a", "/b", "/c/d"]);
    let [a, b, d] = found.directories.as_slice() else { panic!("{found:?}") };
    assert_eq!((a.entries_changed, a.of_image, a.changed_in_place), (true, 1, 0));
    assert_eq!((b.entries_changed, b.of_image, b.changed_in_place), (false, 1, 1));
    assert_eq!((d.of_image, d.examples.as_slice()), (1, &["e/f/new".to_owned()][..]));
    assert_eq!(found.entries, 11);
}

#[test]
fn the_root_covers_nothing() {
    let tree = Tree::of(&["a/old"]);
    File::create(tree.path("new")).unwrap();
    File::create(tree.path("a/new")).unwrap();
    assert_eq!(paths(&tree.all()), ["/", "/a"]);
}

#[test]
fn mounts_are_left_out_and_what_leads_to_them_is_forgiven() {
    let tree = Tree::of(&["run/old", "data/mounted/old"]);
    File::create(tree.path("data/mounted/new")).unwrap();
    fs::create_dir_all(tree.path("run/secrets/token")).unwrap();
    let mounts =
        "2 1 0:2 / /data/mounted rw - tmpfs t rw\n3 1 0:3 / /run/secrets/token ro - tmpfs t rw\n";
    assert_eq!(paths(&tree.found(mounts, Limits::default())), [""; 0]);
    // A file that it wrote there is no doing of the runtime's.
    File::create(tree.path("run/app.pid")).unwrap();
    assert_eq!(paths(&tree.found(mounts, Limits::default())), ["/run"]);
}

#[test]
fn links_lead_nowhere() {
    let tree = Tree::of(&["a/old"]);
    symlink("/", tree.path("a/root")).unwrap();
    symlink("..", tree.path("a/up")).unwrap();
    let found = tree.all();
    assert_eq!((paths(&found), found.entries), (vec!["/a"], 4));
}

#[test]
fn limits_end_a_search_and_say_so() {
    let tree = Tree::of(&["a/1", "a/2", "a/3", "deep/1/2/3/4/old"]);
    let few = tree.found("", Limits { entries: 3, ..Limits::default() });
    assert!(few.cut_short && few.entries <= 4);
    let shallow = tree.found("", Limits { depth: 3, ..Limits::default() });
    assert!(shallow.cut_short);
    // a and what is in it; deep, deep/1 and deep/1/2, which is not opened.
    assert_eq!(shallow.entries, 7);
    assert!(tree.found("", Limits { time: Duration::ZERO, ..Limits::default() }).cut_short);
}

#[test]
fn lists_are_bounded() {
    let many: Vec<String> = (0..200).map(|n| format!("a/{n}/old")).collect();
    let tree = Tree::of(&many.iter().map(String::as_str).collect::<Vec<_>>());
    for one in &many {
        fs::write(tree.path(one), "x").unwrap();
    }
    let found = tree.all();
    assert_eq!(found.directories.len(), crate::observe::snapshot::MAX_DIRECTORIES);
    assert!(found.more_directories);
    // One above all of them takes their place.
    File::create(tree.path("a/new")).unwrap();
    let found = tree.all();
    assert_eq!(paths(&found), ["/a"]);
    assert_eq!(found.directories[0].examples.len(), crate::observe::snapshot::MAX_EXAMPLES);
}
