//! The new text of one file, written beside it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Hardened;
use crate::manifest::{ManifestError, ManifestFile};

/// A file that is to take another's place. If dropped before that, it is removed.
#[derive(Debug)]
pub(super) struct Draft {
    /// The file whose place it takes, with links resolved.
    target: PathBuf,
    /// Path of the draft, until it takes that place.
    path: Option<PathBuf>,
}

impl Draft {
    /// Writes the source's new text beside its file, with that file's owner and
    /// permissions.
    ///
    /// # Errors
    /// When the file has changed since it was read or may not be written, or its directory
    /// cannot be written to.
    pub(super) fn of(one: &Hardened) -> Result<Self, ManifestError> {
        let target = target(&one.source)?;
        let about = |error| ManifestError::about(&one.source.name, error);
        let old = fs::metadata(&target).map_err(about)?;
        refuse(&one.source, &old)?;
        unchanged(&one.source, &target)?;
        let new = one.new_text();
        Self::write(&target, &one.source.encoding.encode(&new), &old).map_err(|error| {
            let directory = target.parent().unwrap_or(&target).display();
            about(io::Error::new(error.kind(), format!("cannot write in `{directory}`: {error}")))
        })
    }

    fn write(target: &Path, bytes: &[u8], old: &Metadata) -> io::Result<Self> {
        let (mut file, path) = create_beside(target)?;
        let draft = Self { target: target.to_owned(), path: Some(path) };
        file.write_all(bytes)?;
        keep_owner(&file, old);
        // Set after the owner, since changing the owner takes bits away.
        file.set_permissions(old.permissions())?;
        // Without this, a crash of the machine could leave an empty file in the old one's place.
        file.sync_all()?;
        Ok(draft)
    }

    /// The file whose place it takes.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Takes the old file's place.
    ///
    /// # Errors
    /// When the old file has changed since it was read, or cannot be replaced.
    pub(super) fn replace(mut self, one: &Hardened) -> Result<(), ManifestError> {
        unchanged(&one.source, &self.target)?;
        let Some(path) = &self.path else { return Ok(()) };
        fs::rename(path, &self.target)
            .map_err(|error| ManifestError::about(&one.source.name, error))?;
        self.path = None;
        // The new name is only as durable as the directory. Where directories cannot be synced,
        // only that durability is lost.
        if let Some(directory) = self.target.parent() {
            let _ = File::open(directory).and_then(|directory| directory.sync_all());
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            let _ = fs::remove_file(path);
        }
    }
}

/// The file itself, with links resolved: a link to it stays a link.
fn target(source: &ManifestFile) -> Result<PathBuf, ManifestError> {
    let path = source.path.as_deref().unwrap_or(Path::new(&source.name));
    path.canonicalize().map_err(|error| ManifestError::about(&source.name, error))
}

fn refuse(source: &ManifestFile, old: &Metadata) -> Result<(), ManifestError> {
    let error = |message, hint: &str| {
        let mut error = ManifestError::about(&source.name, message);
        error.hint = Some(hint.to_owned());
        Err(error)
    };
    if !old.is_file() {
        return error("is not a regular file", "--write needs files that can be replaced");
    }
    if old.permissions().readonly() {
        return error("is read-only", "make it writable with `chmod u+w`");
    }
    Ok(())
}

/// Refuses a file that has changed since it was read. Somebody may still write to it between this
/// check and what follows. There is no way to forbid that, and the time is short.
fn unchanged(source: &ManifestFile, target: &Path) -> Result<(), ManifestError> {
    let now = fs::read(target).map_err(|error| ManifestError::about(&source.name, error))?;
    if now == *source.encoding.encode(&source.text) {
        return Ok(());
    }
    let mut error = ManifestError::about(&source.name, "has changed since it was read");
    error.hint = Some("run the command again".to_owned());
    Err(error)
}

/// Creates a file in the directory of `target`. Its name is hidden, so that no walk reads it. It
/// does not contain the old name, which may be as long as names can be.
fn create_beside(target: &Path) -> io::Result<(File, PathBuf)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let process = std::process::id();
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = target.with_file_name(format!(".ironhull-{process}-{number}.tmp"));
        // Private until it has the old file's permissions.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Gives the file the old one's owner and group, as far as that is permitted.
fn keep_owner(file: &File, old: &Metadata) {
    let same = file.metadata().is_ok_and(|new| (new.uid(), new.gid()) == (old.uid(), old.gid()));
    if !same && fchown(file, Some(old.uid()), Some(old.gid())).is_err() {
        let _ = fchown(file, None, Some(old.gid()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn hardened(path: &Path, text: &str) -> Hardened {
        let source = ManifestFile::read("in.yaml", text.to_owned()).unwrap();
        Hardened {
            source: ManifestFile { path: Some(path.to_owned()), ..source },
            changes: Vec::new(),
            leaves_something: false,
            breaks: false,
        }
    }

    /// The directory's entries.
    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_that_has_changed_meanwhile_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("in.yaml");
        let one = hardened(&path, "a: 1\n");
        fs::write(&path, "a: 2\n").unwrap();
        assert_eq!(Draft::of(&one).unwrap_err().message, "has changed since it was read");

        fs::write(&path, "a: 1\n").unwrap();
        let draft = Draft::of(&one).unwrap();
        assert_eq!(names(directory.path()).len(), 2);
        fs::write(&path, "a: 3\n").unwrap();
        assert_eq!(draft.replace(&one).unwrap_err().message, "has changed since it was read");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a: 3\n");
        assert_eq!(names(directory.path()), ["in.yaml"]);
    }

    #[test]
    fn a_draft_that_is_not_used_goes_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("in.yaml");
        fs::write(&path, "a: 1\n").unwrap();
        drop(Draft::of(&hardened(&path, "a: 1\n")).unwrap());
        assert_eq!(names(directory.path()), ["in.yaml"]);
    }

    #[test]
    fn only_regular_files_that_may_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("in.yaml");
        fs::write(&path, "a: 1\n").unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();
        let one = hardened(&path, "a: 1\n");
        assert_eq!(Draft::of(&one).unwrap_err().message, "is read-only");
        let one = hardened(Path::new("/dev/null"), "");
        assert_eq!(Draft::of(&one).unwrap_err().message, "is not a regular file");
    }
}
