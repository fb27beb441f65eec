//! Limits: what is beyond them is told so at once, and what is within goes on.

use std::time::{Duration, Instant};

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
