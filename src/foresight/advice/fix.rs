//! What to change so that a hardened pod works, as data and in words.

use std::fmt;

use super::message::{self, Message};
use crate::exemption::DOMAIN;
use crate::policy::{Writable, WritablePath};
use crate::rule::{RuleName, RuleScope};
use crate::text::listed;

/// One change that helps, filled with what the message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// A writable directory: the annotation `CONTAINER.ironhull.dev/writable-paths`.
    WritablePath {
        /// The directory, normalised; one that a workload may ask for.
        path: String,
        /// Whether the image may have something there, which an empty directory would hide.
        seed: bool,
    },
    /// This port in the container's `ports`. It is below 1024.
    Port(u16),
    /// This capability in the container's `securityContext.capabilities.add`.
    AddCapability(&'static str),
    /// `securityContext.runAsUser` of the container.
    RunAsUser(User),
    /// A variable in the container's `env`.
    Env {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// `securityContext.fsGroup` of the pod: the gid of the container that needs the files.
    FsGroup,
    /// An entry in `securityContext.sysctls` of the pod.
    Sysctl {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: &'static str,
    },
    /// `defaultMode` of the volume that holds the file.
    DefaultMode(u16),
    /// Exemption of the container from these rules, or of the pod where a rule acts on the pod.
    Exempt(&'static [RuleName]),
    /// Something that no patch expresses.
    Words(&'static str),
}

/// The user to run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// A user of the image, by its name. Its uid is in the image.
    Named(String),
    /// The user that the image's files are made for. The message does not name it.
    OfImage,
    /// Any uid above 0.
    Any,
}

/// A fix as the table has it: what is to be taken from the message is missing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cure {
    /// The directory that the message names becomes writable.
    Writable,
    /// This directory becomes writable, where the message does not have what the cures before take.
    WritableAt(&'static str),
    /// The emptyDir that hides what the message names is filled with what the image has there.
    Seed,
    /// The port that the message names is declared.
    Port,
    /// This capability is kept.
    AddCapability(&'static str),
    /// The user that the message names.
    NamedUser,
    /// The user of this name.
    User(&'static str),
    /// The user that the image is made for.
    ImageUser,
    /// Any uid above 0.
    AnyUser,
    /// This variable.
    Env(&'static str, &'static str),
    /// This variable is set to a directory below the one that the message names.
    EnvBelow(&'static str, &'static str),
    FsGroup,
    Sysctl(&'static str, &'static str),
    DefaultMode(u16),
    Exempt(&'static [RuleName]),
    Words(&'static str),
    /// Words for where the message does not have what the cures before take.
    IfUnnamed(&'static str),
}

impl Cure {
    /// The fix; `None` if the message does not have what it takes.
    pub(super) fn filled(self, said: &Message<'_>) -> Option<Fix> {
        Some(match self {
            Self::Writable => {
                let (path, seed) = message::directory(said.line)?;
                let path = Writable::asked_for(&path).ok()?.path.as_str().to_owned();
                Fix::WritablePath { path, seed }
            }
            Self::WritableAt(path) => Fix::WritablePath { path: path.to_owned(), seed: false },
            Self::Seed => {
                let at = said.mounts?.mount_path(message::path(said.line)?)?;
                Fix::WritablePath { path: at.to_owned(), seed: true }
            }
            Self::Port => Fix::Port(message::port(said.line).filter(|port| *port < 1024)?),
            Self::AddCapability(name) => Fix::AddCapability(name),
            Self::NamedUser => Fix::RunAsUser(User::Named(message::user(said.line)?.to_owned())),
            Self::User(name) => Fix::RunAsUser(User::Named(name.to_owned())),
            Self::ImageUser => Fix::RunAsUser(User::OfImage),
            Self::AnyUser => Fix::RunAsUser(User::Any),
            Self::Env(name, value) => Fix::Env { name, value: value.to_owned() },
            Self::EnvBelow(name, below) => {
                let path = WritablePath::new(message::path(said.line)?).ok()?;
                Fix::Env { name, value: format!("{}/{below}", path.as_str()) }
            }
            Self::FsGroup => Fix::FsGroup,
            Self::Sysctl(name, value) => Fix::Sysctl { name, value },
            Self::DefaultMode(mode) => Fix::DefaultMode(mode),
            Self::Exempt(rules) => Fix::Exempt(rules),
            Self::Words(words) | Self::IfUnnamed(words) => Fix::Words(words),
        })
    }
}

impl Cure {
    /// What it is in general, for a page.
    pub(super) fn in_general(self) -> String {
        let fix = match self {
            Self::Writable => {
                return "make the directory that it names writable: `ironhull.dev/writable-paths`"
                    .to_owned();
            }
            Self::WritableAt(path) => Fix::WritablePath { path: path.to_owned(), seed: false },
            Self::Seed => {
                return "have the directory filled with what the image has there: \
                        `ironhull.dev/writable-paths: \"PATH=seed\"`"
                    .to_owned();
            }
            Self::Port => return "declare the port that it names in `ports`".to_owned(),
            Self::AddCapability(name) => Fix::AddCapability(name),
            Self::NamedUser => return "set `runAsUser` to the uid of the user it names".to_owned(),
            Self::User(name) => Fix::RunAsUser(User::Named(name.to_owned())),
            Self::ImageUser => Fix::RunAsUser(User::OfImage),
            Self::AnyUser => Fix::RunAsUser(User::Any),
            Self::Env(name, value) => Fix::Env { name, value: value.to_owned() },
            Self::EnvBelow(name, _) => {
                return format!("set {name} in `env` to a directory below the one that it names");
            }
            Self::FsGroup => Fix::FsGroup,
            Self::Sysctl(name, value) => Fix::Sysctl { name, value },
            Self::DefaultMode(mode) => Fix::DefaultMode(mode),
            Self::Exempt(rules) => Fix::Exempt(rules),
            Self::Words(words) | Self::IfUnnamed(words) => Fix::Words(words),
        };
        fix.words(None)
    }
}

impl Fix {
    /// Words for these writable paths, as the annotation has them.
    pub fn writable(container: Option<&str>, paths: &str) -> String {
        let of = container.map(|name| format!("{name}.")).unwrap_or_default();
        format!("annotate the pod: `{of}{DOMAIN}/writable-paths: \"{paths}\"`")
    }

    /// The change in words, as an order without a full stop. `container` is who needs it, if it is
    /// known; the annotation's name has it.
    pub fn words(&self, container: Option<&str>) -> String {
        match self {
            Self::WritablePath { path, seed } => {
                Self::writable(container, &Writable::written(path, *seed))
            }
            Self::Port(port) => {
                format!("declare port {port} in `ports`; ironhull then lets the pod bind it")
            }
            Self::AddCapability(name) => {
                format!("add {name} to the container's `capabilities.add`")
            }
            Self::RunAsUser(user) => format!("set `runAsUser` to {user}"),
            Self::Env { name, value } => format!("set {name} to `{value}` in `env`"),
            Self::FsGroup => {
                "set `fsGroup` on the pod, so that its users may use the volume".to_owned()
            }
            Self::Sysctl { name, value } => format!("set the sysctl `{name}` to `{value}`"),
            Self::DefaultMode(mode) => format!("set `defaultMode: 0{mode:o}` on the volume"),
            Self::Exempt(rules) => {
                let names = rules.iter().map(|rule| rule.as_str());
                let of_pod = rules.iter().any(|rule| rule.scope() == RuleScope::Pod);
                let what = if of_pod { "the pod" } else { "the container" };
                format!("exempt {what} from {}", listed(names))
            }
            Self::Words(words) => (*words).to_owned(),
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => {
                write!(f, "the uid of `{name}`; `id -u {name}` in the image prints it")
            }
            Self::OfImage => f.write_str("the uid that the image's files are made for"),
            Self::Any => f.write_str("a uid above 0"),
        }
    }
}
