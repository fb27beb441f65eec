//! Risks that follow from the needs of known commands.

use k8s_openapi::api::core::v1::{Container, Volume, VolumeMount};

use super::super::needs::{self, Need, Needed, Program};
use super::super::reach::{self, Contents, Host, Place};
use super::super::script::Failure;
use super::super::{Cause, Remedy, Risk};
use super::{GOES_ON, ROOT, ROOT_WITH_CAPABILITIES, SETUID, View, context, has};
use crate::rule::RuleName;

const WRITABLE_ROOT: &[RuleName] = &[RuleName::ReadOnlyRootFilesystem];

/// First port that processes may bind without a privilege.
const FIRST_UNPRIVILEGED: i64 = 1024;
const PORT_SYSCTL: [&str; 2] =
    ["net.ipv4.ip_unprivileged_port_start", "net/ipv4/ip_unprivileged_port_start"];

impl View<'_> {
    /// Risk that follows from a need of a command.
    pub(super) fn need(&self, needed: &Needed) -> Option<Risk> {
        let Needed { need, by, failure, for_root } = needed;
        if *for_root && self.uid_after.is_some_and(|uid| uid != 0) {
            return None;
        }
        let ends = *failure == Failure::Ends;
        let goes_on = if ends { "" } else { GOES_ON };
        match need {
            Need::Capability(capability) => {
                if !self.has_before(capability) || self.has_after(capability) {
                    return None;
                }
                let (cause, rules) = self.root_with(capability);
                let why = format!("`{by}` needs root with {capability}{goes_on}");
                Some(self.risk(cause, ends, why, Remedy::Exempt(rules)))
            }
            Need::Ping if self.keeps_raw_sockets() => None,
            Need::Ping => Some({
                let why = format!("`{by}` needs NET_RAW, or a node that lets every user ping");
                let remedy = Remedy::Try(
                    "if it fails, set the sysctl `net.ipv4.ping_group_range`".to_owned(),
                );
                self.risk(Cause::NeedsCapability, false, why, remedy)
            }),
            Need::Setuid(capability) => self.setuid(capability, by, ends, goes_on),
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

    /// Risk of a setuid program. Run by root, it needs root to stay root; run by another user, it
    /// needs to be able to become root.
    fn setuid(&self, capability: &'static str, by: &str, ends: bool, more: &str) -> Option<Risk> {
        if !self.is_another() {
            if !self.has_before(capability) || self.has_after(capability) {
                return None;
            }
            let (cause, rules) = self.root_with(capability);
            let why = format!("`{by}` needs root with {capability}{more}");
            return Some(self.risk(cause, ends, why, Remedy::Exempt(rules)));
        }
        // What it may not do as root, it never could.
        let keeps = !self.loses_setuid() && has(self.after, capability);
        if keeps || !has(self.before, capability) {
            return None;
        }
        let why = format!("`{by}` is setuid root, which no longer has any effect{more}");
        Some(self.risk(Cause::Setuid, ends, why, Remedy::Exempt(SETUID)))
    }

    /// Whether it is known to be another user than root today.
    fn is_another(&self) -> bool {
        match self.uid_before {
            Some(uid) => uid != 0,
            None => {
                let own = context(self.before).and_then(|context| context.run_as_non_root);
                let pod = self.case.before.security_context.as_ref();
                own.or_else(|| pod?.run_as_non_root) == Some(true)
            }
        }
    }

    /// Whether `ping` works as before: by root's capability, by its file's capability, or by its
    /// setuid bit.
    fn keeps_raw_sockets(&self) -> bool {
        match !self.is_another() {
            true => !self.has_before("NET_RAW") || self.has_after("NET_RAW"),
            false => {
                !has(self.before, "NET_RAW") || has(self.after, "NET_RAW") && !self.loses_setuid()
            }
        }
    }

    /// Cause of needing root with a capability, and the exemption that gives both. An exempt root
    /// has what the policy leaves to it and no more. It lacks even that where its author drops ALL,
    /// which is seen once it stays root and lacks the capability all the same.
    pub(super) fn root_with(&self, capability: &str) -> (Cause, &'static [RuleName]) {
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
        // It owns what it makes itself.
        if let Place::Mount(mount, _) = reach::place(self.case.after, self.after, path)
            && !reach::within(&mount.mount_path, path)
        {
            return None;
        }
        let why = format!("`{by}` changes `{path}`, which belongs to root");
        let (cause, rules) = self.root_with("FOWNER");
        Some(self.risk(cause, ends, why, Remedy::Exempt(rules)))
    }

    fn write(&self, path: Option<&str>, fill: bool, by: &str, ends: bool) -> Option<Risk> {
        let Some(path) = path else {
            let why = format!("`{by}` writes to a path that cannot be determined");
            let remedy = Remedy::Try("if it fails, make that directory writable".to_owned());
            let affected = self.becomes_read_only() || self.loses_root();
            return affected.then(|| self.risk(Cause::ReadOnly, false, why, remedy));
        };
        match reach::place(self.case.after, self.after, path) {
            Place::Open => None,
            Place::Mount(mount, volume) => {
                self.write_mounted(mount, volume, &format!("`{by}` writes to `{path}`"), ends)
            }
            Place::Image if self.becomes_read_only() => {
                let why = format!("`{by}` writes to `{path}`, which becomes read-only");
                let remedy = self.writable(path, fill);
                Some(self.risk(Cause::ReadOnly, ends, why, remedy))
            }
            // Any user may write there.
            Place::Image if ["/tmp", "/var/tmp"].iter().any(|tmp| reach::within(path, tmp)) => None,
            Place::Image if self.loses_root() && !self.read_only_before => {
                let why = format!("`{by}` writes to `{path}`, which belongs to root");
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
            (Contents::Other, Some(_)) => {
                let why = format!("{what} in a volume that may belong to another user");
                let remedy = Remedy::Try("check who owns its files".to_owned());
                Some(self.risk(Cause::NotOwner, false, why, remedy))
            }
            _ => None,
        }
    }

    fn fs_group(&self) -> Option<i64> {
        self.case.after.security_context.as_ref()?.fs_group
    }

    /// Remedy that makes a path of the image writable.
    fn writable(&self, path: &str, fill: bool) -> Remedy {
        let directory = match (fill, path.rsplit_once('/')) {
            (false, Some((directory, _))) => directory,
            _ => path,
        };
        match crate::policy::Writable::asked_for(directory) {
            Ok(_) => Remedy::Writable(directory.to_owned()),
            Err(_) => Remedy::Exempt(WRITABLE_ROOT),
        }
    }

    fn read(&self, path: Option<&str>, by: &str, ends: bool) -> Option<Risk> {
        let path = path.filter(|_| self.new_user())?;
        let place = reach::place(self.case.after, self.after, path);
        if matches!(place, Place::Image) && reach::is_roots(path) && self.may_be_root() {
            let why = format!("`{by}` reads `{path}`, which is root's alone in most images");
            return Some(self.risk(Cause::NotOwner, false, why, Remedy::Exempt(ROOT)));
        }
        let Place::Mount(mount, Some(volume)) = place else { return None };
        if reach::is_narrow(volume) {
            return self.narrow(volume, ends);
        }
        let host = volume.host_path.is_some() && self.may_be_root();
        (host && reach::host(mount, volume) != Host::Public).then(|| {
            let why = format!("`{by}` reads `{path}` on the node, where it may belong to root");
            self.risk(Cause::HostPath, false, why, Remedy::Exempt(ROOT))
        })
    }

    pub(super) fn narrow(&self, volume: &Volume, certain: bool) -> Option<Risk> {
        (self.fs_group().is_none() && reach::is_narrow(volume)).then(|| {
            let why = format!("only root can read the files of volume `{}`", volume.name);
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
            let why =
                format!("`{by}` binds port {port} on the node's network, which requires root");
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

    /// A low port that its manifest mentions, and that it will not be able to bind.
    pub(super) fn low_port(&self) -> Option<Risk> {
        let ports = reach::ports(self.before);
        let low = ports.into_iter().filter(|port| (1..FIRST_UNPRIVILEGED).contains(port)).min()?;
        let risk = self.port(low, "its program")?;
        let why = format!(
            "it is to listen on port {low}, which requires root under the kernel's default"
        );
        let remedy = match risk.remedy {
            Remedy::Manifest(_) => Remedy::Manifest(format!(
                "make it listen above 1023, or set the sysctl `{}: \"0\"` on the pod",
                PORT_SYSCTL[0]
            )),
            other => other,
        };
        Some(Risk { why, remedy, ..risk })
    }

    /// Risks that follow from what the image's entry requires.
    pub(super) fn required(&self) -> Vec<Risk> {
        let required = super::super::required(self.case.outcome, &self.before.name);
        let risk = |(say, known): (&str, bool)| {
            let why = match known {
                true => "its image does not start hardened with the settings in this manifest",
                false => "its image needs a setting that the manifest does not show",
            };
            let remedy = match known {
                true => Remedy::Manifest(say.to_owned()),
                false => Remedy::Try(format!("unless already so: {say}")),
            };
            self.risk(Cause::ImageRequires, known, why, remedy)
        };
        required.map(risk).collect()
    }

    /// Risks that follow from what probes and hooks need.
    pub(super) fn beside(&self, container: &Container) -> Vec<Risk> {
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
}
