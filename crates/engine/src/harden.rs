//! `harden()`: folds the rules over a pod.

use std::borrow::Cow;

use crate::exemption::HARDENED_ANNOTATION;
use crate::outcome::{Finding, NotSeeded, Outcome, Remark, RuleResult, Skip, Subject};
use crate::pass::Pass;
use crate::patch;
use crate::pod::Pod;
use crate::policy::{Policy, Writable};
use crate::provenance;
use crate::remains;
use crate::rule::{Action, RuleName};
use crate::rules::RULES;
use crate::sharing;

pub use crate::pass::{Context, Scope, SeedImage};

/// Maximum total size of an object's annotations: 256 KiB
/// (`TotalAnnotationSizeLimitB` in `k8s.io/apimachinery/pkg/api/validation`).
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// Hardens a pod. Pure and total: the same input gives the same bytes, and nothing can
/// fail. Applying the patch and hardening again gives an empty patch.
pub fn harden<'p>(pod: &'p Pod<'p>, policy: &'p Policy, context: &Context<'p>) -> Outcome<'p> {
    if pod.is_mirror() {
        return Outcome { left_alone: Some(Skip::Mirror), ..Outcome::default() };
    }
    let mut pass = Pass::new(pod, policy, context);
    for rule in RULES {
        if policy.rules.action(rule.name()) == Action::Off {
            continue;
        }
        if pass.windows && rule.name() != RuleName::RunAsNonRoot {
            pass.find(rule.name(), Subject::Pod, RuleResult::Skipped(Skip::Windows));
        } else {
            rule.apply(&mut pass);
        }
    }
    finish(pass, context)
}

fn finish<'p>(mut pass: Pass<'p>, context: &Context<'p>) -> Outcome<'p> {
    let not_seeded = if pass.windows { not_seeded(&pass) } else { Vec::new() };
    let mut outcome = Outcome {
        containers: std::mem::take(&mut pass.looked),
        findings: std::mem::take(&mut pass.findings),
        exemptions: std::mem::take(&mut pass.declared.exemptions),
        void: std::mem::take(&mut pass.declared.void),
        left_alone: pass.windows.then_some(Skip::Windows),
        remarks: std::mem::take(&mut pass.remarks),
        patch: patch::Patch::default(),
    };
    outcome.remarks.extend(not_seeded);
    if !pass.ephemeral {
        let privileged = pass.containers.iter().any(|container| container.privileged);
        if !pass.windows && pass.pod.has_windows_options() {
            outcome.remarks.push(Remark::WindowsOptions);
        }
        outcome.remarks.extend(sharing::remarks(&pass));
        outcome
            .remarks
            .extend(remains::lines(pass.pod, privileged).into_iter().map(Remark::Remains));
        if !pass.windows {
            outcome.remarks.extend(remains::groups(&pass));
        }
    }
    let nothing = pass.plan.is_empty();
    // Nothing changes but some finding is not compliant: the pod's old note may claim otherwise.
    let may_lie = || {
        let compliant = |finding: &Finding<'_>| finding.result == RuleResult::Compliant;
        let rules = &pass.policy.rules;
        pass.pod.annotation(HARDENED_ANNOTATION).is_some()
            && !pass.windows
            && !outcome.findings.iter().all(compliant)
            && RuleName::ALL.iter().any(|rule| rules.action(*rule).acts())
            && provenance::claims_too_much(pass.pod)
    };
    if context.provenance && !pass.ephemeral && (!nothing || may_lie()) {
        let note = provenance::note(pass.pod, pass.policy, &pass.plan, &outcome);
        pass.plan.annotations.push((HARDENED_ANNOTATION, note));
    }
    if nothing && pass.plan.annotations.is_empty() {
        return outcome;
    }
    if fit_annotations(&mut pass) {
        outcome.remarks.push(Remark::AnnotationsFull);
    }
    let placed = pass.containers.iter().map(|container| container.placed);
    outcome.patch = patch::build(pass.pod, placed, &pass.plan, context.root);
    outcome
}

/// The paths that a Windows pod asks to be seeded. No rule looks at them.
fn not_seeded<'p>(pass: &Pass<'p>) -> Vec<Remark<'p>> {
    let asked = pass.declared.writable_paths.iter().filter(|(_, asked)| asked.seed);
    let remark = |(subject, asked): &(Subject, Writable)| {
        let container = match subject {
            Subject::Pod => "pod",
            Subject::Container(index) => pass.looked.get(*index).map_or("", |looked| looked.name),
        };
        let path = Cow::Owned(asked.path.as_str().to_owned());
        Remark::NotSeeded { container, path, why: NotSeeded::Windows }
    };
    asked.map(remark).collect()
}

/// Drops ironhull's annotations, the last first, until all annotations of the pod fit. True if
/// one was dropped. An old note whose successor is dropped is emptied: it may claim what is not so,
/// and the next pass would mend it.
fn fit_annotations(pass: &mut Pass<'_>) -> bool {
    let present = &pass.pod.metadata.annotations;
    let mended = &pass.plan.seccomp_annotations;
    let mended: usize = mended.iter().map(|(_, _, profile)| profile.legacy().len()).sum();
    let (mut dropped, mut lost) = (false, false);
    loop {
        let ours = &pass.plan.annotations;
        let replaced = |key: &str| ours.iter().any(|(name, _)| *name == key);
        let theirs = present.iter().filter(|(key, _)| !replaced(key));
        let theirs = mended + theirs.map(|(key, value)| key.len() + value.len()).sum::<usize>();
        let total = theirs + ours.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        if ours.is_empty() || total <= ANNOTATIONS_LIMIT {
            break;
        }
        lost |= pass.plan.annotations.pop().is_some_and(|(key, _)| key == HARDENED_ANNOTATION);
        dropped = true;
    }
    let old = pass.pod.annotation(HARDENED_ANNOTATION);
    if lost && old.is_some_and(|old| old.len() > EMPTY_NOTE.len()) {
        pass.plan.annotations.push((HARDENED_ANNOTATION, EMPTY_NOTE.to_owned()));
    }
    dropped
}

/// A note that claims nothing.
const EMPTY_NOTE: &str = "{}";
