//! `ironhull watch --image-facts`: what it learns of the images of pods, and where it keeps it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::api::Api;
use crate::fake::{Fake, Reply};
use crate::image::{LayoutDirectory, Packing};
use crate::objects::{namespace, opted_in, pod};
use crate::process::{Process, get};
use crate::tar::Tar;

const MAPS: usize = 16;

fn map(shard: usize) -> String {
    format!("/api/v1/namespaces/system/configmaps/facts-{shard:02}")
}

/// An API server with the ConfigMaps that the chart makes, and a namespace that opted in.
pub fn cluster() -> Api {
    let api = Api::start(None);
    for shard in 0..MAPS {
        let metadata = json!({"name": format!("facts-{shard:02}"), "namespace": "system"});
        api.set(
            &map(shard),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}),
        );
    }
    api.put("namespaces", opted_in("shop"));
    api
}

/// All that is kept.
fn kept(api: &Api) -> String {
    let texts = (0..MAPS).filter_map(|shard| {
        let key = format!("facts-{shard:02}.yaml");
        Some(api.object(&map(shard))?["data"][key].as_str()?.to_owned())
    });
    texts.collect()
}

/// An image with a user `app` that is 1500, under this tag.
fn image(layout: &mut LayoutDirectory, tag: &str, uid: u32) {
    let passwd = format!("root:x:0:0::/root:/bin/sh\napp:x:{uid}:1600::/app:/bin/sh\n");
    let layer = Tar::new()
        .file("etc/passwd", passwd)
        .owned_directory("app/cache", 0o755, uid, 1600)
        .finish();
    let config = json!({"User": "app", "Entrypoint": ["/app/run"], "WorkingDir": "/app"});
    let manifest = layout.manifest("linux/amd64", config, &[(Packing::None, layer)]);
    let other = json!({"User": "app", "Entrypoint": ["/app/run"], "WorkingDir": "/app"});
    let layer = Tar::new().file("etc/passwd", "app:x:77:77::/:/bin/sh\n").finish();
    let arm = layout.manifest("linux/arm64", other, &[(Packing::None, layer)]);
    let index = layout.index(&[manifest, arm]);
    layout.tag(Some(tag), index);
}

fn layout(path: &Path) {
    image(&mut LayoutDirectory::new(path), "1", 1500);
}

/// A pod of one container that says nothing, and runs as digest `digest` if it is known.
pub fn of_image(name: &str, image: &str) -> Value {
    let mut pod = pod("shop", name, 1500);
    pod["spec"]["containers"][0]["image"] = json!(image);
    pod["status"]["containerStatuses"][0]["user"] = json!({});
    pod
}

pub fn learning(api: &Api, registries: &str, more: &[&str]) -> Process {
    let mut arguments = vec![
        "--image-facts=system/facts",
        "--answer-facts=127.0.0.1:0",
        "--platform=linux/amd64",
        "--registry",
        registries,
    ];
    arguments.extend(more);
    Process::start(api.address, &arguments)
}

/// Where it answers questions.
fn answers(watch: &Process) -> std::net::SocketAddr {
    let log = watch.log();
    let line = log.lines().find(|line| line.contains("facts_addr")).unwrap();
    serde_json::from_str::<Value>(line).unwrap()["facts_addr"].as_str().unwrap().parse().unwrap()
}

const READ: &str = r#"ironhull_watch_images{known="image"}"#;

#[test]
fn facts_of_pods_images_are_learnt_and_kept() {
    let home = tempfile::tempdir().unwrap();
    layout(home.path());
    let registry = Fake::start(Some(home.path()), |_| Reply::Usual);
    let api = cluster();
    let name = registry.image("1");
    api.put("pods", of_image("web", &name));
    // Those of namespaces that did not opt in are nobody's business.
    api.put("namespaces", namespace("other", &[]));
    let mut foreign = of_image("foreign", &registry.image("foreign"));
    foreign["metadata"]["namespace"] = json!("other");
    api.put("pods", foreign);
    let host = registry.address.to_string();
    let watch = learning(&api, &host, &[]);
    watch.reaches(READ, 1);
    watch.eventually("kept", || kept(&api).contains("\"uid\":1500"));
    let text = kept(&api);
    assert_eq!(text.matches(&name).count(), 1, "one platform: {text}");
    assert!(text.contains("/app/cache") && !text.contains("foreign"), "{text}");
    assert!(!registry.seen().iter().any(|seen| seen.path.contains("foreign")));
    assert_eq!(watch.metric("ironhull_watch_image_facts_failing"), Some(0));
    let facts: Value = serde_json::from_str(&watch.get("/readyz").1).unwrap();
    assert_eq!(facts["imageFacts"], json!({"trouble": null}));

    // Nothing is read twice: not in this process, and not by the next one.
    let asked = registry.asked().len();
    api.put("pods", of_image("web-2", &name));
    watch.stop();
    let before = kept(&api);
    let watch = learning(&api, &host, &[]);
    watch.reaches(READ, 1);
    assert_eq!(registry.asked().len(), asked);
    // A namespace that opts in later is learnt of then.
    api.put("namespaces", opted_in("other"));
    watch.eventually("asked", || registry.seen().iter().any(|it| it.path.contains("foreign")));
    watch.reaches(
        &format!(r#"ironhull_watch_images_failed{{registry="{host}",reason="not_found"}}"#),
        1,
    );
    assert_eq!(kept(&api), before);
    let (code, took) = watch.stop();
    assert!(code == Some(0) && took < Duration::from_secs(5), "{took:?}");
}

/// What another one writes meanwhile is taken over, and what cannot be read is written anew.
#[test]
fn config_maps_have_more_than_one_writer() {
    let home = tempfile::tempdir().unwrap();
    layout(home.path());
    let registry = Fake::start(Some(home.path()), |_| Reply::Usual);
    let api = cluster();
    let write = |shard: usize, text: &str| {
        let mut object = api.object(&map(shard)).unwrap();
        object["data"] = json!({format!("facts-{shard:02}.yaml"): text});
        api.set(&map(shard), object);
    };
    (0..MAPS).for_each(|shard| write(shard, "images: [nonsense"));
    let host = registry.address.to_string();
    let watch = learning(&api, &host, &[]);
    watch.eventually("loaded", || watch.log().contains("facts of images loaded"));
    let other = "apiVersion: ironhull.dev/v1alpha1\nkind: ImageFacts\nimages:\n- {image: 'r.corp/other:1', uid: 7}\n";
    (0..MAPS).for_each(|shard| write(shard, other));
    api.put("pods", of_image("web", &registry.image("1")));
    watch.eventually("kept", || kept(&api).contains("\"uid\":1500"));
    // The other's entries are of another shard, and stay where they are known.
    let shard =
        (0..MAPS).find(|shard| api.object(&map(*shard)).unwrap().to_string().contains("1500"));
    let text = api.object(&map(shard.unwrap())).unwrap().to_string();
    assert!(text.contains(&registry.image("1")), "{text}");
    assert_eq!(
        watch.metric(r#"ironhull_watch_image_facts_writes_total{result="conflict"}"#),
        Some(1)
    );
}

#[test]
fn without_config_maps_it_says_what_is_missing_and_goes_on_once_they_are_there() {
    let api = Api::start(None);
    api.put("namespaces", opted_in("shop"));
    api.put("pods", pod("shop", "a", 0));
    let watch = learning(&api, "127.0.0.1:1", &[]);
    watch.ready();
    watch.eventually("said", || {
        watch.get("/readyz").1.contains("there is no configmap `facts-00` in `system`")
    });
    assert_eq!(watch.metric("ironhull_watch_image_facts_failing"), Some(1));
    // What it is for otherwise, it does.
    watch.reaches(
        r#"ironhull_watch_root_containers{namespace="shop",mode="enforce",allowed="no"}"#,
        1,
    );
    api.set(&map(0), json!("configmaps \"facts-00\" is forbidden"));
    watch.eventually("forbidden", || {
        watch.get("/readyz").1.contains("not allowed to get the configmaps")
    });
}

#[test]
fn a_question_has_an_image_read() {
    let home = tempfile::tempdir().unwrap();
    layout(home.path());
    let registry = Fake::start(Some(home.path()), |_| Reply::Usual);
    let api = cluster();
    let host = registry.address.to_string();
    let watch = learning(&api, &host, &[]);
    watch.ready();
    let address = answers(&watch);
    let ask = |image: &str| get(address, &format!("/image-facts?image={image}&namespace=shop"));
    watch.eventually("answered", || match ask(&registry.image("1")) {
        (202, _) => false,
        (status, text) => {
            assert_eq!(status, 200, "{text}");
            text.contains("\"uid\":1500")
        }
    });
    // Not of every registry, and only once of what is not there.
    assert_eq!(ask("r.corp/web:1").0, 404);
    assert_eq!(ask("").0, 404);
    assert_eq!(ask("no%20name").0, 404);
    watch.eventually("not there", || ask(&registry.image("none")).0 == 404);
    let asked = registry.asked().len();
    assert_eq!(ask(&registry.image("none")).0, 404);
    assert_eq!(registry.asked().len(), asked);
    // The ops listener tells nothing of the kind.
    assert_eq!(watch.get(&format!("/image-facts?image={}", registry.image("1"))).0, 404);
}

/// Credentials are those of the pod that names the image, and go to the registry they are for.
#[test]
fn a_pods_images_are_read_with_the_pods_credentials() {
    let home = tempfile::tempdir().unwrap();
    layout(home.path());
    let authorization = format!("Basic {}", BASE64_STANDARD.encode("shop:right"));
    let expected = authorization.clone();
    let registry =
        Fake::start(Some(home.path()), move |seen| match seen.headers.get("authorization") {
            Some(found) if *found == expected => Reply::Usual,
            _ => Reply::With(
                401,
                vec![("WWW-Authenticate", "Basic realm=\"x\"".to_owned())],
                Vec::new(),
            ),
        });
    let api = cluster();
    let host = registry.address.to_string();
    let secret = |name: &str, auths: Value| {
        let config = BASE64_STANDARD.encode(json!({"auths": auths}).to_string());
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": name, "namespace": "shop"},
            "data": {".dockerconfigjson": config},
        });
        api.set(&format!("/api/v1/namespaces/shop/secrets/{name}"), object);
    };
    let login = |text: &str| json!({"auth": BASE64_STANDARD.encode(text)});
    secret("elsewhere", json!({"elsewhere.example": login("other:secret")}));
    secret("wrong", json!({host.clone(): login("shop:wrong")}));
    secret("right", json!({host.clone(): login("shop:right")}));
    api.set("/api/v1/namespaces/shop/secrets/closed", json!("secrets \"closed\" is forbidden"));
    let mut web = of_image("web", &registry.image("1"));
    web["spec"]["imagePullSecrets"] = json!([{"name": "closed"}, {"name": "elsewhere"}, {"name": "gone"}, {"name": "right"}, {"name": "wrong"}]);
    api.put("pods", web);
    let watch = learning(&api, &host, &[]);
    watch.reaches(READ, 1);
    for seen in registry.seen() {
        let found = seen.headers.get("authorization").cloned().unwrap_or_default();
        assert!(!found.contains(&BASE64_STANDARD.encode("other:secret")), "{seen:?}");
    }
    let log = watch.log();
    for text in ["right", "secret", authorization.as_str()] {
        assert!(!log.contains(&format!("shop:{text}")) && !log.contains("other:"), "{log}");
    }
    // Without the right to read it, the reason says so.
    let mut closed = of_image("closed", &registry.image("2"));
    closed["spec"]["imagePullSecrets"] = json!([{"name": "closed"}]);
    api.put("pods", closed);
    watch.eventually("said", || watch.log().contains("not allowed to read shop/closed"));
    let failed =
        format!(r#"ironhull_watch_images_failed{{registry="{host}",reason="unauthorized"}}"#);
    watch.reaches(&failed, 1);
}

/// A registry that was not named must not be near: names of images are anybody's.
#[test]
fn names_are_no_way_to_this_machine() {
    let home = tempfile::tempdir().unwrap();
    layout(home.path());
    let registry = Fake::start(Some(home.path()), |_| Reply::Usual);
    let api = cluster();
    let name = format!("localhost:{}/app:1", registry.address.port());
    for (n, image) in
        [name, registry.image("1"), "169.254.169.254/app:1".to_owned()].iter().enumerate()
    {
        api.put("pods", of_image(&format!("web-{n}"), image));
    }
    let watch = Process::start(api.address, &["--image-facts=system/facts"]);
    let port = registry.address.port();
    for host in
        [format!("localhost:{port}"), format!("127.0.0.1:{port}"), "169.254.169.254".to_owned()]
    {
        watch.reaches(
            &format!(r#"ironhull_watch_images_failed{{registry="{host}",reason="forbidden"}}"#),
            1,
        );
    }
    assert_eq!(registry.seen().len(), 0);
}

/// What runs without a word shows the image's user, where the registry cannot be read.
#[test]
fn a_running_pod_tells_its_images_user() {
    let api = cluster();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let image = format!("{gone}/app:1");
    let mut silent = of_image("web", &image);
    silent["status"]["containerStatuses"][0]["user"] =
        json!({"linux": {"uid": 1500, "gid": 1600, "supplementalGroups": [1600]}});
    api.put("pods", silent);
    let watch = learning(&api, &gone.to_string(), &[]);
    watch.eventually("kept", || kept(&api).contains("\"from\":\"pod\",\"uid\":1500,\"gid\":1600"));
    let failed =
        format!(r#"ironhull_watch_images_failed{{registry="{gone}",reason="unreachable"}}"#);
    watch.reaches(&failed, 1);
}

/// A registry that hangs holds up neither the end nor what the watch is for.
#[test]
fn a_registry_that_hangs_holds_nothing_up() {
    let registry = Fake::start(None, |_| {
        std::thread::sleep(Duration::from_secs(600));
        Reply::Usual
    });
    let api = cluster();
    for n in 0..20 {
        api.put("pods", of_image(&format!("web-{n}"), &registry.image(&n.to_string())));
    }
    let watch = learning(&api, &registry.address.to_string(), &[]);
    watch.ready();
    watch.eventually("asked", || !registry.seen().is_empty());
    let began = Instant::now();
    let address = answers(&watch);
    assert_eq!(get(address, &format!("/image-facts?image={}", registry.image("new"))).0, 202);
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(registry.seen().len() <= 2, "two images of a registry at once");
    let (code, took) = watch.stop();
    assert!(code == Some(0) && took < Duration::from_secs(5), "{took:?}");
}

/// Layers that were read are in the directory, and the next one needs no more than the manifest.
#[test]
fn layers_are_read_once() {
    let home = tempfile::tempdir().unwrap();
    let cache = tempfile::tempdir().unwrap();
    layout(home.path());
    let registry = Fake::start(Some(home.path()), |_| Reply::Usual);
    let directory = cache.path().join("images").display().to_string();
    let blobs = || {
        let mut counts: HashMap<String, usize> = HashMap::new();
        registry.seen().iter().filter(|it| it.path.contains("/blobs/")).for_each(|seen| {
            *counts.entry(seen.path.clone()).or_default() += 1;
        });
        counts
    };
    for round in 0..2 {
        let api = cluster();
        api.put("pods", of_image("web", &registry.image("1")));
        let watch = learning(&api, &registry.address.to_string(), &["--cache", &directory]);
        watch.reaches(READ, 1);
        let most = blobs().values().copied().max();
        assert!(most <= Some(2), "round {round}: {:?}", blobs());
    }
    assert!(fs::read_dir(cache.path().join("images")).unwrap().count() > 0);
}
