//! One container: as whom it runs before and after, and what that means for what it does.

use k8s_openapi::api::core::v1::{Container, SecurityContext, Volume, VolumeMount};

use super::needs::{self, Need, Needed, Program};
use super::reach::{self, Contents, Host, Place};
use super::script::Failure;
use super::{Case, Cause, Remedy, Risk, Unseen};
use crate::exemption::printable;
use crate::outcome::{Note, RuleResult};
use crate::rules::RuleName;

/// What container runtimes give a container that says nothing
/// (`containerd/oci/spec.go`, `defaultUnixCaps`).
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

const ROOT: &[RuleName] = &[RuleName::RunAsNonRoot];
const ROOT_WITH_CAPABILITIES: &[RuleName] = &[RuleName::RunAsNonRoot, RuleName::Capabilities];
const WRITABLE_ROOT: &[RuleName] = &[RuleName::ReadOnlyRootFilesystem];

/// How long a sentence about a risk may be: it has commands, paths and images in it, which
/// may be of any length.
const MAX_WHY: usize = 240;

/// Ports below this one are the kernel's to give.
const FIRST_UNPRIVILEGED: i64 = 1024;
const PORT_SYSCTL: [&str; 2] =
    ["net.ipv4.ip_unprivileged_port_start", "net/ipv4/ip_unprivileged_port_start"];

/// Adds what may break in one container.
pub(super) fn assess(
    case: &Case<'_>,
    before: &Container,
    after: &Container,
    risks: &mut Vec<Risk>,
) {
    let view = View::new(case, before, after);
    if view.privileged || !view.changes() {
        return;
    }
    let start = risks.len();
    let program = needs::of_container(before);
    if view.image_is_root() {
        let why = "it relies on its image's user, which is root: the kubelet refuses to start it";
        let remedy = Remedy::Manifest("set `runAsUser` to a uid above 0".to_owned());
        risks.push(view.risk(Cause::ImageIsRoot, true, why, remedy));
        return;
    }
    let (needs, stranger) = match &program {
        Program::Entrypoint => (&[][..], true),
        Program::Recognised(needs) => (needs.as_slice(), false),
        Program::Unrecognised(_, needs) => (needs.as_slice(), true),
    };
    needs.iter().for_each(|needed| risks.extend(view.need(needed)));
    risks.extend(view.beside(before));
    let certain = |risks: &[Risk]| risks.iter().skip(start).any(|risk| risk.certain);
    if stranger && !certain(risks) {
        risks.extend(view.stranger(&program));
    }
    risks.extend(view.scripts(&program));
    // What is said with certainty covers what is only feared.
    if certain(risks) {
        let mut index = 0;
        risks.retain(|risk| {
            index += 1;
            index <= start || risk.certain
        });
    }
}

/// A container before and after.
struct View<'c> {
    case: &'c Case<'c>,
    before: &'c Container,
    after: &'c Container,
    privileged: bool,
    /// The uid it runs with, where anything says it: as it was seen, else as it is set.
    uid_before: Option<i64>,
    /// The uid it will run with; none where the image's user stays and was never seen.
    uid_after: Option<i64>,
    read_only_before: bool,
    read_only_after: bool,
}

impl<'c> View<'c> {
    fn new(case: &'c Case<'c>, before: &'c Container, after: &'c Container) -> Self {
        let pod_uid = |spec: &k8s_openapi::api::core::v1::PodSpec| {
            spec.security_context.as_ref().and_then(|context| context.run_as_user)
        };
        let own =
            |container: &Container| context(container).and_then(|context| context.run_as_user);
        let read_only = |container: &Container| {
            context(container).and_then(|c| c.read_only_root_filesystem) == Some(true)
        };
        let said = own(before).or_else(|| pod_uid(case.before));
        let seen = case.seen.uids.get(&before.name).copied();
        let uid_before = said.or(seen);
        Self {
            case,
            before,
            after,
            privileged: context(before).and_then(|context| context.privileged) == Some(true),
            uid_before,
            uid_after: own(after).or_else(|| pod_uid(case.after)).or(uid_before),
            read_only_before: read_only(before),
            read_only_after: read_only(after),
        }
    }

    fn risk(&self, cause: Cause, certain: bool, why: impl Into<String>, remedy: Remedy) -> Risk {
        let why = printable(&why.into(), MAX_WHY).into_owned();
        Risk { container: self.before.name.clone(), cause, certain, why, remedy }
    }

    /// Whether it will be another user than it is; also where nobody knows who it is.
    fn new_user(&self) -> bool {
        self.uid_after.is_some() && self.uid_after != self.uid_before
    }

    /// Whether it is root today, or may be.
    fn may_be_root(&self) -> bool {
        matches!(self.uid_before, None | Some(0))
    }

    fn loses_root(&self) -> bool {
        self.may_be_root() && self.new_user()
    }

    fn becomes_read_only(&self) -> bool {
        self.read_only_after && !self.read_only_before
    }

    /// Whether anything changes that its program could notice.
    fn changes(&self) -> bool {
        self.new_user()
            || self.becomes_read_only()
            || (self.may_be_root() && capabilities(self.before) != capabilities(self.after))
            || self.image_is_root()
    }

    fn has_before(&self, capability: &str) -> bool {
        self.may_be_root() && has(self.before, capability)
    }

    fn has_after(&self, capability: &str) -> bool {
        !self.loses_root() && self.may_be_root() && has(self.after, capability)
    }

    fn note(&self, is: impl Fn(&Note<'_>) -> bool) -> bool {
        self.case.outcome.findings.iter().any(|finding| {
            self.case.outcome.subject_name(finding.subject) == self.before.name
                && finding.note.as_ref().is_some_and(&is)
        })
    }

    fn image_is_root(&self) -> bool {
        self.note(|note| *note == Note::ImageIsRoot)
    }

    /// Whether an entry says what this image needs.
    fn is_known(&self) -> bool {
        let image = self.before.image.as_deref().unwrap_or_default();
        let image = self.case.policy.registry_aliases.normalise(image);
        let entry = self.case.policy.images.find(&image);
        entry.is_some_and(|entry| entry.user.is_some() || entry.writable_paths.is_some())
    }

    /// What comes of a need of a command.
    fn need(&self, needed: &Needed) -> Option<Risk> {
        let Needed { need, by, failure } = needed;
        let ends = *failure == Failure::Ends;
        let goes_on = if ends { "" } else { " (and goes on without it)" };
        match need {
            Need::Capability(capability) => {
                if !self.has_before(capability) || self.has_after(capability) {
                    return None;
                }
                let (cause, rules) = self.root_with(capability);
                let why = format!("`{by}` needs root with {capability}{goes_on}");
                Some(self.risk(cause, ends, why, Remedy::Exempt(rules)))
            }
            Need::Ping => (self.has_before("NET_RAW") && !self.has_after("NET_RAW")).then(|| {
                let why = format!("`{by}` needs NET_RAW, or a node where everybody may ping");
                let remedy = Remedy::Try(
                    "where it fails, set the sysctl `net.ipv4.ping_group_range`".to_owned(),
                );
                self.risk(Cause::NeedsCapability, false, why, remedy)
            }),
            Need::Root => self.loses_root().then(|| {
                let why = format!("`{by}` needs root{goes_on}");
                self.risk(Cause::NeedsRoot, ends, why, Remedy::Exempt(ROOT))
            }),
            Need::Own(path) => self.own(path.as_deref(), by, ends),
            Need::Write(path) => self.write(path.as_deref(), false, by, ends),
            Need::Fill(path) => self.write(path.as_deref(), true, by, ends),
            Need::Port(port) => self.port(*port, by),
            Need::Read(path) => self.read(path.as_deref(), by, ends),
        }
    }

    /// What it is to need root with a capability, and which exemption gives it: an exempt
    /// root has what the policy leaves to it, and no more; nor that where its author drops
    /// ALL, which is seen once it stays root and lacks it all the same.
    fn root_with(&self, capability: &str) -> (Cause, &'static [RuleName]) {
        let mut kept = self.case.policy.rules.capabilities.root_keeps.iter();
        match self.loses_root() && kept.any(|kept| kept.as_str() == capability) {
            true => (Cause::NeedsRoot, ROOT),
            false => (Cause::NeedsCapability, ROOT_WITH_CAPABILITIES),
        }
    }

    fn own(&self, path: Option<&str>, by: &str, ends: bool) -> Option<Risk> {
        if !self.has_before("FOWNER") || self.has_after("FOWNER") {
            return None;
        }
        let path = path?;
        // What it makes itself it owns.
        if let Place::Mount(mount, _) = reach::place(self.case.after, self.after, path)
            && mount.mount_path.trim_end_matches('/') != path
        {
            return None;
        }
        let why = format!("`{by}` changes `{path}`, which belongs to root");
        let (cause, rules) = self.root_with("FOWNER");
        Some(self.risk(cause, ends, why, Remedy::Exempt(rules)))
    }

    fn write(&self, path: Option<&str>, fill: bool, by: &str, ends: bool) -> Option<Risk> {
        let Some(path) = path else {
            let why = format!("`{by}` writes, and where is not to be seen from here");
            let remedy = Remedy::Try("make that directory writable where it fails".to_owned());
            let affected = self.becomes_read_only() || self.loses_root();
            return affected.then(|| self.risk(Cause::ReadOnly, false, why, remedy));
        };
        match reach::place(self.case.after, self.after, path) {
            Place::Open => None,
            Place::Mount(mount, volume) => {
                self.write_mounted(mount, volume, &format!("`{by}` writes `{path}`"), ends)
            }
            Place::Image if self.becomes_read_only() => {
                let why = format!("`{by}` writes `{path}`, which becomes read-only");
                let remedy = self.writable(path, fill);
                Some(self.risk(Cause::ReadOnly, ends, why, remedy))
            }
            // Others may write there too.
            Place::Image if ["/tmp", "/var/tmp"].iter().any(|tmp| reach::within(path, tmp)) => None,
            Place::Image if self.loses_root() && !self.read_only_before => {
                let why = format!("`{by}` writes `{path}`, which belongs to root");
                Some(self.risk(Cause::NotOwner, ends, why, Remedy::Exempt(ROOT)))
            }
            Place::Image => None,
        }
    }

    fn write_mounted(
        &self,
        mount: &VolumeMount,
        volume: Option<&Volume>,
        what: &str,
        ends: bool,
    ) -> Option<Risk> {
        if !self.new_user() || mount.read_only == Some(true) {
            return None;
        }
        match (reach::contents(volume), volume) {
            (Contents::Host, Some(volume)) if reach::host(mount, volume) != Host::Public => {
                let why = format!("{what} on the node, where it belongs to root");
                Some(self.risk(Cause::HostPath, ends, why, Remedy::Exempt(ROOT)))
            }
            (Contents::Storage, _) if self.fs_group().is_none() => {
                let why = format!("{what} in a volume that is not handed over to its new user");
                let remedy = Remedy::Manifest("set `fsGroup` on the pod".to_owned());
                Some(self.risk(Cause::NotOwner, false, why, remedy))
            }
            (Contents::Other, Some(_)) => {
                let why = format!("{what} in a volume that may belong to another user");
                let remedy = Remedy::Try("look at who owns its files".to_owned());
                Some(self.risk(Cause::NotOwner, false, why, remedy))
            }
            _ => None,
        }
    }

    fn fs_group(&self) -> Option<i64> {
        self.case.after.security_context.as_ref()?.fs_group
    }

    /// What makes a path of the image writable.
    fn writable(&self, path: &str, fill: bool) -> Remedy {
        let directory = match (fill, path.rsplit_once('/')) {
            (false, Some((directory, _))) => directory,
            _ => path,
        };
        match crate::policy::WritablePath::asked_for(directory) {
            Ok(_) => Remedy::Writable(directory.to_owned()),
            Err(_) => Remedy::Exempt(WRITABLE_ROOT),
        }
    }

    fn read(&self, path: Option<&str>, by: &str, ends: bool) -> Option<Risk> {
        let path = path.filter(|_| self.new_user())?;
        let Place::Mount(mount, Some(volume)) = reach::place(self.case.after, self.after, path)
        else {
            return None;
        };
        if reach::is_narrow(volume) {
            return self.narrow(volume, ends);
        }
        let host = volume.host_path.is_some() && self.may_be_root();
        (host && reach::host(mount, volume) != Host::Public).then(|| {
            let why = format!("`{by}` reads `{path}` on the node, where it may belong to root");
            self.risk(Cause::HostPath, false, why, Remedy::Exempt(ROOT))
        })
    }

    fn narrow(&self, volume: &Volume, certain: bool) -> Option<Risk> {
        (self.fs_group().is_none() && reach::is_narrow(volume)).then(|| {
            let why = format!("the files of volume `{}` can be read by root alone", volume.name);
            let remedy = Remedy::Manifest(format!(
                "set `defaultMode: 0444` on volume `{}`, or `fsGroup` on the pod",
                volume.name
            ));
            self.risk(Cause::NarrowFile, certain, why, remedy)
        })
    }

    fn port(&self, port: i64, by: &str) -> Option<Risk> {
        if port >= FIRST_UNPRIVILEGED || !self.has_before("NET_BIND_SERVICE") {
            return None;
        }
        let sysctls = self.case.after.security_context.iter().flat_map(|c| &c.sysctls).flatten();
        let mut starts = sysctls.filter(|sysctl| PORT_SYSCTL.contains(&sysctl.name.as_str()));
        let open = starts.any(|sysctl| sysctl.value.parse().is_ok_and(|start: i64| start <= port));
        if open || self.has_after("NET_BIND_SERVICE") {
            return None;
        }
        if self.case.after.host_network == Some(true) {
            let why = format!("`{by}` binds port {port} on the node's network, which takes root");
            return Some(self.risk(
                Cause::LowPort,
                true,
                why,
                Remedy::Exempt(ROOT_WITH_CAPABILITIES),
            ));
        }
        let why = format!("`{by}` binds port {port}, which it does not declare");
        let remedy = Remedy::Manifest(format!("declare it: `ports: [{{containerPort: {port}}}]`"));
        Some(self.risk(Cause::LowPort, false, why, remedy))
    }

    /// What probes and hooks need.
    fn beside(&self, container: &Container) -> Vec<Risk> {
        let probes =
            [&container.liveness_probe, &container.readiness_probe, &container.startup_probe];
        let probes = probes.into_iter().flatten().filter_map(|probe| probe.exec.as_ref());
        let hooks = container.lifecycle.iter().filter_map(|lifecycle| {
            lifecycle.post_start.as_ref().and_then(|hook| hook.exec.as_ref())
        });
        let mut risks = Vec::new();
        for words in probes.chain(hooks).filter_map(|exec| exec.command.as_ref()) {
            let (Program::Recognised(needs) | Program::Unrecognised(_, needs)) =
                needs::of_words(words.iter(), container)
            else {
                continue;
            };
            risks.extend(needs.iter().filter_map(|needed| self.need(needed)));
        }
        risks
    }

    /// A program of which nothing is known.
    fn stranger(&self, program: &Program) -> Vec<Risk> {
        let mut risks = Vec::new();
        let taken = self.capabilities_taken();
        if !taken.is_empty() && self.may_be_root() {
            let why = format!("it asks for {}, which the policy does not allow", taken.join(", "));
            let remedy = Remedy::Exempt(ROOT_WITH_CAPABILITIES);
            risks.push(self.risk(Cause::NeedsCapability, true, why, remedy));
        }
        if self.is_known() {
            return risks;
        }
        let asks = self.asks_for_root();
        if asks && self.new_user() {
            let why = format!("it asks for root, and would run as uid {}", uid(self.uid_after));
            risks.push(self.risk(Cause::AsksForRoot, true, why, Remedy::Exempt(ROOT)));
        }
        risks.extend(self.mounts());
        if risks.is_empty() {
            risks.extend(self.unknown(program));
        }
        risks
    }

    /// The volumes that a program, whatever it is, will not be able to use.
    fn mounts(&self) -> Vec<Risk> {
        if !self.loses_root() {
            return Vec::new();
        }
        let volumes = |name: &str| {
            self.case.before.volumes.iter().flatten().find(|volume| volume.name == name)
        };
        let mut risks = Vec::new();
        for mount in self.before.volume_mounts.iter().flatten() {
            let Some(volume) = volumes(&mount.name) else { continue };
            risks.extend(self.narrow(volume, true));
            let Some(host_path) = &volume.host_path else { continue };
            let (certain, what) = match reach::host(mount, volume) {
                Host::Public => continue,
                Host::Socket => (true, "is a socket of root's"),
                Host::Written => (true, "belongs to root"),
                Host::Read => (false, "may be readable by root alone"),
            };
            let why = format!("it mounts `{}` of the node, which {what}", host_path.path);
            risks.push(self.risk(Cause::HostPath, certain, why, Remedy::Exempt(ROOT)));
        }
        risks
    }

    /// What only trying can tell.
    fn unknown(&self, program: &Program) -> Option<Risk> {
        let what = match program {
            Program::Unrecognised(word, _) => word.clone(),
            _ => match self.before.image.as_deref() {
                Some(image) => format!("the image `{image}`"),
                None => "its image".to_owned(),
            },
        };
        let entry = "give its image an entry in the policy's `images`";
        if self.new_user() {
            let after = uid(self.uid_after);
            let (cause, why, remedy) = match self.uid_before {
                Some(0) => (
                    Cause::RunsAsRoot,
                    format!("runs as root today and would run as uid {after}; {what} is not known"),
                    Remedy::Try(format!("try it, then {entry}")),
                ),
                Some(before) => (
                    Cause::OtherUser,
                    format!("runs as uid {before} today and would run as uid {after}"),
                    Remedy::Manifest(format!(
                        "set `runAsUser: {before}`, or {entry} with `runAsUser: image`"
                    )),
                ),
                None => (
                    Cause::UnknownUser,
                    format!("would run as uid {after}; {}, and {what} is not known", self.unseen()),
                    Remedy::Try(format!("try it, then {entry}")),
                ),
            };
            return Some(self.risk(cause, false, why, remedy));
        }
        self.becomes_read_only().then(|| {
            let why = format!("its root file system becomes read-only; {what} is not known");
            let remedy = Remedy::Try(
                "try it; `ironhull.dev/writable-paths` takes the paths it writes to".to_owned(),
            );
            self.risk(Cause::ReadOnly, false, why, remedy)
        })
    }

    /// Why nobody knows as whom it runs.
    fn unseen(&self) -> &'static str {
        match self.case.seen.unseen.get(&self.before.name) {
            None => "it does not run now",
            Some(Unseen::Differs) => "its pods run as different users",
            Some(Unseen::Hidden) => "the kubelet does not say as whom it runs now",
            Some(Unseen::Hardened) => "its pods are hardened already",
        }
    }

    /// Whether its author says that it is root, in its manifest.
    fn asks_for_root(&self) -> bool {
        let pod = self.case.before.security_context.as_ref();
        let own = context(self.before);
        let uid = own.and_then(|c| c.run_as_user).or_else(|| pod?.run_as_user);
        let non_root = own.and_then(|c| c.run_as_non_root).or_else(|| pod?.run_as_non_root);
        uid == Some(0) || (uid.is_none() && non_root == Some(false))
    }

    /// The capabilities it asks for and does not get.
    fn capabilities_taken(&self) -> Vec<String> {
        let replaced = self.case.outcome.findings.iter().any(|finding| {
            finding.rule == RuleName::Capabilities
                && finding.result == RuleResult::Replaced
                && self.case.outcome.subject_name(finding.subject) == self.before.name
        });
        let added = |container: &'c Container| {
            let adds = context(container).and_then(|c| c.capabilities.as_ref()?.add.as_ref());
            adds.into_iter().flatten().map(|name| plain(name))
        };
        if !replaced {
            return Vec::new();
        }
        let after: Vec<String> = added(self.after).collect();
        added(self.before).filter(|name| !after.contains(name)).collect()
    }

    /// Mounted scripts that only root may execute.
    fn scripts(&self, program: &Program) -> Vec<Risk> {
        let command = self.before.command.as_ref().and_then(|command| command.first());
        super::not_executable(self.case.outcome, &self.before.name)
            .filter_map(|volume| {
                let runs = command.is_some_and(|command| {
                    let place = reach::place(self.case.before, self.before, command);
                    matches!(place, Place::Mount(mount, _) if mount.name == volume)
                });
                if !runs && matches!(program, Program::Recognised(_)) {
                    return None;
                }
                let why = format!("the scripts of volume `{volume}` can be executed by root alone");
                let remedy =
                    Remedy::Manifest(format!("set `defaultMode: 0555` on volume `{volume}`"));
                Some(self.risk(Cause::NotExecutable, runs, why, remedy))
            })
            .collect()
    }
}

fn context(container: &Container) -> Option<&SecurityContext> {
    container.security_context.as_ref()
}

fn uid(uid: Option<i64>) -> String {
    uid.map_or_else(|| "of its image".to_owned(), |uid| uid.to_string())
}

/// A capability's name without `CAP_`.
fn plain(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name)
}

/// The capabilities of a container whose process is root.
fn capabilities(container: &Container) -> Vec<String> {
    let own = context(container).and_then(|context| context.capabilities.as_ref());
    let list = |names: Option<&Vec<String>>| -> Vec<String> {
        names.into_iter().flatten().map(|name| plain(name)).collect()
    };
    let (add, drop) =
        (list(own.and_then(|own| own.add.as_ref())), list(own.and_then(|own| own.drop.as_ref())));
    let dropped = |name: &String| drop.contains(name) || drop.iter().any(|drop| drop == "ALL");
    let default = DEFAULT_CAPABILITIES.map(str::to_owned);
    let mut all: Vec<String> = default.into_iter().filter(|name| !dropped(name)).collect();
    all.extend(add);
    all.sort();
    all.dedup();
    all
}

fn has(container: &Container, capability: &str) -> bool {
    let all = capabilities(container);
    all.iter().any(|name| name == capability || name == "ALL")
}
