//! `ironhull policy`: check and compare policies, print their schema, show a namespace's, make an
//! admission policy of them.

pub mod backstop;
pub mod check;
pub mod diff;
pub mod show;

use std::io::Write;

use crate::policy::manifest;

/// Check and compare policies, print their schema, show a namespace's policy
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    // What is said of it stands at its arguments.
    #[expect(missing_docs, reason = "it would hide the long text")]
    Backstop(Box<backstop::Args>),
    /// Check policy files: every error and warning, with its position
    Check(check::Args),
    // What is said of it stands at its arguments.
    #[expect(missing_docs, reason = "it would hide the long text")]
    Diff(Box<diff::Args>),
    /// Print the JSON Schema of a policy file
    Schema,
    /// Show which policy applies to a namespace, why, and its full content
    Show(Box<show::Args>),
}

/// Runs `command`. Its answer goes to `out`, diagnostics for people go to `err`. Returns the exit
/// code: 0, or 2 if policies have errors.
///
/// # Errors
/// When files cannot be read, a name is not one, or a stream cannot be written.
pub fn run(command: &Command, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    match command {
        Command::Backstop(args) => backstop::run(args, out, err),
        Command::Check(args) => check::run(args, out, err),
        Command::Diff(args) => diff::run(args, out, err),
        Command::Schema => {
            serde_json::to_writer_pretty(&mut *out, &manifest::schema())?;
            writeln!(out)?;
            Ok(0)
        }
        Command::Show(args) => show::run(args, out, err),
    }
}
