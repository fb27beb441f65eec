//! The report for people, with what to paste at its end.

use super::report::{ObservedContainer, ObservedPod, Process, Report, Write};
use crate::manifest::to_yaml;
use crate::observe::suggest::Needs;
use crate::terminal::table::{BOLD, Cell, DIM, Table, paragraph};
use crate::text::{clean, printable};

/// What no observation of this kind can see. It stands under every report.
const UNSEEN: &str = "Not seen: what happened before and what will happen later, such as at night or when a log is rotated; capabilities that were used and given up; what was read; failures that the program passed over.";

/// The report as text for people.
pub(super) fn table(report: &Report, width: Option<usize>) -> String {
    let mut text = String::new();
    for container in &report.containers {
        head(&mut text, report, container, width);
        processes(&mut text, container, width);
        writes(&mut text, container, width);
        needs(&mut text, &container.needs, width);
    }
    text.push_str(&paragraph(0, UNSEEN, width));
    text.push_str(&to_paste(report));
    text
}

fn head(text: &mut String, report: &Report, container: &ObservedContainer, width: Option<usize>) {
    let Report { namespace, kind, name, .. } = report;
    let ObservedContainer { container, image, pods, root, cost, .. } = container;
    text.push_str(&format!(
        "{BOLD}container {}{BOLD:#}  {kind}/{} in namespace {}, image {}\n",
        clean(container),
        clean(name),
        clean(namespace),
        clean(image)
    ));
    for ObservedPod { pod, seconds, seconds_missed, ended } in pods {
        let ended = ended.as_ref().map(|why| format!("; {}", clean(why))).unwrap_or_default();
        let line = format!(
            "{}: {} observed, {} after its start{ended}",
            clean(pod),
            span(*seconds),
            span(*seconds_missed)
        );
        text.push_str(&paragraph(2, &line, width));
    }
    let files = match root.seen {
        true => format!("{} files and directories looked at", root.entries),
        false => "its files could not be seen".to_owned(),
    };
    let line = format!(
        "{files}; the agent took {} ms of processor time and {} KiB of memory beside its program",
        cost.processor_millis, cost.anonymous_kib
    );
    text.push_str(&format!("{DIM}{}{DIM:#}", paragraph(2, &line, width)));
}

/// `2m 5s`.
fn span(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m {}s", seconds % 60),
        (24.., _) => format!("{}d {}h", hours / 24, hours % 24),
        _ => format!("{hours}h {minutes}m"),
    }
}

fn processes(text: &mut String, container: &ObservedContainer, width: Option<usize>) {
    let mut table = Table::new(["PROCESS", "NUMBER", "UID", "GID", "CAPABILITIES"], "");
    for process in &container.processes {
        let Process { name, first, current, count, uid, real_uid, gid, user, .. } = process;
        let user = user.as_ref().map(|user| format!(" {user}")).unwrap_or_default();
        let mut remarks = Vec::new();
        if *first {
            remarks.push("first process");
        }
        if *real_uid != 0 && real_uid != uid {
            remarks.push("setuid program");
        }
        if !current {
            remarks.push("gone");
        }
        table.row(
            [
                Cell::plain(printable(name, 32)),
                Cell::plain(count.to_string()),
                Cell::plain(format!("{uid}{}", printable(&user, 32))),
                Cell::plain(gid.to_string()),
                Cell::plain(process.capabilities.trim_start_matches('0')),
            ],
            remarks.join(", "),
        );
    }
    text.push_str(&table.render(width));
}

fn writes(text: &mut String, container: &ObservedContainer, width: Option<usize>) {
    if container.writes.is_empty() {
        if container.root.seen {
            text.push_str("  nothing was written outside of mounts\n");
        }
        return;
    }
    let mut table = Table::new(["WRITTEN", "OF THE IMAGE", "OWNERS"], "SUCH AS");
    for Write { path, of_image, owners, examples, .. } in &container.writes {
        let owners: Vec<String> = owners.iter().map(u32::to_string).collect();
        let examples: Vec<_> = examples.iter().map(|example| printable(example, 48)).collect();
        table.row(
            [
                Cell::new(printable(path, 96), BOLD),
                Cell::plain(of_image.to_string()),
                Cell::plain(owners.join(", ")),
            ],
            examples.join(", "),
        );
    }
    text.push_str(&table.render(width));
}

fn needs(text: &mut String, needs: &Needs, width: Option<usize>) {
    let mut say = |line: String| text.push_str(&paragraph(2, &clean(&line), width));
    if let Some(user) = &needs.user {
        let name = user.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        say(format!("→ run as {}:{}{name}: {}", user.uid, user.gid, user.why));
    }
    for path in &needs.writable_paths {
        let seed = match path.seed {
            true => "; it has content of the image, which has to be copied into it (=seed)",
            false => "",
        };
        say(format!("→ an emptyDir at {}{seed}", path.path));
    }
    for path in &needs.volumes {
        say(format!("→ an emptyDir in the manifest at {path}, for which no annotation may ask"));
    }
    for port in &needs.ports {
        say(format!("→ declare port {}/{}", port.container_port, port.protocol));
    }
    if let Some(home) = &needs.home {
        say(format!("→ HOME has to stay {home}, where it writes"));
    }
    for exempt in &needs.exemptions {
        say(format!("→ exempt from {}: {}", exempt.rule, exempt.reason));
    }
    for note in &needs.notes {
        say(format!("note: {note}"));
    }
}

fn to_paste(report: &Report) -> String {
    let Report { namespace, kind, name, patch, policy, .. } = report;
    if patch.is_none() && policy.is_none() {
        return "\nNothing is needed beyond the policy: it can be hardened as it is.\n".to_owned();
    }
    let how = match kind.as_str() {
        "Pod" => "for the manifest of the pod, which has to be made anew".to_owned(),
        "Job" => "for the manifest of the Job, whose template cannot be changed".to_owned(),
        kind => format!(
            "kubectl patch {} {} -n {} --patch-file FILE",
            kind.to_lowercase(),
            clean(name),
            clean(namespace)
        ),
    };
    let mut text = String::new();
    if let Some(patch) = patch {
        text.push_str(&format!("\n{DIM}# For this workload: {how}{DIM:#}\n{}", to_yaml(patch)));
    }
    if let Some(policy) = policy {
        text.push_str(&format!(
            "\n{DIM}# Or in the `spec` of a policy, for every workload with this image:{DIM:#}\n{}",
            to_yaml(policy)
        ));
    }
    text
}
