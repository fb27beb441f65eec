//! `ironhull policy backstop`: the policies as an admission policy of Kubernetes' own.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::ValueHint;
use jiff::civil::Date;

use crate::cli::choice::{self, BUILT_IN, Policies};
use crate::cli::policy_files;
use crate::cluster::{self, Connection};
use crate::evidence::backstop::{self, Action, Options, STANDARD};
use crate::manifest::to_yaml;
use crate::policy::{PolicySet, is_label};
use crate::terminal::say;

/// Print an admission policy that refuses what was not hardened
///
/// It is a ValidatingAdmissionPolicy with its bindings, made out of the policies: Pod Security's
/// restricted, less the exemptions that the policies allow. The API server evaluates it by itself, so
/// that it also holds while ironhull is down. docs/backstop.md describes it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A policy file, or a directory of them (by default the compiled-in policy)
    #[arg(long, env = "IRONHULL_POLICY", hide_env_values = true, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    policy: Option<PathBuf>,
    /// Use the policies installed in the cluster
    #[arg(long, conflicts_with = "policy")]
    installed: bool,
    /// What becomes of a pod that is not hardened; `audit` also goes with another
    #[arg(long, value_enum, value_name = "ACTION", value_delimiter = ',', default_value = "deny")]
    action: Vec<Action>,
    /// A namespace that never matches, besides Kubernetes' own; may be repeated
    #[arg(long, value_name = "NS", default_value = "ironhull-system", value_hint = ValueHint::Other)]
    exclude: Vec<String>,
    /// The day from which exemptions that have ended are void; by default today (UTC)
    #[arg(long, value_parser = crate::date::parse, value_name = "YYYY-MM-DD", value_hint = ValueHint::Other)]
    date: Option<Date>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { policy, installed, action, exclude, date, connection } = args;
    let date = date.unwrap_or_else(crate::date::today);
    let has = |wanted| action.contains(&wanted);
    if has(Action::Deny) && has(Action::Warn) {
        bail!(
            "the API server does not take `deny` together with `warn`: a refusal is its own warning"
        );
    }
    if let Some(bad) = exclude.iter().find(|name| !is_label(name)) {
        bail!("`{bad}` cannot be the name of a namespace");
    }
    let mut actions = Vec::new();
    for one in action {
        if !actions.contains(one) {
            actions.push(*one);
        }
    }
    let Some(Policies { set, from, .. }) =
        policies(policy.as_ref(), *installed, connection, date, err)?
    else {
        return Ok(say::EXIT_ERROR);
    };
    for remark in backstop::remarks(&set) {
        say::warning(err, remark)?;
    }
    let options = Options { date, actions, excluded: exclude.clone() };
    write(&set, &from, &options, out)?;
    Ok(0)
}

/// The policies, or nothing if they have errors, which `err` was told.
fn policies(
    policy: Option<&PathBuf>,
    installed: bool,
    connection: &Connection,
    date: Date,
    err: &mut dyn Write,
) -> anyhow::Result<Option<Policies>> {
    if installed {
        let read = async {
            let cluster = connection.connect().await?;
            choice::Choice::Installed(Vec::new()).read(&cluster, date, err).await
        };
        return cluster::block_on(read).map(Some);
    }
    match policy {
        Some(path) => choice::candidate(path, Vec::new(), date, err),
        None => {
            let said = "no policies are named, so this uses the compiled-in one; for those of a cluster, use --installed";
            say::note(err, said)?;
            let set = policy_files::load(&[], date, err)?;
            Ok(set.map(|set| Policies { set, from: BUILT_IN.to_owned(), known: true }))
        }
    }
}

fn write(
    set: &PolicySet,
    from: &str,
    options: &Options,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let from = crate::text::printable(from, 200);
    writeln!(out, "# Pod Security {STANDARD}, less the exemptions of these policies: {from}")?;
    writeln!(
        out,
        "# Exemptions that ended before {} are void. Make it anew when policies change;",
        options.date
    )?;
    writeln!(out, "# docs/backstop.md says when else.")?;
    for (index, object) in backstop::objects(set, options).iter().enumerate() {
        if index > 0 {
            writeln!(out, "---")?;
        }
        out.write_all(to_yaml(object).as_bytes())?;
    }
    Ok(())
}
