//! Volumes of pods.

use serde_json::{Value, json};

use super::choices::{Choices, Object};
use super::pods::{MODES, VOLUMES};

pub(crate) fn volumes(numbers: &[Vec<u16>]) -> Vec<Value> {
    let mut volumes: Vec<Value> = Vec::new();
    for numbers in numbers {
        let choices = &mut Choices::new(numbers);
        let name = choices.pick(&VOLUMES);
        if volumes.iter().any(|volume| volume["name"] == name) {
            continue;
        }
        let mut volume = Object::default();
        volume.set("name", name);
        let kinds = [
            "emptyDir",
            "secret",
            "configMap",
            "projected",
            "downwardAPI",
            "persistentVolumeClaim",
            "hostPath",
            "csi",
            "image",
            "ephemeral",
            "nfs",
            "fromTheFuture",
            "",
        ];
        let kind = choices.pick(&kinds);
        if !kind.is_empty() {
            volume.set(kind, source(choices, kind));
        }
        if choices.chance(5) && kind != "gcePersistentDisk" {
            volume.set("gcePersistentDisk", Value::Null);
        }
        volumes.push(volume.into());
    }
    volumes
}

fn source(choices: &mut Choices<'_>, kind: &str) -> Value {
    let items = |choices: &mut Choices<'_>| {
        json!([
            {"key": "a", "path": "a"},
            {"key": "b", "path": "b", "mode": choices.pick(&MODES)},
        ])
    };
    let mut source = Object::default();
    match kind {
        "emptyDir" => source.maybe(choices, 30, "medium", |_| "Memory"),
        "secret" | "configMap" | "downwardAPI" => {
            source.one_of(choices, 60, "defaultMode", &MODES);
            source.maybe(choices, 25, "items", items);
        }
        "projected" => {
            source.one_of(choices, 60, "defaultMode", &MODES);
            source.maybe(choices, 60, "sources", |choices| {
                json!([
                    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                    {"secret": {"name": "x", "items": items(choices)}},
                    {"configMap": null},
                    {"downwardAPI": {"items": items(choices)}},
                ])
            });
        }
        "hostPath" => source.set("path", "/tmp"),
        _ => source.one_of(choices, 40, "readOnly", &[true, false]),
    }
    source.into()
}
