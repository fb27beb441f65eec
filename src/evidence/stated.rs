//! What a spec says, of a live pod or of a template: the value and the result of every check.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::check::Check;
use super::document::{Source, State};
use super::live::Live;
use crate::pod::{Capabilities, MAX_ID, Placed, Pod, SeLinuxOptions};
use crate::remains;
use crate::user::Author;

/// What a spec says of one check.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stated {
    pub(super) state: State,
    /// The effective value, of both levels; null where nothing is set.
    pub(super) value: Value,
    /// Why, in words.
    pub(super) why: Cow<'static, str>,
    pub(super) source: Source,
}

/// A pod or template, and the facts that are the same for all of its containers.
#[derive(Clone, Copy)]
pub(super) struct Subject<'p> {
    pub(super) pod: &'p Pod<'p>,
    pub(super) live: &'p Live<'p>,
    pub(super) namespace: &'p str,
    /// Whether Linux's fields mean nothing to it.
    pub(super) windows: bool,
    /// Whether the cluster honours `hostUsers: false`.
    pub(super) user_namespaces: bool,
}

/// What a spec says of every check, in the order of [`Check::ALL`]. What it says of the user is not
/// yet evidence: see [`super::user`].
pub(super) fn stated(subject: Subject<'_>, placed: Placed<'_, '_>) -> Vec<Stated> {
    Check::ALL.iter().map(|check| one(*check, subject, placed)).collect()
}

fn one(check: Check, subject: Subject<'_>, placed: Placed<'_, '_>) -> Stated {
    let Subject { pod, live, namespace, windows, user_namespaces } = subject;
    let spec = &pod.spec;
    let (container, own) = (placed.container, &placed.container.security_context);
    let privileged = own.privileged;
    if windows && of_linux(check) {
        return Stated {
            state: State::NotApplicable,
            value: Value::Null,
            why: "a pod for Windows nodes".into(),
            source: Source::PodSpec,
        };
    }
    match check {
        Check::RunAsNonRoot => {
            let author = Author::of(pod, placed);
            match (author.uid, author.non_root) {
                (Some(uid), _) => said(uid > 0, uid.into()),
                (None, Some(true)) => said(true, "non-root".into()),
                (None, Some(false)) => said(false, "any".into()),
                (None, None) => unset(State::Fail, "nothing is set: the image decides"),
            }
        }
        Check::RunAsGroup => match Author::of(pod, placed).gid {
            Some(gid) => said(gid > 0, gid.into()),
            None => unset(State::Unknown, "nothing is set: the image decides"),
        },
        Check::SupplementalGroups => groups(pod, live),
        Check::Privileged => flag(!privileged, privileged),
        Check::AllowPrivilegeEscalation => match own.allow_privilege_escalation {
            _ if privileged => but(State::Fail, true.into(), "privileged"),
            Some(allowed) => said(!allowed, allowed.into()),
            None => unset(State::Fail, "nothing is set: allowed"),
        },
        Check::DropCapabilities | Check::AddCapabilities | Check::NetRaw if privileged => {
            but(State::Fail, Value::Null, "privileged: it has all capabilities")
        }
        Check::DropCapabilities => {
            let Capabilities { add, drop, .. } = &own.capabilities;
            match drop.is_empty() {
                true => unset(State::Fail, "nothing is dropped: the runtime's default"),
                false if add.iter().any(|name| is_capability(name, "ALL")) => but(
                    State::Fail,
                    names(drop),
                    "all of them are added, too: what is left depends on the runtime",
                ),
                false => said(has(drop, "ALL"), names(drop)),
            }
        }
        Check::AddCapabilities => {
            let add = &own.capabilities.add;
            let fine = add.iter().all(|name| &**name == "NET_BIND_SERVICE");
            match add.is_empty() {
                true => unset(State::Pass, ""),
                false => said(fine, names(add)),
            }
        }
        Check::NetRaw => net_raw(&own.capabilities),
        Check::SeccompProfile => {
            let outer = &spec.security_context.seccomp_profile;
            let profile = if own.seccomp_profile.is_set() { &own.seccomp_profile } else { outer };
            let value = || match (profile.kind.as_deref(), profile.localhost_profile.as_deref()) {
                (Some(kind), Some(path)) => Value::from(format!("{kind}: {path}")),
                (kind, _) => kind.map_or(Value::Null, Value::from),
            };
            match profile.is_set() {
                _ if privileged => {
                    but(State::Fail, value(), "privileged: the runtime applies no profile to it")
                }
                true => said(profile.is_compliant(), value()),
                false => unset(
                    State::Fail,
                    "nothing is set: unconfined, unless the kubelet has seccompDefault",
                ),
            }
        }
        Check::ReadOnlyRootFilesystem => match own.read_only_root_filesystem {
            Some(read_only) => said(read_only, read_only.into()),
            None => unset(State::Fail, "nothing is set: writable"),
        },
        Check::HostNetwork => flag(!spec.host_network, spec.host_network),
        Check::HostPid => flag(!spec.host_pid, spec.host_pid),
        Check::HostIpc => flag(!spec.host_ipc, spec.host_ipc),
        Check::UserNamespace => match spec.host_users {
            Some(false) if user_namespaces => said(true, "own".into()),
            Some(false) => but(
                State::Unknown,
                "own".into(),
                "asked for; not every kubelet that this cluster may have honours it",
            ),
            Some(true) => but(State::Fail, "node's".into(), ""),
            None => unset(State::Fail, "nothing is set: the node's"),
        },
        Check::HostPath => {
            let paths = live.spec.volumes.iter().filter_map(|it| it.host_path.as_ref());
            list(paths.map(|it| it.path.to_string()))
        }
        Check::VolumeTypes => {
            let kinds = spec.volumes.iter().map(|volume| &*volume.kind);
            let mut kinds: Vec<&str> = kinds.filter(|it| remains::is_refused_volume(it)).collect();
            kinds.sort_unstable();
            kinds.dedup();
            list(kinds.into_iter().map(str::to_owned))
        }
        Check::HostPorts => {
            let ports = container.ports.iter().map(|port| port.host_port);
            list(ports.filter(|port| *port != 0).map(|port| port.to_string()))
        }
        Check::ProcMount => match &*own.proc_mount {
            _ if privileged => unset(State::Fail, "privileged: the runtime masks nothing"),
            "" => unset(State::Pass, ""),
            mount => said(mount == "Default", mount.into()),
        },
        Check::SeLinuxOptions => {
            let outer = &spec.security_context.se_linux_options;
            let all = [outer, &own.se_linux_options];
            let words = all.into_iter().flat_map(|it| [&it.user, &it.role, &it.kind]);
            let words: Vec<&str> = words.map(|it| &**it).filter(|it| !it.is_empty()).collect();
            match words.is_empty() {
                true => unset(State::Pass, ""),
                false => {
                    said(all.into_iter().all(SeLinuxOptions::is_baseline), words.join(" ").into())
                }
            }
        }
        Check::AppArmorProfile => app_armor(pod, placed),
        Check::Sysctls => {
            let all = spec.security_context.sysctls.iter();
            let texts: Vec<String> =
                all.clone().map(|it| format!("{}={}", &*it.name, &*it.value)).collect();
            match texts.is_empty() {
                true => unset(State::Pass, ""),
                false => {
                    let safe = all.clone().all(|it| remains::is_safe_sysctl(&it.name));
                    said(safe, json!(texts))
                }
            }
        }
        Check::HostProcess => {
            let it = own.windows_options.host_process
                || spec.security_context.windows_options.host_process;
            flag(!it, it)
        }
        Check::ProbeHosts => {
            let handlers = container.handlers();
            let hosts = handlers.flat_map(|it| [&it.http_get.host, &it.tcp_socket.host]);
            list(hosts.filter(|it| !it.is_empty()).map(|it| it.to_string()))
        }
        Check::ServiceAccountToken => {
            let tokens = live.spec.volumes.iter();
            let tokens = tokens.filter(|it| it.projected.sources.iter().any(|s| s.token.is_some()));
            let names: Vec<&str> = tokens.map(|it| &*it.name).collect();
            let mounts = container.volume_mounts.iter();
            list(mounts.filter(|it| names.contains(&&*it.name)).map(|it| it.mount_path.to_string()))
        }
        Check::ImageDigest => {
            let image = &*container.image;
            said(image.contains("@sha256:"), image.into())
        }
        Check::DefaultNamespace => said(namespace != "default", namespace.into()),
    }
}

/// Whether a field means nothing on Windows.
fn of_linux(check: Check) -> bool {
    matches!(
        check,
        Check::RunAsGroup
            | Check::SupplementalGroups
            | Check::AllowPrivilegeEscalation
            | Check::DropCapabilities
            | Check::AddCapabilities
            | Check::NetRaw
            | Check::SeccompProfile
            | Check::ReadOnlyRootFilesystem
            | Check::HostPid
            | Check::HostIpc
            | Check::UserNamespace
            | Check::ProcMount
            | Check::SeLinuxOptions
            | Check::AppArmorProfile
            | Check::Sysctls
    )
}

/// A value that is set.
fn said(passes: bool, value: Value) -> Stated {
    let state = if passes { State::Pass } else { State::Fail };
    Stated { state, value, why: "".into(), source: Source::PodSpec }
}

/// A value with something to say of it.
fn but(state: State, value: Value, why: &'static str) -> Stated {
    Stated { state, value, why: why.into(), source: Source::PodSpec }
}

/// A flag that is false by default.
fn flag(passes: bool, value: bool) -> Stated {
    let source = if value { Source::PodSpec } else { Source::Default };
    Stated { source, ..said(passes, value.into()) }
}

/// Nothing is set.
fn unset(state: State, why: &'static str) -> Stated {
    let source = if state == State::Unknown { Source::None } else { Source::Default };
    Stated { state, value: Value::Null, why: why.into(), source }
}

/// Things of which there should be none.
fn list(all: impl Iterator<Item = String>) -> Stated {
    let all: Vec<String> = all.collect();
    match all.is_empty() {
        true => unset(State::Pass, ""),
        false => said(false, json!(all)),
    }
}

fn has(names: &[crate::pod::Text<'_>], wanted: &str) -> bool {
    names.iter().any(|name| &**name == wanted)
}

fn names(names: &[crate::pod::Text<'_>]) -> Value {
    names.iter().map(|name| Value::from(&**name)).collect()
}

/// Whether a name may mean this capability to a runtime: some take any case, and the prefix.
fn is_capability(name: &str, wanted: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper) == wanted
}

/// Whether NET_RAW is gone. Runtimes have it in their default set, but for a few that were told not
/// to.
fn net_raw(capabilities: &Capabilities<'_>) -> Stated {
    let Capabilities { add, drop, .. } = capabilities;
    let added = |wanted| add.iter().any(|name| is_capability(name, wanted));
    let added = added("NET_RAW") || added("ALL");
    let dropped = has(drop, "ALL") || has(drop, "NET_RAW");
    match (added, dropped) {
        (true, _) => said(false, "added".into()),
        (false, true) => said(true, "dropped".into()),
        (false, false) => unset(State::Fail, "not dropped: it is in the runtimes' default set"),
    }
}

/// Supplementary groups, as far as the pod says. Without the kubelet's report they are known only if
/// the image cannot add any.
fn groups(pod: &Pod<'_>, live: &Live<'_>) -> Stated {
    let own = &live.spec.security_context;
    let listed = own.supplemental.iter().copied().chain(pod.spec.security_context.fs_group);
    let mut listed: Vec<i64> = listed.collect();
    listed.sort_unstable();
    listed.dedup();
    let all = json!(listed);
    match (listed.iter().any(|id| !(1..=MAX_ID).contains(id)), &*own.policy) {
        (true, _) => said(false, all),
        (false, "Strict") => said(true, all),
        (false, _) if listed.is_empty() => unset(State::Unknown, "the image may add groups"),
        (false, _) => but(State::Unknown, all, "the image may add groups"),
    }
}

fn app_armor(pod: &Pod<'_>, placed: Placed<'_, '_>) -> Stated {
    let own = &placed.container.security_context;
    let outer = &pod.spec.security_context.app_armor_profile;
    let profile =
        if own.app_armor_profile.kind.is_empty() { outer } else { &own.app_armor_profile };
    let key = format!("{}{}", remains::APPARMOR_ANNOTATION, &*placed.container.name);
    let annotation = pod.annotation(&key).unwrap_or_default();
    match &*profile.kind {
        "" if annotation == "unconfined" => said(false, "Unconfined".into()),
        "" if own.privileged => {
            unset(State::Fail, "privileged: the runtime applies no profile to it")
        }
        "" => {
            unset(State::Pass, "nothing is set: the runtime's profile, where the node has AppArmor")
        }
        kind => said(profile.is_baseline(), kind.into()),
    }
}
