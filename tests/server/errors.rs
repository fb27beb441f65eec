//! What is not a review gets a status and one line.

use crate::client::post;
use crate::fixture::{self, echoing, panicking};

#[test]
fn each_error_is_one_clear_line() {
    let server = echoing();
    let head = "host: localhost\r\ncontent-length: 2\r\n";
    let json = "content-type: application/json\r\n";
    for (request, status, part) in [
        (format!("POST / HTTP/1.1\r\n{head}{json}\r\n{{}}"), 404, "no such path"),
        (format!("POST /enforce/ HTTP/1.1\r\n{head}{json}\r\n{{}}"), 404, "no such path"),
        (format!("POST /advise/web HTTP/1.1\r\n{head}{json}\r\n{{}}"), 404, "no such path"),
        (format!("PUT /enforce HTTP/1.1\r\n{head}{json}\r\n{{}}"), 405, "only POST"),
        ("GET /audit HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), 405, "only POST"),
        (format!("POST /enforce HTTP/1.1\r\n{head}\r\n{{}}"), 415, "application/json"),
        (
            format!("POST /enforce HTTP/1.1\r\n{head}content-type: text/plain\r\n\r\n{{}}"),
            415,
            "application/json",
        ),
        (
            format!("POST /enforce HTTP/1.1\r\n{head}{json}content-encoding: gzip\r\n\r\n{{}}"),
            415,
            "content encoding",
        ),
        (
            format!("POST /enforce HTTP/1.1\r\nhost: l\r\ncontent-length: 7340033\r\n{json}\r\n"),
            413,
            "larger than 7340032 bytes",
        ),
    ] {
        let mut client = server.connect();
        client.send(request.as_bytes()).unwrap();
        let answer = client.answer().unwrap();
        assert_eq!(answer.status, status, "{request}");
        assert!(answer.text().contains(part), "{request}: {}", answer.text());
        assert_eq!(answer.text().lines().count(), 1, "{request}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert!(answer.closes(), "what was not read to its end cannot be followed");
        assert!(client.is_closed(), "{request}");
    }
    assert_eq!(server.metric(r#"ironhull_http_errors_total{code="404"}"#), 3);
    assert_eq!(server.metric(r#"ironhull_http_errors_total{code="405"}"#), 2);
    assert_eq!(server.metric(r#"ironhull_http_errors_total{code="413"}"#), 1);
    assert_eq!(server.metric(r#"ironhull_http_errors_total{code="415"}"#), 3);
    server.stop();
}

#[test]
fn accepts_parameters_and_spelling_of_the_content_type() {
    let server = echoing();
    let mut client = server.connect();
    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/json;x=y"] {
        let request = format!(
            "POST /enforce HTTP/1.1\r\nhost: l\r\ncontent-type: {kind}\r\n\
             content-encoding: identity\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        client.send(request.as_bytes()).unwrap();
        assert_eq!(client.answer().unwrap().status, 200, "{kind}");
    }
    server.stop();
}

#[test]
fn every_path_reaches_its_endpoint_on_one_connection() {
    let server = echoing();
    let mut client = server.connect();
    for (path, mode, policy) in [
        ("/enforce", "enforce", None),
        ("/enforce/web", "enforce", Some("web")),
        ("/audit", "audit", None),
        ("/audit/web.v2", "audit", Some("web.v2")),
        ("/advise", "advise", None),
        ("/enforce?timeout=10s", "enforce", None),
    ] {
        let answer = client.post(path, b"{}").unwrap();
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(!answer.closes(), "{path}");
        let said = answer.json();
        assert_eq!(said["mode"], mode, "{path}");
        assert_eq!(said["policy"].as_str(), policy, "{path}");
    }
    server.stop();
}

#[test]
fn large_and_chunked_bodies_arrive_whole() {
    let server = echoing();
    let mut client = server.connect();
    for length in [0, 1, 16 * 1024, 100_000, 7 << 20] {
        let answer = client.post("/enforce", &vec![b' '; length]).unwrap();
        assert_eq!(answer.status, 200, "{length}");
        assert_eq!(answer.json()["length"], length);
    }
    client.send(&chunked(3_000_000)).unwrap();
    assert_eq!(client.answer().unwrap().json()["length"], 3_000_000);
    assert_eq!(client.post("/enforce", b"{}").unwrap().status, 200, "the connection goes on");
    assert_eq!(server.metric("ironhull_body_bytes_in_flight"), 0);
    server.stop();
}

#[test]
fn a_chunked_body_over_the_limit_is_refused_as_it_grows() {
    let server = fixture::with(|config| {
        config.review = fixture::echo;
        config.max_body = 100_000;
    });
    let mut client = server.connect();
    client.send(&chunked(150_000)).unwrap();
    let answer = client.answer().unwrap();
    assert_eq!(answer.status, 413);
    assert!(answer.closes());
    assert_eq!(server.connect().post("/enforce", b"{}").unwrap().status, 200);
    server.stop();
}

#[test]
fn a_body_announced_with_expect_is_asked_for() {
    let server = echoing();
    let mut client = server.connect();
    let request = post("/enforce", b"{}");
    let text = String::from_utf8(request).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    client.send(format!("{head}\r\nexpect: 100-continue\r\n\r\n").as_bytes()).unwrap();
    client.send(body.as_bytes()).unwrap();
    assert_eq!(client.answer().unwrap().status, 200);
    server.stop();
}

#[test]
fn a_panic_costs_one_request() {
    let server = fixture::with(|config| config.review = panicking);
    let mut client = server.connect();
    let answer = client.post("/enforce", b"panic").unwrap();
    assert_eq!(answer.status, 500);
    assert_eq!(answer.text(), "ironhull failed to answer this review\n");
    assert_eq!(client.post("/enforce", b"{}").unwrap().status, 200);
    assert_eq!(server.metric("ironhull_panics_total"), 1);
    assert_eq!(server.metric(r#"ironhull_http_errors_total{code="500"}"#), 1);
    server.stop();
}

fn chunked(length: usize) -> Vec<u8> {
    let mut request = b"POST /enforce HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\n\
        transfer-encoding: chunked\r\n\r\n"
        .to_vec();
    let mut left = length;
    while left > 0 {
        let size = left.min(50_000);
        request.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        request.resize(request.len() + size, b' ');
        request.extend_from_slice(b"\r\n");
        left -= size;
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}
