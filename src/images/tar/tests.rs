#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says where")]

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

#[test]
fn entries_and_their_content() {
    let bytes = Tar::new()
        .owned_directory("data/", 0o1777, 5, 6)
        .file("data/a", "some text")
        .symlink("data/b", "/data/a")
        .hard_link("data/c", "data/a")
        .entry(Entry { name: "null", kind: b'3', ..Entry::default() }, b"")
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
    assert_eq!(archive.next().unwrap().unwrap().kind, Kind::Special);
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
