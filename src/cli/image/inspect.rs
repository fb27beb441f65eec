//! `ironhull image inspect`: an image, for a person.

use std::io::Write;

use clap::ValueHint;

use super::{Reading, read, say_unread};
use crate::facts::{ImageFacts, Need};
use crate::foresight::image_alone::image_alone;
use crate::foresight::outlook::{Effects, Outlook};
use crate::foresight::risk::remedy::Remedies;
use crate::images::facts::Options;
use crate::images::reference::{Name, Reference};
use crate::rule::RuleName;
use crate::terminal::say;
use crate::terminal::table::{BOLD, DIM};
use crate::text::clean;

/// Show what an image is: its user, what it writes, binds and needs
///
/// An image is named as in a manifest, or as oci:DIR[:TAG], oci-archive:FILE[:TAG] or
/// docker-archive:FILE[:TAG]. Nothing of it is run or stored. Credentials are those of docker. At
/// the end stands what becomes of a container that says nothing else, by the built-in policy.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The images
    #[arg(required = true, value_name = "IMAGE", value_hint = ValueHint::Other)]
    images: Vec<String>,

    /// Only this platform, such as linux/arm64; by default all of Linux
    #[arg(long, value_name = "OS/ARCH", value_hint = ValueHint::Other)]
    platform: Option<String>,

    /// Output format
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    output: Format,

    #[command(flatten)]
    reading: Reading,
}

/// How `inspect` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs: see docs/json.md
    Json,
    /// The same as YAML
    Yaml,
}

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Args { images, platform, output, reading } = args;
    let options = Options { platform: platform.clone(), ..Options::default() };
    let references = images.iter().map(|image| Ok((Reference::parse(image)?, None)));
    let references = references.collect::<anyhow::Result<Vec<_>>>()?;
    let mut all = Vec::new();
    let mut code = 0;
    for (image, facts) in read(&reading.reader(options), references)? {
        match facts {
            Ok(facts) => all.extend(facts.into_iter().flatten()),
            Err(error) => {
                say_unread(err, &image, &error)?;
                code = say::EXIT_CHANGES;
            }
        }
    }
    match output {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?,
        Format::Yaml => out.write_all(serde_yaml::to_string(&all)?.as_bytes())?,
        Format::Table => {
            for (index, facts) in all.iter().enumerate() {
                let gap = if index > 0 { "\n" } else { "" };
                let (outlook, effects) = image_alone(&named(facts))?;
                write!(out, "{gap}{}", described(facts, &hardened(&outlook, &effects)))?;
            }
        }
    }
    Ok(code)
}

/// The facts of an image that a container can name.
fn named(facts: &ImageFacts) -> ImageFacts {
    match Name::parse(&facts.image) {
        Ok(_) => facts.clone(),
        Err(_) => ImageFacts { image: "localhost/image:latest".to_owned(), ..facts.clone() },
    }
}

/// A subject, and what is said of it.
type Line = (&'static str, String);

/// All that is known of an image, a line for each subject.
fn described(facts: &ImageFacts, hardened: &[Line]) -> String {
    let mut text = format!("{BOLD}{}{BOLD:#}\n", clean(&facts.image));
    for (subject, said) in lines(facts).iter().chain(hardened) {
        let said = clean(said);
        text.push_str(&format!("  {DIM}{subject:<14}{DIM:#}{said}\n"));
    }
    text
}

fn lines(facts: &ImageFacts) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = |subject, said: String| {
        if !said.is_empty() {
            lines.push((subject, said));
        }
    };
    line("digest", facts.digest.clone().unwrap_or_default());
    line("platforms", facts.platforms.join(", "));
    line("runs as", user(facts));
    line("home", facts.home.clone().unwrap_or_default());
    let command: Vec<_> = facts.entrypoint.iter().chain(&facts.cmd).map(String::as_str).collect();
    line("runs", command.join(" "));
    line("in", facts.working_dir.clone().unwrap_or_default());
    line("ports", facts.ports.join(", "));
    line("volumes", facts.volumes.join(", "));
    let writable = facts.writable.iter().map(|directory| {
        let empty = if directory.empty { " (empty)" } else { "" };
        format!("{}{empty}", directory.path)
    });
    line("may write", writable.collect::<Vec<_>>().join(", "));
    // What a mount there would hide.
    line("has files in", facts.hidden.join(", "));
    for (program, capabilities) in &facts.file_capabilities {
        line("needs", format!("{} to execute {program}", capabilities.join(", ")));
    }
    line("setuid", facts.setuid.join(", "));
    for need in &facts.needs {
        line("script", said(need));
    }
    lines
}

/// What ironhull makes of a container that says nothing else.
fn hardened(outlook: &Outlook, effects: &Effects) -> Vec<Line> {
    let value = |rule: RuleName| {
        let mut rules = effects.rules.iter().filter(|((_, name), _)| *name == rule.as_str());
        rules.find(|(_, effect)| effect.changes).map(|(_, effect)| effect.value.clone())
    };
    let ids = [("uid", RuleName::RunAsUser), ("gid", RuleName::RunAsGroup)];
    let ids = ids.map(|(what, rule)| Some(format!("{what} {}", value(rule)?)));
    let ids: Vec<_> = ids.into_iter().flatten().collect();
    let root = value(RuleName::ReadOnlyRootFilesystem);
    let writable = root.as_deref().and_then(|value| value.strip_prefix("true, writable "));
    let said = [
        (!ids.is_empty()).then(|| format!("as {}", ids.join(", "))),
        value(RuleName::Capabilities).map(|value| format!("capabilities: {value}")),
        writable.map(|paths| format!("read-only, but for {paths}")),
        value(RuleName::UnprivilegedPorts).map(|_| "may bind ports below 1024".to_owned()),
    ];
    let mut lines: Vec<Line> = said.into_iter().flatten().map(|said| ("hardened", said)).collect();
    lines.push(("verdict", outlook.verdict().as_str().to_owned()));
    lines.extend(outlook.risks.iter().map(|risk| ("because", risk.why.clone())));
    let Remedies { annotations, advice, .. } = &outlook.remedies;
    let annotations = annotations.iter().map(|(key, value)| format!("{key}: {value:?}"));
    lines.extend(annotations.chain(advice.iter().cloned()).map(|said| ("what helps", said)));
    lines
}

fn user(facts: &ImageFacts) -> String {
    let name = facts.user.as_deref().unwrap_or("root");
    if let Some(why) = &facts.unusable_user {
        return format!("{name}, which cannot start: {why}");
    }
    let number = |what: &str, id: Option<u32>| id.map(|id| format!("{what} {id}"));
    let others = facts.groups.iter().filter(|gid| Some(**gid) != facts.gid);
    let others: Vec<_> = others.map(u32::to_string).collect();
    let groups = (!others.is_empty()).then(|| format!("groups {}", others.join(", ")));
    let ids = [number("uid", facts.uid), number("gid", facts.gid), groups];
    let ids: Vec<_> = ids.into_iter().flatten().collect();
    if ids.is_empty() { name.to_owned() } else { format!("{name}: {}", ids.join(", ")) }
}

fn said(need: &Need) -> String {
    let Need { by, chown, setuid, write, port, only_as_root, optional } = need;
    let mut said = match (chown, setuid, write, port) {
        (Some(path), ..) => format!("{by} changes the owner of {path}"),
        (_, Some(command), ..) => format!("{by} becomes another user: {command}"),
        (_, _, Some(path), _) => format!("{by} writes {path}"),
        (_, _, _, Some(port)) => format!("{by} binds port {port}"),
        _ => by.clone(),
    };
    if *only_as_root {
        said.push_str(", as root only");
    }
    if *optional {
        said.push_str(", and goes on if that fails");
    }
    said
}
