//! An object of every kind that is known, with a pod at every place that its row names.

use ironhull::workload::table::KINDS;
use ironhull::workload::{Holds, Kind, Place, Takes};
use serde_json::{Value, json};

use crate::{ironhull, lay, stderr, stdout};

/// What is at a place: the least that a pod is made from, in the words of `holds`.
fn at_place(holds: Holds, takes: Takes) -> Value {
    let container = json!({"name": "app", "image": "registry.example/app:1"});
    let mut template =
        json!({"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [container]}});
    if takes == Takes::Defaulted {
        template["spec"]["securityContext"] = json!({"fsGroup": 1000});
    }
    match holds {
        Holds::Template => template,
        Holds::PodSpec => template["spec"].clone(),
        Holds::ArgoTemplate => json!({"name": "app", "container": {"image": container["image"]}}),
        Holds::Object => json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}, "spec": template["spec"],
        }),
    }
}

/// A part of a path without its `[*]`, and how many these are.
fn lists(part: &str) -> (&str, usize) {
    let name = part.trim_end_matches("[*]");
    (name, (part.len() - name.len()) / "[*]".len())
}

/// Every item of lists within lists.
fn each(value: &mut Value, depth: usize, take: &mut dyn FnMut(&mut Value)) {
    match depth {
        0 => take(value),
        _ => value.as_array_mut().unwrap().iter_mut().for_each(|item| each(item, depth - 1, take)),
    }
}

/// Puts a value at a path, with two items where it says `[*]`. Members that are there stay.
fn put(target: &mut Value, path: &str, value: &Value) {
    let Some((first, rest)) = path.split_once('.').or((!path.is_empty()).then_some((path, "")))
    else {
        let members = value.as_object().unwrap().clone();
        return target.as_object_mut().unwrap().extend(members);
    };
    let members = target.as_object_mut().unwrap();
    let beside = json!({"beside": "stays"});
    match lists(first) {
        (name, depth @ 1..) => {
            let items = (0..depth).fold(beside, |item, _| json!([item, item]));
            each(members.entry(name).or_insert(items), depth, &mut |item| put(item, rest, value));
        }
        (_, 0) => put(members.entry(first).or_insert(beside), rest, value),
    }
}

/// Takes what is at a path out of an object.
fn take(target: &mut Value, path: &str) -> Vec<Value> {
    match path.split_once('.').or((!path.is_empty()).then_some((path, ""))) {
        None => vec![target.take()],
        Some((first, rest)) => {
            let (name, depth) = lists(first);
            let mut taken = Vec::new();
            each(&mut target[name], depth, &mut |item| taken.extend(take(item, rest)));
            taken
        }
    }
}

/// Whether the row's pods are left alone if there is something at this place.
fn is_left(row: &Kind, path: &str) -> bool {
    let mut object = json!({});
    put(&mut object, path, &json!({"there": true}));
    row.unless.is_some_and(|unless| unless(&object).is_some())
}

/// The places that an object of [`object`] has, one within another after it.
fn places(row: &Kind) -> Vec<&'static Place> {
    let mut places: Vec<_> = row.pods.iter().filter(|it| !is_left(row, it.path)).collect();
    places.sort_by_key(|place| place.path.len());
    places
}

fn object(row: &Kind, group: &str) -> Value {
    let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let mut object = json!({
        "apiVersion": version, "kind": row.kind, "metadata": {"name": "app"}, "spec": {"beside": "stays"},
    });
    for place in places(row) {
        put(&mut object, place.path, &at_place(place.holds, row.takes));
    }
    object
}

/// The containers of what is at a place, and its pod level.
fn parts(found: &Value, holds: Holds) -> (Vec<&Value>, &Value) {
    let spec = match holds {
        Holds::Template | Holds::Object => &found["spec"],
        Holds::PodSpec | Holds::ArgoTemplate => found,
    };
    match holds {
        Holds::ArgoTemplate => (vec![&spec["container"]], &spec["securityContext"]),
        _ => (spec["containers"].as_array().unwrap().iter().collect(), &spec["securityContext"]),
    }
}

fn judge(row: &Kind, before: &Value, after: &Value) {
    let (mut before, mut after) = (before.clone(), after.clone());
    // A pod that is a bare `spec` gets its object's own annotations.
    if row.pods.iter().any(|place| place.holds == Holds::PodSpec) {
        let own = after["metadata"].as_object_mut().unwrap().remove("annotations");
        assert!(own.is_some(), "{}: ironhull's volumes are said to be safe to evict", row.kind);
    }
    for place in places(row).into_iter().rev() {
        let (was, found) = (take(&mut before, place.path), take(&mut after, place.path));
        let many = place.path.matches("[*]").count();
        assert_eq!(found.len(), 1 << many, "{}: {}", row.kind, place.path);
        for (was, found) in was.iter().zip(&found) {
            let (containers, pod) = parts(found, place.holds);
            let told = format!("{} at {:?}: {found}", row.kind, place.path);
            assert_ne!(was, found, "{told}");
            for container in containers {
                let own = &container["securityContext"];
                assert_eq!(own["allowPrivilegeEscalation"], false, "{told}");
                assert_eq!(own["capabilities"]["drop"], json!(["ALL"]), "{told}");
                let level = if row.takes == Takes::Containers { own } else { pod };
                assert_eq!(level["runAsNonRoot"], true, "{told}");
                assert!(level["runAsUser"].as_u64() > Some(0), "{told}");
                assert_eq!(level["seccompProfile"]["type"], "RuntimeDefault", "{told}");
                assert!(row.takes != Takes::Containers || pod.is_null(), "{told}");
            }
        }
    }
    assert_eq!(before, after, "{}: beside its pods nothing changes", row.kind);
}

/// Lays objects of all kinds for which `make` gives any, and hardens the files in place. Gives each with
/// what became of it.
fn harden(make: impl Fn(&'static Kind, &str) -> Vec<Value>) -> Vec<(&'static Kind, Value, Value)> {
    let directory = tempfile::tempdir().unwrap();
    let mut objects = Vec::new();
    for row in KINDS.iter().filter(|row| !row.pods.is_empty()) {
        for group in row.groups {
            objects.extend(make(row, group).into_iter().map(|object| (row, object)));
        }
    }
    let name = |index: usize| format!("{index}.json");
    for (index, (_, object)) in objects.iter().enumerate() {
        lay(directory.path(), &[(&name(index), &serde_json::to_string_pretty(object).unwrap())]);
    }
    let write = || ironhull(directory.path(), &["harden", "--write", "-f", "."]);
    let output = write();
    assert!(output.status.success(), "{}", stderr(&output));
    let after = |index| {
        let text = std::fs::read_to_string(directory.path().join(name(index))).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let found = objects.iter().enumerate();
    let found = found.map(|(index, (row, before))| (*row, before.clone(), after(index))).collect();
    let again = stdout(&write());
    assert!(again.ends_with(&format!("0 files written, {} unchanged\n", objects.len())), "{again}");
    found
}

#[test]
fn pods_of_every_kind_are_hardened_and_nothing_beside_them() {
    let all = harden(|row, group| vec![object(row, group)]);
    assert!(all.len() > KINDS.len() / 2);
    for (row, before, after) in &all {
        judge(row, before, after);
    }
}

/// What keeps an object's pods from being edited: the kind, where, and what is there.
const LEFT: &[(&str, &str, &str)] = &[
    ("SparkApplication", "spec.driver.podSecurityContext", r#"{"fsGroup": 1}"#),
    ("SparkApplication", "spec.driver.securityContext", r#"{"runAsUser": 1}"#),
    ("SparkApplication", "spec.executor.podSecurityContext", r#"{"fsGroup": 1}"#),
    ("SparkApplication", "spec.executor.securityContext", r#"{"runAsUser": 1}"#),
    ("ScheduledSparkApplication", "spec.template.driver.podSecurityContext", r#"{"fsGroup": 1}"#),
    ("ScheduledSparkApplication", "spec.template.driver.securityContext", r#"{"runAsUser": 1}"#),
    ("ScheduledSparkApplication", "spec.template.executor.podSecurityContext", r#"{"fsGroup": 1}"#),
    ("ScheduledSparkApplication", "spec.template.executor.securityContext", r#"{"runAsUser": 1}"#),
    ("Job", "spec", r#"{"volumes": [{"mountPath": "/data"}]}"#),
    ("Job", "spec.plugins", r#"{"ssh": []}"#),
    ("Job", "spec.plugins", r#"{"mpi": ["--master=main"]}"#),
    ("CronJob", "spec.jobTemplate.spec", r#"{"volumes": [{"mountPath": "/data"}]}"#),
    ("CronJob", "spec.jobTemplate.spec.plugins", r#"{"ssh": []}"#),
    ("JobTemplate", "spec", r#"{"volumes": [{"mountPath": "/data"}]}"#),
    ("JobTemplate", "spec.plugins", r#"{"ssh": []}"#),
    ("TrainingRuntime", "spec.mlPolicy.mpi", r#"{"numProcPerNode": 1}"#),
    ("ClusterTrainingRuntime", "spec.mlPolicy.mpi", r#"{"sshAuthMountPath": "/root/.ssh"}"#),
    ("FlinkDeployment", "spec.jobManager.podTemplate", "{}"),
    ("FlinkDeployment", "spec.taskManager.podTemplate", "{}"),
];

#[test]
fn what_its_operator_would_make_something_else_of_is_left_alone() {
    let all = harden(|row, group| {
        let of_row = LEFT.iter().filter(|(kind, ..)| row.unless.is_some() && *kind == row.kind);
        let with = |(_, place, value): &(&str, &str, &str)| {
            let mut object = object(row, group);
            let something = match row.pods.iter().find(|it| it.path == *place) {
                Some(pods) => at_place(pods.holds, row.takes),
                None => serde_json::from_str(value).unwrap(),
            };
            put(&mut object, place, &something);
            object
        };
        let all: Vec<Value> = of_row.map(with).collect();
        assert_eq!(all.is_empty(), row.unless.is_none(), "{}: what keeps it?", row.kind);
        all
    });
    assert!(!all.is_empty());
    for (row, before, after) in &all {
        assert_eq!(before, after, "{}", row.kind);
    }
}
