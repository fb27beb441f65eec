//! `ironhull man`: the manual pages.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::help::{self, Program};

/// Print or write the manual pages
///
/// Prints the page of ironhull or of one command; with --out, writes a page for every
/// command into a directory, for MANPATH.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Command whose page to print, such as `policy check`
    #[arg(value_hint = clap::ValueHint::Other)]
    command: Vec<String>,

    /// Write the pages of all commands into this directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, conflicts_with = "command")]
    out: Option<PathBuf>,
}

/// Prints a page, or writes all. Returns the exit code.
///
/// # Errors
/// When there is no such command, or nothing can be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { command, out: directory } = args;
    let pages = pages();
    let Some(directory) = directory else {
        let name = ["ironhull"].into_iter().chain(command.iter().map(String::as_str));
        let name = name.collect::<Vec<_>>().join("-");
        let Some((_, page)) = pages.iter().find(|(file, _)| *file == format!("{name}.1")) else {
            bail!("no command `{}`; `ironhull --help` lists them", command.join(" "));
        };
        out.write_all(page)?;
        return Ok(0);
    };
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot create `{}`", directory.display()))?;
    for (file, page) in pages {
        let path = directory.join(file);
        fs::write(&path, page).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(0)
}

/// Every page: the name of its file, and its text.
pub fn pages() -> Vec<(String, Vec<u8>)> {
    let mut command = help::command(Program::Ironhull).disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    below(&command, "", &mut pages);
    pages
}

fn below(command: &clap::Command, words: &str, pages: &mut Vec<(String, Vec<u8>)>) {
    let file = format!("ironhull {words}");
    pages.push((format!("{}.1", file.trim_end().replace(' ', "-")), page(command, words)));
    for next in command.get_subcommands().filter(|next| !next.is_hide_set()) {
        below(next, format!("{words} {}", next.get_name()).trim_start(), pages);
    }
}

fn page(command: &clap::Command, words: &str) -> Vec<u8> {
    let has_commands = command.has_subcommands();
    // Options that the short help leaves out would have no help here either. Variables have a
    // section.
    let whole = command.clone().mut_args(|arg| arg.hide_short_help(false).hide_env(true));
    let man =
        Man::new(whole).source(concat!("ironhull ", env!("CARGO_PKG_VERSION"))).manual("ironhull");
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _infallible = man
        .render_title(&mut text)
        .and_then(|()| man.render_name_section(&mut text))
        .and_then(|()| man.render_synopsis_section(&mut text))
        .and_then(|()| man.render_description_section(&mut text))
        .and_then(|()| if has_commands { commands(command, words, &mut text) } else { Ok(()) })
        .and_then(|()| man.render_options_section(&mut text))
        .and_then(|()| rest(command, words).to_writer(&mut text));
    text
}

/// The commands below a command, each with its page.
fn commands(command: &clap::Command, words: &str, text: &mut Vec<u8>) -> std::io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for next in command.get_subcommands().filter(|next| !next.is_hide_set()) {
        let page = format!("ironhull {words} {}", next.get_name());
        let page = page.split_whitespace().collect::<Vec<_>>().join("-");
        roff.control("TP", []);
        roff.text([bold(page), roman("(1)")]);
        roff.text([roman(next.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
    roff.to_writer(text)
}

/// What comes after the options.
fn rest(command: &clap::Command, words: &str) -> Roff {
    let mut roff = Roff::new();
    if let Some(extra) = help::extra(words) {
        roff.control("SH", ["EXIT STATUS"]);
        for (status, meaning) in extra.statuses {
            entry(&mut roff, status.to_string(), *meaning);
        }
        roff.control("SH", ["EXAMPLES"]);
        for (line, what) in extra.examples {
            if what.is_empty() {
                roff.control("PP", []);
                roff.text([bold(*line)]);
            } else {
                entry(&mut roff, *line, *what);
            }
        }
    }
    roff.control("SH", ["ENVIRONMENT"]);
    for argument in command.get_arguments() {
        if let (Some(variable), long) = (argument.get_env(), argument.get_long()) {
            let of = long.map_or("the argument".to_owned(), |long| format!("--{long}"));
            let variable = variable.to_string_lossy().into_owned();
            entry(&mut roff, variable, format!("used if {of} is not given"));
        }
    }
    for (variable, meaning) in help::ENVIRONMENT {
        entry(&mut roff, *variable, *meaning);
    }
    if !words.is_empty() {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("ironhull"), roman("(1)")]);
    }
    roff
}

fn entry(roff: &mut Roff, name: impl Into<String>, meaning: impl Into<String>) {
    roff.control("TP", []);
    roff.text([bold(name)] as [Inline; 1]);
    roff.text([roman(meaning)] as [Inline; 1]);
}
