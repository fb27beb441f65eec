//! What `ironhull preview -f` says of images that never ran, by their facts alone, and what becomes
//! of them.

use std::fs;

use serde_json::{Value, json};

use super::{Fate, Workload, fates, said_of, workload};
use crate::world::{PROGRAMS, Space, World, say};

/// So many images, and how often preview may cry wolf.
const AT_LEAST: usize = 30;
const AT_MOST_FALSE_ALARMS: usize = 3;

pub fn of_images_is_what_happens(world: &'static World) {
    let workloads: Vec<Workload> = PROGRAMS.iter().map(|image| of_image(image)).collect();
    assert!(workloads.len() >= AT_LEAST);
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = files.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let list: Vec<&Value> = workloads.iter().map(|workload| &workload.object).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": list});
    let manifests = write("list.json", list.to_string());
    let facts = write("facts.yaml", world.facts_of(&PROGRAMS));
    let preview = |more: &[&std::ffi::OsStr]| -> Value {
        let mut command = crate::world::ironhull();
        command.args(["preview", "--output", "json", "-f"]).arg(&manifests).args(more);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let known = preview(&["--facts".as_ref(), facts.as_os_str()]);
    let without = preview(&[]);

    // All of them run if they are left alone, each side by side with the hardened one.
    let plain = world.namespace("preview-plain", &[]);
    let hardened = world.namespace(
        "preview-images",
        &[("ironhull.dev/harden", "enforce"), ("pod-security.kubernetes.io/enforce", "restricted")],
    );
    let create = |space: &Space| {
        for workload in &workloads {
            space.create(&workload.object).unwrap();
        }
    };
    create(&plain);
    let before = fates(world, &plain, &workloads);
    let fail: Vec<_> = before.iter().filter(|(_, fate)| fate.is_err()).collect();
    assert!(fail.is_empty(), "unhardened: {fail:#?}");
    drop(plain);
    create(&hardened);
    let after = fates(world, &hardened, &workloads);

    let verdict = |preview: &Value, name: &str| {
        said_of(preview, name)["verdict"].as_str().unwrap().to_owned()
    };
    let (mut wrong, mut alarms) = (Vec::new(), Vec::new());
    for Workload { name, .. } in &workloads {
        let (said, before) = (verdict(&known, name), verdict(&without, name));
        let fate: &Fate = &after[name.as_str()];
        let cause = said_of(&known, name)["risks"][0]["cause"].as_str().unwrap_or("-").to_owned();
        let shown = fate
            .as_ref()
            .map_or_else(|why| format!("does not start: {why}"), |()| "runs".to_owned());
        say(format!("{name}: said: {said} ({cause}), without facts: {before}; it {shown}"));
        match (said.as_str(), fate) {
            ("starts", Err(_)) => wrong.push(name),
            ("breaks", Ok(())) => alarms.push(name),
            _ => {}
        }
    }
    let unknown = |preview: &Value| {
        workloads.iter().filter(|it| verdict(preview, &it.name) == "unknown").count()
    };
    let (few, many) = (unknown(&known), unknown(&without));
    let fail = after.values().filter(|fate| fate.is_err()).count();
    say(format!("{} images, of which {fail} do not start hardened", workloads.len()));
    say(format!("said to start and does not: {wrong:?}; false alarms: {alarms:?}"));
    say(format!("unknown: {few} with facts, {many} without"));
    assert!(wrong.is_empty(), "said to start, and does not: {wrong:?}");
    assert!(alarms.len() <= AT_MOST_FALSE_ALARMS, "{alarms:?}");
    assert!(few * 4 <= many, "unknown: {few} with facts, {many} without");
    assert!(fail >= 10, "only {fail} break");
}

/// A Deployment that names an image and says nothing else.
fn of_image(image: &str) -> Workload {
    let container = json!({"image": format!("localhost/{image}:local")});
    workload(&json!({"name": image, "kind": "Deployment", "pod": {"containers": [container]}}))
}
