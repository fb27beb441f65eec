#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails says where"
)]

use super::*;
use crate::images::testing::tar::{Entry, Tar, header, sealed};

fn headers(archive: &[u8]) -> Result<Vec<Header>, ImageError> {
    let mut archive = Archive::new(archive);
    let mut headers = Vec::new();
    while let Some(header) = archive.next()? {
        headers.push(header);
    }
    Ok(headers)
}

fn names(archive: &[u8]) -> Vec<String> {
    headers(archive).unwrap().into_iter().map(|header| header.name).collect()
}

/// A header of a character device.
fn device(name: &str, major: u32, minor: u32) -> [u8; 512] {
    let mut block = header(Entry { name, kind: b'3', ..Entry::default() }, 0);
    block[329..337].copy_from_slice(format!("{major:07o}\0").as_bytes());
    block[337..345].copy_from_slice(format!("{minor:07o}\0").as_bytes());
    sealed(block)
}

#[test]
fn entries_and_their_content() {
    let bytes = Tar::new()
        .owned_directory("data/", 0o1777, 5, 6)
        .file("data/a", "some text")
        .symlink("data/b", "/data/a")
        .hard_link("data/c", "data/a")
        .entry(Entry { name: "disk", kind: b'4', ..Entry::default() }, b"")
        .entry(Entry { name: "removed", kind: b'3', ..Entry::default() }, b"")
        .header(&device("null", 1, 3))
        .finish();
    let mut archive = Archive::new(&*bytes);
    let directory = archive.next().unwrap().unwrap();
    assert_eq!((directory.kind, directory.mode), (Kind::Directory, 0o1777));
    assert_eq!((directory.uid, directory.gid), (5, 6));
    let file = archive.next().unwrap().unwrap();
    assert_eq!((file.kind, file.size), (Kind::File, 9));
    let mut text = String::new();
    archive.read_content().read_to_string(&mut text).unwrap();
    assert_eq!(text, "some text");
    let symlink = archive.next().unwrap().unwrap();
    assert_eq!((symlink.kind, symlink.link.as_str()), (Kind::Symlink, "/data/a"));
    let link = archive.next().unwrap().unwrap();
    assert_eq!((link.kind, link.link.as_str()), (Kind::Link, "data/a"));
    for kind in [Kind::Special, Kind::Removed, Kind::Special] {
        assert_eq!(archive.next().unwrap().unwrap().kind, kind);
    }
    assert_eq!(archive.next(), Ok(None));
}

#[test]
fn content_that_is_not_read_is_skipped() {
    let bytes = Tar::new().file("a", vec![7; 5000]).file("b", "").file("c", "x").finish();
    assert_eq!(names(&bytes), ["a", "b", "c"]);
}

#[test]
fn long_names() {
    let long = "d/".repeat(120) + "file";
    let entry = Tar::new().gnu_long(b'L', &long).file("cut", "x");
    let entry = entry.gnu_long(b'K', &long).symlink("link", "cut");
    let entry = entry.pax(&[("path", long.as_bytes())]).file("cut", "x").file("next", "");
    let read = headers(&entry.finish()).unwrap();
    assert_eq!((&read[0].name, &read[1].link, &read[2].name), (&long, &long, &long));
    assert_eq!(read[3].name, "next");
    // ustar's prefix, which GNU does not have.
    let mut block = header(Entry { name: "name", ..Entry::default() }, 0);
    block[345..351].copy_from_slice(b"prefix");
    assert_eq!(names(&Tar::new().header(&sealed(block)).finish()), ["prefix/name"]);
    block[257..265].copy_from_slice(b"ustar  \0");
    assert_eq!(names(&Tar::new().header(&sealed(block)).finish()), ["name"]);
}

#[test]
fn extended_headers() {
    let records: [(&str, &[u8]); 5] = [
        ("uid", b"4000000"),
        ("gid", b"4000001"),
        ("size", b"3"),
        ("mtime", b"1.5"),
        (XATTR_CAPABILITY, b"\x01\x00\n\x02"),
    ];
    let mut archive = Tar::new().pax_of_kind(b'g', &[("uid", b"9")]).pax(&records);
    // The header says 0; the records win.
    archive = archive.header(&header(Entry::default(), 0)).content(b"abc").file("next", "");
    let read = headers(&archive.finish()).unwrap();
    assert_eq!(read[0].kind, Kind::Global);
    assert_eq!((read[1].uid, read[1].gid, read[1].size), (4_000_000, 4_000_001, 3));
    assert_eq!(read[1].capability.as_deref(), Some(&b"\x01\x00\n\x02"[..]));
    assert_eq!((read[2].name.as_str(), read[2].uid), ("next", 0));
}

#[test]
fn numbers_in_base_256() {
    let mut block = header(Entry::default(), 0);
    block[108..116].copy_from_slice(&[0x80, 0, 0, 0, 0x12, 0x34, 0x56, 0x78]);
    let read = headers(&Tar::new().header(&sealed(block)).finish()).unwrap();
    assert_eq!(read[0].uid, 0x1234_5678);
    block[124..136].copy_from_slice(&[0xff; 12]);
    let error = headers(&Tar::new().header(&sealed(block)).finish()).unwrap_err();
    assert_eq!(error.message, "the archive has a negative size");
}

#[test]
fn sparse_files() {
    // Old GNU: a map in the header, and one more block of it.
    let mut block = header(Entry { name: "sparse", kind: b'S', ..Entry::default() }, 512);
    block[257..265].copy_from_slice(b"ustar  \0");
    block[482] = 1;
    let old = Tar::new().header(&sealed(block)).content(&[0; 512]).content(&[1; 512]);
    let records: [(&str, &[u8]); 3] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.name", b"real"),
        ("GNU.sparse.realsize", b"4096"),
    ];
    let both = old.pax(&records).file("GNUSparseFile.1/real", vec![0; 600]).file("next", "");
    let read = headers(&both.finish()).unwrap();
    let said: Vec<_> = read.iter().map(|it| (it.name.as_str(), it.kind, it.sparse)).collect();
    let file = Kind::File;
    assert_eq!(said, [("sparse", file, true), ("real", file, true), ("next", file, false)]);
}

#[test]
fn an_archive_may_end_without_an_end() {
    assert_eq!(names(&Tar::new().file("a", "x").open()), ["a"]);
    assert!(names(b"").is_empty());
    let one = [Tar::new().file("a", "x").open(), vec![0; 512]].concat();
    assert_eq!(names(&one), ["a"]);
}

#[test]
fn what_is_no_archive() {
    let huge = header(Entry { name: "x", kind: b'L', ..Entry::default() }, 1 << 30);
    let mut unsealed = header(Entry::default(), 0);
    unsealed[0] = b'?';
    for (archive, why) in [
        (vec![b'x'; 512], "the archive has a number that is none"),
        (unsealed.to_vec(), "this is no tar archive, or it is damaged"),
        (vec![b'x'; 100], "the archive ends within a header"),
        (
            Tar::new().file("a", vec![1; 600]).open()[..1024].to_vec(),
            "the archive ends within a file",
        ),
        (huge.to_vec(), "the archive has a name or headers of more than 1 MiB"),
        (
            Tar::new().entry(Entry { kind: b'x', ..Entry::default() }, b"99 a=b\n").finish(),
            "the archive has damaged extended headers",
        ),
        (
            Tar::new().entry(Entry { kind: b'M', ..Entry::default() }, b"").finish(),
            "the archive has an entry of type `M`",
        ),
    ] {
        assert_eq!(headers(&archive).unwrap_err().message, why);
    }
}

/// Whatever the bytes are, there is an end.
#[test]
fn no_bytes_stop_it() {
    let whole = Tar::new().gnu_long(b'L', "name").file("a", "text").directory("b").finish();
    for at in 0..whole.len() {
        for value in [0, b'7', 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            drop(headers(&damaged));
        }
        drop(headers(&whole[..at]));
    }
}

/// What the program `tar` writes, in each of its formats.
#[test]
fn archives_of_tar() {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::Command;

    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join("files").join(name);
    let (long, longer) = ("d".repeat(90), format!("{}/{}", "e".repeat(120), "f".repeat(120)));
    fs::create_dir_all(at(&longer)).unwrap();
    fs::create_dir_all(at(&long)).unwrap();
    fs::write(at(&format!("{long}/file")), "text").unwrap();
    fs::write(at(&format!("{longer}/file")), "longer text").unwrap();
    fs::write(at("su"), "program").unwrap();
    fs::set_permissions(at("su"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::hard_link(at("su"), at("zz-linked")).unwrap();
    symlink(format!("{longer}/file"), at("link")).unwrap();
    // A hole at the beginning, and one in the middle.
    let sparse = fs::File::create(at("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"one", 1 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"two", 3 << 20).unwrap();
    for format in ["gnu", "oldgnu", "pax", "ustar", "v7"] {
        // The others have no sparse files.
        let has_sparse = matches!(format, "gnu" | "oldgnu" | "pax");
        for sparse in ["--sparse", "--no-seek"].into_iter().skip(usize::from(!has_sparse)) {
            let archive = home.path().join("archive.tar");
            let mut command = Command::new("tar");
            command.arg(format!("--format={format}")).args([sparse, "--sort=name", "-cf"]);
            command.arg(&archive).arg("-C").arg(home.path().join("files"));
            // Names that a format cannot hold are left out.
            match format {
                "v7" => command.args(["su", "zz-linked", "sparse"]),
                "ustar" => command.args(["su", "zz-linked", "sparse"]).arg(&long),
                _ => command.arg("."),
            };
            assert!(command.status().unwrap().success());
            let listed = Command::new("tar").arg("-tf").arg(&archive).output().unwrap();
            let listed = String::from_utf8(listed.stdout).unwrap();
            let bytes = fs::read(&archive).unwrap();
            let read = headers(&bytes).unwrap_or_else(|error| panic!("{format} {sparse}: {error}"));
            let names: Vec<_> = read.iter().map(|header| header.name.as_str()).collect();
            assert_eq!(names, listed.lines().collect::<Vec<_>>(), "{format} {sparse}");
            let of = |end: &str| read.iter().find(|header| header.name.ends_with(end)).unwrap();
            assert_eq!((of("su").kind, of("su").mode), (Kind::File, 0o4755), "{format}");
            assert_eq!(of("zz-linked").kind, Kind::Link);
            assert!(of("zz-linked").link.ends_with("su"));
            let is_sparse = sparse == "--sparse";
            assert_eq!(of("sparse").sparse, is_sparse, "{format} {sparse}");
            if format != "ustar" && format != "v7" {
                assert_eq!(of("link").link, format!("{longer}/file"));
            }
        }
    }
}
