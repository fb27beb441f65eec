//! `ironhull`: arguments, writers, exit code.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use ironhull::cli::{self, Cli};
use ironhull::serve::tls;

fn main() -> ExitCode {
    tls::install_provider();
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    cli::run(Cli::parse(), &mut out, &mut err).unwrap_or_else(|error| {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            // Whoever reads the output has seen enough.
            Some(io::ErrorKind::BrokenPipe) => return ExitCode::SUCCESS,
            _ => anstream::eprintln!("error: {error:#}"),
        }
        ExitCode::from(2)
    })
}
