//! The directory of real manifests that `IRONHULL_CORPUS` names; it is not part of the
//! project.

use std::path::{Path, PathBuf};

/// Where it is; a loud note where the variable is not set, a failure in CI.
pub fn directory() -> Option<PathBuf> {
    let directory = std::env::var_os("IRONHULL_CORPUS").map(PathBuf::from);
    if directory.is_none() {
        assert!(std::env::var_os("CI").is_none(), "IRONHULL_CORPUS is not set");
        eprintln!("NOT RUN: IRONHULL_CORPUS names no directory of real manifests");
    }
    directory
}

/// The manifests in it and below, in order.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
