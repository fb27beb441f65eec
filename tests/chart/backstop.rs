//! The backstop in the chart is what `ironhull policy backstop` prints.

use std::fs;

use serde_json::Value;

use super::policies::run_policy;
use super::rendered::{Rendered, helm, root, template, values};
use super::update;

/// What the command prints, without comments and what it says beside it, which is coloured.
fn printed(arguments: &[&str]) -> String {
    let (code, text) = run_policy(&[&["policy", "backstop"], arguments].concat());
    assert_eq!(code, 0, "{text}");
    let lines = text.lines().filter(|line| !line.starts_with(['#', '\u{1b}']));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The backstop's objects, without the labels that the chart gives each of its objects.
fn backstop(rendered: &Rendered) -> Vec<Value> {
    let kinds = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
    let all = kinds.iter().flat_map(|kind| rendered.all(kind));
    let mut ours: Vec<Value> = all
        .filter(|object| object["metadata"]["name"].as_str().unwrap().contains("backstop"))
        .cloned()
        .collect();
    for object in &mut ours {
        object["metadata"].as_object_mut().unwrap().remove("labels");
    }
    assert!(!ours.is_empty());
    ours
}

/// `UPDATE_EXPECT=1` writes it. The day is a marker, which the chart replaces.
#[test]
fn the_chart_has_the_compiled_in_policys() {
    let path = root().join("deploy/chart/files/backstop.yaml");
    let text = printed(&["--date", "1970-01-01"]);
    if update::is_wanted() {
        fs::write(&path, &text).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == text, "not current: run `make docs`");
    assert_eq!(text.matches("1970-01-01").count(), 3, "the annotation, and twice in `today`");
}

#[test]
fn it_is_rendered_as_it_is_printed() {
    let Some(helm) = helm() else { return };
    assert!(!Rendered::new(&helm, &[]).0.iter().any(|object| {
        object["metadata"]["name"].as_str().is_some_and(|name| name.contains("backstop"))
    }));
    let enabled = ["--set", "backstop.enabled=true,backstop.asOf=2027-01-02"];
    let rendered = backstop(&Rendered::new(&helm, &enabled));
    assert_eq!(rendered, backstop(&Rendered::parse(&printed(&["--date", "2027-01-02"]))));

    let rendered = backstop(&Rendered::new(&helm, &["--values", &values("backstop.yaml")]));
    let same = ["--action", "warn,audit", "--exclude", "cni", "--exclude", "ironhull-system"];
    let same = [&same[..], &["--date", "2026-11-30"]].concat();
    assert_eq!(rendered, backstop(&Rendered::parse(&printed(&same))));
}

/// Helm cannot make a backstop out of policies, and must not install another policy's.
#[test]
fn policies_need_the_commands_output() {
    let Some(helm) = helm() else { return };
    let policies = ["--set", "backstop.enabled=true,policies.existingConfigMaps={ours}"];
    let output = template(&helm, &policies);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("ironhull policy backstop --policy"),
        "{said}"
    );

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("backstop.yaml");
    let arguments =
        ["--policy", "docs/examples/policies", "--action", "audit", "--date", "2026-11-30"];
    fs::write(&file, printed(&arguments)).unwrap();
    let objects = format!("backstop.objects={}", file.display());
    let rendered = Rendered::new(&helm, &[&policies[..], &["--set-file", &objects]].concat());
    let wanted = Rendered::parse(&fs::read_to_string(&file).unwrap());
    assert_eq!(backstop(&rendered).len(), wanted.0.len());
    for object in backstop(&wanted) {
        assert!(backstop(&rendered).contains(&object), "{object}");
    }

    let wrong = ["--set", "backstop.enabled=true", "--set-string", "backstop.objects=kind: Pod"];
    assert!(!template(&helm, &wrong).status.success());
    let both = ["--set", "backstop.enabled=true,backstop.actions={Deny,Warn}"];
    assert!(!template(&helm, &both).status.success(), "as the API server");
}
