//! Images that are root, and images whose user has only a name.

use serde_json::{Value, json};

use crate::pods::{BUSYBOX, NAMED_USER, container, pod};
use crate::world::{Space, World, say};

const ENFORCE: (&str, &str) = ("ironhull.dev/harden", "enforce");
const RESTRICTED: (&str, &str) = ("pod-security.kubernetes.io/enforce", "restricted");

pub fn a_root_image(world: &'static World) {
    let image = Image { name: BUSYBOX, own_uid: 0, entry: 4321, message: "image will run as root" };
    three_manifests(world, &image);
}

pub fn an_image_with_a_named_user(world: &'static World) {
    let image = Image { name: NAMED_USER, own_uid: 1234, entry: 1234, message: "non-numeric user" };
    three_manifests(world, &image);
}

struct Image {
    name: &'static str,
    /// Who it runs as when nobody says anything.
    own_uid: i64,
    /// The uid in the entry for it that the policy `image-entries` has.
    entry: i64,
    /// What the kubelet says when it has to be non-root and nobody gives a number.
    message: &'static str,
}

fn three_manifests(world: &'static World, image: &Image) {
    let silent = pod("silent", &[container("app", image.name)]);
    let mut relying = pod("relying", &[container("app", image.name)]);
    relying["spec"]["securityContext"] = json!({"runAsNonRoot": true});

    // Saying nothing: its own user without ironhull, 1000 with it. Relying on the image,
    // wrongly: refused by the kubelet either way.
    for (labels, uid) in [(&[][..], image.own_uid), (&[ENFORCE, RESTRICTED][..], 1000)] {
        let space = world.namespace("image", labels);
        space.pod(&silent);
        space.pod(&relying);
        runs_as(&space, "silent", uid);
        let said = space.refused_by_kubelet("relying");
        say(format!("{} relying: {said}", space.name));
        assert!(said.contains(image.message), "{said}");
    }
    // Where the policy knows the image, and where it overrides what images say, it runs.
    for (name, uid) in [("entries", image.entry), ("override", 1000)] {
        let space = world.namespace(name, &[ENFORCE, RESTRICTED]);
        space.pod(&relying);
        runs_as(&space, "relying", uid);
    }
}

fn runs_as(space: &Space, name: &str, uid: i64) {
    space.ready(name);
    assert_eq!(space.look(name, "app").uid, uid, "{}", annotations(space, name));
}

fn annotations(space: &Space, name: &str) -> Value {
    space.get(name)["metadata"]["annotations"].clone()
}
