//! Ways into a namespace on `enforce`, tried by a user who has the role `edit` there and nothing more.
//! Pod Security is not behind it: what holds is ironhull's.

use serde_json::{Value, json};

use super::user_namespaces::{first_uid_on_the_node, root_with};
use crate::pods::{BUSYBOX, NAMED_USER, container, pod};
use crate::world::{Inside, ROOT_KEEPS, Space, World, add_debugger, kubectl, say};

const ENFORCE: (&str, &str) = ("ironhull.dev/harden", "enforce");

/// What is written into the body of an update.
type Forge = fn(&mut Value);

/// Who has the role `edit`.
const EDITOR: &str = "editor";

/// A Windows pod by its `windowsOptions` alone runs on this node as any pod does.
pub fn windows_options_excuse_nothing(world: &'static World) {
    let space = opted_in(world, "attack-windows");
    let mut said = root("said");
    said["spec"]["securityContext"]["windowsOptions"] = json!({"runAsUserName": "ContainerUser"});
    said["spec"]["containers"][0]["securityContext"] =
        json!({"capabilities": {"add": ["SYS_ADMIN"]}});
    let mut selected = root("selected");
    selected["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "linux"});
    selected["spec"]["containers"][0]["securityContext"] =
        json!({"windowsOptions": {"hostProcess": false}});
    for (name, pod) in [("said", said), ("selected", selected)] {
        let answer = editor(&space, &["create"], &pod).unwrap();
        assert!(answer.contains("hardened as a Linux pod, despite windowsOptions"), "{answer}");
        space.ready(name);
        assert_eq!(space.look(name, "app"), hardened());
    }
}

/// Of the body of `pods/ephemeralcontainers` nothing counts but the ephemeral containers.
pub fn debug_bodies_are_not_believed(world: &'static World) {
    let space = opted_in(world, "attack-debug");
    may_debug(world, &space);
    space.pod(&pod("target", &[container("app", BUSYBOX)]));
    space.ready("target");
    let forge: [(&str, Forge); 5] = [
        ("mirror", |pod| {
            pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("x")
        }),
        ("windows", |pod| pod["spec"]["os"] = json!({"name": "windows"})),
        ("options", |pod| {
            pod["spec"]["securityContext"]["windowsOptions"] = json!({"runAsUserName": "x"});
        }),
        ("namespace", |pod| pod["spec"]["hostUsers"] = json!(false)),
        ("exempt", |pod| pod["metadata"]["annotations"]["exempt.ironhull.dev/all"] = json!("so")),
    ];
    for (name, forge) in forge {
        debug_with(world, &space, "target", name, forge);
        let inside = space.look("target", name);
        assert_eq!((inside.uid, inside.cap_eff.as_str()), (1000, "0000000000000000"), "{name}");
        assert_eq!((inside.no_new_privs, inside.seccomp), (1, 2), "{name}");
    }
}

/// What a grant for one image left a container does not pass on to another image.
pub fn an_exempt_image_is_not_exchanged(world: &'static World) {
    let space = opted_in(world, "granting");
    editor(&space, &["create"], &root("tool")).unwrap();
    space.ready("tool");
    assert_eq!(space.look("tool", "app").uid, 0);
    let set = |image: &str| {
        let patch = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": image}]);
        let patch = patch.to_string();
        editor(&space, &["patch", "pod", "tool", "--type=json", "--patch", &patch], &Value::Null)
    };
    let refused = set(NAMED_USER).unwrap_err();
    assert!(refused.contains("runs without runAsNonRoot"), "{refused}");
    // What else can be changed of a pod still can.
    let annotate = ["annotate", "pod", "tool", "note=seen"];
    editor(&space, &annotate, &Value::Null).unwrap();
    // The grant is for every tag of that image.
    set(&BUSYBOX.replace(":local", ":other")).unwrap();
    // Another pod in the namespace is hardened, and may have any image.
    editor(&space, &["create"], &pod("web", &[container("app", NAMED_USER)])).unwrap();
    space.ready("web");
    assert_eq!(space.look("web", "app").uid, 1000);
    let patch = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": BUSYBOX}]);
    let patch = patch.to_string();
    editor(&space, &["patch", "pod", "web", "--type=json", "--patch", &patch], &Value::Null)
        .unwrap();
}

/// A pod that is more than is reviewed is refused, by a message that says why.
pub fn a_pod_too_large_is_refused(world: &'static World) {
    let space = opted_in(world, "attack-large");
    let many: Vec<Value> =
        (0..1001).map(|index| json!({"name": format!("c{index}"), "image": BUSYBOX})).collect();
    let refused = editor(&space, &["create"], &pod("large", &many)).unwrap_err();
    assert!(refused.contains("more than 1000 containers"), "{refused}");
    let audit = world.namespace("attack-large-audit", &[("ironhull.dev/harden", "audit")]);
    give_role(&audit);
    let said = editor(&audit, &["create", "--dry-run=server"], &pod("large", &many)).unwrap();
    assert!(said.contains("more than 1000 containers"), "{said}");
}

/// Where the policy says so, nothing is privileged.
pub fn privileged_can_be_refused(world: &'static World) {
    let space = opted_in(world, "unprivileged");
    let mut asked = root("asked");
    asked["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    let said = editor(&space, &["create"], &asked).unwrap();
    assert!(said.contains("privileged true replaced by false"), "{said}");
    space.ready("asked");
    assert_eq!(space.look("asked", "app"), hardened());
}

/// Two annotations of old hold both levels of a pod, and one holds a debug container's: nothing reads
/// them, and they keep nobody from a profile.
pub fn annotations_of_old_excuse_nothing(world: &'static World) {
    let space = opted_in(world, "attack-annotations");
    may_debug(world, &space);
    let of = |name: &str| format!("container.seccomp.security.alpha.kubernetes.io/{name}");
    let mut held = root("held");
    held["metadata"]["annotations"] = json!({
        "seccomp.security.alpha.kubernetes.io/pod": "unconfined",
        of("app"): "unconfined",
        of("debug"): "unconfined",
    });
    let mut said = held.clone();
    said["metadata"]["name"] = json!("said");
    said["spec"]["containers"][0]["securityContext"] =
        json!({"seccompProfile": {"type": "Unconfined"}});
    for (name, pod) in [("held", held), ("said", said)] {
        editor(&space, &["create"], &pod).unwrap();
        space.ready(name);
        assert_eq!(space.look(name, "app"), hardened());
        debug(world, &space, name, "debug");
        assert_eq!(space.look(name, "debug").seccomp, 2, "{name}");
    }
}

/// Puts a root debug container beside the others, and waits until it runs.
pub fn debug(world: &'static World, space: &Space, pod: &str, name: &str) {
    debug_with(world, space, pod, name, |_| {});
}

/// The same, with something else written into the body.
fn debug_with(world: &'static World, space: &Space, name: &str, debugger: &str, forge: Forge) {
    let path = format!("/api/v1/namespaces/{}/pods/{name}/ephemeralcontainers", space.name);
    let mut container = container(debugger, BUSYBOX);
    container["securityContext"] = json!({"runAsUser": 0});
    world.eventually(&format!("{name} stands still to be debugged"), || {
        let mut body = space.get(name);
        forge(&mut body);
        add_debugger(&mut body, &container);
        match editor(space, &["replace", "--raw", &path], &body) {
            // The kubelet has written the pod's status meanwhile.
            Err(said) if said.contains("the object has been modified") => None,
            answer => Some(answer.unwrap()),
        }
    });
    world.eventually(&format!("{debugger} runs"), || {
        let pod = space.get(name);
        let statuses = pod["status"]["ephemeralContainerStatuses"].as_array()?.clone();
        let status = statuses.iter().find(|status| status["name"] == debugger)?.clone();
        status["state"]["running"].is_object().then_some(())
    });
}

/// Root that asks for a user namespace stays root only where it gets one. ironhull cannot see
/// whether the API server will keep `hostUsers: false`: the chart says it, by the server's version.
pub fn user_namespaces_are_trusted_where_they_are_kept(world: &'static World) {
    let (major, minor) = world.version();
    let trusted = world.trusts_user_namespaces();
    let deployment = world.deployment();
    let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    say(format!("Kubernetes {major}.{minor}, ironhull's arguments: {arguments}"));
    let rendered = json!(format!("--user-namespaces={trusted}"));
    assert!(arguments.as_array().unwrap().contains(&rendered), "{arguments} lack {rendered}");

    let space = opted_in(world, "attack-user-namespace");
    let mut asked = root("asked");
    asked["spec"]["hostUsers"] = json!(false);
    editor(&space, &["create"], &asked).unwrap();
    let stored = space.get("asked")["spec"].clone();
    let kept = stored["hostUsers"] == json!(false);
    say(format!(
        "stored: hostUsers {}, securityContext {}, the container's {}",
        stored["hostUsers"], stored["securityContext"], stored["containers"][0]["securityContext"],
    ));
    assert!(kept || !trusted, "trusted, and the API server drops the field");
    if kept && !world.has_user_namespaces() {
        say("the node has no user namespaces, so that this pod does not start");
        return;
    }
    space.ready("asked");
    let inside = space.look("asked", "app");
    let outside = first_uid_on_the_node(&space, "asked");
    assert_eq!(outside != 0, kept, "in a user namespace where the field is kept");
    assert_eq!(inside, if trusted { root_with(ROOT_KEEPS) } else { hardened() });
}

pub fn opted_in(world: &'static World, name: &str) -> Space {
    let space = world.namespace(name, &[ENFORCE]);
    give_role(&space);
    space
}

/// The role `edit` does not come with debug containers; who may debug pods has this one too.
pub fn may_debug(world: &'static World, space: &Space) {
    let namespace = ["--namespace", space.name.as_str()];
    let role =
        ["create", "role", "debugger", "--verb=update", "--resource=pods/ephemeralcontainers"];
    world.kubectl(&[&role[..], &namespace].concat());
    let user = format!("--user={EDITOR}");
    let binding = ["create", "rolebinding", "debugger", "--role=debugger", &user];
    world.kubectl(&[&binding[..], &namespace].concat());
    space.may(EDITOR, "update", "pods/ephemeralcontainers");
}

pub fn give_role(space: &Space) {
    let user = format!("--user={EDITOR}");
    let binding = ["create", "rolebinding", EDITOR, "--clusterrole=edit", &user];
    let output = kubectl(&[&binding[..], &["--namespace", &space.name]].concat(), "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    space.may(EDITOR, "create", "pods");
}

pub fn root(name: &str) -> Value {
    let mut pod = pod(name, &[container("app", BUSYBOX)]);
    pod["spec"]["securityContext"] = json!({"runAsUser": 0});
    pod
}

fn hardened() -> Inside {
    Inside::hardened(1000, 1000)
}

/// Runs kubectl as that user: what it says, or why not. An object goes to its standard input.
pub fn editor(space: &Space, arguments: &[&str], object: &Value) -> Result<String, String> {
    let text = if object.is_null() { String::new() } else { object.to_string() };
    editor_sends(space, arguments, &text)
}

/// The same with any text, where there is some.
pub fn editor_sends(space: &Space, arguments: &[&str], text: &str) -> Result<String, String> {
    let mut all = [arguments, &["--as", EDITOR]].concat();
    if !arguments.contains(&"--raw") {
        all.extend(["--namespace", &space.name]);
    }
    if !text.is_empty() {
        all.extend(["-f", "-"]);
    }
    let output = kubectl(&all, text);
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let shown = if arguments.contains(&"--raw") { "sent" } else { said.trim() };
    say(format!("{}: {} {}: {shown}", space.name, EDITOR, arguments[0]));
    if output.status.success() { Ok(said) } else { Err(said) }
}
