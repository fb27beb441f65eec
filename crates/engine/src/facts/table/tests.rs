use super::*;

fn image(name: &str) -> ImageFacts {
    ImageFacts { image: name.to_owned(), ..ImageFacts::default() }
}

fn user(name: &str, user: &str, uid: u32, gid: u32) -> ImageFacts {
    ImageFacts {
        user: (!user.is_empty()).then(|| user.to_owned()),
        uid: Some(uid),
        gid: Some(gid),
        ..image(name)
    }
}

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn found(table: &FactTable, written: &str) -> Option<(Option<i64>, By)> {
    let name = crate::image::RegistryAliases::default().normalise(written).into_owned();
    let found = table.find(written, &name)?;
    Some((found.known.user.as_ref().and_then(|user| user.uid), found.by))
}

#[test]
fn a_digest_says_more_than_a_name_and_a_name_more_than_other_tags() {
    let with = |facts, it: char| ImageFacts { digest: Some(digest(it)), ..facts };
    let table = FactTable::new(&[
        with(user("r.corp/web:1", "app", 10, 10), 'a'),
        with(user("r.corp/web:2", "app", 20, 20), 'b'),
        with(user("r.corp/api:1", "app", 30, 30), 'c'),
    ]);
    let [a, b, d] = ['a', 'b', 'd'].map(digest);
    assert_eq!(found(&table, "r.corp/web:1"), Some((Some(10), By::Name)));
    assert_eq!(found(&table, &format!("r.corp/web:1@{a}")), Some((Some(10), By::Digest)));
    // The pod gets what the digest is, wherever the tag has gone since.
    assert_eq!(found(&table, &format!("r.corp/web:1@{b}")), Some((Some(20), By::Digest)));
    assert_eq!(found(&table, &format!("elsewhere.corp/x@{b}")), Some((Some(20), By::Digest)));
    // Another digest than the tag had: no better than another tag, and the tags differ.
    assert_eq!(found(&table, &format!("r.corp/web:1@{d}")), Some((None, By::Repository)));
    assert_eq!(found(&table, "r.corp/web:3"), Some((None, By::Repository)));
    assert_eq!(found(&table, "r.corp/api:9"), Some((Some(30), By::Repository)));
    assert_eq!(found(&table, &format!("r.corp/api@{d}")), Some((Some(30), By::Repository)));
    assert_eq!(found(&table, "r.corp/other:1"), None);
    assert_eq!(found(&FactTable::default(), "r.corp/web:1"), None);
}

#[test]
fn platforms_and_sources_count_as_far_as_they_agree() {
    let port = |facts, port: &str| ImageFacts { ports: vec![port.to_owned()], ..facts };
    let of_pod =
        |uid, gid| ImageFacts { from: Origin::Pod, user: None, ..user("a.b/c:1", "", uid, gid) };
    let configured = ImageFacts {
        from: Origin::Configuration,
        user: Some("app".to_owned()),
        ..image("a.b/c:1")
    };
    let read = port(user("a.b/c:1", "app", 7, 8), "80/tcp");
    let known = |entries: &[ImageFacts]| {
        let table = FactTable::new(entries);
        let known = table.find("a.b/c:1", "a.b/c:1").unwrap().known.clone();
        (known.user.map(|user| (user.uid, user.gid, user.from)), known.ports)
    };
    let ports = Some(vec!["80/tcp".to_owned()]);
    let all = Some((Some(7), Some(8), Origin::Image));
    assert_eq!(known(std::slice::from_ref(&read)), (all, ports.clone()));
    // Of two platforms, one exposes nothing.
    assert_eq!(known(&[read.clone(), user("a.b/c:1", "app", 7, 8)]), (all, None));
    assert_eq!(known(&[read.clone(), user("a.b/c:1", "app", 9, 8)]).0, None);
    // A pod agrees, or does not; it tells nothing of ports.
    assert_eq!(known(&[of_pod(7, 8), read.clone()]), (all, ports.clone()));
    assert_eq!(known(&[of_pod(9, 8), read.clone()]), (None, ports));
    // A name tells no uid by itself, and is no disagreement.
    assert_eq!(known(std::slice::from_ref(&configured)).0, None);
    assert_eq!(known(&[configured, of_pod(7, 8)]).0, Some((Some(7), Some(8), Origin::Pod)));
}

#[test]
fn what_is_not_stated_of_an_image_is_not_so() {
    let known = Known::of(&image("a.b/c:1"));
    assert!(known.user.as_ref().is_some_and(OwnUser::is_root));
    assert_eq!((known.ports, known.writable), (Some(Vec::new()), Some(Vec::new())));
    let pod = Known::of(&ImageFacts { from: Origin::Pod, ..image("a.b/c:1") });
    assert_eq!(pod, Known::default());
}

#[test]
fn an_id_that_the_api_server_refuses_is_not_known() {
    let nobody = Known::of(&user("a.b/c:1", "4294967294", u32::MAX - 1, u32::MAX - 1));
    assert_eq!(nobody.user, None);
    let group = Known::of(&user("a.b/c:1", "5:4294967294", 5, u32::MAX - 1)).user.unwrap();
    assert_eq!((group.uid, group.gid), (Some(5), None));
}

#[test]
fn numbers_are_what_the_kubelet_takes_for_numbers() {
    for (name, numeric) in
        [("1000", true), ("1000:app", true), ("app", false), ("app:1000", false), ("", false)]
    {
        let user = OwnUser { name: Some(name.to_owned()), ..OwnUser::default() };
        assert_eq!(user.is_numeric(), numeric, "{name}");
    }
}

#[test]
fn equal_facts_are_kept_once_and_their_order_does_not_count() {
    let entries: Vec<_> = (0..1000).map(|tag| user(&format!("a.b/c:{tag}"), "app", 5, 5)).collect();
    let table = FactTable::new(&entries);
    let first = &table.by_name["a.b/c:0"].known;
    assert!(table.by_name.values().all(|named| Arc::ptr_eq(&named.known, first)));
    assert_eq!(table.len(), 1000);
    let mut backwards = entries.clone();
    backwards.reverse();
    assert_eq!(FactTable::new(&backwards).revision(), table.revision());
    assert_ne!(FactTable::new(&entries[1..]).revision(), table.revision());
}

#[test]
fn what_was_read_from_a_mirror_comes_before_what_it_mirrors() {
    let original = user("docker.io/library/nginx:1", "app", 10, 10);
    let mirrored = user("mirror.corp/nginx:2", "app", 20, 20);
    let table = FactTable::new(&[original, mirrored]);
    let aliases = crate::image::RegistryAliases::new(vec![(
        "mirror.corp/".to_owned(),
        "docker.io/library/".to_owned(),
    )]);
    let uid = |written: &str| {
        let found = table.find(written, &aliases.normalise(written))?;
        Some((found.known.user.as_ref()?.uid?, found.by))
    };
    assert_eq!(uid("mirror.corp/nginx:1"), Some((10, By::Name)));
    assert_eq!(uid("mirror.corp/nginx:2"), Some((20, By::Name)));
    // Of a tag that neither knows, the mirror's other tags tell.
    assert_eq!(uid("mirror.corp/nginx:3"), Some((20, By::Repository)));
    assert_eq!(uid("nginx:3"), Some((10, By::Repository)));
}

#[test]
fn a_table_may_come_before_another() {
    let with = |facts, it: char| ImageFacts { digest: Some(digest(it)), ..facts };
    let below = std::sync::Arc::new(FactTable::new(&[
        with(user("r.corp/web:1", "app", 10, 10), 'a'),
        with(user("r.corp/api:1", "app", 30, 30), 'c'),
    ]));
    let table = FactTable::before(
        &[
            with(user("r.corp/web:1", "app", 11, 11), 'd'),
            with(user("r.corp/web:2", "app", 11, 11), 'b'),
            with(user("r.corp/new:1", "app", 40, 40), 'e'),
        ],
        &below,
    );
    assert_eq!(found(&table, "r.corp/web:1"), Some((Some(11), By::Name)));
    assert_eq!(found(&table, "r.corp/api:1"), Some((Some(30), By::Name)));
    assert_eq!(found(&table, "r.corp/new:2"), Some((Some(40), By::Repository)));
    let a = digest('a');
    assert_eq!(found(&table, &format!("r.corp/web:1@{a}")), Some((Some(10), By::Digest)));
    // All tags of a repository count, and these differ.
    assert_eq!(found(&table, "r.corp/web:9"), Some((None, By::Repository)));
    assert_eq!((table.len(), table.is_empty()), (4, false));
    assert!(table.names("r.corp/api:1") && !table.names("r.corp/api:2"));
    assert!(table.revision() != below.revision() && table.revision().len() == 12);
    let nothing = std::sync::Arc::new(FactTable::default());
    let alone = FactTable::before(&[user("r.corp/web:1", "app", 1, 1)], &nothing);
    assert_eq!(alone.revision(), FactTable::new(&[user("r.corp/web:1", "app", 1, 1)]).revision());
}
