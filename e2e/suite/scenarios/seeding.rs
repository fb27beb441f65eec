//! Directories of an image that its program writes to, and that are not empty: an emptyDir begins
//! with what the image has there.

use serde_json::{Value, json};

use crate::pods::{container, pod};
use crate::world::{Inside, Space, World, say};

const ENFORCE: (&str, &str) = ("ironhull.dev/harden", "enforce");
const RESTRICTED: [(&str, &str); 2] =
    [ENFORCE, ("pod-security.kubernetes.io/enforce", "restricted")];

/// The annotation for the container `app`.
const WRITABLE: &str = "app.ironhull.dev/writable-paths";

/// A pod whose one container starts its image as it is.
fn server(name: &str, image: &str, paths: Option<&str>) -> Value {
    let mut container = container("app", &format!("localhost/{image}:local"));
    container.as_object_mut().unwrap().remove("command");
    container["resources"] = json!({"requests": {"cpu": "10m", "memory": "16Mi"}});
    let mut pod = pod(name, &[container]);
    // A server that ends has failed.
    pod["spec"]["restartPolicy"] = json!("Never");
    if let Some(paths) = paths {
        pod["metadata"]["annotations"] = json!({WRITABLE: paths});
    }
    pod
}

/// The two init containers, before any other; what they have said is evidence.
fn seeded(space: &Space, name: &str) {
    space.ready(name);
    let pod = space.get(name);
    let init = pod["spec"]["initContainers"].as_array().unwrap();
    let names: Vec<_> = init.iter().map(|container| container["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ironhull-seed", "ironhull-seed-app"]);
    let app = &pod["spec"]["containers"][0];
    assert_eq!(init[1]["image"], app["image"]);
    for container in init {
        assert_eq!(container["resources"], app["resources"], "{container}");
    }
    assert_eq!(pod["status"]["qosClass"], "Burstable");
    for name in names {
        say(space.log(pod["metadata"]["name"].as_str().unwrap(), name));
    }
}

/// An image without a shell: content, links, modes and times are the image's, for directories with
/// everything that can be in one, with ten thousand files, and with large ones.
pub fn a_distroless_image(world: &'static World) {
    let paths = ["/opt/app/conf", "/opt/app/many", "/opt/app/large"];
    let of_image = world.namespace("image", &[]);
    let hardened = world.namespace("seeded", &RESTRICTED);
    let args = |mut pod: Value| {
        pod["spec"]["containers"][0]["args"] = json!(paths);
        pod
    };
    let asked = paths.map(|path| format!("{path}=seed")).join(",");
    of_image.pod(&args(server("lister", "lister", None)));
    // What happens without: an emptyDir hides everything, or nothing can be written.
    hardened.pod(&args(server("empty", "lister", Some("/opt/app/conf"))));
    hardened.pod(&args(server("lister", "lister", Some(&asked))));
    let empty = listed(world, &hardened, "empty");
    assert!(!empty.entries.iter().any(|entry| entry.contains("/opt/app/conf")), "{empty:?}");
    assert!(
        empty
            .said
            .contains("to write in /opt/app/many is an error: open /opt/app/many/made: read-only")
    );

    seeded(&hardened, "lister");
    let (mut image, copy) =
        (listed(world, &of_image, "lister"), listed(world, &hardened, "lister"));
    // What the user may not read, and the bit that would make it somebody else.
    image.entries.retain(|entry| !entry.contains("secret.key") && !entry.contains("/closed"));
    for entry in &mut image.entries {
        *entry = entry.replace("sudo\" urwxr-xr-x", "sudo\" -rwxr-xr-x");
    }
    let count = image.entries.len();
    assert!(count > 10_100, "{count} entries");
    let differ = image.entries.iter().zip(&copy.entries).find(|(image, copy)| image != copy);
    assert_eq!((differ, count), (None, copy.entries.len()));
    say(format!("{count} entries, equal in content, links, modes and times"));
    for path in paths {
        for said in [
            format!("owners of {path} are [1000]"),
            format!("to write in {path} is an error: <nil>"),
        ] {
            assert!(copy.said.contains(&said), "{said}: {}", copy.said);
            say(said);
        }
    }
    assert!(copy.said.contains("listed as 1000"));
    let log = hardened.log("lister", "ironhull-seed-app");
    for left_out in ["conf/secret.key", "conf/closed"] {
        let named = format!("left out: uid 1000 cannot read \"/opt/app/{left_out}\"");
        assert!(log.contains(&named), "{log}");
    }
    let line = log.lines().find(|line| line.starts_with("/opt/app/large: ")).unwrap();
    let milliseconds = line.rsplit_once(" ms").and_then(|(start, _)| start.rsplit(' ').next());
    let each = milliseconds.unwrap().parse::<f64>().unwrap() / 4.0;
    say(format!("{each:.0} ms for 10 MiB"));
    assert!(each < 5_000.0, "{each} ms for 10 MiB");
}

/// What the program of the image without a shell has printed.
#[derive(Debug)]
struct Listed {
    entries: Vec<String>,
    said: String,
}

fn listed(world: &World, space: &Space, name: &str) -> Listed {
    space.ready(name);
    let log = world.eventually(&format!("{name} has listed"), || {
        Some(space.log(name, "app")).filter(|log| log.contains("listed as"))
    });
    let (entries, said): (Vec<&str>, Vec<&str>) =
        log.lines().partition(|line| line.starts_with("entry "));
    let mut entries: Vec<String> = entries.into_iter().map(str::to_owned).collect();
    entries.sort();
    Listed { entries, said: said.join("\n") }
}

/// nginx, whose configuration is changed while it runs.
pub fn nginx_configuration(world: &'static World) {
    let space = world.namespace("seeded", &RESTRICTED);
    let mut nginx = server("nginx", "nginx", None);
    nginx["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80}]);
    space.pod(&nginx);
    // Without: the configuration can only be read.
    let without = world.namespace("restricted", &RESTRICTED);
    nginx["metadata"]["annotations"] = json!({WRITABLE: "/var/lib/nginx,/run"});
    without.pod(&nginx);
    let change = "printf 'server { listen 80 default_server; return 200 changed; }' \
                  > /etc/nginx/sites-enabled/default";
    without.ready("nginx");
    let refused = without.exec("nginx", "app", &["sh", "-c", change]);
    say(format!("without: {refused}"));
    assert!(refused.contains("Read-only file system"), "{refused}");

    seeded(&space, "nginx");
    assert_eq!(space.look("nginx", "app"), Inside::hardened(1000, 1000));
    let list = "cd /etc/nginx && find . ! -name . | sort | xargs stat -c '%n %F %a %Y %N'; \
                find . -type f | sort | xargs sha256sum";
    let [image, copy] = [&without, &space].map(|it| it.exec("nginx", "app", &["sh", "-c", list]));
    say(format!("/etc/nginx: {} lines, equal", image.lines().count()));
    assert!(image.lines().count() > 20, "{image}");
    assert_eq!(image, copy);
    let owners = space.exec("nginx", "app", &["sh", "-c", "find /etc/nginx/* ! -user 1000"]);
    assert_eq!(owners, "", "not its user's");
    let ask = ["wget", "-q", "-O", "-", "http://127.0.0.1/"];
    // It is ready a moment before it listens.
    world.eventually("nginx answers", || {
        space.exec("nginx", "app", &ask).contains("Welcome to nginx!").then_some(())
    });
    // The link to sites-available is replaced by a file of its own.
    let change = format!("rm /etc/nginx/sites-enabled/default && {change} && kill -HUP 1");
    let said = space.exec("nginx", "app", &["sh", "-c", &change]);
    assert_eq!(said, "");
    world.eventually("nginx answers by its new configuration", || {
        (space.exec("nginx", "app", &ask) == "changed").then_some(())
    });
    say("nginx answers by the configuration that was changed while it ran");
}

/// A Java program that reads and writes its configuration below where it works.
pub fn a_java_application(world: &'static World) {
    let space = world.namespace("seeded", &RESTRICTED);
    space.pod(&server("java", "java", Some("/opt/app=seed")));
    space.pod(&server("empty", "java", Some("/opt/app")));
    space.pod(&server("nowhere-to-write", "java", None));
    for (name, said) in [
        ("empty", "Could not find or load main class App"),
        ("nowhere-to-write", "conf/app.properties: Read-only file system"),
    ] {
        space.failed(name);
        let log = space.log(name, "app");
        assert!(log.contains(said), "{name}: {log}");
        say(format!("{name}: {said}"));
    }
    seeded(&space, "java");
    world.eventually("the Java program has started", || {
        let log = space.log("java", "app");
        log.contains("hello from Java, started 1 times").then(|| say(log))
    });
    let said = space.exec("java", "app", &["cat", "/opt/app/conf/app.properties"]);
    assert!(said.contains("starts=1"), "{said}");
    assert_eq!(space.look("java", "app"), Inside::hardened(1000, 1000));
}

/// The emptyDir is smaller than what is to be in it: the pod stays, and the message says what to do.
/// Were the copy made nevertheless, the kubelet would evict the pod, and its controller make another.
pub fn a_limit_that_is_too_small(world: &'static World) {
    let space = world.namespace("small", &RESTRICTED);
    space.pod(&server("lister", "lister", Some("/opt/app/many=seed")));
    space.pod(&server("misspelt", "lister", Some("/opt/app/mony=seed")));
    for (name, words) in [
        (
            "lister",
            "`/opt/app/many` needs more than 1048576 bytes, the sizeLimit of its emptyDir: \
             raise `readOnlyRootFilesystem.sizeLimit` in the policy",
        ),
        (
            "misspelt",
            "the image has no directory `/opt/app/mony`: correct the path in `writable-paths`",
        ),
    ] {
        space.failed(name);
        let status = space.get(name)["status"].clone();
        let ended = &status["initContainerStatuses"][1]["state"]["terminated"];
        let message = ended["message"].as_str().unwrap_or_default();
        say(format!("{name}: {message}"));
        assert_eq!(message.trim_end(), format!("error: {words}"), "{status}");
        assert_ne!(status["reason"], "Evicted");
        let explained = world.ironhull(&["explain", name, "-n", &space.name]);
        say(&explained);
        assert!(explained.contains(words), "{explained}");
        assert!(explained.contains("why:  a directory that the pod asks to be filled"));
        assert!(explained.contains("#a-directory-cannot-be-seeded"), "{explained}");
    }
}
