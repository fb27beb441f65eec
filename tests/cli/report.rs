//! `ironhull report` in the formats that are read by other programs or in a browser, from the cluster
//! of a case of tests/live. Their times differ from run to run, so no output is kept.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::live::Case;
use super::schema::check;

fn case() -> Case {
    Case::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/report-all")).unwrap()
}

fn answer(more: &[&str]) -> String {
    let output = case().run(more);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(more: &[&str]) -> Value {
    serde_json::from_str(&answer(more)).unwrap()
}

/// The page names every container that the data has as root.
#[test]
fn the_page_says_what_the_data_says() {
    let (page, data) = (answer(&["-o", "html"]), json(&["-o", "json"]));
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    let summary = &data["summary"];
    let lead = format!("{} of {} running containers", summary["root"], summary["containers"]);
    assert!(page.contains(&lead), "{lead}");
    let root = page.split("id=\"root\"").nth(1).unwrap().split("</section>").next().unwrap();
    let mut rows = 0;
    for workload in data["workloads"].as_array().unwrap() {
        for container in workload["containers"].as_array().unwrap() {
            if container["user"]["uid"] == 0 && container["status"] == "running" {
                rows += 1;
                let name = format!("{}/{}", workload["kind"], workload["name"]).replace('"', "");
                assert!(root.contains(&name), "{name}");
            }
        }
    }
    assert!(rows > 0);
}

/// Every container is in each control's figures once.
#[test]
fn controls_count_every_container() {
    let data = json(&["-o", "json"]);
    let mut controls = 0;
    for framework in data["controls"].as_array().unwrap() {
        for control in framework["controls"].as_array().unwrap() {
            controls += 1;
            let counts = control["containers"].as_object().unwrap().values();
            let sum: u64 = counts.map(|count| count.as_u64().unwrap()).sum();
            assert_eq!(sum, data["summary"]["containers"], "{}", control["id"]);
        }
    }
    assert!(controls > 50);
}

#[test]
fn openreports_has_a_report_for_each_workload_that_runs() {
    let (list, data) = (json(&["-o", "openreports"]), json(&["-o", "json"]));
    let running = |workload: &&Value| {
        let mut containers = workload["containers"].as_array().unwrap().iter();
        containers.any(|container| container["status"] == "running")
    };
    let workloads = data["workloads"].as_array().unwrap().iter().filter(running).count();
    let items = list["items"].as_array().unwrap();
    let of = |kind: &str| items.iter().filter(|item| item["kind"] == kind).count();
    assert_eq!((of("Report"), of("ClusterReport")), (workloads, 1));
}

#[test]
fn oscal_has_a_finding_for_each_control() {
    let results = json(&["-o", "oscal"]);
    let result = &results["assessment-results"]["results"][0];
    let selected = &result["reviewed-controls"]["control-selections"][0]["include-controls"];
    let findings = result["findings"].as_array().unwrap().len();
    assert_eq!(findings, selected.as_array().unwrap().len());
    assert!(findings > 0);
}

#[test]
fn controls_of_ones_own_take_the_place_of_the_list() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("own.yaml");
    let own = "format: ironhull.dev/controls/v1\nframeworks:\n- id: own\n  name: Own\n  version: '1'\n  url: x\n  \
               controls:\n  - {id: A.1, title: t, source: s, checks: [hostPid], extent: whole}\n";
    fs::write(&file, own).unwrap();
    let name = file.to_str().unwrap();
    let data = json(&["-o", "json", "--controls", name]);
    assert_eq!(data["controlsFrom"], name);
    assert_eq!(data["controls"][0]["controls"][0]["id"], "A.1");
    let output = case().run(&["-o", "oscal", "--controls", name]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));

    fs::write(&file, own.replace("hostPid", "hostPID")).unwrap();
    let output = case().run(&["--controls", name]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    for part in
        ["unknown check `hostPID`", "own.yaml:8:", "did you mean `hostPid`?", "checks: [hostPID]"]
    {
        assert!(said.contains(part), "no `{part}` in:\n{said}");
    }
}

/// The compiled-in list is what its own schema takes.
#[test]
fn the_list_of_controls_is_as_described() {
    let text = include_str!("../../src/evidence/controls.yaml");
    let list: Value = serde_saphyr::from_str(text).unwrap();
    let schema = ironhull::evidence::controls::ControlSet::schema().to_value();
    let wrong = check(&schema, &schema, &list, "");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
