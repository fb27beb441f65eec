//! The command line.

pub mod diagnostics;
pub mod policy_files;
pub mod serve;

use std::io::Write;

use clap::{Parser, Subcommand};

/// Hardens Kubernetes pods without breaking the application.
#[derive(Debug, Parser)]
#[command(name = "ironhull", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the admission webhook.
    Serve(Box<serve::Args>),
}

/// Runs the command: what it answers goes to `out`, what is wrong to `err`.
///
/// # Errors
/// What kept the command from being run; the exit code is then 2.
pub fn run(cli: Cli, _out: &mut dyn Write, _err: &mut dyn Write) -> anyhow::Result<u8> {
    match cli.command {
        Command::Serve(args) => serve::run(*args),
    }
}
