//! What `ironhull preview` says of a namespace before it opts in, and what becomes of every
//! workload in it afterwards.

pub mod images;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::pods::BUSYBOX;
use crate::schema::check;
use crate::world::{Space, World, is_passing, project, resource, say};

/// How long a workload may take to become ready, beside other scenarios: none is waited for
/// so long that does not start, since each says so.
const PATIENCE: Duration = Duration::from_secs(400);
/// How long one that is ready must stay so to be called running.
const STEADY: Duration = Duration::from_secs(8);

/// What the issue is about: so many workloads, of which so many cannot start, for so many
/// different reasons, and how often preview may cry wolf.
const AT_LEAST: usize = 40;
const AT_LEAST_BREAKING: usize = 10;
const AT_LEAST_REASONS: usize = 6;
const AT_MOST_FALSE_ALARMS: usize = 4;

pub fn is_what_happens(world: &'static World) {
    let space = world.namespace("preview", &[]);
    for object in surroundings() {
        space.create(&object).unwrap();
    }
    let workloads = workloads();
    assert!(workloads.len() >= AT_LEAST, "{} workloads", workloads.len());
    for workload in &workloads {
        space.create(&workload.object).unwrap_or_else(|error| panic!("{}: {error}", workload.name));
    }
    run_cron_jobs(world, &space, &workloads, "before");
    let before = fates(world, &space, &workloads);
    let fail: Vec<_> = before.iter().filter(|(_, fate)| fate.is_err()).collect();
    // It is there for what preview says of what does not run.
    assert!(fail.len() == 1 && fail[0].0 == &"nowhere", "before: {fail:#?}");
    let (table, preview) = preview(&space);
    say(format!("\n{table}"));
    let text = std::fs::read_to_string(project("docs/schemas/preview.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let wrong = check(&schema, &schema, &preview, "");
    assert_eq!(wrong, [""; 0], "not as docs/schemas/preview.json says");

    space.opt_in();
    again(world, &space, &workloads);
    let after = fates(world, &space, &workloads);
    compare(&workloads, &preview, &after);

    let (_, now) = self::preview(&space);
    for (name, fate) in &after {
        // A Job that is done is over; one that has failed is listed.
        let Some(one) = find(&now, name) else { continue };
        let starts = one["verdict"] == "starts";
        assert_eq!(starts, fate.is_ok(), "said of {name} once it has opted in: {one:#}");
    }
    remedies_help(world, &space, workloads, &preview);
}

/// With the very annotations that preview names, what broke starts.
fn remedies_help(world: &'static World, space: &Space, workloads: Vec<Workload>, preview: &Value) {
    let mut helped: Vec<Workload> = workloads
        .into_iter()
        .filter(|workload| said_of(preview, &workload.name)["verdict"] == "breaks")
        .filter_map(|workload| workload.annotated(preview))
        .collect();
    for workload in &mut helped {
        say(format!("{}: with {}", workload.name, workload.object["spec"]["template"]["metadata"]));
        delete(world, space, workload);
    }
    for workload in &helped {
        let name = &workload.name;
        // Its pods go later, and would be taken for those of the new one.
        let own = ListParams::default().labels(&format!("app={name}"));
        world.eventually(&format!("the pods of {name} go"), || {
            let left = world.wait(space.pods().list(&own)).ok()?.items;
            left.iter().all(|pod| pod.metadata.deletion_timestamp.is_some()).then_some(())
        });
        world.eventually(&format!("{name} can be made anew"), || {
            space.create(&workload.object).ok()
        });
    }
    let fates = fates(world, space, &helped);
    let fail: Vec<_> = fates.iter().filter(|(_, fate)| fate.is_err()).collect();
    assert!(fail.is_empty(), "annotations that do not help: {fail:#?}");
    say(format!("{} workloads start with the annotations that were named", helped.len()));
    assert!(helped.len() >= AT_LEAST_BREAKING);
}

/// What is said of a workload.
fn said_of<'p>(preview: &'p Value, name: &str) -> &'p Value {
    find(preview, name).unwrap_or_else(|| panic!("nothing said of {name}"))
}

fn find<'p>(preview: &'p Value, name: &str) -> Option<&'p Value> {
    let said = preview["namespaces"][0]["workloads"].as_array().unwrap();
    said.iter().find(|one| one["name"] == name)
}

/// A workload of `e2e/suite/preview/workloads.yaml`.
struct Workload {
    name: String,
    kind: String,
    object: Value,
}

impl Workload {
    /// The same with the annotations that preview names; none where it names none.
    fn annotated(mut self, preview: &Value) -> Option<Self> {
        let remedy = &said_of(preview, &self.name)["remedy"];
        let annotations = remedy["annotations"].as_object()?;
        let path = remedy["annotationsAt"].as_str()?.replace('.', "/");
        let own = self.object.pointer_mut(&format!("/{path}"))?;
        if own.is_null() {
            *own = json!({});
        }
        own.as_object_mut()?.extend(annotations.clone());
        (!annotations.is_empty()).then_some(self)
    }
}

fn workloads() -> Vec<Workload> {
    let text = std::fs::read_to_string(project("e2e/suite/preview/workloads.yaml")).unwrap();
    let volumes = std::env::var("CLUSTER_VOLUMES").unwrap();
    let list: Vec<Value> = serde_yaml::from_str(&text.replace("VOLUMES", &volumes)).unwrap();
    list.iter().map(workload).collect()
}

fn workload(item: &Value) -> Workload {
    let text = |key: &str| item[key].as_str().unwrap().to_owned();
    let (name, kind) = (text("name"), text("kind"));
    let mut spec = item["pod"].clone();
    spec["terminationGracePeriodSeconds"] = json!(0);
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            let own = container.as_object_mut().unwrap();
            own.entry("name").or_insert_with(|| json!("app"));
            own.entry("image").or_insert_with(|| json!(BUSYBOX));
            own.entry("imagePullPolicy").or_insert_with(|| json!("Never"));
        }
    }
    let labels = json!({"app": name});
    let metadata = json!({"labels": labels, "annotations": item["annotations"]});
    if matches!(&*kind, "Job" | "CronJob") {
        spec["restartPolicy"] = json!("Never");
    }
    let template = json!({"metadata": metadata, "spec": spec});
    let job = json!({"backoffLimit": 0, "template": template});
    let (version, spec) = match &*kind {
        "Pod" => {
            let mut metadata = metadata.clone();
            metadata["name"] = json!(name);
            let object = json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": template["spec"]});
            return Workload { name, kind, object };
        }
        "Job" => ("batch/v1", job),
        "CronJob" => ("batch/v1", json!({"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job}})),
        "ReplicationController" => ("v1", json!({"selector": labels, "template": template})),
        _ => ("apps/v1", json!({"selector": {"matchLabels": labels}, "template": template})),
    };
    let mut spec = spec;
    if kind == "StatefulSet" {
        spec["serviceName"] = json!(name);
    }
    let object =
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec});
    Workload { name, kind, object }
}

/// What the workloads mount.
fn surroundings() -> [Value; 2] {
    [
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"},
               "stringData": {"token": "x"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scripts"},
               "data": {"run.sh": "#!/bin/sh\nexec sleep 3600\n"}}),
    ]
}

/// What preview prints for people, and its document.
fn preview(space: &Space) -> (String, Value) {
    let run = |output: &str| {
        let output = crate::world::ironhull()
            .args(["preview", "--namespace", &space.name, "--output", output])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    (run("table"), serde_json::from_str(&run("json")).unwrap())
}

/// Makes every pod anew.
fn again(world: &'static World, space: &Space, workloads: &[Workload]) {
    let jobs = |workload: &&Workload| matches!(&*workload.kind, "Job" | "Pod");
    let jobs: Vec<&Workload> = workloads.iter().filter(jobs).collect();
    jobs.iter().for_each(|workload| delete(world, space, workload));
    let parameters = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    world.wait(space.pods().delete_collection(&parameters, &ListParams::default())).unwrap();
    for workload in jobs {
        world.eventually(&format!("{} can be made anew", workload.name), || {
            space.create(&workload.object).ok()
        });
    }
    run_cron_jobs(world, space, workloads, "after");
}

fn delete(world: &'static World, space: &Space, workload: &Workload) {
    let api: Api<kube::core::DynamicObject> =
        Api::namespaced_with(world.client.clone(), &space.name, &resource(&workload.object));
    world.wait(api.delete(&workload.name, &DeleteParams::background())).unwrap();
}

/// Runs what waits for its hour.
fn run_cron_jobs(world: &'static World, space: &Space, workloads: &[Workload], when: &str) {
    for workload in workloads.iter().filter(|workload| workload.kind == "CronJob") {
        let name = format!("{}-{when}", workload.name);
        let from = format!("cronjob/{}", workload.name);
        world.kubectl(&["--namespace", &space.name, "create", "job", &name, "--from", &from]);
    }
}

/// Whether a workload runs, or what it says.
type Fate = Result<(), String>;

/// Waits until it is known of every workload.
fn fates<'w>(
    world: &'static World,
    space: &Space,
    workloads: &'w [Workload],
) -> BTreeMap<&'w str, Fate> {
    let began = Instant::now();
    let (api, all) = (space.pods(), ListParams::default());
    let mut ready_since: BTreeMap<&str, Instant> = BTreeMap::new();
    loop {
        let pods = world.read(|| api.list(&all)).unwrap().items;
        let mut fates = BTreeMap::new();
        for workload in workloads {
            let name = workload.name.as_str();
            let own = pods.iter().filter(|pod| {
                let labels = pod.metadata.labels.as_ref();
                labels.and_then(|labels| labels.get("app")).is_some_and(|app| app == name)
                    && pod.metadata.deletion_timestamp.is_none()
            });
            // The youngest: of a CronJob there are those that came before.
            let pod = own.max_by_key(|pod| pod.metadata.creation_timestamp.clone());
            match pod.map(state) {
                Some(State::Failed(why)) => {
                    fates.insert(name, Err(why));
                }
                Some(State::Done) => {
                    fates.insert(name, Ok(()));
                }
                Some(State::Ready) => {
                    let since = *ready_since.entry(name).or_insert_with(Instant::now);
                    if since.elapsed() >= STEADY {
                        fates.insert(name, Ok(()));
                    }
                }
                Some(State::NotYet) | None if began.elapsed() >= PATIENCE => {
                    let what = if pod.is_some() { "not ready" } else { "no pod" };
                    fates.insert(name, Err(format!("{what} after {PATIENCE:?}")));
                }
                Some(State::NotYet) | None => {
                    ready_since.remove(name);
                }
            }
        }
        if fates.len() == workloads.len() {
            return fates;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

enum State {
    NotYet,
    Ready,
    Done,
    Failed(String),
}

fn state(pod: &Pod) -> State {
    let Some(status) = &pod.status else { return State::NotYet };
    let init = status.init_container_statuses.iter().flatten();
    let statuses: Vec<_> = init.chain(status.container_statuses.iter().flatten()).collect();
    if let Some(why) = statuses.iter().find_map(|status| failure(status)) {
        return State::Failed(why);
    }
    let conditions = status.conditions.iter().flatten();
    let ready = conditions.filter(|c| c.type_ == "Ready" && c.status == "True").count() > 0;
    match status.phase.as_deref() {
        Some("Succeeded") => State::Done,
        Some("Running") if ready => State::Ready,
        _ => State::NotYet,
    }
}

fn failure(status: &ContainerStatus) -> Option<String> {
    let name = &status.name;
    let state = status.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let message = waiting.message.as_deref().unwrap_or_default();
        if !matches!(reason, "" | "ContainerCreating" | "PodInitializing") && !is_passing(message) {
            return Some(format!(
                "{name}: {reason}: {}",
                message.lines().next().unwrap_or_default()
            ));
        }
    }
    let ended = [&status.state, &status.last_state].into_iter().flatten();
    let ended =
        ended.filter_map(|state| state.terminated.as_ref()).find(|end| end.exit_code != 0)?;
    let message = ended.message.as_deref().unwrap_or_default();
    Some(format!(
        "{name}: ended with {} {}",
        ended.exit_code,
        message.lines().next().unwrap_or_default()
    ))
}

/// Compares what was said with what came, and says both.
fn compare(workloads: &[Workload], preview: &Value, after: &BTreeMap<&str, Fate>) {
    let said = preview["namespaces"][0]["workloads"].as_array().unwrap();
    assert_eq!(said.len(), workloads.len(), "one row a workload");
    let mut broken: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let (mut wrong, mut alarms) = (Vec::new(), Vec::new());
    let mut fail = 0;
    for workload in workloads {
        let name = workload.name.as_str();
        let one = said_of(preview, name);
        assert_eq!(one["kind"], *workload.kind);
        let verdict = one["verdict"].as_str().unwrap();
        let cause = one["risks"][0]["cause"].as_str().unwrap_or("-");
        let fate = match &after[name] {
            Ok(()) => "runs".to_owned(),
            Err(why) => format!("does not start: {why}"),
        };
        say(format!("{name}: said: {verdict} ({cause}); it {fate}"));
        match (verdict, &after[name]) {
            ("starts", Err(_)) => wrong.push(name),
            (_, Err(_)) => {
                fail += 1;
                broken.entry(cause).or_default().push(name);
            }
            ("starts", Ok(())) => {}
            (_, Ok(())) => alarms.push(name),
        }
    }
    say(format!("{} workloads; {fail} do not start, for {broken:?}", workloads.len()));
    say(format!("said to start and does not: {wrong:?}; false alarms: {alarms:?}"));
    assert_eq!(wrong, [""; 0], "said to start, and does not");
    assert!(fail >= AT_LEAST_BREAKING && broken.len() >= AT_LEAST_REASONS);
    assert!(alarms.len() <= AT_MOST_FALSE_ALARMS, "{alarms:?}");
}
