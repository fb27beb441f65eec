//! The binary.

use std::process::ExitCode;

use clap::Parser;
use ironhull::cli;

/// Hardens Kubernetes pods without breaking the application.
#[derive(Parser)]
#[command(name = "ironhull", version)]
enum Command {
    /// Harden manifests
    Harden(cli::harden::Args),
    /// Check policies, print their schema, show a namespace's
    #[command(subcommand)]
    Policy(cli::policy::Command),
    /// List the rules, or explain one
    Rules(cli::rules::Args),
}

fn main() -> ExitCode {
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    let result = match Command::parse() {
        Command::Harden(args) => return cli::harden::run(&args),
        Command::Policy(command) => cli::policy::run(&command, &mut out, &mut err),
        Command::Rules(args) => cli::rules::run(&args, &mut out),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            cli::say::error(format!("{error:#}"));
            ExitCode::from(cli::say::EXIT_ERROR)
        }
    }
}
