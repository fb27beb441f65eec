//! Connections that want nothing, or too many of them.

use std::io::Read as _;
use std::thread;
use std::time::Duration;

use super::reviews::containers;
use super::{Target, Way, is_timeout};
use crate::client::post;
use crate::support::reviews::DEPLOYMENT;

/// Those that are made of connections.
pub fn by_name(name: &str) -> Option<Way> {
    Some(match name {
        "half-open TCP" => |target| half_open(target, Vec::new),
        "half-open TLS" => |target| half_open(target, || super::tls::client_hello(target)),
        "idle connections" => idle,
        "silent connections" => |target| target.hold(2000, b""),
        "early close" => early_close,
        "large answers, never read" => {
            |target| unread(target, 200, &post("/enforce", &containers(200)), 20)
        }
        "small answers, never read" => {
            |target| unread(target, 500, &post("/enforce", DEPLOYMENT.as_bytes()), usize::MAX)
        }
        _ => return None,
    })
}

/// Opens connections, says `first` on each, and sees what becomes of them.
fn half_open(target: &Target, first: impl Fn() -> Vec<u8>) {
    let mut held = Vec::new();
    for _ in 0..target.many(2000) {
        if target.goes_on() {
            held.extend(target.plain(&first()));
        } else {
            target.note("not let in");
        }
    }
    target.wait();
    for mut tcp in held {
        let _ = tcp.set_read_timeout(Some(Duration::from_millis(2)));
        let mut rest = [0; 4096];
        let end = loop {
            match tcp.read(&mut rest) {
                Ok(0) => break "closed",
                Ok(_) => {}
                Err(error) if is_timeout(&error) => break "still open",
                Err(_) => break "closed",
            }
        };
        target.note(end);
    }
}

fn idle(target: &Target) {
    let mut held = Vec::new();
    target.each(2000, |mut client| {
        client.set_patience(Duration::from_secs(2));
        target.note_answer(&client.post("/enforce", DEPLOYMENT.as_bytes()));
        held.push(client);
    });
    target.wait();
}

fn early_close(target: &Target) {
    let request = post("/enforce", &containers(200));
    target.flood(|| {
        let Some(mut client) = target.connect() else { return };
        client.set_patience(Duration::from_secs(2));
        let begun = client.send(&request).is_ok() && client.read_some().is_ok_and(|read| read > 0);
        target.note(if begun { "an answer, cut off" } else { "closed" });
    });
}

/// Sends `request` up to `times` on each connection as long as it is taken, and reads nothing.
fn unread(target: &Target, connections: usize, request: &[u8], times: usize) {
    let mut clients = Vec::new();
    target.each(connections, |client| clients.push((client, 0)));
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
                Ok(()) => target.note("taken"),
                // The rest of it goes on where it stopped, which is no request any more.
                Err(error) if is_timeout(&error) => *sent = times,
                Err(_) => {
                    target.note("closed");
                    return false;
                }
            }
            true
        });
        thread::sleep(Duration::from_millis(5));
    }
}
