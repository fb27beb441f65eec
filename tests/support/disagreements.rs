//! Why a report and a scanner say different things of the same container. What none of these explains is
//! a fault of one of them, and fails the test.

use serde_json::Value;

use super::scanners::Verdict;

/// A reason to disagree.
pub(crate) struct Class {
    /// A short name.
    pub(crate) name: &'static str,
    /// Why, in words for people who have both in front of them.
    pub(crate) why: &'static str,
    is: fn(&Verdict<'_>) -> bool,
}

/// The reason for which two verdicts differ; `None` if nothing explains it.
pub(crate) fn reason(verdict: &Verdict<'_>) -> Option<&'static Class> {
    CLASSES.iter().find(|class| (class.is)(verdict))
}

/// Every reason. The first that fits counts.
pub(crate) const CLASSES: &[Class] = &[
    Class {
        name: "Windows",
        why: "the field means nothing on a Windows node: the report says `notApplicable`, and a scanner that it is missing",
        is: |it| it.state() == "notApplicable" && !it.passes,
    },
    Class {
        name: "the image's user",
        why: "nothing in the pod says who it runs as: the report says `unknown` where the kubelet does not report users and there \
              are no facts of the image. Trivy takes a missing `runAsNonRoot` for root, a missing `runAsUser` or `runAsGroup` for another",
        is: |it| {
            it.state() == "unknown"
                && it.passes == (it.pair.id != "KSV-0012" || pod_says_non_root(it))
        },
    },
    Class {
        name: "the user that runs",
        why: "it runs as a uid above 0, which the report shows; Trivy asks for the field `runAsNonRoot` whoever it runs as",
        is: |it| it.pair.id == "KSV-0012" && it.state() == "pass" && !it.passes,
    },
    Class {
        name: "root that says it is not",
        why: "it runs as root though the pod, or the container itself, says `runAsNonRoot: true`: another level overrides that, or \
              the field came after the container had started. Trivy reads the first field that says so",
        is: |it| it.pair.id == "KSV-0012" && red(it) && it.passes,
    },
    Class {
        name: "root by its image",
        why: "the kubelet reports uid 0, and no field asks for it: the image does. Trivy's check is about `runAsUser: 0`",
        is: |it| it.pair.id == "KSV-0105" && red(it) && it.passes && !asks_for_root(it),
    },
    Class {
        name: "other groups",
        why: "`fsGroup` or `supplementalGroups` has the group 0: the report has a check of its own for these, `supplementalGroups`",
        is: |it| it.pair.id == "KSV-0116" && !red(it) && !it.passes,
    },
    Class {
        name: "a container's own group",
        why: "a container's own `runAsGroup` is 0; Trivy looks at the pod's",
        is: |it| {
            it.pair.id == "KSV-0116"
                && red(it)
                && it.passes
                && containers(it).iter().any(|it| it["securityContext"]["runAsGroup"] == 0)
        },
    },
    Class {
        name: "the image's group",
        why: "the kubelet reports group 0, and no field asks for it: the image does. Trivy's check is about `runAsGroup: 0`",
        is: |it| it.pair.id == "KSV-0116" && red(it) && it.passes,
    },
    Class {
        name: "privileged",
        why: "it is privileged, so the runtime ignores its profile, its capabilities and its masked /proc: the report fails them \
              whatever is set. Scanners read the fields",
        is: |it| red(it) && it.passes && privileged(it) && of_privileged(it.pair.check),
    },
    Class {
        name: "NET_BIND_SERVICE",
        why: "it adds NET_BIND_SERVICE, which Pod Security *restricted* allows; Trivy's KSV-0022 allows none",
        is: |it| it.pair.id == "KSV-0022" && it.state() == "pass" && !it.passes,
    },
    Class {
        name: "drops all, and adds",
        why: "it drops ALL and adds some: the report fails `addCapabilities`, Trivy's KSV-0106 is about both",
        is: |it| it.pair.id == "KSV-0106" && it.state() == "pass" && !it.passes,
    },
    Class {
        name: "adds ALL",
        why: "it drops ALL and adds ALL: what is left depends on the runtime, so the report fails both; Trivy reads `drop`",
        is: |it| it.pair.id == "KSV-0003" && red(it) && it.passes && adds(it, "ALL"),
    },
    Class {
        name: "another spelling",
        why: "it drops `all`, `CAP_ALL` or the like: Pod Security takes `ALL` and nothing else, and so does the report",
        is: |it| it.pair.check == "dropCapabilities" && red(it) && it.passes && !drops(it, "ALL"),
    },
    Class {
        name: "the default set",
        why: "it does not drop NET_RAW, which runtimes give by default; Trivy's check is about containers that add it",
        is: |it| it.pair.id == "KSV-0119" && red(it) && it.passes,
    },
    Class {
        name: "Unconfined",
        why: "its profile is `Unconfined`; kube-score asks whether a profile is named",
        is: |it| {
            it.pair.id == "container-seccomp-profile"
                && red(it)
                && it.passes
                && profile(it) == "Unconfined"
        },
    },
    Class {
        name: "init containers",
        why: "kube-score's check of seccomp does not look at init containers",
        is: |it| it.pair.id == "container-seccomp-profile" && red(it) && it.passes && of_init(it),
    },
    Class {
        name: "hostPath",
        why: "a hostPath volume is of no kind that *restricted* allows; Trivy has it as KSV-0023 and not among the kinds of KSV-0028",
        is: |it| it.pair.id == "KSV-0028" && red(it) && it.passes && has_volume(it, &["hostPath"]),
    },
    Class {
        name: "kinds that Trivy misses",
        why: "`cephfs` (Trivy's list has `cephFS`, which is no field) and `photonPersistentDisk` are not on Trivy's list",
        is: |it| {
            it.pair.id == "KSV-0028"
                && red(it)
                && it.passes
                && has_volume(it, &["cephfs", "photonPersistentDisk"])
        },
    },
    Class {
        name: "procMount: Default",
        why: "`procMount: Default` is what an unset field means, and Pod Security allows it; Trivy asks that it is not set at all",
        is: |it| it.pair.id == "KSV-0027" && it.state() == "pass" && !it.passes,
    },
    Class {
        name: "a local AppArmor profile",
        why: "the annotation names a profile of the node, or one that is there and empty; Trivy takes `runtime/default` alone",
        is: |it| it.pair.id == "KSV-0002" && it.state() == "pass" && !it.passes,
    },
];

fn red(it: &Verdict<'_>) -> bool {
    matches!(it.state(), "fail" | "exempt")
}

fn outer<'p>(it: &Verdict<'p>) -> &'p Value {
    &it.pod["spec"]["securityContext"]
}

fn own<'p>(it: &Verdict<'p>) -> &'p Value {
    &it.container["securityContext"]
}

/// The containers that a verdict is about.
fn containers<'p>(it: &Verdict<'p>) -> Vec<&'p Value> {
    if !it.container.is_null() {
        return vec![it.container];
    }
    let lists = ["initContainers", "containers"].into_iter();
    lists.filter_map(|list| it.pod["spec"][list].as_array()).flatten().collect()
}

fn pod_says_non_root(it: &Verdict<'_>) -> bool {
    outer(it)["runAsNonRoot"] == true || own(it)["runAsNonRoot"] == true
}

fn asks_for_root(it: &Verdict<'_>) -> bool {
    let own = containers(it).into_iter().any(|it| it["securityContext"]["runAsUser"] == 0);
    own || outer(it)["runAsUser"] == 0
}

fn privileged(it: &Verdict<'_>) -> bool {
    containers(it).into_iter().any(|it| it["securityContext"]["privileged"] == true)
}

/// The checks that a privileged container fails whatever it sets.
fn of_privileged(check: &str) -> bool {
    matches!(
        check,
        "allowPrivilegeEscalation"
            | "dropCapabilities"
            | "addCapabilities"
            | "netRaw"
            | "seccompProfile"
            | "procMount"
            | "appArmorProfile"
    )
}

fn names(it: &Verdict<'_>, list: &str, name: &str) -> bool {
    own(it)["capabilities"][list].as_array().is_some_and(|names| names.iter().any(|it| it == name))
}

fn adds(it: &Verdict<'_>, name: &str) -> bool {
    names(it, "add", name)
}

fn drops(it: &Verdict<'_>, name: &str) -> bool {
    names(it, "drop", name)
}

fn profile<'p>(it: &Verdict<'p>) -> &'p str {
    let of = |context: &'p Value| context["seccompProfile"]["type"].as_str();
    of(own(it)).or_else(|| of(outer(it))).unwrap_or_default()
}

fn of_init(it: &Verdict<'_>) -> bool {
    let init = it.pod["spec"]["initContainers"].as_array();
    init.is_some_and(|all| all.iter().any(|init| init["name"] == it.container["name"]))
}

fn has_volume(it: &Verdict<'_>, kinds: &[&str]) -> bool {
    let volumes = it.pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes.into_iter().any(|volume| kinds.iter().any(|kind| volume.get(kind).is_some()))
}
