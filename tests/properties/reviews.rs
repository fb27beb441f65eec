//! Bytes from anywhere: nothing panics, and every answer is one that the API server takes.

use std::fmt;

use ironhull::admission::{Endpoint, Mode, review};
use ironhull::policy::{PolicyFile, PolicySet, parse};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::choices::Choices;
use super::policies::Flavour;
use super::runner::{Share, check, numbers, pod_numbers};
use super::{ENVIRONMENT, answer, ensure, pods, policies};

/// A change to the bytes of a review.
#[derive(Clone, Debug)]
enum Mutation {
    /// One byte becomes another.
    Replace(usize, u8),
    /// A part goes away.
    Cut(usize, usize),
    /// The rest goes away.
    Truncate(usize),
    /// Bytes come in between.
    Insert(usize, Vec<u8>),
    /// A part is there twice.
    Repeat(usize, usize),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let at = any::<u16>().prop_map(usize::from);
    let tokens = [
        "null",
        "{}",
        "[]",
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "-1",
        "1e999",
        "0.5",
        "true",
        "99999999999999999999999999",
        "-9223372036854775809",
        "\\ud800",
        "\u{0}",
        "\"uid\":\"x\",",
        "\"kind\":\"Deployment\",",
    ];
    let deep = (b'['..=b'{').prop_filter("nests", |b| matches!(b, b'[' | b'{'));
    let nested = (deep, 1..3000usize).prop_map(|(byte, times)| {
        if byte == b'[' { vec![byte; times] } else { "{\"a\":".repeat(times).into_bytes() }
    });
    let inserted = prop_oneof![
        3 => proptest::sample::select(tokens.to_vec()).prop_map(|token| token.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..8),
        1 => nested,
    ];
    let mutation = prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (at.clone(), 1..40usize).prop_map(|(at, length)| Mutation::Cut(at, length)),
        at.clone().prop_map(Mutation::Truncate),
        (at.clone(), inserted).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at, 1..200usize).prop_map(|(at, length)| Mutation::Repeat(at, length)),
    ];
    prop_oneof![Just(Vec::new()), vec(mutation, 1..4)]
}

fn mutated(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        let length = bytes.len();
        let place = |at: usize| at % length.max(1);
        let part = |at: usize, size: usize| place(at)..(place(at) + size).min(length);
        match mutation {
            Mutation::Replace(at, byte) => {
                if let Some(slot) = bytes.get_mut(place(*at)) {
                    *slot = *byte;
                }
            }
            Mutation::Cut(at, size) => drop(bytes.drain(part(*at, *size))),
            Mutation::Truncate(at) => bytes.truncate(place(*at)),
            Mutation::Insert(at, inserted) => {
                let place = place(*at);
                bytes.splice(place..place, inserted.iter().copied());
            }
            Mutation::Repeat(at, size) => {
                let range = part(*at, *size);
                let (end, copy) = (range.end, bytes[range].to_vec());
                bytes.splice(end..end, copy);
            }
        }
    }
    bytes
}

/// A review's bytes, after mutations, and the policies to answer it by.
struct Sent {
    bytes: Vec<u8>,
    endpoint: Endpoint<'static>,
    document: Value,
    policies: PolicySet,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.bytes);
        write!(f, "{:?}:\n{text}\npolicy:\n{}", self.endpoint, self.document["spec"])
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let strategy = (pod_numbers(), numbers(64), numbers(16), mutations());
    strategy.prop_map(|(pod, policy, more, mutations)| {
        let choices = &mut Choices::new(&more);
        let (document, policy) = policies::policy(&policy, Flavour::Any);
        let review = a_review(pods::pod(&pod), choices).to_string().into_bytes();
        Sent {
            bytes: mutated(review, &mutations),
            endpoint: choices.pick(&ENDPOINTS),
            document,
            policies: PolicySet::new(vec![policy]).unwrap(),
        }
    })
}

fn a_review(pod: Value, choices: &mut Choices<'_>) -> Value {
    let (resource, kind) =
        choices.pick(&[("pods", "Pod"), ("pods", "Pod"), ("deployments", "Deployment")]);
    let object = match kind {
        "Pod" => pod,
        _ => json!({"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": pod}}),
    };
    json!({
        "kind": "AdmissionReview",
        "apiVersion": if choices.chance(5) { "admission.k8s.io/v1beta1" } else { "admission.k8s.io/v1" },
        "request": {
            "uid": choices.pick(&["705ab4f5-6393-11e8-b7cc-42010a800002", "x", "a\"\\\n", "é", ""]),
            "kind": {"group": "", "version": "v1", "kind": kind},
            "resource": {"group": "", "version": "v1", "resource": resource},
            "subResource": choices.pick(&["", "", "", "ephemeralcontainers", "status"]),
            "namespace": "shop",
            "operation": choices.pick(&["CREATE", "CREATE", "CREATE", "UPDATE", "DELETE"]),
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": object,
            "oldObject": null,
            "dryRun": choices.chance(20),
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        }
    })
}

const ENDPOINTS: [Endpoint<'static>; 5] = [
    Endpoint { mode: Mode::Enforce, policy: None },
    Endpoint { mode: Mode::Enforce, policy: Some("generated") },
    Endpoint {
        mode: Mode::Enforce,
        policy: Some(
            "not-there-and-its-name-is-very-long-and-\u{1b}[31m-not-even-printable-and-long",
        ),
    },
    Endpoint { mode: Mode::Audit, policy: None },
    Endpoint { mode: Mode::Advise, policy: None },
];

#[test]
fn mutated_reviews_get_an_answer_or_a_reason() {
    let (answered, patched) = (Share::default(), Share::default());
    check("mutated_reviews_get_an_answer_or_a_reason", 6_000, sent(), |sent| {
        let Sent { bytes, endpoint, policies, .. } = &sent;
        let answer = review(bytes, *endpoint, policies, ENVIRONMENT);
        answered.count(answer.is_ok());
        match answer {
            Ok(answer) => {
                let (_, patch) = answer::well(bytes, *endpoint, &answer)?;
                patched.count(patch.is_some());
            }
            Err(error) => answer::one_line(&error.to_string())?,
        }
        Ok(())
    });
    answered.at_least(25.0, "answered");
    patched.at_least(5.0, "answered with a patch");
}

#[test]
fn any_bytes_get_an_answer_or_a_reason() {
    let policies = PolicySet::new(Vec::new()).unwrap();
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..200),
        (1..20_000usize).prop_map(|depth| vec![b'['; depth]),
        (1..10_000usize).prop_map(|depth| br#"{"request":"#.repeat(depth)),
        (1..10_000usize).prop_map(|depth| {
            [br#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"x",
                "resource":{"resource":"pods"},"operation":"CREATE","object":{"spec":"#.to_vec(),
                vec![b'['; depth], vec![b']'; depth], b"}}}".to_vec()].concat()
        }),
    ];
    check("any_bytes_get_an_answer_or_a_reason", 1_500, bytes, |bytes| {
        for endpoint in ENDPOINTS {
            match review(&bytes, endpoint, &policies, ENVIRONMENT) {
                Ok(answer) => drop(answer::well(&bytes, endpoint, &answer)?),
                Err(error) => answer::one_line(&error.to_string())?,
            }
        }
        Ok(())
    });
}

#[test]
fn any_text_is_a_policy_or_an_error() {
    let token = prop_oneof![
        proptest::sample::select(vec![
            "apiVersion: ironhull.dev/v1alpha1\n",
            "kind: HardeningPolicy\n",
            "metadata: {name: x}\n",
            "spec:\n",
            "  rules:\n",
            "    runAsUser: {value: ",
            "    runAsNonRoot: off\n",
            "[",
            "{",
            "}",
            "]",
            "- ",
            ": ",
            "&a ",
            "*a ",
            "!!int ",
            "\t",
            "\"",
            "'",
            "|\n",
            "---\n",
            "...\n",
            "0x1F",
            "1e99",
            "~",
            "? ",
            "<<: *a\n",
            "  images:\n  - match: [\"*\"]\n",
            "#",
            "\u{feff}",
            "\u{0}",
            "%YAML 1.1\n",
            "\r",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ];
    let made_up = vec(token, 0..30).prop_map(|tokens| tokens.concat());
    let valid = (numbers(64), mutations()).prop_map(|(numbers, mutations)| {
        let (document, _) = policies::policy(&numbers, Flavour::Any);
        let bytes = mutated(document.to_string().into_bytes(), &mutations);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let shipped = (mutations(), any::<bool>()).prop_map(|(mutations, images)| {
        let text = match images {
            true => include_str!("../../policies/images.yaml"),
            false => include_str!("../../policies/restricted.yaml"),
        };
        String::from_utf8_lossy(&mutated(text.into(), &mutations)).into_owned()
    });
    let strategy = prop_oneof![6 => made_up, 6 => valid, 1 => shipped];
    check("any_text_is_a_policy_or_an_error", 3_000, strategy, |text| {
        let source = PolicyFile { name: "any.yaml".to_owned(), text };
        let length = source.text.len();
        if let Err(errors) = parse::parse(&[source]) {
            ensure!(!errors.is_empty(), "an error without a word");
            for error in errors {
                ensure!(!error.message.is_empty(), "an error without a word");
                let span = &error.place.span;
                ensure!(span.start <= span.end && span.end <= length, "a place outside: {span:?}");
            }
        }
        Ok(())
    });
}
