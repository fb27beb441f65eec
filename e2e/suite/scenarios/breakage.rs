//! `ironhull watch --breakage` on a matrix of faults: programs of many languages that hardening
//! breaks, and as many that fail for reasons of their own. What breaks is named within a minute, on
//! the pod and on its Deployment; of the others nothing is said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::watch::watch;
use crate::pods::{pod, workload};
use crate::world::{Space, World, say};

/// For each cause of each language, the time in which it is to be named.
const WITHIN: Duration = Duration::from_secs(60);
/// Workloads of each half that are created at once: one node starts them all, beside what else it
/// does.
const AT_ONCE: usize = 13;
/// Time for their pods to be scheduled and started.
const STARTS: Duration = Duration::from_secs(400);
/// Time in which nothing must be said of the others: longer than a container may take to become
/// ready, and than its log takes to be read.
const SILENT: Duration = Duration::from_secs(80);
/// Share of causes that are to be right, in hundredths.
const RIGHT: usize = 95;

/// A workload that fails.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    name: String,
    image: String,
    /// The command; none for the image's own.
    command: Option<Vec<String>>,
    #[serde(default)]
    container: Map<String, Value>,
    #[serde(default)]
    pod: Map<String, Value>,
    #[serde(default)]
    says: Vec<String>,
}

fn read(text: &str) -> Vec<Fault> {
    serde_yaml::from_str(text).unwrap()
}

/// The faults fail in one namespace, and those of their own in another.
pub fn causes_are_named_and_nothing_else(world: &'static World) {
    let labels = [("ironhull.dev/harden", "enforce")];
    let hardened = read(include_str!("breakage/hardened.yaml"));
    let own = read(include_str!("breakage/others.yaml"));
    let (broken, others) = (world.namespace("broken", &labels), world.namespace("others", &labels));
    for space in [&broken, &others] {
        let scripts = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scripts"},
            "data": {"run.sh": "#!/bin/sh\nexec sleep 3600\n"},
        });
        space.create(&scripts).unwrap();
    }
    let mut courses = BTreeMap::new();
    let mut rest = own.chunks(AT_ONCE);
    for group in hardened.chunks(AT_ONCE) {
        create(&broken, group);
        create(&others, rest.next().unwrap_or_default());
        courses.extend(follow(world, &broken, group));
    }
    rest.for_each(|group| create(&others, group));
    let made = Instant::now();
    judge(&broken, &hardened, &courses);

    let silent = others_fail(world, &others, &own, made);
    let wrong = events(world, &others);
    say(format!("{silent} workloads fail for reasons of their own, with {} Events", wrong.len()));
    for ((kind, name), note) in &wrong {
        say(format!("WRONG {kind} {name}: {note}"));
    }
    assert_eq!(wrong.keys().collect::<Vec<_>>(), Vec::<&(String, String)>::new());
    counted(world, &broken, &others, hardened.len() as u64);
}

fn create(space: &Space, faults: &[Fault]) {
    for fault in faults {
        let made = space.create(&fault.deployment());
        made.unwrap_or_else(|error| panic!("{}: {error}", fault.name));
    }
}

/// Whether a container of the pod was refused, has ended with an error, or is to become ready and
/// is not.
fn fails(pod: &Value) -> bool {
    let probed = !pod["spec"]["containers"][0]["readinessProbe"].is_null();
    if probed && pod["status"]["phase"] == "Running" {
        return true;
    }
    let all = ["initContainerStatuses", "containerStatuses"];
    let statuses = all.iter().flat_map(|key| pod["status"][*key].as_array().into_iter().flatten());
    statuses.into_iter().any(|status| {
        let reason = status["state"]["waiting"]["reason"].as_str().unwrap_or_default();
        let ended =
            |state: &str| status[state]["terminated"]["exitCode"].as_i64().unwrap_or(0) != 0;
        ended("state")
            || ended("lastState")
            || !matches!(reason, "" | "ContainerCreating" | "PodInitializing")
    })
}

/// What becomes of a workload.
#[derive(Default)]
struct Course {
    /// When it was first seen to fail.
    failed: Option<Instant>,
    /// The note of the Event on its pod, and how long after.
    told: Option<(String, Duration)>,
    on_deployment: bool,
}

/// Waits until each workload fails and is told of, or the time for that is over.
fn follow(world: &World, space: &Space, faults: &[Fault]) -> BTreeMap<String, Course> {
    let mut all: BTreeMap<String, Course> =
        faults.iter().map(|fault| (fault.name.clone(), Course::default())).collect();
    let start = Instant::now();
    loop {
        for pod in pods(world, space) {
            let name = pod["metadata"]["labels"]["app"].as_str().unwrap_or_default();
            let Some(course) = all.get_mut(name) else { continue };
            if fails(&pod) {
                course.failed.get_or_insert_with(Instant::now);
            }
        }
        let events = events(world, space);
        for (name, course) in &mut all {
            let deployment = ("Deployment".to_owned(), name.clone());
            course.on_deployment |= events.contains_key(&deployment);
            let of_pod = events.iter().find(|((kind, about), _)| {
                kind == "Pod" && about.strip_prefix(name.as_str()).is_some_and(is_suffix)
            });
            let failed = course.failed.unwrap_or_else(Instant::now);
            if let (Some((_, note)), None) = (of_pod, &course.told) {
                course.told = Some((note.clone(), failed.elapsed()));
            }
        }
        let over = |course: &Course| match course.failed {
            Some(_) if course.told.is_some() && course.on_deployment => true,
            Some(failed) => failed.elapsed() > WITHIN,
            None => start.elapsed() > STARTS,
        };
        if all.values().all(over) {
            return all;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// The pods of a namespace.
fn pods(world: &World, space: &Space) -> Vec<Value> {
    let (api, all) = (space.pods(), ListParams::default());
    let pods = world.read(|| api.list(&all)).unwrap().items;
    pods.iter().map(|pod| serde_json::to_value(pod).unwrap()).collect()
}

/// Whether this is what a ReplicaSet adds to its Deployment's name.
fn is_suffix(rest: &str) -> bool {
    rest.starts_with('-') && rest.matches('-').count() == 2
}

/// The Events of a namespace that say that hardening breaks something: kind and name, and the note.
fn events(world: &World, space: &Space) -> BTreeMap<(String, String), String> {
    let api: Api<Event> = Api::namespaced(world.client.clone(), &space.name);
    let list = ListParams::default().fields("reason=BrokenByHardening");
    let all = world.read(|| api.list(&list)).unwrap().items.into_iter();
    all.filter_map(|event| {
        let about = event.regarding?;
        Some(((about.kind?, about.name?), event.note.unwrap_or_default()))
    })
    .collect()
}

fn judge(space: &Space, faults: &[Fault], courses: &BTreeMap<String, Course>) {
    let (mut right, mut took) = (0, Vec::new());
    let mut kinds = BTreeSet::new();
    for Fault { name, says, .. } in faults {
        let Course { failed, told, on_deployment } = &courses[name];
        let Some((note, after)) = told else {
            let why = if failed.is_some() { "not told of" } else { "does not fail" };
            say(format!("WRONG {name}: {why}; {}", end_of_log(space, name)));
            continue;
        };
        let is_right = says.iter().all(|words| note.contains(words));
        let in_time = *after <= WITHIN && *on_deployment;
        right += usize::from(is_right && in_time);
        took.push(*after);
        kinds.insert(says.first());
        let verdict = if is_right && in_time { "right" } else { "WRONG" };
        say(format!("{verdict} {name} {:.1} s: {note}", after.as_secs_f64()));
    }
    took.sort_unstable();
    let seconds = |it: Option<&Duration>| it.map_or(0.0, Duration::as_secs_f64);
    let all = faults.len();
    say(format!(
        "{right} of {all} causes named rightly, on pod and Deployment, of {} kinds; after {:.1} s, at most {:.1} s",
        kinds.len(),
        seconds(took.get(took.len() / 2)),
        seconds(took.last()),
    ));
    assert!(all >= 30, "{all}");
    let failed = courses.values().filter(|course| course.failed.is_some()).count();
    assert_eq!(failed, all, "all are broken by hardening");
    assert!(right * 100 >= all * RIGHT, "{right} of {all}");
}

/// The last lines of a workload's log.
fn end_of_log(space: &Space, name: &str) -> String {
    // One that was never started has none.
    let log = space.try_log(&space.pod_of(&format!("app={name}")), "app");
    let log = log.unwrap_or_else(|error| error.to_string());
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(4)..].join(" / ")
}

/// Waits until the workloads of the other half fail, and for as long as a cause would take to be
/// named.
fn others_fail(world: &World, space: &Space, faults: &[Fault], made: Instant) -> usize {
    let end = made + STARTS;
    let mut failing = BTreeSet::new();
    while failing.len() < faults.len() && Instant::now() < end {
        for pod in pods(world, space) {
            let name = pod["metadata"]["labels"]["app"].as_str().unwrap_or_default().to_owned();
            let unready = pod["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|it| it["type"] == "Ready" && it["status"] != "True");
            if fails(&pod) || unready {
                failing.insert(name);
            }
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    let quiet = faults.iter().map(|own| &own.name).filter(|name| !failing.contains(*name));
    assert_eq!(quiet.collect::<Vec<_>>(), Vec::<&String>::new(), "these do not fail");
    std::thread::sleep((made + SILENT).saturating_duration_since(Instant::now()));
    failing.len()
}

/// The metrics count what was told, and nothing of the others.
fn counted(world: &World, broken: &Space, others: &Space, all: u64) {
    let (name, _) = watch(world);
    let metrics = world.ops(&name, "metrics");
    let of = |space: &Space| -> BTreeMap<String, u64> {
        let start = format!("ironhull_watch_broken_pods{{namespace=\"{}\",cause=\"", space.name);
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(start.as_str()));
        let values = lines.filter_map(|line| line.split_once("\"} "));
        values.map(|(cause, count)| (cause.to_owned(), count.trim().parse().unwrap())).collect()
    };
    let (ours, theirs) = (of(broken), of(others));
    say(format!("broken_pods: {ours:?}; of the others: {theirs:?}"));
    let named: u64 = ours.iter().filter(|(cause, _)| *cause != "unknown").map(|it| it.1).sum();
    assert!(named >= all * 9 / 10, "{named}");
    assert!(theirs.keys().all(|cause| cause == "unknown"), "{theirs:?}");
    for line in metrics.lines().filter(|line| {
        line.starts_with("ironhull_watch_breakage") || line.starts_with("process_resident")
    }) {
        say(line);
    }
}

impl Fault {
    /// A Deployment of one pod.
    fn deployment(&self) -> Value {
        let image = format!("localhost/{}:local", self.image);
        let mut container =
            json!({"name": "app", "image": image, "imagePullPolicy": "IfNotPresent"});
        if let Some(command) = &self.command {
            container["command"] = json!(command);
        }
        for (key, value) in &self.container {
            container[key] = value.clone();
        }
        let mut pod = pod(&self.name, &[container]);
        let mut more = self.pod.clone();
        let annotations = more.remove("annotations");
        for (key, value) in more {
            pod["spec"][key] = value;
        }
        let mut deployment = workload("apps/v1", "Deployment", &pod);
        if let Some(annotations) = annotations {
            deployment["spec"]["template"]["metadata"]["annotations"] = annotations;
        }
        deployment
    }
}
