//! `ironhull report`: evidence of how the containers of a cluster run, for whoever audits it.

mod csv;
mod html;
mod markdown;
mod openreports;
mod oscal;
#[cfg(test)]
mod sample;
mod table;

use std::borrow::Cow;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueHint;

use super::choice::{BUILT_IN, Choice, ChoiceArgs, Policies};
use super::width;
use crate::cluster::namespaces::{NamespaceArgs, SelectedNamespaces};
use crate::cluster::{self, Connection};
use crate::evidence::changes::Earlier;
use crate::evidence::controls::{self, ControlSet};
use crate::evidence::document::Document;
use crate::evidence::gather::Look;
use crate::policy::PolicyFile;
use crate::terminal::{diagnostics, say};

/// Report how the running containers are hardened
///
/// For each container: its user and where that is known from, every field, who set it, and the
/// exemptions. What is not known is `unknown`. Read-only: the role `view` is enough.
#[derive(Clone, Debug, clap::Args)]
#[command(mut_arg("all_namespaces", |arg| arg.help("Every namespace, Kubernetes' own as well")))]
pub struct Args {
    #[command(flatten)]
    wanted: NamespaceArgs,

    /// Output format: table, json, csv, csv-controls, markdown, html, openreports or oscal
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table, hide_possible_values = true)]
    output: Format,

    /// Tell what changed since an earlier report (-o json)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    compare: Option<PathBuf>,

    /// Controls instead of the list built in: see docs/controls.md
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    controls: Option<PathBuf>,

    #[command(flatten)]
    by: ChoiceArgs,

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
    /// A row for each container and control of a standard
    CsvControls,
    /// For a comment or a ticket
    Markdown,
    /// A page to read, to print and to hand over
    Html,
    /// Reports for `kubectl apply`, as openreports.io/v1alpha1 has them
    #[value(name = "openreports")]
    OpenReports,
    /// Assessment results for NIST SP 800-53, OSCAL 1.1.3
    Oscal,
}

/// Runs the command. Its answer goes to `out`, errors go to `err`. Returns the exit code.
///
/// # Errors
/// When the cluster, the policies or the earlier report cannot be read, or nothing can be written.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { by, output, .. } = args;
    let earlier = args.earlier()?;
    let Some((controls, from)) = args.controls(err)? else { return Ok(say::EXIT_ERROR) };
    let Some(choice) = by.choice(err)? else { return Ok(say::EXIT_ERROR) };
    let mut document = cluster::block_on(look(args, choice, err))?;
    document.changes = earlier.map(|earlier| earlier.compare(&document));
    document.controls = controls::results(&controls, &document.workloads);
    document.controls_from = from;
    match output {
        Format::Table => out.write_all(table::table(&document, width()).as_bytes())?,
        Format::Json => json(out, &document)?,
        Format::Csv => csv::checks(&document, out)?,
        Format::CsvControls => csv::controls(&document, &controls, out)?,
        Format::Markdown => out.write_all(markdown::markdown(&document).as_bytes())?,
        Format::Html => out.write_all(html::page(&document).as_bytes())?,
        Format::OpenReports => {
            let whole_cluster = args.wanted.all_namespaces;
            json(out, &openreports::list(&document, whole_cluster))?;
        }
        Format::Oscal => match oscal::assessment_results(&document) {
            Some(results) => json(out, &results)?,
            None => {
                let name = &document.controls_from;
                say::error(err, format!("`{name}` has no standard with the id `nist-800-53`"))?;
                return Ok(say::EXIT_ERROR);
            }
        },
    }
    Ok(0)
}

/// `1 container`, `2 containers`.
fn counted(count: u32, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Writes a value as JSON, for people too.
fn json(out: &mut dyn Write, value: &impl serde::Serialize) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}

impl Args {
    /// The controls, and where they are from. If the file is wrong, reports that to `err` and returns
    /// `None`.
    fn controls(
        &self,
        err: &mut dyn Write,
    ) -> anyhow::Result<Option<(Cow<'static, ControlSet>, String)>> {
        let Some(path) = &self.controls else {
            return Ok(Some((Cow::Borrowed(ControlSet::built_in()), BUILT_IN.to_owned())));
        };
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read `{name}`"))?;
        let file = PolicyFile { name: name.clone(), text };
        match ControlSet::parse(&file) {
            Ok(set) => Ok(Some((Cow::Owned(set), name))),
            Err(wrong) => {
                write!(err, "{}", diagnostics::styled(&[*wrong], &[file]))?;
                Ok(None)
            }
        }
    }

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

async fn look(args: &Args, choice: Choice, err: &mut dyn Write) -> anyhow::Result<Document> {
    let date = args.by.date();
    let cluster = args.connection.connect().await?;
    let namespaces = SelectedNamespaces::find_any(&args.wanted, &cluster).await?;
    let Policies { set, from, known } = choice.read(&cluster, date, err).await?;
    let version = cluster.version().await;
    let look = Look {
        cluster: &cluster,
        namespaces: &namespaces,
        policies: &set,
        from: &from,
        known,
        environment: cluster::environment(version.as_ref(), date),
        kubernetes: version.as_ref().and_then(|version| version.git_version.as_deref()),
        all: args.wanted.all_namespaces,
    };
    look.document().await
}
