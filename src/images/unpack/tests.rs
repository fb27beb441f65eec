#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says where")]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;
use crate::images::limits::Counted;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, ImageError> {
    unpack_within(bytes, &Limits::default())
}

fn unpack_within(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, ImageError> {
    let count = Cell::new(0);
    let counted = Counted::new(bytes, &count, 0, limits);
    let mut unpacked = Vec::new();
    Unpacked::new(counted, &count, limits)?.read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

#[test]
fn each_packing() {
    let text = b"some text ".repeat(50_000);
    for packed in [text.clone(), gzip(&text), zstd(&text)] {
        assert_eq!(unpack(&packed).unwrap(), text);
    }
    for empty in [Vec::new(), gzip(b""), zstd(b"")] {
        assert!(unpack(&empty).unwrap().is_empty());
    }
}

/// Lazily pulled layers are of many parts, and some of these are no content.
#[test]
fn parts_behind_each_other() {
    let gzip = [gzip(b"one "), gzip(b"two")].concat();
    assert_eq!(unpack(&gzip).unwrap(), b"one two");
    let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let zstd = [skipped.clone(), zstd(b"one "), skipped.clone(), zstd(b"two"), skipped].concat();
    assert_eq!(unpack(&zstd).unwrap(), b"one two");
}

#[test]
fn what_is_damaged_or_of_another_kind() {
    let text = b"some text ".repeat(5_000);
    for packed in [gzip(&text), zstd(&text)] {
        let half = &packed[..packed.len() / 2];
        assert_eq!(unpack(half).unwrap_err().kind, ErrorKind::BadImage, "{:?}", unpack(half));
        let mut damaged = packed.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 8].fill(0xff);
        assert!(unpack(&damaged).is_err() || unpack(&damaged).unwrap() != text);
    }
    for start in [&b"BZh91AY&SY"[..], b"\xfd7zXZ\0", b"PK\x03\x04"] {
        assert_eq!(unpack(start).unwrap_err().kind, ErrorKind::Unsupported);
    }
}

#[test]
fn bombs() {
    let limits = Limits { unpacked: 1 << 20, ..Limits::default() };
    for bomb in [gzip(&vec![0; 4 << 20]), zstd(&vec![0; 4 << 20])] {
        let error = unpack_within(&bomb, &limits).unwrap_err();
        assert_eq!(error.message, "the layer has more than 1048576 bytes once it is unpacked");
    }
    let limits = Limits { stored: 1000, ..Limits::default() };
    let error = unpack_within(&vec![b'x'; 5000], &limits).unwrap_err();
    assert_eq!(error.message, "the layer has more than 1000 bytes");
    // A window that would have to be in memory.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 1, 0, 0];
    assert_eq!(unpack(&window).unwrap_err().kind, ErrorKind::BadImage);
}

/// A source that fails says so itself, through every decoder.
#[test]
fn why_reading_failed_is_not_lost() {
    let text: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    for packed in [text.clone(), gzip(&text), zstd(&text)] {
        let limits = Limits { stored: 150_000, ..Limits::default() };
        let error = unpack_within(&packed, &limits).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
    }
}
