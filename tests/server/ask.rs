//! `serve --ask-facts`: what the webhook makes of an `ironhull watch` that knows, hangs or lies.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ironhull::cli;
use ironhull::serve::{AskFacts, Policies};
use serde_json::{Value, json};

use crate::fixture::{Fixture, eventually, with};

/// How much longer a review may take in these tests.
const DEADLINE: Duration = Duration::from_millis(400);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(2);

/// Someone who answers as told, given the path and how often it was asked before.
struct Watch {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Watch {
    fn start(answer: impl Fn(&str, usize, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n")
                        && stream.read(&mut byte).is_ok_and(|n| n > 0)
                    {
                        head.push(byte[0]);
                    }
                    let head = String::from_utf8(head).unwrap();
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    let before = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(path.clone());
                        seen.len() - 1
                    };
                    answer(&path, before, &mut stream);
                });
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn say(out: &mut TcpStream, status: u16, body: &str) {
    // Whoever asks may have gone.
    let _ = write!(out, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
}

fn document(entries: &str) -> String {
    format!("apiVersion: ironhull.dev/v1alpha1\nkind: ImageFacts\nimages:\n{entries}\n")
}

const WEB: &str = "registry.corp/shop/web:1";
const KNOWN: &str = "- {image: 'registry.corp/shop/web:1', user: app, uid: 1500, gid: 1600}";

/// A webhook that asks there.
fn asking(address: SocketAddr) -> Fixture {
    with(|config| {
        let url = AskFacts::url(&format!("http://{address}")).unwrap();
        config.ask_facts = Some(AskFacts { url, timeout: DEADLINE });
    })
}

fn review(image: &str) -> Vec<u8> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "CREATE", "namespace": "shop",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "object": {"metadata": {"name": "web"}, "spec": {
                "imagePullSecrets": [{"name": "pull"}],
                "containers": [{"name": "web", "image": image}],
            }},
        },
    });
    review.to_string().into_bytes()
}

fn post(server: &Fixture, path: &str, image: &str) -> Value {
    server.connect().post(path, &review(image)).unwrap().json()
}

/// The uid that the container gets.
fn uid(said: &Value) -> Option<i64> {
    let patch = BASE64_STANDARD.decode(said["response"]["patch"].as_str()?).unwrap();
    let patch: Value = serde_json::from_slice(&patch).unwrap();
    patch[0]["value"]["runAsUser"].as_i64()
}

fn questions(server: &Fixture, result: &str) -> u64 {
    server.metric(&format!("ironhull_image_questions_total{{result=\"{result}\"}}"))
}

#[test]
fn an_answer_counts_for_this_review_and_all_later_ones() {
    let watch = Watch::start(|_, before, out| match before {
        // It is being read.
        0 | 1 => say(out, 202, ""),
        _ => say(out, 200, &document(KNOWN)),
    });
    let server = asking(watch.address);
    assert_eq!(uid(&post(&server, "/enforce", WEB)), Some(1500));
    assert_eq!(uid(&post(&server, "/enforce", WEB)), Some(1500));
    let path = "/image-facts?image=registry.corp%2Fshop%2Fweb%3A1&namespace=shop&secret=pull";
    assert_eq!(watch.asked(), [path; 3]);
    assert_eq!(questions(&server, "known"), 1);
    // A new tag of the same repository is asked about, and until then is as the others are.
    assert_eq!(uid(&post(&server, "/audit", "registry.corp/shop/web:2")), None);
    assert_eq!(watch.asked().len(), 3, "only where it would be patched");
    assert_eq!(uid(&post(&server, "/enforce", "registry.corp/shop/web:2")), Some(1500));
    assert_eq!(watch.asked().len(), 4);
    server.stop();
}

#[test]
fn many_reviews_of_one_image_wait_for_one_question() {
    let watch = Watch::start(|_, _, out| {
        thread::sleep(DEADLINE / 4);
        say(out, 200, &document(KNOWN));
    });
    let server = Arc::new(asking(watch.address));
    let reviews: Vec<_> = (0..16)
        .map(|_| {
            let server = Arc::clone(&server);
            thread::spawn(move || uid(&post(&server, "/enforce", WEB)))
        })
        .collect();
    for review in reviews {
        assert_eq!(review.join().unwrap(), Some(1500));
    }
    assert_eq!(watch.asked().len(), 1);
}

/// Whatever goes wrong, the answer is the one without a question, in time.
#[test]
fn a_watch_that_is_no_help_is_no_harm() {
    type Answer = Box<dyn Fn(&str, usize, &mut TcpStream) + Send + Sync>;
    let plain = with(|_| {});
    let expected = |image: &str| post(&plain, "/enforce", image);
    let cases: Vec<(&str, &str, Answer)> = vec![
        ("hangs", "unknown", Box::new(|_, _, _| thread::sleep(Duration::from_secs(60)))),
        ("closes", "failed", Box::new(|_, _, _| {})),
        ("is still reading", "unknown", Box::new(|_, _, out| say(out, 202, ""))),
        ("knows nothing", "unknown", Box::new(|_, _, out| say(out, 404, ""))),
        ("fails", "failed", Box::new(|_, _, out| say(out, 500, ""))),
        (
            "redirects",
            "failed",
            Box::new(|_, _, out| {
                let _ = out.write_all(
                    b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
                );
            }),
        ),
        (
            "speaks no HTTP",
            "failed",
            Box::new(|_, _, out| {
                let _ = out.write_all(b"\x00\x01\x02 what?\r\n\r\n");
            }),
        ),
        (
            "drips",
            "unknown",
            Box::new(|_, _, out| {
                let _ = out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
                while out.write_all(b"a").is_ok() {
                    thread::sleep(Duration::from_millis(50));
                }
            }),
        ),
        (
            "answers without end",
            "failed",
            Box::new(|_, _, out| {
                let _ = out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
                let piece = vec![b'#'; 1 << 20];
                for _ in 0..100 {
                    if out.write_all(&piece).is_err() {
                        break;
                    }
                }
            }),
        ),
        ("answers nonsense", "failed", Box::new(|_, _, out| say(out, 200, "{\"a\": 1}"))),
        (
            "answers no text",
            "failed",
            Box::new(|_, _, out| {
                let _ = out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe");
            }),
        ),
        (
            "answers with a policy",
            "failed",
            Box::new(|_, _, out| {
                let policy = "kind: HardeningPolicy\nmetadata: {name: open}\nspec: {rules: {runAsUser: off}}\n";
                say(out, 200, &format!("apiVersion: ironhull.dev/v1alpha1\n{policy}"));
            }),
        ),
        (
            "tells of another image",
            "unknown",
            Box::new(|_, _, out| {
                say(
                    out,
                    200,
                    &document("- {image: 'docker.io/library/other:1', uid: 1500, gid: 1500}"),
                );
            }),
        ),
    ];
    for (what, result, answer) in cases {
        let watch = Watch::start(answer);
        let server = asking(watch.address);
        let began = Instant::now();
        let said = post(&server, "/enforce", WEB);
        assert!(began.elapsed() < DEADLINE + SLACK, "{what}: {:?}", began.elapsed());
        assert_eq!(said, expected(WEB), "{what}");
        // Nothing is asked twice within a minute.
        let asked = watch.asked().len();
        assert_eq!(post(&server, "/enforce", WEB), expected(WEB), "{what}");
        eventually(what, || questions(&server, result) == 1);
        assert_eq!(watch.asked().len(), asked, "{what}");
        server.stop();
    }
    // Nobody there.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = asking(gone);
    assert_eq!(post(&server, "/enforce", WEB), expected(WEB));
    eventually("nobody there", || questions(&server, "failed") == 1);
    server.stop();
    plain.stop();
}

/// A lie about an image changes who it runs as, and never makes it root or anything weaker.
#[test]
fn a_lie_is_a_fact_and_no_more() {
    let web = "registry.corp/shop/web:1";
    let digest = format!("sha256:{}", "a".repeat(64));
    let pinned = format!("{web}@{digest}");
    let other = format!("sha256:{}", "b".repeat(64));
    let plain = with(|_| {});
    for (entry, image, expected) in [
        (format!("- {{image: '{web}', uid: 0, gid: 0}}"), web, 1000),
        (format!("- {{image: '{web}', user: root}}"), web, 1000),
        (format!("- {{image: '{web}', uid: 4294967295, gid: 1}}"), web, 1000),
        // Of another digest than the pod names nothing is told.
        (format!("- {{image: '{web}', digest: '{digest}', uid: 7, gid: 7}}"), pinned.as_str(), 7),
        (format!("- {{image: '{web}', uid: 7, gid: 7}}"), web, 7),
    ] {
        let text = document(&entry);
        let watch = Watch::start(move |_, _, out| say(out, 200, &text));
        let server = asking(watch.address);
        let said = post(&server, "/enforce", image);
        assert_eq!(uid(&said), Some(expected), "{entry}");
        assert_eq!(said["response"]["allowed"], true);
        server.stop();
    }
    let text = document(&format!("- {{image: '{web}', digest: '{other}', user: root, uid: 0}}"));
    let watch = Watch::start(move |_, _, out| say(out, 200, &text));
    let server = asking(watch.address);
    assert_eq!(uid(&post(&server, "/enforce", &pinned)), uid(&post(&plain, "/enforce", &pinned)));
    server.stop();
    plain.stop();
}

/// Files tell what was learnt, and then they decide.
#[test]
fn files_replace_what_was_learnt() {
    let directory = tempfile::tempdir().unwrap();
    let facts = directory.path().join("facts");
    let watch = Watch::start(|_, _, out| say(out, 200, &document(KNOWN)));
    let server = with(|config| {
        let url = AskFacts::url(&format!("http://{}", watch.address)).unwrap();
        config.ask_facts = Some(AskFacts { url, timeout: DEADLINE });
        config.policies = Policies::Files(cli::serve::files(None, Some(facts.clone())).unwrap());
    });
    assert_eq!(uid(&post(&server, "/enforce", WEB)), Some(1500));
    assert_eq!(server.metric("ironhull_image_facts"), 1);
    // Others in a file leave it as it is.
    let write = |text: String| std::fs::write(&facts, document(&text)).unwrap();
    write("- {image: 'registry.corp/shop/api:1', uid: 1700, gid: 1700}".to_owned());
    eventually("a file", || server.metric("ironhull_image_facts") == 2);
    assert_eq!(uid(&post(&server, "/enforce", WEB)), Some(1500));
    assert_eq!(uid(&post(&server, "/enforce", "registry.corp/shop/api:1")), Some(1700));
    write(KNOWN.replace("1500", "1800"));
    eventually("a newer file", || uid(&post(&server, "/enforce", WEB)) == Some(1800));
    server.stop();
}
