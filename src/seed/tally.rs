//! What was copied, and what was not.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::getuid;

/// Number of entries that are named, of those left out. The log of a container is not the place for
/// thousands.
const NAMED: usize = 20;

/// What was copied, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files, hard links included.
    pub files: u64,
    /// Bytes in them; of hard links to one file once.
    pub bytes: u64,
    /// Directories, without the one that was asked for.
    pub directories: u64,
    /// Symbolic links.
    pub links: u64,
    /// Entries that were there already, from an earlier start of the pod.
    pub kept: u64,
    /// Files that lost a setuid or setgid bit.
    pub setuid: u64,
    /// The first of the entries left out.
    pub left_out: Vec<LeftOut>,
    /// Number of all entries left out.
    pub left_out_in_all: u64,
}

/// An entry that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its path.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why an entry was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The user may not read it.
    Unreadable,
    /// It is a device, a socket or a named pipe.
    Special,
    /// Something is mounted there, which is not the image's.
    Mount,
}

impl Tally {
    pub(super) fn leave_out(&mut self, path: PathBuf, why: Why) {
        self.left_out_in_all += 1;
        if self.left_out.len() < NAMED {
            self.left_out.push(LeftOut { path, why });
        }
    }

    /// Says it, in lines for a log: what was left out, then the sum and the time it `took`.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn say(&self, path: &Path, took: Duration, out: &mut dyn Write) -> io::Result<()> {
        let Self { files, bytes, directories, links, kept, setuid, left_out, left_out_in_all } =
            self;
        for LeftOut { path, why } in left_out {
            match why {
                // A newline in a name must not begin a line of the log.
                Why::Unreadable => {
                    writeln!(out, "left out: uid {} cannot read {path:?}", getuid().as_raw())?;
                }
                Why::Special => {
                    writeln!(out, "left out: {path:?} is no file, directory or link")?;
                }
                Why::Mount => writeln!(out, "left out: {path:?} is a mount, not the image's")?,
            }
        }
        if *left_out_in_all > left_out.len() as u64 {
            writeln!(out, "left out: {} more", left_out_in_all - left_out.len() as u64)?;
        }
        let shown = path.display();
        write!(
            out,
            "{shown}: {files} files ({bytes} bytes), {directories} directories, {links} links"
        )?;
        for (count, what) in [
            (kept, "there already"),
            (setuid, "without their setuid or setgid bit"),
            (left_out_in_all, "left out"),
        ] {
            if *count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        writeln!(out, ", in {} ms", took.as_millis())
    }
}
