//! Clients that do not behave: they are cut off, and everybody else is served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::post;
use crate::fixture::{self, Fixture, echo, echoing, eventually};

/// Short enough for a test, long enough for a busy machine.
const SHORT: Duration = Duration::from_millis(400);

fn impatient() -> Fixture {
    fixture::with(|config| {
        config.review = echo;
        config.timeouts.head = SHORT;
        config.timeouts.body = SHORT;
        config.timeouts.handshake = SHORT;
        config.timeouts.keep_alive = Duration::from_secs(30);
    })
}

#[test]
fn a_slow_head_is_cut_off() {
    let server = impatient();
    let mut client = server.connect();
    client.send(b"POST /enforce HTTP/1.1\r\nhost: l").unwrap();
    let answer = client.answer().unwrap();
    assert_eq!(answer.status, 408);
    assert_eq!(answer.text(), "the request's head came too slowly\n");
    assert!(client.is_closed());

    let mut later = server.connect();
    assert_eq!(later.post("/enforce", b"{}").unwrap().status, 200);
    later.send(b"POST /enforce HTTP/1.1\r\nhost: l").unwrap();
    assert_eq!(later.answer().unwrap().status, 408, "a later request's head has a limit too");
    assert!(later.is_closed());
    assert_eq!(server.metric(r#"ironhull_http_errors_total{code="408"}"#), 2);
    server.stop();
}

#[test]
fn a_silent_client_is_cut_off() {
    let server = impatient();
    let mut silent = server.connect();
    let mut plain = TcpStream::connect(server.webhook()).unwrap();
    assert!(silent.is_closed(), "after the handshake");
    plain.set_read_timeout(Some(fixture::PATIENCE)).unwrap();
    assert_eq!(plain.read(&mut [0; 1]).unwrap(), 0, "before the handshake");
    // It is counted after it is closed.
    let failures = || server.metric("ironhull_tls_handshake_failures_total");
    fixture::eventually("the handshake is counted", || failures() > 0);
    assert_eq!(failures(), 1);
    server.stop();
}

#[test]
fn a_slow_body_is_cut_off() {
    let server = impatient();
    let mut client = server.connect();
    client.send(&post("/enforce", &[b' '; 1000])[..500]).unwrap();
    let answer = client.answer().unwrap();
    assert_eq!(answer.status, 408);
    assert_eq!(answer.text(), "the body came too slowly\n");
    assert!(client.is_closed());
    assert_eq!(server.metric("ironhull_body_bytes_in_flight"), 0);
    server.stop();
}

#[test]
fn an_idle_connection_is_closed_in_the_end() {
    let server = fixture::with(|config| {
        config.review = echo;
        config.timeouts.keep_alive = SHORT;
    });
    let mut client = server.connect();
    assert_eq!(client.post("/enforce", b"{}").unwrap().status, 200);
    assert!(client.is_closed());
    server.stop();
}

#[test]
fn a_client_that_closes_its_half_is_answered() {
    let server = echoing();
    let mut client = server.connect();
    client.send(&post("/enforce", b"{}")).unwrap();
    client.half_close();
    assert_eq!(client.answer().unwrap().status, 200);

    let mut half = server.connect();
    half.send(&post("/enforce", &[b' '; 1000])[..500]).unwrap();
    half.half_close();
    match half.answer() {
        Ok(answer) => assert_eq!(answer.status, 400),
        Err(_closed) => {}
    }
    assert_eq!(server.connect().post("/enforce", b"{}").unwrap().status, 200);
    assert_eq!(server.metric("ironhull_body_bytes_in_flight"), 0);
    server.stop();
}

#[test]
fn a_client_that_vanishes_leaves_nothing() {
    let server = echoing();
    for cut in [10, 100, 500] {
        let mut client = server.connect();
        client.send(&post("/enforce", &[b' '; 1000])[..cut]).unwrap();
    }
    eventually("all are gone", || server.metric("ironhull_connections") == 0);
    assert_eq!(server.metric("ironhull_body_bytes_in_flight"), 0);
    server.stop();
}

#[test]
fn a_flood_of_headers_is_refused() {
    let server = echoing();
    for (count, line) in [
        // Many lines: more than the dispatcher takes.
        (1, "x-filler: a\r\n".to_owned()),
        // A long head: more than a connection takes.
        (2, format!("x-filler: {}\r\n", "a".repeat(1000))),
    ] {
        let mut client = server.connect();
        let head = "POST /enforce HTTP/1.1\r\nhost: l\r\n".to_owned();
        // The server may close before it was all sent.
        let _ = client.send((head + &line.repeat(30_000 / line.len())).as_bytes());
        match client.answer() {
            Ok(answer) => assert_eq!(answer.status, 431),
            Err(_reset) => {}
        }
        let series = r#"ironhull_http_errors_total{code="431"}"#;
        eventually("it is counted", || server.metric(series) == count);
    }
    assert_eq!(server.connect().post("/enforce", b"{}").unwrap().status, 200);
    server.stop();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = echoing();
    let mut client = server.connect();
    let mut requests = Vec::new();
    for length in 0..50 {
        requests.extend(post("/enforce", &vec![b' '; length * 100]));
    }
    client.send(&requests).unwrap();
    for length in 0..50 {
        assert_eq!(client.answer().unwrap().json()["length"], length * 100);
    }
    server.stop();
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    let server = fixture::with(|config| {
        config.review = echo;
        config.timeouts.write = SHORT;
    });
    let mut deaf = server.connect();
    deaf.set_patience(SHORT);
    let request = post("/enforce", b"{}").repeat(1000);
    let mut sent = 0;
    while deaf.send(&request).is_ok() && sent < 200 {
        sent += 1;
    }
    eventually("it is cut off", || server.metric("ironhull_connections") == 0);
    server.stop();
}

#[test]
fn other_protocols_are_turned_away() {
    let server = echoing();
    let only_http2 = server.trust.clone().offering("h2").connect(server.webhook());
    assert!(only_http2.is_err(), "HTTP/2 is not offered");

    let mut unasked = server.connect();
    unasked.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    match unasked.answer() {
        Ok(answer) => assert!((400..500).contains(&answer.status), "{}", answer.status),
        Err(_closed) => {}
    }

    let mut plain = TcpStream::connect(server.webhook()).unwrap();
    plain.set_read_timeout(Some(fixture::PATIENCE)).unwrap();
    plain.write_all(&post("/enforce", b"{}")).unwrap();
    let mut answer = Vec::new();
    let _alert_or_reset = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "plain HTTP is not answered");

    assert_eq!(server.connect().post("/enforce", b"{}").unwrap().status, 200);
    server.stop();
}

#[test]
fn new_keys_are_no_request() {
    let server = impatient();
    let mut client = server.connect();
    assert_eq!(client.post("/enforce", b"{}").unwrap().status, 200);
    client.update_keys().unwrap();
    assert_eq!(client.post("/enforce", b"{}").unwrap().status, 200);
    let mut restless = server.connect();
    let end = Instant::now() + fixture::PATIENCE;
    while restless.update_keys().is_ok() {
        assert!(Instant::now() < end, "it is not cut off");
        thread::sleep(Duration::from_millis(10));
    }
    server.stop();
}

#[test]
fn smuggling_is_refused() {
    let server = echoing();
    for request in [
        "POST /enforce HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\n\
         content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "POST /enforce HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\n\
         content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /enforce HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\n\
         content-length: -1\r\n\r\n{}",
    ] {
        let mut client = server.connect();
        client.send(request.as_bytes()).unwrap();
        assert_eq!(client.answer().unwrap().status, 400, "{request}");
    }
    server.stop();
}
