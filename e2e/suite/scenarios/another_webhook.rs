//! Another mutating webhook that adds a sidecar running as root, called before ironhull
//! and after it; and what people see who apply the same thing twice.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::pods::{auditor, workload};
use crate::world::{Inside, Space, World, say};

const LABELS: [(&str, &str); 2] =
    [("ironhull.dev/harden", "enforce"), ("pod-security.kubernetes.io/enforce", "restricted")];

/// Webhooks run in the order of their configurations' names: this one before `zz-ironhull`.
pub fn before_ironhull(world: &'static World) {
    let space = world.namespace("injected-before", &LABELS);
    let _injector = Injector::install(world, &space, "aa");
    let rounds = hardened_with_sidecar(&space);
    // ironhull saw both containers at once: it changed the pod once and was not asked
    // again, or was and found nothing to do.
    let ours: Vec<_> = rounds.iter().filter(|round| round.ironhull).collect();
    assert_eq!(ours.iter().filter(|round| round.mutated).count(), 1, "{rounds:?}");
}

/// And this one after it: the API server asks ironhull a second time.
pub fn after_ironhull(world: &'static World) {
    let space = world.namespace("injected-after", &LABELS);
    let _injector = Injector::install(world, &space, "zzz");
    let rounds = hardened_with_sidecar(&space);
    let ours: Vec<_> = rounds.iter().filter(|round| round.ironhull && round.mutated).collect();
    assert_eq!(ours.len(), 2, "{rounds:?}");
    assert_eq!((ours[0].round, ours[1].round), (0, 1), "{rounds:?}");
}

/// Makes a pod, sees that both containers are hardened and that nothing was done twice;
/// what each webhook did, as the API server's audit log has it.
fn hardened_with_sidecar(space: &Space) -> Vec<Round> {
    space.pod(&auditor("app"));
    space.ready("app");
    let pod = space.get("app");
    let containers = pod["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 2);
    for name in ["app", "injected"] {
        assert_eq!(space.look("app", name), Inside::hardened(1000, 1000), "{name}");
    }
    for container in containers {
        let paths: Vec<_> = mount_paths(container).into_iter().filter(|p| p == "/tmp").collect();
        assert_eq!(paths.len(), 1, "{container}");
        assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
    }
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let ours = volumes.iter().filter(|volume| volume["emptyDir"].is_object()).count();
    assert_eq!(ours, 2, "{volumes:?}");
    rounds(&space.audit_event("app"))
}

fn mount_paths(container: &Value) -> Vec<String> {
    let mounts = container["volumeMounts"].as_array().unwrap();
    mounts.iter().filter_map(|mount| mount["mountPath"].as_str()).map(str::to_owned).collect()
}

/// One call of one webhook, from the annotation
/// `mutation.webhook.admission.k8s.io/round_R_index_I` that the API server makes.
#[derive(Debug)]
struct Round {
    round: usize,
    ironhull: bool,
    mutated: bool,
}

fn rounds(event: &Value) -> Vec<Round> {
    let mut rounds = Vec::new();
    for (key, value) in event["annotations"].as_object().unwrap() {
        let Some(place) = key.strip_prefix("mutation.webhook.admission.k8s.io/round_") else {
            continue;
        };
        say(format!("{key}: {}", value.as_str().unwrap()));
        let (round, _index) = place.split_once("_index_").unwrap();
        let told: Value = serde_json::from_str(value.as_str().unwrap()).unwrap();
        rounds.push(Round {
            round: round.parse().unwrap(),
            ironhull: told["configuration"] == "zz-ironhull",
            mutated: told["mutated"] == true,
        });
    }
    rounds.sort_by_key(|round| round.round);
    rounds
}

/// The other webhook, for one namespace.
pub(super) struct Injector {
    _home: Space,
}

impl Injector {
    pub(super) fn install(world: &'static World, target: &Space, first: &str) -> Self {
        let home = world.namespace("injector", &[]);
        let host = format!("injector.{}.svc", home.name);
        let made = rcgen::generate_simple_self_signed(vec![host]).unwrap();
        let certificate = made.cert.pem();
        home.create(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "injector"},
            "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": certificate, "tls.key": made.signing_key.serialize_pem()},
        }))
        .unwrap();
        home.pod(&json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "injector", "labels": {"app": "injector"}},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "injector",
                    "image": "localhost/injector:local",
                    "imagePullPolicy": "IfNotPresent",
                    "ports": [{"containerPort": 8443}],
                    "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
                    "readinessProbe": {
                        "httpGet": {"path": "/healthz", "port": 8443, "scheme": "HTTPS"},
                        "periodSeconds": 1,
                    },
                }],
                "volumes": [{"name": "tls", "secret": {"secretName": "injector"}}],
            },
        }));
        home.create(&json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "injector"},
            "spec": {"selector": {"app": "injector"}, "ports": [{"port": 443, "targetPort": 8443}]},
        }))
        .unwrap();
        home.ready("injector");
        world.has_endpoints(&home.name, "injector", 1);
        home.create_beside(&json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": format!("{first}-injector-{}", target.name)},
            "webhooks": [{
                "name": "injector.e2e.test",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "clientConfig": {
                    "service": {"namespace": home.name, "name": "injector", "path": "/inject"},
                    "caBundle": STANDARD.encode(certificate),
                },
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": target.name}},
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"],
                    "operations": ["CREATE"], "resources": ["pods"],
                }],
            }],
        }));
        // The API server learns of a configuration by its watch, and of where its service leads.
        world.eventually("the injector is called", || {
            let seen = target.dry_run(&auditor("seen")).ok()?;
            let containers = seen["spec"]["containers"].as_array()?;
            containers.iter().any(|it| it["name"] == "injected").then_some(())
        });
        Self { _home: home }
    }
}

/// `kubectl apply` of a Deployment prints what will be done to its pods; applied again, it
/// changes nothing.
pub fn apply_twice(world: &'static World) {
    let space = world.namespace("apply", &LABELS);
    let deployment = workload("apps/v1", "Deployment", &auditor("web"));
    let apply = || {
        let said = world.kubectl_with(&deployment, &["apply", "--namespace", &space.name]);
        say(&said);
        said
    };
    let said = apply();
    assert!(said.contains("Warning: ironhull: "), "{said}");
    assert!(said.contains("runAsUser 0"), "{said}");
    let first = space.pod_of("app=web");
    space.ready(&first);
    let generation = || {
        world.kubectl(&[
            "get",
            "deployment",
            "web",
            "--namespace",
            &space.name,
            "--output",
            "jsonpath={.metadata.generation} {.spec}",
        ])
    };
    let before = generation();
    let said = apply();
    assert!(said.contains("deployment.apps/web unchanged"), "{said}");
    assert_eq!(generation(), before);
    assert_eq!(space.pod_of("app=web"), first);
}
