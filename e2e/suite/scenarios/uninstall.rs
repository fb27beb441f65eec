//! Taking ironhull away, and installing it in the other ways.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::pods::auditor;
use crate::world::{HOME, Inside, World, image, project, say};

const LABELS: [(&str, &str); 1] = [("ironhull.dev/harden", "enforce")];

/// All that the chart can make.
const KINDS: &str = "mutatingwebhookconfigurations,validatingadmissionpolicies,\
                     validatingadmissionpolicybindings,clusterroles,clusterrolebindings,\
                     deployments,services,configmaps,secrets,serviceaccounts,roles,rolebindings,\
                     networkpolicies,poddisruptionbudgets,resourcequotas,pods";

/// After `helm uninstall` nothing of ironhull is in the cluster, which works as before.
pub fn nothing_is_left(world: &'static World) {
    let space = world.namespace("uninstalled", &LABELS);
    world.uninstall();
    assert_nothing_left(world);
    // The API server knows webhooks from a cache.
    space.until_pods_are_hardened(false);
    let name = space.pod(&auditor("as-written"));
    space.ready(&name);
    let inside = space.look(&name, "app");
    assert_eq!((inside.uid, inside.cap_eff.as_str()), (0, "00000000a80425fb"));
}

fn assert_nothing_left(world: &World) {
    world.eventually("nothing of ironhull is left", || {
        let left = world.kubectl(&[
            "get",
            KINDS,
            "--all-namespaces",
            "--selector",
            "app.kubernetes.io/name=ironhull",
            "--output",
            "name",
        ]);
        left.trim().is_empty().then_some(())
    });
    let all = world.kubectl(&["get", "mutatingwebhookconfigurations", "--output", "name"]);
    assert!(!all.contains("ironhull"), "{all}");
    say("nothing of ironhull is left in the cluster");
}

/// `kubectl apply -f deploy/install.yaml`, with the image that this cluster has.
pub fn from_install_yaml(world: &'static World) {
    let text = std::fs::read_to_string(project("deploy/install.yaml")).unwrap();
    let (repository, tag) = image();
    let version = env!("CARGO_PKG_VERSION");
    let shipped = format!("image: ironhull:{version}");
    assert!(text.contains(&shipped), "the image is where it was");
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), text.replace(&shipped, &format!("image: {repository}:{tag}")))
        .unwrap();
    let file = file.path().to_str().unwrap();

    let started = Instant::now();
    world.kubectl(&["apply", "--filename", file]);
    world.both_replicas_ready();
    say(format!("kubectl apply to two ready replicas: {:.1} s", started.elapsed().as_secs_f64()));
    a_pod_is_hardened(world);
    // Applied again, or by a GitOps tool for ever, it changes nothing: least of all the
    // caBundle that is not in it.
    world.kubectl(&["apply", "--filename", file]);
    world.rolled_out("ironhull");
    let differs = world.kubectl(&["diff", "--filename", file]);
    assert_eq!(differs, "");
    a_pod_is_hardened(world);
    world.kubectl(&["delete", "--filename", file, "--wait"]);
    assert_nothing_left(world);
}

/// With certificates in an existing Secret its pods have no token, and nobody in the
/// cluster may do anything on their behalf.
pub fn with_given_certificates(world: &'static World) {
    let host = format!("ironhull.{HOME}.svc");
    let made = rcgen::generate_simple_self_signed(vec![host]).unwrap();
    let certificate = made.cert.pem();
    let secret = json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}},
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "given", "namespace": HOME},
                "type": "kubernetes.io/tls",
                "data": {
                    "tls.crt": STANDARD.encode(&certificate),
                    "tls.key": STANDARD.encode(made.signing_key.serialize_pem()),
                },
            },
        ],
    });
    world.kubectl_with(&secret, &["apply"]);
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), &certificate).unwrap();
    let bundle = format!("tls.caBundle={}", authority.path().display());
    world.upgrade(&["--set", "tls.existingSecret=given", "--set-file", &bundle]);
    world.both_replicas_ready();
    a_pod_is_hardened(world);
    let pod = &world.replicas()[0];
    let spec = world.kubectl(&["get", "pod", pod, "--namespace", HOME, "--output", "json"]);
    let spec: Value = serde_json::from_str(&spec).unwrap();
    assert_eq!(spec["spec"]["automountServiceAccountToken"], false);
    assert!(!spec["spec"]["volumes"].to_string().contains("serviceAccountToken"));
    let account = format!(
        "system:serviceaccount:{HOME}:{}",
        spec["spec"]["serviceAccountName"].as_str().unwrap()
    );
    for (verb, what) in [("get", "secrets"), ("patch", "mutatingwebhookconfigurations")] {
        let answer = std::process::Command::new("kubectl")
            .args(["auth", "can-i", verb, what, "--namespace", HOME, "--as", &account])
            .output()
            .unwrap();
        let answer = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        say(format!("{account} can {verb} {what}: {answer}"));
        assert_eq!(answer, "no");
    }
    world.uninstall();
    world.kubectl(&["delete", "namespace", HOME, "--wait"]);
}

fn a_pod_is_hardened(world: &'static World) {
    let space = world.namespace("installed", &LABELS);
    // The API server knows webhooks, and whom to trust for them, from a cache.
    space.until_pods_are_hardened(true);
    let name = space.pod(&auditor("auditor"));
    space.ready(&name);
    assert_eq!(space.look(&name, "app"), Inside::hardened(1000, 1000));
}
