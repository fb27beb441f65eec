//! `ironhull watch`, and the alert that a real Prometheus makes of what it says.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::pods::{BUSYBOX, container, pod};
use crate::world::{World, project, say};

/// A root container that came in before its namespace opted in is alerted of for as long as
/// it runs. One that is exempt is counted apart, and not alerted of.
pub fn a_root_container_is_alerted_of(world: &'static World) {
    let space = world.namespace("watched", &[]);
    // Neither says as whom it runs: the image's user is root, and the kubelet's word counts.
    let slipped_in = space.pod(&pod("slipped-in", &[container("app", BUSYBOX)]));
    space.ready(&slipped_in);
    say(format!(
        "status.user: {}",
        space.get(&slipped_in)["status"]["containerStatuses"][0]["user"]
    ));
    space.opt_in();
    let mut exempt = pod("exempt", &[container("app", BUSYBOX)]);
    exempt["metadata"]["annotations"] =
        json!({"exempt.ironhull.dev/all": "until=2099-12-31 it owns the place"});
    space.ready(&space.pod(&exempt));
    space.ready(&space.pod(&pod("hardened", &[container("app", BUSYBOX)])));

    let (name, address) = watch(world);
    say(format!("{name} /readyz: {}", world.ops(&name, "readyz")));
    let prometheus = Prometheus::start(&format!("{address}:8081"));
    let labels = format!("namespace=\"{}\",mode=\"enforce\"", space.name);
    let count = |allowed: &str| {
        let query = format!("ironhull_watch_root_containers{{{labels},allowed=\"{allowed}\"}}");
        prometheus.value(&query)
    };
    world.eventually("both root containers are counted", || {
        (count("no") == Some(1.0) && count("exempt") == Some(1.0)).then_some(())
    });
    let alert = world.eventually("RootContainerDetected fires", || {
        prometheus.alert("RootContainerDetected", &space.name, Some("firing"))?
    });
    say(format!("firing: {alert}"));
    assert_eq!(alert["labels"]["severity"], "warning");
    assert_eq!(alert["value"], "1e+00", "the exempt one is not counted");

    let started = Instant::now();
    world.wait(space.pods().delete(&slipped_in, &DeleteParams::default())).unwrap();
    // A scrape that came too late ends an alert as well, for a moment: the counts tell.
    world.eventually("it fires no longer, and only the exempt one is counted", || {
        let none = prometheus.alert("RootContainerDetected", &space.name, None)?.is_none();
        (none && (count("no"), count("exempt")) == (Some(0.0), Some(1.0))).then_some(())
    });
    say(format!("not any more {:.1} s after the pod was deleted", started.elapsed().as_secs_f64()));
    let ends = world.eventually("the exemption's end is told", || {
        prometheus.value(&format!("ironhull_watch_exemption_end_timestamp_seconds{{{labels}}}"))
    });
    assert_eq!(Some(ends), Some(4_102_444_800.0), "the exemption's last day");
    let memory = world.metric(&name, "process_resident_memory_bytes");
    let pods = world.metric(&name, "ironhull_watch_pods_kept");
    say(format!("{name}: {memory} bytes of memory, {pods} pods"));
}

/// The pod of the watch, and its address.
pub fn watch(world: &World) -> (String, String) {
    world.eventually("the watch runs", || {
        let pods = world.pods_of("ironhull-watch").ok()?;
        let pod = pods.into_iter().find(|pod| pod.metadata.deletion_timestamp.is_none())?;
        Some((pod.metadata.name?, pod.status?.pod_ip?))
    })
}

/// A Prometheus that scrapes the watch and has the shipped alerts. It ends with the scenario.
struct Prometheus {
    child: Child,
    address: String,
    _files: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Prometheus {
    fn start(target: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let rules =
            fs::read_to_string(project("deploy/chart/monitoring/watch.rules.yaml")).unwrap();
        assert!(rules.contains("for: 2m"));
        // All as it is shipped, but for how long it must last.
        fs::write(files.path().join("rules.yaml"), rules.replace("for: 2m", "for: 5s")).unwrap();
        let config = json!({
            "global": {"scrape_interval": "3s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{
                "job_name": "ironhull-watch",
                "honor_labels": true,
                "static_configs": [{"targets": [target]}],
            }],
        });
        let file = files.path().join("prometheus.yaml");
        fs::write(&file, config.to_string()).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(project("target/tools/prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", files.path().join("data").display()))
            .arg(format!("--web.listen-address={free}"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(files.path().join("log")).unwrap())
            .spawn()
            .expect("e2e/setup brings Prometheus");
        Self { child, address: free.to_string(), _files: files }
    }

    /// What the API answers; nothing while it does not.
    fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str::<Value>(body).ok().filter(|answer| answer["status"] == "success")
    }

    /// The value of a query for one series.
    fn value(&self, query: &str) -> Option<f64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.get(&format!("/api/v1/query?query={encoded}"))?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// The alert of that name about a namespace, where there is one in that state; nothing while
    /// Prometheus does not answer.
    fn alert(&self, name: &str, namespace: &str, state: Option<&str>) -> Option<Option<Value>> {
        let answer = self.get("/api/v1/alerts")?;
        let alerts = answer["data"]["alerts"].as_array()?;
        let found = alerts.iter().find(|alert| {
            alert["labels"]["alertname"] == name
                && alert["labels"]["namespace"] == namespace
                && state.is_none_or(|state| alert["state"] == state)
        });
        Some(found.cloned())
    }
}
