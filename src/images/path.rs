//! Paths within an image: relative to its root, without `.`, `..` and double slashes. The root
//! itself is the empty path.

/// The path that a name in an archive means, as Go's `filepath.Clean` has it. What leads above the
/// root leads to the root.
pub(super) fn clean(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The directory of a path, and its last name; `None` for the root.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    match path.rsplit_once('/') {
        Some(parts) => Some(parts),
        None if path.is_empty() => None,
        None => Some(("", path)),
    }
}

/// The path of `name` in a directory.
pub(super) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// The path as people write it: from the root on.
pub(super) fn absolute(path: &str) -> String {
    format!("/{path}")
}

/// Whether `path` is `directory` or below it.
pub(super) fn within(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| directory.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_below_the_root() {
        for (name, path) in [
            ("./etc/passwd", "etc/passwd"),
            ("/etc//passwd", "etc/passwd"),
            ("a/../b/./c/", "b/c"),
            ("../../etc/passwd", "etc/passwd"),
            ("a/../../../b", "b"),
            (".", ""),
            ("/", ""),
            ("", ""),
        ] {
            assert_eq!(clean(name), path, "{name}");
        }
        assert_eq!(split("a/b/c"), Some(("a/b", "c")));
        assert_eq!(split("a"), Some(("", "a")));
        assert_eq!(split(""), None);
        assert!(within("a/b", "a") && within("a", "a") && within("a", ""));
        assert!(!within("ab", "a") && !within("a", "a/b"));
    }
}
