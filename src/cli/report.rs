//! `ironhull report`: evidence of how the containers of a cluster run, for whoever audits it.

mod csv;
mod markdown;
mod table;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueHint;
use jiff::civil::Date;

use super::choice::{Choice, Policies};
use super::width;
use crate::cluster::namespaces::{NamespaceArgs, SelectedNamespaces};
use crate::cluster::{self, Connection};
use crate::date::today;
use crate::evidence::changes::Earlier;
use crate::evidence::document::Document;
use crate::evidence::gather::Look;
use crate::terminal::say;

/// Report how the running containers are hardened
///
/// For each container: its user and where that is known from, every field, who set it, and the
/// exemptions. What is not known is `unknown`. Read-only: the role `view` is enough.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    wanted: NamespaceArgs,

    /// Output format: table, json, csv or markdown
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table, hide_possible_values = true)]
    output: Format,

    /// Tell what changed since an earlier report (-o json)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    compare: Option<PathBuf>,

    /// Policies instead of those installed
    #[arg(long, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    policy: Option<PathBuf>,

    /// Facts of images; may be given several times
    #[arg(long, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    facts: Vec<PathBuf>,

    /// Judge exemptions as of this date; by default today (UTC)
    #[arg(long, value_parser = crate::date::parse, value_name = "YYYY-MM-DD", value_hint = ValueHint::Other)]
    date: Option<Date>,

    #[command(flatten)]
    connection: Connection,
}

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For the terminal
    Table,
    /// All of it, for programs: see docs/json.md
    Json,
    /// A row for each container and check, for spreadsheets
    Csv,
    /// For a comment or a ticket
    Markdown,
}

/// Runs the command. Its answer goes to `out`, errors go to `err`. Returns the exit code.
///
/// # Errors
/// When the cluster, the policies or the earlier report cannot be read, or nothing can be written.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { policy, facts, date, output, .. } = args;
    let earlier = args.earlier()?;
    let date = date.unwrap_or_else(today);
    let Some(choice) = Choice::of(policy.as_deref(), facts, date, err)? else {
        return Ok(say::EXIT_ERROR);
    };
    let mut document = cluster::block_on(look(args, choice, date, err))?;
    document.changes = earlier.map(|earlier| earlier.compare(&document));
    match output {
        Format::Table => out.write_all(table::table(&document, width()).as_bytes())?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &document)?;
            writeln!(out)?;
        }
        Format::Csv => csv::write(&document, out)?,
        Format::Markdown => out.write_all(markdown::markdown(&document).as_bytes())?,
    }
    Ok(0)
}

impl Args {
    /// The earlier report, if one is named. It is read first, so that nobody waits in vain.
    fn earlier(&self) -> anyhow::Result<Option<Earlier>> {
        let Some(path) = &self.compare else { return Ok(None) };
        let name = path.display();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read `{name}`"))?;
        let earlier =
            Earlier::read(&text).with_context(|| format!("cannot compare with `{name}`"))?;
        Ok(Some(earlier))
    }
}

async fn look(
    args: &Args,
    choice: Choice,
    date: Date,
    err: &mut dyn Write,
) -> anyhow::Result<Document> {
    let cluster = args.connection.connect().await?;
    let namespaces = SelectedNamespaces::find(&args.wanted, &cluster).await?;
    let Policies { set, from, known } = choice.read(&cluster, date, err).await?;
    let environment = cluster.environment(date).await;
    let look = Look {
        cluster: &cluster,
        namespaces: &namespaces,
        policies: &set,
        from: &from,
        known,
        environment,
        all: args.wanted.all_namespaces,
    };
    look.document().await
}
