//! Replicas against a fake API server.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::{Value, json};

mod fake;

use super::*;
use fake::{Fake, State};

const NAMESPACE: &str = "ironhull-system";
const SECRET: &str = "ironhull-certificates";
const CONFIGURATION: &str = "zz-ironhull";

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
