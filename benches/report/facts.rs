//! What facts of many images cost the server, and how long it takes to read images.

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use ironhull::facts::{FactTable, ImageFacts, WritableDirectory};
use ironhull::images::write;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Bench;
use crate::engine::time;
use crate::fake::{Fake, Reply};
use crate::image::{LayoutDirectory, Packing};
use crate::support::load::{Connections, Load};
use crate::support::reviews::{needy_pod, review};
use crate::support::server::{Server, serve};
use crate::support::stats::Spread;
use crate::tar::Tar;

/// Files of facts, as many as `ironhull watch` writes.
const FILES: usize = 16;
/// Tags of a repository.
const TAGS: usize = 16;

/// Measures all of it.
pub fn run(bench: &Bench) -> anyhow::Result<Value> {
    let images = if bench.smoke { 64 } else { 40_000 };
    let entries: Vec<ImageFacts> = (0..images).map(entry).collect();
    let (directory, bytes) = files(&entries)?;

    bench.say("look-ups");
    let look_up_ns = [&entries[..1], &entries[..]].map(|entries| {
        let table = FactTable::new(entries);
        let name = entry(entries.len() - 1).image;
        let find = || {
            black_box(table.find(black_box(&name), black_box(&name)));
        };
        let seen = (0..bench.rounds).map(|_| time(find, if bench.smoke { 10 } else { 100_000 }));
        Spread::of(seen.collect::<Vec<_>>())
    });

    bench.say(&format!("servers without facts, and with those of {images} images"));
    let with = vec!["--facts".to_owned(), directory.path().display().to_string()];
    let servers = [start(bench, &[])?, start(bench, &with)?];
    ensure!(servers[1].metric("ironhull_image_facts") as usize == images, "facts are missing");
    let memory = [servers[0].process().memory()?, servers[1].process().memory()?];
    // The same question of both: of one of the images.
    let mut pod = needy_pod(1);
    pod["spec"]["containers"][0]["image"] = json!(entry(images / 2).image);
    let mut load = Load {
        connections: 8,
        over: Connections::Kept,
        until: bench.until(200, 20),
        bodies: vec![review(&pod, "shop")],
    };
    for server in &servers {
        load.run(server)?;
    }
    load.until = bench.until(1000, 50);
    let [without, known] = bench.in_turn(|which| load.run(&servers[which]))?;
    let ready = servers.each_ref().map(|server| server.ready_after.as_secs_f64() * 1e3);
    Ok(json!({
        "images": images,
        "bytes": bytes,
        "look_up_ns": {"one": look_up_ns[0], "all": look_up_ns[1]},
        "without": {"memory": memory[0], "ready_ms": ready[0]},
        "with": {"memory": memory[1], "ready_ms": ready[1]},
        "p50_ratio": Spread::of_ratios(&known, &without, |slice| slice["p50_us"]),
        "cpu_ratio": Spread::of_ratios(&known, &without, |slice| slice["cpu_us"]),
        "reading": reading(bench)?,
    }))
}

/// A server that is left alone for a while.
fn start(bench: &Bench, arguments: &[String]) -> anyhow::Result<Server> {
    let server = Server::start(serve(&bench.binary, arguments))?;
    thread::sleep(Duration::from_secs(u64::from(!bench.smoke)));
    Ok(server)
}

/// An image like others: every tag of a repository has the same, but for the digest.
fn entry(index: usize) -> ImageFacts {
    let (repository, tag) = (index / TAGS, index % TAGS);
    let uid = 1000 + u32::try_from(repository % 500).unwrap_or_default();
    ImageFacts {
        image: format!("registry.corp.example/team-{}/app-{repository}:1.{tag}", repository % 40),
        digest: Some(format!("sha256:{index:064x}")),
        platforms: vec!["linux/amd64".to_owned()],
        user: Some("app".to_owned()),
        uid: Some(uid),
        gid: Some(uid),
        groups: vec![uid],
        home: Some("/home/app".to_owned()),
        entrypoint: vec!["/usr/local/bin/docker-entrypoint.sh".to_owned()],
        cmd: vec!["server".to_owned(), "--listen".to_owned(), ":8080".to_owned()],
        working_dir: Some("/srv/app".to_owned()),
        ports: vec!["8080/tcp".to_owned()],
        writable: [("/home/app", false), ("/srv/app/cache", true)]
            .map(|(path, empty)| WritableDirectory { path: path.to_owned(), empty })
            .into(),
        ..ImageFacts::default()
    }
}

/// A directory with the facts, and their size in bytes.
fn files(entries: &[ImageFacts]) -> anyhow::Result<(TempDir, usize)> {
    let directory = tempfile::tempdir()?;
    let mut bytes = 0;
    for (number, entries) in entries.chunks(entries.len().div_ceil(FILES)).enumerate() {
        let text = write::document([write::lines(entries).as_str()].into_iter());
        bytes += text.len();
        fs::write(directory.path().join(format!("facts-{number:02}.yaml")), text)?;
    }
    Ok((directory, bytes))
}

/// Measures `image facts`: of many images in a registry, with nothing read before, and again.
fn reading(bench: &Bench) -> anyhow::Result<Value> {
    let images = if bench.smoke { 4 } else { 200 };
    bench.say(&format!("{images} images in a registry"));
    let home = tempfile::tempdir()?;
    let layout = home.path().join("layout");
    let stored = fill(&layout, images, if bench.smoke { 1 << 10 } else { 4 << 20 });
    let registry = Fake::start(Some(&layout), |_| Reply::Usual);
    let names: Vec<String> =
        (0..images).map(|number| registry.image(&number.to_string())).collect();
    let mut seconds = [Vec::new(), Vec::new()];
    let mut requests = [0, 0];
    for round in 0..bench.rounds.min(3) {
        let cache = home.path().join(format!("cache-{round}"));
        for (again, seconds) in seconds.iter_mut().enumerate() {
            let (before, began) = (registry.seen().len(), Instant::now());
            read(bench, &names, &cache)?;
            seconds.push(began.elapsed().as_secs_f64());
            requests[again] = registry.seen().len() - before;
        }
    }
    let [cold, warm] = seconds.map(Spread::of);
    Ok(json!({
        "images": images, "stored_bytes": stored, "cold_seconds": cold, "warm_seconds": warm,
        "cold_requests": requests[0], "warm_requests": requests[1],
    }))
}

fn read(bench: &Bench, names: &[String], cache: &Path) -> anyhow::Result<()> {
    let output = Command::new(&bench.binary)
        .args(["image", "facts", "--cache"])
        .arg(cache)
        .args(names)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "image facts: {said}");
    let read = String::from_utf8_lossy(&output.stdout).matches("- image:").count();
    ensure!(read == names.len(), "{read} images were read");
    Ok(())
}

/// Fills a layout with images: a base that all have, one layer that ten have, and one of their own.
/// Returns the bytes of all distinct layers, as they are stored.
fn fill(path: &Path, images: usize, base: usize) -> u64 {
    let mut layout = LayoutDirectory::new(path);
    // Text, since a compressor has something to do with it, and not everything.
    let content = |seed: usize, bytes: usize| {
        let mut text = String::new();
        while text.len() < bytes {
            let _ = writeln!(text, "{:x}", (text.len() * 31 + seed).wrapping_mul(0x9e37_79b9));
        }
        text
    };
    let layer = |name: &str, seed: usize, bytes: usize| {
        let tar = Tar::new().file("etc/passwd", "app:x:1500:1600::/app:/bin/sh\n");
        let tar = (0..200).fold(tar, |tar, file| {
            tar.file(&format!("usr/{name}/{file}"), content(seed + file, bytes / 200))
        });
        tar.owned_directory("app/cache", 0o755, 1500, 1600).finish()
    };
    let base_layer = layer("base", 0, base);
    for number in 0..images {
        let layers = [
            (Packing::Gzip, base_layer.clone()),
            (Packing::Gzip, layer("shared", 1000 + number / 10, base / 2)),
            (Packing::Gzip, layer("own", 5000 + number, base / 8)),
        ];
        let manifest = layout.manifest("linux/amd64", json!({"User": "app"}), &layers);
        layout.tag(Some(&number.to_string()), manifest);
    }
    let blobs = fs::read_dir(path.join("blobs/sha256")).into_iter().flatten().flatten();
    blobs.filter_map(|blob| Some(blob.metadata().ok()?.len())).sum()
}
