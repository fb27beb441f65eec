//! Ephemeral containers.

use super::*;

/// An update of `pods/ephemeralcontainers` changes the security context of the new
/// containers and nothing else.
#[test]
fn debugging_changes_only_the_new_container() {
    let strategy = (cases(Flavour::Any), proptest::collection::vec(numbers(64), 1..4));
    let (set, windows) = (Share::default(), Share::default());
    check("debugging_changes_only_the_new_container", 4_000, strategy, |(case, debug)| {
        let Case { pod, document, policy, more } = &case;
        // A pod that was hardened when it came, or not.
        let choices = &mut Choices::new(more);
        let mut pod =
            if choices.chance(50) { hardened(pod, policy, &CREATE).pod } else { pod.clone() };
        let targets = facts::containers(&pod);
        let mut names = Names::of(&pod);
        let containers: Vec<Value> = debug
            .iter()
            .map(|numbers| {
                let choices = &mut Choices::new(numbers);
                let mut container = pods::container(choices, &mut names, is_windows(&pod));
                if choices.chance(60) {
                    container["targetContainerName"] = choices.pick(&targets).name.into();
                }
                container
            })
            .collect();
        let known: Vec<String> =
            containers.iter().skip(1).map(|c| c["name"].as_str().unwrap().to_owned()).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        pod["spec"]["ephemeralContainers"] = containers.into();
        let context = Context { scope: Scope::Ephemeral { known: &known }, ..CREATE };
        let first = hardened(&pod, policy, &context);
        set.count(first.patch != "[]");
        windows.count(is_windows(&pod));
        ensure!(!token::taken(&serde_json::from_str(&first.patch).unwrap()), "it removes");
        let again = hardened(&first.pod, policy, &context);
        ensure!(again.patch == "[]", "hardened again: {}", again.patch);
        let exempt = |container: &Container, rule: &str| first.is_exempt(&case, container, rule);
        let new = &facts::of_list(&pod, "ephemeralContainers")[..1];
        let pod = changes::unprivileged(&pod, new, document, &exempt);
        debugged(&pod, &first.pod, document)?;
        validity::nothing_refused(&pod, &first.pod, &[])?;
        warnings_are_short(&first.warnings)
    });
    set.at_least(40.0, "with something to set");
    windows.at_least(3.0, "for Windows");
}

fn debugged(before: &Value, after: &Value, document: &Value) -> Result<(), Failure> {
    let rules = Rules { document };
    let was = facts::of_list(before, "ephemeralContainers");
    let is = facts::of_list(after, "ephemeralContainers");
    for change in changes(before, after) {
        let path: Vec<&str> = change.path.iter().map(String::as_str).collect();
        let ["spec", "ephemeralContainers", "0", "securityContext", field, ..] = path.as_slice()
        else {
            return Err(format!("{change:?}"));
        };
        ensure!(!was[0].privileged || is_windows(before), "a privileged container: {change:?}");
        ensure!(*field != "readOnlyRootFilesystem", "{change:?}");
        let user = matches!(*field, "runAsNonRoot" | "runAsUser");
        let acts = rules.acts(field)
            || user && (rules.enforces("runAsNonRoot") || rules.enforces("runAsUser"));
        ensure!(acts, "by a rule that does not act: {change:?}");
        if is_windows(before) {
            let named =
                before["spec"]["os"]["name"] == "windows" && !facts::is_host_process(before);
            ensure!(
                *field == "runAsNonRoot" && named && rules.enforces(field),
                "Windows: {change:?}"
            );
        }
    }
    let (was, is) = (&was[0], &is[0]);
    if was.own.uid > Some(0) {
        ensure!(is.own.uid == was.own.uid && is.own.gid == was.own.gid, "its own user changed");
    }
    Ok(())
}
