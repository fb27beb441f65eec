//! What commands say beforehand of every pod, whatever it runs.

use std::collections::BTreeMap;

use ironhull::foresight::outlook::{Outlook, Template, outlook};
use ironhull::foresight::risk::{Remedy, Seen, Unseen};
use ironhull::harden::Scope;
use serde_json::{Value, json};

use super::choices::Choices;
use super::policies::Flavour;
use super::runner::{Share, check};
use super::{Case, ENVIRONMENT, Failure, cases, ensure};

/// Commands of every kind, and what no shell would take.
const SCRIPTS: [&str; 24] = [
    "sleep 1d",
    "chown -R 1000 /data",
    "mkdir -p /srv/a && exec httpd -f -p 80",
    "touch /var/cache/nginx/x",
    "apk add curl; payd",
    "cd /opt/x; touch y",
    "mount -t tmpfs t /mnt || true",
    "chmod 700 /data /srv",
    "cat /etc/config/a",
    "if [ -f /x ]; then rm /x; fi",
    "for f in a b; do cp $f /usr/local/lib; done",
    "echo \"${HOME:-/x}\" > $HOME/.rc",
    "iptables -t nat -F",
    "gosu app payd",
    "ping db",
    "tar xf x -C /srv/é",
    "f() { a; }; f",
    "$(( ${ ` \" ' \\",
    "echo \u{1b}[31m > /srv/\u{7}",
    "until=2020-01-01 ticket= chown a=b /x",
    "&& || ;; > >> <<< |",
    "",
    "su -c 'x' y",
    "nc -lp 443",
];

fn with_commands(case: &Case) -> (Value, Seen) {
    let choices = &mut Choices::new(&case.more);
    let mut pod = case.pod.clone();
    let mut seen = Seen::default();
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            match choices.below(4) {
                0 => drop(seen.uids.insert(name, 0)),
                1 => drop(seen.uids.insert(name, choices.pick(&[1000, 101]))),
                2 => drop(seen.unseen.insert(name, Unseen::Differs)),
                _ => {}
            }
            if choices.chance(80) {
                container["command"] = json!(["sh", "-ec", choices.pick(&SCRIPTS)]);
            }
            if choices.chance(20) {
                let script = choices.pick(&SCRIPTS);
                container["livenessProbe"] = json!({"exec": {"command": ["sh", "-c", script]}});
            }
        }
    }
    (pod, seen)
}

fn look(pod: &Value, case: &Case, seen: &Seen) -> Result<Outlook, Failure> {
    let json = &pod.to_string();
    let template = Template {
        json,
        policy: &case.policy,
        environment: ENVIRONMENT,
        reserved_volumes: &[],
        scope: Scope::Create,
        seen,
    };
    outlook(&template).map_err(|error| format!("{error:#}"))
}

/// Nothing stops it; and where all that is sure to break can be helped by annotations, those
/// that it proposes help.
#[test]
fn every_pod_has_an_outlook_and_what_is_proposed_helps() {
    let (helped, unhelped) = (Share::default(), Share::default());
    let strategy = cases(Flavour::Any);
    check("every_pod_has_an_outlook", 3_000, strategy, |case| {
        let (mut pod, seen) = with_commands(&case);
        let first = look(&pod, &case, &seen)?;
        let certain = |outlook: &Outlook| {
            let by_annotation =
                |remedy: &Remedy| matches!(remedy, Remedy::Exempt(_) | Remedy::Writable(_));
            let risks = outlook.risks.iter().filter(|risk| risk.certain);
            risks.filter(|risk| by_annotation(&risk.remedy)).cloned().collect::<Vec<_>>()
        };
        unhelped.count(first.remedies.unhelped.is_some());
        helped.count(!first.remedies.annotations.is_empty());
        for risk in &first.risks {
            ensure!(!risk.why.chars().any(char::is_control), "a control character: {risk:?}");
        }
        if first.remedies.unhelped.is_some() || certain(&first).is_empty() {
            return Ok(());
        }
        annotate(&mut pod, &first.remedies.annotations);
        let second = look(&pod, &case, &seen)?;
        let left = certain(&second);
        ensure!(left.is_empty(), "with {:?} is left {left:?}", first.remedies.annotations);
        Ok(())
    });
    helped.at_least(15.0, "helped by annotations");
    unhelped.at_least(1.0, "for which annotations would be void");
}

fn annotate(pod: &mut Value, annotations: &BTreeMap<String, String>) {
    for (key, value) in annotations {
        pod["metadata"]["annotations"][key] = value.as_str().into();
    }
}
