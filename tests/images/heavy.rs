//! Layers that are large, or want to be: what reading them takes, in time and memory, of the program
//! as people run it. `make heavy-images`; too long for every test.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::commands::ironhull;
use super::fake::{Fake, Reply};
use super::image::{LayoutDirectory, Packing};
use super::tar::{Entry, Tar, header};

const MIB: u64 = 1 << 20;
/// What the program may take of memory, whatever it reads: nearly all of it are names.
const MEMORY: u64 = 640 * MIB;

/// A gzip stream of one piece, and of another one many times. Streams may follow one another.
fn members(first: &[u8], again: &[u8], times: usize) -> Vec<u8> {
    let pack = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    [pack(first), pack(again).repeat(times)].concat()
}

/// The header of an entry of so many bytes, written as GNU tar writes what octal digits do not hold.
fn large(entry: Entry<'_>, size: u64) -> Vec<u8> {
    let mut block = header(entry, 0);
    block[124..136].fill(0);
    block[124] = 0x80;
    block[128..136].copy_from_slice(&size.to_be_bytes());
    super::tar::sealed(block).to_vec()
}

/// An image whose only layer is this, as it is stored.
fn image(path: &Path, layer: &[u8], packing: Packing) {
    let mut layout = LayoutDirectory::new(path);
    let layer = layout.blob(packing.media_type(), layer);
    let file = json!({"os": "linux", "architecture": "amd64", "config": {"User": "app"}});
    let config =
        layout.blob("application/vnd.oci.image.config.v1+json", file.to_string().as_bytes());
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer],
    });
    let manifest = layout.blob(media_type, manifest.to_string().as_bytes());
    layout.tag(Some("1"), manifest);
}

/// What came of reading an image, how long it took, and the most memory it had.
fn read(path: &Path) -> (i32, String, Duration, u64) {
    let registry = Fake::start(Some(path), |_| Reply::Usual);
    let home = tempfile::tempdir().unwrap();
    let image = registry.image("1");
    let mut command = ironhull(home.path(), &["image", "facts", "--no-cache", &image]);
    command.stdout(Stdio::null()).stderr(fs::File::create(home.path().join("said")).unwrap());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut most = 0;
    let status = loop {
        most = most.max(peak(&child));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let said = fs::read_to_string(home.path().join("said")).unwrap();
    (status.code().unwrap(), said, began.elapsed(), most)
}

/// The most memory that a process has had, in bytes; 0 once it is gone.
fn peak(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

fn measured(what: &str, layer: &[u8], packing: Packing, expected: Result<(), &str>) {
    let home = tempfile::tempdir().unwrap();
    image(home.path(), layer, packing);
    let (code, said, took, most) = read(home.path());
    println!(
        "{what}: {} bytes stored; {:.1} s, {} MiB at most; {}",
        layer.len(),
        took.as_secs_f64(),
        most / MIB,
        said.trim()
    );
    match expected {
        Ok(()) => assert_eq!((code, said.as_str()), (0, ""), "{what}"),
        Err(why) => assert!(code == 1 && said.contains(why), "{what}: {said}"),
    }
    assert!(most > 0 && most < MEMORY, "{what}: {most} bytes");
}

#[test]
#[ignore = "minutes: make heavy-images"]
fn a_layer_of_a_gibibyte_is_not_held() {
    let passwd = Tar::new().file("etc/passwd", "app:x:7:7::/:\n").open();
    let mut layer = [passwd, large(Entry { name: "model", ..Entry::default() }, 1 << 30)].concat();
    let block: Vec<u8> = (0..1_u32 << 18).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
    let end = layer.len() + (1 << 30);
    while layer.len() < end {
        layer.extend_from_slice(&block);
    }
    layer.truncate(end);
    layer.resize(layer.len().next_multiple_of(512) + 1024, 0);
    measured("a layer of 1 GiB", &layer, Packing::None, Ok(()));
}

#[test]
#[ignore = "minutes: make heavy-images"]
fn what_unpacks_to_very_much_is_refused() {
    let zeros = vec![0; 16 << 20];
    // 10 GiB of one file, of which the stored bytes are a thousandth.
    let head = large(Entry { name: "zeros", ..Entry::default() }, 10 << 30);
    let bomb = members(&head, &zeros, 640);
    measured("a gzip bomb of 10 GiB", &bomb, Packing::Gzip, Err("200 times as large"));
    // A name of 1 GiB.
    let head = large(Entry { name: "././@LongLink", kind: b'L', ..Entry::default() }, 1 << 30);
    let long = members(&head, &vec![b'a'; 16 << 20], 64);
    measured("a name of 1 GiB", &long, Packing::Gzip, Err("name"));
    // Ten million entries, a thousand at a time.
    let thousand: Vec<u8> = (0..1000)
        .flat_map(|n| header(Entry { name: &format!("d/{n}"), ..Entry::default() }, 0))
        .collect();
    let many = members(&thousand, &thousand, 10_000);
    measured("ten million entries", &many, Packing::Gzip, Err("entries"));
}

#[test]
#[ignore = "minutes: make heavy-images"]
fn very_many_names_are_refused() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for number in 0..1_500_000 {
        let name = format!("node_modules/{number:x}/a-name-of-some-length-that-is-kept/{number}");
        encoder.write_all(&header(Entry { name: &name, ..Entry::default() }, 0)).unwrap();
    }
    let layer = encoder.finish().unwrap();
    measured("1.5 million names of 70 bytes", &layer, Packing::Gzip, Err("name"));
}
