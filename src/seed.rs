//! What runs in the init containers that seed: ironhull's program is put into an emptyDir, and from
//! there copies what an image has at a path into another.
//!
//! It runs as the application's user, in any image: without a shell, a library or a writable root.

mod copy;
mod error;
mod tally;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::pod::seeding::PROGRAM;

pub use copy::copy;
pub use error::CopyError;
pub use tally::{LeftOut, Tally, Why};

/// A path to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The directory in the image.
    pub path: PathBuf,
    /// Whether the image may be without it.
    pub optional: bool,
}

/// Puts this program into a directory. It appears there in one step, so that a container which was
/// killed half way, or starts again, leaves nothing that is half a program.
///
/// # Errors
/// When it cannot be read or written.
pub fn install(directory: &Path) -> io::Result<u64> {
    let name = Path::new(PROGRAM).file_name().unwrap_or_default();
    let (unfinished, finished) = (directory.join(".unfinished"), directory.join(name));
    // An earlier start may have been killed: what it left is read-only, and has no use.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    let mut copy = options.write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let bytes = io::copy(&mut fs::File::open("/proc/self/exe")?, &mut copy)?;
    drop(copy);
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o555))?;
    fs::rename(&unfinished, &finished)?;
    Ok(bytes)
}

/// Copies each path to the emptyDir that is mounted for it below `targets`, and says to `out` what was
/// copied and what was left out. `limit` is the size of each emptyDir, in bytes.
///
/// # Errors
/// When a path that has to be there is not, or cannot be copied.
pub fn copy_all(
    requests: &[Request],
    targets: &Path,
    limit: Option<u64>,
    out: &mut dyn Write,
) -> Result<(), CopyError> {
    for Request { path, optional } in requests {
        let target = targets.join(path.strip_prefix("/").unwrap_or(path));
        let began = Instant::now();
        let said = match copy(path, &target, limit) {
            Ok(tally) => tally.say(path, began.elapsed(), out),
            Err(CopyError::Missing(_)) if *optional => {
                writeln!(out, "{}: the image has no such directory", path.display())
            }
            Err(error) => return Err(error),
        };
        said.map_err(CopyError::Said)?;
    }
    Ok(())
}
