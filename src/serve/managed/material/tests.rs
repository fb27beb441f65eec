#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

fn terms() -> Terms {
    let names = ["ironhull.ironhull-system.svc", "ironhull.ironhull-system"];
    Terms { names: names.map(str::to_owned).into(), lifetimes: Lifetimes::default() }
}

fn stored(material: &Material) -> BTreeMap<String, ByteString> {
    material.data().into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

#[test]
fn what_was_written_is_read() {
    let now = Timestamp::now();
    let made = Material::new(&terms(), None, now).unwrap();
    let read = Material::read(&stored(&made), &terms()).unwrap();
    assert_eq!(stored(&read), stored(&made));
    assert_eq!(read.due(&terms().lifetimes, now), None);
}

#[test]
fn each_is_due_in_time() {
    let Terms { lifetimes, .. } = terms();
    let now = Timestamp::now();
    let made = Material::new(&terms(), None, now).unwrap();
    assert_eq!(made.due(&lifetimes, now + days(59)), None);
    let later = now + days(61);
    let due = made.due(&lifetimes, later).unwrap();
    assert_eq!(due, Due::Leaf("the certificate expires soon"));
    let renewed = made.renewed(due, &terms(), later).unwrap();
    assert_eq!(renewed.bundle(), made.bundle());
    assert_ne!(renewed.pair.certificate, made.pair.certificate);
    assert!(Material::read(&stored(&renewed), &terms()).is_ok());
    // An expired certificate is renewed like any other: the cluster may have been off.
    assert!(matches!(made.due(&lifetimes, now + days(200)), Some(Due::Leaf(_))));
    assert!(Material::read(&stored(&made), &terms()).is_ok());

    let last = now + days(336);
    let due = renewed.due(&lifetimes, last).unwrap();
    assert_eq!(due, Due::Authority("the CA expires soon"));
    let rotated = renewed.renewed(due, &terms(), last).unwrap();
    assert_eq!(rotated.bundle().matches("BEGIN").count(), 2);
    assert!(rotated.bundle().ends_with(&made.bundle()), "the former stays trusted");
    let again = rotated.renewed(Due::Authority(""), &terms(), last + days(40)).unwrap();
    assert_eq!(again.bundle().matches("BEGIN").count(), 2, "the first is over");
    // The clock was wrong when it was made.
    let due = made.due(&lifetimes, now - days(1)).unwrap();
    assert_eq!(due, Due::Authority("the CA is not valid yet"));
}

#[test]
fn a_certificate_does_not_outlive_its_authority() {
    let now = Timestamp::now();
    let made = Material::new(&terms(), None, now).unwrap();
    let renewed = made.renewed(Due::Leaf(""), &terms(), now + days(330)).unwrap();
    assert_eq!(renewed.not_after, renewed.trusted[0].not_after);
}

#[test]
fn the_bundle_does_not_grow_for_ever() {
    let now = Timestamp::now();
    let mut material = Material::new(&terms(), None, now).unwrap();
    for _ in 0..6 {
        material = Material::new(&terms(), Some(&material), now).unwrap();
    }
    assert_eq!(material.bundle().matches("BEGIN").count(), MAX_TRUSTED);
}

#[test]
fn rubbish_is_refused() {
    let now = Timestamp::now();
    let good = Material::new(&terms(), None, now).unwrap();
    let other = Material::new(&terms(), None, now).unwrap();
    let with = |key: &str, value: &[u8]| {
        let mut data = stored(&good);
        data.insert(key.to_owned(), ByteString(value.to_vec()));
        Material::read(&data, &terms()).map(|_| ()).map_err(|flaw| flaw.to_string())
    };
    assert_eq!(Material::read(&BTreeMap::new(), &terms()).unwrap_err(), Flaw::Empty);
    assert_eq!(with("note", b"kept"), Ok(()));
    for (key, value, said) in [
        ("tls.key", b"".as_slice(), "it has no `tls.key`"),
        ("ca.crt", b"rubbish", "it holds no PEM certificate"),
        ("tls.crt", b"rubbish", "holds no PEM certificate"),
        ("tls.key", &other.pair.key, "does not belong to the certificate"),
        ("ca.crt", other.bundle().as_bytes(), "would not be trusted"),
    ] {
        let flaw = with(key, value).unwrap_err();
        assert!(flaw.contains(said), "{key}: {flaw}");
    }
    let elsewhere = Terms { names: vec!["ironhull.other.svc".to_owned()], ..terms() };
    let flaw = Material::read(&stored(&good), &elsewhere).unwrap_err();
    assert!(matches!(flaw, Flaw::Untrusted(_)), "{flaw}");
}

#[test]
fn a_lost_authority_key_matters_when_something_is_due() {
    let now = Timestamp::now();
    let good = Material::new(&terms(), None, now).unwrap();
    let other = Material::new(&terms(), None, now).unwrap();
    for key in [b"".as_slice(), b"rubbish", other.authority_key.as_bytes()] {
        let mut data = stored(&good);
        data.insert("ca.key".to_owned(), ByteString(key.to_vec()));
        let read = Material::read(&data, &terms()).unwrap();
        assert_eq!(read.due(&terms().lifetimes, now), None);
        let due = read.due(&terms().lifetimes, now + days(61)).unwrap();
        assert!(matches!(due, Due::Authority(_)));
        assert!(read.renewed(due, &terms(), now).unwrap().bundle().ends_with(&good.bundle()));
    }
}

#[test]
fn lifetimes_must_make_sense() {
    let default = Lifetimes::default();
    assert_eq!(default.check(), Ok(()));
    for bad in [
        Lifetimes { rotate_before: SignedDuration::ZERO, ..default },
        Lifetimes { rotate_before: days(90), ..default },
        Lifetimes { authority: days(89), ..default },
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
}

#[test]
fn its_debug_shows_no_key() {
    let made = Material::new(&terms(), None, Timestamp::now()).unwrap();
    assert!(!format!("{made:?}").contains("BEGIN"));
}
