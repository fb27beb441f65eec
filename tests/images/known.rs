//! The list of known images against the images themselves, wherever they can be had: `make
//! known-images`.
//!
//! Where an image has a user of its own, the list and the image must agree: with facts the image's
//! user counts, without them the list's, and a workload should not notice the difference. Of images
//! that run as root the list knows what nobody can read in them.

use std::collections::BTreeMap;

use ironhull::image::{EntryUser, ImageEntry};
use ironhull::images::Reader;
use ironhull::images::cache::Cache;
use ironhull::images::error::ErrorKind;
use ironhull::images::facts::Options;
use ironhull::images::reference::Reference;
use ironhull::images::registry::Settings;
use ironhull::policy::Policy;

/// What is found out about an entry.
#[derive(Debug, PartialEq, Eq)]
enum Checked {
    Agrees,
    Root,
    Differs(String),
    Unread(ErrorKind),
}

/// The images that an entry names: of each pattern without a `*` in its repository one, with the
/// latest tag that fits.
fn names(entry: &ImageEntry) -> Vec<String> {
    let name = |pattern: &str| {
        let (repository, tag) = pattern.rsplit_once(':')?;
        let tag = match tag.trim_matches('*') {
            "" => "latest",
            tag => tag.trim_matches('-'),
        };
        let plain = !repository.contains(['*', '@']) && !tag.contains('*');
        plain.then(|| format!("{repository}:{tag}"))
    };
    entry.patterns.iter().filter_map(|pattern| name(pattern.as_str())).collect()
}

fn check(reader: &Reader, entry: &ImageEntry, name: &str) -> Checked {
    let facts = match reader.facts(&Reference::parse(name).unwrap()) {
        Ok(facts) => facts,
        Err(error) => return Checked::Unread(error.kind),
    };
    let own: Vec<_> = facts.iter().map(|facts| facts.uid).collect();
    match (own.as_slice(), &entry.user) {
        ([Some(0), ..], Some(EntryUser::Image)) => {
            Checked::Differs("the list says `image`, and it is root".to_owned())
        }
        ([Some(0), ..], _) => Checked::Root,
        (own, Some(EntryUser::Uid(listed)))
            if own.iter().any(|uid| uid.map(i64::from) != Some(listed.get())) =>
        {
            Checked::Differs(format!("the list says {}, and it runs as {own:?}", listed.get()))
        }
        _ if entry.image_is_root => {
            Checked::Differs(format!("the list says root, and it runs as {own:?}"))
        }
        _ => Checked::Agrees,
    }
}

#[test]
#[ignore = "asks registries: make known-images"]
fn the_list_and_the_images_agree() {
    let reader = Reader::new(Options::default(), Cache::default(), Settings::default());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in Policy::restricted().images.known().unwrap().entries() {
        for name in names(entry) {
            let checked = check(&reader, entry, &name);
            println!("{name}: {checked:?}");
            let word = match &checked {
                Checked::Agrees => "agree".to_owned(),
                Checked::Root => "root, as nobody contradicts".to_owned(),
                Checked::Differs(_) => "differ".to_owned(),
                Checked::Unread(kind) => kind.as_str().to_owned(),
            };
            *counts.entry(word).or_default() += 1;
            if let Checked::Differs(why) = checked {
                wrong.push(format!("{name}: {why}"));
            }
        }
    }
    println!("{counts:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(counts.contains_key("agree"), "no image could be had: {counts:?}");
}
