//! `ironhull rules`: the rules, or one of them.

use std::io::Write;

use anyhow::bail;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use schemars::JsonSchema;
use serde::Serialize;

use crate::policy::Policy;
use crate::rule::{RuleName, RuleScope};
use crate::text::nearest;

/// List the rules, or explain one
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Rule to explain; by default all rules are listed
    #[arg(value_parser = RuleParser, hide_possible_values = true)]
    rule: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    output: Format,
}

/// How `rules` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs: see docs/json.md
    Json,
}

/// Accepts any text. It tells shells the rules' names, and leaves it to [`run`] to refuse others.
#[derive(Clone, Debug)]
struct RuleParser;

impl TypedValueParser for RuleParser {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue>>> {
        Some(Box::new(RuleName::ALL.iter().map(|rule| PossibleValue::new(rule.as_str()))))
    }
}

/// A rule.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    /// Its name.
    rule: &'static str,
    /// What it acts on: `container` or `pod`.
    scope: &'static str,
    /// Its action in the compiled-in policy: `off`, `warn`, `fill` or `enforce`.
    restricted: &'static str,
    /// What it does, in a sentence.
    summary: String,
    /// Its whole page, as Markdown: what `ironhull rules RULE` prints.
    page: String,
}

/// Lists the rules, or prints one's page. Returns the exit code.
///
/// # Errors
/// When there is no such rule, or `out` cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { rule, output } = args;
    let one = rule.as_deref().map(named).transpose()?;
    match (output, one) {
        (Format::Json, one) => {
            let rules = RuleName::ALL.iter().filter(|rule| one.is_none_or(|one| one == **rule));
            let rules: Vec<_> = rules.map(|rule| listed(*rule)).collect();
            serde_json::to_writer_pretty(&mut *out, &rules)?;
            writeln!(out)?;
        }
        (Format::Text, Some(rule)) => writeln!(out, "{}", rule.doc().trim_end())?,
        (Format::Text, None) => list(out)?,
    }
    Ok(0)
}

fn named(name: &str) -> anyhow::Result<RuleName> {
    let Ok(rule) = name.parse::<RuleName>() else {
        let names: Vec<_> = RuleName::ALL.iter().map(|rule| rule.as_str()).collect();
        match nearest(name, &names) {
            Some(near) => bail!("unknown rule `{name}`; did you mean `{near}`?"),
            None => bail!("unknown rule `{name}`; `ironhull rules` lists them"),
        }
    };
    Ok(rule)
}

fn listed(rule: RuleName) -> Listed {
    Listed {
        rule: rule.as_str(),
        scope: match rule.scope() {
            RuleScope::Container => "container",
            RuleScope::Pod => "pod",
        },
        restricted: Policy::restricted().rules.action(rule).as_str(),
        summary: summary(rule),
        page: rule.doc(),
    }
}

fn list(out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{:<26}{:<11}{:<12}WHAT IT DOES", "RULE", "SCOPE", "RESTRICTED")?;
    for rule in RuleName::ALL {
        let Listed { rule, scope, restricted, summary, .. } = listed(*rule);
        writeln!(out, "{rule:<26}{scope:<11}{restricted:<12}{summary}")?;
    }
    Ok(())
}

/// The first sentence of what the rule's page says it does.
pub(super) fn summary(rule: RuleName) -> String {
    let doc = rule.doc();
    let (_, what) = doc.split_once("## What it does").unwrap_or_default();
    let paragraph: Vec<_> =
        what.lines().skip_while(|l| l.is_empty()).take_while(|l| !l.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    match paragraph.split_once(". ") {
        Some((sentence, _)) => sentence.to_owned(),
        None => paragraph.trim_end_matches('.').to_owned(),
    }
}
