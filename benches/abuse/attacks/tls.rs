//! Handshakes: many, broken, never ended, and other protocols on the port.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::{Chance, Target, Way, is_timeout};
use crate::client::post;
use crate::support::reviews::DEPLOYMENT;

/// Those that are made of handshakes.
pub fn by_name(name: &str) -> Option<Way> {
    Some(match name {
        "handshake flood" => handshakes,
        "aborted handshakes" => aborted,
        "renegotiation" => |target| target.flood(|| target.note(renegotiate(target))),
        "key updates" => key_updates,
        "garbage on the port" => garbage,
        "plain HTTP on the TLS port" => {
            |target| plain(target, &[post("/enforce", DEPLOYMENT.as_bytes())])
        }
        "HTTP/2 by ALPN" => only_http2,
        _ => return None,
    })
}

/// The first bytes of a handshake.
pub fn client_hello(target: &Target) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = ClientConnection::new(Arc::clone(&target.config), name).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    hello
}

fn handshakes(target: &Target) {
    target.flood(|| {
        if target.connect().is_some() {
            target.note("a handshake");
        }
    });
}

fn aborted(target: &Target) {
    target.flood(|| {
        if target.plain(&client_hello(target)).is_some() {
            target.note("taken");
        }
    });
}

fn renegotiate(target: &Target) -> &'static str {
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
            return if status.success() { "closed" } else { "refused" };
        }
    }
    let _ = openssl.kill();
    let _ = openssl.wait();
    "still open"
}

fn key_updates(target: &Target) {
    target.flood(|| {
        let Some(mut client) = target.connect() else { return };
        client.set_patience(Duration::from_millis(100));
        // In one connection until it is closed for want of a request.
        while target.goes_on() {
            match client.update_keys() {
                Ok(()) => target.note("taken"),
                Err(error) if is_timeout(&error) => target.note("not taken in time"),
                Err(_) => return target.note("closed"),
            }
        }
    });
}

fn garbage(target: &Target) {
    let (mut chance, hello) = (Chance(1), client_hello(target));
    let sent = (0..64).map(|index| {
        if index % 2 == 0 {
            return chance.bytes(300);
        }
        let mut sent = hello.clone();
        for _ in 0..3 {
            let at = chance.next() as usize % sent.len();
            sent[at] = chance.next() as u8;
        }
        sent
    });
    plain(target, &sent.collect::<Vec<_>>());
}

/// Sends bytes without TLS, and notes what comes back.
fn plain(target: &Target, all: &[Vec<u8>]) {
    target.flood_with(all, |bytes| {
        let Some(mut tcp) = target.plain(bytes) else { return };
        let mut first = [0; 1];
        target.note(match tcp.read(&mut first) {
            // RFC 8446, 5.1: the type of a record comes first.
            Ok(1) if first == [21] => "a TLS alert",
            Ok(1) if first == [22] => "a ServerHello",
            Ok(1) => "something else",
            Err(error) if is_timeout(&error) => "nothing",
            Ok(_) | Err(_) => "closed",
        });
    });
}

fn only_http2(target: &Target) {
    let trust = target.trust.clone().offering("h2");
    target.flood(|| {
        target.note(match trust.connect(target.server) {
            Ok(_client) => "a handshake",
            Err(error) if is_timeout(&error) => "nothing",
            Err(error) if error.to_string().contains("NoApplicationProtocol") => "a TLS alert",
            Err(_) => "closed",
        });
    });
}
