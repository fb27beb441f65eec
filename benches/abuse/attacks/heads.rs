//! Heads of requests: slow, long, many, not HTTP.

use std::thread;
use std::time::Duration;

use super::{Answers, Attack, Chance, Target, note_answer, note_each, send};
use crate::client::{Client, post};
use crate::good::REVIEW;

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "slow-loris, heads",
        what: "500 connections that send a head byte by byte",
        seconds: 9,
        run: slow,
    },
    Attack {
        name: "heads held back",
        what: "2,000 connections with 15 KB of a head each, and never its end",
        seconds: 10,
        run: held_back,
    },
    Attack { name: "many headers", what: "heads of 1,000 lines", seconds: 4, run: many_lines },
    Attack { name: "long headers", what: "heads of one line of 1 MB", seconds: 5, run: long_line },
    Attack {
        name: "HTTP/2 preface",
        what: "HTTP/2's preface and a SETTINGS frame where HTTP/1.1 was agreed on",
        seconds: 4,
        run: preface,
    },
    Attack {
        name: "garbage for a request",
        what: "random bytes inside of TLS",
        seconds: 4,
        run: garbage,
    },
    Attack {
        name: "pipelining",
        what: "100 good reviews at once on a connection, then their answers are read",
        seconds: 4,
        run: pipelined,
    },
    Attack {
        name: "smuggling",
        what: "two lengths, a length beside chunks, a negative length, bare line feeds",
        seconds: 4,
        run: smuggling,
    },
];

/// Sends `bytes` to each client, one at a time, until the end.
pub fn drip(target: &Target, clients: &mut [Client], bytes: &[u8]) {
    for byte in bytes.chunks(1) {
        for client in &mut *clients {
            if !target.goes_on() {
                return;
            }
            let _may_be_closed = client.send(byte);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn slow(target: &Target) -> Answers {
    let mut answers = Answers::new();
    let mut clients = target.connections(500, &mut answers);
    drip(target, &mut clients, &b"POST /enforce HTTP/1.1\r\nx-filler: ".repeat(10));
    note_each(&mut answers, clients);
    answers
}

fn held_back(target: &Target) -> Answers {
    let head = format!("POST /enforce HTTP/1.1\r\nx-filler: {}", "a".repeat(15_000));
    let mut answers = Answers::new();
    let mut clients = Vec::new();
    target.each(2000, &mut answers, |mut client| {
        client.set_patience(Duration::from_millis(500));
        let _may_be_closed = client.send(head.as_bytes());
        clients.push(client);
    });
    target.wait();
    note_each(&mut answers, clients);
    answers
}

fn many_lines(target: &Target) -> Answers {
    let head = format!("POST /enforce HTTP/1.1\r\n{}\r\n", "x-filler: a\r\n".repeat(1000));
    target.flood(|target, answers| send(target, answers, head.as_bytes()))
}

fn long_line(target: &Target) -> Answers {
    let head = format!("POST /enforce HTTP/1.1\r\nx-filler: {}\r\n\r\n", "a".repeat(1_000_000));
    target.flood(|target, answers| send(target, answers, head.as_bytes()))
}

fn preface(target: &Target) -> Answers {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    target.flood(|target, answers| send(target, answers, &bytes))
}

fn garbage(target: &Target) -> Answers {
    let requests: Vec<_> = (1..=64).map(|seed| Chance(seed).bytes(2000)).collect();
    target.flood(|target, answers| {
        for request in &requests {
            send(target, answers, request);
            if !target.goes_on() {
                return;
            }
        }
    })
}

fn pipelined(target: &Target) -> Answers {
    let requests = post("/enforce", REVIEW.as_bytes()).repeat(100);
    target.flood(|target, answers| {
        let Ok(mut client) = target.connect() else {
            return super::note(answers, "not let in");
        };
        client.set_patience(Duration::from_secs(2));
        let _ = client.send(&requests);
        for _ in 0..100 {
            let answer = client.answer();
            note_answer(answers, &answer);
            if answer.is_err() {
                return;
            }
        }
    })
}

fn smuggling(target: &Target) -> Answers {
    let requests = [
        "POST /enforce HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\n\
         content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "POST /enforce HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\n\
         content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /enforce HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\n\
         content-length: -1\r\n\r\n{}",
        "POST /enforce HTTP/1.1\nhost: l\ncontent-type: application/json\n\
         transfer-encoding: xchunked\n\n0\n\n",
    ];
    target.flood(|target, answers| {
        for request in requests {
            send(target, answers, request.as_bytes());
        }
    })
}
