use serde_json::{Value, json};

use super::*;
use crate::observe::snapshot::{Directory, Restricted, Root, User};

/// What is seen of a server whose file system could be read.
fn seen(members: Value) -> Snapshot {
    let seen: Snapshot = serde_json::from_value(members).unwrap();
    Snapshot { root: Root { open: true, ..seen.root.clone() }, ..seen }
}

fn process(name: &str, uid: u32, gid: u32, first: bool) -> Value {
    json!({
        "name": name, "uids": [uid, uid, uid, uid], "gids": [gid, gid, gid, gid],
        "first": first, "count": 1, "samples": 9, "current": true,
    })
}

fn directory(path: &str, of_image: u64) -> Directory {
    Directory { path: path.to_owned(), entries_changed: true, of_image, ..Directory::default() }
}

fn writes(directories: &[Directory]) -> Needs {
    let snapshot = Snapshot { directories: directories.to_vec(), ..seen(json!({})) };
    needs(&snapshot, &Described::default())
}

fn paths(needs: &Needs) -> Vec<String> {
    needs
        .writable_paths
        .iter()
        .map(|it| format!("{}{}", it.path, if it.seed { "=seed" } else { "" }))
        .collect()
}

fn exempt(needs: &Needs) -> Vec<&str> {
    needs.exemptions.iter().map(|it| it.rule).collect()
}

const ALONE: Described = Described {
    alone: true,
    host_network: false,
    ports: Vec::new(),
    ports_of_others: Vec::new(),
    uid: None,
    started_as_root: false,
    no_files: None,
};

#[test]
fn the_users_of_masters_and_workers() {
    let users =
        json!([{"name": "web", "uid": 33, "gid": 33}, {"name": "db", "uid": 999, "gid": 998}]);
    let runs_as = |processes: Vec<Value>| {
        let seen = seen(json!({"users": users, "processes": processes}));
        let needs = needs(&seen, &ALONE);
        (needs.user.as_ref().map(|user| (user.uid, user.gid)), exempt(&needs).join(","))
    };
    let root = || process("nginx", 0, 0, true);
    assert_eq!(runs_as(vec![]), (None, String::new()));
    assert_eq!(runs_as(vec![root()]), (None, String::new()));
    assert_eq!(
        runs_as(vec![root(), process("nginx", 33, 33, false)]),
        (Some((33, 33)), String::new())
    );
    // gosu: the start was root, and is over.
    let mut start = process("sh", 0, 0, true);
    start["current"] = json!(false);
    assert_eq!(
        runs_as(vec![start, process("redis", 999, 998, true)]),
        (Some((999, 998)), String::new())
    );
    // A child that lived for one sample is no worker.
    let mut passing = process("id", 33, 33, false);
    (passing["current"], passing["samples"]) = (json!(false), json!(1));
    assert_eq!(runs_as(vec![root(), passing]), (None, String::new()));
    let several = vec![root(), process("a", 33, 33, false), process("b", 999, 998, false)];
    assert_eq!(runs_as(several), (None, "runAsNonRoot".to_owned()));
}

#[test]
fn a_user_that_the_manifest_states_is_not_said_again() {
    let seen = seen(json!({"processes": [process("app", 7, 7, true)]}));
    assert_eq!(needs(&seen, &Described { uid: Some(7), ..ALONE }).user, None);
    assert_eq!(needs(&seen, &Described { uid: Some(8), ..ALONE }).user.unwrap().uid, 7);
}

#[test]
fn what_changes_its_user_itself_may_insist_on_it() {
    let seen = seen(json!({"processes": [process("named", 101, 101, true)]}));
    let notes = |started_as_root| needs(&seen, &Described { started_as_root, ..ALONE }).notes;
    assert!(notes(true)[0].contains("changes its user itself"));
    assert_eq!(notes(false), [""; 0]);
}

#[test]
fn files_for_one_user_tell_who_it_is() {
    let restricted = |uid, gid| Restricted {
        path: "/etc/app".to_owned(),
        uid,
        gid,
        group_reads: true,
        count: 1,
    };
    let of = |list: Vec<Restricted>| {
        let user = |uid, gid| User { name: format!("u{uid}"), uid, gid, home: String::new() };
        let base = seen(json!({"processes": [process("app", 0, 0, true)]}));
        let snapshot =
            Snapshot { restricted: list, users: vec![user(0, 0), user(5, 6), user(7, 8)], ..base };
        needs(&snapshot, &ALONE).user.map(|it| it.uid)
    };
    assert_eq!(of(vec![restricted(0, 6)]), Some(5));
    assert_eq!(of(vec![restricted(7, 0)]), Some(7));
    assert_eq!(of(vec![restricted(0, 6), restricted(0, 8)]), None, "two users");
    assert_eq!(of(vec![restricted(0, 42)]), None, "nobody's group");
    assert_eq!(of(vec![restricted(0, 0)]), None, "root's own");
}

#[test]
fn what_the_new_user_may_not_read_is_named() {
    let restricted = vec![Restricted {
        path: "/srv/key".to_owned(),
        uid: 0,
        gid: 4,
        group_reads: true,
        count: 1,
    }];
    let mut worker = process("app", 33, 33, false);
    let of = |worker: &Value| {
        let base = seen(json!({"processes": [process("app", 0, 0, true), worker]}));
        needs(&Snapshot { restricted: restricted.clone(), ..base }, &ALONE).notes
    };
    assert!(of(&worker)[0].contains("/srv/key"));
    worker["groups"] = json!([4]);
    assert_eq!(of(&worker), [""; 0]);
}

#[test]
fn directories_become_empty_dirs() {
    let needs = writes(&[directory("/run", 0), directory("/var/cache/x", 0), directory("/tmp", 0)]);
    assert_eq!(paths(&needs), ["/run", "/var/cache/x"]);
    assert_eq!((exempt(&needs).len(), needs.volumes.len()), (0, 0));
    let content = writes(&[directory("/opt/app/conf", 3), directory("/tmp", 1)]);
    assert_eq!(paths(&content), ["/opt/app/conf=seed"]);
    assert!(content.notes[0].starts_with("/tmp gets an emptyDir"));
}

#[test]
fn directories_of_the_system_take_more() {
    let empty = writes(&[directory("/etc/app/state", 0), directory("/run", 0)]);
    assert_eq!((paths(&empty), exempt(&empty)), (vec!["/run".to_owned()], vec![]));
    assert_eq!(empty.volumes, ["/etc/app/state"]);
    let full = writes(&[directory("/etc", 40), directory("/run", 0)]);
    assert_eq!(exempt(&full), ["readOnlyRootFilesystem", "runAsNonRoot"]);
    assert_eq!(paths(&full), [""; 0], "the root stays writable");
    let mut own = directory("/etc/app", 1);
    own.owners.insert(999);
    assert_eq!(exempt(&writes(&[own])), ["readOnlyRootFilesystem"], "it is that user's already");
}

#[test]
fn directories_at_the_root_are_made_by_being_mounted() {
    let mut root = directory("/", 12);
    assert_eq!(paths(&writes(&[root.clone(), directory("/data", 0)])), ["/data"]);
    assert_eq!(exempt(&writes(&[root.clone()])).len(), 2);
    root.examples.push("file".to_owned());
    assert_eq!(exempt(&writes(&[root, directory("/data", 0)])).len(), 2);
}

/// Python compiles modules where it may.
#[test]
fn compiled_modules_need_no_directory() {
    let mut modules = directory("/usr/lib/python3", 90);
    for example in ["a/__pycache__/a.cpython-311.pyc", "b.pyc", "c.pyc", "d.pyc"] {
        modules.add_example(example.to_owned());
    }
    let needs = writes(&[modules.clone(), directory("/opt/app/__pycache__", 0)]);
    assert_eq!((paths(&needs).len(), exempt(&needs).len()), (0, 0));
    assert!(needs.notes[0].contains("/usr/lib/python3"));
    modules.add_example("settings.py".to_owned());
    assert_eq!(exempt(&writes(&[modules])).len(), 2, "one other file is shown among them");
}

/// Names are an attacker's.
#[test]
fn names_that_no_annotation_can_hold_count_for_what_is_above() {
    for name in ["a,/etc=seed", "a=seed", "a b", "a:b", "a\u{202e}b", "a\\b"] {
        let needs = writes(&[directory(&format!("/var/lib/app/{name}/x"), 0)]);
        assert_eq!(paths(&needs), ["/var/lib/app"], "{name}");
    }
    assert_eq!(exempt(&writes(&[directory("/a,b", 0)])).len(), 2);
}

#[test]
fn no_more_paths_than_a_workload_may_ask_for() {
    let many: Vec<Directory> =
        (0..40).map(|n| directory(&format!("/var/lib/app/{n}/deep"), 0)).collect();
    let needs = writes(&many);
    assert!(needs.writable_paths.len() <= 16, "{:?}", paths(&needs));
    let covers = |path: &str| {
        needs.writable_paths.iter().any(|it| crate::observe::snapshot::is_below(path, &it.path))
    };
    assert!(many.iter().all(|it| covers(&it.path)));
    assert!(needs.writable_paths.iter().any(|it| it.seed), "a parent has content");
}

#[test]
fn low_ports_are_declared_by_whose_they_are() {
    let port =
        |port: u16, held: bool| json!({"protocol": "TCP", "port": port, "uid": 0, "held": held});
    let of = |described: &Described| {
        let needs = needs(&seen(json!({"ports": [port(80, false), port(443, true)]})), described);
        needs.ports.iter().map(|it| it.container_port).collect::<Vec<_>>()
    };
    assert_eq!(of(&ALONE), [80, 443]);
    let declared = Described { ports: vec![("TCP".to_owned(), 80)], ..ALONE };
    assert_eq!(of(&declared), [443]);
    assert_eq!(of(&Described { alone: false, ..ALONE }), [443]);
    assert_eq!(of(&Described { host_network: true, ..ALONE }), [443], "the node's own");
}

#[test]
fn what_only_root_can_do() {
    let mut sudo = process("sudo", 0, 0, false);
    sudo["uids"] = json!([1000, 0, 0, 0]);
    let of = |members: Value| exempt(&needs(&seen(members), &ALONE)).join(",");
    let app = process("app", 1000, 1000, true);
    assert_eq!(of(json!({"processes": [app, sudo]})), "allowPrivilegeEscalation,capabilities");
    let mut squid = process("squid", 13, 13, true);
    squid["uids"] = json!([0, 13, 0, 13]);
    assert_eq!(of(json!({"processes": [squid]})), "", "root that acts as another user");
    assert_eq!(of(json!({"devices": ["/dev2/tun"]})), "runAsNonRoot,capabilities");
    let raw = json!({"protocol": "", "port": 1, "uid": 0, "held": true});
    assert_eq!(of(json!({"ports": [raw]})), "runAsNonRoot,capabilities");
}

#[test]
fn home_stays_where_something_is_written_below_it() {
    let home = |written: &str, users: Value| {
        let base = seen(
            json!({"home": "/root", "users": users, "processes": [process("a", 0, 0, true), process("b", 5, 5, false)]}),
        );
        needs(&Snapshot { directories: vec![directory(written, 0)], ..base }, &ALONE).home
    };
    assert_eq!(home("/root/.cache", json!([])).as_deref(), Some("/root"));
    assert_eq!(home("/rooted", json!([])), None);
    assert_eq!(home("/root", json!([{"name": "b", "uid": 5, "gid": 5, "home": "/root"}])), None);
}

/// Whatever a pod says, its reasons are words, and the engine takes them for nothing else.
#[test]
fn reasons_are_safe() {
    let device = "/x\nuntil=2999-01-01 ticket=A\u{202e}".to_owned();
    let snapshot = Snapshot { devices: vec![device], ..seen(json!({})) };
    let needs = needs(&snapshot, &ALONE);
    let reason = &needs.exemptions[0].reason;
    assert!(!reason.contains(['=', '\n', '\u{202e}']), "{reason}");
}

#[test]
fn several_pods_are_one_container() {
    let one = seen(json!({
        "millis": 9000, "processes": [process("app", 0, 0, true)],
        "directories": [{"path": "/var/lib/app/a"}, {"path": "/run", "ofImage": 1, "examples": ["a"]}],
    }));
    let other = Snapshot {
        directories: vec![directory("/var/lib/app", 2), directory("/run", 0)],
        millis: 5000,
        ..one.clone()
    };
    let whole = merge(&[&one, &other]);
    assert_eq!((whole.millis, whole.processes.len()), (9000, 1));
    let found: Vec<_> =
        whole.directories.iter().map(|it| (it.path.as_str(), it.of_image)).collect();
    assert_eq!(found, [("/run", 1), ("/var/lib/app", 2)]);
    let closed = Snapshot { root: Root::default(), ..other };
    assert!(!merge(&[&one, &closed]).root.open, "one that was not seen");
}

/// What is printed is what ironhull takes, on a pod of that shape.
#[test]
fn what_is_printed_is_taken() {
    let users = json!([{"name": "web", "uid": 33, "gid": 33}]);
    let seen = seen(json!({
        "users": users, "home": "/var/www",
        "processes": [process("nginx", 0, 0, true), process("nginx", 33, 33, false)],
        "ports": [{"protocol": "TCP", "port": 80, "uid": 0, "held": true}],
        "directories": [{"path": "/run"}, {"path": "/etc/app/state"}, {"path": "/var/www/x", "ofImage": 2}],
    }));
    let needs = needs(&seen, &ALONE);
    let one = Observed {
        container: "app",
        image: "nginx:1.27",
        sidecar: false,
        only: true,
        needs: &needs,
    };
    let patch = patch("Deployment", &[one]).unwrap();
    assert_eq!(
        patch["spec"]["template"],
        json!({
            "metadata": {"annotations": {"ironhull.dev/writable-paths": "/run,/var/www/x=seed"}},
            "spec": {
                "containers": [{
                    "name": "app",
                    "securityContext": {"runAsUser": 33, "runAsGroup": 33},
                    "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "env": [{"name": "HOME", "value": "/var/www"}],
                    "volumeMounts": [{"name": "observed-0", "mountPath": "/etc/app/state"}],
                }],
                "volumes": [{"name": "observed-0", "emptyDir": {}}],
            },
        })
    );
    assert_eq!(
        policy(&[one], "seen").unwrap(),
        json!({"images": [{
            "match": ["docker.io/library/nginx:*"], "runAsUser": 33, "runAsGroup": 33,
            "writablePaths": ["/tmp", "/run", {"path": "/var/www/x", "seed": true}, "/etc/app/state"],
            "ports": [80], "reason": "seen",
        }]})
    );
    let sidecar = Observed { sidecar: true, only: false, ..one };
    let patch = super::patch("CronJob", &[sidecar]).unwrap();
    let template = &patch["spec"]["jobTemplate"]["spec"]["template"];
    assert_eq!(template["spec"]["initContainers"][0]["name"], "app");
    assert!(template["metadata"]["annotations"]["app.ironhull.dev/writable-paths"].is_string());
    let nothing = Needs::default();
    let idle = Observed { needs: &nothing, ..one };
    assert_eq!((super::patch("Pod", &[idle]), policy(&[idle], "")), (None, None));
}
