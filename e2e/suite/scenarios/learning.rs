//! What `ironhull watch` learns of images, and what the webhook makes of it.

use std::fs;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::api::{Api, ListParams};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::watch::watch;
use crate::pods::{NAMED_USER, container, pod};
use crate::world::{HOME, Space, World, project, say};

const ENFORCE: (&str, &str) = ("ironhull.dev/harden", "enforce");
const AUDIT: (&str, &str) = ("ironhull.dev/harden", "audit");
/// How long the webhook waits for an answer.
const DEADLINE: Duration = Duration::from_millis(300);

/// A pod that runs tells its image's user; a registry tells everything, also of an image that is
/// seen for the first time; and without the watch pods are created as they would be without it.
pub fn images_are_learnt(world: &'static World) {
    let registry = Registry::start(world);
    registry.push("user-name");
    registry.push("writes-its-own");
    let ca = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "registry-ca"}, "data": {"ca.crt": registry.authority},
    });
    world.kubectl_with(&ca, &["apply", "--namespace", HOME]);
    let settings = [
        "imageFacts.enabled=true".to_owned(),
        "imageFacts.caConfigMap.name=registry-ca".to_owned(),
        format!("imageFacts.registries={{{}}}", registry.address),
        "watch.extraArgs={--answer-facts=0.0.0.0:8082}".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().flat_map(|it| ["--set", it.as_str()]).collect();
    world.upgrade(&settings);
    let (name, address) = watch(world);
    // By address: this cluster has no DNS.
    let ask = format!("extraArgs={{--ask-facts=http://{address}:8082}}");
    world.upgrade(&[&settings[..], &["--set", &ask]].concat());

    // Nobody tells of this image but the pod that runs.
    let before = world.namespace("learning-before", &[ENFORCE]);
    assert_eq!(user(&before, "unknown", NAMED_USER), json!(1000));
    let audited = world.namespace("learning-audit", &[AUDIT]);
    audited.ready(&audited.pod(&pod("named", &[container("app", NAMED_USER)])));
    let line = world.eventually("its user is kept", || {
        kept(world).lines().find(|line| line.contains("busybox-named-user")).map(str::to_owned)
    });
    say(format!("learnt from a pod: {line}"));
    assert!(line.contains("\"from\":\"pod\",\"uid\":1234,\"gid\":1234"), "{line}");
    let space = world.namespace("learning", &[ENFORCE]);
    // An image is asked about once a minute at most, and the kubelet brings files as often.
    let started = Instant::now();
    world.eventually("it is known to the webhook", || {
        let name = format!("named-{}", started.elapsed().as_secs());
        std::thread::sleep(Duration::from_secs(2));
        (user(&space, &name, NAMED_USER) == json!(1234)).then_some(())
    });
    say(format!("known to the webhook {:.1} s later", started.elapsed().as_secs_f64()));

    // The first pod of an image that nobody has seen: the webhook asks, and the watch reads it.
    let fresh = registry.image("user-name");
    let started = Instant::now();
    let context = security(&space, "fresh", &fresh);
    say(format!("an unknown image, with its question: {:.3} s", started.elapsed().as_secs_f64()));
    // What does not come in time counts for the next pod.
    let context = match context["runAsUser"] == json!(1500) {
        true => context,
        false => world.eventually("it is read", || {
            let name = format!("fresh-{}", started.elapsed().as_millis());
            let context = security(&space, &name, &fresh);
            (context["runAsUser"] == json!(1500)).then_some(context)
        }),
    };
    assert_eq!(context["runAsGroup"], json!(1600), "{context}");
    // Its layers tell more, and files have it.
    let own = registry.image("writes-its-own");
    security(&space, "own", &own);
    world.eventually("the layers are read and kept", || {
        kept(world)
            .lines()
            .any(|line| line.contains(&own) && line.contains("/var/lib/app"))
            .then_some(())
    });
    world.eventually("the webhook has read them", || {
        let replicas = world.replicas();
        let known = |pod: &String| world.metric(pod, "ironhull_image_facts") >= 3.0;
        (replicas.len() == 2 && replicas.iter().all(known)).then_some(())
    });
    say(format!("{name} /readyz: {}", world.ops(&name, "readyz")));

    // Nobody answers: pods are created all the same, and no later than the deadline allows.
    world.kubectl(&["scale", "deployment/ironhull-watch", "--replicas=0", "--namespace", HOME]);
    world.no_pod_of("ironhull-watch");
    drop(registry);
    let mut slowest = Duration::ZERO;
    for number in 0..10 {
        let image = format!("registry.invalid/never-seen-{number}:1");
        let started = Instant::now();
        assert_eq!(security(&space, &format!("alone-{number}"), &image)["runAsUser"], json!(1000));
        slowest = slowest.max(started.elapsed());
    }
    say(format!("without the watch, the slowest of ten pods took {:.3} s", slowest.as_secs_f64()));
    assert!(slowest < DEADLINE + Duration::from_secs(2), "{slowest:?}");
    // What was learnt stays.
    assert_eq!(user(&space, "named-still", NAMED_USER), json!(1234));
    world.upgrade(&[]);
}

/// The pod-level security context of a new pod of an image.
fn security(space: &Space, name: &str, image: &str) -> Value {
    space.create(&pod(name, &[container("app", image)])).unwrap();
    space.get(name)["spec"]["securityContext"].clone()
}

fn user(space: &Space, name: &str, image: &str) -> Value {
    security(space, name, image)["runAsUser"].clone()
}

/// All facts that are kept.
fn kept(world: &World) -> String {
    let api: Api<ConfigMap> = Api::namespaced(world.client.clone(), HOME);
    let list = ListParams::default().labels("app.kubernetes.io/name=ironhull-watch");
    let maps = world.wait(api.list(&list)).map(|list| list.items).unwrap_or_default();
    let texts = maps.into_iter().filter_map(|map| map.data).flat_map(|data| data.into_values());
    texts.collect::<Vec<_>>().join("\n")
}

/// Debian's registry on the node, with TLS by an authority of its own. It ends with the scenario.
struct Registry {
    child: Child,
    address: String,
    authority: String,
    home: TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Registry {
    fn start(world: &World) -> Self {
        let nodes: Api<Node> = Api::all(world.client.clone());
        let nodes = world.wait(nodes.list(&ListParams::default())).unwrap();
        let addresses = nodes.items.into_iter().filter_map(|node| node.status?.addresses).flatten();
        let host = addresses.into_iter().find(|it| it.type_ == "InternalIP").unwrap().address;
        let host: IpAddr = host.parse().unwrap();
        let port = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().port();
        let home = tempfile::tempdir().unwrap();

        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names.push(SanType::IpAddress(host));
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &authority).unwrap();
        let write = |name: &str, text: String| {
            let path = home.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let config = json!({
            "version": 0.1, "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": home.path().join("storage")}},
            "http": {
                "addr": format!("{host}:{port}"), "secret": "for-tests",
                "tls": {
                    "certificate": write("tls.crt", leaf.pem()),
                    "key": write("tls.key", key.serialize_pem()),
                },
            },
        });
        let file = write("config.yml", serde_yaml::to_string(&config).unwrap());
        fs::create_dir(home.path().join("certs.d")).unwrap();
        write("certs.d/ca.crt", authority.pem());
        let child = Command::new(project("target/tools/docker-registry"))
            .arg("serve")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(fs::File::create(home.path().join("log")).unwrap())
            .spawn()
            .expect("e2e/setup brings the registry");
        world.eventually("the registry listens", || TcpStream::connect((host, port)).ok());
        Self { child, address: format!("{host}:{port}"), authority: authority.pem(), home }
    }

    /// An image's name in it.
    fn image(&self, name: &str) -> String {
        format!("{}/{name}:1", self.address)
    }

    /// Copies a test image into it.
    fn push(&self, name: &str) {
        let archive = project(&format!("target/cluster/images/{name}.tar"));
        assert!(Path::new(&archive).is_file(), "{archive}");
        let output = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--dest-cert-dir"])
            .arg(self.home.path().join("certs.d"))
            .arg(format!("docker-archive:{archive}"))
            .arg(format!("docker://{}", self.image(name)))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
