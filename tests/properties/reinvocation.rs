//! A webhook between two reviews of a pod.

use super::*;

#[test]
fn another_webhook_in_between() {
    let (late_root, late_privileged) = (Share::default(), Share::default());
    check("another_webhook_in_between", 5_000, cases(Flavour::Any), |case| {
        let Case { pod, document, policy, more } = &case;
        let first = hardened(pod, policy, &CREATE);
        let mut injected = first.pod.clone();
        inject(&mut injected, &mut Choices::new(more));
        let injected = plugin::admit(&injected);
        let second = hardened(&injected, policy, &CREATE);
        let third = hardened(&second.pod, policy, &CREATE);
        let exempt = |container: &Container, rule: &str| second.is_exempt(&case, container, rule);
        let injected = token::seen(&injected, document, &second)?;
        let containers = facts::containers(&injected);
        let injected = changes::unprivileged(&injected, &containers, document, &exempt);
        ensure!(third.patch == "[]", "after {injected}\nhardened again: {}", third.patch);
        validity::nothing_refused(&injected, &second.plain, &[])?;
        seeds::hold(&injected, &second.pod)?;
        warnings_are_short(&second.warnings)?;
        let old = facts::containers(pod);
        let new = |c: &Container| !old.iter().any(|old| old.name == c.name);
        for (was, mut is) in
            facts::containers(&injected).iter().zip(facts::containers(&second.plain))
        {
            // An init container that got no uid yet may follow an app container that came.
            if !was.is_app_or_sidecar() && was.effective.user.uid.is_none() {
                // Root in a user namespace keeps what root needs, and has no use for it as another.
                if is.effective.user != was.effective.user {
                    is.effective.add = was.effective.add.clone();
                }
                is.effective.user = was.effective.user.clone();
            }
            let same = was.effective == is.effective && was.mounts == is.mounts;
            let told = !facts::is_windows(&first.pod) && facts::is_windows(&injected);
            ensure!(
                same || new(was) || told,
                "{} changed when another came: {was:?} {is:?}",
                was.name
            );
        }
        let late: Vec<_> = facts::containers(&injected).into_iter().filter(new).collect();
        late_root.count(late.iter().any(|c| c.effective.user.is_root()));
        late_privileged.count(late.iter().any(|c| c.privileged));
        Ok(())
    });
    late_root.at_least(5.0, "with a root container that came late");
    late_privileged.at_least(3.0, "with a privileged container that came late");
}

/// What webhooks that run after ironhull do: a container more, often with a volume and a
/// word of its own in the annotations.
fn inject(pod: &mut Value, choices: &mut Choices<'_>) {
    let mut names = Names::of(pod);
    let container = pods::container(choices, &mut names, false);
    let name = container["name"].as_str().unwrap().to_owned();
    let list = choices.pick(&["containers", "initContainers"]);
    let containers = &mut pod["spec"][list];
    if !containers.is_array() {
        *containers = json!([]);
    }
    let containers = containers.as_array_mut().unwrap();
    let place = if choices.chance(40) { 0 } else { containers.len() };
    containers.insert(place, container);
    if choices.chance(30) {
        let annotations = &mut pod["metadata"]["annotations"];
        if annotations.is_null() {
            *annotations = json!({});
        }
        annotations[format!("{name}.exempt.ironhull.dev/all")] = "until=2027-01-15 injected".into();
    }
}
