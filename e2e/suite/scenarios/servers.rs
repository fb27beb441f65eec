//! Real servers out of Debian's packages, in images that start as root, as most do: how
//! each breaks without what docs/troubleshooting.md says it needs, in the words that are
//! there, and that it serves with it.

use std::cell::RefCell;

use serde_json::{Value, json};

use crate::pods::{BUSYBOX, container, pod};
use crate::world::{Inside, ROOT_KEEPS, Space, World, say};

const ENFORCE: (&str, &str) = ("ironhull.dev/harden", "enforce");
const RESTRICTED: [(&str, &str); 2] =
    [ENFORCE, ("pod-security.kubernetes.io/enforce", "restricted")];
/// For what is exempt from `runAsNonRoot`.
const BASELINE: [(&str, &str); 2] = [ENFORCE, ("pod-security.kubernetes.io/enforce", "baseline")];

const WRITABLE: &str = "ironhull.dev/writable-paths";
const MAY_BE_ROOT: &str = "exempt.ironhull.dev/runAsNonRoot";

const NET_BIND_SERVICE: &str = "0000000000000400";

pub fn nginx(world: &'static World) {
    let space = world.namespace("nginx", &RESTRICTED);
    let nginx = Server::new("nginx", "nginx").port(80).annotated(WRITABLE, "/var/lib/nginx,/run");
    space.pod(&nginx.0);
    space.pod(&Server::new("nowhere-to-write", "nginx").port(80).0);
    space.pod(&nginx.clone().named("port-not-declared").without("ports").0);
    let without_rule = world.namespace("without-ports", &RESTRICTED);
    without_rule.pod(&nginx.clone().named("without-unprivileged-ports").0);
    let client = Client::start(world, &space);

    breaks(
        &space,
        "nowhere-to-write",
        "mkdir() \"/var/lib/nginx/body\" failed (30: Read-only file system)",
    );
    let low = ["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"];
    assert_eq!(space.exec("client", "app", &low), "1024\n", "the runtime opens low ports to all");
    let bind = "bind() to 0.0.0.0:80 failed (13: Permission denied)";
    breaks(&space, "port-not-declared", bind);
    breaks(&without_rule, "without-unprivileged-ports", bind);
    space.ready("nginx");
    assert_eq!(space.look("nginx", "app"), Inside::hardened(1000, 1000));
    assert_eq!(space.exec("nginx", "app", &low), "0\n");
    client.http(&space, "nginx", "Welcome to nginx!");
}

/// Its binary has the file capability `cap_net_bind_service`.
pub fn caddy(world: &'static World) {
    let space = world.namespace("caddy", &RESTRICTED);
    let caddy = Server::new("caddy", "caddy").port(80).annotated(WRITABLE, "/config,/data");
    space.pod(&caddy.0);
    space.pod(&caddy.clone().named("port-not-declared").without("ports").0);
    space.pod(&Server::new("nowhere-to-write", "caddy").port(80).0);
    let client = Client::start(world, &space);

    breaks(&space, "port-not-declared", "exec /usr/bin/caddy: operation not permitted");
    // It serves, and cannot keep what it would keep.
    let mkdir = "mkdir /config/caddy: read-only file system";
    assert_documented(mkdir);
    complains(world, &space, "nowhere-to-write", mkdir);
    space.ready("caddy");
    assert_eq!(space.look("caddy", "app"), Inside::hardened(1000, 1000));
    first_process_is(world, &space, "caddy", (1000, NET_BIND_SERVICE));
    client.http(&space, "caddy", "Caddy works!");
    complains(world, &space, "caddy", "autosaved config");
}

pub fn redis(world: &'static World) {
    let space = world.namespace("redis", &RESTRICTED);
    space.pod(&Server::new("redis", "redis").annotated(WRITABLE, "/data").0);
    space.pod(&Server::new("nowhere-to-write", "redis").0);
    let client = Client::start(world, &space);

    // It serves until it is to save.
    client.tcp(&space, "nowhere-to-write", 6379, &["PING", "BGSAVE", "QUIT"], "+PONG");
    let refused = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to \
                   persist to disk";
    assert_documented(refused);
    client.tcp(&space, "nowhere-to-write", 6379, &["SET greeting hello", "QUIT"], refused);
    complains(world, &space, "nowhere-to-write", "Read-only file system");
    space.ready("redis");
    assert_eq!(space.look("redis", "app"), Inside::hardened(1000, 1000));
    let commands = ["PING", "SET greeting hello", "SAVE", "GET greeting", "QUIT"];
    let answer = "+PONG\r\n+OK\r\n+OK\r\n$5\r\nhello\r\n+OK\r\n";
    client.tcp(&space, "redis", 6379, &commands, answer);
    let saved = space.exec("redis", "app", &["ls", "-ln", "/data/dump.rdb"]);
    say(format!("redis saved: {saved}"));
    assert!(saved.contains(" 1000 "), "{saved}");
}

/// Needs nothing: it gives up root only where it has it, and writes nowhere.
pub fn memcached(world: &'static World) {
    let space = world.namespace("memcached", &RESTRICTED);
    space.pod(&Server::new("memcached", "memcached").0);
    let client = Client::start(world, &space);
    space.ready("memcached");
    assert_eq!(space.look("memcached", "app"), Inside::hardened(1000, 1000));
    client.memcached(&space, "memcached");
}

pub fn postgresql(world: &'static World) {
    let space = world.namespace("postgresql", &RESTRICTED);
    let with_entry = world.namespace("postgresql-entry", &RESTRICTED);
    let below_the_mount = |server: Server| server.env("PGDATA", "/var/lib/postgresql/data/db");
    let server = |name| Server::new(name, "postgresql");
    let (data, both) = ("/var/lib/postgresql/data", "/var/lib/postgresql/data,/var/run/postgresql");

    with_entry.pod(&below_the_mount(server("entry")).0);
    space.pod(&below_the_mount(server("annotation").annotated(WRITABLE, both)).0);
    space.pod(&server("nowhere-to-write").0);
    space.pod(&server("data-is-the-mount").annotated(WRITABLE, both).0);
    space.pod(&below_the_mount(server("no-socket").annotated(WRITABLE, data)).0);
    let initdb = server("user-without-a-name").command(&["initdb", "-D", "/tmp/db"]);
    space.pod(&initdb.0);
    let client = Client::start_as(world, &space, "localhost/postgresql:local");

    let permissions = "could not change permissions of directory \"/var/lib/postgresql/data\": ";
    breaks(&space, "nowhere-to-write", &format!("{permissions}Read-only file system"));
    breaks(&space, "data-is-the-mount", &format!("{permissions}Operation not permitted"));
    let lock = "could not create lock file \"/var/run/postgresql/.s.PGSQL.5432.lock\": Read-only \
                file system";
    breaks(&space, "no-socket", lock);
    let nobody = "initdb: could not look up effective user ID 1000: user does not exist";
    breaks(&space, "user-without-a-name", nobody);
    for (space, name, id) in [(&space, "annotation", 1000), (&with_entry, "entry", 999)] {
        space.ready(name);
        assert_eq!(space.look(name, "app"), Inside::hardened(id, id), "{name}");
        client.sql(space, name);
    }
}

/// Images that are on ironhull's own list, by the name of a mirror: nothing need be said,
/// except where Debian's nginx writes.
pub fn known_by_a_mirrors_name(world: &'static World) {
    let space = world.namespace("mirror", &RESTRICTED);
    let nginx = Server::new("nginx", "nginx").port(80).annotated(WRITABLE, "/var/lib/nginx");
    space.pod(&nginx.0);
    for image in ["caddy", "redis", "memcached"] {
        space.pod(&Server::new(image, image).0);
    }
    let client = Client::start(world, &space);
    for (name, id) in [("nginx", 101), ("caddy", 1000), ("redis", 999), ("memcached", 11211)] {
        space.ready(name);
        let inside = space.look(name, "app");
        let groups = inside.groups.clone();
        assert_eq!(inside, Inside { groups, ..Inside::hardened(id, id) }, "{name}");
    }
    client.http(&space, "nginx", "Welcome to nginx!");
    // Without a declared port, and so without the sysctl: by its file capability, which works
    // for the first program of a container.
    client.http(&space, "caddy", "Caddy works!");
    let commands = ["SET greeting hello", "SAVE", "QUIT"];
    client.tcp(&space, "redis", 6379, &commands, "+OK\r\n+OK\r\n+OK\r\n");
    client.memcached(&space, "memcached");
}

/// Servers that start as root and give it up themselves, exempt from `runAsNonRoot`: with
/// `rootKeeps`, and as they break without.
pub fn that_give_up_root_themselves(world: &'static World) {
    let space = world.namespace("root-keeps", &BASELINE);
    let without = world.namespace("without-root-keeps", &BASELINE);
    let exempt = |name, image| Server::new(name, image).annotated(MAY_BE_ROOT, "gives up root");
    let nginx = exempt("nginx", "nginx").port(80).annotated(WRITABLE, "/var/lib/nginx,/run");
    let volume = exempt("redis-volume", "redis").annotated(WRITABLE, "/data");
    let redis = exempt("redis", "redis");
    let memcached = exempt("memcached", "memcached");
    for server in [&nginx, &volume, &redis, &memcached] {
        space.pod(&server.0);
        without.pod(&server.0);
    }
    // Their authors took everything themselves, and ironhull gives nothing back.
    space.pod(&redis.clone().named("redis-drops-all").drops_all().0);
    let client = Client::start(world, &space);

    let groups = "can't set groups: Operation not permitted";
    breaks(&without, "redis", groups);
    breaks(&space, "redis-drops-all", groups);
    breaks(&without, "redis-volume", "chown: .: Operation not permitted");
    breaks(
        &without,
        "nginx",
        "chown(\"/var/lib/nginx/body\", 33) failed (1: Operation not permitted)",
    );
    breaks(&without, "memcached", "failed to drop supplementary groups: Operation not permitted");
    for name in ["nginx", "redis", "redis-volume", "memcached"] {
        space.ready(name);
        let inside = space.look(name, "app");
        assert_eq!((inside.uid, inside.no_new_privs, inside.seccomp), (0, 1, 2), "{name}");
        assert!(!inside.root_writable, "{name}");
    }
    client.http(&space, "nginx", "Welcome to nginx!");
    let saves = ["SET greeting hello", "SAVE", "QUIT"];
    client.tcp(&space, "redis-volume", 6379, &saves, "+OK\r\n+OK\r\n+OK\r\n");
    client.tcp(&space, "redis", 6379, &["PING", "QUIT"], "+PONG");
    client.memcached(&space, "memcached");
    assert_eq!(space.look("memcached", "app").cap_eff, ROOT_KEEPS);
    for name in ["redis", "redis-volume", "memcached"] {
        first_process_is(world, &space, name, (999, "0000000000000000"));
    }
}

/// The pod of a server as its image starts it.
#[derive(Clone)]
struct Server(Value);

impl Server {
    fn new(name: &str, image: &str) -> Self {
        let mut container = container("app", &format!("localhost/{image}:local"));
        container.as_object_mut().unwrap().remove("command");
        let mut pod = pod(name, &[container]);
        // A server that ends has failed.
        pod["spec"]["restartPolicy"] = json!("Never");
        Self(pod)
    }

    fn named(mut self, name: &str) -> Self {
        self.0["metadata"]["name"] = json!(name);
        self
    }

    fn annotated(mut self, key: &str, value: &str) -> Self {
        self.0["metadata"]["annotations"][key] = json!(value);
        self
    }

    fn port(self, port: u16) -> Self {
        self.set("ports", json!([{"containerPort": port}]))
    }

    fn env(self, name: &str, value: &str) -> Self {
        self.set("env", json!([{"name": name, "value": value}]))
    }

    fn command(self, command: &[&str]) -> Self {
        self.set("command", json!(command))
    }

    fn drops_all(self) -> Self {
        self.set("securityContext", json!({"capabilities": {"drop": ["ALL"]}}))
    }

    fn without(self, key: &str) -> Self {
        self.set(key, Value::Null)
    }

    fn set(mut self, key: &str, value: Value) -> Self {
        self.0["spec"]["containers"][0][key] = value;
        self
    }
}

/// A hardened pod that asks servers, at their pods' addresses.
struct Client<'a> {
    world: &'static World,
    space: &'a Space,
}

impl<'a> Client<'a> {
    fn start(world: &'static World, space: &'a Space) -> Self {
        Self::start_as(world, space, BUSYBOX)
    }

    fn start_as(world: &'static World, space: &'a Space, image: &str) -> Self {
        space.pod(&pod("client", &[container("app", image)]));
        space.ready("client");
        Self { world, space }
    }

    /// Asks for the first page. (`wget -T` would do, but crashes in a static busybox.)
    fn http(&self, space: &Space, server: &str, expected: &str) {
        let ask = format!("timeout 5 wget -q -O - http://{}/", address(space, server));
        self.ask(server, &ask, expected);
    }

    /// Sends lines, the last of which makes the server close the connection.
    fn tcp(&self, space: &Space, server: &str, port: u16, lines: &[&str], expected: &str) {
        let lines = lines.join("\\r\\n");
        let ask = format!("printf '{lines}\\r\\n' | nc -w 5 {} {port}", address(space, server));
        self.ask(server, &ask, expected);
    }

    fn memcached(&self, space: &Space, server: &str) {
        let lines = ["set greeting 0 0 5", "hello", "get greeting", "stats", "quit"];
        let expected = "STORED\r\nVALUE greeting 0 5\r\nhello\r\nEND\r\nSTAT pid 1\r\n";
        self.tcp(space, server, 11211, &lines, expected);
    }

    /// Makes a table, fills it and reads it.
    fn sql(&self, space: &Space, server: &str) {
        let psql = format!("psql -h {} -U postgres -At", address(space, server));
        let statements = "CREATE TABLE IF NOT EXISTS n AS SELECT * FROM generate_series(1, 4) i";
        let ask = format!("{psql} -c '{statements}' -c 'SELECT sum(i), current_user FROM n'");
        self.ask(server, &ask, "10|postgres\n");
    }

    /// Asks until the answer has what is expected: a container is ready a moment before its
    /// server.
    fn ask(&self, server: &str, ask: &str, expected: &str) {
        say(format!("{server}: {ask}"));
        let said = RefCell::new(String::new());
        self.world.eventually(&format!("{server} answers {expected}"), || {
            let answer = self.space.try_exec("client", "app", &["sh", "-c", ask]).ok()?;
            let done = answer.contains(expected);
            let important = |line: &&str| !done || expected.lines().any(|e| line.contains(e));
            let answer: Vec<_> = answer.lines().filter(important).map(str::trim).collect();
            let answer = answer.join(" ");
            if *said.borrow() != answer {
                say(format!("{server} → {answer}"));
                said.replace(answer);
            }
            done.then_some(())
        });
    }
}

fn address(space: &Space, name: &str) -> String {
    space.ready(name);
    space.get(name)["status"]["podIP"].as_str().unwrap().to_owned()
}

/// Waits until the pod has failed, with that message.
fn breaks(space: &Space, name: &str, message: &str) {
    assert_documented(message);
    space.failed(name);
    show(name, &space.log(name, "app"), message)
        .unwrap_or_else(|log| panic!("{}/{name} does not say {message}: {log}", space.name));
}

/// Waits until the pod says it and goes on.
fn complains(world: &World, space: &Space, name: &str, message: &str) {
    space.ready(name);
    world.eventually(&format!("{name} says {message}"), || {
        show(name, &space.log(name, "app"), message).ok()
    });
}

/// Who searches the page for what the program says finds it there.
fn assert_documented(message: &str) {
    let page = include_str!("../../../docs/troubleshooting.md").replace('\n', " ");
    assert!(page.contains(message), "docs/troubleshooting.md does not have: {message}");
}

fn show(name: &str, log: &str, message: &str) -> Result<(), String> {
    let line = log.lines().find(|line| line.contains(message)).ok_or(log)?;
    say(format!("{name}: {line}"));
    Ok(())
}

/// Waits until the server itself is that: what starts it is there a moment before.
fn first_process_is(world: &World, space: &Space, name: &str, (uid, capabilities): (i64, &str)) {
    world.eventually(&format!("{name} is uid {uid} with {capabilities}"), || {
        (of_first_process(space, name) == (uid, capabilities.to_owned())).then_some(())
    });
}

/// The uid and the effective capabilities of the server itself, not of what `kubectl exec`
/// starts beside it.
fn of_first_process(space: &Space, name: &str) -> (i64, String) {
    let status = space.exec(name, "app", &["grep", "-E", "^(Uid|CapEff):", "/proc/1/status"]);
    say(format!("{name}, process 1: {}", status.split_whitespace().collect::<Vec<_>>().join(" ")));
    let word = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    (word("Uid:").parse().unwrap(), word("CapEff:"))
}
