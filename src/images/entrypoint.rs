//! What an image starts, and what its entrypoint asks for if that is a script.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, EnvVar, VolumeMount};

use super::document::Config;
use super::layer;
use super::path;
use super::tree::{Content, Directory, Found};
use crate::facts;
use crate::foresight::risk::needs::{self, Need, Needed, Program};
use crate::foresight::risk::reach;
use crate::foresight::risk::script::Failure;
use crate::text;

/// Where programs are looked for if the image does not say: containerd's default.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Maximum number of directories in PATH that are looked into.
const DIRECTORIES: usize = 64;
/// Maximum number of needs that are kept.
const LONGEST: usize = 32;
/// Maximum length of a command that is kept, in characters.
const COMMAND: usize = 80;
/// Shells whose scripts are read.
const SHELLS: [&str; 5] = ["sh", "bash", "ash", "dash", "zsh"];

/// Paths that the entrypoint may be at, as far as the configuration alone tells.
pub(super) fn candidates(config: &Config) -> BTreeSet<String> {
    let words = words(config);
    let words = needs::unwrapped(&words);
    let program = of_shell(words).map(|(script, _)| script).or(words.first());
    let Some(program) = program else { return BTreeSet::new() };
    if program.contains('/') {
        return BTreeSet::from([at(config, program)]);
    }
    let places = search_path(config).split(':').map(|directory| format!("{directory}/{program}"));
    let places = places.map(|place| path::clean(&place)).take(DIRECTORIES);
    // Elsewhere scripts are kept anyway.
    places.filter(|place| !layer::is_script_place(place)).collect()
}

/// What the entrypoint asks for, and whether that is all: every program that it runs is known. Adds to
/// `wanted` the path of a file that has to be read first.
pub(super) fn needs(
    tree: &Directory,
    config: &Config,
    asked: &BTreeSet<String>,
    wanted: &mut BTreeSet<String>,
) -> (Vec<facts::Need>, bool) {
    let nothing = || (Vec::new(), false);
    let words = words(config);
    let unwrapped = needs::unwrapped(&words);
    let of_shell = of_shell(unwrapped);
    let Some((program, arguments)) = of_shell.or(unwrapped.split_first()) else {
        return nothing();
    };
    let located = match of_shell {
        Some(_) => tree.find(&at(config, program)),
        None => locate(tree, config, program),
    };
    let Some((real, found)) = located else { return nothing() };
    let script = match found {
        Found::File(file) => match &file.content {
            // Its own first line is a comment to a shell that is given the script.
            Content::Kept(text) if of_shell.is_some() => {
                let shell = unwrapped.iter().take_while(|word| *word != program).cloned();
                Some((shell.collect(), text.as_ref()))
            }
            Content::Kept(text) => interpreter(text).map(|words| (words, text.as_ref())),
            Content::At(place) => {
                want(place, asked, wanted);
                None
            }
        },
        Found::Plain { .. } => {
            want(&real, asked, wanted);
            None
        }
        Found::Directory(_) | Found::Symlink(_) => None,
    };
    let by = path::absolute(&real);
    let run: Vec<String> = match script {
        Some((mut shell, text)) => {
            shell.extend(["-c".to_owned(), text.to_owned(), by.clone()]);
            shell.extend_from_slice(arguments);
            shell
        }
        None => unwrapped.to_vec(),
    };
    let container = container(config);
    match needs::of_words(run.iter(), &container) {
        Program::Recognised(needed) => told(&needed, &by, &container),
        Program::Unrecognised(_, needed) => (told(&needed, &by, &container).0, false),
        Program::Entrypoint => nothing(),
    }
}

/// A file is read again only where the first reading did not look at it.
fn want(place: &str, asked: &BTreeSet<String>, wanted: &mut BTreeSet<String>) {
    if !asked.contains(place) && !layer::is_script_place(place) {
        wanted.insert(place.to_owned());
    }
}

fn words(config: &Config) -> Vec<String> {
    config.entrypoint.iter().chain(&config.cmd).flatten().cloned().collect()
}

/// The script that a shell is given in these words, and its arguments.
fn of_shell(words: &[String]) -> Option<(&String, &[String])> {
    let (shell, arguments) = words.split_first()?;
    let is_shell = SHELLS.contains(&shell.rsplit('/').next().unwrap_or(shell));
    let options = arguments.iter().take_while(|word| word.starts_with('-')).count();
    let (options, rest) = arguments.split_at_checked(options).filter(|_| is_shell)?;
    let has_command = options.iter().any(|word| !word.starts_with("--") && word.contains('c'));
    rest.split_first().filter(|_| !has_command)
}

/// The path of a program with a slash in its name.
fn at(config: &Config, program: &str) -> String {
    if program.starts_with('/') {
        return path::clean(program);
    }
    path::clean(&format!("{}/{program}", config.working_dir.as_deref().unwrap_or_default()))
}

/// Finds a program as `execvp` does, and its path without symbolic links.
fn locate<'t>(tree: &'t Directory, config: &Config, program: &str) -> Option<(String, Found<'t>)> {
    if program.contains('/') {
        return tree.find(&at(config, program));
    }
    search_path(config).split(':').take(DIRECTORIES).find_map(|directory| {
        let found = tree.find(&path::clean(&format!("{directory}/{program}")))?;
        let executable = match found.1 {
            Found::File(file) => file.attributes.mode & 0o111 != 0,
            Found::Plain { executable } => executable,
            Found::Directory(_) | Found::Symlink(_) => false,
        };
        executable.then_some(found)
    })
}

/// The directories where programs are looked for.
fn search_path(config: &Config) -> &str {
    let variables = config.env.iter().flatten();
    let path = variables.filter_map(|variable| variable.strip_prefix("PATH=")).next_back();
    path.unwrap_or(DEFAULT_PATH)
}

/// The shell of a script, and the options in its first line; `None` if it is no shell's.
fn interpreter(text: &str) -> Option<Vec<String>> {
    let line = text.strip_prefix("#!")?.lines().next()?;
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let name = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
    while words.first().is_some_and(|word| matches!(&*name(word), "env" | "busybox" | "-S")) {
        words.remove(0);
    }
    let (shell, options) = words.split_first()?;
    let shell = Some(name(shell)).filter(|shell| SHELLS.contains(&shell.as_str()))?;
    let options =
        options.iter().filter(|word| word.starts_with('-')).map(|word| (*word).to_owned());
    Some(std::iter::once(shell).chain(options).collect())
}

/// A container that runs the image as it is, for the reader of commands.
fn container(config: &Config) -> Container {
    let variable = |variable: &String| {
        let (name, value) = variable.split_once('=')?;
        let (name, value) = (name.to_owned(), Some(value.to_owned()));
        Some(EnvVar { name, value, ..EnvVar::default() })
    };
    let mount = |mount_path: &String| VolumeMount {
        mount_path: mount_path.clone(),
        ..VolumeMount::default()
    };
    let directory = config.working_dir.clone().filter(|directory| !directory.is_empty());
    Container {
        env: Some(config.env.iter().flatten().filter_map(variable).collect()),
        volume_mounts: Some(config.volumes.iter().flat_map(BTreeMap::keys).map(mount).collect()),
        working_dir: Some(directory.unwrap_or_else(|| "/".to_owned())),
        ..Container::default()
    }
}

/// The needs as facts tell them, and whether they tell all. What goes into volumes is no concern of the
/// image.
fn told(needed: &[Needed], by: &str, container: &Container) -> (Vec<facts::Need>, bool) {
    let volumes = container.volume_mounts.iter().flatten();
    let volumes: Vec<String> = volumes.map(|mount| path::clean(&mount.mount_path)).collect();
    let mut all: Vec<facts::Need> = Vec::new();
    let mut complete = true;
    for needed in needed {
        let Needed { need, by: command, failure, for_root } = needed;
        let changes_owner = command.starts_with("chown ") || command.starts_with("chgrp ");
        let base = facts::Need {
            by: by.to_owned(),
            only_as_root: *for_root,
            optional: *failure != Failure::Ends,
            ..facts::Need::default()
        };
        let written = |at: &Option<String>| {
            let at =
                at.as_ref().filter(|at| !at.starts_with("/dev/") && !at.starts_with("/proc/"))?;
            let cleaned = path::clean(at);
            let in_volume = volumes.iter().any(|volume| path::within(&cleaned, volume));
            (!in_volume).then(|| text::printable(at, COMMAND).into_owned())
        };
        let told = match need {
            Need::Fill(at) if changes_owner => {
                let chown = at.as_deref().map(|at| text::printable(at, COMMAND).into_owned());
                facts::Need { chown, ..base }
            }
            Need::Capability("SETUID" | "SETGID") | Need::Setuid(_) => {
                let command = command.strip_prefix("exec ").unwrap_or(command);
                let known = command.trim_end_matches(['…', ' ']);
                facts::Need { setuid: Some(text::printable(known, COMMAND).into_owned()), ..base }
            }
            Need::Write(at) | Need::Fill(at) => match written(at) {
                Some(write) => facts::Need { write: Some(write), ..base },
                None => {
                    complete &= at.is_some();
                    continue;
                }
            },
            Need::Port(port @ 1..1024) => match u16::try_from(*port) {
                Ok(port) => facts::Need { port: Some(port), ..base },
                Err(_) => continue,
            },
            // No privilege, and files that everybody may read.
            Need::Port(_) => continue,
            Need::Read(Some(at)) if !reach::is_roots(at) => continue,
            _ => {
                complete = false;
                continue;
            }
        };
        let says = told.chown.is_some()
            || told.setuid.is_some()
            || told.write.is_some()
            || told.port.is_some();
        complete &= says;
        if says && !all.contains(&told) {
            all.push(told);
        }
    }
    complete &= all.len() <= LONGEST;
    all.truncate(LONGEST);
    (all, complete)
}

#[cfg(test)]
mod tests;
