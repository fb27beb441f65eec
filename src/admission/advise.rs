//! `/advise`: warnings for the person who applies a workload, never a patch. The warnings
//! on a pod that a controller makes reach nobody.

use super::read::WorkloadMetadata;
use super::{
    Answer, Endpoint, Environment, Facts, Mode, NotAReview, answer, answer_unreadable, choose,
    ignored, not_loaded, read,
};
use crate::exemption::is_for_pods;
use crate::harden::{Context, Scope, harden};
use crate::pod::Pod;
use crate::policy::PolicySet;
use crate::text::printable;

pub(super) fn review(
    body: &[u8],
    endpoint: Endpoint<'_>,
    policies: &PolicySet,
    environment: Environment,
) -> Result<Answer, NotAReview> {
    let (request, object, _) = match read::workload_request(body)? {
        Ok(read) => read,
        Err(unreadable) => return Ok(answer_unreadable(&unreadable, Mode::Advise)),
    };
    let mut facts = Facts::of(&request);
    let asked =
        matches!(&*request.operation, "CREATE" | "UPDATE") && request.sub_resource.is_empty();
    let Some(workload) = object.filter(|_| asked) else { return Ok(ignored(facts)) };
    if facts.name.is_empty() {
        facts.name = workload.metadata.name.to_string();
    }
    // What a controller makes was said to the one who made the controller's object.
    let owned = workload.metadata.owner_references.iter().any(|owner| owner.controller);
    let template = workload.spec.template.or(workload.spec.job_template.spec.template);
    let Some(template) = template.filter(|_| !owned) else { return Ok(ignored(facts)) };
    let claims = &workload.spec.volume_claim_templates;
    let reserved: Vec<&str> = claims.iter().map(|claim| &*claim.metadata.name).collect();
    let (policy, missing) = choose(policies, endpoint, &request.namespace);
    let context = Context {
        date: environment.date,
        scope: Scope::Create,
        user_namespaces: environment.user_namespaces,
        provenance: false,
        root: "",
        reserved_volumes: &reserved,
    };
    let outcome = harden(&template, policy, &context);
    let mut first = not_loaded(missing, policy);
    first.extend(misplaced(&workload.metadata, &template));
    Ok(answer(facts, Mode::Advise, policy, &outcome, first))
}

/// The warning about annotations that the workload has and its pods do not get, if there are
/// any: only those of the template reach them.
fn misplaced(metadata: &WorkloadMetadata<'_>, template: &Pod<'_>) -> Option<String> {
    let of_template = &template.metadata.annotations;
    let mut misplaced = metadata
        .annotations
        .iter()
        .map(|(key, _)| key)
        .filter(|key| is_for_pods(key) && of_template.get(key).is_none());
    let first = printable(misplaced.next()?, LONGEST_KEY);
    let others = match misplaced.count() {
        0 => String::new(),
        others => format!(" (and {others} more)"),
    };
    Some(format!("ironhull: {first}{others} is void here: it belongs on the pod template"))
}

/// Of an annotation's key, so that its warning keeps within 120 characters.
const LONGEST_KEY: usize = 55;
