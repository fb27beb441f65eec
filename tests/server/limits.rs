//! Limits: what is beyond them is told so at once, and what is within goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ironhull::admission::{Answer, Endpoint, Environment, NotAReview};
use ironhull::policy::PolicySet;

use crate::client::{Client, post};
use crate::fixture::{self, echo, eventually};

#[test]
fn bodies_beyond_the_budget_are_told_at_once() {
    let server = fixture::with(|config| {
        config.review = echo;
        config.max_body = 600_000;
        config.max_body_total = 1_000_000;
    });
    let large = post("/enforce", &vec![b' '; 600_000]);
    let mut slow = server.connect();
    slow.send(&large[..1000]).unwrap();
    eventually("the body is accounted for", || {
        server.metric("ironhull_body_bytes_in_flight") == 600_000
    });

    let mut second = server.connect();
    second.send(&large[..1000]).unwrap();
    let answer = second.answer().unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.text(), "too many request bodies at once, try again\n");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.closes());

    let answer = server.connect().post("/enforce", &vec![b' '; 10_000]).unwrap();
    assert_eq!(answer.status, 200, "an ordinary body still fits");

    slow.send(&large[1000..]).unwrap();
    assert_eq!(slow.answer().unwrap().status, 200);
    assert_eq!(server.metric("ironhull_body_bytes_in_flight"), 0);
    assert_eq!(server.metric(r#"ironhull_http_errors_total{code="503"}"#), 1);
    server.stop();
}

/// A body with so many containers, for a reviewer that repeats what it was given.
fn containers(count: usize) -> Vec<u8> {
    format!(r#"{{"spec":{{"containers":[{}]}}}}"#, vec!["{}"; count].join(",")).into_bytes()
}

#[test]
fn too_many_containers_are_refused_and_the_connection_goes_on() {
    let server = fixture::with(|config| config.review = echo);
    let mut client = server.connect();
    for (count, status) in [(1, 200), (1000, 200), (1001, 400), (100_000, 400), (2, 200)] {
        let answer = client.post("/enforce", &containers(count)).unwrap();
        assert_eq!(answer.status, status, "{count}: that is no review");
    }
    let review = |count: usize| {
        let object = String::from_utf8(containers(count)).unwrap();
        format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u",
                "kind":{{"kind":"Pod"}},"resource":{{"resource":"pods"}},"operation":"CREATE",
                "object":{object}}}}}"#
        )
    };
    for (path, allowed) in [("/enforce", false), ("/audit", true), ("/advise", true)] {
        let answer = client.post(path, review(1001).as_bytes()).unwrap();
        assert_eq!(answer.status, 200);
        let said = answer.json();
        assert_eq!(
            (&said["response"]["uid"], &said["response"]["allowed"]),
            (&"u".into(), &allowed.into())
        );
        assert!(answer.text().contains("more than 1000 containers"), "{}", answer.text());
    }
    // An answer repeats the uid: one that no API server sends is not repeated.
    let long = review(1001).replace(r#""uid":"u""#, &format!(r#""uid":"{}""#, "u".repeat(5000)));
    assert_eq!(client.post("/enforce", long.as_bytes()).unwrap().status, 400);
    assert_eq!(server.metric("ironhull_body_bytes_in_flight"), 0);
    assert_eq!(server.metric(r#"ironhull_http_errors_total{code="400"}"#), 3);
    let refused =
        r#"ironhull_reviews_total{mode="enforce",policy="",outcome="too_large",dry_run="false"}"#;
    assert_eq!(server.metric(refused), 1);
    server.stop();
}

#[test]
fn much_work_is_done_one_at_a_time_and_holds_nobody_up() {
    let server = fixture::with(|config| {
        config.review = slow;
        config.workers = 1;
    });
    let mut large = [server.connect(), server.connect()];
    let begin = Instant::now();
    for client in &mut large {
        client.send(&post("/enforce", &containers(900))).unwrap();
    }
    let mut other = server.connect();
    while AT_WORK.load(Ordering::SeqCst) == 0 {
        assert_eq!(other.post("/enforce", b"{}").unwrap().status, 200);
    }
    let asked = Instant::now();
    assert_eq!(other.post("/enforce", b"{}").unwrap().status, 200);
    assert!(asked.elapsed() < SLOW, "it waited for a large one: {:?}", asked.elapsed());
    for client in &mut large {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    assert!(begin.elapsed() >= SLOW * 2, "both at once: {:?}", begin.elapsed());
    assert_eq!(AT_ONCE.load(Ordering::SeqCst), 1);
    server.stop();
}

const SLOW: Duration = Duration::from_millis(600);
static AT_WORK: AtomicUsize = AtomicUsize::new(0);
static AT_ONCE: AtomicUsize = AtomicUsize::new(0);

/// Takes its time for what is long.
fn slow(
    body: &[u8],
    endpoint: Endpoint<'_>,
    policies: &PolicySet,
    environment: Environment,
) -> Result<Answer, NotAReview> {
    if body.len() > 1000 {
        let at_once = AT_WORK.fetch_add(1, Ordering::SeqCst) + 1;
        AT_ONCE.fetch_max(at_once, Ordering::SeqCst);
        std::thread::sleep(SLOW);
        AT_WORK.fetch_sub(1, Ordering::SeqCst);
    }
    echo(body, endpoint, policies, environment)
}

#[test]
fn a_long_answer_counts_until_it_is_taken() {
    let server = fixture::with(|config| {
        config.review = long;
        config.max_body = 1_000_000;
        config.max_body_total = 30_000_000;
        config.timeouts.write = Duration::from_secs(2);
    });
    let in_flight = || server.metric("ironhull_body_bytes_in_flight");
    let mut deaf = server.connect();
    deaf.send(&post("/enforce", b"{}")).unwrap();
    eventually("its answer counts", || in_flight() == LONG as u64);
    let refused = server.connect().post("/enforce", b"{}").unwrap();
    assert_eq!(refused.status, 503, "there is no room for a second one");
    eventually("it is given up", || in_flight() == 0);
    let answer = server.connect().post("/enforce", b"{}").unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, LONG), "whole, for who takes it");
    eventually("nothing is left", || in_flight() == 0);
    server.stop();
}

#[test]
fn long_heads_share_a_budget() {
    let server = fixture::with(|config| {
        config.review = echo;
        config.timeouts.head = Duration::from_secs(60);
    });
    let part = format!("POST /enforce HTTP/1.1\r\nx-filler: {}", "a".repeat(10_000));
    let mut held: Vec<Client> = Vec::new();
    let refused = || server.metric(r#"ironhull_http_errors_total{code="503"}"#);
    while refused() == 0 {
        assert!(held.len() < 200, "there is no limit");
        let mut client = server.connect();
        client.send(part.as_bytes()).unwrap();
        held.push(client);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(held.len() > 50, "{}", held.len());
    let answers = held.iter_mut().rev().take(10).find_map(|client| {
        client.set_patience(Duration::from_millis(300));
        client.answer().ok()
    });
    assert_eq!(answers.unwrap().text(), "too many long heads at once, try again\n");
    assert_eq!(server.connect().post("/enforce", b"{}").unwrap().status, 200);
    drop(held);
    eventually("there is room again", || server.metric("ironhull_connections") == 0);
    let mut later = server.connect();
    later.send(part.as_bytes()).unwrap();
    later.send(b"\r\nhost: l\r\n\r\n").unwrap();
    assert_eq!(later.answer().unwrap().status, 415, "a long head that ends is read");
    server.stop();
}

#[test]
fn bodies_that_come_with_their_heads_are_no_long_heads() {
    let server = fixture::with(|config| config.review = echo);
    let request = post("/enforce", &[b' '; 9_000]);
    let mut clients: Vec<_> = (0..150).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(&request[..request.len() - 1]).unwrap();
    }
    eventually("all are being read", || {
        server.metric("ironhull_body_bytes_in_flight") == 150 * 9_000
    });
    for client in &mut clients {
        client.send(&request[request.len() - 1..]).unwrap();
        assert_eq!(client.answer().unwrap().status, 200);
    }
    server.stop();
}

/// More than the buffers of a socket hold.
const LONG: usize = 20_000_000;

fn long(
    body: &[u8],
    endpoint: Endpoint<'_>,
    policies: &PolicySet,
    environment: Environment,
) -> Result<Answer, NotAReview> {
    let answer = echo(body, endpoint, policies, environment)?;
    Ok(Answer { body: vec![b' '; LONG], ..answer })
}

#[test]
fn connections_beyond_the_limit_are_told_at_once() {
    let server = fixture::with(|config| {
        config.review = echo;
        config.max_connections = 3;
    });
    let mut within: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for client in &mut within {
        assert_eq!(client.post("/enforce", b"{}").unwrap().status, 200);
    }
    let mut beyond = server.connect();
    let answer = beyond.post("/enforce", b"{}").unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.text(), "too many connections, try again\n");
    assert!(answer.closes());
    assert!(beyond.is_closed());
    assert_eq!(server.metric(r#"ironhull_connections_refused_total{reason="limit"}"#), 1);

    drop(within.pop());
    eventually("a place is free again", || server.metric("ironhull_connections") == 2);
    assert_eq!(server.connect().post("/enforce", b"{}").unwrap().status, 200);
    for client in &mut within {
        assert_eq!(client.post("/enforce", b"{}").unwrap().status, 200);
    }
    server.stop();
}

#[test]
fn a_connection_beyond_the_limit_cannot_linger() {
    let server = fixture::with(|config| {
        config.review = echo;
        config.max_connections = 1;
    });
    let mut within = server.connect();
    assert_eq!(within.post("/enforce", b"{}").unwrap().status, 200);
    let mut silent = server.connect();
    assert!(silent.is_closed(), "closed long before the limit for a request's head");
    assert_eq!(within.post("/enforce", b"{}").unwrap().status, 200);
    server.stop();
}

#[test]
fn a_thousand_idle_connections_and_a_slow_one_hold_nobody_up() {
    const IDLE: usize = 1000;
    let server = fixture::with(|config| {
        config.review = echo;
        config.max_connections = IDLE + 24;
        // Opening a thousand takes a while on a busy machine; none may be closed meanwhile.
        config.timeouts.head = Duration::from_secs(120);
    });
    let idle: Vec<Client> = (0..IDLE).map(|_| server.connect()).collect();
    let mut slow = server.connect();
    let request = post("/enforce", &[b' '; 100]);
    slow.send(&request[..40]).unwrap();

    let mut other = server.connect();
    let mut slowest = Duration::ZERO;
    for byte in request[40..].chunks(8) {
        slow.send(byte).unwrap();
        let begin = Instant::now();
        assert_eq!(other.post("/enforce", b"{}").unwrap().status, 200);
        assert_eq!(server.connect().post("/enforce", b"{}").unwrap().status, 200);
        slowest = slowest.max(begin.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert_eq!(slow.answer().unwrap().status, 200, "slow, and in time");
    assert!(server.metric("ironhull_connections") >= IDLE as u64);
    drop(idle);
    server.stop();
}
