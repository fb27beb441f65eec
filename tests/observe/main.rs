//! The agent of `ironhull observe` beside real processes, in containers made of namespaces and an
//! overlay: what it sees, what it must not be led to, and what it takes. Needs root, and says so where
//! it is not; `make e2e` has the same on a cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says where"
)]
#![allow(unreachable_pub, reason = "the modules of a test are nobody else's")]

mod container;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use container::{Container, Image};
use ironhull::observe::snapshot::{Directory, MAX_DIRECTORIES, MAX_PATH, Snapshot};

/// How long each agent observes, at most.
const LONG: Duration = Duration::from_secs(30);

fn paths(snapshot: &Snapshot) -> BTreeSet<&str> {
    snapshot.directories.iter().map(|it| it.path.as_str()).collect()
}

fn at<'s>(snapshot: &'s Snapshot, path: &str) -> &'s Directory {
    let found = snapshot.directories.iter().find(|it| it.path == path);
    found.unwrap_or_else(|| panic!("{path} is not in {:?}", paths(snapshot)))
}

#[test]
fn writes_are_seen_wherever_they_leave_a_trace() {
    let image = Image::new();
    for file in [
        "var/lib/kept/file",
        "srv/rewritten/file",
        "srv/opened/file",
        "srv/handed/file",
        "srv/read/file",
        "srv/removed/file",
    ] {
        image.file(file, "of the image\n");
    }
    image
        .directory("var/log/app")
        .directory("run")
        .directory("var/lib/came-and-went")
        .directory("srv/backdated");
    let script = "
        echo 1 > /run/app.pid
        echo x > /var/lib/came-and-went/x; rm /var/lib/came-and-went/x
        echo more >> /srv/rewritten/file
        : >> /srv/opened/file
        chown 999 /srv/handed/file
        cat /srv/read/file
        rm /srv/removed/file
        echo x > /srv/backdated/x; touch -d '2001-01-01 00:00:00' /srv/backdated/x
        mkdir -p /var/lib/kept/new/deep; echo x > /var/lib/kept/new/deep/x
        ln -s /nowhere /var/log/app/link
        echo x > /mounted/here/x
        exec sleep 1000";
    let Some(container) = Container::start(&image, script, LONG) else { return };
    let seen = container.stop_after(Duration::from_secs(3));
    let expected = [
        "/run",
        "/srv/backdated",
        "/srv/handed",
        "/srv/opened",
        "/srv/removed",
        "/srv/rewritten",
        "/var/lib/came-and-went",
        "/var/lib/kept",
        "/var/log/app",
    ];
    assert_eq!(paths(&seen), BTreeSet::from(expected));
    assert_eq!(at(&seen, "/run").examples, ["app.pid"]);
    let kept = at(&seen, "/var/lib/kept");
    assert_eq!((kept.entries_changed, kept.of_image), (true, 1));
    assert_eq!(kept.examples, ["new/deep/x"]);
    for in_place in ["/srv/rewritten", "/srv/opened", "/srv/handed"] {
        let directory = at(&seen, in_place);
        assert_eq!((directory.changed_in_place, directory.of_image), (1, 1), "{in_place}");
    }
    assert_eq!(at(&seen, "/srv/handed").owners, BTreeSet::from([999]));
    assert_eq!(at(&seen, "/var/lib/came-and-went").of_image, 0);
    assert_eq!((seen.root.open, seen.root.file_system.as_str()), (true, "overlay"));
    assert!(seen.last && !seen.root.cut_short && seen.root.unreadable == 0);
}

#[test]
fn a_container_that_writes_nothing_has_nothing_to_show() {
    let image = Image::new();
    image.file("etc/conf", "x").file("srv/page", "x");
    let Some(container) = Container::start(&image, "cat /srv/page; exec sleep 1000", LONG) else {
        return;
    };
    let seen = container.stop_after(Duration::from_secs(3));
    // The directories that a runtime makes to mount on are no doing of the container's.
    assert_eq!(paths(&seen), BTreeSet::new());
    assert_eq!(seen.home.as_deref(), Some("/root"));
}

#[test]
fn a_master_and_its_workers_have_their_users() {
    let image = Image::new();
    image.user("app:x:999:998:app:/var/lib/app:/bin/sh");
    image.restricted("etc/app/key", 0, 998, 0o640);
    let script =
        "for n in 1 2; do su -s /bin/sh app -c 'exec sleep 1000' & done; nc -l -p 81 & wait";
    let Some(container) = Container::start(&image, script, LONG) else { return };
    let seen = container.stop_after(Duration::from_secs(3));
    let first = seen.processes.iter().find(|it| it.first).unwrap();
    assert_eq!((first.name.as_str(), first.uids, first.current), ("sh", [0; 4], true));
    assert_eq!(first.effective, 0xa804_25fb, "as container runtimes give");
    let worker = seen.processes.iter().find(|it| it.name == "sleep" && it.current).unwrap();
    assert_eq!((worker.uids, worker.gids, worker.count), ([999; 4], [998; 4], 2));
    assert_eq!(worker.effective, 0);
    let app = seen.users.iter().find(|user| user.uid == 999).unwrap();
    assert_eq!((app.name.as_str(), app.gid, app.home.as_str()), ("app", 998, "/var/lib/app"));
    let ports: Vec<_> =
        seen.ports.iter().map(|it| (it.protocol.as_str(), it.port, it.held)).collect();
    assert_eq!(ports, [("TCP", 81, true)]);
    let key = seen.restricted.iter().find(|it| it.path == "/etc/app").unwrap();
    assert_eq!((key.uid, key.gid, key.group_reads, key.count), (0, 998, true, 1));
}

/// As gosu and su-exec do. Root without SYS_PTRACE may not look at it; the agent becomes its user.
#[test]
fn a_first_process_of_another_user_is_followed() {
    let image = Image::new();
    image.user("app:x:999:998:app:/var/lib/app:/bin/sh");
    image.directory("var/lib/app").owned("var/lib/app", 999, 998);
    let script = "exec su -s /bin/sh app -c 'echo x > /var/lib/app/x; exec sleep 1000'";
    let Some(container) = Container::start(&image, script, LONG) else { return };
    let seen = container.stop_after(Duration::from_secs(3));
    assert_eq!(seen.processes.iter().find(|it| it.first && it.current).unwrap().uids, [999; 4]);
    assert!(seen.root.open, "{seen:?}");
    assert_eq!(paths(&seen), BTreeSet::from(["/var/lib/app"]));
    assert_eq!(seen.closed_processes, 0);
}

/// Nothing leads out of the container, blocks, or makes the report grow.
#[test]
fn a_hostile_tree_does_no_harm() {
    let image = Image::new();
    image.directory("var/many").directory("var/odd").directory("var/deep");
    let script = r#"
        i=0; while [ $i -lt 300 ]; do mkdir -p /var/many/$i/below; echo x > /var/many/$i/below/x; i=$((i+1)); done
        mkfifo /var/odd/fifo
        ln -s / /var/odd/root; ln -s /var/odd /var/odd/loop; ln -s /proc/1/root /var/odd/magic
        printf x > "/var/odd/$(printf 'a\nb\033[2J\377')"
        cd /var/deep; i=0; while [ $i -lt 150 ]; do mkdir d; cd d; i=$((i+1)); done; echo x > x
        name=$(printf '%0200d' 0); cd /var/odd; i=0; while [ $i -lt 5 ]; do mkdir $name; cd $name; i=$((i+1)); done; echo x > x
        rm /etc/passwd; mkfifo /etc/passwd
        exec sleep 1000"#;
    let Some(container) = Container::start_late(&image, script, LONG, 6) else { return };
    let seen = container.stop_after(Duration::from_secs(4));
    assert!(seen.root.open && seen.root.cut_short, "150 levels are too deep: {:?}", seen.root);
    assert!(seen.root.entries < 3000, "nothing outside is counted: {}", seen.root.entries);
    assert!(seen.directories.len() <= MAX_DIRECTORIES);
    assert!(seen.directories.iter().all(|it| it.path.len() <= MAX_PATH));
    let seen_paths = paths(&seen);
    for path in ["/var/many", "/var/odd", "/var/deep", "/etc"] {
        assert!(seen_paths.contains(path), "{path}: {seen_paths:?}");
    }
    assert_eq!(seen.users, [], "a FIFO is not read");
}

/// 60,000 files: the searches take what they may and no more, and memory does not grow with the tree.
#[test]
fn a_large_tree_takes_little() {
    let image = Image::new();
    for directory in 0..60 {
        for file in 0..1000 {
            image.file(&format!("usr/share/data/{directory}/{file}"), "");
        }
    }
    let Some(container) = Container::start(&image, "exec sleep 1000", LONG) else { return };
    let began = Instant::now();
    let seen = container.stop_after(Duration::from_secs(8));
    let share = seen.cost.processor_millis as f64 / seen.millis as f64;
    println!(
        "{} entries, {} searches, {} ms of {} ms, {} KiB of its own; stopped after {:?}",
        seen.root.entries,
        seen.root.searches,
        seen.cost.processor_millis,
        seen.millis,
        seen.cost.anonymous_kib,
        began.elapsed()
    );
    assert!(seen.root.entries > 60_000);
    // A build that is not optimised, whose first and last search fall into these seconds.
    assert!(share < 0.5, "{share}");
    assert!(seen.cost.anonymous_kib < 8 << 10, "{}", seen.cost.anonymous_kib);
}

/// It ends with its caller, with its time, and with its target.
#[test]
fn it_ends() {
    let image = Image::new();
    let Some(container) = Container::start(&image, "exec sleep 1000", Duration::from_secs(3))
    else {
        return;
    };
    let (snapshots, took) = container.until_it_ends();
    assert!(snapshots.last().unwrap().last);
    assert!((2..9).contains(&took.as_secs()), "its time is over: {took:?}");

    let Some(container) = Container::start(&image, "echo x > /run/x; sleep 4", LONG) else {
        return;
    };
    let (snapshots, took) = container.until_it_ends();
    // Its process namespace takes it along, wherever it is: what it has said stands.
    assert!(!snapshots.is_empty());
    assert!(took.as_secs() < 15, "its target has ended: {took:?}");

    let Some(container) = Container::start(&image, "exec sleep 1000", LONG) else { return };
    let (snapshots, took) = container.caller_goes(Duration::from_secs(3));
    assert!(snapshots.last().unwrap().last);
    assert!(took.as_secs() < 10, "its caller has gone: {took:?}");
}
