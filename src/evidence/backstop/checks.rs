//! Pod Security *restricted* in CEL: one variable a check, with the names of those that fail it.
//!
//! Follows `k8s.io/pod-security-admission/policy/check_*.go`, whose baseline checks are part of
//! *restricted* unless a stricter one replaces them. Where a check is about a field of a rule, whoever
//! is free from that rule is left out. A weak value at the pod level stands if such a container
//! inherits it, as ironhull leaves it there; then each other container needs a value of its own.

use super::cel;
use crate::pod::SAFE_SELINUX_TYPES;
use crate::policy::Policy;
use crate::remains::{APPARMOR_ANNOTATION, SAFE_SYSCTLS};
use crate::rule::{Action, RuleName};

/// The standard, as Pod Security's labels name it. All checks since then are those of 1.37.
pub const STANDARD: &str = "restricted v1.37";

/// One check.
pub(super) struct Check {
    /// Its name, and that of its variable.
    pub(super) name: &'static str,
    /// A list of the names of who fails it.
    pub(super) expression: String,
}

/// The parts of a pod that every check reads. `dyn`, since a pod's three kinds of containers are three
/// types to the API server's type checker.
pub(super) fn pod() -> [(&'static str, String); 5] {
    [
        ("annotations", "dyn(object.metadata.?annotations.orValue({}))".to_owned()),
        ("spec", "dyn(object.spec)".to_owned()),
        (
            "containers",
            "variables.spec.?initContainers.orValue([]) + variables.spec.containers +\n\
             variables.spec.?ephemeralContainers.orValue([])"
                .to_owned(),
        ),
        // Pod Security lets a pod for Windows be without what Windows has not.
        ("windows", "variables.spec.?os.?name.orValue('') == 'windows'".to_owned()),
        // Root in a user namespace is nobody outside: allowed since 1.35.
        ("userNamespace", "!variables.spec.?hostUsers.orValue(true)".to_owned()),
    ]
}

/// Every check, in the order in which a message names them, with what to do.
const REMEDIES: [(&str, &str); 16] = [
    ("hostNamespaces", "remove it"),
    ("volumes", "use a type that restricted allows, such as emptyDir or persistentVolumeClaim"),
    ("hostPorts", "remove ports[*].hostPort"),
    ("hostProbes", "remove host from probes and lifecycle handlers"),
    ("hostProcess", "remove securityContext.windowsOptions.hostProcess"),
    ("privileged", "remove securityContext.privileged"),
    ("capabilities", "set securityContext.capabilities.drop: [ALL], and add only NET_BIND_SERVICE"),
    ("allowPrivilegeEscalation", "set securityContext.allowPrivilegeEscalation: false"),
    ("runAsNonRoot", "set securityContext.runAsNonRoot: true"),
    ("runAsUser", "set securityContext.runAsUser to a uid that is not 0"),
    ("seccompProfile", "set securityContext.seccompProfile.type: RuntimeDefault"),
    ("appArmorProfile", "set appArmorProfile.type to RuntimeDefault or Localhost"),
    ("appArmorAnnotations", "set runtime/default or localhost/PROFILE"),
    ("seLinuxOptions", "remove user and role, and set a type of containers"),
    ("procMount", "remove securityContext.procMount"),
    ("sysctls", "remove it"),
];

/// The checks, for a policy whose exempt root containers keep `root_keeps`.
pub(super) fn all(root_keeps: &[String]) -> Vec<Check> {
    let check = |name, expression| Check { name, expression };
    let (root_keeps, profile) =
        (cel::list(root_keeps.iter().map(String::as_str)), "['RuntimeDefault', 'Localhost']");
    vec![
        check(
            "hostNamespaces",
            "['hostNetwork', 'hostPID', 'hostIPC'].filter(f, variables.spec[?f].orValue(false))"
                .to_owned(),
        ),
        check("volumes", VOLUMES.to_owned()),
        check(
            "hostPorts",
            failing("s.c.?ports.orValue([]).exists(p, p.?hostPort.orValue(0) != 0)"),
        ),
        check("hostProbes", failing(PROBES)),
        check(
            "hostProcess",
            with_pod(
                "variables.spec.?securityContext.?windowsOptions.?hostProcess.orValue(false)",
                "s.c.?securityContext.?windowsOptions.?hostProcess.orValue(false)",
            ),
        ),
        check(
            "privileged",
            failing("s.c.?securityContext.?privileged.orValue(false) && !('privileged' in s.free)"),
        ),
        // An exempt root keeps what a policy's `rootKeeps` gives back.
        check(
            "capabilities",
            format!(
                "variables.windows ? [] : {}",
                failing(&format!(
                    "!('capabilities' in s.free) && (\n  \
                     !('ALL' in s.c.?securityContext.?capabilities.?drop.orValue([])) ||\n  \
                     !s.c.?securityContext.?capabilities.?add.orValue([]).all(a, a == 'NET_BIND_SERVICE' ||\n    \
                     'runAsNonRoot' in s.free && a in {root_keeps}))"
                ))
            ),
        ),
        check(
            "allowPrivilegeEscalation",
            format!(
                "variables.windows ? [] : {}",
                failing(
                    "s.c.?securityContext.?allowPrivilegeEscalation.orValue(true) && \
                     !('allowPrivilegeEscalation' in s.free)"
                )
            ),
        ),
        check(
            "runAsNonRoot",
            format!(
                "variables.userNamespace ? [] : {}",
                inherited("runAsNonRoot", "runAsNonRoot", "true", "false", "!(VALUE)")
            ),
        ),
        check(
            "runAsUser",
            format!(
                "variables.userNamespace ? [] : {}",
                inherited("runAsUser", "runAsNonRoot", "1", "1", "VALUE == 0")
            ),
        ),
        check(
            "seccompProfile",
            format!(
                "variables.windows ? [] : {}",
                inherited(
                    "seccompProfile.?type",
                    "seccompProfile",
                    "'RuntimeDefault'",
                    "''",
                    &format!("!(VALUE in {profile})"),
                )
            ),
        ),
        check(
            "appArmorProfile",
            with_pod(
                &format!(
                    "!(variables.spec.?securityContext.?appArmorProfile.?type.orValue('Localhost') in {profile})"
                ),
                &format!(
                    "!(s.c.?securityContext.?appArmorProfile.?type.orValue('Localhost') in {profile})"
                ),
            ),
        ),
        check("appArmorAnnotations", app_armor_annotations()),
        check(
            "seLinuxOptions",
            with_pod(
                &se_linux("variables.spec.?securityContext.?seLinuxOptions"),
                &se_linux("s.c.?securityContext.?seLinuxOptions"),
            ),
        ),
        check(
            "procMount",
            failing("s.c.?securityContext.?procMount.orValue('Default') != 'Default'"),
        ),
        check("sysctls", sysctls()),
    ]
}

/// The names of the containers for which `condition` on the subject `s` holds.
fn failing(condition: &str) -> String {
    format!("variables.subjects.filter(s, {condition})\n.map(s, s.c.name)")
}

/// `the pod` if `pod` holds, and the names of the containers for which `container` does.
fn with_pod(pod: &str, container: &str) -> String {
    format!("({pod} ? ['the pod'] : []) +\n{}", failing(container))
}

/// A check of a value that containers inherit from the pod. `weak` is what is wrong with a `VALUE`;
/// `fine` is one at the pod level that is not weak, `unset` what an inherited value is if neither level
/// has one.
fn inherited(field: &str, rule: &str, fine: &str, unset: &str, weak: &str) -> String {
    let own = format!("s.c.?securityContext.?{field}");
    let outer = format!("variables.spec.?securityContext.?{field}");
    let pod = weak.replace("VALUE", &format!("{outer}.orValue({fine})"));
    let value = weak.replace("VALUE", &format!("{own}.orValue({outer}.orValue({unset}))"));
    with_pod(
        &format!(
            "{pod} &&\n  !variables.subjects.exists(s, '{rule}' in s.free && !{own}.hasValue())"
        ),
        &format!("{value} && !('{rule}' in s.free)"),
    )
}

fn se_linux(options: &str) -> String {
    format!(
        "{options}.?user.orValue('') != '' || {options}.?role.orValue('') != '' ||\n  \
         !({options}.?type.orValue('') in\n    {})",
        cel::list(SAFE_SELINUX_TYPES)
    )
}

/// Not of this kind is of a kind that *restricted* does not allow, or of none.
const VOLUMES: &str = "\
variables.spec.?volumes.orValue([]).filter(v,
  !['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'image', 'persistentVolumeClaim',
    'projected', 'secret'].exists(kind, kind in v)).map(v, v.name)";

const PROBES: &str = "\
[s.c.?livenessProbe, s.c.?readinessProbe, s.c.?startupProbe,
   s.c.?lifecycle.?postStart, s.c.?lifecycle.?preStop].exists(h, h.hasValue() &&
     (h.?httpGet.?host.orValue('') != '' || h.?tcpSocket.?host.orValue('') != ''))";

fn app_armor_annotations() -> String {
    format!(
        "variables.annotations.filter(k, k.startsWith({}) &&\n  \
         !(variables.annotations[k] in ['', 'runtime/default'] ||\n    \
         variables.annotations[k].startsWith('localhost/')))",
        cel::text(APPARMOR_ANNOTATION)
    )
}

fn sysctls() -> String {
    format!(
        "variables.spec.?securityContext.?sysctls.orValue([]).filter(s, !(s.name in\n  {}\n\
         )).map(s, s.name)",
        cel::list(SAFE_SYSCTLS)
    )
}

/// What is refused, in words: `CHECK (WHO): REMEDY` for each check that fails. At most two are named
/// for each, since a message of more than 5 KiB is dropped (`MaxEvaluatedMessageExpressionSizeBytes`).
pub(super) fn refused() -> String {
    let each: Vec<_> = REMEDIES
        .iter()
        .map(|(name, remedy)| {
            format!("{{'check': dyn('{name}'), 'who': dyn(variables.{name}), 'remedy': dyn('{remedy}')}}")
        })
        .collect();
    format!(
        "[\n  {}\n].filter(f, f.who.size() > 0)\n\
         .map(f, f.check + ' (' + (f.who.size() < 3 ? f.who.join(', ') :\n  \
         f.who[0] + ', ' + f.who[1] + ' and ' + string(f.who.size() - 2) + ' more') + '): ' + f.remedy)",
        each.join(",\n  "),
    )
}

/// The message.
pub(super) fn message(declares: bool) -> String {
    let void = if declares {
        " +\n(variables.voids.size() == 0 ? '' : '; void exemption: ' + variables.voids[0])"
    } else {
        ""
    };
    format!(
        "'not hardened (was ironhull reached?): ' + variables.refused.join('; ') +\n\
         ' [Pod Security {STANDARD}, less exemptions]'{void}"
    )
}

/// What `policy` leaves as it is although *restricted* does not allow it.
pub(super) fn remarks(policy: &Policy) -> Vec<String> {
    let name = &policy.name;
    let rules = &policy.rules;
    let mut remarks = Vec::new();
    let weak: Vec<_> = [
        (RuleName::RunAsNonRoot, rules.run_as_non_root.action),
        (RuleName::Capabilities, rules.capabilities.action),
        (RuleName::AllowPrivilegeEscalation, rules.allow_privilege_escalation.action),
        (RuleName::SeccompProfile, rules.seccomp_profile.action),
    ]
    .into_iter()
    .filter(|(_, action)| *action < Action::Enforce)
    .map(|(rule, action)| format!("{rule} ({action})"))
    .collect();
    if !weak.is_empty() {
        remarks.push(format!(
            "policy `{name}` does not enforce {}: the backstop refuses what it leaves as it is",
            weak.join(", ")
        ));
    }
    let more: Vec<_> = rules.capabilities.allowed_add.iter().map(|add| add.as_str()).collect();
    let more: Vec<_> = more.into_iter().filter(|add| *add != "NET_BIND_SERVICE").collect();
    if !more.is_empty() {
        remarks.push(format!(
            "policy `{name}` allows the capabilities {}: the backstop refuses them",
            more.join(", ")
        ));
    }
    remarks
}
