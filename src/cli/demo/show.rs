//! What the demo prints: coloured on a terminal, plain in a pipe.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Style};
use similar::TextDiff;

use super::{NAMESPACE, Reviewed};

const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const ADDED: Style =
    Style::new().fg_color(Some(clap::builder::styling::Color::Ansi(AnsiColor::Green)));
const REMOVED: Style =
    Style::new().fg_color(Some(clap::builder::styling::Color::Ansi(AnsiColor::Red)));
const PLACE: Style =
    Style::new().fg_color(Some(clap::builder::styling::Color::Ansi(AnsiColor::Cyan)));
const WARNING: Style =
    Style::new().fg_color(Some(clap::builder::styling::Color::Ansi(AnsiColor::Yellow)));

pub(super) fn introduction(
    out: &mut dyn Write,
    address: SocketAddr,
    took: Duration,
) -> io::Result<()> {
    writeln!(
        out,
        "{BOLD}ironhull{BOLD:#} is listening on https://{address}/enforce, started in {}.",
        time(took)
    )?;
    writeln!(
        out,
        "Its certificate was generated just now, its policy is the compiled-in `restricted`."
    )?;
    writeln!(
        out,
        "It now gets the reviews that an API server would send for the pods of five workloads,"
    )?;
    writeln!(
        out,
        "created in a namespace `{NAMESPACE}` with the label `ironhull.dev/harden: enforce`."
    )
}

pub(super) fn reviewed(
    out: &mut dyn Write,
    number: usize,
    of: usize,
    reviewed: &Reviewed,
) -> io::Result<()> {
    let Reviewed { name, title, before, after, warnings, rules: _, took } = reviewed;
    writeln!(out, "\n{BOLD}{number}/{of}  {name}: {title}{BOLD:#}\n")?;
    if before == after {
        writeln!(out, "  nothing to change")?;
    } else {
        diff(out, name, before, after)?;
    }
    if !warnings.is_empty() {
        writeln!(out, "\n  {FAINT}warnings, as kubectl would print them:{FAINT:#}")?;
        for warning in warnings {
            writeln!(out, "  {WARNING}Warning:{WARNING:#} {warning}")?;
        }
    }
    writeln!(out, "\n  {FAINT}answered in {}, over TLS{FAINT:#}", time(*took))
}

fn diff(out: &mut dyn Write, name: &str, before: &str, after: &str) -> io::Result<()> {
    let diff = TextDiff::from_lines(before, after);
    let (old, new) = (format!("{name}, as it was"), format!("{name}, hardened"));
    let text = diff.unified_diff().context_radius(2).header(&old, &new).to_string();
    for (index, line) in text.lines().enumerate() {
        let style = match line.chars().next() {
            // The two lines of the header.
            _ if index < 2 => BOLD,
            Some('+') => ADDED,
            Some('-') => REMOVED,
            Some('@') => PLACE,
            _ => Style::new(),
        };
        writeln!(out, "  {style}{line}{style:#}")?;
    }
    Ok(())
}

pub(super) fn summary(out: &mut dyn Write, all: &[Reviewed]) -> io::Result<()> {
    writeln!(
        out,
        "\n{BOLD}{:<12}{:<12}{:>12}{:>10}{:>10}{BOLD:#}",
        "workload", "outcome", "rules acted", "warnings", "time"
    )?;
    for Reviewed { name, before, after, warnings, rules, took, .. } in all {
        let outcome = if before == after { "unchanged" } else { "hardened" };
        let (warnings, took) = (warnings.len(), time(*took));
        writeln!(out, "{name:<12}{outcome:<12}{rules:>12}{warnings:>10}{took:>10}")?;
    }
    let changed = all.iter().filter(|one| one.before != one.after).count();
    writeln!(
        out,
        "\n{} pods, {changed} hardened. The server has stopped; it left nothing behind.",
        all.len()
    )?;
    writeln!(out, "\n{BOLD}What next{BOLD:#}")?;
    for (command, what) in [
        ("ironhull harden -f FILE -o diff", "what it would change in your own manifests"),
        ("ironhull explain -f FILE", "the same, container by container, and why"),
        ("ironhull rules", "the rules, and what each one does"),
        ("ironhull policy show NAMESPACE", "the policy that would apply"),
        ("ironhull serve --help", "the webhook for a cluster; the README says how to install it"),
    ] {
        writeln!(out, "  {ADDED}{command:<34}{ADDED:#}{what}")?;
    }
    Ok(())
}

/// `0.42 ms`
fn time(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}
