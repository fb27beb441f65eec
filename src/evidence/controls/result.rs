//! Containers by control: what the cells of a report say of it.

use super::{Control, ControlSet, Framework};
use crate::evidence::check::Check;
use crate::evidence::document::{
    Cell, ControlResult, Decided, FrameworkResult, State, Tally, WorkloadEvidence,
};

/// Results of every control of a set, over the running containers of `workloads`.
pub fn results(set: &ControlSet, workloads: &[WorkloadEvidence]) -> Vec<FrameworkResult> {
    set.frameworks.iter().map(|framework| of_framework(framework, workloads)).collect()
}

fn of_framework(framework: &Framework, workloads: &[WorkloadEvidence]) -> FrameworkResult {
    let Framework { id, name, version, url, read, notes, beyond, controls, unanswered } = framework;
    FrameworkResult {
        id: id.clone(),
        name: name.clone(),
        version: version.clone(),
        url: url.clone(),
        read: read.clone(),
        notes: notes.clone(),
        controls: controls.iter().map(|control| of_control(control, beyond, workloads)).collect(),
        unanswered: unanswered.clone(),
    }
}

fn of_control(control: &Control, beyond: &str, workloads: &[WorkloadEvidence]) -> ControlResult {
    let Control { id, group, title, checks, stricter, extent, source, .. } = control;
    let mut containers = Tally::default();
    let both = checks.iter().chain(stricter);
    let mut decided_by: Vec<Decided> =
        both.map(|check| Decided { check: *check, fail: 0, exempt: 0, unknown: 0 }).collect();
    for container in workloads.iter().flat_map(WorkloadEvidence::running) {
        containers.add(state(control, &container.cells), container.pods);
        for decided in &mut decided_by {
            match container.state(decided.check) {
                State::Fail => decided.fail += container.pods,
                State::Exempt => decided.exempt += container.pods,
                State::Unknown => decided.unknown += container.pods,
                State::Pass | State::NotApplicable => {}
            }
        }
    }
    let beyond = [control.beyond.as_str(), beyond];
    let beyond: Vec<&str> = beyond.into_iter().filter(|text| !text.is_empty()).collect();
    ControlResult {
        id: id.clone(),
        group: group.clone(),
        title: title.clone(),
        extent: *extent,
        beyond: beyond.join("; "),
        source: source.clone(),
        checks: checks.clone(),
        stricter: stricter.clone(),
        containers,
        decided_by,
    }
}

/// What the cells of one container say of a control. The worst of them decides: a field that is not
/// known may be one that fails, so it counts for more than one that is exempt.
pub fn state(control: &Control, cells: &[Cell]) -> State {
    let states = states(control, cells).map(|(_, state)| state);
    states.max_by_key(|state| weight(*state)).unwrap_or(State::Unknown)
}

/// What the cell of each check of a control says of it.
pub fn states(control: &Control, cells: &[Cell]) -> impl Iterator<Item = (Check, State)> {
    let of = |check: &Check| {
        let cell = cells.iter().find(|cell| cell.check == *check);
        (*check, cell.map_or(State::Unknown, |cell| cell.state))
    };
    // A check that asks for more than the control tells nothing by failing.
    let open = move |check: &Check| match of(check) {
        (check, State::Fail) => (check, State::Unknown),
        other => other,
    };
    control.checks.iter().map(of).chain(control.stricter.iter().map(open))
}

/// Which of two states decides.
fn weight(state: State) -> u8 {
    match state {
        State::NotApplicable => 0,
        State::Pass => 1,
        State::Exempt => 2,
        State::Unknown => 3,
        State::Fail => 4,
    }
}
