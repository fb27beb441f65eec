//! A report of a cluster that does not exist, of any size.

use std::collections::BTreeMap;

use crate::evidence::changes::{CellRef, Changes, ContainerRef};
use crate::evidence::check::Check;
use crate::evidence::controls::{ControlSet, results};
use crate::evidence::document::*;

/// What somebody who wants to break a page would write.
pub(super) const HOSTILE: &str =
    "\"'></td></table><script>alert(1)</script>\u{202e}\u{2066}\0\u{1b}[31m&lt;!--";

/// A report over `workloads` workloads, with `text` wherever a cluster has text of people.
pub(super) fn document(workloads: usize, text: &str) -> Document {
    let namespaces: Vec<String> =
        (0..workloads.div_ceil(10).max(1)).map(|at| format!("{text}-{at}")).collect();
    let workloads: Vec<WorkloadEvidence> =
        (0..workloads).map(|at| workload(at, &namespaces[at % namespaces.len()], text)).collect();
    let checks = Check::ALL.map(|check| summary_of(check, &workloads)).to_vec();
    let tally = |check: Check| checks.iter().find(|it| it.check == check).unwrap().pods;
    let summary = Summary {
        namespaces: u32::try_from(namespaces.len()).unwrap(),
        workloads: u32::try_from(workloads.len()).unwrap(),
        pods: workloads.iter().map(|it| it.pods).sum(),
        containers: running(&workloads).map(|it| it.pods).sum(),
        not_running: 1,
        root: running(&workloads).filter(|it| it.user.uid == Some(0)).map(|it| it.pods).sum(),
        root_in_user_namespace: 0,
        unknown_user: tally(Check::RunAsNonRoot).unknown,
        privileged: tally(Check::Privileged).fail,
        restricted: 1,
        hardened: 1,
        exemptions: 1,
        ending: 1,
    };
    let namespaces = namespaces.iter().map(|name| namespace(name, &workloads, text)).collect();
    Document {
        format: FORMAT,
        taken: Taken {
            at: "2026-11-30T23:00:00Z".into(),
            until: "2026-11-30T23:00:04.5Z".into(),
            date: "2026-11-30".into(),
            ironhull: "0.1.0",
            server: "https://10.0.0.1:6443".into(),
            kubernetes: Some("v1.36.3".into()),
            scope: format!("all namespaces {text}"),
            all_namespaces: true,
        },
        policies: Policies {
            from: "configmap ironhull/ironhull-policies".into(),
            known: true,
            policies: vec![PolicyEvidence {
                name: "restricted".into(),
                revision: "3f2a9c01d4e5".into(),
                namespaces: 1,
            }],
        },
        summary,
        checks,
        namespaces,
        controls_from: "built in".into(),
        controls: results(ControlSet::built_in(), &workloads),
        exemptions: vec![
            exemption("x1", Standing::InForce, text),
            exemption("x2", Standing::Void, text),
        ],
        finished: vec![Finished {
            namespace: text.into(),
            kind: "Job".into(),
            name: text.into(),
            succeeded: 1,
            failed: 0,
        }],
        limits: vec![Limit {
            what: "profiles of nodes".into(),
            why: text.into(),
            effect: "seccompProfile says what was asked for".into(),
            for_rights: false,
        }],
        changes: Some(changes(text)),
        workloads,
    }
}

fn running(workloads: &[WorkloadEvidence]) -> impl Iterator<Item = &ContainerEvidence> {
    workloads.iter().flat_map(WorkloadEvidence::running)
}

fn workload(at: usize, namespace: &str, text: &str) -> WorkloadEvidence {
    let app = container("app", at, text);
    let mut init = container("setup", at, text);
    (init.kind, init.status) = ("init", ContainerState::Terminated);
    let mut containers = vec![app, init];
    if at.is_multiple_of(4) {
        let mut sidecar = container("proxy", at + 1, text);
        (sidecar.kind, sidecar.in_template) = ("sidecar", Some(false));
        containers.push(sidecar);
    }
    WorkloadEvidence {
        namespace: namespace.into(),
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        name: format!("{text}-{at}"),
        uid: Some(format!("00000000-0000-4000-8000-{at:012}")),
        managed_by: None,
        is_static: false,
        mode: [Some("enforce"), Some("audit"), None][at % 3],
        template: TemplateStanding::Compared,
        pods: 2,
        containers,
    }
}

fn container(name: &str, at: usize, text: &str) -> ContainerEvidence {
    let user = match at % 6 {
        1 | 2 => User { uid: Some(0), non_root: Some(false), ..user(Source::Kubelet) },
        3 => user(Source::None),
        _ => {
            User { uid: Some(1000), gid: Some(1000), non_root: Some(true), ..user(Source::Kubelet) }
        }
    };
    ContainerEvidence {
        name: name.into(),
        kind: "app",
        status: ContainerState::Running,
        in_template: Some(true),
        pods: 2,
        pod_names: vec![format!("{text}-{at}-a"), format!("{text}-{at}-b")],
        running_since: Some("2026-11-01T08:00:00Z".into()),
        image: format!("registry.example.org/{text}:1.4"),
        image_id: Some("registry.example.org/web@sha256:0123456789abcdef".into()),
        cells: Check::ALL.map(|check| cell(check, at, &user)).to_vec(),
        user,
        note: at.is_multiple_of(3).then(|| NoteEvidence {
            policy: "restricted@3f2a9c01d4e5".into(),
            current: true,
            holds: true,
        }),
        rules: BTreeMap::from([("runAsNonRoot", ["compliant", "set", "exempt"][at % 3].into())]),
    }
}

fn user(source: Source) -> User {
    User {
        uid: None,
        gid: None,
        groups: None,
        source,
        non_root: None,
        user_namespace: false,
        why: "".into(),
    }
}

fn cell(check: Check, at: usize, user: &User) -> Cell {
    let state = match check {
        Check::RunAsNonRoot => match (user.uid, at % 6) {
            (Some(0), 2) => State::Exempt,
            (Some(0), _) => State::Fail,
            (None, _) => State::Unknown,
            _ => State::Pass,
        },
        Check::Privileged if at % 17 == 1 => State::Fail,
        Check::ReadOnlyRootFilesystem if at % 2 == 1 => State::Fail,
        Check::UserNamespace | Check::ImageDigest => State::Fail,
        Check::SupplementalGroups => State::Unknown,
        Check::HostProcess => State::NotApplicable,
        _ => State::Pass,
    };
    Cell {
        check,
        state,
        value: if state == State::Pass { true.into() } else { serde_json::Value::Null },
        source: if check == Check::RunAsNonRoot { user.source } else { Source::PodSpec },
        set_by: [SetBy::Author, SetBy::Ironhull, SetBy::Other][at % 3],
        template: (at % 3 == 1)
            .then_some(TemplateCell { state: State::Fail, value: serde_json::Value::Null }),
        exemption: (state == State::Exempt).then(|| "x1".into()),
        why: if state == State::Unknown { "the image decides".into() } else { "".into() },
    }
}

fn summary_of(check: Check, workloads: &[WorkloadEvidence]) -> CheckSummary {
    let (mut pods, mut templates) = (Tally::default(), Tally::default());
    for container in running(workloads) {
        let cell = container.cells.iter().find(|cell| cell.check == check).unwrap();
        pods.add(cell.state, container.pods);
        let stated = cell.template.as_ref().map_or(cell.state, |template| template.state);
        templates.add(stated, container.pods);
    }
    CheckSummary { pods, templates, ..CheckSummary::of(check) }
}

fn namespace(name: &str, workloads: &[WorkloadEvidence], text: &str) -> NamespaceEvidence {
    let mut cells = Tally::default();
    let of: Vec<&WorkloadEvidence> = workloads.iter().filter(|it| it.namespace == name).collect();
    for container in of.iter().flat_map(|it| it.running()) {
        for cell in &container.cells {
            cells.add(cell.state, container.pods);
        }
    }
    NamespaceEvidence {
        name: name.into(),
        mode: Some("enforce"),
        can_opt_in: true,
        slip: Some(text.into()),
        policy: "restricted@3f2a9c01d4e5".into(),
        pod_security: None,
        workloads: u32::try_from(of.len()).unwrap(),
        containers: 12,
        root: 2,
        restricted: 3,
        cells,
    }
}

fn exemption(id: &str, standing: Standing, text: &str) -> ExemptionEvidence {
    ExemptionEvidence {
        id: id.into(),
        namespace: text.into(),
        kind: "Deployment".into(),
        name: format!("{text}-2"),
        container: Some("app".into()),
        rules: vec!["runAsNonRoot"],
        standing,
        why: if standing == Standing::Void { text.into() } else { String::new() },
        by: Grantor::Annotation,
        granted_by: format!("app.exempt.ironhull.dev/runAsNonRoot {text}"),
        in_template: Some(standing == Standing::InForce),
        reason: format!("chown of the data volume {text}"),
        ticket: Some("SEC-12".into()),
        until: Some("2027-03-01".into()),
        days_left: Some(20),
        pods: 2,
    }
}

fn changes(text: &str) -> Changes {
    let container = ContainerRef {
        namespace: text.into(),
        kind: "Deployment".into(),
        name: text.into(),
        container: "app".into(),
    };
    Changes {
        since: "2026-10-30T23:00:00Z".into(),
        new_root: vec![container.clone()],
        worse: vec![CellRef { container, check: Check::HostPid }],
        new_exemptions: vec!["x1".into(), text.into()],
        gone_workloads: vec![text.into()],
        ..Changes::default()
    }
}
