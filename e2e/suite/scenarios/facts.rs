//! What facts of images change on a real node: docs/images.md, row by row.

mod id;

use serde_json::{Value, json};

use crate::pods::pod;
use crate::world::{Inside, World, say};
pub use id::facts_are_what_id_prints;

const RESTRICTED: [(&str, &str); 2] =
    [("ironhull.dev/harden", "enforce"), ("pod-security.kubernetes.io/enforce", "restricted")];

/// A container of an image of the suite that says nothing of its user.
fn container(image: &str) -> Value {
    json!({
        "name": "app",
        "image": format!("localhost/{image}:local"),
        "imagePullPolicy": "IfNotPresent",
    })
}

/// Images with a user of their own run as themselves, in a namespace at *restricted*.
pub fn images_run_as_themselves(world: &'static World) {
    let space = world.namespace("facts-users", &RESTRICTED);
    // A group that an image states beside its user never counts in a pod.
    let users = [("user-number", 65_532, 0), ("user-name", 1500, 1600), ("user-group", 1500, 1600)];
    for (image, uid, gid) in users {
        let pod = pod(image, &[container(image)]);
        say(world.kubectl_with(&pod, &["create", "--namespace", &space.name]));
        space.ready(image);
        assert_eq!(space.look(image, "app"), Inside::hardened(uid, gid));
        let context = space.get(image)["spec"]["securityContext"].clone();
        assert_eq!((&context["runAsUser"], &context["runAsGroup"]), (&json!(uid), &json!(gid)));
        assert!(context["fsGroup"].is_null(), "{context}");
        let note = space.get(image)["metadata"]["annotations"]["ironhull.dev/hardened"].clone();
        assert!(note.as_str().unwrap().contains("the image's user is "), "{note}");
    }
}

/// `runAsNonRoot: true` alone: the kubelet refuses a name and root without ironhull, and starts both
/// with it. A root image is told of.
pub fn non_root_alone(world: &'static World) {
    let alone = |image: &str| {
        let mut container = container(image);
        container["securityContext"] = json!({"runAsNonRoot": true});
        pod(image, &[container])
    };
    let plain = world.namespace("facts-plain", &[]);
    for (image, why) in [("user-name", "non-numeric user"), ("user-root", "image will run as root")]
    {
        plain.create(&alone(image)).unwrap();
        let message = plain.refused_by_kubelet(image);
        say(format!("without ironhull: {message}"));
        assert!(message.contains(why), "{message}");
    }
    let space = world.namespace("facts-non-root", &RESTRICTED);
    space.create(&alone("user-name")).unwrap();
    space.ready("user-name");
    assert_eq!(space.look("user-name", "app"), Inside::hardened(1500, 1600));
    let said = world.kubectl_with(&alone("user-root"), &["create", "--namespace", &space.name]);
    assert!(said.contains("its image is root, and runs as 1000 now"), "{said}");
    space.ready("user-root");
    assert_eq!(space.look("user-root", "app"), Inside::hardened(1000, 1000));
}

/// A program with a file capability, on a port that nobody declares.
pub fn a_file_capability(world: &'static World) {
    let space = world.namespace("facts-capability", &RESTRICTED);
    space.create(&pod("caddy-8080", &[container("caddy-8080")])).unwrap();
    space.ready("caddy-8080");
    let inside = space.look("caddy-8080", "app");
    assert_eq!((inside.uid, inside.cap_eff.as_str()), (1800, "0000000000000000"));
    let answer = ["wget", "-q", "-O", "-", "http://127.0.0.1:8080/"];
    // It is ready a moment before it listens.
    world.eventually("it answers hello", || {
        (space.exec("caddy-8080", "app", &answer) == "hello").then_some(())
    });
}

/// A program that writes to an empty directory of its own image, with a read-only root.
pub fn an_own_directory(world: &'static World) {
    let space = world.namespace("facts-directory", &RESTRICTED);
    space.create(&pod("writes-its-own", &[container("writes-its-own")])).unwrap();
    space.ready("writes-its-own");
    assert_eq!(space.look("writes-its-own", "app"), Inside::hardened(1700, 1700));
    let written =
        ["sh", "-c", "test -s /var/lib/app/started && ! touch /var/lib/x 2>&1 && echo ok"];
    // It is ready a moment before it writes.
    world.eventually("it has written, and only there", || {
        space.exec("writes-its-own", "app", &written).ends_with("ok\n").then_some(())
    });
}
