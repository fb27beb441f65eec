//! Which lines may go and come.

/// The keys of which a line may be replaced, because their value is.
const REPLACED: &[&str] = &[
    "runAsUser",
    "runAsGroup",
    "runAsNonRoot",
    "allowPrivilegeEscalation",
    "readOnlyRootFilesystem",
    "type",
];
/// The keys whose value may be empty, and then has something.
const FILLED: &[&str] = &[
    "securityContext",
    "capabilities",
    "drop",
    "add",
    "metadata",
    "annotations",
    "volumes",
    "volumeMounts",
];
/// What new lines may begin with, but for dashes and quotes.
const NEW: &[&str] = &[
    "allowPrivilegeEscalation: false",
    "readOnlyRootFilesystem: true",
    "runAsNonRoot: true",
    "runAsUser: ",
    "runAsGroup: ",
    "fsGroup: ",
    "fsGroupChangePolicy: OnRootMismatch",
    "seccompProfile:",
    "type: RuntimeDefault",
    "securityContext:",
    "capabilities:",
    "drop:",
    "add:",
    "ALL",
    "NET_BIND_SERVICE",
    "CHOWN",
    "metadata:",
    "annotations:",
    "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: ",
    "volumes:",
    "volumeMounts:",
    "name: ironhull-",
    "mountPath: /",
    "emptyDir: {}",
    "sysctls:",
    "name: net.ipv4.ip_unprivileged_port_start",
    "value: 0",
];

/// What is wrong with the way from one text to the other, line by line.
pub(super) fn wrong(before: &str, after: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let carriage =
        |text: &str| text.lines().count() > 0 && !text.replace("\r\n", "").contains('\n');
    if carriage(before) != carriage(after) {
        wrong.push("the line ends are others".to_owned());
    }
    if before.ends_with('\n') != after.ends_with('\n') {
        wrong.push("the end of the file is another".to_owned());
    }
    if before.starts_with('\u{feff}') != after.starts_with('\u{feff}') {
        wrong.push("the byte-order mark is another".to_owned());
    }
    let (old, new): (Vec<_>, Vec<_>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let diff = similar::TextDiff::from_slices(&old, &new);
    for group in diff.ops() {
        let (_, old_range, new_range) = group.as_tag_tuple();
        if group.tag() != similar::DiffTag::Equal {
            wrong.extend(group_wrong(&old[old_range], &new[new_range]));
        }
    }
    wrong
}

fn group_wrong(gone: &[&str], mut come: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in gone {
        // Each line that goes comes again, in order, with another value or with more.
        let line = line.trim_end();
        match come.iter().position(|new| becomes(line, new.trim_end())) {
            Some(at) => {
                wrong.extend(come[..at].iter().filter_map(|new| unknown(new)));
                come = &come[at + 1..];
            }
            // A capability that the policy does not allow; what is said of it stays.
            None if is_capability(line) => {
                if let Some((_, comment)) = line.split_once('#') {
                    let at = come.iter().position(|new| new.trim() == format!("#{comment}"));
                    come = &come[at.map_or(0, |at| at + 1)..];
                    if at != Some(0) {
                        wrong.push(format!("what is said here is gone: {line}"));
                    }
                }
            }
            // What was empty, on a line below its key.
            None if ["{}", "[]"].contains(&line.trim()) => {}
            None => wrong.push(format!("this line is gone: {line}")),
        }
    }
    wrong.extend(come.iter().filter_map(|new| unknown(new)));
    wrong
}

/// Whether one line is the other after the hardening.
fn becomes(old: &str, new: &str) -> bool {
    let (old_said, old_comment) = old.split_once(" #").unwrap_or((old, ""));
    if !new.contains(old_comment) {
        return false;
    }
    let Some((key, value)) = old_said.trim_end().split_once(':') else {
        // `}` becomes `},`; `["a"]` becomes `["a", "b"]`.
        return is_within(old_said.trim_end(), new);
    };
    let name = key.trim_start_matches([' ', '\t', '-', '"', '{']).trim_end_matches('"');
    if REPLACED.contains(&name) && new.starts_with(&format!("{key}:")) {
        return true;
    }
    let empty = ["", "{}", "[]", "null", "~"].contains(&value.trim_matches([' ', ',']));
    if FILLED.contains(&name) && empty && new.starts_with(&format!("{key}:")) {
        return true;
    }
    // A list of capabilities on one line may lose some.
    if name == "add" && value.trim().starts_with('[') && new.starts_with(&format!("{key}:")) {
        return true;
    }
    is_within(old_said.trim_end(), new)
}

/// Whether all characters of one text are in the other, in order.
fn is_within(old: &str, new: &str) -> bool {
    let mut new = new.chars();
    old.chars().all(|c| new.any(|other| other == c))
}

/// `- NAME # why`, or a list of them on a line of its own.
fn is_capability(line: &str) -> bool {
    let said = line.split('#').next().unwrap().trim().trim_start_matches("- ");
    let names = said.trim_matches(['[', ']', ',']).split(',');
    names
        .map(|name| name.trim().trim_matches(['"', '\'']))
        .all(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
}

fn unknown(line: &str) -> Option<String> {
    let said = line.trim().trim_start_matches("- ").replace('"', "");
    let structure = said.chars().all(|c| "{}[],".contains(c));
    let known = structure || NEW.iter().any(|new| said.starts_with(new));
    (!known).then(|| format!("this line is new: {line}"))
}
