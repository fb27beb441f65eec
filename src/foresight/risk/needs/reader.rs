//! Reads commands, one after another, for what they need.

use std::collections::BTreeMap;

use super::programs::{HARMLESS, KEEPERS, PRIVILEGED, READERS, SETUID, WRAPPERS};
use super::{Need, Needed};
use crate::foresight::risk::reach;
use crate::foresight::risk::script::{self, Command, Failure, Input};

pub(super) struct Reader<'c> {
    pub(super) variables: BTreeMap<&'c str, &'c str>,
    /// Mount points of volumes. Everything above one is a directory, whatever the image has.
    pub(super) mounts: Vec<String>,
    /// The working directory, if known.
    pub(super) directory: Option<String>,
    pub(super) needs: Vec<Needed>,
    /// The first unknown program.
    pub(super) unrecognised: Option<String>,
    /// Number of scripts around the present one.
    pub(super) depth: usize,
    /// Number of bytes of scripts that may still be read.
    pub(super) room: usize,
}

/// Maximum nesting of `sh -c`, and maximum length of all scripts of a container: `$A` may stand for
/// a script that runs `$A`, twice.
const DEPTH: usize = 8;
pub(super) const ROOM: usize = 256 * 1024;

impl Reader<'_> {
    fn script(&mut self, text: &str, errexit: bool, outer: &Command) {
        let room = self.room.checked_sub(text.len()).filter(|_| self.depth < DEPTH);
        let Some(room) = room else {
            self.unrecognised.get_or_insert_with(|| "a script too complex to follow".to_owned());
            return;
        };
        (self.room, self.depth) = (room, self.depth + 1);
        let variables = self.variables.clone();
        let script = script::read(text, errexit, &variables);
        if script.murky {
            self.unrecognised.get_or_insert_with(|| "a script too complex to follow".to_owned());
        }
        for command in &script.commands {
            let failure = match outer.failure {
                Failure::Ends => command.failure,
                failure => failure,
            };
            let for_root = command.for_root || outer.for_root;
            self.command(&Command { failure, for_root, ..command.clone() });
        }
        self.depth -= 1;
    }

    pub(super) fn command(&mut self, command: &Command) {
        let shown = shown(&command.words);
        let mut needs = Vec::new();
        needs.extend(command.writes.iter().map(|file| Need::Write(self.path(file.as_deref()))));
        self.program(&command.words, command, &mut needs);
        let (by, failure) = (shown, command.failure);
        if failure != Failure::Expected {
            self.needs.extend(needs.into_iter().map(|need| Needed {
                need,
                by: by.clone(),
                failure,
                for_root: command.for_root,
            }));
        }
    }

    /// Finds the program in these words, which are the last of the command's.
    fn program(&mut self, words: &[Option<String>], command: &Command, needs: &mut Vec<Need>) {
        let mut words = words;
        let (program, name, arguments) = loop {
            let Some((program, arguments)) = words.split_first() else { return };
            let Some(program) = program.as_deref() else {
                self.unrecognised.get_or_insert_with(|| "a program named by a variable".to_owned());
                return;
            };
            let name = program.rsplit('/').next().unwrap_or(program);
            if !is_in(WRAPPERS, name) {
                break (program, name, arguments);
            }
            let Some(from) = inner(name, arguments) else { return };
            words = arguments.get(from..).unwrap_or_default();
        };
        let known: Vec<&str> = arguments.iter().flatten().map(String::as_str).collect();
        if matches!(name, "sh" | "bash" | "ash" | "dash" | "zsh") {
            return self.shell(&known, command);
        }
        if let Some(found) = self.needs_of(name, &known, arguments) {
            needs.extend(found);
        } else if self.unrecognised.is_none() {
            self.unrecognised = Some(format!("`{program}`"));
        }
    }

    fn shell(&mut self, arguments: &[&str], command: &Command) {
        let mut errexit = false;
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix(['-', '+']) {
                Some("o") => errexit |= arguments.next() == Some(&"errexit"),
                Some(flags) if !flags.starts_with('-') => {
                    errexit |= flags.contains('e');
                    if flags.contains('c') {
                        let text = arguments.next().copied().unwrap_or_default();
                        return self.script(text, errexit, command);
                    }
                }
                Some(_) => {}
                None => {
                    self.unrecognised.get_or_insert_with(|| format!("the script `{argument}`"));
                    return;
                }
            }
        }
        match &command.input {
            // A shell alone waits for somebody to type.
            Input::Inherited => {}
            Input::Text(text) => self.script(text, errexit, command),
            Input::Unknown => {
                self.unrecognised.get_or_insert_with(|| "a script on standard input".to_owned());
            }
        }
    }

    /// Needs of a program with these arguments; `None` if it is unknown.
    fn needs_of(
        &mut self,
        name: &str,
        known: &[&str],
        all: &[Option<String>],
    ) -> Option<Vec<Need>> {
        let path = |word: Option<&str>| self.path(word);
        let files = || {
            let files =
                all.iter().filter(|word| word.as_deref().is_none_or(|w| !w.starts_with('-')));
            files.map(|word| path(word.as_deref())).collect::<Vec<_>>()
        };
        let each =
            |files: Vec<Option<String>>, need: fn(_) -> Need| files.into_iter().map(need).collect();
        let last = || files().pop().into_iter().collect::<Vec<_>>();
        let after = |flag: &str| {
            let at = known.iter().position(|word| *word == flag)?;
            known.get(at + 1).copied()
        };
        if let Some((_, capability)) = SETUID.iter().find(|(known, _)| *known == name) {
            return Some(vec![Need::Setuid(capability)]);
        }
        if let Some((_, capability)) = PRIVILEGED.iter().find(|(known, _)| *known == name) {
            return Some(vec![Need::Capability(capability)]);
        }
        if let Some((_, file)) = KEEPERS.iter().find(|(known, _)| *known == name) {
            let write = file.map(|file| Need::Fill(Some(file.to_owned())));
            return Some(std::iter::once(Need::Root).chain(write).collect());
        }
        if is_in(READERS, name) {
            return Some(files().into_iter().map(Need::Read).collect());
        }
        if is_in(HARMLESS, name) {
            return Some(Vec::new());
        }
        Some(match name {
            "cd" => {
                self.directory = self.path(all.first().and_then(Option::as_deref));
                self.directory.iter().map(|at| Need::Read(Some(at.clone()))).collect()
            }
            // They write an owner and a mode too, which fails on what is read-only.
            "chown" | "chgrp" => std::iter::once(Need::Capability("CHOWN"))
                .chain(files().into_iter().skip(1).map(Need::Fill))
                .collect(),
            "chmod" => {
                let files = files().into_iter().skip(1);
                files.flat_map(|file| [Need::Own(file.clone()), Need::Fill(file)]).collect()
            }
            // A directory that exists already is left as it is.
            "mkdir" if known.iter().any(|word| is_flag(word, 'p', "--parents")) => {
                each(self.new_directories(files()), Need::Fill)
            }
            "install" if known.iter().any(|word| is_flag(word, 'd', "--directory")) => {
                each(self.new_directories(files()), Need::Fill)
            }
            // These write in the directory above, which exists. What exists already cannot be made.
            "mkdir" | "rmdir" | "touch" | "rm" | "mkfifo" | "truncate" | "tee" => {
                each(files(), Need::Write)
            }
            "cp" | "mv" | "install" | "ln" => match after("-t") {
                Some(directory) => vec![Need::Fill(path(Some(directory)))],
                None => self.copied(name, all),
            },
            "sed" if known.iter().any(|word| word.starts_with("-i")) => each(last(), Need::Write),
            "sed" => Vec::new(),
            "dd" => {
                let of = known.iter().find_map(|word| word.strip_prefix("of="));
                of.map(|file| Need::Write(path(Some(file)))).into_iter().collect()
            }
            "tar" | "unzip" => vec![self.unpacked(after("-C").or(after("-d")).unwrap_or("."))],
            "wget" => match (after("-O").or(after("-qO")), after("-P")) {
                (Some("-"), _) => Vec::new(),
                (Some(file), _) => vec![Need::Write(path(Some(file)))],
                (None, Some(directory)) => vec![self.unpacked(directory)],
                _ if known.iter().any(|word| word.starts_with("-qO-") || *word == "--spider") => {
                    Vec::new()
                }
                _ => vec![Need::Fill(path(Some(".")))],
            },
            "curl" => match after("-o").or(after("--output")) {
                Some(file) => vec![Need::Write(path(Some(file)))],
                None if known.contains(&"-O") => vec![Need::Fill(path(Some(".")))],
                None => Vec::new(),
            },
            "httpd" => vec![Need::Port(port(after("-p")).unwrap_or(80))],
            "nc" | "ncat" if known.iter().any(|word| word.starts_with("-l")) => {
                let ports = port(after("-p")).or_else(|| port(known.last().copied()));
                ports.map(Need::Port).into_iter().collect()
            }
            "nc" | "ncat" => Vec::new(),
            "ip" | "route" | "ifconfig" if changes_network(name, known) => {
                vec![Need::Capability("NET_ADMIN")]
            }
            "ip" | "route" | "ifconfig" => Vec::new(),
            "sysctl" if known.iter().any(|word| *word == "-w" || word.contains('=')) => {
                vec![Need::Capability("SYS_ADMIN")]
            }
            "sysctl" => Vec::new(),
            "ping" | "ping6" | "traceroute" => vec![Need::Ping],
            "renice" => vec![Need::Capability("SYS_NICE")],
            "pip" | "pip3" | "npm" | "gem" if known.contains(&"install") => {
                vec![Need::Fill(Some("/usr".to_owned()))]
            }
            _ => return None,
        })
    }

    /// Needs of copying, moving or linking the first of these words to the last one: into the last
    /// one, if that is a directory for sure.
    fn copied(&self, name: &str, words: &[Option<String>]) -> Vec<Need> {
        let mut value = false;
        let is_file = |word: &&Option<String>| {
            let Some(word) = word.as_deref() else { return !std::mem::take(&mut value) };
            let is_value = std::mem::take(&mut value);
            // Options that take a mode, an owner or a suffix.
            value = word == "-S" || name == "install" && matches!(word, "-m" | "-o" | "-g");
            !is_value && !word.starts_with('-')
        };
        let files: Vec<&Option<String>> = words.iter().filter(is_file).collect();
        let Some((to, from)) = files.split_last().filter(|(_, from)| !from.is_empty()) else {
            return vec![Need::Write(None)];
        };
        let Some(directory) = self.path(to.as_deref()) else { return vec![Need::Write(None)] };
        if !self.is_above_mount(&directory) {
            let several = from.len() > 1 || to.as_deref().is_some_and(|to| to.ends_with('/'));
            let need = if several { Need::Fill } else { Need::Write };
            return vec![need(Some(directory))];
        }
        let written = |from: &&Option<String>| {
            // `cp -r a/. b` copies what is in `a`, whatever that is.
            let name = from.as_deref()?.trim_end_matches('/').rsplit('/').next()?;
            let name = Some(name).filter(|name| !matches!(*name, "" | "." | ".."))?;
            Some(format!("{}/{name}", directory.trim_end_matches('/')))
        };
        from.iter().map(|from| Need::Write(written(from))).collect()
    }

    /// Need to make files in a directory, under names that the words do not tell. If a volume is
    /// mounted below, only some of the directory may be written.
    fn unpacked(&self, directory: &str) -> Need {
        match self.path(Some(directory)) {
            Some(path) if self.is_above_mount(&path) => Need::Write(None),
            path => Need::Fill(path),
        }
    }

    /// Whether a volume is mounted below the path, which makes it a directory.
    fn is_above_mount(&self, path: &str) -> bool {
        self.mounts.iter().any(|mount| mount != path && reach::within(mount, path))
    }

    /// The directories among these that may not exist yet.
    fn new_directories(&self, mut paths: Vec<Option<String>>) -> Vec<Option<String>> {
        let is_there = |path: &str| path == "/" || self.is_above_mount(path);
        paths.retain(|path| !path.as_deref().is_some_and(is_there));
        paths
    }

    /// An absolute path; `None` if unknown.
    fn path(&self, word: Option<&str>) -> Option<String> {
        let word = word?;
        if word.starts_with('/') {
            return Some(crate::pod::normalise_path(word).into_owned());
        }
        let directory = self.directory.as_deref()?;
        Some(crate::pod::normalise_path(&format!("{directory}/{word}")).into_owned())
    }
}

/// Whether a word is this flag, by itself or among others: `-p`, `-pv`.
fn is_flag(word: &str, short: char, long: &str) -> bool {
    word == long
        || word
            .strip_prefix('-')
            .is_some_and(|flags| !flags.starts_with('-') && flags.contains(short))
}

fn is_in(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|known| known == word)
}

/// Index of the argument that is the program, if `program` only runs another one.
pub(super) fn wrapped(program: &str, arguments: &[Option<String>]) -> Option<usize> {
    let name = program.rsplit('/').next().unwrap_or(program);
    is_in(WRAPPERS, name).then(|| inner(name, arguments)).flatten()
}

/// Index of the argument that is the program of a wrapper.
fn inner(name: &str, arguments: &[Option<String>]) -> Option<usize> {
    let mut number = matches!(name, "timeout");
    let mut value = false;
    for (index, argument) in arguments.iter().enumerate() {
        let Some(word) = argument.as_deref() else { return Some(index) };
        if value {
            value = false;
        } else if matches!((name, word), ("nice" | "ionice", "-n") | ("timeout", "-s" | "-k")) {
            value = true;
        } else if word.starts_with('-') || (name == "env" && word.contains('=')) {
        } else if number {
            number = false;
        } else {
            return Some(index);
        }
    }
    None
}

fn changes_network(name: &str, words: &[&str]) -> bool {
    match name {
        "ifconfig" => words.len() > 1,
        _ => words.iter().any(|word| {
            matches!(*word, "add" | "del" | "delete" | "set" | "flush" | "replace" | "change")
        }),
    }
}

/// `8080`, `0.0.0.0:8080`, `:8080`
fn port(word: Option<&str>) -> Option<i64> {
    word?.rsplit(':').next()?.parse().ok()
}

/// Maximum length of a command that is shown.
const SHOWN: usize = 48;

fn shown(words: &[Option<String>]) -> String {
    let words: Vec<&str> = words.iter().map(|word| word.as_deref().unwrap_or("…")).collect();
    crate::text::printable(&words.join(" "), SHOWN).into_owned()
}
