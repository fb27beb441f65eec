//! The validity oracle: what the API server accepts as it is shipped, it accepts hardened,
//! under each shipped policy, and as the engine says.

mod oracle;
mod shipped;
mod surroundings;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::pods::auditor;
use crate::world::{BY_LABEL, Space, World, say};
use oracle::Oracle;
use shipped::Shipped;

/// Pods of the corpus that CI has, and those of them that Kubernetes 1.36 accepts as they
/// are shipped. The others have placeholders that are still to be filled in, mount volumes
/// that they do not have, or are test data of their projects that is meant to be refused.
const PODS: usize = 1879;
const ACCEPTED: usize = 1849;

/// Of the accepted pods, how many at least a policy has to change or to warn of. Few pods are
/// shipped as hardened as that; a webhook that is not called would find all of them so.
const NOTICED: usize = 1400;

/// A pod that is accepted as it is shipped, and as the API server has it then: with
/// defaults, and with what its own admission plugins put in.
struct Accepted<'s> {
    shipped: &'s Shipped,
    pod: Value,
}

pub fn what_is_accepted_is_accepted_hardened(world: &'static World) {
    let began = Instant::now();
    let directory = std::env::var_os("IRONHULL_CORPUS").expect("a scenario that says it needs it");
    let pods = shipped::read(Path::new(&directory));
    // One namespace whose labels change: its ServiceAccounts have to be made once only.
    let space = world.namespace("corpus", &[]);
    let oracle = Oracle::new(world, &space.name);
    surroundings::prepare(world, &space, &oracle, &pods);
    let accepted = as_shipped(&oracle, &pods);
    let mut wrong = Vec::new();
    for policy in ["restricted"].into_iter().chain(BY_LABEL) {
        choose(world, &space, &oracle, policy);
        wrong.extend(hardened(&oracle, policy, &accepted));
    }
    say(format!("{} pods in {:.1} s", pods.len(), began.elapsed().as_secs_f64()));
    say(wrong.join("\n"));
    assert!(wrong.is_empty(), "{} pods are not what they should be, see above", wrong.len());
    assert_eq!((pods.len(), accepted.len()), (PODS, ACCEPTED));
}

/// Those that are accepted in a namespace that did not opt in. Says why the others are not.
fn as_shipped<'s>(oracle: &Oracle, pods: &'s [Shipped]) -> Vec<Accepted<'s>> {
    let began = Instant::now();
    let sent: Vec<Value> = pods.iter().map(|shipped| shipped.pod.clone()).collect();
    let mut accepted = Vec::new();
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (shipped, answer) in pods.iter().zip(oracle.dry_run(&sent)) {
        match answer.pod {
            Ok(pod) => accepted.push(Accepted { shipped, pod }),
            Err(refusal) => {
                let told = format!("{}: {}", shipped.id, refusal.message);
                refused.entry(refusal.group).or_default().push(told);
            }
        }
    }
    say(format!(
        "{} pods, {} accepted as shipped, {:.1} s",
        pods.len(),
        accepted.len(),
        began.elapsed().as_secs_f64()
    ));
    for (group, told) in refused {
        say(format!("refused as shipped, {}: {group}\n  {}", told.len(), told.join("\n  ")));
    }
    accepted
}

/// Labels the namespace, and waits until a pod is answered as this policy says.
fn choose(world: &World, space: &Space, oracle: &Oracle, policy: &str) {
    let name = BY_LABEL.contains(&policy).then_some(policy);
    space.label(&json!({"ironhull.dev/harden": null, "ironhull.dev/policy": null}));
    let probe = [auditor("probe")];
    let ask = || oracle.dry_run(&probe).remove(0);
    let before = world.eventually("the namespace is left alone", || {
        let answer = ask();
        (answer.warnings.is_empty() && !answer.is_noted()).then_some(answer.pod.ok()?)
    });
    space.label(&json!({"ironhull.dev/harden": "enforce", "ironhull.dev/policy": name}));
    let expected = oracle.expected(policy, &before);
    world.eventually(&format!("{policy} is in force"), || {
        ask().differs(&expected).is_none().then_some(())
    });
}

/// Sends what was accepted again; what is refused now, or is not what the engine says.
fn hardened(oracle: &Oracle, policy: &str, accepted: &[Accepted<'_>]) -> Vec<String> {
    let began = Instant::now();
    let sent: Vec<Value> = accepted.iter().map(|accepted| accepted.shipped.pod.clone()).collect();
    let answers = oracle.dry_run(&sent);
    let took = began.elapsed().as_secs_f64();
    let refused = answers.iter().filter(|answer| answer.pod.is_err()).count();
    let changed = answers.iter().filter(|answer| answer.is_noted()).count();
    let warned = answers.iter().filter(|answer| !answer.warnings.is_empty()).count();
    say(format!(
        "{policy}: {} accepted hardened, {refused} refused; {changed} changed, {warned} warned \
         of; {took:.1} s",
        answers.len() - refused,
    ));
    let noticed = answers.iter().filter(|a| a.is_noted() || !a.warnings.is_empty()).count();
    assert!(noticed >= NOTICED, "{policy} has only {noticed} pods to change or to warn of");
    let pairs = accepted.iter().zip(&answers);
    pairs
        .filter_map(|(accepted, answer)| {
            let difference = answer.differs(&oracle.expected(policy, &accepted.pod))?;
            Some(format!("{} under {policy}: {difference}", accepted.shipped.id))
        })
        .collect()
}
