//! The binary.

use std::process::ExitCode;

use clap::Parser;
use ironhull::cli;

#[derive(Parser)]
enum Command {
    /// harden
    Harden(cli::harden::Args),
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Harden(args) => cli::harden::run(&args),
    }
}
