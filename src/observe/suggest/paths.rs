//! Which directories have to be writable, and how.

use super::{Needs, Writable};
use crate::observe::snapshot::{Directory, Snapshot, is_below};
use crate::policy::{self, Policy, WritablePath};
use crate::rule::RuleName;
use crate::text::{is_deceptive, printable};

/// Maximum number of paths that a workload may ask for.
const MAX_PATHS: usize = 16;

/// A directory, and what it takes to make it writable.
enum Way {
    /// It is writable in every hardened container.
    Always,
    /// An emptyDir, by annotation.
    EmptyDir(String),
    /// An emptyDir in the manifest: it is the system's, and has nothing of the image.
    Volume(String),
    /// None: nothing can be mounted there, or it would hide the system.
    No,
}

/// Adds to `needs` what the directories take that were written to.
pub(super) fn paths(seen: &Snapshot, needs: &mut Needs) {
    let always = &Policy::restricted().rules.read_only_root_filesystem.writable_paths;
    // A directory that was made in the root is there by being mounted.
    let at_top = |it: &&Directory| it.path.rfind('/') == Some(0) && it.path != "/";
    let made = seen.directories.iter().filter(at_top).any(|it| it.of_image == 0);
    let needed = |it: &&Directory| it.path != "/" || !made || !it.examples.is_empty();
    let (compiled, others): (Vec<&Directory>, Vec<&Directory>) =
        seen.directories.iter().filter(needed).partition(|it| it.is_bytecode_only());
    if let Some(first) = compiled.first() {
        let path = printable(&first.path, 64);
        let note =
            format!("Python keeps compiled modules in {path}, and does without where it may not");
        needs.notes.push(note);
    }
    for directory in others {
        match way(directory, always) {
            Way::Always if directory.of_image > 0 => needs.notes.push(format!(
                "{} gets an emptyDir in every hardened container, which hides what the image has there",
                printable(&directory.path, 64)
            )),
            Way::Always => {}
            Way::EmptyDir(path) => {
                add(&mut needs.writable_paths, path, directory.of_image > 0);
            }
            Way::Volume(path) => needs.volumes.push(path),
            Way::No => {
                let reason = format!("writes {}", written(directory));
                // The image's directories are root's: without root a writable one would not help.
                needs.exempt(&[RuleName::ReadOnlyRootFilesystem], &reason);
                if directory.owners.iter().all(|uid| *uid == 0) {
                    needs.exempt(&[RuleName::RunAsNonRoot], &reason);
                }
            }
        }
    }
    while needs.writable_paths.len() > MAX_PATHS && fold(&mut needs.writable_paths) {}
    if needs.is_exempt(RuleName::ReadOnlyRootFilesystem) {
        needs.writable_paths.clear();
        needs.volumes.clear();
    }
}

/// The directory with an example of what is written there.
fn written(directory: &Directory) -> String {
    let path = directory.path.trim_end_matches('/');
    let whole = match directory.examples.first() {
        Some(example) => format!("{path}/{example}"),
        None => format!("{path}/"),
    };
    printable(&whole, 80).into_owned()
}

fn way(directory: &Directory, always: &[policy::Writable]) -> Way {
    let mut path = directory.path.as_str();
    if always.iter().any(|it| is_below(path, it.path.as_str())) {
        return Way::Always;
    }
    // A name that an annotation cannot hold counts for the directory above it.
    while !is_plain(path) {
        path = match path.rsplit_once('/') {
            Some((above, _)) if !above.is_empty() => above,
            _ => return Way::No,
        };
    }
    match policy::Writable::asked_for(path) {
        Ok(asked) => Way::EmptyDir(asked.path.as_str().to_owned()),
        Err(_) if directory.of_image == 0 && WritablePath::new(path).is_ok() => {
            Way::Volume(path.to_owned())
        }
        Err(_) => Way::No,
    }
}

/// Whether an annotation and a manifest can hold the path as it is.
fn is_plain(path: &str) -> bool {
    !path.chars().any(|c| matches!(c, ',' | '=' | ':' | ' ' | '\\') || is_deceptive(c))
}

/// Adds a path to those that are needed, none of which lies in another.
fn add(paths: &mut Vec<Writable>, path: String, seed: bool) {
    if let Some(above) = paths.iter_mut().find(|it| is_below(&path, &it.path)) {
        above.seed |= seed;
        return;
    }
    let within = paths.iter().any(|it| it.seed && is_below(&it.path, &path));
    paths.retain(|it| !is_below(&it.path, &path));
    paths.push(Writable { path, seed: seed || within });
}

/// Puts the deepest path's parent in its place, which has content: the path itself. False if no
/// parent may be asked for.
fn fold(paths: &mut Vec<Writable>) -> bool {
    let depth = |path: &str| path.bytes().filter(|byte| *byte == b'/').count();
    let mut deepest: Vec<usize> = (0..paths.len()).collect();
    deepest.sort_by_key(|at| std::cmp::Reverse(paths.get(*at).map_or(0, |it| depth(&it.path))));
    for at in deepest {
        let parent =
            paths.get(at).and_then(|it| it.path.rsplit_once('/')).map(|(parent, _)| parent);
        let Some(parent) = parent.filter(|it| policy::Writable::asked_for(it).is_ok()) else {
            continue;
        };
        let parent = parent.to_owned();
        paths.remove(at);
        add(paths, parent, true);
        return true;
    }
    false
}
