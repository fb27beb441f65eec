//! `ironhull rules`: the rules, or one of them.

use std::io::Write;

use anyhow::bail;

use crate::policy::Policy;
use crate::policy::diagnostic::nearest;
use crate::rules::{RuleName, RuleScope};

/// The arguments of `ironhull rules`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The rule to explain; without it, every rule is listed
    rule: Option<String>,
}

/// Lists the rules, or prints one's page.
///
/// # Errors
/// When there is no such rule, or `out` cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let Some(name) = &args.rule else {
        list(out)?;
        return Ok(0);
    };
    let Ok(rule) = name.parse::<RuleName>() else {
        let names: Vec<_> = RuleName::ALL.iter().map(|rule| rule.as_str()).collect();
        match nearest(name, &names) {
            Some(near) => bail!("unknown rule `{name}`; did you mean `{near}`?"),
            None => bail!("unknown rule `{name}`; `ironhull rules` lists them"),
        }
    };
    writeln!(out, "{}", rule.doc().trim_end())?;
    Ok(0)
}

fn list(out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{:<26}{:<11}{:<12}WHAT IT DOES", "RULE", "SCOPE", "RESTRICTED")?;
    for rule in RuleName::ALL {
        let scope = match rule.scope() {
            RuleScope::Container => "container",
            RuleScope::Pod => "pod",
        };
        let action = Policy::restricted().rules.action(*rule);
        writeln!(out, "{:<26}{scope:<11}{:<12}{}", rule.as_str(), action.as_str(), summary(*rule))?;
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
