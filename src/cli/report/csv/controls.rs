//! A row for each container and each control of a standard.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{row, value};
use crate::evidence::check::Check;
use crate::evidence::controls::{self, Control, ControlSet, Framework};
use crate::evidence::document::{
    ContainerEvidence, Document, ExemptionEvidence, State, WorkloadEvidence,
};

/// The columns.
const COLUMNS: [&str; 26] = [
    "standard",
    "version",
    "control",
    "group",
    "title",
    "namespace",
    "kind",
    "workload",
    "container",
    "containerKind",
    "status",
    "pods",
    "examplePod",
    "image",
    "result",
    "extent",
    "decidedBy",
    "fields",
    "beyond",
    "exemption",
    "ticket",
    "until",
    "grantedBy",
    "reason",
    "source",
    "seen",
];

/// Writes a row for each container and control.
pub(in crate::cli::report) fn write(
    document: &Document,
    set: &ControlSet,
    out: &mut dyn Write,
) -> io::Result<()> {
    row(out, &COLUMNS.map(Cow::Borrowed))?;
    for framework in &set.frameworks {
        for control in &framework.controls {
            for workload in &document.workloads {
                for container in &workload.containers {
                    let of = Of { document, framework, control, workload, container };
                    row(out, &of.fields())?;
                }
            }
        }
    }
    Ok(())
}

/// What a row is about.
struct Of<'d> {
    document: &'d Document,
    framework: &'d Framework,
    control: &'d Control,
    workload: &'d WorkloadEvidence,
    container: &'d ContainerEvidence,
}

impl<'d> Of<'d> {
    fn fields(&self) -> [Cow<'d, str>; COLUMNS.len()] {
        let Self { document, framework, control, workload, container } = *self;
        let result = controls::state(control, &container.cells);
        let beyond = [control.beyond.as_str(), framework.beyond.as_str()];
        let beyond: Vec<&str> = beyond.into_iter().filter(|text| !text.is_empty()).collect();
        let checks = control.checks.iter().chain(&control.stricter);
        let exemption = self.exemption(result);
        let of = |text: fn(&'d ExemptionEvidence) -> Option<&'d str>| {
            exemption.and_then(text).map_or(Cow::Borrowed(""), Cow::Borrowed)
        };
        [
            Cow::Borrowed(&*framework.name),
            Cow::Borrowed(&*framework.version),
            Cow::Borrowed(&*control.id),
            Cow::Borrowed(&*control.group),
            Cow::Borrowed(&*control.title),
            Cow::Borrowed(&*workload.namespace),
            Cow::Borrowed(&*workload.kind),
            Cow::Borrowed(&*workload.name),
            Cow::Borrowed(&*container.name),
            container.kind.into(),
            container.status.as_str().into(),
            container.pods.to_string().into(),
            container.pod_names.first().map_or("", String::as_str).into(),
            Cow::Borrowed(&*container.image),
            result.as_str().into(),
            control.extent.as_str().into(),
            self.deciding(result).into(),
            self.cells(checks.copied()).into(),
            beyond.join("; ").into(),
            of(|it| Some(it.standing.as_str())),
            of(|it| it.ticket.as_deref()),
            of(|it| it.until.as_deref()),
            of(|it| Some(&*it.granted_by)),
            of(|it| Some(&*it.reason)),
            Cow::Borrowed(&*control.source),
            Cow::Borrowed(&*document.taken.at),
        ]
    }

    /// The checks whose cells are as bad as the result.
    fn worst(&self, result: State) -> impl Iterator<Item = Check> {
        let states = controls::states(self.control, &self.container.cells);
        states.filter(move |(_, state)| *state == result).map(|(check, _)| check)
    }

    /// The checks that decided, with their values; nothing where all is well.
    fn deciding(&self, result: State) -> String {
        match result {
            State::Pass | State::NotApplicable => String::new(),
            _ => self.cells(self.worst(result)),
        }
    }

    /// `runAsNonRoot fail (0); privileged pass (false)`
    fn cells(&self, checks: impl Iterator<Item = Check>) -> String {
        let cells = checks.filter_map(|check| self.container.cell(check));
        let texts = cells.map(|cell| {
            let (name, state) = (cell.check.as_str(), cell.state.as_str());
            match cell.value.is_null() {
                true => format!("{name} {state}"),
                false => format!("{name} {state} ({})", value(&cell.value)),
            }
        });
        texts.collect::<Vec<_>>().join("; ")
    }

    /// The exemption that a deciding cell refers to.
    fn exemption(&self, result: State) -> Option<&'d ExemptionEvidence> {
        let mut cells = self.worst(result).filter_map(|check| self.container.cell(check));
        let (_, exemption) = cells.find_map(|cell| self.document.exemption(cell))?;
        Some(exemption)
    }
}
