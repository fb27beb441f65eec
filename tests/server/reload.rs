//! Certificates and policies change while the server runs: the good ones are put in
//! force, the bad ones kept out, and no request is lost.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ironhull::cli;
use ironhull::serve::certs::{CertificateFiles, PemPair};
use ironhull::serve::policy_files::PolicyFiles;
use ironhull::serve::{self, Certificate, Config, Policies};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

use crate::client::Trust;
use crate::fixture::{Fixture, certificate, certificate_until, echo, eventually, ready};

/// A directory as the kubelet mounts a Secret or a ConfigMap: the files are links
/// through `..data`, which is itself a link that an update swaps.
struct Mount {
    directory: TempDir,
    version: usize,
}

impl Mount {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let mut mount = Self { directory: tempfile::tempdir().unwrap(), version: 0 };
        mount.swap(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), mount.path(name)).unwrap();
        }
        mount
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn swap(&mut self, files: &[(&str, &[u8])]) {
        self.version += 1;
        let version = format!("..{}", self.version);
        fs::create_dir(self.path(&version)).unwrap();
        for (name, content) in files {
            fs::write(self.path(&version).join(name), content).unwrap();
        }
        symlink(&version, self.path("..new")).unwrap();
        fs::rename(self.path("..new"), self.path("..data")).unwrap();
    }

    fn swap_pair(&mut self, certificate: &[u8], key: &[u8]) {
        self.swap(&[("tls.crt", certificate), ("tls.key", key)]);
    }
}

fn serving(mount: &Mount, trusted: &[&PemPair]) -> Fixture {
    let trust = Trust::new(trusted.iter().map(|pair| pair.certificate.as_slice()));
    let mut config = Config::on_loopback(Certificate::Files(CertificateFiles {
        certificate: mount.path("tls.crt"),
        key: mount.path("tls.key"),
    }));
    config.poll_interval = Duration::from_millis(30);
    config.review = echo;
    Fixture { running: serve::start(config).unwrap(), trust }
}

fn der(pair: &PemPair) -> Vec<u8> {
    CertificateDer::from_pem_slice(&pair.certificate).unwrap().to_vec()
}

#[test]
fn a_certificate_is_swapped_under_load_and_no_request_fails() {
    let pairs: Vec<PemPair> = (0..4).map(|_| certificate()).collect();
    let mut mount = Mount::new(&[("tls.crt", &pairs[0].certificate), ("tls.key", &pairs[0].key)]);
    let server = serving(&mount, &pairs.iter().collect::<Vec<_>>());
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (0..3)
        .map(|_| {
            let (trust, address) = (server.trust.clone(), server.webhook());
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || {
                let mut kept = trust.connect(address).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(kept.post("/enforce", b"{}").unwrap().status, 200);
                    let mut fresh = trust.connect(address).unwrap();
                    assert_eq!(fresh.post("/enforce", b"{}").unwrap().status, 200);
                    answered.fetch_add(2, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for pair in &pairs[1..] {
        let before = answered.load(Ordering::Relaxed);
        mount.swap_pair(&pair.certificate, &pair.key);
        eventually("the new certificate is served", || server.connect().certificate() == der(pair));
        eventually("requests go on", || answered.load(Ordering::Relaxed) > before + 20);
    }
    stop.store(true, Ordering::Relaxed);
    for thread in load {
        thread.join().unwrap();
    }
    assert_eq!(server.metric(r#"ironhull_certificate_reloads_total{result="loaded"}"#), 3);
    assert_eq!(server.metric(r#"ironhull_certificate_reloads_total{result="refused"}"#), 0);
    server.stop();
}

#[test]
fn a_bad_certificate_is_kept_out() {
    let (first, second) = (certificate(), certificate());
    let mut mount = Mount::new(&[("tls.crt", &first.certificate), ("tls.key", &first.key)]);
    let server = serving(&mount, &[&first, &second]);
    let expired = certificate_until(2020);
    let refused = |count: u64, part: &str| {
        eventually(part, || {
            let (status, detail) = ready(server.ops());
            assert_eq!(status, 200, "the last good one is in force");
            let why = detail["certificate"]["refused"].as_str().unwrap_or_default();
            // A mismatch is never served, not even for a moment.
            assert_eq!(server.connect().certificate(), der(&first));
            let series = r#"ironhull_certificate_reloads_total{result="refused"}"#;
            server.metric(series) == count && why.contains(part)
        });
    };
    mount.swap_pair(&second.certificate, &first.key);
    refused(1, "the key does not belong to the certificate");
    mount.swap_pair(&first.certificate, &second.key);
    refused(2, "the key does not belong to the certificate");
    mount.swap_pair(b"nonsense", &first.key);
    refused(3, "no PEM certificate");
    mount.swap_pair(&expired.certificate, &expired.key);
    refused(4, "expired at");
    fs::remove_file(mount.path("..data")).unwrap();
    refused(5, "cannot read");

    mount.swap_pair(&second.certificate, &second.key);
    eventually("a good one is put in force", || server.connect().certificate() == der(&second));
    eventually("nothing is refused any more", || {
        ready(server.ops()).1["certificate"]["refused"].is_null()
    });
    assert_eq!(server.metric(r#"ironhull_certificate_reloads_total{result="loaded"}"#), 1);
    server.stop();
}

#[test]
fn a_rotation_in_two_writes_ends_with_the_new_pair() {
    let (first, second) = (certificate(), certificate());
    let directory = tempfile::tempdir().unwrap();
    let files = CertificateFiles {
        certificate: directory.path().join("cert"),
        key: directory.path().join("key"),
    };
    fs::write(&files.certificate, &first.certificate).unwrap();
    fs::write(&files.key, &first.key).unwrap();
    let mut config = Config::on_loopback(Certificate::Files(files.clone()));
    config.poll_interval = Duration::from_millis(30);
    let trust = Trust::new([first.certificate.as_slice(), second.certificate.as_slice()]);
    let server = Fixture { running: serve::start(config).unwrap(), trust };

    fs::write(&files.key, &second.key).unwrap();
    eventually("the half-written pair is refused", || {
        assert_eq!(server.connect().certificate(), der(&first));
        ready(server.ops()).1["certificate"]["refused"].is_string()
    });
    fs::write(&files.certificate, &second.certificate).unwrap();
    eventually("the pair is whole", || server.connect().certificate() == der(&second));
    server.stop();
}

fn policy(name: &str, namespace: &str, more: &str) -> Vec<u8> {
    format!(
        "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {{name: {name}}}\n\
         spec:\n  namespaces: [{namespace}]\n{more}"
    )
    .into_bytes()
}

#[test]
fn policies_are_swapped_and_a_bad_one_is_kept_out() {
    let web = policy("web", "web", "");
    let mut mount = Mount::new(&[("one.yaml", &web), ("two.yaml", &policy("db", "db", ""))]);
    let server = crate::fixture::with(|config| {
        config.review = echo;
        config.policies = Policies::Files(files(mount.directory.path()));
    });
    let loaded = |names: &[&str]| {
        let said = server.connect().post("/enforce", b"{}").unwrap().json();
        said["loaded"] == serde_json::json!(names)
    };
    assert!(loaded(&["web", "db"]));
    assert_eq!(server.metric("ironhull_policies"), 2);

    mount.swap(&[("one.yaml", &web), ("two.yaml", &policy("cache", "cache", ""))]);
    eventually("the new policies are in force", || loaded(&["web", "cache"]));
    assert_eq!(server.metric(r#"ironhull_policy_reloads_total{result="loaded"}"#), 1);

    let bad = policy("bad", "bad", "  rules: {runAsRoot: enforce}\n");
    mount.swap(&[("one.yaml", &bad), ("two.yaml", &policy("db", "db", ""))]);
    eventually("the bad policies are refused", || {
        let (status, detail) = ready(server.ops());
        assert_eq!(status, 200);
        assert!(loaded(&["web", "cache"]), "whole: not even the good one of them is loaded");
        let why = detail["policies"]["refused"].as_str().unwrap_or_default();
        why.contains("one.yaml:6:") && why.contains("`runAsRoot`")
    });
    assert_eq!(server.metric(r#"ironhull_policy_reloads_total{result="refused"}"#), 1);
    assert_eq!(server.metric("ironhull_policies"), 2);

    mount.swap(&[("one.yaml", &web), ("two.yaml", &policy("db", "db", ""))]);
    eventually("good policies are taken again", || loaded(&["web", "db"]));
    eventually("nothing is refused any more", || {
        ready(server.ops()).1["policies"]["refused"].is_null()
    });

    drop(mount);
    eventually("it is said that the directory is gone", || {
        assert!(loaded(&["web", "db"]));
        let detail = ready(server.ops()).1;
        detail["policies"]["refused"].as_str().is_some_and(|why| why.contains("cannot read"))
    });
    server.stop();
}

#[test]
fn policies_that_vanish_stay_in_force_until_they_are_back() {
    let (web, db) = (policy("web", "web", ""), policy("db", "db", ""));
    let mut mount = Mount::new(&[("one.yaml", &web), ("two.yaml", &db)]);
    let path = mount.directory.path().to_owned();
    let aside = path.with_extension("aside");
    let server = crate::fixture::with(|config| {
        config.review = echo;
        config.policies = Policies::Files(cli::serve::files(Some(path.clone()), None).unwrap());
    });
    let refused = |count: u64, what: &str| {
        eventually(what, || {
            let said = server.connect().post("/enforce", b"{}").unwrap().json();
            assert_eq!(said["loaded"], serde_json::json!(["web", "db"]), "{what}");
            let (status, detail) = ready(server.ops());
            assert_eq!(status, 200, "{what}");
            let series = r#"ironhull_policy_reloads_total{result="refused"}"#;
            detail["policies"]["refused"].is_string() && server.metric(series) == count
        });
    };
    let back = |what: &str| {
        eventually(what, || ready(server.ops()).1["policies"]["refused"].is_null());
    };

    fs::rename(&path, &aside).unwrap();
    refused(1, "the directory is gone");
    fs::rename(&aside, &path).unwrap();
    back("the directory is back");

    fs::rename(mount.path("..data"), mount.path("..gone")).unwrap();
    symlink("..nowhere", mount.path("..data")).unwrap();
    refused(2, "a swap to nowhere");
    fs::rename(mount.path("..gone"), mount.path("..data")).unwrap();
    back("the link leads somewhere again");

    mount.swap(&[("one.yaml", &web), ("two.yaml", &db[..db.len() - 10])]);
    refused(3, "a file that ends in the middle");
    mount.swap(&[("one.yaml", &web), ("two.yaml", b"\0\0\xff")]);
    refused(4, "a file of garbage");
    mount.swap(&[("one.yaml", &web), ("two.yaml", &db)]);
    back("the files are whole again");

    fs::rename(&path, &aside).unwrap();
    fs::write(&path, "kind: HardeningPolicy").unwrap();
    refused(5, "a file in the directory's place");
    fs::remove_file(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    back("the directory is back again");
    server.stop();
}

/// The policies at a path.
fn files(path: &Path) -> PolicyFiles {
    cli::serve::files(Some(path.to_owned()), None).unwrap()
}

const POD: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{
    "uid":"705ab4f5-6393-11e8-b7cc-42010a800002","operation":"CREATE","namespace":"shop",
    "kind":{"group":"","version":"v1","kind":"Pod"},
    "resource":{"group":"","version":"v1","resource":"pods"},
    "object":{"metadata":{"name":"web"},"spec":{"containers":[
        {"name":"web","image":"registry.corp/shop/web:1"}]}}}}"#;

/// Facts come late, are mended and go again; policies do not depend on them.
#[test]
fn facts_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let facts = directory.path().join("facts");
    let server = crate::fixture::with(|config| {
        let files = cli::serve::files(None, Some(facts.clone())).unwrap();
        config.policies = Policies::Files(files);
    });
    let uid = || {
        let said = server.connect().post("/enforce", POD.as_bytes()).unwrap().json();
        let patch = said["response"]["patch"].as_str().unwrap().to_owned();
        let patch = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, patch).unwrap();
        let patch: serde_json::Value = serde_json::from_slice(&patch).unwrap();
        patch[0]["value"]["runAsUser"].as_i64()
    };
    let of = |user: &str| {
        format!(
            "apiVersion: ironhull.dev/v1alpha1\nkind: ImageFacts\nimages:\n\
             - {{image: 'registry.corp/shop/web:1', user: app, {user}}}\n"
        )
    };
    assert_eq!(uid(), Some(1000));
    assert_eq!(server.metric("ironhull_image_facts"), 0);
    fs::create_dir(&facts).unwrap();
    fs::write(facts.join("00.yaml"), of("uid: 500, gid: 500")).unwrap();
    eventually("the facts are in force", || uid() == Some(500));
    assert_eq!(server.metric("ironhull_image_facts"), 1);
    fs::write(facts.join("00.yaml"), of("uid: many")).unwrap();
    eventually("bad facts are refused", || {
        assert_eq!(uid(), Some(500));
        let why = ready(server.ops()).1["imageFacts"]["refused"].clone();
        why.as_str().is_some_and(|why| why.contains("00.yaml:4:"))
    });
    assert_eq!(server.metric("ironhull_image_facts_refused"), 1);
    // Policies and other facts are none the worse for a file of another version.
    fs::write(facts.join("01.yaml"), of("uid: 501, gid: 501, newKey: 1")).unwrap();
    fs::write(facts.join("00.yaml"), of("uid: 501, gid: 501")).unwrap();
    eventually("one file is mended", || server.metric("ironhull_image_facts_refused") == 1);
    assert_eq!(uid(), Some(500));
    fs::remove_file(facts.join("01.yaml")).unwrap();
    eventually("all are", || uid() == Some(501));
    assert_eq!(server.metric("ironhull_image_facts_refused"), 0);
    fs::remove_dir_all(&facts).unwrap();
    eventually("they are gone, and the policy stays", || uid() == Some(1000));
    server.stop();
}
