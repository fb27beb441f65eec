//! Totals of a document.

use std::collections::BTreeMap;

use super::check::{Check, Standard};
use super::document::{
    Cell, CheckSummary, ContainerEvidence, ContainerState, Document, ExemptionEvidence, SetBy,
    Standing, State, Summary, Tally, WorkloadEvidence,
};

/// Days within which an exemption that ends is counted as ending.
pub const SOON: i64 = 30;

/// Adds up everything.
pub(super) fn sum(document: &mut Document) {
    let mut summary = Summary::default();
    let mut checks: Vec<CheckSummary> = Check::ALL.map(CheckSummary::of).into();
    let namespaces = document.namespaces.iter_mut().map(|it| (it.name.clone(), it));
    let mut namespaces: BTreeMap<String, _> = namespaces.collect();
    summary.namespaces = count(namespaces.len());
    summary.workloads = count(document.workloads.len());
    for workload in &document.workloads {
        summary.pods += workload.pods;
        let Some(namespace) = namespaces.get_mut(&workload.namespace) else { continue };
        namespace.workloads += 1;
        for container in &workload.containers {
            let pods = container.pods;
            if container.status != ContainerState::Running {
                summary.not_running += pods;
                continue;
            }
            summary.containers += pods;
            namespace.containers += pods;
            let if_so = |so: bool| if so { pods } else { 0 };
            let root = if_so(container.is_root());
            summary.root += root;
            namespace.root += root;
            summary.root_in_user_namespace +=
                if_so(container.is_root() && container.user.user_namespace);
            summary.unknown_user += if_so(container.user.non_root.is_none());
            summary.privileged += if_so(container.state(Check::Privileged) != State::Pass);
            summary.hardened +=
                if_so(container.cells.iter().any(|it| it.set_by == SetBy::Ironhull));
            let restricted = if_so(container.is_restricted());
            summary.restricted += restricted;
            namespace.restricted += restricted;
            for (cell, check) in container.cells.iter().zip(&mut checks) {
                check.pods.add(cell.state, pods);
                check.templates.add(template_state(container, cell), pods);
                if check.standard != Standard::Other {
                    namespace.cells.add(cell.state, pods);
                }
            }
        }
    }
    let in_force = document.exemptions.iter().filter(|it| it.standing == Standing::InForce);
    summary.exemptions = count(in_force.clone().count());
    summary.ending = count(in_force.filter(|it| it.ends_soon()).count());
    document.summary = summary;
    document.checks = checks;
}

/// What a container's template says of a check: the same as its cell, unless that tells otherwise. A
/// template knows no exemption.
fn template_state(container: &ContainerEvidence, cell: &Cell) -> State {
    match (&cell.template, container.in_template) {
        (Some(template), _) => template.state,
        (None, Some(true)) if cell.state == State::Exempt => State::Fail,
        (None, Some(true)) => cell.state,
        (None, _) => State::Unknown,
    }
}

impl CheckSummary {
    /// What there is to say of a check, before anything was counted.
    pub fn of(check: Check) -> Self {
        let about = check.about();
        Self {
            check,
            title: about.title,
            passes: about.passes,
            obtained: about.obtained,
            rule: about.rule.map(|rule| rule.as_str()),
            standard: about.standard,
            pods: Tally::default(),
            templates: Tally::default(),
        }
    }
}

impl ContainerEvidence {
    /// Its cell of a check.
    pub fn cell(&self, check: Check) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.check == check)
    }

    /// State of a check.
    pub fn state(&self, check: Check) -> State {
        self.cell(check).map_or(State::Unknown, |cell| cell.state)
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.status == ContainerState::Running
    }

    /// Whether it runs and is known to be root.
    pub fn is_root(&self) -> bool {
        self.runs() && self.user.non_root == Some(false)
    }

    /// Whether it passes every check of Pod Security *baseline* and *restricted*.
    pub fn is_restricted(&self) -> bool {
        self.cells
            .iter()
            .all(|cell| cell.check.about().standard == Standard::Other || cell.state.holds())
    }
}

impl ExemptionEvidence {
    /// Whether it is in force and ends within [`SOON`] days.
    pub fn ends_soon(&self) -> bool {
        self.standing == Standing::InForce && self.days_left.is_some_and(|left| left <= SOON)
    }
}

impl Tally {
    /// Adds containers of a state.
    pub fn add(&mut self, state: State, containers: u32) {
        *match state {
            State::Pass => &mut self.pass,
            State::Fail => &mut self.fail,
            State::Exempt => &mut self.exempt,
            State::NotApplicable => &mut self.not_applicable,
            State::Unknown => &mut self.unknown,
        } += containers;
    }

    /// Number of containers of a state.
    pub fn of(&self, state: State) -> u32 {
        match state {
            State::Pass => self.pass,
            State::Fail => self.fail,
            State::Exempt => self.exempt,
            State::NotApplicable => self.not_applicable,
            State::Unknown => self.unknown,
        }
    }
}

impl Document {
    /// The containers that run, each with its workload.
    pub fn running(&self) -> impl Iterator<Item = (&WorkloadEvidence, &ContainerEvidence)> {
        let all = self.workloads.iter();
        all.flat_map(|workload| workload.running().map(move |container| (workload, container)))
    }

    /// The exemption that a cell refers to, and its place among all of them.
    pub fn exemption(&self, cell: &Cell) -> Option<(usize, &ExemptionEvidence)> {
        let id = cell.exemption.as_ref()?;
        let at = self.exemptions.binary_search_by(|it| it.id.cmp(id)).ok()?;
        Some((at, self.exemptions.get(at)?))
    }
}

impl WorkloadEvidence {
    /// Its containers that run.
    pub fn running(&self) -> impl Iterator<Item = &ContainerEvidence> {
        self.containers.iter().filter(|it| it.runs())
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
