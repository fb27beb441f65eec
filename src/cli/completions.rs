//! `ironhull completions`: scripts that complete commands in a shell.

mod kubectl;

use std::io::Write;

use clap_complete::Shell;

use super::help::{self, Program};

pub use kubectl::answer as for_kubectl;

/// Print a script that completes commands in your shell
///
/// The examples show where each shell looks for it; start a new shell afterwards. For `kubectl ironhull`, link ironhull as
/// kubectl_complete-ironhull on your PATH: kubectl 1.26 and later then asks ironhull for completions.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script. Returns the exit code.
///
/// # Errors
/// When `out` cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { shell } = args;
    let mut command = help::command(Program::Ironhull);
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut command, Program::Ironhull.name(), &mut script);
    out.write_all(&script)?;
    Ok(0)
}
