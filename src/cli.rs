//! The command line.

pub mod demo;
pub mod diagnostics;
pub mod explain;
pub mod harden;
pub mod input;
pub mod manifest;
pub mod pass;
pub mod policy;
pub mod policy_files;
pub mod progress;
pub mod rules;
pub mod say;
pub mod serve;

use std::io::Write;
use std::process::ExitCode;

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
    /// Show the webhook at work: no cluster, no files.
    Demo,
    /// Say what would be changed in manifests, and why.
    Explain(explain::Args),
    /// Harden manifests, as the webhook would.
    Harden(harden::Args),
    /// Check policies, print their schema, show a namespace's.
    #[command(subcommand)]
    Policy(policy::Command),
    /// List the rules, or explain one.
    Rules(rules::Args),
    /// Run the admission webhook.
    Serve(Box<serve::Args>),
}

/// Runs the command: what it answers goes to `out`, what is wrong to `err`.
///
/// # Errors
/// What kept the command from being run; the exit code is then 2.
pub fn run(cli: Cli, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Demo => demo::run(out),
        Command::Explain(args) => explain::run(&args, out, err).map(ExitCode::from),
        Command::Harden(args) => harden::run(&args, out, err).map(ExitCode::from),
        Command::Policy(command) => policy::run(&command, out, err).map(ExitCode::from),
        Command::Rules(args) => rules::run(&args, out).map(ExitCode::from),
        Command::Serve(args) => serve::run(*args),
    }
}
