//! What a container shows of itself, and which cells that makes true.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Run in a container; every line is `NAME: VALUE`.
pub(super) const LOOK: &str = r#"
grep -E '^(Uid|Gid|Groups|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
awk '$5 == "/" { split($6, o, ","); print "Root: " o[1] }
  $5 == "/sys" { split($6, o, ","); print "Sys: " o[1] }
  $5 == "/proc/kcore" || $5 == "/proc/keys" { print "Masked: yes" }
  $5 == "/node" { print "Node: yes" }' /proc/self/mountinfo
for it in net pid ipc; do echo "$it: $(readlink /proc/self/ns/$it)"; done
echo "Map: $(head -n 1 /proc/self/uid_map | awk '{ print $2 }')"
test -e /var/run/secrets/kubernetes.io/serviceaccount/token && echo 'Token: yes' || true
"#;

/// CAP_NET_BIND_SERVICE
const BIND: u64 = 1 << 10;
/// CAP_NET_RAW
const RAW: u64 = 1 << 13;
/// CAP_SYS_ADMIN
const ADMIN: u64 = 1 << 21;
/// What containerd gives a container that says nothing of capabilities
/// (`defaultUnixCaps` in `oci/spec.go`).
const DEFAULT: u64 = 0xa804_25fb;

/// What a container shows.
pub(super) struct Inside(BTreeMap<String, String>);

impl Inside {
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let lines = lines.map(|(key, value)| (key.to_owned(), value.trim().to_owned()));
        let inside = Self(lines.collect());
        assert!(inside.0.contains_key("Uid"), "nothing seen inside: {text}");
        inside
    }

    fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    fn numbers(&self, key: &str) -> Vec<i64> {
        self.text(key).split_whitespace().map(|number| number.parse().unwrap()).collect()
    }

    fn bounding(&self) -> u64 {
        u64::from_str_radix(self.text("CapBnd"), 16).unwrap()
    }

    /// For each check that can be seen from inside, whether it holds, and the value where the
    /// report has one that can be seen. `node` is a container with all of the node's namespaces.
    /// `adds` are the names that its spec adds.
    pub(super) fn truth(
        &self,
        node: &Self,
        adds: &[&str],
    ) -> Vec<(&'static str, bool, Option<Value>)> {
        let (uid, gid) = (self.numbers("Uid")[0], self.numbers("Gid")[0]);
        let mut groups = self.numbers("Groups");
        groups.sort_unstable();
        let bounding = self.bounding();
        let own = |namespace: &str| self.text(namespace) != node.text(namespace);
        let is = |key: &str, value: &str| self.text(key) == value;
        // Only a privileged container has /sys writable and every capability.
        let privileged = is("Sys", "rw") && bounding & ADMIN != 0;
        let allowed = adds.iter().fold(0, |all, name| all | bit(name));
        // Where ALL are dropped, whatever is there was added; else what no container has by default.
        let added = match (bounding & DEFAULT).count_ones() {
            many if many >= DEFAULT.count_ones() - 1 => bounding & !(DEFAULT | BIND),
            _ => bounding & !BIND,
        };
        vec![
            ("runAsNonRoot", uid != 0, Some(json!(uid))),
            ("runAsGroup", gid != 0, Some(json!(gid))),
            ("supplementalGroups", !groups.contains(&0), Some(json!(groups))),
            ("privileged", !privileged, Some(json!(privileged))),
            ("allowPrivilegeEscalation", is("NoNewPrivs", "1"), None),
            // What is left after ALL are dropped was added by name.
            ("dropCapabilities", bounding & !allowed == 0, None),
            ("addCapabilities", added == 0, None),
            ("netRaw", bounding & RAW == 0, None),
            ("seccompProfile", is("Seccomp", "2"), None),
            ("readOnlyRootFilesystem", is("Root", "ro"), None),
            ("hostNetwork", own("net"), None),
            ("hostPid", own("pid"), None),
            ("hostIpc", own("ipc"), None),
            ("userNamespace", !is("Map", "0"), None),
            ("hostPath", !is("Node", "yes"), None),
            ("procMount", is("Masked", "yes"), None),
            ("serviceAccountToken", !is("Token", "yes"), None),
        ]
    }
}

/// The bit of a capability that a spec of these scenarios adds (capabilities(7)); none for ALL.
fn bit(name: &str) -> u64 {
    const NAMES: [(&str, u32); 9] = [
        ("CHOWN", 0),
        ("DAC_OVERRIDE", 1),
        ("FOWNER", 3),
        ("KILL", 5),
        ("SETGID", 6),
        ("SETUID", 7),
        ("NET_BIND_SERVICE", 10),
        ("NET_ADMIN", 12),
        ("SYS_TIME", 25),
    ];
    NAMES.iter().find(|(known, _)| *known == name).map_or(0, |(_, at)| 1 << at)
}
