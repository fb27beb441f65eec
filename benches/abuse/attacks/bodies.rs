//! Bodies: slow, too large, compressed, in odd chunks.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::heads::drip;
use super::{Answers, Attack, Chance, Target, note_each, send};
use crate::client::post;
use crate::good::REVIEW;

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "slow-loris, bodies",
        what: "500 connections that send a body byte by byte",
        seconds: 13,
        run: slow,
    },
    Attack {
        name: "bodies held back",
        what: "2,000 connections with 15 KB of a body of 16 KB each, and never the rest",
        seconds: 13,
        run: held_back,
    },
    Attack {
        name: "large bodies held back",
        what: "200 connections with all but the last byte of a body of 7 MB",
        seconds: 6,
        run: large_held_back,
    },
    Attack {
        name: "oversized bodies, declared",
        what: "a length of 100 MB, and the first of them",
        seconds: 5,
        run: declared,
    },
    Attack {
        name: "oversized bodies, undeclared",
        what: "chunks without end",
        seconds: 5,
        run: undeclared,
    },
    Attack {
        name: "compressed bodies",
        what: "`Content-Encoding: gzip`, 50 MB of zeros in 50 KB",
        seconds: 5,
        run: compressed,
    },
    Attack {
        name: "odd chunks",
        what: "a good review in chunks of 1 to 16 bytes with extensions and trailers, and chunks whose size is a lie",
        seconds: 4,
        run: chunks,
    },
];

const HEAD: &str = "POST /enforce HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\n";

fn slow(target: &Target) -> Answers {
    let mut answers = Answers::new();
    let mut clients = target.connections(500, &mut answers);
    let head = format!("{HEAD}content-length: 100000\r\n\r\n");
    for client in &mut clients {
        let _may_be_closed = client.send(head.as_bytes());
    }
    drip(target, &mut clients, &[b' '; 1000]);
    note_each(&mut answers, clients);
    answers
}

fn held_back(target: &Target) -> Answers {
    let part = format!("{HEAD}content-length: 16000\r\n\r\n{}", " ".repeat(15_000));
    hold(target, 2000, part.as_bytes())
}

fn large_held_back(target: &Target) -> Answers {
    let part = format!("{HEAD}content-length: 7000000\r\n\r\n{}", " ".repeat(6_999_999));
    hold(target, 200, part.as_bytes())
}

/// Sends `part` on each of so many connections, and waits.
fn hold(target: &Target, connections: usize, part: &[u8]) -> Answers {
    let mut answers = Answers::new();
    let mut clients = Vec::new();
    target.each(connections, &mut answers, |mut client| {
        client.set_patience(Duration::from_millis(500));
        let _may_be_closed = client.send(part);
        clients.push(client);
    });
    target.wait();
    note_each(&mut answers, clients);
    answers
}

fn declared(target: &Target) -> Answers {
    let part = format!("{HEAD}content-length: 100000000\r\n\r\n{}", " ".repeat(1_000_000));
    target.flood(|target, answers| send(target, answers, part.as_bytes()))
}

fn undeclared(target: &Target) -> Answers {
    let mut part = format!("{HEAD}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..200 {
        part.extend_from_slice(b"10000\r\n");
        part.resize(part.len() + 0x10000, b' ');
        part.extend_from_slice(b"\r\n");
    }
    target.flood(|target, answers| send(target, answers, &part))
}

fn compressed(target: &Target) -> Answers {
    let mut gzip = Command::new("gzip")
        .args(["--best", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is needed");
    let mut input = gzip.stdin.take().unwrap();
    let zeros = std::thread::spawn(move || input.write_all(&vec![0; 50_000_000]));
    let bomb = gzip.wait_with_output().unwrap().stdout;
    zeros.join().unwrap().unwrap();
    let mut request =
        format!("{HEAD}content-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len())
            .into_bytes();
    request.extend_from_slice(&bomb);
    target.flood(|target, answers| send(target, answers, &request))
}

fn chunks(target: &Target) -> Answers {
    let head = format!("{HEAD}transfer-encoding: chunked\r\n\r\n");
    let mut chance = Chance(7);
    let mut whole = head.clone();
    let mut rest = REVIEW.trim_end();
    while !rest.is_empty() {
        let size = (1 + chance.next() as usize % 16).min(rest.len());
        let (chunk, after) = rest.split_at(size);
        whole += &format!("{size:04X};name=\"a value\"\r\n{chunk}\r\n");
        rest = after;
    }
    let plain_end = format!("{whole}0\r\n\r\n");
    let trailers = format!("{whole}0\r\n{}\r\n", "x-trailer: a\r\n".repeat(1000));
    let lies = ["ffffffffffffffff", "10000000000000000", "-1", "0x10", "", "7fffffff"]
        .map(|size| format!("{head}{size}\r\nabc\r\n0\r\n\r\n"));
    let endless = format!("{head}1;{}\r\na\r\n0\r\n\r\n", "extension".repeat(100_000));
    let all: Vec<_> =
        [plain_end, trailers, endless].into_iter().chain(lies).chain([post_twice()]).collect();
    target.flood(|target, answers| {
        for request in &all {
            send(target, answers, request.as_bytes());
            if !target.goes_on() {
                return;
            }
        }
    })
}

/// More bytes than were declared: the rest is no request.
fn post_twice() -> String {
    let request = post("/enforce", REVIEW.as_bytes());
    format!("{}{REVIEW}", String::from_utf8(request).unwrap())
}
