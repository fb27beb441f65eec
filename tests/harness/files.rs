//! A case's files: what may be there, what must be, and what is in them.

use std::fs;
use std::path::Path;

use serde_json::Value;
use similar::TextDiff;

use super::cases::{name, sorted};

/// Reads YAML as Kubernetes does: `0400` is octal.
///
/// # Errors
/// When it is no YAML.
pub fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}

/// The text of a file, or nothing where there is no such file.
pub fn read(directory: &Path, file: &str) -> Option<String> {
    fs::read_to_string(directory.join(file)).ok()
}

/// The input says in its first lines what it is about and what must come out.
///
/// # Errors
/// When it does not.
pub fn check_comment(text: &str) -> Result<(), String> {
    let comment: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
    match comment.as_slice() {
        [first, rest @ ..]
            if first.len() > 10 && rest.iter().any(|line| line.starts_with("# Expected: ")) =>
        {
            Ok(())
        }
        _ => Err("the input does not begin with a comment that says what it is about, \
                  followed by a line `# Expected: …`"
            .to_owned()),
    }
}

/// Compares what came out with what is expected; `inputs` are the files that may be there
/// besides. With `UPDATE_EXPECT=1` it rewrites what is expected instead.
///
/// # Errors
/// Every difference, and every file that is missing or too many.
pub fn compare(
    directory: &Path,
    inputs: &[&str],
    expected: &[(&str, String)],
) -> Result<(), String> {
    let update = crate::update::is_wanted();
    let mut surprises = String::new();
    for path in sorted(directory)? {
        let file = name(&path);
        let known = inputs.contains(&file) || expected.iter().any(|(name, _)| *name == file);
        if known {
            continue;
        }
        if update && file.starts_with("expected.") {
            fs::remove_file(&path).unwrap();
        } else {
            surprises += &format!("{file} is one file too many\n");
        }
    }
    for (file, now) in expected {
        if update {
            fs::write(directory.join(file), now).unwrap();
            continue;
        }
        match read(directory, file) {
            None => surprises += &format!("{file} is missing; what came out is\n{now}"),
            Some(before) if before != *now => {
                let difference = TextDiff::from_lines(&before, now);
                let difference = difference.unified_diff().header("expected", "actual").to_string();
                surprises += &format!("{file} differs\n{difference}");
            }
            Some(_) => {}
        }
    }
    if surprises.is_empty() { Ok(()) } else { Err(surprises) }
}
