//! Several pods of one workload, as one.

use std::collections::BTreeMap;

use crate::observe::snapshot::{Directory, MAX_EXAMPLES, Restricted, Snapshot};

/// What was seen in any of the pods. Times are the longest, costs the highest.
pub fn merge(snapshots: &[&Snapshot]) -> Snapshot {
    let mut whole = Snapshot::default();
    let mut groups = BTreeMap::new();
    let mut ports = BTreeMap::new();
    for (index, one) in snapshots.iter().enumerate() {
        let first = index == 0;
        whole.millis = whole.millis.max(one.millis);
        whole.missed_millis = whole.missed_millis.max(one.missed_millis);
        whole.last |= one.last;
        root(&mut whole, one, first);
        for group in &one.processes {
            let credentials = (group.uids, group.gids, group.groups.clone(), group.effective);
            let key = (group.name.clone(), credentials, group.no_new_privs, group.seccomp);
            let entry = groups.entry(key).or_insert_with(|| group.clone());
            entry.first |= group.first;
            entry.current |= group.current;
            entry.count = entry.count.max(group.count);
            entry.samples = entry.samples.max(group.samples);
        }
        for port in &one.ports {
            let key = (port.protocol.clone(), port.port, port.uid);
            let entry = ports.entry(key).or_insert_with(|| port.clone());
            entry.held |= port.held;
        }
        for directory in &one.directories {
            add(&mut whole.directories, directory.clone());
        }
        for device in &one.devices {
            if whole.devices.len() < MAX_EXAMPLES && !whole.devices.contains(device) {
                whole.devices.push(device.clone());
            }
        }
        restricted(&mut whole.restricted, &one.restricted);
        whole.more_directories |= one.more_directories;
        whole.more_processes |= one.more_processes;
        whole.closed_processes = whole.closed_processes.max(one.closed_processes);
        whole.home = whole.home.or_else(|| one.home.clone());
        if whole.users.is_empty() {
            whole.users.clone_from(&one.users);
        }
        let (cost, of_one) = (&mut whole.cost, &one.cost);
        cost.processor_millis = cost.processor_millis.max(of_one.processor_millis);
        cost.peak_kib = cost.peak_kib.max(of_one.peak_kib);
        cost.anonymous_kib = cost.anonymous_kib.max(of_one.anonymous_kib);
    }
    whole.processes = groups.into_values().collect();
    whole.ports = ports.into_values().collect();
    whole.directories.sort_by(|a, b| a.path.cmp(&b.path));
    whole
}

fn root(whole: &mut Snapshot, one: &Snapshot, first: bool) {
    let (all, one) = (&mut whole.root, &one.root);
    all.open = one.open && (first || all.open);
    all.read_only |= one.read_only;
    all.cut_short |= one.cut_short;
    all.entries = all.entries.max(one.entries);
    all.unreadable = all.unreadable.max(one.unreadable);
    all.searches = if first { one.searches } else { all.searches.min(one.searches) };
    if all.file_system.is_empty() {
        all.file_system.clone_from(&one.file_system);
    }
}

/// Adds a directory to those of other pods, which may have written above or below it.
fn add(directories: &mut Vec<Directory>, mut one: Directory) {
    if let Some(above) = directories.iter_mut().find(|it| it.covers(&one.path)) {
        return above.cover(one);
    }
    let (below, others): (Vec<_>, Vec<_>) =
        directories.drain(..).partition(|it| one.covers(&it.path));
    *directories = others;
    for covered in below {
        one.cover(covered);
    }
    directories.push(one);
}

fn restricted(all: &mut Vec<Restricted>, more: &[Restricted]) {
    for one in more {
        let same = |it: &&mut Restricted| {
            (&it.path, it.uid, it.gid, it.group_reads)
                == (&one.path, one.uid, one.gid, one.group_reads)
        };
        match all.iter_mut().find(same) {
            Some(it) => it.count = it.count.max(one.count),
            None => all.push(one.clone()),
        }
    }
}
