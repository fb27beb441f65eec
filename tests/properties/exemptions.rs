//! An exemption is for whom it names, and for nothing else.

use ironhull::outcome::Subject;
use ironhull::rule::{RuleName, RuleScope};
use serde_json::{Value, json};

use super::changes::unprivileged;
use super::choices::Choices;
use super::facts::{self, Container};
use super::policies::{Flavour, of_containers};
use super::rules::Rules;
use super::runner::{Share, check};
use super::{CREATE, Case, Failure, Hardened, cases, ensure, hardened, token};

/// A reason that every generated policy takes.
const REASON: &str = "until=2027-01-15 ticket=SEC-1 it needs it";

#[test]
fn an_exemption_is_for_one_container() {
    let in_force = Share::default();
    check("an_exemption_is_for_one_container", 8_000, cases(Flavour::Any), |case| {
        let Case { pod, policy, more, .. } = &case;
        let choices = &mut Choices::new(more);
        let containers = facts::containers(pod);
        let subject = choices.pick(&containers);
        let rules = of_containers();
        let rule = if choices.chance(15) { "all" } else { choices.pick(&rules) };
        let key = format!("{}.exempt.ironhull.dev/{rule}", subject.name);
        let (with, without) = (with(pod, &key), without(pod, &key));
        let (exempt, plain) =
            (hardened(&with, policy, &CREATE), hardened(&without, policy, &CREATE));
        let held = exempt.exemptions > plain.exemptions;
        in_force.count(held);
        others_are_as_before(&case, [&plain, &exempt], &subject, rule)?;
        if !held {
            return Ok(());
        }
        let rules_named: Vec<&str> = match rule {
            "all" => rules,
            rule => vec![rule],
        };
        for rule in rules_named {
            is_its_authors(&with, &case, &exempt, &subject, rule)?;
        }
        Ok(())
    });
    in_force.at_least(50.0, "with the exemption in force");
}

#[test]
fn an_exemption_of_the_pod_is_for_every_container() {
    check("an_exemption_of_the_pod_is_for_every_container", 3_000, cases(Flavour::Any), |case| {
        let Case { pod, document, policy, more } = &case;
        if document["spec"]["exemptions"].get("images").is_some() {
            return Ok(());
        }
        let rule = Choices::new(more).pick(RuleName::ALL).as_str();
        let key = format!("exempt.ironhull.dev/{rule}");
        let (with, without) = (with(pod, &key), without(pod, &key));
        let exempt = hardened(&with, policy, &CREATE);
        if exempt.exemptions == hardened(&without, policy, &CREATE).exemptions {
            return Ok(());
        }
        for container in facts::containers(&with) {
            is_its_authors(&with, &case, &exempt, &container, rule)?;
        }
        let place = match rule {
            "fsGroup" => "/spec/securityContext/fsGroup",
            "unprivilegedPorts" => "/spec/securityContext/sysctls",
            "hostUsers" => "/spec/hostUsers",
            "serviceAccountToken" => {
                let field = |pod: &Value| pod["spec"].get("automountServiceAccountToken").cloned();
                ensure!(field(&with) == field(&exempt.pod), "the field changed");
                return token::seen(&with, document, &exempt).map(|_| ());
            }
            _ => return Ok(()),
        };
        ensure!(with.pointer(place) == exempt.pod.pointer(place), "{place} changed");
        Ok(())
    });
}

fn with(pod: &Value, key: &str) -> Value {
    let mut pod = pod.clone();
    if pod["metadata"]["annotations"].is_null() {
        pod["metadata"]["annotations"] = json!({});
    }
    pod["metadata"]["annotations"][key] = REASON.into();
    pod
}

fn without(pod: &Value, key: &str) -> Value {
    let mut pod = pod.clone();
    let annotations = pod["metadata"].get_mut("annotations").and_then(Value::as_object_mut);
    annotations.and_then(|annotations| annotations.remove(key));
    pod
}

/// What holds for every other container is the same with and without the exemption.
///
/// Two things follow other containers by their own description: an init container whose
/// uid ironhull sets takes that of the first app container that has one, and the pod's
/// fsGroup comes with the uids that are set. The first is left out here where the exempt
/// one is such an app container; the second is no container's value.
///
/// A pod-level `runAsNonRoot: false` that root made worth replacing stays where root is exempt. Whoever
/// has a uid above 0 inherits it then, which means nothing beside that uid.
fn others_are_as_before(
    case: &Case,
    [plain, exempt]: [&Hardened; 2],
    subject: &Container,
    rule: &str,
) -> Result<(), Failure> {
    let leads = subject.list == "containers"
        && matches!(rule, "all" | "privileged" | "runAsNonRoot" | "runAsUser" | "runAsGroup");
    let fills = !Rules { document: &case.document }.enforces("runAsNonRoot");
    let both = facts::containers(&plain.plain).into_iter().zip(facts::containers(&exempt.plain));
    for (author, (plain, exempt)) in facts::containers(&case.pod).iter().zip(both) {
        // One of ironhull's own has the user of the container that it works for, and no say.
        if plain.name == subject.name || plain.name.starts_with("ironhull-seed") {
            continue;
        }
        let (was, mut is) = (plain.effective, exempt.effective);
        let own_uid = author.effective.user.uid > Some(0);
        if leads && !author.is_app_or_sidecar() && !own_uid {
            is.user = was.user.clone();
        }
        if fills && own_uid && author.own.non_root.is_none() {
            is.user.non_root = was.user.non_root;
        }
        ensure!(
            was == is,
            "{} differs by {}'s exemption: {was:?} {is:?}",
            plain.name,
            subject.name
        );
        ensure!(plain.mounts == exempt.mounts, "the mounts of {} differ", plain.name);
    }
    Ok(())
}

/// What holds for an exempt container is what its author wrote.
fn is_its_authors(
    pod: &Value,
    case: &Case,
    hardened: &Hardened,
    subject: &Container,
    rule: &str,
) -> Result<(), Failure> {
    let rules = Rules { document: &case.document };
    let exempt = |container: &Container, rule: &str| hardened.is_exempt(case, container, rule);
    let seen = token::seen(pod, &case.document, hardened)?;
    let pod = &unprivileged(&seen, &facts::containers(pod), &case.document, &exempt);
    let author = facts::containers(pod).into_iter().find(|c| c.name == subject.name).unwrap();
    let now = facts::containers(&hardened.plain);
    let now = now.into_iter().find(|container| container.name == subject.name).unwrap();
    let (was, is) = (&author.effective, &now.effective);
    let name = &author.name;
    let whole_user = hardened.is_exempt(case, &author, "runAsNonRoot");
    match rule {
        "privileged" => {
            ensure!(now.privileged == author.privileged, "privileged of {name}");
            ensure!(!now.privileged || facts::is_windows(pod) || is == was, "more of {name}");
        }
        "runAsNonRoot" => {
            let undone = was.user.non_root == Some(true)
                && is.user.non_root == Some(false)
                && was.user.uid.is_none_or(|uid| uid == 0);
            let same = is.user.non_root == was.user.non_root;
            ensure!(same || undone, "runAsNonRoot of {name}");
            ensure!(is.user.uid == was.user.uid, "runAsUser of {name}");
            ensure!(is.user.gid == was.user.gid, "runAsGroup of {name}");
            // Root gets rootKeeps where ironhull drops ALL; what the author adds stays.
            let dropped = was.drop.iter().any(|drop| drop == "ALL");
            let now_dropped = is.drop.iter().any(|drop| drop == "ALL");
            let root = was.user.uid.is_none_or(|uid| uid == 0);
            let windows = facts::is_windows(pod) || author.privileged;
            // Runtimes read `all` as ALL: that author dropped everything.
            let all = was.drop.iter().any(|drop| drop.eq_ignore_ascii_case("ALL"));
            if !dropped && !all && now_dropped && root && !windows {
                for keep in rules.root_keeps() {
                    let author = was
                        .drop
                        .iter()
                        .any(|drop| drop.to_ascii_uppercase().trim_start_matches("CAP_") == keep);
                    ensure!(author || is.add.contains(&keep), "{name} lost {keep}");
                }
            }
        }
        "runAsUser" => {
            // It does not allow root: that takes an exemption from runAsNonRoot.
            let needs_more = !whole_user && was.user.is_root();
            ensure!(needs_more || is.user.uid == was.user.uid, "runAsUser of {name}");
        }
        "runAsGroup" => ensure!(is.user.gid == was.user.gid, "runAsGroup of {name}"),
        "capabilities" => {
            // What the API server takes only with privilege escalation needs that exempt, too.
            let mut was = was.clone();
            let forbidden = is.escalation == Some(false) && was.escalation != Some(false);
            if forbidden && rules.enforces("allowPrivilegeEscalation") {
                was.add.retain(|name| name != "CAP_SYS_ADMIN");
            }
            ensure!((&is.add, &is.drop) == (&was.add, &was.drop), "capabilities of {name}");
        }
        "allowPrivilegeEscalation" => {
            ensure!(is.escalation == was.escalation, "allowPrivilegeEscalation of {name}");
        }
        "seccompProfile" => ensure!(is.seccomp == was.seccomp, "seccompProfile of {name}"),
        "readOnlyRootFilesystem" => {
            ensure!(is.read_only == was.read_only, "readOnlyRootFilesystem of {name}");
            ensure!(now.mounts == author.mounts, "mounts of {name}");
        }
        _ => {}
    }
    Ok(())
}

/// Whatever stands in an exemption's annotation, it is either in force or void and said.
#[test]
fn an_annotation_is_in_force_or_void() {
    use proptest::prelude::*;
    let value = prop_oneof![
        "\\PC*",
        ".*",
        "(until=[0-9]{4}-[0-9]{2}-[0-9]{2} )?(ticket=[A-Z]{0,70} )?[a-z ]{0,300}",
        "(until|ticket|x)=.{0,12} .{0,12}",
    ];
    let key = prop_oneof![
        Just("exempt.ironhull.dev/capabilities".to_owned()),
        Just("web.exempt.ironhull.dev/all".to_owned()),
        "(web\\.)?(exempt\\.)?ironhull\\.dev/[a-zA-Z]{0,20}",
        "[a-z.]{0,20}\\.ironhull\\.dev/.{0,20}",
    ];
    let policy = super::numbers(64);
    let strategy = (key, value, policy);
    check("an_annotation_is_in_force_or_void", 5_000, strategy, |(key, value, numbers)| {
        let (mut document, policy) = super::policies::policy(&numbers, Flavour::Any);
        document = document["spec"]["exemptions"].take();
        let pod = json!({"metadata": {"annotations": {&key: &value}},
            "spec": {"containers": [{"name": "web", "image": "registry.corp/pay/api:3"}]}});
        let text = pod.to_string();
        let view = ironhull::pod::Pod::from_json(&text).unwrap();
        let outcome = ironhull::harden::harden(&view, &policy, &CREATE);
        let ours =
            outcome.exemptions.iter().filter(|e| e.by == ironhull::exemption::By::Annotation);
        let (held, void) = (ours.clone().count(), outcome.void.len());
        if key.contains("exempt.ironhull.dev/") && !key.starts_with('.') {
            ensure!(held + void == 1, "{held} in force and {void} void under {document}");
        }
        for exemption in ours {
            ensure!(!exemption.rules.is_empty(), "in force for no rule");
            ensure!(exemption.reason.chars().count() <= 200, "a long reason");
            ensure!(!exemption.reason.chars().any(char::is_control), "{:?}", exemption.reason);
            let whole = exemption.subject == Subject::Pod;
            let fits =
                exemption.rules.iter().all(|rule| whole || rule.scope() == RuleScope::Container);
            ensure!(fits, "a rule of the pod for one container");
            ensure!(exemption.until.is_none_or(|until| until >= super::TODAY), "it has ended");
        }
        super::warnings_are_short(&[outcome.warnings(false), outcome.warnings(true)])
    });
}
