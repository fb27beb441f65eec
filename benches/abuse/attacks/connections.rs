//! Connections that want nothing, or too many of them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::{Answers, Attack, Target, note, note_answer, note_each};
use crate::client::post;
use crate::good::REVIEW;

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "half-open TCP",
        what: "2,000 connections on which nothing is sent",
        seconds: 7,
        run: half_open_tcp,
    },
    Attack {
        name: "half-open TLS",
        what: "2,000 connections on which a ClientHello is sent, and nothing more",
        seconds: 7,
        run: half_open_tls,
    },
    Attack {
        name: "idle connections",
        what: "2,000 connections, each with one good review, then kept open",
        seconds: 10,
        run: idle,
    },
    Attack {
        name: "silent connections",
        what: "2,000 connections with a handshake and no request",
        seconds: 8,
        run: silent,
    },
    Attack {
        name: "early close",
        what: "a review of 200 containers, whose answer has 300 KB, closed after the first bytes of it",
        seconds: 5,
        run: early_close,
    },
    Attack {
        name: "large answers, never read",
        what: "200 connections, each asking for 20 answers of 300 KB, of which it reads none",
        seconds: 8,
        run: large_unread,
    },
    Attack {
        name: "small answers, never read",
        what: "500 connections that ask for ordinary answers as long as they are taken, and read none",
        seconds: 6,
        run: small_unread,
    },
];

/// Opens connections, says `first` on each, and sees what becomes of them.
fn half_open(target: &Target, first: impl Fn() -> Vec<u8>) -> Answers {
    let mut answers = Answers::new();
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..target.many(2000) {
        match target.plain() {
            Ok(mut tcp) if target.goes_on() => {
                let _may_be_closed = tcp.write_all(&first());
                held.push(tcp);
            }
            _ => note(&mut answers, "not let in"),
        }
    }
    target.wait();
    for mut tcp in held {
        let _ = tcp.set_read_timeout(Some(Duration::from_millis(2)));
        let mut rest = [0; 4096];
        loop {
            match tcp.read(&mut rest) {
                Ok(0) => break note(&mut answers, "closed"),
                Ok(_) => {}
                Err(error) if super::is_timeout(&error) => break note(&mut answers, "still open"),
                Err(_) => break note(&mut answers, "closed"),
            }
        }
    }
    answers
}

fn half_open_tcp(target: &Target) -> Answers {
    half_open(target, Vec::new)
}

fn half_open_tls(target: &Target) -> Answers {
    half_open(target, || super::tls::client_hello(target))
}

fn idle(target: &Target) -> Answers {
    let mut answers = Answers::new();
    let mut held = Vec::new();
    let mut opened = Answers::new();
    target.each(2000, &mut answers, |mut client| {
        client.set_patience(Duration::from_secs(2));
        note_answer(&mut opened, &client.post("/enforce", REVIEW.as_bytes()));
        held.push(client);
    });
    target.wait();
    answers.extend(opened);
    answers
}

fn silent(target: &Target) -> Answers {
    let mut answers = Answers::new();
    let held = target.connections(2000, &mut answers);
    target.wait();
    note_each(&mut answers, held);
    answers
}

fn early_close(target: &Target) -> Answers {
    let request = post("/enforce", &super::reviews::containers(200));
    target.flood(|target, answers| {
        let Ok(mut client) = target.connect() else {
            return note(answers, "not let in");
        };
        client.set_patience(Duration::from_secs(2));
        if client.send(&request).is_ok() && client.read_some().is_ok_and(|count| count > 0) {
            note(answers, "an answer, cut off");
        } else {
            note(answers, "closed");
        }
    })
}

fn large_unread(target: &Target) -> Answers {
    unread(target, 200, &post("/enforce", &super::reviews::containers(200)), 20)
}

fn small_unread(target: &Target) -> Answers {
    unread(target, 500, &post("/enforce", REVIEW.as_bytes()), usize::MAX)
}

/// Sends `request` up to `times` on each connection as long as it is taken, and reads nothing.
fn unread(target: &Target, connections: usize, request: &[u8], times: usize) -> Answers {
    let mut answers = Answers::new();
    let mut clients: Vec<_> = target
        .connections(connections, &mut answers)
        .into_iter()
        .map(|client| (client, 0))
        .collect();
    for (client, _) in &clients {
        client.set_patience(Duration::from_millis(5));
    }
    while target.goes_on() {
        clients.retain_mut(|(client, sent)| {
            if *sent >= times || !target.goes_on() {
                return true;
            }
            *sent += 1;
            match client.send(request) {
                Ok(()) => note(&mut answers, "taken"),
                // The rest of it goes on where it stopped, which is no request any more.
                Err(error) if super::is_timeout(&error) => *sent = times,
                Err(_) => {
                    note(&mut answers, "closed");
                    return false;
                }
            }
            true
        });
        thread::sleep(Duration::from_millis(5));
    }
    answers
}
