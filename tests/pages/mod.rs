//! The parts of the pages that are checked against the program, or made by it.
//!
//! | file | what it has |
//! |---|---|
//! | `cli` | `docs/cli.md` |
//! | `controls` | `docs/controls.md` |
//! | `commands` | fenced commands are run, and their output compared |
//! | `fences` | the fenced blocks of the pages |
//! | `json` | `docs/json.md` and `docs/schemas/` |
//! | `kinds` | the table of kinds in `docs/manifests.md` |
//! | `known_images` | `docs/known-images.md` |
//! | `picture` | `docs/before-after.svg` |
//! | `reference` | tables of flags and metrics |
//! | `session` | `docs/quickstart.svg` |

pub mod cli;
pub mod commands;
pub mod controls;
pub mod fences;
pub mod json;
pub mod kinds;
pub mod known_images;
pub mod picture;
pub mod reference;
pub mod session;
pub mod versions;

use std::path::{Path, PathBuf};

/// A file of the project.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares a file with what it should be, or writes it.
pub fn current(name: &str, expected: &str) {
    if crate::update::is_wanted() {
        std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        std::fs::write(path(name), expected).unwrap();
    }
    let present = std::fs::read_to_string(path(name)).unwrap_or_default();
    assert_eq!(present, expected, "{name} is not current: run `make docs`");
}

/// A page with what stands between two markers replaced by `new`, compared or written.
pub fn current_between(page: &str, name: &str, new: &str) {
    let text = std::fs::read_to_string(path(page)).unwrap();
    let begin = format!("<!-- begin {name} -->\n");
    let end = format!("<!-- end {name} -->");
    let from = text.find(&begin).unwrap_or_else(|| panic!("{page}: no {begin}")) + begin.len();
    let to = text.find(&end).unwrap_or_else(|| panic!("{page}: no {end}"));
    current(page, &format!("{}\n{new}\n{}", &text[..from], &text[to..]));
}

/// Every page of the documentation.
pub fn all() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
            .map(path)
            .into();
    let docs = std::fs::read_dir(path("docs")).unwrap().map(|entry| entry.unwrap().path());
    pages.extend(docs.filter(|path| path.extension().is_some_and(|end| end == "md")));
    pages.sort();
    pages
}

/// Those, and the pages of parts of the project.
pub fn with_parts() -> Vec<PathBuf> {
    let parts = [
        "deploy/README.md",
        "e2e/README.md",
        "e2e/cluster/README.md",
        "e2e/judge/README.md",
        "tests/golden/README.md",
    ];
    all().into_iter().chain(parts.map(path)).collect()
}

/// The built program.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ironhull"))
}
