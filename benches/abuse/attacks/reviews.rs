//! Reviews that are hard to read, or ask for a lot.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Target, Way};
use crate::client::post;
use crate::support::reviews::DEPLOYMENT;

/// Those that are made of reviews.
pub fn by_name(name: &str) -> Option<Way> {
    Some(match name {
        "nested JSON" => nested,
        "odd JSON" => odd,
        "largest reviews" => largest,
        "most work" => worst,
        "too many containers" => |target| send(target, &[named(290_000)]),
        "many containers" => |target| send(target, &[named(300)]),
        "large reviews, answers never read" => unread,
        "a flood of reviews" => |target| send(target, &vec![DEPLOYMENT.into(); 10_000]),
        _ => return None,
    })
}

/// The server's limit (`serve::http`).
const MOST: usize = 1000;

/// A review of a pod with so many containers as the API server fills them in.
pub fn containers(count: usize) -> Vec<u8> {
    let like: Value = serde_json::from_str(DEPLOYMENT).unwrap();
    let like = &like["request"]["object"]["spec"]["containers"][0];
    review(|spec| {
        let one = |index: usize| {
            let mut container = like.clone();
            container["name"] = format!("web-{index}").into();
            container
        };
        spec["containers"] = (0..count).map(one).collect();
    })
}

fn review(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut review: Value = serde_json::from_str(DEPLOYMENT).unwrap();
    change(&mut review["request"]["object"]["spec"]);
    review.to_string().into_bytes()
}

/// A review whose containers' list is this text.
fn with_list(list: &str) -> Vec<u8> {
    let text = String::from_utf8(review(|spec| spec["containers"] = json!("THE LIST"))).unwrap();
    text.replace("\"THE LIST\"", list).into_bytes()
}

/// A review of so many containers of a name alone.
fn named(count: usize) -> Vec<u8> {
    let list: Vec<_> = (0..count).map(|index| format!("{{\"name\":\"a{index:06}\"}}")).collect();
    with_list(&format!("[{}]", list.join(",")))
}

/// Sends each body in turn, on one connection as long as it lasts.
fn send(target: &Target, bodies: &[Vec<u8>]) {
    let requests: Vec<_> = bodies.iter().map(|body| post("/enforce", body)).collect();
    target.flood(|| {
        let Some(mut client) = target.connect() else { return };
        client.set_patience(Duration::from_secs(10));
        for request in &requests {
            let _ = client.send(request);
            let answer = client.answer();
            target.note_answer(&answer);
            if answer.map_or(true, |answer| answer.closes()) || !target.goes_on() {
                return;
            }
        }
    });
}

fn nested(target: &Target) {
    let deep = "[".repeat(3_000_000);
    let objects = "{\"a\":".repeat(600_000);
    let inside = with_list(&format!("[{{\"name\":{deep}"));
    let labels = DEPLOYMENT.replace("\"app\":\"web\"", &format!("\"app\":{objects}"));
    send(target, &[deep.into_bytes(), objects.into_bytes(), inside, labels.into_bytes()]);
}

fn odd(target: &Target) {
    let container = |name: &str| with_list(&format!("[{{\"name\":{name},\"image\":\"a\"}}]"));
    let long = 6_000_000;
    let keys = "\"name\":\"a\",".repeat(200_000);
    let mut not_utf_8 = container("\"a\u{7f}\"");
    let at = not_utf_8.iter().position(|byte| *byte == 0x7f).unwrap();
    not_utf_8[at] = 0xff;
    let bodies = [
        container(&format!("\"{}\"", "a".repeat(long))),
        container(&format!("\"{}\"", "\\u0041".repeat(long / 6))),
        container(&"9".repeat(long)),
        container(&format!("-1e{}", "9".repeat(long))),
        with_list(&format!("[{{{keys}\"image\":\"a\"}}]")),
        container("\"\\ud800\""),
        not_utf_8,
        DEPLOYMENT.replace("\"web\"", "\"w\\u0065b\"").into_bytes(),
    ];
    send(target, &bodies);
}

fn largest(target: &Target) {
    let variable = json!({"name": "A", "value": "a".repeat(6_300)});
    let one = |index: usize| json!({"name": format!("w{index}"), "image": "a", "env": [variable]});
    send(target, &[review(|spec| spec["containers"] = (0..MOST).map(one).collect())]);
}

fn worst(target: &Target) {
    let one = |index: usize| {
        json!({
            "name": format!("w{index}"), "image": "a", "ports": [{"containerPort": 80}],
            "securityContext": {"runAsUser": 0, "allowPrivilegeEscalation": true,
                "capabilities": {"add": ["SYS_TIME", "NET_RAW"]},
                "seccompProfile": {"type": "Unconfined"}, "readOnlyRootFilesystem": false},
        })
    };
    let mut text: Value = serde_json::from_str(DEPLOYMENT).unwrap();
    let exemptions = (0..MOST).map(|index| {
        (format!("w{index}.exempt.ironhull.dev/fsGroup"), json!("a reason that is one"))
    });
    let object = &mut text["request"]["object"];
    object["metadata"]["annotations"] = Value::Object(exemptions.collect());
    object["spec"]["initContainers"] = (0..MOST - 1).map(one).collect();
    send(target, &[text.to_string().into_bytes()]);
}

fn unread(target: &Target) {
    let request = post("/enforce", &containers(MOST));
    let mut held = Vec::new();
    target.each(60, |mut client| {
        client.set_patience(Duration::from_secs(1));
        target.note(if client.send(&request).is_ok() { "taken" } else { "not taken" });
        held.push(client);
    });
    target.wait();
}
