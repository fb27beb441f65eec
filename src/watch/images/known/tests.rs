#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says where")]

use super::image::MAX_SECRETS;
use super::registries::HELD;
use super::*;
use crate::images::error::ErrorKind;

const NOW: i64 = 1_800_000_000;

fn digest(n: u8) -> Digest {
    Digest::of(&[n])
}

/// A pod's image that runs as digest `n`.
fn pod(image: &str, n: Option<u8>) -> PodImage {
    PodImage { image: image.to_owned(), digest: n.map(digest), user: None }
}

fn facts(image: &str, n: u8, from: Origin) -> ImageFacts {
    ImageFacts {
        image: image.to_owned(),
        digest: Some(digest(n).to_string()),
        from,
        uid: Some(u32::from(n)),
        ..ImageFacts::default()
    }
}

fn error(kind: ErrorKind) -> Result<Option<Vec<ImageFacts>>, ImageError> {
    Err(ImageError::new(kind, "why"))
}

/// One that reads layers.
fn known() -> KnownImages {
    KnownImages::new(true, Vec::new())
}

/// Reads what is due, as digest `n`, first the configurations. Returns what was read.
fn read(known: &mut KnownImages, n: u8, now: i64) -> Vec<(String, Depth)> {
    let mut read = Vec::new();
    for depth in [Depth::Configuration, Depth::Layers] {
        while let Some(job) = known.next(depth, now) {
            let from = match depth {
                Depth::Configuration => Origin::Configuration,
                Depth::Layers => Origin::Image,
            };
            let same = job.known == Some(digest(n));
            let facts = (!same).then(|| vec![facts(&job.name.normalised(), n, from)]);
            known.done(&job, Ok(facts), now);
            read.push((job.name.to_string(), depth));
        }
    }
    read
}

fn text(known: &mut KnownImages) -> String {
    let mut text = String::new();
    while let Some((_, shard)) = known.changed_shard() {
        text.push_str(&shard);
    }
    text
}

#[test]
fn configurations_come_before_layers_and_both_once() {
    let mut known = known();
    known.seen(&pod("r.corp/web:1", None), "shop", &[], NOW);
    known.seen(&pod("r.corp/web:1", None), "shop", &[], NOW);
    known.seen(&pod("no such name!", None), "shop", &[], NOW);
    let name = "r.corp/web:1".to_owned();
    let both = [(name.clone(), Depth::Configuration), (name.clone(), Depth::Layers)];
    assert_eq!(read(&mut known, 1, NOW), both);
    assert!(text(&mut known).contains("r.corp/web:1"));
    assert_eq!(read(&mut known, 1, NOW + AGAIN - 1), []);
    // Then one question tells whether anything has changed. What is known stays meanwhile.
    assert_eq!(read(&mut known, 1, NOW + AGAIN), [(name.clone(), Depth::Layers)]);
    assert_eq!(text(&mut known), "");
    assert_eq!(read(&mut known, 2, NOW + 2 * AGAIN), [(name, Depth::Layers)]);
    assert!(text(&mut known).contains(digest(2).as_str()));
    assert_eq!(known.counts().known, [1, 0, 0, 0]);
}

#[test]
fn without_layers_the_configuration_is_all() {
    let mut known = KnownImages::new(false, Vec::new());
    known.seen(&pod("r.corp/web:1", None), "shop", &[], NOW);
    assert_eq!(read(&mut known, 1, NOW), [("r.corp/web:1".to_owned(), Depth::Configuration)]);
    assert_eq!(known.counts().known, [0, 1, 0, 0]);
}

#[test]
fn another_digest_that_runs_asks_the_registry_again() {
    let mut known = known();
    known.seen(&pod("r.corp/web:1", Some(1)), "shop", &[], NOW);
    read(&mut known, 1, NOW);
    known.seen(&pod("r.corp/web:1", Some(1)), "shop", &[], NOW + 60);
    assert_eq!(read(&mut known, 1, NOW + HOUR), []);
    known.seen(&pod("r.corp/web:1", Some(2)), "shop", &[], NOW + HOUR);
    assert_eq!(read(&mut known, 2, NOW + HOUR).len(), 1);
    // One that stays different is a platform's, or an old pod's: it is asked about once.
    known.seen(&pod("r.corp/web:1", Some(3)), "shop", &[], NOW + 2 * HOUR);
    assert_eq!(read(&mut known, 2, NOW + 2 * HOUR).len(), 1);
    known.seen(&pod("r.corp/web:1", Some(3)), "shop", &[], NOW + 3 * HOUR);
    assert_eq!(read(&mut known, 2, NOW + 3 * HOUR).len(), 0);
    // And not at once after it was asked.
    known.seen(&pod("r.corp/web:1", Some(4)), "shop", &[], NOW + 2 * HOUR + 60);
    assert_eq!(read(&mut known, 2, NOW + 2 * HOUR + 60).len(), 0);
    assert_eq!(read(&mut known, 2, NOW + 2 * HOUR + AGAIN_IF_OTHER).len(), 1);
}

#[test]
fn a_pod_tells_the_user_until_the_registry_does() {
    let mut known = known();
    let user = facts("r.corp/web:1", 7, Origin::Pod);
    let seen = PodImage { user: Some(user), ..pod("r.corp/web:1", Some(7)) };
    known.seen(&seen, "shop", &[], NOW);
    assert!(text(&mut known).contains("\"from\":\"pod\""));
    assert_eq!(known.counts().known, [0, 0, 1, 0]);
    let job = known.next(Depth::Configuration, NOW).unwrap();
    assert_eq!(job.known, None, "a pod does not tell what a configuration does");
    known.done(&job, error(ErrorKind::Unauthorized), NOW);
    known.seen(&seen, "shop", &[], NOW);
    assert_eq!(text(&mut known), "");
    assert_eq!(read(&mut known, 7, NOW + HOUR).len(), 2);
    known.seen(&seen, "shop", &[], NOW + HOUR);
    assert!(!text(&mut known).contains("\"from\":\"pod\""));
    assert_eq!(known.counts().known, [1, 0, 0, 0]);
}

#[test]
fn only_registries_that_are_named_are_asked_and_pods_tell_of_all() {
    let mut known = KnownImages::new(true, vec!["r.corp".to_owned()]);
    let user = facts("elsewhere.corp/web:1", 7, Origin::Pod);
    let seen = PodImage { user: Some(user), ..pod("elsewhere.corp/web:1", Some(7)) };
    known.seen(&seen, "shop", &[], NOW);
    known.seen(&pod("elsewhere.corp/api:1", Some(7)), "shop", &[], NOW);
    known.seen(&pod("r.corp/web:1", None), "shop", &[], NOW);
    let read = read(&mut known, 1, NOW);
    assert!(read.iter().all(|(name, _)| name == "r.corp/web:1") && read.len() == 2, "{read:?}");
    assert!(text(&mut known).contains("elsewhere.corp/web:1"));
    let ask = |known: &mut KnownImages, name: &str| {
        known.ask(Name::parse(name).unwrap(), "shop", &[], NOW)
    };
    assert!(matches!(ask(&mut known, "elsewhere.corp/web:1"), Answer::Known(_)));
    assert_eq!(ask(&mut known, "elsewhere.corp/new:1"), Answer::Unknown);
    assert_eq!(ask(&mut known, "r.corp/new:1"), Answer::Reading);
}

#[test]
fn failures_are_tried_again_later_and_later() {
    let mut known = known();
    known.seen(&pod("r.corp/web:1", None), "shop", &[], NOW);
    let mut now = NOW;
    for pause in [PAUSES[0], PAUSES[1], PAUSES[2], PAUSES[3], PAUSES[4], PAUSES[4]] {
        let job = known.next(Depth::Configuration, now).unwrap();
        known.done(&job, error(ErrorKind::NotFound), now);
        assert_eq!(known.next(Depth::Configuration, now + pause - 1), None);
        now += pause;
    }
    let failed = BTreeMap::from([(("r.corp".to_owned(), "not_found"), 1)]);
    assert_eq!(known.counts().failed, failed);
    read(&mut known, 1, now);
    assert_eq!(known.counts().failed, BTreeMap::new());
}

#[test]
fn a_registry_that_fails_is_left_alone_and_others_are_not() {
    let mut known = known();
    for image in ["a.corp/one:1", "a.corp/two:1", "a.corp/three:1", "b.corp/web:1"] {
        known.seen(&pod(image, None), "shop", &[], NOW);
    }
    let mut jobs: Vec<Job> = std::iter::from_fn(|| known.next(Depth::Configuration, NOW)).collect();
    let names: Vec<String> = jobs.iter().map(|job| job.name.to_string()).collect();
    assert_eq!(names, ["a.corp/one:1", "a.corp/three:1", "b.corp/web:1"], "two of one at most");
    known.done(&jobs.remove(0), error(ErrorKind::RateLimited), NOW);
    assert_eq!(known.next(Depth::Configuration, NOW), None);
    let asked = |known: &mut KnownImages, image: &str| {
        known.ask(Name::parse(image).unwrap(), "shop", &[], NOW)
    };
    assert_eq!(asked(&mut known, "a.corp/new:1"), Answer::Unknown);
    assert_eq!(asked(&mut known, "b.corp/new:1"), Answer::Reading);
    assert_eq!(known.next(Depth::Configuration, NOW).unwrap().name.to_string(), "b.corp/new:1");
    assert_eq!(known.next(Depth::Configuration, NOW + HELD[0]).unwrap().name.registry, "a.corp");
}

#[test]
fn who_asks_is_served_first() {
    let mut known = known();
    for n in 0..10 {
        known.seen(&pod(&format!("{n}.corp/web:1"), None), "shop", &[], NOW);
    }
    let name = || Name::parse("z.corp/web:1").unwrap();
    let secrets = ["pull".to_owned()];
    assert_eq!(known.ask(name(), "shop", &secrets, NOW), Answer::Reading);
    let job = known.next(Depth::Configuration, NOW).unwrap();
    assert_eq!(job.name, name());
    assert_eq!(job.secrets, [("shop".to_owned(), "pull".to_owned())]);
    assert_eq!(known.ask(name(), "shop", &secrets, NOW), Answer::Reading);
    known.done(&job, Ok(Some(vec![facts("z.corp/web:1", 5, Origin::Configuration)])), NOW);
    let Answer::Known(document) = known.ask(name(), "shop", &[], NOW) else { panic!("not known") };
    assert!(document.contains("\"uid\":5"), "{document}");
    // What cannot be read is not waited for again and again.
    let other = || Name::parse("y.corp/web:1").unwrap();
    known.ask(other(), "shop", &[], NOW);
    let job = known.next(Depth::Configuration, NOW).unwrap();
    known.done(&job, error(ErrorKind::NotFound), NOW);
    assert_eq!(known.ask(other(), "shop", &[], NOW), Answer::Unknown);
    assert_eq!(known.ask(other(), "shop", &[], NOW + PAUSES[0]), Answer::Reading);
}

#[test]
fn what_was_written_is_known_after_a_start() {
    let mut first = known();
    for image in ["r.corp/web:1", "r.corp/web:2", "r.corp/api:1"] {
        first.seen(&pod(image, None), "shop", &[], NOW);
    }
    read(&mut first, 1, NOW);
    let mut entries = Vec::new();
    while let Some((_, text)) = first.changed_shard() {
        let file = crate::policy::PolicyFile { name: String::new(), text };
        entries.extend(crate::policy::parse::facts(&file).unwrap());
    }
    let mut second = known();
    second.remember(entries.clone(), NOW);
    assert_eq!(second.counts().known, [3, 0, 0, 0]);
    assert_eq!(text(&mut second), "", "nothing is to be written");
    // Asked about again within the hour, not all at once; and one question each.
    assert_eq!(read(&mut second, 1, NOW + SPREAD).len(), 3);
    // What was learnt meanwhile stays.
    let newer = vec![facts("r.corp/web:1", 9, Origin::Pod)];
    second.remember(newer, NOW);
    assert_eq!(second.counts().known, [3, 0, 0, 0]);
}

#[test]
fn what_no_pod_uses_is_forgotten() {
    let mut known = known();
    known.seen(&pod("r.corp/web:1", None), "shop", &[], NOW);
    known.seen(&pod("r.corp/web:2", None), "shop", &[], NOW);
    read(&mut known, 1, NOW);
    text(&mut known);
    known.seen(&pod("r.corp/web:2", None), "shop", &[], NOW + 10 * DAY);
    known.forget_unused(NOW + UNUSED);
    assert_eq!(text(&mut known), "");
    known.forget_unused(NOW + UNUSED + 1);
    let text = text(&mut known);
    assert!(text.contains("r.corp/web:2") && !text.contains("r.corp/web:1"), "{text}");
}

#[test]
fn a_shard_that_is_full_leaves_out_what_was_used_longest_ago() {
    let mut known = KnownImages::new(false, Vec::new());
    // One repository, so one shard.
    let long = "x".repeat(4000);
    let count = 300_i64;
    for n in 0..count {
        let image = format!("r.corp/web:{n}");
        known.seen(&pod(&image, None), "shop", &[], NOW + n);
        let job = known.next(Depth::Configuration, NOW + n).unwrap();
        let facts =
            ImageFacts { home: Some(long.clone()), ..facts(&image, 1, Origin::Configuration) };
        known.done(&job, Ok(Some(vec![facts])), NOW + n);
    }
    let text = text(&mut known);
    assert!(text.len() <= shards::LARGEST + 100 && text.len() > shards::LARGEST - 5000);
    let lines = text.lines().count() - 3;
    let dropped = known.counts().dropped;
    assert_eq!(lines as u64 + dropped, count as u64);
    assert!(!text.contains("web:0\"") && text.contains(&format!("web:{}\"", count - 1)));
    // It still knows them, and answers.
    let name = Name::parse("r.corp/web:0").unwrap();
    assert!(matches!(known.ask(name, "shop", &[], NOW), Answer::Known(_)));
}

/// Whoever may create pods may name what is not there, and what says very much.
#[test]
fn strangers_crowd_nobody_out() {
    let mut known = KnownImages::new(false, Vec::new());
    for n in 0..MAX_IMAGES {
        known.seen(&pod(&format!("evil.corp/web:{n}"), None), "evil", &[], NOW);
    }
    known.seen(&pod("r.corp/web:1", None), "shop", &[], NOW);
    assert!(!known.images.contains_key("r.corp/web:1"));
    let job = known.next(Depth::Configuration, NOW).unwrap();
    known.done(&job, error(ErrorKind::NotFound), NOW);
    known.seen(&pod("r.corp/web:1", None), "shop", &[], NOW);
    assert!(known.images.contains_key("r.corp/web:1"));
    assert_eq!(known.images.len(), MAX_IMAGES);
    known.forget_unused(NOW + UNUSED_AND_UNREAD + 1);
    assert_eq!(known.images.len(), 0);

    known.seen(&pod("r.corp/web:1", None), "shop", &[], NOW);
    let job = known.next(Depth::Configuration, NOW).unwrap();
    let long = ImageFacts {
        cmd: vec!["x".repeat(LARGEST)],
        ..facts("r.corp/web:1", 1, Origin::Configuration)
    };
    known.done(&job, Ok(Some(vec![long])), NOW);
    assert_eq!((known.counts().known, known.bytes), ([0, 0, 0, 1], 0));
}

#[test]
fn there_is_a_limit() {
    let mut known = KnownImages::new(false, Vec::new());
    for n in 0..MAX_IMAGES + 3 {
        known.seen(&pod(&format!("r.corp/web:{n}"), None), "shop", &[], NOW);
    }
    assert_eq!((known.images.len(), known.counts().over), (MAX_IMAGES, 3));
    for n in 0..20 {
        let secret = format!("s{n}");
        known.seen(&pod("r.corp/web:1", None), "shop", &[&secret], NOW);
    }
    assert_eq!(known.images["r.corp/web:1"].secrets.len(), MAX_SECRETS);
}
