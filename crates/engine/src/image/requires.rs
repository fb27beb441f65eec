//! `requires`: what a container of an image must have, beyond what ironhull gives it.

use std::fmt;

use crate::pod::{Container, Variable, normalise_path};
use crate::policy::WritablePath;

/// A condition, its purpose, and what to do if it is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The condition.
    pub condition: Condition,
    /// When it applies; always if `None`.
    pub when: Option<When>,
    /// What it is needed for.
    pub purpose: Purpose,
    /// The instruction to a person, as a sentence.
    pub say: String,
}

/// What a condition is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `runAsNonRoot`: to run as another user than root.
    NonRoot,
    /// `readOnlyRootFilesystem`: to run with a read-only root.
    ReadOnlyRoot,
}

/// A condition on a container that its manifest can show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `env`: this variable has a value.
    Env(String),
    /// `argument`: a word of `command` or `args` contains this.
    Argument(String),
    /// `volume`: something is mounted at this path or above it.
    Volume(WritablePath),
    /// `notMountPoint`: nothing is mounted at exactly this directory.
    NotMountPoint {
        /// The directory.
        path: WritablePath,
        /// `movedBy`: the variable that names another directory.
        moved_by: Option<String>,
    },
}

/// When a condition matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// `whenEnv`: this variable has a value.
    Env(String),
    /// `whenVolume`: something is mounted at this path or above it.
    Volume(WritablePath),
}

/// Whether a condition is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// It is met.
    Yes,
    /// It is not met.
    No,
    /// The manifest does not tell: the value is in a ConfigMap or a Secret.
    Unknown,
}

impl Requirement {
    /// Whether `container` meets it. `Yes` if it does not matter there.
    pub fn met(&self, container: &Container<'_>) -> Met {
        let matters = match &self.when {
            None => Met::Yes,
            Some(When::Env(name)) => has_value(container, name),
            Some(When::Volume(path)) => has_volume(container, path),
        };
        match (matters, self.condition.met(container)) {
            (Met::No, _) | (_, Met::Yes) => Met::Yes,
            (Met::Unknown, _) => Met::Unknown,
            (Met::Yes, met) => met,
        }
    }
}

impl Condition {
    /// Whether it is met in `container`.
    pub fn met(&self, container: &Container<'_>) -> Met {
        match self {
            Self::Env(name) => has_value(container, name),
            Self::Argument(text) => {
                let Some(words) = container.words() else { return Met::Unknown };
                if words.iter().any(|word| word.contains(text.as_str())) {
                    Met::Yes
                } else if words.iter().any(|word| word.contains("$(")) {
                    // A variable may provide it.
                    Met::Unknown
                } else {
                    Met::No
                }
            }
            Self::Volume(path) => has_volume(container, path),
            Self::NotMountPoint { path, moved_by } => {
                let moved = moved_by.as_ref().map(|name| container.variable(name));
                match moved {
                    Some(Variable::Unknown) => Met::Unknown,
                    Some(Variable::Set(value)) if value.contains("$(") => Met::Unknown,
                    Some(Variable::Set(value)) if !value.is_empty() => {
                        not_mounted(container, &value)
                    }
                    _ => not_mounted(container, path.as_str()),
                }
            }
        }
    }
}

/// Whether a variable has a value. To most scripts an empty one is unset (`[ -z "$NAME" ]`).
fn has_value(container: &Container<'_>, name: &str) -> Met {
    match container.variable(name) {
        Variable::Set(value) if !value.is_empty() => Met::Yes,
        Variable::Set(_) | Variable::Unset => Met::No,
        Variable::Unknown => Met::Unknown,
    }
}

fn has_volume(container: &Container<'_>, path: &WritablePath) -> Met {
    match container.covering_mount(path.as_str()) {
        Some(_) => Met::Yes,
        None => Met::No,
    }
}

fn not_mounted(container: &Container<'_>, path: &str) -> Met {
    match container.covering_mount(&normalise_path(path)) {
        Some((_, true)) => Met::No,
        _ => Met::Yes,
    }
}

impl Purpose {
    /// The name of its rule.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NonRoot => "runAsNonRoot",
            Self::ReadOnlyRoot => "readOnlyRootFilesystem",
        }
    }
}

impl fmt::Display for Requirement {
    /// As a person would say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)?;
        match &self.when {
            None => Ok(()),
            Some(When::Env(name)) => write!(f, ", where `{name}` is set"),
            Some(When::Volume(path)) => {
                write!(f, ", where a volume is mounted at `{}`", path.as_str())
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "`{name}` is set"),
            Self::Argument(text) => write!(f, "`{text}` is among its arguments"),
            Self::Volume(path) => write!(f, "a volume is mounted at `{}`", path.as_str()),
            Self::NotMountPoint { path, moved_by: None } => {
                write!(f, "no volume is mounted at `{}` itself", path.as_str())
            }
            Self::NotMountPoint { path, moved_by: Some(name) } => write!(
                f,
                "no volume is mounted at `{name}` itself (`{}` if it is not set)",
                path.as_str()
            ),
        }
    }
}
