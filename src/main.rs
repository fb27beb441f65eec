//! The binary.

use std::process::ExitCode;

use clap::Parser;
use ironhull::cli;

#[derive(Parser)]
enum Command {
    /// harden
    Harden(cli::harden::Args),
    /// explain
    Explain(cli::explain::Args),
}

fn main() -> ExitCode {
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    let code = match Command::parse() {
        Command::Harden(args) => cli::harden::run(&args, &mut out, &mut err),
        Command::Explain(args) => cli::explain::run(&args, &mut out, &mut err),
    };
    match code {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
