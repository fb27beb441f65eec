//! What messages mean: those of `messages.txt`, and odd ones.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says where"
)]

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PodSpec;

use super::message::{directory, path, port, user};
use super::table::entries;
use super::{Fix, Mounts, User, advice, in_log, last_known};

/// A fix as `messages.txt` has it.
fn short(fix: &Fix) -> String {
    match fix {
        Fix::WritablePath { path, seed: false } => format!("writable {path}"),
        Fix::WritablePath { path, seed: true } => format!("writable {path}=seed"),
        Fix::Port(port) => format!("port {port}"),
        Fix::AddCapability(name) => format!("add {name}"),
        Fix::RunAsUser(User::Named(name)) => format!("user {name}"),
        Fix::RunAsUser(User::OfImage) => "user (of the image)".to_owned(),
        Fix::RunAsUser(User::Any) => "user (any)".to_owned(),
        Fix::Env { name, value } => format!("env {name}={value}"),
        Fix::FsGroup => "fsGroup".to_owned(),
        Fix::Sysctl { name, .. } => format!("sysctl {name}"),
        Fix::DefaultMode(mode) => format!("mode 0{mode:o}"),
        Fix::Exempt(rules) => {
            let rules: Vec<&str> = rules.iter().map(|rule| rule.as_str()).collect();
            format!("exempt {}", rules.join(", "))
        }
        Fix::Words(_) => "words".to_owned(),
    }
}

#[test]
fn messages_as_they_are_seen() {
    let lines = include_str!("messages.txt").lines();
    let messages = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut seen = BTreeSet::new();
    for line in messages {
        let mut parts = line.splitn(3, " | ");
        let (kind, fix, message) =
            (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let message = message.replace("\\n", "\n").replace("\\t", "\t");
        let found = advice(&message).unwrap_or_else(|| panic!("not known: {message}"));
        assert_eq!(found.symptom.name, kind, "{message}");
        assert_eq!(short(found.fixes.first().unwrap()), fix, "{message}");
        seen.insert(kind);
    }
    // What depends on mounts has a test of its own.
    seen.extend(["hidden", "host-path", "read-only-volume"]);
    let others = entries().filter(|entry| !seen.contains(entry.name)).map(|entry| entry.name);
    assert_eq!(others.collect::<Vec<_>>(), [""; 0], "no message is of these kinds");
}

#[test]
fn what_has_nothing_to_do_with_hardening() {
    for message in [
        "Back-off pulling image \"x\"",
        "secret \"x\" not found",
        "listen tcp :8080: bind: address already in use",
        "[ERROR] Can't connect to ('0.0.0.0', 8000)",
        "error: open /etc/app/config.yaml: no such file or directory",
        "java.lang.OutOfMemoryError: Java heap space",
    ] {
        assert!(advice(message).is_none(), "{message}");
    }
    for name in [
        "kernel-setting",
        "remote-refusal",
        "refuses-root",
        "no-webhook",
        "unreadable",
        "pod-security",
    ] {
        assert!(entries().find(|entry| entry.name == name).unwrap().rules.is_empty(), "{name}");
    }
    // A socket in a directory is no port.
    let socket = "bind() to unix:/run/php/php.sock failed (13: Permission denied)";
    assert_eq!(advice(socket).unwrap().symptom.name, "volume-file");
}

#[test]
fn the_last_known_line_of_a_log() {
    let log = "starting\nmkdir: can't create directory '/a/b': Read-only file system\nnginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)\nbye\n";
    let (line, advice) = in_log(log).unwrap();
    assert_eq!(line, "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)");
    assert_eq!(advice.symptom.name, "low-port");
    assert!(in_log("").is_none());
    // Node, whose last lines are an object, and MariaDB, whose last line names no path.
    let log = "node:fs:1372\n  const result = binding.mkdir(\n\nError: EROFS: read-only file system, \
               mkdir '/opt/app/.cache'\n    at Object.mkdirSync (node:fs:1372:26) {\n  errno: -30,\n  \
               code: 'EROFS',\n  syscall: 'mkdir',\n  path: '/opt/app/.cache'\n}\n\nNode.js v20.1.0\n";
    assert_eq!(short(&in_log(log).unwrap().1.fixes[0]), "writable /opt/app/.cache");
    let log = "Error: listen EACCES: permission denied 0.0.0.0:80\n    at Server.setupListenHandle {\n  \
               code: 'EACCES',\n  errno: -13,\n  syscall: 'listen',\n  address: '0.0.0.0',\n  port: 80\n}";
    assert_eq!(short(&in_log(log).unwrap().1.fixes[0]), "port 80");
    let log = "[ERROR] mariadbd: Can't create/write to file '/data/aria_log_control' (Errcode: 30 \
               \"Read-only file system\")\n[Note] InnoDB: Completed\n[ERROR] InnoDB: Error number 30 \
               means 'Read-only file system'\n[ERROR] Aborting";
    assert_eq!(short(&in_log(log).unwrap().1.fixes[0]), "writable /data");
    // A directory that stands in for a name is no second remedy beside one that is named.
    let all = |line| -> Vec<String> { in_log(line).unwrap().1.fixes.iter().map(short).collect() };
    let named = "# Failed opening the temp RDB file temp-1.rdb (in server root dir /var/lib/redis) \
                 for saving: Read-only file system";
    let exempt = "exempt readOnlyRootFilesystem";
    assert_eq!(all(named), ["writable /var/lib/redis", exempt]);
    let unnamed = "MISCONF Redis is configured to save RDB snapshots";
    assert_eq!(all(unnamed), ["writable /data", exempt]);
}

#[test]
fn what_a_message_names() {
    for (message, found) in [
        (
            "mkdir() \"/var/lib/nginx/body\" failed (30: Read-only file system)",
            Some("/var/lib/nginx/body"),
        ),
        ("exec /usr/bin/caddy: operation not permitted", None),
        ("no path / here", None),
        ("see https://example.com/x for help", None),
        ("cannot open '/a b/c': Permission denied", Some("/a b/c")),
        ("cannot open ‘/a/b’: Permission denied", Some("/a/b")),
        (
            "open(/var/lib/php/sessions/sess_x, O_RDWR) failed: Read-only file system (30)",
            Some("/var/lib/php/sessions/sess_x"),
        ),
        ("/init: cannot create /x: Read-only file system", Some("/x")),
        ("/data/x: Permission denied", Some("/data/x")),
        ("bind() to unix:/run/x.sock failed", Some("/run/x.sock")),
        ("rename /a/x /b/y: read-only file system", Some("/b/y")),
    ] {
        assert_eq!(path(message), found, "{message}");
    }
    for (message, found) in [
        ("mkdir '/home/app/.cache/pip'", Some(("/home/app/.cache", false))),
        ("open '/app/.env'", Some(("/app", true))),
        ("open '/x'", None),
        ("mkdir '/data'", Some(("/data", false))),
        ("open '/data/x'", Some(("/data", false))),
        ("mkdir '/opt/app/work'", Some(("/opt/app/work", false))),
        ("open '/opt/app/work/x'", Some(("/opt/app/work", true))),
    ] {
        let found = found.map(|(path, seed): (&str, bool)| (path.to_owned(), seed));
        assert_eq!(directory(message), found, "{message}");
    }
    for (message, found) in [
        ("listen tcp 10.0.0.1:80: bind: permission denied", Some(80)),
        ("2024-03-01 15:04:05 started", None),
        ("bind to [::]:443", Some(443)),
        ("http://0.0.0.0:80", Some(80)),
        ("port: 81", Some(81)),
        ("port 81", Some(81)),
        ("TCP port 99999", None),
    ] {
        assert_eq!(port(message), found, "{message}");
    }
    assert_eq!(user("failed switching to \"root\": x"), None);
    assert_eq!(user("user \"a b\""), Some("a"));
    assert_eq!(user("user \"-x\""), None);
}

/// Whoever writes the log writes the path: nothing of it may become an annotation that is not a
/// path, or that a workload may not ask for.
#[test]
fn odd_paths_are_no_remedy() {
    for path in ["/etc/nginx", "/proc/x", "/a/../etc", "/a\u{202e}b/c", "/usr/share/x", "/"] {
        let message = format!("cannot open '{path}/file': Read-only file system");
        let first = advice(&message).unwrap().fixes.into_iter().next().unwrap();
        assert!(matches!(first, Fix::Words(_)), "{path}: {first:?}");
    }
}

/// The same words about the image, a Secret, the node and a claim.
#[test]
fn what_a_message_means_depends_on_where_the_path_lies() {
    let spec = serde_json::json!({
        "volumes": [
            {"name": "key", "secret": {}}, {"name": "node", "hostPath": {"path": "/srv"}},
            {"name": "tmp", "emptyDir": {}}, {"name": "claim", "persistentVolumeClaim": {"claimName": "x"}}
        ],
        "containers": [{"name": "app", "volumeMounts": [
            {"name": "key", "mountPath": "/etc/key"}, {"name": "node", "mountPath": "/host"},
            {"name": "tmp", "mountPath": "/var/run/app"}, {"name": "claim", "mountPath": "/var/lib/app"},
            {"name": "claim", "mountPath": "/ro/", "readOnly": true}
        ]}]
    });
    let spec: PodSpec = serde_json::from_value(spec).unwrap();
    let mounts = Mounts::of(&spec, spec.containers.first().unwrap());
    for (path, denied, read_only) in [
        ("/etc/key/tls.key", "mounted-file", "read-only-volume"),
        ("/host/x", "host-path", "read-only-volume"),
        ("/run/app/x", "volume-file", "read-only-volume"),
        ("/var/lib/app/x", "volume-file", "read-only-volume"),
        ("/ro/x", "volume-file", "read-only-volume"),
        ("/etc/keys", "image-file", "read-only"),
        ("/var/lib/apps/x", "image-file", "read-only"),
    ] {
        for (says, kind) in [("Permission denied", denied), ("Read-only file system", read_only)] {
            let message = format!("cannot open '{path}': {says}");
            let found = last_known(&message, Some(&mounts)).unwrap();
            assert_eq!(found.advice.symptom.name, kind, "{message}");
        }
    }
}

/// What is missing in an emptyDir of ironhull's is hidden by it, unless that was filled, or is for
/// temporary files.
#[test]
fn what_an_empty_directory_hides() {
    let mount = |name, at| serde_json::json!({"name": name, "mountPath": at});
    let empty = |name| serde_json::json!({"name": name, "emptyDir": {}});
    let spec = serde_json::json!({
        "volumes": [
            empty("ironhull-app-opt-app"), empty("ironhull-app-etc-app"), empty("ironhull-app-tmp"),
            empty("own")
        ],
        "initContainers": [
            {"name": "x", "volumeMounts": [mount("ironhull-app-etc-app", "/ironhull-seed/to/etc/app")]}
        ],
        "containers": [{"name": "app", "volumeMounts": [
            mount("ironhull-app-opt-app", "/opt/app/"), mount("ironhull-app-etc-app", "/etc/app"),
            mount("ironhull-app-tmp", "/tmp"), mount("own", "/data")
        ]}]
    });
    let spec: PodSpec = serde_json::from_value(spec).unwrap();
    let mounts = Mounts::of(&spec, spec.containers.first().unwrap());
    for message in [
        "python3: can't open file '/opt/app/main.py': [Errno 2] No such file or directory",
        "Error: Unable to access jarfile /opt/app/app.jar",
        "Error: Cannot find module '/opt/app/server.js'",
        "exec: \"/opt/app/run\": stat /opt/app/run: no such file or directory",
        "Could not open input file: /opt/app/index.php",
        "/bin/sh: 1: /opt/app/run.sh: not found",
    ] {
        let found = last_known(message, Some(&mounts)).unwrap_or_else(|| panic!("{message}"));
        assert_eq!(found.advice.symptom.name, "hidden", "{message}");
        assert_eq!(short(&found.advice.fixes[0]), "writable /opt/app=seed", "{message}");
    }
    for path in ["/etc/app/x", "/tmp/x", "/data/x", "/srv/x", "/opt/application"] {
        let message = format!("cat: {path}: No such file or directory");
        assert!(last_known(&message, Some(&mounts)).is_none(), "{path}");
        assert!(last_known(&message, None).is_none(), "{path}");
    }
    let message = "connect() to unix:/opt/app/x.sock failed (2: No such file or directory)";
    assert!(
        last_known(message, Some(&mounts)).is_none(),
        "the server is missing, not the image's file"
    );
}

/// What the table promises: names are unique but for entries that say the same, every entry has
/// words in lower case, a cause, a remedy, and a section of the page.
#[test]
fn every_entry_is_whole() {
    let mut said = BTreeSet::new();
    for entry in entries() {
        let name = entry.name;
        let plain = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(!name.is_empty() && name.chars().all(plain), "{name}");
        let words = entry.says.iter().chain(entry.traced).copied().flatten();
        assert!(!entry.says.is_empty(), "{name}");
        for word in words {
            assert_eq!(word.to_lowercase(), *word, "{name}");
        }
        assert!(!entry.why.is_empty() && !entry.why.ends_with('.'), "{name}");
        assert!(!entry.cures.is_empty(), "{name}");
        said.insert((name, entry.cause, entry.why, entry.section, entry.rules));
    }
    let names: BTreeSet<&str> = entries().map(|entry| entry.name).collect();
    assert_eq!(names.len(), said.len(), "two meanings of one name");
}

/// The page and the table have the same sections.
#[test]
fn every_section_is_in_the_page() {
    let page = include_str!("../../../docs/troubleshooting.md");
    let headings: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| line.trim_start_matches('#').trim())
        .collect();
    let anchor = |heading: &str| -> String {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    let anchors: Vec<String> = headings.iter().map(|heading| anchor(heading)).collect();
    for entry in entries() {
        let section = entry.section;
        assert!(anchors.iter().any(|anchor| anchor == section), "no section #{section}");
    }
    let (_, messages) = page.split_once("## The kubelet's messages").unwrap();
    let (messages, _) = messages.split_once("## Servers whose image").unwrap();
    for heading in messages.lines().filter_map(|line| line.strip_prefix("### ")) {
        let anchor = anchor(heading);
        assert!(entries().any(|entry| entry.section == anchor), "no entry for #{anchor}");
    }
}
