//! Replicas against a fake API server, which keeps one Secret and some configurations in memory and
//! has versions as a real one has.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, Response, StatusCode};
use jiff::SignedDuration;
use k8s_openapi::ByteString;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

const NAMESPACE: &str = "ironhull-system";
const SECRET: &str = "ironhull-certificates";
const CONFIGURATION: &str = "zz-ironhull";

/// A change that somebody else makes just before a certain request is answered.
type Interference = Box<dyn FnOnce(&mut State) + Send>;

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    requests: Vec<String>,
    refused: BTreeMap<String, u16>,
    unreachable: bool,
    before: Option<(String, Interference)>,
}

#[derive(Clone)]
struct Fake(Arc<Mutex<State>>);

impl Fake {
    fn new() -> Self {
        let mut state = State::default();
        state.put(SECRET, json!({"metadata": {"name": SECRET, "namespace": NAMESPACE}}));
        let webhook = |name: &str| {
            let service = json!({"name": "ironhull", "namespace": NAMESPACE, "path": "/enforce"});
            json!({"name": name, "clientConfig": {"service": service}, "sideEffects": "None",
                   "admissionReviewVersions": ["v1"], "fromTheFuture": {"kept": true}})
        };
        state.put(
            CONFIGURATION,
            json!({
                "metadata": {"name": CONFIGURATION},
                "webhooks": [webhook("enforce.ironhull.dev"), webhook("audit.ironhull.dev")],
            }),
        );
        Self(Arc::new(Mutex::new(state)))
    }

    fn client(&self) -> Client {
        let state = Arc::clone(&self.0);
        let service = tower::service_fn(move |request: Request<Body>| {
            let state = Arc::clone(&state);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                // Let the other tasks run, as on a network.
                tokio::task::yield_now().await;
                let answer = state.lock().unwrap().answer(&head, &body);
                let (status, value) = answer.ok_or("connection refused")?;
                let response = Response::builder().status(status);
                let response = response.header("content-type", "application/json");
                Ok::<_, tower::BoxError>(response.body(Body::from(value.to_string().into_bytes()))?)
            }
        });
        Client::new(service, NAMESPACE)
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    fn bundles(&self) -> Vec<String> {
        self.with(|state| state.bundles())
    }

    fn secret(&self) -> BTreeMap<String, ByteString> {
        self.with(|state| {
            let data = &state.objects[SECRET]["data"];
            serde_json::from_value(data.clone()).unwrap_or_default()
        })
    }

    fn text(&self, key: &str) -> String {
        String::from_utf8(self.secret()[key].0.clone()).unwrap()
    }

    fn put_material(&self, material: &Material) {
        self.with(|state| state.put_material(material));
    }

    /// The requests received since the last call.
    fn requests(&self) -> Vec<String> {
        self.with(|state| std::mem::take(&mut state.requests))
    }
}

impl State {
    fn put(&mut self, name: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(name.to_owned(), object);
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.objects[name].clone();
        change(&mut object);
        self.put(name, object);
    }

    fn put_material(&mut self, material: &Material) {
        let data = json!(material.data());
        self.change(SECRET, |secret| secret["data"] = data);
    }

    fn put_bundle(&mut self, bundle: &str) {
        let bundle = json!(STANDARD.encode(bundle));
        self.change(CONFIGURATION, |configuration| {
            for webhook in configuration["webhooks"].as_array_mut().unwrap() {
                webhook["clientConfig"]["caBundle"] = bundle.clone();
            }
        });
    }

    fn bundles(&self) -> Vec<String> {
        let webhooks = self.objects[CONFIGURATION]["webhooks"].as_array().unwrap();
        let bundle = |webhook: &Value| {
            let bundle = webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default();
            String::from_utf8(STANDARD.decode(bundle).unwrap()).unwrap()
        };
        webhooks.iter().map(bundle).collect()
    }

    fn answer(&mut self, head: &http::request::Parts, body: &[u8]) -> Option<(StatusCode, Value)> {
        let path = head.uri.path();
        let kind = if path.starts_with("/api/v1/namespaces/ironhull-system/secrets/") {
            "secret"
        } else if path
            .starts_with("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/")
        {
            "configuration"
        } else {
            panic!("a request for {path}");
        };
        let verb = match head.method {
            Method::GET => "get",
            Method::PATCH => "patch",
            _ => panic!("a {} of {path}", head.method),
        };
        let request = format!("{verb} {kind}");
        if self.before.as_ref().is_some_and(|(which, _)| *which == request) {
            let (_, interference) = self.before.take().unwrap();
            interference(self);
        }
        self.requests.push(request.clone());
        if self.unreachable {
            return None;
        }
        if let Some(code) = self.refused.get(&request) {
            return Some(status(*code, "User \"system:serviceaccount:x\" cannot do this"));
        }
        let name = path.rsplit('/').next().unwrap();
        let Some(object) = self.objects.get(name) else {
            return Some(status(404, &format!("\"{name}\" not found")));
        };
        if verb == "patch" {
            assert_eq!(head.uri.query(), Some("&fieldManager=ironhull"));
            let before = object.clone();
            let mut patched = object.clone();
            match head.headers["content-type"].to_str().unwrap() {
                "application/merge-patch+json" => {
                    json_patch::merge(&mut patched, &serde_json::from_slice(body).unwrap());
                }
                "application/json-patch+json" => {
                    let patch: json_patch::Patch = serde_json::from_slice(body).unwrap();
                    if let Err(error) = json_patch::patch(&mut patched, &patch) {
                        self.requests.push("misfit".to_owned());
                        return Some(status(422, &error.to_string()));
                    }
                }
                other => panic!("{other}"),
            }
            if patched["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"] {
                self.requests.push("conflict".to_owned());
                return Some(status(409, "the object has been modified"));
            }
            self.put(name, patched);
        }
        Some((StatusCode::OK, self.objects[name].clone()))
    }
}

fn status(code: u16, message: &str) -> (StatusCode, Value) {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        422 => "Invalid",
        _ => "InternalError",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "code": code,
                        "status": "Failure", "reason": reason, "message": message});
    (StatusCode::from_u16(code).unwrap(), status)
}

/// One replica.
struct Replica {
    keeper: Keeper,
    in_force: Arc<InForce>,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
}

fn settings(fake: &Fake) -> Settings {
    Settings {
        namespace: NAMESPACE.to_owned(),
        secret: SECRET.to_owned(),
        service: "ironhull".to_owned(),
        configurations: vec![CONFIGURATION.to_owned()],
        lifetimes: Lifetimes::default(),
        settling: Duration::ZERO,
        client: Some(fake.client()),
    }
}

impl Replica {
    fn new(fake: &Fake) -> Self {
        let settings = settings(fake);
        let in_force = InForce::new(None);
        let (metrics, readiness) = (Arc::new(Metrics::new()), Arc::new(Readiness::default()));
        let seen = (Arc::clone(&metrics), Arc::clone(&readiness));
        let keeper = Keeper::new(&settings, fake.client(), Arc::clone(&in_force), seen);
        Self { keeper, in_force, readiness, metrics }
    }

    /// DER of the served certificate.
    fn serves(&self) -> Option<Vec<u8>> {
        Some(self.in_force.identity()?.key.cert[0].to_vec())
    }

    fn refused(&self) -> String {
        let report: Value = serde_json::from_str(&self.readiness.report()).unwrap();
        report["certificate"]["refused"].as_str().unwrap_or_default().to_owned()
    }
}

fn der(material: &Material) -> Option<Vec<u8>> {
    let pair = &material.pair;
    Some(Identity::from_pem(&pair.certificate, &pair.key).unwrap().key.cert[0].to_vec())
}

fn terms(fake: &Fake) -> Terms {
    settings(fake).terms()
}

fn stored(fake: &Fake) -> Material {
    Material::read(&fake.secret(), &terms(fake)).unwrap()
}

fn ago(days: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(24 * days)
}

const FIRST_TIME: [&str; 4] =
    ["get configuration", "get secret", "patch secret", "patch configuration"];
const NOTHING_TO_DO: [&str; 2] = ["get configuration", "get secret"];

#[tokio::test]
async fn an_empty_secret_is_filled() {
    let fake = Fake::new();
    let mut replica = Replica::new(&fake);
    assert!(!replica.readiness.is_ready());
    assert!(replica.keeper.look().await);
    assert_eq!(fake.requests(), FIRST_TIME);
    assert!(replica.readiness.is_ready());
    assert_eq!(replica.serves(), der(&stored(&fake)));
    assert_eq!(fake.bundles(), [fake.text("ca.crt"), fake.text("ca.crt")]);
    fake.with(|state| {
        let configuration = &state.objects[CONFIGURATION];
        assert_eq!(configuration["webhooks"][1]["fromTheFuture"], json!({"kept": true}));
    });

    assert!(replica.keeper.look().await);
    assert_eq!(fake.requests(), NOTHING_TO_DO);
    assert_eq!(replica.metrics.certificate_reloads.loaded.get(), 0);

    let mut other = Replica::new(&fake);
    assert!(other.keeper.look().await);
    assert_eq!(fake.requests(), NOTHING_TO_DO);
    assert_eq!(other.serves(), replica.serves());
}

#[tokio::test]
async fn replicas_that_begin_at_once_agree() {
    let fake = Fake::new();
    let mut replicas = [(); 3].map(|()| Replica::new(&fake));
    let [a, b, c] = &mut replicas;
    let all = tokio::join!(a.keeper.look(), b.keeper.look(), c.keeper.look());
    assert_eq!(all, (true, true, true));
    assert!(fake.requests().contains(&"conflict".to_owned()), "they were not at once");
    for replica in &replicas {
        assert_eq!(replica.serves(), der(&stored(&fake)));
    }
    assert_eq!(fake.bundles(), [fake.text("ca.crt"), fake.text("ca.crt")]);
}

#[tokio::test]
async fn the_faster_of_two_wins() {
    let fake = Fake::new();
    let theirs = Material::new(&terms(&fake), None, Timestamp::now()).unwrap();
    let (written, bundle) = (theirs.clone(), theirs.bundle());
    fake.with(|state| {
        let interference = move |state: &mut State| {
            state.put_material(&written);
            state.put_bundle(&bundle);
        };
        state.before = Some(("patch secret".to_owned(), Box::new(interference)));
    });
    let mut replica = Replica::new(&fake);
    assert!(replica.keeper.look().await);
    let requests = fake.requests();
    assert_eq!(requests[2..], ["patch secret", "conflict", "get configuration", "get secret"]);
    assert_eq!(replica.serves(), der(&theirs));
    assert_eq!(fake.bundles()[0], theirs.bundle());
}

/// A replica that has read an old Secret must not remove the trust that another has just
/// established.
#[tokio::test]
async fn an_old_bundle_never_replaces_a_new_one() {
    let fake = Fake::new();
    let old = Material::new(&terms(&fake), None, Timestamp::now()).unwrap();
    let new = Material::new(&terms(&fake), Some(&old), Timestamp::now()).unwrap();
    fake.put_material(&old);
    let written = new.clone();
    fake.with(|state| {
        let interference = move |state: &mut State| {
            state.put_material(&written);
            state.put_bundle(&written.bundle());
        };
        state.before = Some(("patch configuration".to_owned(), Box::new(interference)));
    });
    let mut replica = Replica::new(&fake);
    assert!(replica.keeper.look().await);
    assert!(fake.requests().contains(&"conflict".to_owned()));
    assert_eq!(fake.bundles(), [new.bundle(), new.bundle()]);
    assert_eq!(replica.serves(), der(&new));
}

/// Two replicas that serve under an authority with 25 days left.
async fn before_a_rotation(fake: &Fake) -> (Material, Replica, Replica) {
    let year = SignedDuration::from_hours(24 * 365);
    let mut long = terms(fake);
    long.lifetimes.certificate = year;
    let old = Material::new(&long, None, ago(340)).unwrap();
    fake.put_material(&old);
    let mut replicas = [Replica::new(fake), Replica::new(fake)];
    for replica in &mut replicas {
        replica.keeper.terms.lifetimes.rotate_before = SignedDuration::from_hours(24);
        assert!(replica.keeper.look().await);
        assert_eq!(replica.serves(), der(&old));
        replica.keeper.terms.lifetimes = Lifetimes::default();
    }
    let _done = fake.requests();
    let [one, other] = replicas;
    (old, one, other)
}

#[tokio::test]
async fn a_new_authority_is_trusted_before_it_is_used() {
    let fake = Fake::new();
    let (old, mut one, mut other) = before_a_rotation(&fake).await;
    one.keeper.settling = Duration::from_secs(3600);
    other.keeper.settling = Duration::from_secs(3600);
    assert!(one.keeper.look().await);
    assert_eq!(fake.requests(), FIRST_TIME);
    let new = stored(&fake);
    assert_ne!(der(&new), der(&old));
    for bundle in fake.bundles() {
        assert_eq!(bundle, new.bundle());
        assert!(bundle.ends_with(&old.bundle()), "the old one stays trusted");
        assert_eq!(bundle.matches("BEGIN").count(), 2);
    }
    assert_eq!(one.serves(), der(&old), "not yet: API servers have to notice");

    assert!(other.keeper.look().await);
    assert_eq!(fake.requests(), NOTHING_TO_DO, "the other one has done it all");
    assert_eq!(other.serves(), der(&old));

    for replica in [&mut one, &mut other] {
        replica.keeper.settling = Duration::ZERO;
        assert!(replica.keeper.look().await);
        assert_eq!(replica.serves(), der(&new));
        assert_eq!(replica.metrics.certificate_reloads.loaded.get(), 1);
    }
    assert_eq!(fake.requests(), [NOTHING_TO_DO, NOTHING_TO_DO].concat());
}

#[tokio::test]
async fn a_certificate_that_would_not_be_trusted_is_not_served() {
    let fake = Fake::new();
    let (old, mut one, _) = before_a_rotation(&fake).await;
    fake.with(|state| state.refused.insert("patch configuration".to_owned(), 403));
    assert!(!one.keeper.look().await);
    assert_eq!(one.serves(), der(&old));
    assert_eq!(
        one.refused(),
        "not allowed to patch the MutatingWebhookConfiguration `zz-ironhull`: \
         User \"system:serviceaccount:x\" cannot do this"
    );
    assert!(one.readiness.is_ready(), "the old one is still good");
    fake.with(|state| state.refused.clear());
    assert!(one.keeper.look().await);
    assert_eq!(one.serves(), der(&stored(&fake)));
    assert_eq!(one.refused(), "");
}

#[tokio::test]
async fn the_certificate_alone_is_renewed_under_the_same_authority() {
    let fake = Fake::new();
    let old = Material::new(&terms(&fake), None, ago(70)).unwrap();
    fake.put_material(&old);
    let mut replica = Replica::new(&fake);
    assert!(replica.keeper.look().await);
    assert_eq!(fake.bundles()[0], old.bundle());
    assert_ne!(replica.serves(), der(&old));
    assert_eq!(replica.serves(), der(&stored(&fake)));
}

#[tokio::test]
async fn a_bundle_that_somebody_wiped_is_restored() {
    let fake = Fake::new();
    let mut replica = Replica::new(&fake);
    assert!(replica.keeper.look().await);
    let bundle = fake.text("ca.crt");
    fake.with(|state| {
        state.change(CONFIGURATION, |configuration| {
            let webhooks = configuration["webhooks"].as_array_mut().unwrap();
            webhooks[0]["clientConfig"].as_object_mut().unwrap().remove("caBundle");
            webhooks[1]["clientConfig"]["caBundle"] = json!(STANDARD.encode("rubbish"));
            webhooks.push(json!({"name": "new.ironhull.dev", "clientConfig": {}}));
        });
    });
    let before = replica.serves();
    assert!(replica.keeper.look().await);
    assert_eq!(fake.bundles(), vec![bundle; 3]);
    assert_eq!(replica.serves(), before);
}

#[tokio::test]
async fn rubbish_is_replaced_and_the_present_authority_stays_trusted() {
    for rubbish in [json!(null), json!({"tls.crt": STANDARD.encode("rubbish")})] {
        let fake = Fake::new();
        let mut replica = Replica::new(&fake);
        assert!(replica.keeper.look().await);
        let before = fake.text("ca.crt");
        fake.with(|state| state.change(SECRET, |secret| secret["data"] = rubbish));
        assert!(replica.keeper.look().await);
        assert_ne!(fake.text("ca.crt"), before);
        assert!(fake.text("ca.crt").ends_with(&before), "who serves the old one can go on");
        assert_eq!(replica.serves(), der(&stored(&fake)));
    }
}

#[tokio::test]
async fn what_is_forbidden_or_missing_is_named() {
    for (request, code, said) in [
        ("get secret", 403, "not allowed to get the Secret `ironhull-certificates` in namespace"),
        ("patch secret", 403, "not allowed to patch the Secret `ironhull-certificates`"),
        ("get configuration", 403, "not allowed to get the MutatingWebhookConfiguration"),
        ("patch configuration", 403, "not allowed to patch the MutatingWebhookConfiguration"),
        ("get secret", 404, "not found; ironhull fills it, but does not create it"),
        ("get configuration", 404, "not found; check the name"),
        ("patch secret", 500, "cannot patch the Secret"),
    ] {
        let fake = Fake::new();
        fake.with(|state| state.refused.insert(request.to_owned(), code));
        let mut replica = Replica::new(&fake);
        for _ in 0..2 {
            assert!(!replica.keeper.look().await);
        }
        assert!(replica.refused().contains(said), "{request}: {}", replica.refused());
        assert_eq!(replica.metrics.certificate_reloads.refused.get(), 1, "it is said once");
        assert!(!replica.readiness.is_ready());
        assert_eq!(replica.serves(), None);
        fake.with(|state| state.refused.clear());
        assert!(replica.keeper.look().await);
        assert!(replica.readiness.is_ready());
    }
}

#[tokio::test]
async fn an_api_server_that_is_away_is_waited_for() {
    let fake = Fake::new();
    fake.with(|state| state.unreachable = true);
    let mut replica = Replica::new(&fake);
    assert!(!replica.keeper.look().await);
    assert!(!replica.readiness.is_ready());
    let said = replica.refused();
    assert!(said.starts_with("cannot get the MutatingWebhookConfiguration"), "{said}");
    assert!(said.contains("connection refused"), "{said}");
    fake.with(|state| state.unreachable = false);
    assert!(replica.keeper.look().await);
    let serves = replica.serves();
    fake.with(|state| state.unreachable = true);
    assert!(!replica.keeper.look().await);
    assert!(replica.readiness.is_ready());
    assert_eq!(replica.serves(), serves);
}
