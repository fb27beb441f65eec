//! What the init containers that seed run, on real directories.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant, SystemTime};

use ironhull::seed::{CopyError, Tally, Why, copy};
use rustix::process::getuid;
use tempfile::TempDir;

/// An image's directory, and an emptyDir.
struct World {
    _root: TempDir,
    from: PathBuf,
    to: PathBuf,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        let [from, to] = ["image", "copy"].map(|name| root.path().join(name));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        fs::set_permissions(&to, Permissions::from_mode(0o777)).unwrap();
        Self { _root: root, from, to }
    }

    fn file(&self, name: impl AsRef<OsStr>, content: &str, mode: u32) -> PathBuf {
        let path = self.from.join(name.as_ref());
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn directory(&self, name: &str) -> PathBuf {
        let path = self.from.join(name);
        fs::create_dir(&path).unwrap();
        path
    }

    fn copy(&self, limit: Option<u64>) -> Result<Tally, CopyError> {
        copy(&self.from, &self.to, limit)
    }

    /// Runs the program as another user than root.
    fn run(&self, arguments: &[&str]) -> Output {
        let bin = self.to.with_file_name("bin");
        if !bin.exists() {
            fs::create_dir(&bin).unwrap();
            let bin = bin.to_str().unwrap();
            let installed = ironhull().args(["seed", "install", bin]).output().unwrap();
            assert!(installed.status.success(), "{installed:?}");
        }
        let mut command = Command::new(bin.join("ironhull"));
        command.args(["seed", "copy"]).args(arguments);
        if getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    }
}

const NOBODY: u32 = 65_534;

fn ironhull() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ironhull"))
}

/// What can be told of each entry: kind, mode, size, time, target of a link, number of names.
fn listed(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let data = path.symlink_metadata().unwrap();
            let (mode, time) = (data.mode(), (data.mtime(), data.mtime_nsec()));
            let what = if data.is_dir() {
                left.push(path.clone());
                format!("directory {mode:o} {time:?}")
            } else if data.is_symlink() {
                format!("link {:?} {time:?}", fs::read_link(&path).unwrap())
            } else {
                let content = fs::read(&path).unwrap();
                format!("file {mode:o} {time:?} of {} names {content:?}", data.nlink())
            };
            found.insert(path.strip_prefix(root).unwrap().to_owned(), what);
        }
    }
    found
}

/// Gives everything below `root` a time of its own.
fn age(root: &Path) {
    for (count, path) in listed(root).into_keys().rev().enumerate() {
        let path = root.join(path);
        if !path.is_symlink() {
            let time =
                SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000 + count as u64, 123_456_789);
            File::open(path).unwrap().set_modified(time).unwrap();
        }
    }
}

#[test]
fn content_links_modes_and_times_are_the_same() {
    let world = World::new();
    for (name, mode) in [("plain", 0o644), ("own", 0o600), ("program", 0o755), ("read-only", 0o444)]
    {
        world.file(name, name, mode);
    }
    world.file("two\nlines", "x", 0o644);
    world.file(OsStr::from_bytes(b"not-utf-8-\xff"), "x", 0o644);
    world.file(".ironhull-seed-0", "named as what is unfinished", 0o640);
    world.directory("empty");
    let inner = world.directory("inner");
    fs::write(inner.join("file"), "deeper").unwrap();
    fs::hard_link(world.from.join("plain"), inner.join("same as plain")).unwrap();
    fs::hard_link(world.from.join("plain"), world.from.join("and this")).unwrap();
    for (name, to) in
        [("relative", "plain"), ("absolute", "/etc/passwd"), ("dangling", "nowhere"), ("up", "..")]
    {
        symlink(to, inner.join(name)).unwrap();
    }
    let sticky = world.directory("sticky");
    fs::set_permissions(&sticky, Permissions::from_mode(0o1777)).unwrap();
    fs::set_permissions(&inner, Permissions::from_mode(0o555)).unwrap();
    age(&world.from);
    let tally = world.copy(None).unwrap();
    assert_eq!(listed(&world.from), listed(&world.to));
    let Tally { files, directories, links, left_out_in_all, kept, setuid, .. } = tally;
    assert_eq!((files, directories, links), (10, 3, 4));
    assert_eq!((left_out_in_all, kept, setuid), (0, 0, 0));
    let [one, other] =
        ["plain", "inner/same as plain"].map(|name| world.to.join(name).metadata().unwrap().ino());
    assert_eq!(one, other, "hard links stay hard links");
    let owner = world.to.join("plain").metadata().unwrap().uid();
    assert_eq!(owner, getuid().as_raw());
}

#[test]
fn setuid_bits_are_dropped_and_special_files_left_out() {
    let world = World::new();
    world.file("sudo", "x", 0o4755);
    world.file("wall", "x", 0o2755);
    let _listener = UnixListener::bind(world.from.join("socket")).unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        world.from.join("pipe"),
        rustix::fs::Mode::from_raw_mode(0o644),
    )
    .unwrap();
    let tally = world.copy(None).unwrap();
    assert_eq!((tally.files, tally.setuid), (2, 2));
    for name in ["sudo", "wall"] {
        assert_eq!(world.to.join(name).metadata().unwrap().mode() & 0o7777, 0o755);
    }
    assert_eq!(listed(&world.to).len(), 2);
    let mut left_out: Vec<_> = tally.left_out.iter().map(|it| (&it.path, it.why)).collect();
    left_out.sort_by_key(|(path, _)| *path);
    let [pipe, socket] = ["pipe", "socket"].map(|name| world.from.join(name));
    assert_eq!(left_out, [(&pipe, Why::Special), (&socket, Why::Special)]);
}

#[test]
fn what_the_user_cannot_read_is_named_and_left_out() {
    let world = World::new();
    world.file("public", "x", 0o644);
    let closed = world.directory("closed");
    fs::write(closed.join("file"), "x").unwrap();
    let unsearchable = world.directory("unsearchable");
    fs::write(unsearchable.join("file"), "x").unwrap();
    for count in 0..30 {
        world.file(format!("secret-{count}"), "x", 0o000);
    }
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(&unsearchable, Permissions::from_mode(0o444)).unwrap();
    let [from, to] = [&world.from, &world.to].map(|path| path.to_str().unwrap());
    fs::create_dir_all(format!("{to}{from}")).unwrap();
    for part in Path::new(&format!("{to}{from}")).ancestors().take_while(|part| *part != world.to) {
        fs::set_permissions(part, Permissions::from_mode(0o777)).unwrap();
    }
    let output = world.run(&["--targets", to, from]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let named = said.lines().filter(|line| line.contains("cannot read")).count();
    assert_eq!(named, 20, "{said}");
    assert!(said.contains("left out: 12 more"), "{said}");
    assert!(said.contains("1 files (1 bytes), 1 directories, 0 links, 32 left out"), "{said}");
    let copied: Vec<_> = listed(Path::new(&format!("{to}{from}"))).into_keys().collect();
    assert_eq!(copied, ["public", "unsearchable"].map(PathBuf::from));
    for path in [&closed, &unsearchable] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&world.from, Permissions::from_mode(0o700)).unwrap();
    if getuid().is_root() {
        let output = world.run(&["--targets", to, from]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(said.contains("uid 65534 cannot read the directory"), "{said}");
    }
}

#[test]
fn what_is_there_already_stays() {
    let world = World::new();
    world.file("changed", "image", 0o644);
    world.file("lost", "image", 0o644);
    world.file("other", "image", 0o644);
    let inner = world.directory("inner");
    fs::write(inner.join("new"), "image").unwrap();
    symlink("changed", world.from.join("link")).unwrap();
    world.copy(None).unwrap();
    fs::write(world.to.join("changed"), "application").unwrap();
    fs::remove_file(world.to.join("lost")).unwrap();
    fs::remove_file(world.to.join("other")).unwrap();
    let outside = world.to.with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, world.to.join("other")).unwrap();
    fs::remove_dir_all(world.to.join("inner")).unwrap();
    symlink(&outside, world.to.join("inner")).unwrap();
    // A start that was killed has left half a file.
    fs::write(world.to.join(".ironhull-seed-0"), "half").unwrap();
    let tally = world.copy(None).unwrap();
    assert_eq!(fs::read(world.to.join("changed")).unwrap(), b"application");
    assert_eq!(fs::read(world.to.join("lost")).unwrap(), b"image");
    assert_eq!(tally.kept, 4, "{tally:?}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "a link was followed");
    assert!(!world.to.join(".ironhull-seed-0").exists());
}

/// What the application has done to directories since holds, when the pod starts again.
#[test]
fn what_the_application_has_closed_stays_closed() {
    let world = World::new();
    for name in ["private", "writeless", "gone"] {
        let inner = world.directory(name);
        fs::write(inner.join("file"), "image").unwrap();
        fs::set_permissions(inner, Permissions::from_mode(0o755)).unwrap();
    }
    let [from, to] = [&world.from, &world.to].map(|path| path.to_str().unwrap().to_owned());
    fs::create_dir_all(format!("{to}{from}")).unwrap();
    for part in Path::new(&format!("{to}{from}")).ancestors().take_while(|part| *part != world.to) {
        fs::set_permissions(part, Permissions::from_mode(0o777)).unwrap();
    }
    let start = || {
        let output = world.run(&["--targets", &to, &from]);
        assert!(output.status.success(), "{output:?}");
    };
    start();
    let copied = |name: &str| PathBuf::from(format!("{to}{from}/{name}"));
    let mode = |name: &str| copied(name).metadata().unwrap().mode() & 0o7777;
    assert_eq!((mode("private"), mode("writeless")), (0o755, 0o755));
    for (name, mode) in [("private", 0o700), ("writeless", 0o300)] {
        fs::set_permissions(copied(name), Permissions::from_mode(mode)).unwrap();
    }
    fs::remove_file(copied("private").join("file")).unwrap();
    // A start that was killed leaves directories without their mode, and a directory may have the
    // name of what is unfinished.
    fs::set_permissions(copied("gone"), Permissions::from_mode(0o1700)).unwrap();
    fs::create_dir(copied(".ironhull-seed-0")).unwrap();
    start();
    assert_eq!((mode("private"), mode("writeless"), mode("gone")), (0o700, 0o300, 0o755));
    assert!(copied("private").join("file").exists());
}

#[test]
fn more_than_the_limit_is_an_error_before_it_is_written() {
    let world = World::new();
    for count in 0..10 {
        world.file(format!("file-{count}"), &"x".repeat(10_000), 0o644);
    }
    // Each takes three blocks of 4,096 bytes.
    world.copy(Some(10 * 3 * 4096)).unwrap();
    let again = World::new();
    for count in 0..10 {
        again.file(format!("file-{count}"), &"x".repeat(10_000), 0o644);
    }
    let error = again.copy(Some(10 * 3 * 4096 - 1)).unwrap_err();
    assert!(matches!(error, CopyError::TooLarge { limit: 122_879, .. }), "{error}");
    assert!(error.to_string().contains("raise `readOnlyRootFilesystem.sizeLimit`"), "{error}");
    assert_eq!(fs::read_dir(&again.to).unwrap().count(), 9);
}

#[test]
fn a_path_that_cannot_be_copied_says_why() {
    let world = World::new();
    world.file("file", "x", 0o644);
    let missing = copy(&world.from.join("gone"), &world.to, None).unwrap_err();
    assert!(matches!(missing, CopyError::Missing(_)), "{missing}");
    let file = copy(&world.from.join("file"), &world.to, None).unwrap_err();
    assert!(matches!(file, CopyError::NotADirectory(_)), "{file}");
    // The path itself may be a link: the mount in the application's container follows it, too.
    symlink(&world.from, world.to.with_file_name("link")).unwrap();
    assert_eq!(copy(&world.to.with_file_name("link"), &world.to, None).unwrap().files, 1);
    let mut deep = world.from.clone();
    for _ in 0..300 {
        deep.push("d");
        fs::create_dir(&deep).unwrap();
    }
    let deep = world.copy(None).unwrap_err();
    assert!(matches!(deep, CopyError::TooDeep(_)), "{deep}");
    let to = world.to.to_str().unwrap();
    let output = world.run(&["--targets", to, "--if-present", "/not-there"]);
    assert!(output.status.success());
    assert_eq!(output.stdout, b"/not-there: the image has no such directory\n");
    let output = world.run(&["--targets", to, "/not-there"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        said,
        "error: the image has no directory `/not-there`: correct the path in `writable-paths`\n"
    );
}

#[test]
fn ten_thousand_files() {
    let world = World::new();
    for directory in 0..100 {
        let inner = world.directory(&format!("d{directory}"));
        for file in 0..100 {
            fs::write(inner.join(format!("f{file}")), "x".repeat(100)).unwrap();
        }
    }
    let began = Instant::now();
    let tally = world.copy(None).unwrap();
    println!("10,000 files in {:?}", began.elapsed());
    assert_eq!((tally.files, tally.bytes, tally.directories), (10_000, 1_000_000, 100));
    assert_eq!(listed(&world.from), listed(&world.to));
}

#[test]
fn the_program_is_installed_whole_and_as_often_as_asked() {
    let world = World::new();
    let directory = world.to.to_str().unwrap();
    for _ in 0..2 {
        // A start that was killed has left half a program, which nobody may write to.
        let half = world.to.join(".unfinished");
        fs::write(&half, "half").unwrap();
        fs::set_permissions(&half, Permissions::from_mode(0o555)).unwrap();
        let output = ironhull().args(["seed", "install", directory]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let names: Vec<_> =
        fs::read_dir(&world.to).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["ironhull"]);
    let installed = world.to.join("ironhull");
    assert_eq!(installed.metadata().unwrap().mode() & 0o7777, 0o555);
    assert_eq!(fs::read(installed).unwrap(), fs::read(env!("CARGO_BIN_EXE_ironhull")).unwrap());
    let output = ironhull().args(["seed", "install", "/not-there"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: cannot copy this program to `/not-there`: "), "{said}");
}
