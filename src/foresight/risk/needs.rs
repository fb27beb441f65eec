//! Needs of a container's command, as far as its words tell.
//!
//! The engine never looks at commands: these are hints for people. A program that is not on the
//! lists here is not recognised, and its needs are unknown.

mod programs;
mod reader;

use k8s_openapi::api::core::v1::Container;

use super::script::{Command, Failure};
use reader::{ROOM, Reader};

/// A need that a command cannot do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// To be root with this capability.
    Capability(&'static str),
    /// Raw sockets, or a kernel that lets anybody ping.
    Ping,
    /// To be root.
    Root,
    /// To own what is at this path.
    Own(Option<String>),
    /// To write this file.
    Write(Option<String>),
    /// To make, or to write into, this directory.
    Fill(Option<String>),
    /// To bind this port.
    Port(i64),
    /// To read what is at this path.
    Read(Option<String>),
    /// That a setuid program makes another user root. If run by root, this capability.
    Setuid(&'static str),
}

/// A need, and the command that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// What is needed.
    pub need: Need,
    /// The command, shortened.
    pub by: String,
    /// What happens if it is not met.
    pub failure: Failure,
    /// Whether only root gets to where it is needed.
    pub for_root: bool,
}

/// What a container runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The entrypoint of its image.
    Entrypoint,
    /// Known programs only, with all their needs.
    Recognised(Vec<Needed>),
    /// An unknown program, and the needs of the known ones beside it.
    Unrecognised(String, Vec<Needed>),
}

/// What the container runs.
pub fn of_container(container: &Container) -> Program {
    let command = container.command.as_deref().unwrap_or_default();
    if command.is_empty() {
        return Program::Entrypoint;
    }
    let words = command.iter().chain(container.args.iter().flatten());
    of_words(words, container)
}

/// Setuid programs in the arguments of an image's own entrypoint. Most entrypoints run what they
/// are given, and no manifest says which do not.
pub fn of_arguments(container: &Container) -> Vec<Needed> {
    let words = container.args.iter().flatten();
    let (Program::Recognised(needs) | Program::Unrecognised(_, needs)) = of_words(words, container)
    else {
        return Vec::new();
    };
    let setuid = needs.into_iter().filter(|needed| matches!(needed.need, Need::Setuid(_)));
    setuid.map(|needed| Needed { failure: Failure::GoesOn, ..needed }).collect()
}

/// The words from the program on that these run in the end: without `tini --`, `env A=b` and the
/// like.
pub fn unwrapped(words: &[String]) -> &[String] {
    let mut words = words;
    while let Some((program, arguments)) = words.split_first() {
        let arguments: Vec<_> = arguments.iter().cloned().map(Some).collect();
        let Some(inner) = reader::wrapped(program, &arguments) else { break };
        words = words.get(inner + 1..).unwrap_or_default();
    }
    words
}

/// Needs of a command that is run in the container, such as a probe's.
pub fn of_words<'c>(words: impl Iterator<Item = &'c String>, container: &'c Container) -> Program {
    let variables = container.env.iter().flatten();
    let variables = variables.filter_map(|e| Some((e.name.as_str(), e.value.as_deref()?)));
    let mounts = container.volume_mounts.iter().flatten();
    let mounts = mounts.map(|mount| crate::pod::normalise_path(&mount.mount_path).into_owned());
    let mut reader = Reader {
        variables: variables.collect(),
        mounts: mounts.collect(),
        directory: container.working_dir.clone(),
        needs: Vec::new(),
        unrecognised: None,
        depth: 0,
        room: ROOM,
    };
    let words = words.map(|word| Some(word.clone())).collect();
    reader.command(&Command { words, ..Command::default() });
    let Reader { needs, unrecognised, .. } = reader;
    match unrecognised {
        None => Program::Recognised(needs),
        Some(unrecognised) => Program::Unrecognised(unrecognised, needs),
    }
}
