//! A server with self-managed certificates whose API server is away: the cluster's own
//! answers are tested where a fake one is, beside the code.

use std::time::Duration;

use ironhull::serve::managed::material::Lifetimes;
use ironhull::serve::managed::{SETTLING, Settings};
use ironhull::serve::{self, Certificate, Config};
use kube::Client;

use crate::client::{Trust, get};
use crate::fixture::{certificate, eventually, ready};

fn settings(client: Client) -> Settings {
    Settings {
        namespace: "ironhull-system".to_owned(),
        secret: "ironhull-certificates".to_owned(),
        service: "ironhull".to_owned(),
        configurations: vec!["zz-ironhull".to_owned()],
        lifetimes: Lifetimes::default(),
        settling: SETTLING,
        client: Some(client),
    }
}

/// A client of an API server that nobody has started.
fn nobody() -> Client {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
            send.send(Client::try_from(config).unwrap()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receive.recv().unwrap()
}

#[test]
fn without_an_api_server_it_is_alive_and_not_ready() {
    let settings = settings(nobody());
    let mut config = Config::on_loopback(Certificate::Managed(Box::new(settings)));
    config.poll_interval = Duration::from_millis(50);
    let running = serve::start(config).unwrap();
    eventually("it says why", || {
        let (status, report) = ready(running.ops_addr);
        let why = report["certificate"]["refused"].as_str().unwrap_or_default().to_owned();
        status == 503
            && report["ready"] == false
            && why.starts_with("cannot get the MutatingWebhookConfiguration `zz-ironhull`")
    });
    assert_eq!(get(running.ops_addr, "/healthz").status, 200);
    let trust = Trust::new([certificate().certificate.as_slice()]);
    assert!(trust.connect(running.webhook_addr).is_err(), "there is nothing to serve");
    running.stop().unwrap();
}

#[test]
fn lifetimes_that_make_no_sense_are_refused_at_start() {
    let mut settings = settings(nobody());
    settings.lifetimes.rotate_before = settings.lifetimes.certificate;
    let config = Config::on_loopback(Certificate::Managed(Box::new(settings)));
    let error = format!("{:#}", serve::start(config).unwrap_err());
    assert!(error.contains("cannot be rotated"), "{error}");
}
