//! `ironhull seed`: what ironhull's own init containers run. Nobody calls it by hand, so it is not in
//! the help.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::pod::seeding::TARGETS;
use crate::policy::Quantity;
use crate::seed::{self, Request};

/// What one of the init containers does.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Put this program into a directory
    Install {
        /// The directory
        directory: PathBuf,
    },
    /// Copy directories of the image to the emptyDirs that are mounted for them
    Copy {
        /// Size of each emptyDir, as a Kubernetes quantity
        #[arg(long, value_name = "QUANTITY", value_parser = limit)]
        size_limit: Option<u64>,
        /// A directory that the image may be without
        #[arg(long, value_name = "PATH")]
        if_present: Vec<PathBuf>,
        /// Where the emptyDirs are mounted, each at the path of its directory
        #[arg(long, value_name = "DIR", default_value = TARGETS)]
        targets: PathBuf,
        /// A directory
        paths: Vec<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// What went wrong. It becomes the container's termination message.
pub fn run(command: Command, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match command {
        Command::Install { directory } => {
            let bytes = seed::install(&directory).with_context(|| {
                format!("cannot copy this program to `{}`", directory.display())
            })?;
            writeln!(out, "{}: this program, {bytes} bytes", directory.display())?;
        }
        Command::Copy { size_limit, if_present, targets, paths } => {
            let request = |optional| move |path| Request { path, optional };
            let paths = paths.into_iter().map(request(false));
            let requests: Vec<_> = paths.chain(if_present.into_iter().map(request(true))).collect();
            seed::copy_all(&requests, &targets, size_limit, out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn limit(text: &str) -> Result<u64, String> {
    let quantity = Quantity::new(text);
    quantity.map(|quantity| quantity.bytes()).ok_or_else(|| "not a Kubernetes quantity".to_owned())
}
