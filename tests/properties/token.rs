//! The token of the pod's ServiceAccount: who loses it, and what goes with it.

use super::plugin::{TOKEN_PATH, admit, removes_only_the_token, without_token};
use super::*;

const RULE: &str = "serviceAccountToken";
const FIELD: &str = "automountServiceAccountToken";

/// The pod that the other rules start from: without its token, if that was taken away. Else nothing
/// of it has changed.
pub(crate) fn seen(pod: &Value, document: &Value, first: &Hardened) -> Result<Value, Failure> {
    let patch: Value = serde_json::from_str(&first.patch).unwrap();
    removes_only_the_token(pod, &patch)?;
    if !taken(&patch) {
        ensure!(pod["spec"].get(FIELD) == first.pod["spec"].get(FIELD), "the field alone");
        return Ok(pod.clone());
    }
    let rules = Rules { document };
    ensure!(rules.acts(RULE), "by a rule that does not act");
    ensure!(!facts::is_windows(pod) && !facts::is_mirror(pod), "of a pod to leave alone");
    let limited = document["spec"]["exemptions"].get("images").is_some();
    let name = RULE.parse().unwrap();
    ensure!(!first.granted.contains(name), "of an exempt pod");
    ensure!(limited || !first.declared.contains(name), "of a pod that is exempt");
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or_default();
    ensure!(matches!(account, "" | "default"), "of the ServiceAccount {account}");
    ensure!(rules.enforces(RULE) || pod["spec"][FIELD] != true, "against its author's word");
    let plain = without_token(pod).ok_or("more than the plugin's mounts it")?;
    ensure!(!plain.to_string().contains(TOKEN_PATH), "something else is at its path");
    ensure!(admit(&first.pod) == first.pod, "the plugin puts it back");
    Ok(plain)
}

/// Whether a patch takes a token away.
pub(crate) fn taken(patch: &Value) -> bool {
    patch.as_array().unwrap().iter().any(|operation| operation["op"] == "remove")
}

/// No plugin has seen a template: there is nothing to remove, and the field alone is right.
#[test]
fn a_template_gets_the_field_alone() {
    let changed = Share::default();
    check("a_template_gets_the_field_alone", 3_000, cases(Flavour::Any), |case| {
        let Case { pod, document, policy, .. } = &case;
        let scope = Scope::Template { complete: true };
        let first = hardened(pod, policy, &Context { scope, provenance: false, ..CREATE });
        ensure!(!taken(&serde_json::from_str(&first.patch).unwrap()), "it removes");
        let exempt = |container: &Container, rule: &str| first.is_exempt(&case, container, rule);
        let pod = changes::unprivileged(pod, &facts::containers(pod), document, &exempt);
        changes::allowed(&pod, &first.plain, document, &exempt)?;
        let field = |pod: &Value| pod["spec"]["automountServiceAccountToken"].clone();
        changed.count(field(&pod) != field(&first.pod));
        Ok(())
    });
    changed.at_least(3.0, "whose pods get no token");
}
