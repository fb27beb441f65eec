//! Requests: heads and bodies that are slow, long, many, compressed, in odd chunks, or not HTTP.

use std::process::Command;
use std::time::Duration;

use super::{Chance, Target, Way};
use crate::client::post;
use crate::support::reviews::DEPLOYMENT;

/// Those that are made of heads and of bodies.
pub fn by_name(name: &str) -> Option<Way> {
    Some(match name {
        "slow-loris, heads" => |target| target.drip(500, b"", &line("x-filler: ").repeat(10)),
        "heads held back" => |target| target.hold(2000, &line(&filler(15_000))),
        "many headers" => {
            |target| target.send(&[line(&((filler(1) + "\r\n").repeat(1000) + "\r\n"))])
        }
        "long headers" => |target| target.send(&[line(&(filler(1_000_000) + "\r\n\r\n"))]),
        "HTTP/2 preface" => {
            |target| target.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".into()])
        }
        "garbage for a request" => |target| {
            target.send(&(1..=64).map(|seed| Chance(seed).bytes(2000)).collect::<Vec<_>>());
        },
        "pipelining" => pipelined,
        "smuggling" => smuggling,
        "slow-loris, bodies" => |target| target.drip(500, &spaces(100_000, 0), &[b' '; 1000]),
        "bodies held back" => |target| target.hold(2000, &spaces(16_000, 15_000)),
        "large bodies held back" => |target| target.hold(200, &spaces(7_000_000, 6_999_999)),
        "oversized bodies, declared" => |target| target.send(&[spaces(100_000_000, 1_000_000)]),
        "oversized bodies, undeclared" => |target| {
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            target.send(&[head("transfer-encoding: chunked", &chunk.repeat(200))]);
        },
        "compressed bodies" => compressed,
        "odd chunks" => chunks,
        _ => return None,
    })
}

/// A request's first line, and what follows.
fn line(rest: &str) -> Vec<u8> {
    format!("POST /enforce HTTP/1.1\r\n{rest}").into_bytes()
}

fn filler(length: usize) -> String {
    format!("x-filler: {}", "a".repeat(length))
}

/// A whole head with these lines more, and what follows.
fn head(lines: &str, rest: &str) -> Vec<u8> {
    line(&format!("host: l\r\ncontent-type: application/json\r\n{lines}\r\n\r\n{rest}"))
}

/// So many spaces where a body of `length` bytes is announced.
fn spaces(length: usize, sent: usize) -> Vec<u8> {
    head(&format!("content-length: {length}"), &" ".repeat(sent))
}

fn pipelined(target: &Target) {
    let requests = post("/enforce", DEPLOYMENT.as_bytes()).repeat(100);
    target.flood(|| {
        let Some(mut client) = target.connect() else { return };
        client.set_patience(Duration::from_secs(2));
        let _ = client.send(&requests);
        for _ in 0..100 {
            let answer = client.answer();
            target.note_answer(&answer);
            if answer.is_err() {
                return;
            }
        }
    });
}

fn smuggling(target: &Target) {
    let bare = String::from_utf8(head("transfer-encoding: xchunked", "0\n\n")).unwrap();
    target.send(&[
        head("content-length: 2\r\ncontent-length: 3", "{}"),
        head("content-length: 2\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
        head("content-length: -1", "{}"),
        bare.replace('\r', "").into(),
    ]);
}

fn compressed(target: &Target) {
    let mut gzip = Command::new("sh");
    gzip.args(["-c", "head -c 50000000 /dev/zero | gzip --best --stdout"]);
    let bomb = gzip.output().expect("gzip is needed").stdout;
    let lines = format!("content-encoding: gzip\r\ncontent-length: {}", bomb.len());
    target.send(&[[head(&lines, ""), bomb].concat()]);
}

fn chunks(target: &Target) {
    let mut chance = Chance(7);
    let mut whole = String::new();
    let mut rest = DEPLOYMENT.trim_end();
    while !rest.is_empty() {
        let size = (1 + chance.next() as usize % 16).min(rest.len());
        let (chunk, after) = rest.split_at(size);
        whole += &format!("{size:04X};name=\"a value\"\r\n{chunk}\r\n");
        rest = after;
    }
    let plain_end = format!("{whole}0\r\n\r\n");
    let trailers = format!("{whole}0\r\n{}\r\n", "x-trailer: a\r\n".repeat(1000));
    let endless = format!("1;{}\r\na\r\n0\r\n\r\n", "extension".repeat(100_000));
    let lies = ["ffffffffffffffff", "10000000000000000", "-1", "0x10", "", "7fffffff"]
        .map(|size| format!("{size}\r\nabc\r\n0\r\n\r\n"));
    let bodies = [plain_end, trailers, endless].into_iter().chain(lies);
    let requests = bodies.map(|body| head("transfer-encoding: chunked", &body));
    // More bytes than were declared: the rest is no request.
    let twice = [&post("/enforce", DEPLOYMENT.as_bytes()), DEPLOYMENT.as_bytes()].concat();
    target.send(&requests.chain([twice]).collect::<Vec<_>>());
}
