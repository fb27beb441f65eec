//! What goes wrong around the server: a panic, no file descriptors, a full disk, a clock that
//! jumps, a certificate that expires, signals. It goes on, and says what it saw.

use std::fs::{self, File, Permissions};
use std::io::BufRead as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ironhull::serve::telemetry::{self, LogFormat};
use rustix::process::{Pid, Resource, Rlimit, Signal, getuid, prlimit};
use serde_json::{Value, json};

use crate::client::{Client, Trust, post};
use crate::clock::Clock;
use crate::fixture::{self, certificate, certificate_until, eventually, panicking, ready};
use crate::process::{Process, line, start, start_at, start_with};

const REVIEW: &str = include_str!("../../benches/reviews/deployment-pod.json");

/// Where this test is run once more as a server whose reviewer panics.
const PANICKING: &str = "IRONHULL_TEST_PANICKING";

#[test]
fn a_panic_is_a_failure_and_the_log_says_where() {
    if std::env::var_os(PANICKING).is_some() {
        return answer_and_panic();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "failures::a_panic_is_a_failure_and_the_log_says_where", "--nocapture"])
        .env(PANICKING, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let panics: Vec<_> = lines.filter(|line| line["message"] == "panic").collect();
    // One each for both modes, small and large.
    assert_eq!(panics.len(), 4, "{text}");
    for panic in panics {
        assert!(
            panic["place"].as_str().unwrap().starts_with("tests/server/fixture.rs:"),
            "{panic}"
        );
        assert_eq!(panic["level"], "ERROR");
    }
    assert!(!text.contains("a secret"), "the message is not logged: it can hold part of a request");
}

/// With `failurePolicy: Fail` an HTTP status of 500 refuses the pod, with `Ignore` it lets it in.
/// Answering `allowed` here would take that decision from whoever made it.
fn answer_and_panic() {
    let _flush = telemetry::init(LogFormat::Json, tracing::level_filters::LevelFilter::INFO);
    let server = fixture::with(|config| config.review = panicking);
    let mut client = server.connect();
    let large = [b"panic".as_slice(), &vec![b' '; 300_000]].concat();
    for path in ["/enforce", "/audit"] {
        for body in [b"panic".as_slice(), &large] {
            let answer = client.post(path, body).unwrap();
            assert_eq!(answer.status, 500);
            assert!(!answer.text().contains("allowed"), "{}", answer.text());
            assert_eq!(client.post(path, b"{}").unwrap().status, 200, "it goes on");
        }
    }
    assert_eq!(server.metric("ironhull_panics_total"), 4);
    assert_eq!(server.metric(r#"ironhull_http_errors_total{code="500"}"#), 4);
    server.stop();
}

fn limit_files(process: &Process, files: u64) {
    let limit = Rlimit { current: Some(files), maximum: Some(20_000) };
    prlimit(Some(Pid::from_child(&process.child)), Resource::Nofile, limit).unwrap();
}

/// User and system time, in clock ticks: fields 14 and 15 of proc(5)'s stat.
fn ticks(process: &Process) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.child.id())).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn without_file_descriptors_connections_go_on_and_nothing_spins() {
    let mut process = start(&[]);
    let mut kept = process.trust.connect(process.webhook).unwrap();
    assert_eq!(kept.post("/enforce", REVIEW.as_bytes()).unwrap().status, 200);
    limit_files(&process, 1);
    // The kernel accepts it, and nobody answers.
    let (trust, webhook) = (process.trust.clone(), process.webhook);
    let waiting = thread::spawn(move || trust.connect(webhook)?.post("/enforce", b"{}"));
    let mut log = process.log.take().unwrap();
    let mut said = String::new();
    while !said.contains("Error accepting connection") {
        said.clear();
        assert!(log.read_line(&mut said).unwrap() > 0, "it is not logged");
    }
    let before = ticks(&process);
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        assert_eq!(kept.post("/enforce", REVIEW.as_bytes()).unwrap().status, 200);
        thread::sleep(Duration::from_millis(100));
    }
    let used = ticks(&process) - before;
    assert!(used < 50, "{used} of 100 ticks a second");
    limit_files(&process, 1000);
    let answer = waiting.join().unwrap().unwrap();
    assert_eq!(answer.status, 400, "it is served in the end");
    assert_eq!(ready(process.ops).0, 200);
}

#[test]
fn a_full_disk_for_the_log_stops_nobody_and_lost_lines_are_counted() {
    let [webhook, ops] = free();
    let process = start_at(webhook, ops, |command| {
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
    });
    let mut client = process.trust.connect(webhook).unwrap();
    for _ in 0..200 {
        assert_eq!(client.post("/enforce", REVIEW.as_bytes()).unwrap().status, 200);
    }
    eventually("it is counted", || fixture::metric(ops, "ironhull_log_lines_dropped") > 50);
    assert_eq!(ready(ops).0, 200);
}

#[test]
fn closed_standard_streams_stop_nobody() {
    let [webhook, ops] = free();
    let process = start_at(webhook, ops, |command| {
        // A shell closes them before it becomes the program.
        through(command, &["sh", "-c", "exec \"$0\" \"$@\" <&- >&- 2>&-"]);
    });
    let mut client = process.trust.connect(webhook).unwrap();
    assert_eq!(client.post("/enforce", REVIEW.as_bytes()).unwrap().status, 200);
    assert_eq!(ready(ops).0, 200);
}

/// Has another program start this one.
fn through(command: &mut Command, other: &[&str]) {
    let mut outer = Command::new(other[0]);
    outer.args(&other[1..]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        outer.env(name, value.unwrap());
    }
    outer.stdout(Stdio::piped());
    *command = outer;
}

#[test]
fn without_the_right_to_read_policies_the_last_good_ones_stay() {
    let policies = tempfile::tempdir().unwrap();
    let file = policies.path().join("web.yaml");
    let policy = "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {name: web}\n\
                  spec: {namespaces: [shop]}\n";
    fs::write(&file, policy).unwrap();
    let process = start_with(&certificate(), |command| {
        command.args(["--poll-interval", "50ms", "--policy"]).arg(policies.path());
        if getuid().is_root() {
            // Root reads everything, unless it has no capabilities, as in a cluster.
            through(command, &["setpriv", "--bounding-set", "-all", "--"]);
        }
    });
    let refused = || ready(process.ops).1["policies"]["refused"].clone();
    fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
    eventually("it is said", || refused().as_str().is_some_and(|why| why.contains("cannot read")));
    let mut client = process.trust.connect(process.webhook).unwrap();
    let answer = client.post("/enforce", REVIEW.as_bytes()).unwrap();
    let said = answer.json();
    let policy = said["response"]["auditAnnotations"]["policy"].as_str().unwrap();
    assert!(policy.starts_with("web@"), "{policy}");
    fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
    eventually("it is read again", || refused().is_null());
}

/// Two addresses where nobody listens, for a server whose log cannot say where it does.
fn free() -> [SocketAddr; 2] {
    let held = [0; 2].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    held.each_ref().map(|socket| socket.local_addr().unwrap())
}

const DAY: i64 = 24 * 3600;

#[test]
fn a_clock_that_jumps_breaks_no_deadline_and_decides_exemptions() {
    let clock = Clock::new();
    let process = start_with(&certificate(), |command| {
        clock.give(command);
        command.args(["--head-timeout", "1s", "--body-timeout", "3s"]);
    });
    let mut review: Value = serde_json::from_str(REVIEW).unwrap();
    let tomorrow = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().tomorrow();
    review["request"]["object"]["metadata"]["annotations"] = json!({
        "exempt.ironhull.dev/runAsNonRoot": format!("until={} for now", tomorrow.unwrap())
    });
    let body = review.to_string().into_bytes();
    let request = post("/enforce", &body);
    let in_flight_bytes = || fixture::metric(process.ops, "ironhull_body_bytes_in_flight");
    let is_exempt = |client: &mut Client| {
        let answer = client.post("/enforce", &body).unwrap();
        !answer.text().contains("it expired on")
    };
    let mut kept = process.trust.connect(process.webhook).unwrap();
    assert!(is_exempt(&mut kept));
    for offset in [400 * DAY, -400 * DAY, 3600, 0] {
        let mut in_flight = process.trust.connect(process.webhook).unwrap();
        in_flight.send(&request[..1000]).unwrap();
        eventually("it is in flight", || in_flight_bytes() > 0);
        let mut slow = process.trust.connect(process.webhook).unwrap();
        slow.send(b"POST /enforce HTTP/1.1\r\n").unwrap();
        let begin = Instant::now();
        clock.jump(offset);
        in_flight.send(&request[1000..]).unwrap();
        assert_eq!(in_flight.answer().unwrap().status, 200, "{offset}");
        assert_eq!(slow.answer().unwrap().status, 408, "{offset}");
        let waited = begin.elapsed();
        assert!(
            waited > Duration::from_millis(500) && waited < Duration::from_secs(3),
            "{waited:?}"
        );
        assert_eq!(is_exempt(&mut kept), offset < 2 * DAY, "{offset}");
        assert_eq!(ready(process.ops).0, 200, "{offset}");
    }
}

#[test]
fn a_certificate_that_expires_is_served_on_and_said_loudly() {
    let clock = Clock::new();
    let now = jiff::Timestamp::now().as_second();
    let pair = certificate_until(2099);
    // Half an hour before its end.
    let end: jiff::Timestamp = "2099-01-01T00:00:00Z".parse().unwrap();
    clock.jump(end.as_second() - now - 1800);
    let mut process = start_with(&pair, |command| {
        clock.give(command);
        command.args(["--poll-interval", "50ms"]);
    });
    let mut log = process.log.take().unwrap();
    let mut said = |message: &str| loop {
        let line = line(&mut log);
        if line["message"] == message {
            return line["level"].clone();
        }
    };
    assert_eq!(said("the certificate in force expires soon"), "WARN");
    let mut kept = process.trust.connect(process.webhook).unwrap();
    clock.jump(end.as_second() - now + 1800);
    assert_eq!(said("the certificate in force has expired"), "ERROR");
    assert_eq!(kept.post("/enforce", REVIEW.as_bytes()).unwrap().status, 200);
    let mut fresh = process.trust.connect(process.webhook).unwrap();
    assert_eq!(fresh.post("/enforce", REVIEW.as_bytes()).unwrap().status, 200);
    let expiry = || fixture::metric(process.ops, "ironhull_certificate_expiry_seconds");
    assert_eq!(expiry(), end.as_second() as u64);

    // Even one that has expired too is better than none, and one that has not is put in force.
    let next = certificate_until(2199);
    process.renew(&next);
    assert_eq!(said("certificate in force"), "INFO");
    eventually("it is counted", || expiry() > end.as_second() as u64);
    assert_eq!(kept.post("/enforce", REVIEW.as_bytes()).unwrap().status, 200);
    let trust = Trust::new([next.certificate.as_slice()]);
    assert_eq!(
        trust.connect(process.webhook).unwrap().post("/enforce", b"{}").unwrap().status,
        400
    );
}

#[test]
fn sigterm_under_load_loses_no_request() {
    let mut process = start(&["--shutdown-delay", "500ms"]);
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    // Where nobody listens any more, the API server goes to another replica.
                    let Ok(mut client) = process.trust.connect(process.webhook) else { continue };
                    for number in 0.. {
                        let answer = match client.post("/enforce", REVIEW.as_bytes()) {
                            Ok(answer) => answer,
                            // Closed between two requests: Go's client sends it again then.
                            Err(_) if number > 0 => break,
                            Err(error) => panic!("a request was lost: {error}"),
                        };
                        assert_eq!(answer.status, 200);
                        answered.fetch_add(1, Ordering::Relaxed);
                        if answer.closes() {
                            break;
                        }
                    }
                }
            });
        }
        eventually("there is load", || answered.load(Ordering::Relaxed) > 50);
        process.signal(Signal::TERM);
        eventually("it is not ready", || ready(process.ops).0 == 503);
        let before = answered.load(Ordering::Relaxed);
        eventually("it serves on", || answered.load(Ordering::Relaxed) > before + 10);
        eventually("nobody is let in", || std::net::TcpStream::connect(process.webhook).is_err());
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn sighup_stops_in_good_order_and_sigpipe_does_nothing() {
    let mut process = start(&["--shutdown-delay", "0s"]);
    let mut client = process.trust.connect(process.webhook).unwrap();
    process.signal(Signal::PIPE);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(client.post("/enforce", REVIEW.as_bytes()).unwrap().status, 200);
    let request = post("/enforce", REVIEW.as_bytes());
    client.send(&request[..1000]).unwrap();
    let in_flight_bytes = || fixture::metric(process.ops, "ironhull_body_bytes_in_flight");
    eventually("it is in flight", || in_flight_bytes() > 0);
    process.signal(Signal::HUP);
    thread::sleep(Duration::from_millis(300));
    client.send(&request[1000..]).unwrap();
    assert_eq!(client.answer().unwrap().status, 200);
    assert_eq!(process.wait().code(), Some(0));
}
