//! Stopping: not ready at once, serving until everybody knows, nothing in flight lost.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::post;
use crate::fixture::{self, echo, eventually, ready};

#[test]
fn not_ready_first_then_no_new_connection_then_the_end() {
    let server = fixture::with(|config| {
        config.review = echo;
        config.shutdown_delay = Duration::from_secs(2);
    });
    let (ops, webhook, trust) = (server.ops(), server.webhook(), server.trust.clone());
    assert_eq!(ready(ops).0, 200);
    let mut idle = server.connect();
    assert_eq!(idle.post("/enforce", b"{}").unwrap().status, 200);
    let mut in_flight = server.connect();
    let request = post("/enforce", &[b' '; 1000]);
    in_flight.send(&request[..500]).unwrap();

    let stopping = thread::spawn(move || server.stop());
    eventually("it is not ready", || ready(ops).0 == 503);
    let detail = ready(ops).1;
    assert_eq!((&detail["ready"], &detail["draining"]), (&false.into(), &true.into()));
    let answer = trust.connect(webhook).unwrap().post("/enforce", b"{}").unwrap();
    assert_eq!(answer.status, 200, "still serving");
    assert!(answer.closes(), "and sending its clients elsewhere");

    assert!(idle.is_closed(), "an idle connection is closed in good order");
    eventually("no new connection", || TcpStream::connect(webhook).is_err());
    assert!(!stopping.is_finished(), "a request is still in flight");
    in_flight.send(&request[500..]).unwrap();
    let answer = in_flight.answer().unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.closes());
    stopping.join().unwrap();
}

#[test]
fn a_request_that_never_ends_does_not_hold_it_up_for_ever() {
    let server = fixture::with(|config| {
        config.review = echo;
        config.timeouts.body = Duration::from_secs(600);
        config.shutdown_timeout = Duration::from_secs(1);
    });
    let mut endless = server.connect();
    endless.send(&post("/enforce", &[b' '; 1000])[..500]).unwrap();
    eventually("it is in flight", || server.metric("ironhull_body_bytes_in_flight") == 1000);
    let begin = Instant::now();
    server.stop();
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    assert!(endless.is_closed());
}
