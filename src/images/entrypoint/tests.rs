#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use serde_json::{Value, json};

use super::*;
use crate::images::limits::Limits;
use crate::images::testing::tar::Tar;

const SCRIPT: &str = "#!/bin/sh\nset -e\n\
    if [ \"$(id -u)\" = 0 ]; then\n  chown -R node \"$DATA\"\n  exec gosu node \"$0\" \"$@\"\nfi\n\
    mkdir -p /var/cache/app /data/x\ntouch /data/y || true\nexec \"$@\"\n";

fn config(value: Value) -> Config {
    serde_json::from_value(value).unwrap()
}

/// What the entrypoint asks for, as words, and what has to be read first.
fn asked(tar: Tar, config: &Config) -> (Vec<String>, Vec<String>) {
    let candidates = candidates(config);
    let mut tree = Directory::default();
    tree.overlay(layer::read(&*tar.finish(), &candidates, &Limits::default()).unwrap().root);
    let mut wanted = BTreeSet::new();
    let (needs, _) = needs(&tree, config, &candidates, &mut wanted);
    let words = needs.into_iter().map(|need| serde_json::to_string(&need).unwrap());
    (words.collect(), wanted.into_iter().collect())
}

#[test]
fn a_script_is_read() {
    let config = config(json!({
        "Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["node", "server.js"],
        "Env": ["PATH=/usr/local/bin:/usr/bin", "DATA=/data"], "Volumes": { "/data": {} },
    }));
    let tar = Tar::new().program("usr/local/bin/docker-entrypoint.sh", SCRIPT);
    let by = r#""by":"/usr/local/bin/docker-entrypoint.sh""#;
    let expected = [
        format!(r#"{{{by},"chown":"/data","onlyAsRoot":true}}"#),
        format!(r#"{{{by},"setuid":"gosu node","onlyAsRoot":true}}"#),
        format!(r#"{{{by},"write":"/var/cache/app"}}"#),
    ];
    assert_eq!(asked(tar, &config), (expected.to_vec(), vec![]));
}

#[test]
fn wherever_it_is() {
    let script = "#!/bin/bash -e\nchown x /srv\n";
    for (value, tar) in [
        (json!({ "Entrypoint": ["/entry"] }), Tar::new().program("entry", script)),
        (json!({ "Cmd": ["/opt/app/start"] }), Tar::new().program("opt/app/start", script)),
        (
            json!({ "Entrypoint": ["./start"], "WorkingDir": "/opt/app" }),
            Tar::new().program("opt/app/start", script),
        ),
        (
            json!({ "Entrypoint": ["/usr/bin/tini", "--", "entry.sh"], "Cmd": ["x"] }),
            Tar::new().program("usr/bin/entry.sh", script).symlink("bin", "usr/bin"),
        ),
        (
            json!({ "Entrypoint": ["entry"] }),
            Tar::new().symlink("usr/bin/entry", "../../run").program("run", script),
        ),
        (
            json!({ "Entrypoint": ["start"], "Env": ["PATH=/opt/app:/usr/bin"] }),
            Tar::new().program("opt/app/start", script),
        ),
        (json!({ "Entrypoint": ["sh", "/opt/start"] }), Tar::new().file("opt/start", script)),
        (
            json!({ "Entrypoint": ["/bin/bash", "-x", "/opt/start"] }),
            Tar::new().file("opt/start", script),
        ),
        (
            json!({ "Entrypoint": ["/bin/sh", "-c", "chown x /srv"] }),
            Tar::new().program("bin/sh", "\x7fELF"),
        ),
        (
            json!({ "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["chown x /srv"] }),
            Tar::new().symlink("bin/sh", "dash").program("bin/dash", "\x7fELF"),
        ),
    ] {
        let (needs, wanted) = asked(tar, &config(value.clone()));
        assert!(needs.first().is_some_and(|need| need.contains("\"/srv\"")), "{value}: {needs:?}");
        assert!(wanted.is_empty(), "{value}: {wanted:?}");
    }
}

#[test]
fn what_has_to_be_read_first() {
    let script = "#!/bin/sh\nchown x /srv\n";
    let config = config(json!({ "Entrypoint": ["entry"] }));
    let tar =
        Tar::new().symlink("usr/bin/entry", "/opt/app/entry").program("opt/app/entry", script);
    assert_eq!(asked(tar, &config), (vec![], vec!["opt/app/entry".to_owned()]));
    // What was looked at already is a program.
    let tar = Tar::new().program("usr/bin/entry", "\x7fELF");
    assert_eq!(asked(tar, &config), (vec![], vec![]));
}

#[test]
fn what_is_no_script_of_a_shell() {
    for (value, tar) in [
        (json!({}), Tar::new()),
        (json!({ "Entrypoint": ["/entry"] }), Tar::new()),
        (json!({ "Entrypoint": ["/entry"] }), Tar::new().directory("entry")),
        (
            json!({ "Entrypoint": ["/entry"] }),
            Tar::new().program("entry", "#!/usr/bin/python3\nchown x /srv\n"),
        ),
        (json!({ "Entrypoint": ["/entry"] }), Tar::new().program("entry", "\x7fELF")),
        (
            json!({ "Entrypoint": ["entry"] }),
            Tar::new().file("usr/bin/entry", "#!/bin/sh\nchown x /srv\n"),
        ),
    ] {
        let (needs, wanted) = asked(tar, &config(value.clone()));
        assert_eq!((needs, wanted), (vec![], vec![]), "{value}");
    }
    assert_eq!(interpreter("#!/usr/bin/env -S bash -eu"), Some(vec!["bash".into(), "-eu".into()]));
    assert_eq!(interpreter("#! /bin/busybox sh"), Some(vec!["sh".into()]));
    assert_eq!(interpreter("#!/usr/bin/perl"), None);
    assert_eq!(interpreter("echo"), None);
}

#[test]
fn whether_that_is_all() {
    let all = |script: &str| {
        let config = config(json!({ "Entrypoint": ["/run.sh"], "Volumes": { "/data": {} } }));
        let tar = Tar::new().program("run.sh", format!("#!/bin/sh\nset -e\n{script}\n"));
        let candidates = candidates(&config);
        let mut tree = Directory::default();
        tree.overlay(layer::read(&*tar.finish(), &candidates, &Limits::default()).unwrap().root);
        needs(&tree, &config, &candidates, &mut BTreeSet::new()).1
    };
    for script in [
        "exec sleep infinity",
        "echo x > /data/x; exec sleep 1",
        "echo x > /etc/x; exec sleep 1",
        "chown app /srv || true; exec httpd -f -p 8080",
        "cat /etc/hosts; exec sleep 1",
    ] {
        assert!(all(script), "{script}");
    }
    for script in [
        "exec node server.js",
        "exec \"$@\"; /opt/app",
        "ls /root; exec sleep 1",
        "echo x > \"$WHERE\"; exec sleep 1",
        "mount -t tmpfs none /data; ping example.com",
        "for n in 1 2 3; do echo x > /etc/$n; something; done",
    ] {
        assert!(!all(script), "{script}");
    }
}
