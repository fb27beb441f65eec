//! Policies: any combination of actions and values.
//!
//! A policy is made as the document that a file would hold, with every action and value
//! written out: the properties read what it says from there and not from the engine.

use ironhull::policy::{Policy, PolicyFile, parse};
use ironhull::rule::{Action, RuleName, RuleScope};
use serde_json::{Value, json};

use super::choices::{Choices, Object};
use super::pods::IMAGES;

/// The names of the rules that act on each container.
pub(crate) fn of_containers() -> Vec<&'static str> {
    let rules = RuleName::ALL.iter().filter(|rule| rule.scope() == RuleScope::Container);
    rules.map(|rule| rule.as_str()).collect()
}

/// Which actions a policy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Any: `restricted`'s, the same for all, or mixed.
    Any,
    /// The same for all.
    All(&'static str),
    /// `warn` or `off`.
    WarnOrOff,
}

/// A policy's document, with facts of images as its member `facts` where there are some, and the
/// policy itself.
pub(crate) fn policy(numbers: &[u16], flavour: Flavour) -> (Value, Policy) {
    let choices = &mut Choices::new(numbers);
    let mut document = document(choices, flavour);
    let facts = choices.chance(40).then(|| facts(choices));
    let source = |name: &str, document: &Value| PolicyFile {
        name: name.to_owned(),
        text: document.to_string(),
    };
    let mut sources = vec![source("generated.yaml", &document)];
    sources.extend(facts.as_ref().map(|facts| source("facts.yaml", facts)));
    let loaded = parse::parse(&sources).unwrap_or_else(|errors| panic!("{sources:?}: {errors:#?}"));
    if let Some(mut facts) = facts {
        document["facts"] = facts["images"].take();
    }
    let policy = loaded.policies.into_iter().next().unwrap();
    (document, policy)
}

fn document(choices: &mut Choices<'_>, flavour: Flavour) -> Value {
    let actions = actions(choices, flavour);
    let uids = [1000, 10_001, 70_000, 65_536, 65_535];
    let gids = [1000, 0, 3];
    let allowed = choices.pick(&[
        json!(["NET_BIND_SERVICE"]),
        json!(["NET_BIND_SERVICE"]),
        json!([]),
        json!(["NET_BIND_SERVICE", "CHOWN", "SYS_TIME"]),
        json!(["SYS_ADMIN"]),
    ]);
    let mut rules = Object::default();
    for (rule, action) in RuleName::ALL.iter().map(|rule| rule.as_str()).zip(actions) {
        let mut settings = Object::default();
        settings.set("action", action);
        match rule {
            "runAsUser" => {
                settings.set("value", choices.pick(&uids));
                settings.set("whenImageUser", choices.pick(&["keep", "keep", "override"]));
            }
            "runAsGroup" => settings.set("value", choices.pick(&gids)),
            "fsGroup" => {
                settings.set("value", choices.pick(&gids));
                settings.set("changePolicy", choices.pick(&["OnRootMismatch", "Always"]));
            }
            "capabilities" => {
                settings.set("allowedAdd", allowed.clone());
                let roots = [
                    json!(["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID", "KILL"]),
                    json!([]),
                    json!(["SETUID"]),
                ];
                settings.set("rootKeeps", choices.pick(&roots));
            }
            "seccompProfile" => match choices.chance(15) {
                true => {
                    settings.set("type", "Localhost");
                    settings.set("localhostProfile", choices.pick(&["profiles/a.json", "b"]));
                }
                false => settings.set("type", "RuntimeDefault"),
            },
            "readOnlyRootFilesystem" => {
                let paths = [
                    json!(["/tmp"]),
                    json!(["/tmp"]),
                    json!([]),
                    json!(["/tmp", "/run"]),
                    json!(["/tmp/x", "/tmp", "/var/log/app"]),
                    json!(["/tmp", {"path": "/opt/x", "seed": true}, {"path": "/run", "seed": false}]),
                ];
                settings.set("writablePaths", choices.pick(&paths));
                settings.set("medium", choices.pick(&["", "", "Memory"]));
                settings.maybe(choices, 15, "sizeLimit", |_| "64Mi");
                settings.maybe(choices, 15, "fromImage", |_| false);
            }
            "hostUsers" => {
                let classes = [json!([]), json!(["*"]), json!(["fast", "slow"])];
                settings.set("storageClasses", choices.pick(&classes));
            }
            _ => {}
        }
        rules.set(rule, settings);
    }
    let mut spec = Object::default();
    spec.set("namespaces", json!(["*"]));
    spec.set("rules", rules);
    spec.set("images", images(choices, &allowed));
    spec.set("knownImages", !choices.chance(30));
    spec.maybe(
        choices,
        25,
        "registryAliases",
        |_| json!({"registry.corp/dockerhub/": "docker.io/"}),
    );
    spec.set("exemptions", limits(choices));
    spec.set(
        "exempt",
        choices
            .some(2, |choices| if choices.chance(40) { Some(grant(choices)) } else { None })
            .into_iter()
            .flatten()
            .collect::<Vec<_>>(),
    );
    spec.maybe(choices, 25, "podTemplates", |choices| {
        let holds = choices.pick(&["template", "podSpec"]);
        json!([{"group": "example.com", "kind": "Widget", "path": "spec.workers[*]", "holds": holds}])
    });
    let mut document = Object::default();
    document.set("apiVersion", "ironhull.dev/v1alpha1");
    document.set("kind", "HardeningPolicy");
    document.set("metadata", json!({"name": "generated"}));
    document.set("spec", spec);
    document.into()
}

/// Facts of some of the images that generated pods have.
fn facts(choices: &mut Choices<'_>) -> Value {
    let images: Vec<Value> = choices.some(5, |choices| {
        let mut entry = Object::default();
        let named: Vec<_> = IMAGES.into_iter().filter(|image| !image.is_empty()).collect();
        entry.set("image", choices.pick(&named));
        let users = [
            json!({}),
            json!({"user": "app", "uid": 500, "gid": 50}),
            json!({"user": "65532:65532", "uid": 65_532, "gid": 65_532}),
            json!({"user": "1001", "uid": 1001, "gid": 0}),
            json!({"user": "ghost", "unusableUser": "no entry for ghost"}),
            json!({"from": "configuration", "user": "70000"}),
            json!({"from": "pod", "uid": 101, "gid": 101}),
        ];
        let user = choices.pick(&users);
        for (key, value) in user.as_object().unwrap() {
            entry.set(key, value.clone());
        }
        entry.maybe(choices, 30, "ports", |_| json!(["80/tcp", "8080/tcp"]));
        let writable = [
            json!([{"path": "/var/lib/app", "empty": true}, {"path": "/opt/x", "empty": false}]),
            json!([{"path": "/tmp/x", "empty": true}, {"path": "/dev/shm", "empty": true}]),
            json!([{"path": "/var/run/app", "empty": true}, {"path": "/run", "empty": true}]),
        ];
        entry.maybe(choices, 40, "writable", |choices| choices.pick(&writable));
        entry.maybe(choices, 20, "hidden", |_| json!(["/tmp", "/run"]));
        entry.maybe(choices, 20, "fileCapabilities", |_| json!({"/bin/a": ["NET_BIND_SERVICE"]}));
        entry.into()
    });
    json!({"apiVersion": "ironhull.dev/v1alpha1", "kind": "ImageFacts", "images": images})
}

/// An action for each rule, in the order of [`RuleName::ALL`].
fn actions(choices: &mut Choices<'_>, flavour: Flavour) -> Vec<&'static str> {
    let words = Action::ALL.map(Action::as_str);
    let rules = RuleName::ALL.iter();
    let mut actions: Vec<_> = match flavour {
        Flavour::All(action) => rules.map(|_| action).collect(),
        Flavour::WarnOrOff => rules.map(|_| choices.pick(&["warn", "off"])).collect(),
        Flavour::Any => match choices.below(4) {
            0 => {
                let restricted = parse::embedded_restricted();
                rules.map(|rule| restricted.rules.action(*rule).as_str()).collect()
            }
            1 => {
                let action = choices.pick(&words);
                rules.map(|_| action).collect()
            }
            _ => rules.map(|_| choices.pick(&words)).collect(),
        },
    };
    // What a policy may not have.
    let [privileged, non_root, uid] =
        [RuleName::Privileged, RuleName::RunAsNonRoot, RuleName::RunAsUser]
            .map(|rule| rule as usize);
    if actions[privileged] == "fill" {
        actions[privileged] = "warn";
    }
    if (actions[non_root], actions[uid]) == ("enforce", "off") {
        actions[uid] = "fill";
    }
    actions
}

fn images(choices: &mut Choices<'_>, allowed: &Value) -> Vec<Value> {
    if !choices.chance(40) {
        return Vec::new();
    }
    choices.some(3, |choices| {
        let mut entry = Object::default();
        let patterns = [
            "registry.corp/*",
            "docker.io/library/nginx:*",
            "docker.io/library/postgres:*alpine*",
            "quay.io/*",
            "docker.io/library/*",
            "busybox",
        ];
        entry.set("match", vec![choices.pick(&patterns)]);
        let users = [json!(101), json!("image"), json!(999), json!(70_000)];
        entry.maybe(choices, 70, "runAsUser", |choices| choices.pick(&users));
        if choices.chance(40) {
            entry.set("runAsGroup", choices.pick(&[101, 0]));
        }
        entry.maybe(choices, 30, "fsGroup", |choices| choices.pick(&[json!("none"), json!(101)]));
        let paths = [
            json!(["/tmp", "/var/cache/nginx"]),
            json!([]),
            json!([{"path": "/var/cache/nginx", "seed": true}]),
        ];
        entry.maybe(choices, 30, "writablePaths", |choices| choices.pick(&paths));
        if choices.chance(20) {
            entry.set("addCapabilities", allowed.clone());
        }
        entry.maybe(choices, 20, "imageUser", |_| "root");
        entry.into()
    })
}

fn limits(choices: &mut Choices<'_>) -> Value {
    let every: Vec<_> = RuleName::ALL.iter().map(|rule| rule.as_str()).collect();
    let mut limits = Object::default();
    let allow = [
        json!(every),
        json!(every),
        json!(every),
        json!(["runAsNonRoot", "capabilities", "readOnlyRootFilesystem"]),
        json!([]),
    ];
    limits.set("allow", choices.pick(&allow));
    limits.set("requireReason", !choices.chance(30));
    limits.set("requireUntil", choices.chance(15));
    limits.maybe(choices, 15, "maxDays", |choices| choices.pick(&[90, 1]));
    let images = [json!(["registry.corp/*", "docker.io/library/postgres:*"])];
    limits.maybe(choices, 15, "images", |choices| choices.pick(&images));
    limits.into()
}

/// Whether the images that [`limits`] names, where it does, are among them this one.
pub(crate) fn may_be_exempt(image: &str) -> bool {
    image.starts_with("registry.corp/") || image.starts_with("postgres:")
}

fn grant(choices: &mut Choices<'_>) -> Value {
    let mut grant = Object::default();
    let narrow = choices.chance(70);
    if narrow {
        let names = [json!(["web"]), json!(["istio-init", "app"])];
        let named = choices.chance(60);
        if named {
            grant.set("containers", choices.pick(&names));
        }
        if !named || choices.chance(50) {
            grant.set("images", choices.pick(&[json!(["docker.io/library/*"]), json!(["nginx"])]));
        }
    }
    let rules = match narrow {
        true => of_containers(),
        false => RuleName::ALL.iter().map(|rule| rule.as_str()).collect(),
    };
    let mut named = vec![choices.pick(&rules)];
    named.extend(choices.some(3, |choices| choices.pick(&rules)));
    named.sort_unstable();
    named.dedup();
    grant.set("rules", named);
    grant.maybe(choices, 30, "until", |choices| choices.pick(&["2027-01-15", "2027-01-14"]));
    grant.set("reason", "granted");
    grant.into()
}
