//! Reviews that are hard to read, or ask for a lot.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answers, Attack, Target, note, note_answer};
use crate::client::post;
use crate::good::REVIEW;

pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "nested JSON",
        what: "3 million brackets, bare and inside of a pod",
        seconds: 5,
        run: nested,
    },
    Attack {
        name: "odd JSON",
        what: "strings of 6 MB, of escapes alone too, numbers of 6 MB, 200,000 equal keys, lone surrogates, bytes \
               that are no UTF-8",
        seconds: 5,
        run: odd,
    },
    Attack {
        name: "largest reviews",
        what: "pods of 7 MB: the most containers that are allowed, each with 7 KB of variables",
        seconds: 6,
        run: largest,
    },
    Attack {
        name: "most work",
        what: "pods of the most containers that are allowed, each wrong in everything, with as many exemptions",
        seconds: 6,
        run: worst,
    },
    Attack {
        name: "too many containers",
        what: "pods of 7 MB whose containers have a name of seven letters, and nothing else",
        seconds: 6,
        run: too_many,
    },
    Attack {
        name: "many containers",
        what: "pods of 300 containers that have a name and nothing else, 8 KB each",
        seconds: 6,
        run: below_large,
    },
    Attack {
        name: "large reviews, answers never read",
        what: "reviews of 1,000 containers from 60 connections that read no answer",
        seconds: 8,
        run: unread,
    },
    Attack {
        name: "a flood of reviews",
        what: "good reviews, one after another, on two connections without a pause",
        seconds: 4,
        run: flood,
    },
];

/// A review of a pod with so many containers as the API server fills them in.
pub fn containers(count: usize) -> Vec<u8> {
    let like: Value = serde_json::from_str(REVIEW).unwrap();
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
    let mut review: Value = serde_json::from_str(REVIEW).unwrap();
    change(&mut review["request"]["object"]["spec"]);
    review.to_string().into_bytes()
}

/// A review whose containers' list is this text.
fn with_list(list: &str) -> Vec<u8> {
    let text = String::from_utf8(review(|spec| spec["containers"] = json!("THE LIST"))).unwrap();
    text.replace("\"THE LIST\"", list).into_bytes()
}

/// Sends each body in turn, on one connection as long as it lasts.
fn send_all(target: &Target, bodies: &[Vec<u8>]) -> Answers {
    let requests: Vec<_> = bodies.iter().map(|body| post("/enforce", body)).collect();
    target.flood(|target, answers| {
        let Ok(mut client) = target.connect() else {
            return note(answers, "not let in");
        };
        client.set_patience(Duration::from_secs(10));
        for request in &requests {
            let _ = client.send(request);
            let answer = client.answer();
            note_answer(answers, &answer);
            if answer.map_or(true, |answer| answer.closes()) || !target.goes_on() {
                return;
            }
        }
    })
}

fn nested(target: &Target) -> Answers {
    let deep = "[".repeat(3_000_000);
    let objects = "{\"a\":".repeat(600_000);
    let inside = with_list(&format!("[{{\"name\":{deep}"));
    let labels = REVIEW.replace("\"app\":\"web\"", &format!("\"app\":{objects}"));
    send_all(target, &[deep.into_bytes(), objects.into_bytes(), inside, labels.into_bytes()])
}

fn odd(target: &Target) -> Answers {
    let container = |name: &str| with_list(&format!("[{{\"name\":{name},\"image\":\"a\"}}]"));
    let long = 6_000_000;
    let keys = "\"name\":\"a\",".repeat(200_000);
    let mut not_utf_8 = container("\"a\u{7f}\"");
    let at = not_utf_8.iter().position(|byte| *byte == 0x7f).unwrap();
    not_utf_8[at] = 0xff;
    send_all(
        target,
        &[
            container(&format!("\"{}\"", "a".repeat(long))),
            container(&format!("\"{}\"", "\\u0041".repeat(long / 6))),
            container(&"9".repeat(long)),
            container(&format!("-1e{}", "9".repeat(long))),
            with_list(&format!("[{{{keys}\"image\":\"a\"}}]")),
            container("\"\\ud800\""),
            not_utf_8,
            REVIEW.replace("\"web\"", "\"w\\u0065b\"").into_bytes(),
        ],
    )
}

/// The server's limit (`serve::http`).
const MOST: usize = 1000;

fn largest(target: &Target) -> Answers {
    let variable = json!({"name": "A", "value": "a".repeat(6_300)});
    let one = |index: usize| json!({"name": format!("w{index}"), "image": "a", "env": [variable]});
    let body = review(|spec| spec["containers"] = (0..MOST).map(one).collect());
    send_all(target, &[body])
}

fn worst(target: &Target) -> Answers {
    let one = |index: usize| {
        json!({
            "name": format!("w{index}"), "image": "a", "ports": [{"containerPort": 80}],
            "securityContext": {"runAsUser": 0, "allowPrivilegeEscalation": true,
                "capabilities": {"add": ["SYS_TIME", "NET_RAW"]},
                "seccompProfile": {"type": "Unconfined"}, "readOnlyRootFilesystem": false},
        })
    };
    let mut text: Value = serde_json::from_str(REVIEW).unwrap();
    let exemptions = (0..MOST).map(|index| {
        (format!("w{index}.exempt.ironhull.dev/fsGroup"), json!("a reason that is one"))
    });
    let object = &mut text["request"]["object"];
    object["metadata"]["annotations"] = Value::Object(exemptions.collect());
    object["spec"]["initContainers"] = (0..MOST - 1).map(one).collect();
    send_all(target, &[text.to_string().into_bytes()])
}

fn too_many(target: &Target) -> Answers {
    let list: Vec<_> = (0..290_000).map(|index| format!("{{\"name\":\"a{index:06}\"}}")).collect();
    send_all(target, &[with_list(&format!("[{}]", list.join(",")))])
}

fn below_large(target: &Target) -> Answers {
    let list: Vec<_> = (0..300).map(|index| format!("{{\"name\":\"a{index:06}\"}}")).collect();
    send_all(target, &[with_list(&format!("[{}]", list.join(",")))])
}

fn unread(target: &Target) -> Answers {
    let request = post("/enforce", &containers(MOST));
    let mut answers = Answers::new();
    let mut held = Vec::new();
    target.each(60, &mut answers, |mut client| {
        client.set_patience(Duration::from_secs(1));
        held.push((client.send(&request).is_ok(), client));
    });
    target.wait();
    for (taken, _) in &held {
        note(&mut answers, if *taken { "taken" } else { "not taken" });
    }
    answers
}

fn flood(target: &Target) -> Answers {
    send_all(target, &vec![REVIEW.as_bytes().to_vec(); 10_000])
}
