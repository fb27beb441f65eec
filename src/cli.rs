//! The command line.

pub mod choice;
pub mod completions;
pub mod demo;
pub mod explain;
pub mod harden;
pub mod help;
pub mod image;
pub mod input;
pub mod man;
mod markdown;
pub mod observe;
mod parallel;
pub mod pass;
pub mod policy;
pub mod policy_files;
pub mod preview;
pub mod report;
pub mod rules;
mod sarif;
pub mod schemas;
pub mod seed;
pub mod serve;
pub mod watch;

use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ColorChoice, CommandFactory as _, Parser, Subcommand};

/// Hardens Kubernetes pods without breaking the application
#[derive(Debug, Parser)]
#[command(name = "ironhull", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Colours: auto, always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    color: ColorChoice,
}

// In the order of the help: what people begin with comes first. What is said of each stands
// at its arguments.
#[derive(Debug, Subcommand)]
enum Command {
    Explain(explain::Args),
    Harden(harden::Args),
    Preview(preview::Args),
    Observe(observe::Args),
    Report(report::Args),
    Rules(rules::Args),
    #[command(subcommand)]
    Policy(policy::Command),
    #[command(subcommand)]
    Image(image::Command),
    Serve(Box<serve::Args>),
    Watch(watch::Args),
    /// Show the webhook at work, without a cluster or files
    Demo,
    Completions(completions::Args),
    Man(man::Args),
    // Programs call these.
    #[command(hide = true)]
    Krm(harden::krm::Args),
    #[command(subcommand, hide = true)]
    Seed(seed::Command),
}

impl Cli {
    /// When to colour.
    pub fn colour(&self) -> anstream::ColorChoice {
        match self.color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        }
    }
}

/// Runs the command. Its answer goes to `out`, errors go to `err`.
///
/// # Errors
/// What kept the command from running; the exit code is then 2.
pub fn run(cli: Cli, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Demo => demo::run(out),
        Command::Explain(args) => explain::run(&args, out, err).map(ExitCode::from),
        Command::Harden(args) => harden::run(&args, out, err).map(ExitCode::from),
        Command::Krm(args) => harden::krm::run(&args, out, err).map(ExitCode::from),
        Command::Image(command) => image::run(&command, out, err).map(ExitCode::from),
        Command::Policy(command) => policy::run(&command, out, err).map(ExitCode::from),
        Command::Observe(args) => observe::run(&args, out, err).map(ExitCode::from),
        Command::Preview(args) => preview::run(&args, out, err).map(ExitCode::from),
        Command::Report(args) => report::run(&args, out, err).map(ExitCode::from),
        Command::Rules(args) => rules::run(&args, out).map(ExitCode::from),
        Command::Serve(args) => serve::run(*args),
        Command::Watch(args) => watch::run(args),
        Command::Completions(args) => completions::run(&args, out).map(ExitCode::from),
        Command::Man(args) => man::run(&args, out).map(ExitCode::from),
        Command::Seed(command) => seed::run(command, out),
    }
}

/// Columns of the terminal that the answer goes to; `None` if it goes elsewhere.
pub(crate) fn width() -> Option<usize> {
    std::io::stdout()
        .is_terminal()
        .then(terminal_size::terminal_size)
        .flatten()
        .map(|(width, _)| usize::from(width.0))
        // A terminal that does not report its width.
        .filter(|width| *width > 0)
}

/// Adds a hint where the parser met a word that it has no place for. Most such words are what `-f`,
/// `-n` or `-o` wants, or what other programs call a command. Other errors stay as they are.
pub fn with_hint(mut error: clap::Error) -> clap::Error {
    let words = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand];
    let Some(ContextValue::String(word)) = words.iter().find_map(|kind| error.get(*kind)) else {
        return error;
    };
    let word = word.clone();
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => String::new(),
    };
    let of = |command: &str| usage.contains(&format!(" {command} "));
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => match word.as_str() {
            "version" => "to print the version, use `ironhull --version`".to_owned(),
            "check" | "lint" | "scan" | "validate" => {
                "to check manifests, use `ironhull harden --check`; policies, `ironhull policy check`"
                    .to_owned()
            }
            _ => return error,
        },
        ErrorKind::UnknownArgument if word.starts_with('-') => match form(&usage, &word) {
            Some(form) => format!("to choose a format, use -o: `-o {form}`"),
            None => return error,
        },
        ErrorKind::UnknownArgument if of("preview") && std::path::Path::new(&word).exists() => {
            format!("to name a file, use -f: `-f {word}`")
        }
        ErrorKind::UnknownArgument if of("preview") || of("diff") || of("report") => {
            format!("to name a namespace, use -n: `-n {word}`")
        }
        ErrorKind::UnknownArgument if of("harden") || of("explain") => {
            format!("to name a file, use -f: `-f {word}`")
        }
        _ => return error,
    };
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    error
}

/// The output format that an option like `--json` means, if the command of that usage has it.
fn form<'w>(usage: &str, word: &'w str) -> Option<&'w str> {
    let form = word.strip_prefix("--")?;
    let root = Cli::command();
    let mut command = &root;
    for word in usage.split_whitespace() {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    let output = command.get_arguments().find(|arg| arg.get_id() == "output")?;
    output.get_possible_values().iter().any(|value| value.matches(form, false)).then_some(form)
}
