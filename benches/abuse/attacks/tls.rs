//! Handshakes: many, broken, never ended, and other protocols on the port.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::{Answers, Attack, Chance, Target, is_timeout, note};
use crate::client::post;
use crate::good::REVIEW;

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "handshake flood",
        what: "whole TLS handshakes, one after another on two threads, each closed at once",
        seconds: 4,
        run: handshakes,
    },
    Attack {
        name: "aborted handshakes",
        what: "a ClientHello, closed without reading the answer",
        seconds: 4,
        run: aborted,
    },
    Attack {
        name: "renegotiation",
        what: "TLS 1.2 clients that ask for another handshake on their connection (`openssl s_client`)",
        seconds: 4,
        run: renegotiation,
    },
    Attack {
        name: "key updates",
        what: "TLS 1.3 clients that ask for new keys again and again, and for nothing else",
        seconds: 4,
        run: key_updates,
    },
    Attack {
        name: "garbage on the port",
        what: "random bytes in place of a ClientHello, and ClientHellos with some bytes changed",
        seconds: 4,
        run: garbage,
    },
    Attack {
        name: "plain HTTP on the TLS port",
        what: "a good review, without TLS",
        seconds: 4,
        run: plain_http,
    },
    Attack {
        name: "HTTP/2 by ALPN",
        what: "clients that speak HTTP/2 and nothing else",
        seconds: 4,
        run: only_http2,
    },
];

/// The first bytes of a handshake.
pub fn client_hello(target: &Target) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = ClientConnection::new(Arc::clone(&target.config), name).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    hello
}

fn handshakes(target: &Target) -> Answers {
    target.flood(|target, answers| match target.connect() {
        Ok(_client) => note(answers, "a handshake"),
        Err(_) => note(answers, "not let in"),
    })
}

fn aborted(target: &Target) -> Answers {
    target.flood(|target, answers| {
        let Ok(mut tcp) = target.plain() else {
            return note(answers, "not let in");
        };
        if tcp.write_all(&client_hello(target)).is_ok() {
            note(answers, "taken");
        }
    })
}

fn renegotiation(target: &Target) -> Answers {
    target.flood(|target, answers| {
        let mut openssl = Command::new("openssl")
            .args(["s_client", "-tls1_2", "-connect", &target.server.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is needed");
        let mut keys = openssl.stdin.take().unwrap();
        thread::sleep(Duration::from_millis(100));
        // A line that begins with R asks for it.
        let _ = keys.write_all(b"R\n");
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(25));
            if let Some(status) = openssl.try_wait().unwrap() {
                return note(answers, if status.success() { "closed" } else { "refused" });
            }
        }
        let _ = openssl.kill();
        let _ = openssl.wait();
        note(answers, "still open");
    })
}

fn key_updates(target: &Target) -> Answers {
    target.flood(|target, answers| {
        let Ok(mut client) = target.connect() else {
            return note(answers, "not let in");
        };
        client.set_patience(Duration::from_millis(100));
        // In one connection until it is closed for want of a request.
        while target.goes_on() {
            match client.update_keys() {
                Ok(()) => note(answers, "taken"),
                Err(error) if is_timeout(&error) => note(answers, "not taken in time"),
                Err(_) => return note(answers, "closed"),
            }
        }
    })
}

fn garbage(target: &Target) -> Answers {
    let hello = client_hello(target);
    let mut chance = Chance(1);
    let mut bytes = Vec::new();
    for index in 0..64 {
        let mut sent = hello.clone();
        if index % 2 == 0 {
            sent = chance.bytes(300);
        } else {
            for _ in 0..3 {
                let at = chance.next() as usize % sent.len();
                sent[at] = chance.next() as u8;
            }
        }
        bytes.push(sent);
    }
    target.flood(|target, answers| {
        for sent in &bytes {
            plain(target, answers, sent);
            if !target.goes_on() {
                return;
            }
        }
    })
}

fn plain_http(target: &Target) -> Answers {
    let request = post("/enforce", REVIEW.as_bytes());
    target.flood(|target, answers| plain(target, answers, &request))
}

/// Sends bytes without TLS, and notes what comes back.
fn plain(target: &Target, answers: &mut Answers, bytes: &[u8]) {
    let Ok(mut tcp) = target.plain() else {
        return note(answers, "not let in");
    };
    let _may_be_closed = tcp.write_all(bytes);
    let mut first = [0; 1];
    match tcp.read(&mut first) {
        // RFC 8446, 5.1: the type of a record comes first.
        Ok(1) if first == [21] => note(answers, "a TLS alert"),
        Ok(1) if first == [22] => note(answers, "a ServerHello"),
        Ok(1) => note(answers, "something else"),
        Err(error) if is_timeout(&error) => note(answers, "nothing"),
        Ok(_) | Err(_) => note(answers, "closed"),
    }
}

fn only_http2(target: &Target) -> Answers {
    let trust = target.trust.clone().offering("h2");
    target.flood(|target, answers| match trust.connect(target.server) {
        Ok(_client) => note(answers, "a handshake"),
        Err(error) if is_timeout(&error) => note(answers, "nothing"),
        Err(error) if error.to_string().contains("NoApplicationProtocol") => {
            note(answers, "a TLS alert");
        }
        Err(_) => note(answers, "closed"),
    })
}
