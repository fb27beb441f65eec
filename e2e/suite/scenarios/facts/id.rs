//! Whether facts are what `id` prints in a container: a table of images.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

use crate::pods::pod;
use crate::world::{Space, World, project, say};

/// The images that are compared: all of e2e/cluster/catalogue that have a shell. Those from
/// `user-empty` on are in its users.go, with a line on each.
const IMAGES: &[&str] = &[
    "pause",
    "busybox",
    "busybox-named-user",
    "busybox-numeric-user",
    "nginx",
    "redis",
    "postgresql",
    "memcached",
    "caddy",
    "caddy-8080",
    "injector",
    "writes-its-own",
    "user-number",
    "user-name",
    "user-group",
    "user-root",
    "user-empty",
    "user-zero",
    "user-root-name",
    "user-root-group",
    "user-no-part",
    "user-group-alone",
    "user-group-name-alone",
    "user-uid",
    "user-uid-gid",
    "user-uid-group",
    "user-uid-no-entry",
    "user-uid-gid-no-entry",
    "user-app",
    "user-app-colon",
    "user-app-group",
    "user-app-no-group",
    "user-three-parts",
    "user-no-name",
    "user-no-name-group",
    "user-case",
    "user-blank",
    "user-digits",
    "user-digits-uid",
    "user-zeros",
    "user-plus",
    "user-minus",
    "user-hexadecimal",
    "user-largest",
    "user-too-large",
    "user-huge",
    "user-two-entries",
    "user-two-names",
    "user-comment",
    "user-commented-out",
    "user-no-gid",
    "user-name-only",
    "user-blanks-around",
    "user-blanks-within",
    "user-blank-name",
    "user-carriage-returns",
    "user-no-newline",
    "user-words",
    "user-negative-entry",
    "user-negative-gid",
    "user-large-entry",
    "user-wide-entry",
    "user-huge-entry",
    "user-huge-negative-entry",
    "user-long-line",
    "user-empty-passwd",
    "user-empty-passwd-uid",
    "user-groups",
    "user-wide-group",
    "user-large-group",
    "user-negative-group",
    "user-no-group-file",
    "user-group-directory",
    "user-group-link",
    "user-replaced",
    "user-removed",
    "user-removed-uid",
    "user-removed-remade",
    "user-removed-device",
    "user-null-device",
    "user-directory",
    "user-hard-link",
    "user-hard-link-replaced",
    "user-hard-link-removed",
    "user-hard-link-to-link",
    "user-link",
    "user-link-absolute",
    "user-link-to-link",
    "user-link-through-link",
    "user-link-above-root",
    "user-link-replaced",
    "user-link-nowhere",
    "user-link-nowhere-uid",
    "user-link-circle",
    "user-link-directory",
    "user-link-root",
    "user-link-below-file",
    "user-link-back",
    "user-link-back-only",
    "user-opaque",
    "user-opaque-empty",
    "user-opaque-late",
    "user-opaque-root",
    "user-etc-removed",
    "user-etc-remade",
    "user-etc-remade-at-once",
    "user-etc-link",
    "user-etc-own-link",
    "user-etc-was-link",
    "user-etc-file",
];

/// Fewer would leave out a kind of user, or of layers.
const _: () = assert!(IMAGES.len() >= 40);

/// Containers of one pod: a pod each would take a gigabyte of memory, and of more than 25 events on
/// one pod the rest are dropped. A container has three, and more each time that it is tried again.
const CONTAINERS: usize = 5;

/// What becomes of a container.
#[derive(Clone, PartialEq, Eq)]
enum Start {
    As {
        uid: u64,
        gid: u64,
        groups: BTreeSet<u64>,
    },
    /// It cannot start, and why.
    Never(String),
}

impl Start {
    /// As `id` prints it; `None` where it did not run.
    fn of_id(printed: &str) -> Option<Self> {
        let mut lines = printed.lines();
        let (uid, gid) = (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?);
        let groups = lines.next()?.split(' ').map(str::parse);
        Some(Self::As { uid, gid, groups: groups.collect::<Result<_, _>>().ok()? })
    }

    /// As facts have it. What says less is a panic.
    fn of_facts(facts: &Value) -> Self {
        if let Some(why) = facts["unusableUser"].as_str() {
            assert!(facts["uid"].is_null() && facts["gid"].is_null(), "{facts}");
            return Self::Never(why.to_owned());
        }
        let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{facts}"));
        let groups = facts["groups"].as_array().unwrap_or_else(|| panic!("{facts}"));
        let (uid, gid) = (number(&facts["uid"]), number(&facts["gid"]));
        Self::As { uid, gid, groups: groups.iter().map(number).collect() }
    }

    /// Whether both are the same, whatever the words are for what cannot start.
    fn agrees(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Never(_), Self::Never(_))) || self == other
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::As { uid, gid, groups } => {
                let groups: Vec<String> = groups.iter().map(u64::to_string).collect();
                write!(f, "uid {uid}, gid {gid}, groups {}", groups.join(" "))
            }
            Self::Never(why) => write!(f, "cannot start: {why}"),
        }
    }
}

/// What the archives of these images are read to is what `id` prints in a container, or that it
/// cannot start.
pub fn facts_are_what_id_prints(world: &'static World) {
    none_is_left_out();
    let facts: Value = serde_yaml::from_str(&world.facts_of(IMAGES)).unwrap();
    let facts = facts["images"].as_array().unwrap();
    let space = world.namespace("facts-id", &[]);
    let name = |number: usize| format!("users-{number}");
    for (number, images) in IMAGES.chunks(CONTAINERS).enumerate() {
        let containers: Vec<Value> = images.iter().map(|image| container(image)).collect();
        space.create(&pod(&name(number), &containers)).unwrap();
    }
    let mut differ = Vec::new();
    for (number, image) in IMAGES.iter().enumerate() {
        let entry = facts.iter().find(|entry| entry["image"] == reference(image));
        let facts = Start::of_facts(entry.unwrap_or_else(|| panic!("no facts of {image}")));
        let pod = name(number / CONTAINERS);
        let node = world
            .eventually(&format!("{image} has started or cannot"), || start(&space, &pod, image));
        match &facts {
            Start::Never(why) => say(format!("{image}: {node}; facts: {why}")),
            Start::As { .. } => say(format!("{image}: {node}")),
        }
        if !node.agrees(&facts) {
            differ.push(format!("{image}: {node}; facts: {facts}"));
        }
    }
    assert!(
        differ.is_empty(),
        "{} of {} differ:\n{}",
        differ.len(),
        IMAGES.len(),
        differ.join("\n")
    );
    say(format!("{} images, and facts are what `id` prints for all", IMAGES.len()));
}

/// An archive of the catalogue's that is in no list is an image that somebody forgot.
fn none_is_left_out() {
    for entry in std::fs::read_dir(project("target/cluster/images")).expect("the archives") {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(image) = file.strip_suffix(".tar").filter(|it| it.starts_with("user-")) else {
            continue;
        };
        assert!(IMAGES.contains(&image), "{image} is compared nowhere: remove {file}, or list it");
    }
}

fn reference(image: &str) -> String {
    format!("localhost/{image}:local")
}

/// A container that is called what its image is called, and sleeps.
fn container(image: &str) -> Value {
    json!({
        "name": image,
        "image": reference(image),
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
    })
}

/// What has become of a container by now. The pod's status does not tell: the API server refuses it
/// with a uid or gid above 2147483647 in it, and the pod stays pending though its containers run.
fn start(space: &Space, pod: &str, container: &str) -> Option<Start> {
    let printed = space.try_exec(pod, container, &["sh", "-c", "id -u; id -g; id -G"]);
    if let Some(start) = printed.ok().and_then(|printed| Start::of_id(&printed)) {
        return Some(start);
    }
    let why = space.why_not_started(pod, container)?;
    let loaded = !["ErrImage", "ImagePull", "pull image"].iter().any(|word| why.contains(word));
    assert!(loaded, "{container} is not loaded: {why}");
    Some(Start::Never(why))
}
