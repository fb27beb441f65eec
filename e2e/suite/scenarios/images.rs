//! Images that are root, and images whose user has only a name.

use serde_json::json;

use crate::pods::{BUSYBOX, NAMED_USER, container, pod};
use crate::world::World;

pub fn a_root_image(world: &'static World) {
    said_nothing_and_relying(world, "root-image", BUSYBOX, 0, "image will run as root");
}

pub fn an_image_with_a_named_user(world: &'static World) {
    said_nothing_and_relying(world, "named-user", NAMED_USER, 1234, "non-numeric user");
}

/// A pod that says nothing runs as its image's user without ironhull and as 1000 with it;
/// one that says `runAsNonRoot: true` alone relies on the image, wrongly, and is refused by
/// the kubelet either way.
fn said_nothing_and_relying(
    world: &'static World,
    name: &str,
    image: &str,
    own_uid: i64,
    message: &str,
) {
    let silent = pod("silent", &[container("app", image)]);
    let mut relying = pod("relying", &[container("app", image)]);
    relying["spec"]["securityContext"] = json!({"runAsNonRoot": true});
    for (labels, uid) in [(&[][..], own_uid), (&[("ironhull.dev/harden", "enforce")][..], 1000)] {
        let space = world.namespace(name, labels);
        space.pod(&silent);
        space.pod(&relying);
        space.ready("silent");
        assert_eq!(space.look("silent", "app").uid, uid);
        let said = space.refused_by_kubelet("relying");
        println!("  {}: {said}", space.name);
        assert!(said.contains(message), "{said}");
    }
}
