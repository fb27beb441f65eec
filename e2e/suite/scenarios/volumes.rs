//! What containers share: claims, new and used; a socket's directory; processes; ports that
//! only a probe tells of.

use serde_json::{Value, json};

use crate::pods::{BUSYBOX, container, pod};
use crate::world::{Inside, ROOT_KEEPS, Space, World, say};

const ENFORCE: (&str, &str) = ("ironhull.dev/harden", "enforce");
const BASELINE: [(&str, &str); 2] = [ENFORCE, ("pod-security.kubernetes.io/enforce", "baseline")];
const RESTRICTED: [(&str, &str); 2] =
    [ENFORCE, ("pod-security.kubernetes.io/enforce", "restricted")];

/// A container that runs a script and then sleeps.
fn runs(name: &str, image: &str, script: &str) -> Value {
    let mut container = container(name, image);
    container["command"] = json!(["sh", "-c", format!("{script}; sleep 3600")]);
    container
}

fn mounting(mut container: Value, volume: &str, at: &str) -> Value {
    container["volumeMounts"] = json!([{"name": volume, "mountPath": at}]);
    container
}

/// A claim of this namespace on a `local` volume, which honours an fsGroup; the directory
/// belongs to root, and `fill` has written to it as root before.
pub(super) fn claim(world: &'static World, space: &Space, name: &str, fill: &str) -> Value {
    let root = std::env::var("CLUSTER_VOLUMES").expect("a scenario that says it needs it");
    let directory = format!("{root}/{}-{name}", space.name);
    let helper = world.namespace("volumes", &[]);
    let inside = format!("/volumes/{}-{name}", space.name);
    let script = format!("mkdir -p -m 755 {inside} && cd {inside} && {fill}");
    let mut make = mounting(container("make", BUSYBOX), "volumes", "/volumes");
    make["command"] = json!(["sh", "-c", script]);
    let mut maker = pod(&format!("make-{name}"), &[make]);
    maker["spec"]["restartPolicy"] = json!("Never");
    maker["spec"]["volumes"] =
        json!([{"name": "volumes", "hostPath": {"path": root, "type": "DirectoryOrCreate"}}]);
    helper.pod(&maker);
    helper.succeeded(&format!("make-{name}"));
    let volume = format!("{}-{name}", space.name);
    space.create_beside(&json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume},
        "spec": {
            "capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"namespace": space.name, "name": name},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
            ]}]}},
            "local": {"path": directory},
        },
    }));
    space
        .create(&json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "",
                "volumeName": volume,
                "resources": {"requests": {"storage": "1Mi"}},
            },
        }))
        .unwrap();
    json!([{"name": "data", "persistentVolumeClaim": {"claimName": name}}])
}

/// Creates a pod that has to be accepted; what is said of it.
fn create(world: &World, space: &Space, pod: &Value) -> String {
    let said = world.kubectl_with(pod, &["create", "--namespace", &space.name]);
    say(&said);
    said
}

/// Owner and mode of what is at a path.
fn stat(space: &Space, pod: &str, container: &str, path: &str) -> String {
    let seen = space.exec(pod, container, &["stat", "-c", "%u:%g:%a", path]);
    say(format!("{pod}, {path}: {}", seen.trim()));
    seen.trim().to_owned()
}

/// A database keeps its user, and its files their modes, beside an exporter that ironhull
/// gives a uid.
pub fn a_bystanders_files_stay(world: &'static World) {
    let space = world.namespace("bystander", &RESTRICTED);
    let fill = "mkdir -m 700 db && echo key > db/key && chmod 600 db/key && chown -R 26:26 .";
    let volumes = claim(world, &space, "database", fill);
    let mut db = mounting(container("db", BUSYBOX), "data", "/data");
    db["securityContext"] = json!({"runAsUser": 26, "runAsGroup": 26});
    let mut both = pod("database", &[db, container("exporter", BUSYBOX)]);
    both["spec"]["volumes"] = volumes;
    let warnings = create(world, &space, &both);
    space.ready("database");
    assert!(!warnings.contains("fsGroup"), "{warnings}");
    assert!(space.get("database")["spec"]["securityContext"]["fsGroup"].is_null());
    assert_eq!(space.look("database", "exporter").uid, 1000);
    assert_eq!(stat(&space, "database", "db", "/data/db/key"), "26:26:600");
    assert_eq!(stat(&space, "database", "db", "/data/db"), "26:26:700");
}

/// A claim of the container's own: new, and used by root before. The second start walks no
/// file, so that what the program made 0600 stays so.
pub fn claims_are_handed_over(world: &'static World) {
    let space = world.namespace("claims", &RESTRICTED);
    for (name, fill) in
        [("fresh", "true"), ("used", "mkdir -m 755 db && echo old > db/file && chmod 644 db/file")]
    {
        let volumes = claim(world, &space, name, fill);
        let script = "mkdir -p /data/db && echo new >> /data/db/file && \
                      test -e /data/cookie || (echo secret > /data/cookie && chmod 600 /data/cookie)";
        for start in ["first", "second"] {
            let app = mounting(runs("app", BUSYBOX, script), "data", "/data");
            let name = format!("{name}-{start}");
            let mut pod = pod(&name, &[app]);
            pod["spec"]["volumes"] = volumes.clone();
            space.pod(&pod);
            space.ready(&name);
            assert_eq!(space.look(&name, "app"), Inside::hardened(1000, 1000), "{name}");
            world.eventually(&format!("{name} has written"), || {
                let file = space.exec(&name, "app", &["cat", "/data/db/file"]);
                file.ends_with("new\n").then_some(())
            });
            // It makes the cookie after that, and its mode last.
            world.eventually(&format!("the cookie of {name} is its own alone"), || {
                (stat(&space, &name, "app", "/data/cookie") == "1000:1000:600").then_some(())
            });
            world.kubectl(&["delete", "pod", &name, "--namespace", &space.name, "--wait"]);
        }
    }
}

/// What rabbitmq's entry comes to, in busybox: without an fsGroup a claim that the program's
/// own user has used works and its cookie stays 0400; a new one is refused, with a warning
/// beforehand, and works with an fsGroup of the author's.
pub fn without_an_fs_group(world: &'static World) {
    let space = world.namespace("cookie", &RESTRICTED);
    let script = "test -e /data/cookie || (umask 077 && echo secret > /data/cookie) && echo wrote";
    let server = |name: &str, volumes: Value| {
        let app = mounting(runs("app", BUSYBOX, script), "data", "/data");
        let mut pod = pod(name, &[app]);
        pod["metadata"]["annotations"] = json!({"exempt.ironhull.dev/fsGroup": "owner-only files"});
        pod["spec"]["volumes"] = volumes;
        pod
    };
    let fill = "echo secret > cookie && chmod 400 cookie && chown -R 1000:1000 .";
    let used = server("used", claim(world, &space, "used", fill));
    let warnings = create(world, &space, &used);
    assert!(warnings.contains("app: uid 1000 may not write to volume data"), "{warnings}");
    space.ready("used");
    assert_eq!(stat(&space, "used", "app", "/data/cookie"), "1000:1000:400");

    space.pod(&server("fresh", claim(world, &space, "fresh", "true")));
    space.ready("fresh");
    world.eventually("the new claim is refused", || {
        space.log("fresh", "app").contains("Permission denied").then_some(())
    });
    // On a claim of its own: the kubelet hands a `local` volume over only where nobody has it mounted.
    let mut own = server("own", claim(world, &space, "own", "true"));
    own["spec"]["securityContext"] =
        json!({"fsGroup": 1000, "fsGroupChangePolicy": "OnRootMismatch"});
    let warnings = create(world, &space, &own);
    assert!(!warnings.contains("may not write"), "{warnings}");
    space.ready("own");
    world.eventually("it has written", || space.log("own", "app").contains("wrote").then_some(()));
    assert_eq!(stat(&space, "own", "app", "/data/cookie"), "1000:1000:600");
}

/// PostgreSQL with its data below the mount of a claim, new and used; Debian's image has the
/// link from `/var/run` to `/run`.
pub fn postgresql(world: &'static World) {
    let space = world.namespace("postgresql-claims", &RESTRICTED);
    let volumes = claim(world, &space, "data", "true");
    for start in ["first", "second"] {
        let mut app = mounting(
            container("app", "localhost/postgresql:local"),
            "data",
            "/var/lib/postgresql/data",
        );
        app.as_object_mut().unwrap().remove("command");
        app["env"] = json!([{"name": "PGDATA", "value": "/var/lib/postgresql/data/db"}]);
        let mut server = pod(start, &[app]);
        server["metadata"]["annotations"] =
            json!({"ironhull.dev/writable-paths": "/var/run/postgresql"});
        server["spec"]["volumes"] = volumes.clone();
        space.pod(&server);
        space.ready(start);
        world.eventually("it accepts connections", || {
            space.log(start, "app").contains("ready to accept connections").then_some(())
        });
        let mode = stat(&space, start, "app", "/var/lib/postgresql/data/db");
        assert!(mode.ends_with(":700") || mode.ends_with(":2700"), "{mode}");
        world.kubectl(&["delete", "pod", start, "--namespace", &space.name, "--wait"]);
    }
}

/// Two containers share a socket's directory at /run/php, and one of them is to be able to
/// write /var/run, which is /run in Debian's images.
pub fn a_socket_below_run(world: &'static World) {
    let space = world.namespace("socket", &RESTRICTED);
    let image = "localhost/nginx:local";
    let fpm = mounting(runs("fpm", image, "echo here > /run/php/socket"), "socket", "/run/php");
    let web = mounting(runs("web", image, "echo 1 > /var/run/web.pid"), "socket", "/run/php");
    let mut both = pod("php", &[fpm, web]);
    both["metadata"]["annotations"] = json!({"web.ironhull.dev/writable-paths": "/var/run"});
    both["spec"]["volumes"] = json!([{"name": "socket", "emptyDir": {}}]);
    space.pod(&both);
    space.ready("php");
    let link = space.exec("php", "web", &["sh", "-c", "test -L /var/run && echo link"]);
    assert_eq!(link, "link\n", "the image has no such link, and shows nothing");
    let look = "cat /run/php/socket /var/run/web.pid /run/web.pid";
    world.eventually("both see what the other wrote", || {
        (space.exec("php", "web", &["sh", "-c", &format!("{look} || true")]) == "here\n1\n1\n")
            .then_some(())
    });
}

/// nginx's master stays root by an exemption, and its workers are www-data (33): root can signal
/// them, and binds a port that no manifest tells of.
pub fn a_root_master_signals_its_workers(world: &'static World) {
    let space = world.namespace("master", &BASELINE);
    let mut nginx = container("app", "localhost/nginx:local");
    nginx.as_object_mut().unwrap().remove("command");
    let mut master = pod("master", &[nginx]);
    master["metadata"]["annotations"] = json!({
        "exempt.ironhull.dev/runAsNonRoot": "its workers run as another user",
        "ironhull.dev/writable-paths": "/var/lib/nginx,/run",
    });
    space.pod(&master);
    space.ready("master");
    assert_eq!(space.look("master", "app").cap_eff, ROOT_KEEPS);
    let signal = "for process in /proc/[0-9]*; do \
                  grep -q '^Uid:.33' $process/status 2>/dev/null && \
                  kill -TERM ${process#/proc/} && echo signalled; done; true";
    world.eventually("the worker is signalled", || {
        let said = space.exec("master", "app", &["sh", "-c", signal]);
        say(&said);
        said.contains("signalled").then_some(())
    });
}

/// A server on port 80 of which only a probe tells.
pub fn a_port_of_a_probe(world: &'static World) {
    let space = world.namespace("probe", &RESTRICTED);
    let mut app = container("app", BUSYBOX);
    app["command"] = json!(["httpd", "-f", "-p", "80", "-h", "/tmp"]);
    app["readinessProbe"] = json!({"tcpSocket": {"port": 80}, "periodSeconds": 1});
    space.pod(&pod("web", &[app]));
    space.ready("web");
    assert_eq!(space.look("web", "app").uid, 1000);
    let start = ["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"];
    assert_eq!(space.exec("web", "app", &start), "0\n");
}

/// A reloader signals the server beside it: both get the server's user.
pub fn shared_processes(world: &'static World) {
    let space = world.namespace("processes", &RESTRICTED);
    let mut server = container("server", BUSYBOX);
    server["command"] = json!(["sh", "-c", "trap 'echo reloaded' HUP; while :; do sleep 1; done"]);
    server["securityContext"] = json!({"runAsUser": 2000, "runAsGroup": 2000});
    let signal = "while sleep 1; do for process in /proc/[0-9]*; do \
                  grep -q 'echo [r]eloaded' $process/cmdline && kill -HUP ${process#/proc/}; \
                  done; done";
    let mut both = pod("both", &[server, runs("reloader", BUSYBOX, signal)]);
    both["spec"]["shareProcessNamespace"] = json!(true);
    space.pod(&both);
    space.ready("both");
    assert_eq!(space.look("both", "reloader"), Inside::hardened(2000, 2000));
    world.eventually("the signal arrives", || {
        space.log("both", "server").contains("reloaded").then_some(())
    });
}
