//! `ironhull`: arguments, writers, exit code.

use std::process::ExitCode;

use clap::Parser;
use ironhull::cli::{self, Cli};
use ironhull::serve::tls;

fn main() -> ExitCode {
    tls::install_provider();
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    cli::run(Cli::parse(), &mut out, &mut err).unwrap_or_else(|error| {
        anstream::eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}
