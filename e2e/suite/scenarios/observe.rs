//! `ironhull observe`: servers out of Debian's packages that run as root, under load; what it says
//! they need, compared with what they wrote, and that they serve hardened with just that.

mod node;
mod table;
mod trouble;

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::pods::{BUSYBOX, container, pod};
use crate::schema::check;
use crate::world::{Space, World, image, project, say};
use node::{Node, is_below};
use table::{SERVERS, Server};
pub use trouble::{
    hardened_and_distroless, in_a_user_namespace, rights_that_are_missing, several_containers,
    shared_processes, targets_that_go,
};

/// So many servers, and so many of those that need no root serve hardened with what is printed.
const AT_LEAST: usize = 25;
const AT_LEAST_SERVING: usize = 22;
/// Of directories that were written to, in percent: those that are found, and of those that are
/// found, those that are right.
const RECALL: f64 = 99.0;
const PRECISION: f64 = 95.0;
/// Servers that are observed at once: two cores run them all.
const AT_ONCE: usize = 9;
/// How long each is, at least: until somebody interrupts it.
const TIME: Duration = Duration::from_secs(14);
const AT_MOST: &str = "10m";
/// How long a server may take to answer, once it is started.
const BEGINS: Duration = Duration::from_secs(90);
/// What the agent may take while it observes, in percent of one core, and beside its program, in KiB.
const MOST_PROCESSOR: f64 = 10.0;
const MOST_MEMORY: u64 = 16 << 10;

pub fn servers_serve_hardened(world: &'static World) {
    assert!(SERVERS.len() >= AT_LEAST);
    let open = world.namespace("observe", &[]);
    let node = Node::start(world);
    let client = Client::start(&open);
    for server in SERVERS {
        open.pod(&server.pod());
    }
    for server in SERVERS {
        client
            .asks(&open, server)
            .unwrap_or_else(|said| panic!("{} as it is: {said}", server.name));
    }
    let mut seen = Vec::new();
    let mut directories = Directories::default();
    for group in SERVERS.chunks(AT_ONCE) {
        let running: Vec<Child> =
            group.iter().map(|it| observe(&open, it.name, &["--for", AT_MOST])).collect();
        for server in group {
            is_observed(world, &open, server.name);
        }
        let began = Instant::now();
        for _ in 0..3 {
            for server in group {
                let _load = client.ask(&open, server);
            }
        }
        std::thread::sleep(TIME.saturating_sub(began.elapsed()));
        // An agent that is stopped looks once more: it has to find what is there before, and must
        // not find what is not there after.
        let written = |server: &Server| node.written(&open.get(server.name));
        let before: Vec<_> = group.iter().map(written).collect();
        running.iter().for_each(interrupt);
        for ((server, child), before) in group.iter().zip(running).zip(before) {
            let report = whole(world, &open, server.name, report(child));
            directories.compare(server.name, &report, &before, &written(server));
            seen.push((server, report));
        }
    }
    nothing_is_left(world, &open, SERVERS.iter().map(|it| it.name));
    directories.judge();
    costs(&seen);
    serve_hardened(world, &seen);
}

/// A report that nothing cut short. Where the connection to the agent broke, the report says so, and
/// whoever reads that observes again, twice if need be.
fn whole(world: &World, space: &Space, pod: &str, first: Value) -> Value {
    let mut last = first;
    for _ in 0..2 {
        let ended = &last["containers"][0]["pods"][0]["ended"];
        if ended.is_null() {
            break;
        }
        say(format!("{pod}: {ended}; observed again"));
        let again = observe(space, pod, &["--for", AT_MOST]);
        is_observed(world, space, pod);
        std::thread::sleep(TIME);
        interrupt(&again);
        last = report(again);
    }
    last
}

/// What was found against what the node has below the containers' roots.
#[derive(Default)]
struct Directories {
    right: usize,
    missed: usize,
    wrong: usize,
    /// What there is to know about those that are not right, for whoever reads a failure.
    told: Vec<String>,
}

impl Directories {
    /// Compares what one server's report says with what had been written before it was made, and
    /// after.
    fn compare(
        &mut self,
        name: &str,
        report: &Value,
        before: &BTreeSet<String>,
        after: &BTreeSet<String>,
    ) {
        let writes = report["containers"][0]["writes"].as_array().unwrap();
        let found: BTreeSet<&str> =
            writes.iter().map(|write| write["path"].as_str().unwrap()).collect();
        // What was written above it in between stands for it.
        let is_found = |path: &&String| {
            found.iter().any(|it| *it == path.as_str() || after.contains(*it) && is_below(path, it))
        };
        let (both, lost): (Vec<_>, Vec<_>) = before.iter().partition(is_found);
        let more: Vec<_> = found
            .iter()
            .filter(|path| !before.contains(**path) && !after.contains(**path))
            .collect();
        self.right += both.len();
        self.missed += lost.len();
        self.wrong += more.len();
        say(format!("{name}: wrote to {both:?}"));
        if !lost.is_empty() || !more.is_empty() {
            let one = &report["containers"][0];
            let (notes, searched) = (&one["needs"]["notes"], &one["root"]);
            self.told.push(format!(
                "{name}: not found {lost:?}, found and not written {more:?}; found {found:?}; there before {before:?} and after {after:?}; {notes}; {searched}; {}",
                one["pods"]
            ));
        }
    }

    fn judge(&self) {
        let Self { right, missed, wrong, ref told } = *self;
        let percent = |part: usize, rest: usize| 100.0 * part as f64 / (part + rest) as f64;
        let (recall, precision) = (percent(right, missed), percent(right, wrong));
        say(format!(
            "{right} directories found, {missed} missed, {wrong} wrong: recall {recall:.1} %, precision {precision:.1} %"
        ));
        assert!(right >= AT_LEAST, "the node's own list is not empty");
        assert!(recall >= RECALL && precision >= PRECISION, "{}", told.join("\n"));
    }
}

/// What the agents took.
fn costs(seen: &[(&Server, Value)]) {
    let mut most = (0.0_f64, 0, 0);
    for (server, report) in seen {
        let one = &report["containers"][0];
        let (cost, seconds) = (&one["cost"], one["pods"][0]["seconds"].as_f64().unwrap());
        let number = |key: &str| cost[key].as_u64().unwrap();
        let share = number("processorMillis") as f64 / 10.0 / seconds.max(1.0);
        let (peak, own) = (number("peakKib"), number("anonymousKib"));
        say(format!(
            "{}: {share:.1} % of a core, {own} KiB of memory of its own, {peak} KiB with its program; {} entries",
            server.name, one["root"]["entries"]
        ));
        most = (most.0.max(share), most.1.max(own), most.2.max(peak));
    }
    say(format!(
        "at most {:.1} % of a core, {} KiB, {} KiB with the program",
        most.0, most.1, most.2
    ));
    assert!(most.0 < MOST_PROCESSOR && most.1 < MOST_MEMORY);
}

/// Each server again, in a namespace that hardens, with the patch that was printed.
fn serve_hardened(world: &'static World, seen: &[(&Server, Value)]) {
    let labels = [
        ("ironhull.dev/harden", "enforce"),
        // For those that have to stay root.
        ("pod-security.kubernetes.io/enforce", "baseline"),
    ];
    let hardened = world.namespace("observed", &labels);
    let client = Client::start(&hardened);
    let mut patched = Vec::new();
    for (server, report) in seen {
        let pod = patch(server.pod(), &report["patch"]);
        say(format!("{}: {}", server.name, report["patch"]));
        hardened.pod(&pod);
        patched.push((server, report));
    }
    let (mut serving, mut as_root, mut not) = (0, 0, Vec::new());
    for (server, report) in patched {
        match client.asks(&hardened, server) {
            Ok(()) if server.root => as_root += 1,
            Ok(()) => {
                let inside = hardened.look(server.name, "app");
                assert!(inside.uid != 0 && !inside.root_writable, "{}: {inside:?}", server.name);
                assert_eq!(inside.cap_eff, "0000000000000000", "{}", server.name);
                serving += 1;
            }
            Err(said) => {
                say(format!("{} does not serve: {said}", server.name));
                say(hardened.try_log(server.name, "app").unwrap_or_else(|error| error.to_string()));
                not.push(server.name);
            }
        }
        if server.root {
            let exemptions = &report["containers"][0]["needs"]["exemptions"];
            say(format!("{}: needs root: {exemptions}", server.name));
        }
    }
    say(format!(
        "{serving} of {} that need no root serve hardened at once, {as_root} with an exemption; not: {not:?}",
        SERVERS.iter().filter(|it| !it.root).count()
    ));
    assert!(serving >= AT_LEAST_SERVING);
}

/// A pod with a strategic merge patch, as far as observe prints one.
fn patch(mut pod: Value, patch: &Value) -> Value {
    let annotations = patch.pointer("/metadata/annotations").and_then(Value::as_object);
    for (key, value) in annotations.into_iter().flatten() {
        pod["metadata"]["annotations"][key] = value.clone();
    }
    if let Some(volumes) = patch.pointer("/spec/volumes") {
        pod["spec"]["volumes"] = volumes.clone();
    }
    let container = patch.pointer("/spec/containers/0").and_then(Value::as_object);
    for (key, value) in container.into_iter().flatten() {
        pod["spec"]["containers"][0][key] = value.clone();
    }
    pod
}

/// Waits until an agent runs in a pod and has seen something.
fn is_observed(world: &World, space: &Space, pod: &str) {
    world.eventually(&format!("{pod} is observed"), || {
        let status = space.get(pod)["status"]["ephemeralContainerStatuses"].clone();
        let running = |it: &&Value| it["state"]["running"].is_object();
        let agent = status.as_array()?.iter().find(running)?["name"].as_str()?;
        (!space.try_log(pod, agent).ok()?.is_empty()).then_some(())
    });
}

/// Presses Ctrl-C.
fn interrupt(command: &Child) {
    let pid = command.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

/// Waits until no agent runs in these pods: a report is there before the kubelet says that the agent
/// has ended.
fn nothing_is_left<'n>(world: &World, space: &Space, pods: impl Iterator<Item = &'n str>) {
    let mut agents = 0;
    for name in pods {
        agents += world.eventually(&format!("all agents in {name} have ended"), || {
            let pod = space.get(name);
            let statuses = pod["status"]["ephemeralContainerStatuses"].as_array();
            let statuses = statuses.map_or(&[][..], Vec::as_slice);
            let all = statuses.iter().all(|it| it["state"]["terminated"].is_object());
            all.then_some(statuses.len())
        });
    }
    say(format!("{agents} agents have ended"));
    assert!(agents > 0);
}

/// Starts `ironhull observe WHAT -o json`, with ironhull's image found in the cluster.
fn observe(space: &Space, what: &str, more: &[&str]) -> Child {
    crate::world::ironhull()
        .args(["observe", what, "-n", &space.name, "-o", "json"])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs")
}

/// What it reports, as its schema says.
fn report(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "observe: {said}");
    parsed(&output.stdout)
}

fn parsed(stdout: &[u8]) -> Value {
    let report: Value = serde_json::from_slice(stdout).unwrap();
    let text = std::fs::read_to_string(project("docs/schemas/observe.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let wrong = check(&schema, &schema, &report, "");
    assert_eq!(wrong, [""; 0], "not as docs/schemas/observe.json says");
    report
}

impl Server {
    fn pod(&self) -> Value {
        let mut container = container("app", &format!("localhost/{}:local", self.image));
        let own = container.as_object_mut().unwrap();
        own.remove("command");
        if !self.command.is_empty() {
            own.insert("command".to_owned(), self.command.split(' ').collect());
        }
        let mut pod = pod(self.name, &[container]);
        // A server that ends has failed.
        pod["spec"]["restartPolicy"] = json!("Never");
        pod
    }
}

/// Asks servers, from a pod beside them.
struct Client<'s> {
    space: &'s Space,
}

impl<'s> Client<'s> {
    fn start(space: &'s Space) -> Self {
        space.pod(&pod("client", &[container("app", BUSYBOX)]));
        space.ready("client");
        Self { space }
    }

    /// Asks once.
    fn ask(&self, space: &Space, server: &Server) -> Result<(), String> {
        let status = &space.get(server.name)["status"];
        let Some(address) = status["podIP"].as_str() else { return Err(status.to_string()) };
        if matches!(status["phase"].as_str(), Some("Failed" | "Succeeded")) {
            return Err("it has ended".to_owned());
        }
        let ask = format!("A={address}; {}", server.ask);
        let answer = self.space.try_exec("client", "app", &["sh", "-c", &ask]);
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.contains(server.answer) { Ok(()) } else { Err(answer) }
    }

    /// Asks until it answers, for a while.
    fn asks(&self, space: &Space, server: &Server) -> Result<(), String> {
        space.started(server.name);
        let began = Instant::now();
        loop {
            let said = self.ask(space, server);
            let ended = said == Err("it has ended".to_owned());
            if said.is_ok() || ended || began.elapsed() > BEGINS {
                return said;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// ironhull's image, as a pod names it.
fn own_image() -> String {
    let (repository, tag) = image();
    format!("{repository}:{tag}")
}
