//! What a preview says, as data: the document of `-o json` and `-o yaml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::step::Step;
use crate::admission::Environment;
use crate::admission::Mode;
use crate::cli::pass::titled;
use crate::cluster::namespaces::NamespaceSettings;
use crate::foresight::exemptions::{Exempt, Voided};
use crate::foresight::observed::{DebugContainer, FailingPod};
use crate::foresight::outlook::{Change, Outlook, Template, outlook};
use crate::foresight::risk::remedy::Remedies;
use crate::foresight::risk::{Cause, Remedy, Risk, Verdict};
use crate::foresight::unhardened::{Left, Unhardened};
use crate::foresight::workloads::FoundWorkload;
use crate::policy::Policy;
use crate::remains::Level;

/// A preview. Members may be added; those here keep their names and meanings.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The date as of which exemptions are judged, in UTC.
    pub date: String,
    /// Source of the policies.
    pub policies: String,
    /// The namespaces, by name.
    pub namespaces: Vec<NamespacePreview>,
}

/// A namespace.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespacePreview {
    /// Its name.
    pub name: String,
    /// What it opted in to: `enforce` or `audit`; null for nothing.
    pub mode: Option<&'static str>,
    /// What is wrong with a label that was meant to opt it in; null if nothing is.
    pub slip: Option<String>,
    /// The policy that applies to its pods, or would.
    pub policy: String,
    /// The level that Pod Security enforces in it, if a label sets one.
    pub pod_security: Option<String>,
    /// Number of workloads by verdict.
    pub verdicts: Verdicts,
    /// The workloads, those that break first.
    pub workloads: Vec<WorkloadPreview>,
    /// How to opt in workload by workload, in order; null without `--rollout`.
    pub rollout: Option<Vec<Step>>,
}

/// Number of workloads by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verdicts {
    /// Workloads with no known risk.
    pub starts: usize,
    /// How many of these are not fully hardened: something in them is left alone,
    /// privileged, or root.
    pub unhardened: usize,
    /// Workloads that have to be tried.
    pub unknown: usize,
    /// Workloads that need a change or an exemption.
    pub breaks: usize,
}

impl Verdicts {
    /// Adds those of another namespace.
    pub fn add(&mut self, other: &Self) {
        self.starts += other.starts;
        self.unhardened += other.unhardened;
        self.unknown += other.unknown;
        self.breaks += other.breaks;
    }
}

/// A workload: the object that a person created, not its pods.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadPreview {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Path of the template, if the object has several; else null.
    pub template: Option<String>,
    /// The file it is in; null for a workload of a cluster.
    pub file: Option<String>,
    /// The object that created it (`KIND/NAME`), in which lasting changes must be made; null if none did.
    pub managed_by: Option<String>,
    /// Mode in which the webhook reviews its pods: that of the namespace, but `enforce` for a pod
    /// template with the label `ironhull.dev/harden: enforce` in a namespace on `audit`.
    pub mode: Option<&'static str>,
    /// Number of its pods now; 0 for a manifest.
    pub pods: u32,
    /// How many of these are hardened and run well.
    pub hardened_pods: u32,
    /// A hardened pod of it that does not run well; null if there is none.
    pub failing: Option<FailingPod>,
    /// The pod that was judged in place of the template, because it has containers that the
    /// template lacks, or the kind is not known. Null otherwise.
    pub pod: Option<String>,
    /// The policy.
    pub policy: String,
    /// The verdict on its pods.
    pub verdict: Verdict,
    /// Whether a pod that this revision of the policy hardened is running: then it starts.
    pub runs_hardened: bool,
    /// What would change.
    pub changes: Vec<Change>,
    /// Why its pods are left alone as a whole: the name of a skip reason, or null.
    pub left_alone: Option<&'static str>,
    /// The containers that would not be hardened, and why.
    pub unhardened: Vec<Unhardened>,
    /// What rules would not change.
    pub left: Vec<Left>,
    /// The debug containers that run in its pods now.
    pub debug: Vec<DebugContainer>,
    /// Whether a rolling update continues past a pod that runs for a moment and then fails: an
    /// app container has neither a readiness nor a startup probe, and there is no
    /// `minReadySeconds`. Null if nothing is rolled out, or would change.
    pub unguarded: Option<bool>,
    /// The exemptions in force, and until when.
    pub exemptions: Vec<Exempt>,
    /// The annotations that exempt nothing.
    pub void: Vec<Voided>,
    /// The fields for which Pod Security *restricted* would still refuse the pod.
    pub restricted: Vec<String>,
    /// The volumes whose files get another group and wider modes, by the fsGroup that is set.
    pub handed_over: Vec<String>,
    /// What may break.
    pub risks: Vec<RiskPreview>,
    /// The annotations that prevent everything that is sure to break, and where they go.
    pub remedy: RemedyPreview,
    /// Why it could not be judged; null if it could.
    pub error: Option<String>,
    /// Whether a change of its template replaces its pods at once, step by step.
    #[serde(skip)]
    pub rolls: bool,
    /// What kubectl knows its kind by, if that is not Kubernetes' own.
    #[serde(skip)]
    pub word: Option<String>,
    /// Line and column of it (under the empty name) and of its containers in the file, from 1.
    #[serde(skip)]
    pub places: BTreeMap<String, (usize, usize)>,
}

/// Something that may break.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RiskPreview {
    /// The container.
    pub container: String,
    /// The cause, from a closed list.
    pub cause: Cause,
    /// True if it will break, false if it may.
    pub certain: bool,
    /// The explanation, in words.
    pub why: String,
}

/// What helps.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemedyPreview {
    /// Where the annotations go: a path in the object.
    pub annotations_at: String,
    /// The annotations, as tested with the engine.
    pub annotations: BTreeMap<String, String>,
    /// What else helps, in words.
    pub advice: Vec<String>,
    /// Why the annotations that would help are void here.
    pub void: Option<String>,
}

impl RemedyPreview {
    /// What helps, for annotations that belong at this path.
    pub fn new(remedies: Remedies, annotations_at: String) -> Self {
        let Remedies { annotations, advice, unhelped: void } = remedies;
        Self { annotations_at, annotations, advice, void }
    }
}

impl Preview {
    /// Puts the workloads below their namespaces.
    pub fn new<'s>(
        date: String,
        policies: String,
        namespaces: impl Iterator<Item = (&'s NamespaceSettings, String)>,
        workloads: Vec<(String, WorkloadPreview)>,
    ) -> Self {
        let mut namespaces: BTreeMap<String, NamespacePreview> = namespaces
            .map(|(namespace, policy)| {
                let preview = NamespacePreview {
                    name: namespace.name.clone(),
                    mode: namespace.mode.map(Mode::as_str),
                    slip: namespace.slip.clone(),
                    policy,
                    pod_security: namespace.pod_security.clone(),
                    verdicts: Verdicts::default(),
                    workloads: Vec::new(),
                    rollout: None,
                };
                (namespace.name.clone(), preview)
            })
            .collect();
        for (namespace, workload) in workloads {
            if let Some(namespace) = namespaces.get_mut(&namespace) {
                match workload.verdict {
                    Verdict::Starts => {
                        namespace.verdicts.starts += 1;
                        namespace.verdicts.unhardened += usize::from(!workload.is_hardened());
                    }
                    Verdict::Unknown => namespace.verdicts.unknown += 1,
                    Verdict::Breaks => namespace.verdicts.breaks += 1,
                }
                namespace.workloads.push(workload);
            }
        }
        let mut namespaces: Vec<NamespacePreview> = namespaces.into_values().collect();
        for namespace in &mut namespaces {
            namespace.workloads.sort_by(|a, b| {
                let key = |w: &WorkloadPreview| std::cmp::Reverse(w.verdict);
                key(a).cmp(&key(b)).then_with(|| {
                    (&a.kind, &a.name, &a.template).cmp(&(&b.kind, &b.name, &b.template))
                })
            });
        }
        Self { date, policies, namespaces }
    }
}

impl WorkloadPreview {
    /// Preview of a workload under a policy.
    pub fn new(found: &FoundWorkload<'_>, policy: &Policy, environment: Environment<'_>) -> Self {
        let by = policy.versioned();
        let runs_hardened = found.facts.runs_hardened(&by, found.json);
        let mut preview = Self {
            kind: found.kind.to_owned(),
            name: found.name.to_owned(),
            template: found.template.map(str::to_owned),
            file: found.file.map(str::to_owned),
            managed_by: found.managed_by.clone(),
            mode: found.mode.map(Mode::as_str),
            pods: found.facts.pods,
            hardened_pods: found.facts.hardened_pods,
            failing: found.facts.failing.clone(),
            pod: found.pod.map(str::to_owned),
            policy: policy.name.clone(),
            verdict: Verdict::Unknown,
            runs_hardened,
            changes: Vec::new(),
            left_alone: None,
            unhardened: Vec::new(),
            left: Vec::new(),
            debug: found.facts.debug.clone(),
            unguarded: None,
            exemptions: Vec::new(),
            void: Vec::new(),
            restricted: Vec::new(),
            handed_over: Vec::new(),
            risks: Vec::new(),
            remedy: RemedyPreview {
                annotations_at: found.annotations_at.to_owned(),
                ..RemedyPreview::default()
            },
            error: None,
            rolls: found.min_ready.is_some(),
            word: found.word.clone(),
            places: BTreeMap::new(),
        };
        match found.outlook(policy, environment) {
            Ok(mut outlook) => {
                if runs_hardened {
                    outlook.risks.clear();
                    outlook.remedies = Remedies::default();
                } else if let Some(risk) = found.facts.risk(&by, found.failed) {
                    // Whatever else is feared of the container has happened already, or comes
                    // after.
                    let feared = |other: &Risk| other.certain || other.container != risk.container;
                    for other in outlook.risks.iter().filter(|other| !feared(other)) {
                        outlook.remedies.advice.retain(|advice| *advice != other.advice());
                    }
                    outlook.risks.retain(feared);
                    outlook.remedies.advice.insert(0, risk.advice());
                    outlook.risks.insert(0, risk);
                }
                if let Some(risk) = refused(found.namespace, &outlook) {
                    outlook.remedies.advice.push(risk.advice());
                    outlook.risks.push(risk);
                }
                preview.verdict = outlook.verdict();
                preview.unguarded = found
                    .min_ready
                    .filter(|_| !runs_hardened && !outlook.changes.is_empty())
                    .map(|seconds| seconds == 0 && lacks_probe(found.json));
                preview.unhardened = outlook.unhardened;
                preview.left = outlook.left;
                preview.changes = outlook.changes;
                preview.left_alone = outlook.left_alone;
                preview.exemptions = outlook.exemptions;
                preview.void = outlook.void;
                preview.restricted = outlook.restricted;
                preview.handed_over = outlook.handed_over;
                preview.risks = outlook.risks.into_iter().map(RiskPreview::from).collect();
                let annotations_at = found.annotations_at.to_owned();
                preview.remedy = RemedyPreview::new(outlook.remedies, annotations_at);
            }
            Err(error) => preview.error = Some(format!("{error:#}")),
        }
        preview
    }
}

impl WorkloadPreview {
    /// `KIND/NAME`, and of an object with several templates which one.
    pub fn title(&self) -> String {
        let which = self.template.as_ref().map(|which| format!(" ({which})"));
        titled(&self.kind, &self.name) + &which.unwrap_or_default()
    }

    /// Whether all of it is hardened, or would be, and no container in its pods now is unhardened.
    pub fn is_hardened(&self) -> bool {
        let open = |debug: &DebugContainer| debug.privileged || debug.may_be_root;
        self.unhardened.is_empty() && !self.debug.iter().any(open)
    }
}

/// Whether an app container of a template has no probe that keeps its pod from being ready.
fn lacks_probe(template: &str) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probed {
        readiness_probe: Option<IgnoredAny>,
        startup_probe: Option<IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Spec {
        containers: Vec<Probed>,
    }
    #[derive(Deserialize)]
    struct Template {
        spec: Spec,
    }
    serde_json::from_str(template).is_ok_and(|Template { spec }| {
        let probed = |it: &Probed| it.readiness_probe.is_some() || it.startup_probe.is_some();
        !spec.containers.iter().all(probed)
    })
}

/// Risk that Pod Security refuses the pod in its namespace, hardened or not.
fn refused(namespace: &NamespaceSettings, outlook: &Outlook) -> Option<Risk> {
    let level = Level::named(namespace.pod_security.as_deref()?)?;
    let fields = match level {
        Level::Baseline => &outlook.baseline,
        Level::Restricted => &outlook.restricted,
    };
    if fields.is_empty() {
        return None;
    }
    let (level, fields) = (level.as_str(), fields.join(", "));
    let change = match outlook.exemptions.is_empty() {
        true => "change these fields",
        false => "change these fields, or remove the exemption that keeps them",
    };
    Some(Risk {
        container: "pod".to_owned(),
        cause: Cause::Refused,
        certain: true,
        why: format!("Pod Security enforces {level} here and refuses it: {fields}"),
        remedy: Remedy::Manifest(format!("{change}; or move it to a namespace at another level")),
    })
}

impl FoundWorkload<'_> {
    /// Outlook for the workload under a policy.
    ///
    /// # Errors
    /// When it is not a pod that Kubernetes could have stored.
    pub fn outlook(
        &self,
        policy: &Policy,
        environment: Environment<'_>,
    ) -> anyhow::Result<Outlook> {
        let Self { json, reserved_volumes, scope, .. } = *self;
        let seen = &self.facts.seen();
        outlook(&Template { json, policy, environment, reserved_volumes, scope, seen })
    }
}

impl From<Risk> for RiskPreview {
    fn from(risk: Risk) -> Self {
        let Risk { container, cause, certain, why, remedy: _ } = risk;
        Self { container, cause, certain, why }
    }
}
