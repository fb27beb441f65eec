//! `ironhull`: arguments, writers, exit code.

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::FromArgMatches as _;
use ironhull::cli::{self, Cli, completions, help};
use ironhull::observe::agent;
use ironhull::serve::tls;

fn main() -> ExitCode {
    // In somebody else's pod: nothing is set up that takes memory and is not needed.
    let words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    if let Some(code) = agent::called(&words.collect::<Vec<_>>()) {
        return code;
    }
    tls::install_provider();
    let program = help::Program::of(env::args_os().next().as_deref());
    if program == help::Program::Completer {
        let words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
        let answer = completions::for_kubectl(&words.collect::<Vec<_>>());
        return done(io::stdout().write_all(answer.as_bytes()).map_err(Into::into));
    }
    let (arguments, detail) = help::asked(env::args_os());
    let matches = help::parser(program, detail).try_get_matches_from(arguments);
    let matches = matches.unwrap_or_else(|error| cli::with_hint(error).exit());
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    // The colour has to be chosen before the streams are made: they ask for it once.
    cli.colour().write_global();
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    match cli::run(cli, &mut out, &mut err) {
        Ok(code) => code,
        Err(error) => done(Err(error)),
    }
}

fn done(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let of_json = error.downcast_ref::<serde_json::Error>();
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    match kind.or_else(|| of_json?.io_error_kind()) {
        // The reader of the output has closed it, and has seen enough.
        Some(io::ErrorKind::BrokenPipe) => return ExitCode::SUCCESS,
        _ => anstream::eprintln!("error: {error:#}"),
    }
    ExitCode::from(ironhull::terminal::say::EXIT_ERROR)
}
