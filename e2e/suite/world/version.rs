//! Which ironhull is installed: this one, or the one before it.

use super::{image, project};

/// A chart, and the image that it installs.
pub struct Version {
    /// What it is called in what scenarios say.
    pub name: &'static str,
    pub chart: String,
    pub repository: String,
    pub tag: String,
}

/// A directory with the previous version's `deploy/chart`, from `e2e/upgrade`. Its image is loaded below [`PREVIOUS`].
const DIRECTORY: &str = "E2E_PREVIOUS";
const PREVIOUS: (&str, &str) = ("localhost/ironhull", "previous");

impl Version {
    /// What this repository has.
    pub fn this() -> Self {
        let (repository, tag) = image();
        Self { name: "this version", chart: project("deploy/chart"), repository, tag }
    }

    /// Whether there is a previous one to go from.
    pub fn has_previous() -> bool {
        std::env::var_os(DIRECTORY).is_some_and(|value| !value.is_empty())
    }

    /// The one before. Panics where there is none.
    pub fn previous() -> Self {
        let directory = std::env::var(DIRECTORY).expect("E2E_PREVIOUS names a directory");
        Self {
            name: "the previous version",
            chart: format!("{directory}/deploy/chart"),
            repository: PREVIOUS.0.to_owned(),
            tag: PREVIOUS.1.to_owned(),
        }
    }

    /// The image, as pods name it.
    pub fn image(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }
}
