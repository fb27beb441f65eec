//! What ran on which Kubernetes: `docs/versions.json`, of which the table in `docs/versions.md` is made.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use super::world::World;

/// File to record to.
const VARIABLE: &str = "E2E_RECORD";

/// Scenarios of this run by name, with what became of each.
pub struct Record {
    file: String,
    scenarios: Mutex<BTreeMap<&'static str, String>>,
}

impl Record {
    /// The record that is asked for by `E2E_RECORD`; `None` if it is not set.
    pub fn asked_for() -> Option<Self> {
        let file = std::env::var(VARIABLE).ok().filter(|file| !file.is_empty())?;
        Some(Self { file, scenarios: Mutex::default() })
    }

    /// Runs a scenario. What does not return has failed.
    pub fn run(&self, name: &'static str, scenario: impl FnOnce()) {
        self.note(name, "failed");
        scenario();
        self.note(name, "passed");
    }

    /// Notes what became of a scenario: `passed`, `failed`, or what it needs and has not.
    pub fn note(&self, name: &'static str, what: &str) {
        self.scenarios.lock().expect("nothing panics with it").insert(name, what.to_owned());
    }

    /// Writes the file: this cluster's minor version is replaced, the others stay.
    pub fn write(&self, world: &World) {
        let mut versions: Map<String, Value> = match std::fs::read_to_string(&self.file) {
            Ok(text) => serde_json::from_str(&text).expect("a record is a JSON object"),
            Err(_) => Map::new(),
        };
        let (major, minor) = world.version();
        let scenarios = &*self.scenarios.lock().expect("nothing panics with it");
        let record = json!({
            "date": ironhull::date::today().to_string(),
            "node": world.node(),
            "scenarios": scenarios,
        });
        versions.insert(format!("{major}.{minor}"), record);
        versions.sort_keys();
        let text = serde_json::to_string_pretty(&versions).expect("JSON") + "\n";
        std::fs::write(&self.file, text).expect("the record can be written");
    }
}
