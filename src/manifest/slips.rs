//! Fields and annotations that look intended but mean nothing where they stand: fields of a
//! security context that are misspelt or at the wrong level, and annotations of ironhull's that
//! pods never get.
//!
//! Kubernetes drops such a field with a warning at best. Nobody sees that the pod is hardened by
//! less than was written. A field that is merely unknown is left alone, because it may be newer
//! than this list.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, EphemeralContainer, PodSecurityContext, PodSpec, SeccompProfile,
    SecurityContext,
};
use kube_yaml::escape;
use serde_json::Value;

use super::fields;
use super::kinds::{Contents, Workload};
use crate::exemption::{DOMAIN, is_for_pods};
use crate::text::nearest;
use crate::text::quoted;

/// A slip, and its JSON Pointer in the document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slip {
    pub(super) pointer: String,
    pub(super) message: String,
}

/// Every slip of a document.
pub(super) fn find(document: &Value, contents: &Contents) -> Vec<Slip> {
    let known = Known::new();
    let mut slips = Vec::new();
    for workload in &contents.workloads {
        annotations(document, workload, &mut slips);
        if let Some(spec) = workload.pod.get("spec") {
            let mut of_pod = Vec::new();
            known.pod(spec, "/spec", &mut of_pod);
            let placed = |slip: Slip| Slip { pointer: workload.pointer(&slip.pointer), ..slip };
            slips.extend(of_pod.into_iter().map(placed));
        }
    }
    slips
}

/// Finds annotations for pods on the object around a pod template. One that the template has too is
/// there for other readers: tools put the same annotations on everything.
fn annotations(document: &Value, workload: &Workload, slips: &mut Vec<Slip>) {
    let of = |at: &str| document.pointer(&format!("{at}/metadata/annotations"))?.as_object();
    let on_pods = workload.pod.pointer("/metadata/annotations").and_then(Value::as_object);
    let mut at = workload.template.as_str();
    while at.len() > workload.at.len() {
        at = at.rsplit_once('/').map_or("", |(before, _)| before);
        for key in of(at).into_iter().flat_map(|map| map.keys()).filter(|key| is_for_pods(key)) {
            if on_pods.is_some_and(|on_pods| on_pods.contains_key(key)) {
                continue;
            }
            let place = workload.annotations_at();
            slips.push(Slip {
                pointer: format!("{at}/metadata/annotations/{}", escape(key)),
                message: format!(
                    "{} has no effect here, because pods do not get it; put it in `{place}`",
                    quoted(key)
                ),
            });
        }
    }
    for key in on_pods.into_iter().flat_map(|map| map.keys()) {
        if let Some(meant) = misspelt_domain(key) {
            slips.push(Slip {
                pointer: workload.pointer(&format!("/metadata/annotations/{}", escape(key))),
                message: format!("unknown annotation {}; did you mean `{meant}`?", quoted(key)),
            });
        }
    }
}

/// The key that was meant, if its domain is nearly ironhull's and its name is one of ironhull's.
fn misspelt_domain(key: &str) -> Option<String> {
    let (prefix, name) = key.split_once('/')?;
    let labels = prefix.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
    let (place, domain) = prefix.split_at_checked(labels)?;
    let meant = format!("{place}{DOMAIN}/{name}");
    let near = domain != DOMAIN && strsim::osa_distance(domain, DOMAIN) <= MISTYPED;
    (near && is_for_pods(&meant)).then_some(meant)
}

/// Maximum number of wrong letters in the domain.
const MISTYPED: usize = 2;

/// The fields that Kubernetes has, by level.
struct Known {
    pod: Level,
    container: Level,
    ephemeral: Level,
    of_pod: Level,
    of_container: Level,
    capabilities: Level,
    seccomp: Level,
}

/// Fields of an object, and the other places where a field could have been meant to be.
struct Level {
    fields: &'static [&'static str],
    /// Other places: their fields and their names.
    elsewhere: Vec<(&'static [&'static str], &'static str)>,
}

impl Known {
    fn new() -> Self {
        let of_pod = fields::of::<PodSecurityContext>();
        let of_container = fields::of::<SecurityContext>();
        let pods = (of_pod, "the pod's `securityContext`");
        let containers = (of_container, "a container's `securityContext`");
        let level = |fields, elsewhere: &[_]| Level { fields, elsewhere: elsewhere.to_vec() };
        Self {
            pod: level(fields::of::<PodSpec>(), &[pods, containers]),
            container: level(fields::of::<Container>(), &[containers, pods]),
            ephemeral: level(fields::of::<EphemeralContainer>(), &[containers, pods]),
            of_pod: level(of_pod, &[containers]),
            of_container: level(of_container, &[pods]),
            capabilities: level(fields::of::<Capabilities>(), &[]),
            seccomp: level(fields::of::<SeccompProfile>(), &[]),
        }
    }

    fn pod(&self, spec: &Value, at: &str, slips: &mut Vec<Slip>) {
        self.pod.check(spec, at, slips);
        self.security_context(&self.of_pod, spec, at, slips);
        for (list, level) in [
            ("initContainers", &self.container),
            ("containers", &self.container),
            ("ephemeralContainers", &self.ephemeral),
        ] {
            let containers = spec.get(list).and_then(Value::as_array);
            for (index, container) in containers.into_iter().flatten().enumerate() {
                let at = format!("{at}/{list}/{index}");
                level.check(container, &at, slips);
                self.security_context(&self.of_container, container, &at, slips);
            }
        }
    }

    fn security_context(&self, level: &Level, of: &Value, at: &str, slips: &mut Vec<Slip>) {
        let Some(context) = of.get("securityContext") else { return };
        let at = format!("{at}/securityContext");
        level.check(context, &at, slips);
        for (name, level) in
            [("capabilities", &self.capabilities), ("seccompProfile", &self.seccomp)]
        {
            if let Some(object) = context.get(name) {
                level.check(object, &format!("{at}/{name}"), slips);
            }
        }
    }
}

impl Level {
    fn check(&self, object: &Value, at: &str, slips: &mut Vec<Slip>) {
        let names = object.as_object().into_iter().flat_map(|map| map.keys());
        for name in names.filter(|name| !self.fields.contains(&name.as_str())) {
            let elsewhere =
                self.elsewhere.iter().find(|(fields, _)| fields.contains(&name.as_str()));
            let help = match (elsewhere, nearest(name, self.fields)) {
                (Some((_, place)), _) => format!("it belongs in {place}"),
                (None, Some(near)) => format!("did you mean `{near}`?"),
                (None, None) => continue,
            };
            slips.push(Slip {
                pointer: format!("{at}/{}", escape(name)),
                message: format!("Kubernetes has no field {} here; {help}", quoted(name)),
            });
        }
    }
}
