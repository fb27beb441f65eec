//! Which user a container can run as.

use std::collections::BTreeSet;

use super::{Needs, RunAs};
use crate::observe::snapshot::{ProcessGroup, Restricted, Snapshot, is_below};
use crate::text::printable;

/// Maximum number of places that are named.
const MAX_NAMED: usize = 4;

/// The process that the container is: its first one, as it was seen last.
fn first(seen: &Snapshot) -> Option<&ProcessGroup> {
    let firsts = seen.processes.iter().filter(|it| it.first);
    firsts.max_by_key(|it| (it.current, it.samples))
}

/// The processes beside the first that are not just part of its start.
fn workers<'s>(
    seen: &'s Snapshot,
    first: &'s ProcessGroup,
) -> impl Iterator<Item = &'s ProcessGroup> {
    seen.processes
        .iter()
        .filter(move |it| !it.first && (it.current || it.samples > 1 || !first.current))
}

const fn uid(group: &ProcessGroup) -> u32 {
    let [_, effective, ..] = group.uids;
    effective
}

const fn gid(group: &ProcessGroup) -> u32 {
    let [_, effective, ..] = group.gids;
    effective
}

/// The users that a root master works as, if they are several: nobody else could become them.
pub(super) fn several(seen: &Snapshot) -> Option<String> {
    let first = first(seen).filter(|first| uid(first) == 0)?;
    let uids: BTreeSet<u32> = workers(seen, first).map(uid).filter(|uid| *uid != 0).collect();
    if uids.len() < 2 {
        return None;
    }
    let names =
        uids.iter().take(MAX_NAMED).map(|uid| name(seen, *uid).unwrap_or_else(|| uid.to_string()));
    Some(names.collect::<Vec<_>>().join(", "))
}

/// The user to run as, if one shows.
pub(super) fn run_as(seen: &Snapshot) -> Option<RunAs> {
    let first = first(seen)?;
    let run_as = |group: &ProcessGroup, why: String| RunAs {
        uid: uid(group),
        gid: gid(group),
        name: name(seen, uid(group)),
        why,
    };
    if uid(first) != 0 {
        let why = format!("its first process, {}, runs as it", printable(&first.name, 32));
        return Some(run_as(first, why));
    }
    let mut workers: Vec<&ProcessGroup> = workers(seen, first).filter(|it| uid(it) != 0).collect();
    workers.sort_by_key(|it| std::cmp::Reverse((it.current, it.count, it.samples)));
    if let Some(worker) = workers.first() {
        let why = format!(
            "its first process, {}, is root and {} works as it",
            printable(&first.name, 32),
            printable(&worker.name, 32)
        );
        return Some(run_as(worker, why));
    }
    of_files(seen)
}

/// All processes are root, but files of the image are meant for one user, who alone may read them.
fn of_files(seen: &Snapshot) -> Option<RunAs> {
    let meant: BTreeSet<(u32, u32)> = seen
        .restricted
        .iter()
        .filter_map(|it| {
            let user = seen.users.iter().find(|user| {
                user.uid != 0
                    && (user.uid == it.uid || it.uid == 0 && it.group_reads && user.gid == it.gid)
            })?;
            Some((user.uid, user.gid))
        })
        .collect();
    let mut meant = meant.into_iter();
    let (Some((uid, gid)), None) = (meant.next(), meant.next()) else { return None };
    let at = seen.restricted.iter().find(|it| reads(it, uid, gid, &[]))?;
    let why = format!("files in {} are for it alone", printable(&at.path, 64));
    Some(RunAs { uid, gid, name: name(seen, uid), why })
}

/// A user's name in the image's /etc/passwd.
pub(super) fn name(seen: &Snapshot, uid: u32) -> Option<String> {
    let user = seen.users.iter().find(|user| user.uid == uid)?;
    Some(printable(&user.name, 32).into_owned())
}

fn reads(restricted: &Restricted, uid: u32, gid: u32, groups: &[u32]) -> bool {
    let in_group = restricted.gid == gid || groups.contains(&restricted.gid);
    restricted.uid == uid || restricted.group_reads && in_group
}

/// Names what of the image the container's new user may not read. Whether it is read was not seen.
pub(super) fn note_restricted(seen: &Snapshot, needs: &mut Needs) {
    let Some(user) = &needs.user else { return };
    let group = seen.processes.iter().find(|it| uid(it) == user.uid);
    let groups = group.map(|it| it.groups.as_slice()).unwrap_or_default();
    let closed = seen.restricted.iter().filter(|it| !reads(it, user.uid, user.gid, groups));
    // What an emptyDir replaces is not read any more.
    let closed =
        closed.filter(|it| needs.writable_paths.iter().all(|w| !is_below(&it.path, &w.path)));
    let places: Vec<String> =
        closed.map(|it| printable(&it.path, 64).into_owned()).take(MAX_NAMED).collect();
    if !places.is_empty() {
        needs.notes.push(format!(
            "in {} the image has what uid {} may not read; whether it does was not seen",
            places.join(", "),
            user.uid
        ));
    }
}

/// The value that `HOME` has to keep: where something is written below it, and the new user's would
/// be another.
pub(super) fn home(seen: &Snapshot, user: Option<&RunAs>) -> Option<String> {
    let home = seen.home.as_ref().filter(|home| home.starts_with('/') && home.len() > 1)?;
    let writes = seen.directories.iter().any(|it| is_below(&it.path, home));
    let new = user.and_then(|user| seen.users.iter().find(|it| it.uid == user.uid));
    let same = new.is_some_and(|new| new.home == *home);
    (writes && !same).then(|| home.clone())
}
