//! A row for each container and each control of a standard.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{CONTAINER, EXEMPTION, header, of_container, of_exemption, row, value};
use crate::evidence::check::Check;
use crate::evidence::controls::{self, Control, ControlSet, Framework};
use crate::evidence::document::{ContainerEvidence, Document, ExemptionEvidence, State};

/// Columns about a control, before those about a container.
const CONTROL: [&str; 5] = ["standard", "version", "control", "group", "title"];

/// Columns about the result, between those about a container and an exemption.
const RESULT: [&str; 5] = ["result", "extent", "decidedBy", "fields", "beyond"];

/// Columns after them.
const END: [&str; 2] = ["source", "seen"];

/// Writes a row for each container and control.
pub(in crate::cli::report) fn write(
    document: &Document,
    set: &ControlSet,
    out: &mut dyn Write,
) -> io::Result<()> {
    header(out, &[&CONTROL, &CONTAINER, &RESULT, &EXEMPTION, &END])?;
    for framework in &set.frameworks {
        for control in &framework.controls {
            for workload in &document.workloads {
                for container in &workload.containers {
                    let of = Of { document, framework, control, container };
                    let result = controls::state(control, &container.cells);
                    row(
                        out,
                        &[
                            &of.control(),
                            &of_container(workload, container),
                            &of.result(result),
                            &of_exemption(of.exemption(result)),
                            &[Cow::Borrowed(&*control.source), Cow::Borrowed(&*document.taken.at)],
                        ],
                    )?;
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
    container: &'d ContainerEvidence,
}

impl<'d> Of<'d> {
    /// The fields of [`CONTROL`].
    fn control(&self) -> [Cow<'d, str>; CONTROL.len()] {
        let Self { framework, control, .. } = *self;
        [
            Cow::Borrowed(&*framework.name),
            Cow::Borrowed(&*framework.version),
            Cow::Borrowed(&*control.id),
            Cow::Borrowed(&*control.group),
            Cow::Borrowed(&*control.title),
        ]
    }

    /// The fields of [`RESULT`].
    fn result(&self, result: State) -> [Cow<'d, str>; RESULT.len()] {
        let Self { framework, control, .. } = *self;
        let beyond = [control.beyond.as_str(), framework.beyond.as_str()];
        let beyond: Vec<&str> = beyond.into_iter().filter(|text| !text.is_empty()).collect();
        let checks = control.checks.iter().chain(&control.stricter);
        [
            result.as_str().into(),
            control.extent.as_str().into(),
            self.deciding(result).into(),
            self.cells(checks.copied()).into(),
            beyond.join("; ").into(),
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
