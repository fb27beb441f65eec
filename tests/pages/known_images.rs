//! `docs/known-images.md`, and that no comment in `policies/images.yaml` states a condition
//! that no field has.

use std::fmt::Write;

use ironhull::image::{EntryFsGroup, EntryUser, ImageEntry, Purpose};
use ironhull::policy::{Policy, Writable};

/// The compiled-in list.
fn entries() -> &'static [ImageEntry] {
    Policy::restricted().images.known().unwrap().entries()
}

/// The page.
pub fn page() -> String {
    let mut page = String::from(
        "# The known images\n\nGenerated from [policies/images.yaml](../policies/images.yaml) by `make docs`. That file has the \
         sources, and [policies.md](policies.md#images) what the columns mean. The first row that matches an image counts. `volume` is a mount at the path or above it.\n\n\
         | images | tags | uid:gid, fsGroup | writable paths | conditions |\n|---|---|---|---|---|\n",
    );
    for entry in entries() {
        let patterns: Vec<_> =
            entry.patterns.iter().map(|pattern| format!("`{}`", pattern.as_str())).collect();
        let tags = entry.tags.as_ref().map(|tags| format!("`{tags}`")).unwrap_or_default();
        let paths = entry.writable_paths.iter().flatten();
        let paths: Vec<_> =
            paths.map(|it| format!("`{}`", Writable::written(it.path.as_str(), it.seed))).collect();
        let _ = writeln!(
            page,
            "| {} | {tags} | {} | {} | {} |",
            patterns.join("<br>"),
            user(entry),
            paths.join(" "),
            conditions(entry).join("<br>"),
        );
    }
    let bounded = entries().iter().filter(|entry| entry.tags.is_some()).count();
    let required: usize = entries().iter().map(|entry| entry.requires.len()).sum();
    let never = entries().iter().filter(|entry| entry.needs_writable_root).count();
    let ports = entries().iter().filter(|entry| !entry.ports.is_empty()).count();
    let _ = writeln!(
        page,
        "\n{} entries: {bounded} hold for some tags only, {required} requirements, {never} that can never have a \
         read-only root, {ports} that listen below 1024.",
        entries().len(),
    );
    page
}

fn user(entry: &ImageEntry) -> String {
    let user = match entry.user {
        Some(EntryUser::Uid(uid)) => uid.get().to_string(),
        Some(EntryUser::Image) => "its own".to_owned(),
        None => "any".to_owned(),
    };
    let group = entry.group.map(|gid| format!(":{}", gid.get())).unwrap_or_default();
    let fs_group = match entry.fs_group {
        Some(EntryFsGroup::Gid(gid)) => format!(", {}", gid.get()),
        Some(EntryFsGroup::None) => ", no fsGroup".to_owned(),
        None => String::new(),
    };
    format!("{user}{group}{fs_group}")
}

fn conditions(entry: &ImageEntry) -> Vec<String> {
    let mut conditions = Vec::new();
    if entry.needs_writable_root {
        conditions.push("no read-only root".to_owned());
    }
    for requirement in &entry.requires {
        let purpose = match requirement.purpose {
            Purpose::NonRoot => "as non-root",
            Purpose::ReadOnlyRoot => "a read-only root",
        };
        conditions.push(format!("{purpose} only if {requirement}"));
    }
    for port in &entry.ports {
        conditions.push(format!("port {port}"));
    }
    for added in &entry.add_capabilities {
        conditions.push(format!("adds {}", added.as_str()));
    }
    conditions
}

/// Words that state a condition, and whether a field of the entry has such a one.
struct Marker {
    words: &'static [&'static str],
    has: fn(&ImageEntry) -> bool,
}

const MARKERS: &[Marker] = &[
    Marker {
        words: &["read-only"],
        has: |entry| {
            entry.needs_writable_root || entry.required_for(Purpose::ReadOnlyRoot).next().is_some()
        },
    },
    Marker {
        words: &["low port", "listens on 80", "listens on 443", "port 80"],
        has: |entry| !entry.ports.is_empty(),
    },
    Marker {
        words: &["file capabilit", "cap_net_bind_service"],
        has: |entry| !entry.add_capabilities.is_empty(),
    },
    Marker {
        words: &[
            "needs",
            "need ",
            "must",
            "cannot",
            "requires",
            "only with",
            "unless",
            "has to",
            "without root",
            "set to",
            "not possible",
            "do not set",
            "set `",
        ],
        has: |entry| {
            entry.needs_writable_root
                || !entry.requires.is_empty()
                || !entry.add_capabilities.is_empty()
        },
    },
    Marker {
        words: &["since ", "up to ", "older", "earlier", "newer", "no longer", "before "],
        has: |entry| {
            // `influxdb:2*` says as much as bounds would.
            let versioned = |text: &str| {
                let tag = text.rsplit(':').next().unwrap_or_default();
                tag.starts_with(|c: char| c.is_ascii_digit())
            };
            entry.tags.is_some() || entry.patterns.iter().all(|it| versioned(it.as_str()))
        },
    },
];

/// What looks like a condition and is none.
const HARMLESS: &[&str] = &["needs no root", "need no root", "listens on 8080"];

/// The conditions in comments and reasons that no field has, and how many there are in all.
/// A note (`# note: …`) says of its own marker why no field can have it.
pub fn unstated() -> (Vec<String>, usize) {
    let text = std::fs::read_to_string(super::path("policies/images.yaml")).unwrap();
    let comments = comments(&text);
    assert_eq!(comments.len(), entries().len(), "an entry without a comment, or a comment twice");
    let (mut unstated, mut count) = (Vec::new(), 0);
    for (comment, entry) in comments.iter().zip(entries()) {
        let (main, note) = parted(comment);
        let reason = entry.reason.clone().unwrap_or_default().to_lowercase();
        for text in [main, reason] {
            let text = HARMLESS.iter().fold(text, |text, phrase| text.replace(phrase, ""));
            for Marker { words, has } in MARKERS {
                let Some(word) = words.iter().find(|word| text.contains(**word)) else { continue };
                count += 1;
                if !has(entry) && !words.iter().any(|word| note.contains(word)) {
                    let name = entry.patterns[0].as_str();
                    unstated.push(format!("{name}: \"{}\" in: {text}", word.trim()));
                }
            }
        }
    }
    (unstated, count)
}

/// The comment of each entry, on one line.
fn comments(text: &str) -> Vec<String> {
    let (mut comments, mut lines) = (Vec::new(), Vec::new());
    for line in text.lines() {
        match line.trim_start().strip_prefix('#') {
            Some(comment) if line.starts_with("  #") => lines.push(comment.trim()),
            _ if line.starts_with("  - match:") => {
                comments.push(lines.join(" "));
                lines.clear();
            }
            _ => lines.clear(),
        }
    }
    comments
}

/// A comment without its sources and its note, and the note.
fn parted(comment: &str) -> (String, String) {
    let (facts, note) = comment.split_once("note:").unwrap_or((comment, ""));
    let facts = facts.split("Source:").next().unwrap_or_default();
    (facts.to_lowercase(), note.to_lowercase())
}
