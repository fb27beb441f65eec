#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use super::*;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    node:x:1000:1001::/home/node:/bin/sh\n\
    other:x:1000:7::/other:\n\
    node:x:5:5::/second:\n\
    1234:x:77:78::/digits:\n";
const GROUP: &str = "root:x:0:\nnode:x:1001:node\nweb:x:33:www,node\n\
    # log:x:9:node\nlog:x:8:node,other\nbin:x:2:root,bin\nweb:x:34:\n0077:x:12:\n";

fn of(user: &str) -> Result<(u32, u32, Vec<u32>), String> {
    let user = resolve(user, Database::Text(PASSWD), Database::Text(GROUP))?;
    Ok((user.uid, user.gid, user.groups))
}

#[test]
fn names_and_numbers() {
    for (user, uid, gid, groups) in [
        ("", 0, 0, &[0, 2][..]),
        ("root", 0, 0, &[0, 2]),
        ("0", 0, 0, &[0, 2]),
        ("node", 1000, 1001, &[8, 33, 1001]),
        // The first entry of a uid, and the groups of its name.
        ("1000", 1000, 1001, &[8, 33, 1001]),
        ("other", 1000, 7, &[7, 8]),
        // No entry: gid 0.
        ("2000", 2000, 0, &[0]),
        // Digits are never a name.
        ("1234", 1234, 0, &[0]),
        ("77", 77, 78, &[78]),
        ("+77", 77, 78, &[78]),
        ("0077", 77, 78, &[78]),
        // A group that is stated counts for nothing, even one that does not exist.
        ("node:web", 1000, 1001, &[8, 33, 1001]),
        ("node:nogroup", 1000, 1001, &[8, 33, 1001]),
        ("1000:web", 1000, 1001, &[8, 33, 1001]),
        ("2000:3000", 2000, 0, &[0]),
        ("2000:4294967295", 2000, 0, &[0]),
        ("node:", 1000, 1001, &[8, 33, 1001]),
        ("node:b:c", 1000, 1001, &[8, 33, 1001]),
        // Not even where it is all there is.
        (":web", 0, 0, &[0, 2]),
        (":0077", 0, 0, &[0, 2]),
        (":nogroup", 0, 0, &[0, 2]),
        (":b:c", 0, 0, &[0, 2]),
        (":", 0, 0, &[0, 2]),
    ] {
        assert_eq!(of(user), Ok((uid, gid, groups.to_vec())), "{user}");
    }
}

/// The kubelet tells the runtime uid 0 for an image without a user, so its entry counts.
#[test]
fn a_root_with_a_group_of_its_own() {
    for user in ["", "0", "root", ":web"] {
        let passwd = Database::Text("root:x:0:7::/:\n");
        let found = resolve(user, passwd, Database::Text("web:x:33:root\n")).unwrap();
        assert_eq!((found.uid, found.gid, found.groups), (0, 7, vec![7, 33]), "{user}");
    }
}

#[test]
fn numbers_without_files() {
    for (user, uid) in [
        ("", Some(0)),
        (":33", Some(0)),
        ("1000:web", Some(1000)),
        ("+0077", Some(77)),
        ("node:1", None),
        ("2147483648", None),
        ("-1", None),
    ] {
        assert_eq!(number(user), uid, "{user}");
    }
}

#[test]
fn what_cannot_start() {
    for (user, why) in [
        ("nobody", "user `nobody` is not in its /etc/passwd"),
        ("nobody:0", "user `nobody` is not in its /etc/passwd"),
        ("-1", "uid `-1` is out of range"),
        ("2147483648", "uid `2147483648` is out of range"),
        ("99999999999999999999", "uid `99999999999999999999` is out of range"),
        (" node", "user ` node` is not in its /etc/passwd"),
        ("0x10", "user `0x10` is not in its /etc/passwd"),
    ] {
        assert_eq!(of(user), Err(why.to_owned()), "{user}");
    }
}

#[test]
fn without_databases() {
    let of = |user| resolve(user, Database::Absent, Database::Absent);
    for user in ["", "0", "1000", "65532:65532"] {
        let uid = user.split(':').next().unwrap().parse().unwrap_or(0);
        assert_eq!(of(user).unwrap().uid, uid, "{user}");
    }
    let why = "user `app` is looked for in /etc/passwd, which it does not have";
    assert_eq!(of("app"), Err(why.to_owned()));
    // A directory in its place keeps even a number from starting.
    let of = resolve("1000", Database::Unusable, Database::Absent);
    assert_eq!(of, Err("its /etc/passwd is not a regular file".to_owned()));
}

#[test]
fn malformed_lines() {
    let passwd = "# comment\n\n  app:x:12:13  \r\nshort\nbad:x:one:two::/bad:\n";
    let of = |user| {
        let user = resolve(user, Database::Text(passwd), Database::Absent)?;
        Ok::<_, String>((user.uid, user.gid, user.home))
    };
    // Fewer fields, and blanks around the line.
    assert_eq!(of("app"), Ok((12, 13, None)));
    // A number that is none is 0, and the first entry with uid 0 is the comment.
    assert_eq!(of("bad"), Ok((0, 0, None)));
    assert_eq!(of("short"), Ok((0, 0, None)));
    let long = format!("{}\napp:x:12:13\n", "x".repeat(64 << 10));
    let why = "its /etc/passwd has a line of more than 65536 bytes".to_owned();
    assert_eq!(resolve("app", Database::Text(&long), Database::Absent), Err(why));
}

/// Only the lower 32 bits count. One number of them is no id.
#[test]
fn numbers_that_are_too_large() {
    let of = |uid: &str, gid: &str, other: &str| {
        let (passwd, group) = (format!("app:x:{uid}:{gid}::/:"), format!("web:x:{other}:app"));
        let user = resolve("app", Database::Text(&passwd), Database::Text(&group));
        user.map(|user| (user.uid, user.gid, user.groups))
    };
    for (uid, gid, other, expected) in [
        ("3000000000", "3000000001", "5", (3_000_000_000, 3_000_000_001, vec![5, 3_000_000_001])),
        ("4294968796", "4294968896", "4294967329", (1500, 1600, vec![33, 1600])),
        ("-99999999999999999999", "1", "-99999999999999999999", (0, 1, vec![0, 1])),
        ("-2", "1", "1", (4_294_967_294, 1, vec![1])),
    ] {
        assert_eq!(of(uid, gid, other), Ok(expected));
    }
    let why = "`app` has the uid or a gid 4294967295, which is nobody's".to_owned();
    for id in ["-1", "4294967295", "99999999999999999999"] {
        for (uid, gid, other) in [(id, "1", "1"), ("1", id, "1"), ("1", "1", id)] {
            assert_eq!(of(uid, gid, other), Err(why.clone()), "{uid} {gid} {other}");
        }
    }
}

#[test]
fn homes() {
    let home = |user| resolve(user, Database::Text(PASSWD), Database::Absent).unwrap().home;
    assert_eq!(home("node").as_deref(), Some("/home/node"));
    // By the uid, as runc looks it up.
    assert_eq!(home("other").as_deref(), Some("/home/node"));
    assert_eq!(home("77:1").as_deref(), Some("/digits"));
    assert_eq!(home("2000"), None);
}
