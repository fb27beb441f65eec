//! Why a directory could not be copied.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

/// Why a directory could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The image has no such directory.
    #[error("the image has no directory `{}`: correct the path in `writable-paths`", .0.display())]
    Missing(PathBuf),
    /// It is something else.
    #[error("`{}` is not a directory of the image: only a directory can be seeded", .0.display())]
    NotADirectory(PathBuf),
    /// The user may not list the directory itself.
    #[error(
        "uid {uid} cannot read the directory `{}` of the image: \
         seed a directory that this user may read, or run the container as the image's own user",
        .path.display()
    )]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// The user.
        uid: u32,
    },
    /// There is more than the emptyDir may hold.
    #[error(
        "`{}` needs more than {limit} bytes, the sizeLimit of its emptyDir: \
         raise `readOnlyRootFilesystem.sizeLimit` in the policy",
        .path.display()
    )]
    TooLarge {
        /// The directory.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// The emptyDir, or the disk below it, is full.
    #[error(
        "no space for `{}`: its emptyDir is full (`sizeLimit`), or the node's disk is",
        .0.display()
    )]
    NoSpace(PathBuf),
    /// Directories lie so deep in each other that they cannot all be kept open.
    #[error("`{}` is more than {} directories deep", .0.display(), super::copy::DEEPEST)]
    TooDeep(PathBuf),
    /// Something else went wrong at this path.
    #[error("`{}`: {error}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// What was done cannot be said.
    #[error("cannot write to the log: {0}")]
    Said(io::Error),
}

impl CopyError {
    /// The error for what went wrong at a path.
    pub(super) fn at(path: PathBuf, error: Errno) -> Self {
        Self::of(path, error.into())
    }

    /// The same.
    pub(super) fn of(path: PathBuf, error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::NoSpace(path),
            _ => Self::Io { path, error },
        }
    }
}
