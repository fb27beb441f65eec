//! The token for the Kubernetes API: really gone where nothing speaks for its use, and there where
//! something does.

use serde_json::{Value, json};

use super::another_webhook::Injector;
use super::attacks::{editor, give_role};
use crate::pods::{auditor, container, pod};
use crate::world::{Inside, Space, World, image, say};

const ENFORCE: (&str, &str) = ("ironhull.dev/harden", "enforce");
const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What the ServiceAccount plugin mounts is gone. It does not come back, although the API server
/// calls the plugin again after ironhull, and again after the webhook behind it, which adds a container.
pub fn is_gone_and_stays_gone(world: &'static World) {
    let space = world.namespace("token", &[ENFORCE]);
    space.pod(&auditor("alone"));
    let behind = world.namespace("token-reinvoked", &[ENFORCE]);
    let _injector = Injector::install(world, &behind, "zzz");
    behind.pod(&auditor("joined"));
    let plain = world.namespace("plain-token", &[]);
    plain.pod(&auditor("plain"));

    plain.ready("plain");
    assert!(files(&plain, "plain", "app").unwrap().contains("token"));
    for (space, pod, containers) in
        [(&space, "alone", &["app"][..]), (&behind, "joined", &["app", "injected"])]
    {
        space.ready(pod);
        let stored = space.get(pod);
        assert_eq!(stored["spec"]["automountServiceAccountToken"], false);
        assert!(!stored["spec"].to_string().contains("kube-api-access"), "{stored}");
        assert_eq!(stored["spec"]["containers"].as_array().unwrap().len(), containers.len());
        for container in containers {
            let refused = files(space, pod, container).unwrap_err();
            say(format!("{pod}, {container}: {refused}"));
            assert!(refused.contains("No such file or directory"), "{refused}");
        }
    }
}

/// A ServiceAccount of its own is left alone: ironhull's own client reads the cluster with it. The same
/// program in a pod of the account default has nothing to ask with.
pub fn a_client_keeps_its_own(world: &'static World) {
    let space = world.namespace("token-client", &[ENFORCE]);
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}});
    space.create(&account).unwrap();
    let subject = |name| json!({"kind": "ServiceAccount", "name": name, "namespace": space.name});
    let subjects = ["reader", "default"].map(subject);
    space.create_beside(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": space.name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": subjects,
    }));
    space.pod(&client("with", Some("reader"), &space.name));
    space.pod(&client("without", None, &space.name));

    space.succeeded("with");
    let said = space.log("with", "app");
    say(&said);
    assert!(said.contains("Pod/with"), "{said}");
    assert!(space.get("with")["spec"].to_string().contains(PATH));
    space.failed("without");
    say(space.log("without", "app"));
    assert!(!space.get("without")["spec"].to_string().contains(PATH));
}

/// What excuses a pod from losing its token, each brought about by a user with the role `edit`. The token
/// stays; the pod is hardened as any other.
pub fn excuses_leave_it_and_nothing_more(world: &'static World) {
    let space = world.namespace("token-excused", &[ENFORCE]);
    give_role(&space);
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "mine"}});
    editor(&space, &["create"], &account).unwrap();
    let excused = |name: &str, excuse: &dyn Fn(&mut Value)| {
        let mut pod = auditor(name);
        excuse(&mut pod["spec"]);
        pod
    };
    let pods = [
        excused("own-account", &|spec| spec["serviceAccountName"] = json!("mine")),
        excused("says-kubectl", &|spec| {
            spec["containers"][0]["env"] = json!([{"name": "USES", "value": "kubectl"}]);
        }),
        excused("own-token", &|spec| {
            let source = json!({"serviceAccountToken": {"path": "token"}});
            spec["volumes"] = json!([{"name": "own", "projected": {"sources": [source]}}]);
            spec["containers"][0]["volumeMounts"] = json!([{"name": "own", "mountPath": "/own"}]);
        }),
    ];
    for pod in &pods {
        editor(&space, &["create"], pod).unwrap();
    }
    for pod in &pods {
        let name = pod["metadata"]["name"].as_str().unwrap();
        space.ready(name);
        assert!(files(&space, name, "app").unwrap().contains("token"), "{name}");
        assert_eq!(space.look(name, "app"), Inside::hardened(1000, 1000), "{name}");
    }
}

/// A pod that lists the workloads of a namespace once.
fn client(name: &str, account: Option<&str>, namespace: &str) -> Value {
    let (repository, tag) = image();
    let mut app = container("app", &format!("{repository}:{tag}"));
    app["command"] = json!(["/ironhull", "preview", "--namespace", namespace]);
    let mut pod = pod(name, &[app]);
    pod["spec"]["restartPolicy"] = json!("Never");
    if let Some(account) = account {
        pod["spec"]["serviceAccountName"] = json!(account);
    }
    pod
}

/// What is at the token's path.
fn files(space: &Space, pod: &str, container: &str) -> Result<String, String> {
    let listed = format!("ls {PATH} 2>&1 || true");
    let said = space.exec(pod, container, &["sh", "-c", &listed]);
    if said.contains("No such file") { Err(said) } else { Ok(said) }
}
