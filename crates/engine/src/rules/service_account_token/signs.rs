//! What tells that a pod uses the Kubernetes API: data, each with its source.
//!
//! A program can use the API without a word in the manifest, so that no sign is no proof. A sign
//! is enough to leave the pod alone.

use std::borrow::Cow;

use crate::image::{full_name, repository};
use crate::pass::{Examined, Pass, names_in};

/// Texts in a command, an argument, a variable or an image's path; see [`Folder`].
const TEXTS: [&str; 6] = [
    // The token's path, the API server's name in the cluster and its variables (Kubernetes
    // documentation, "Accessing the Kubernetes API from a Pod"); client libraries; what Spring Cloud
    // Kubernetes, Hazelcast and Patroni call their discovery.
    "kubernetes",
    "kubectl",
    // Programs that choose between a kubeconfig and the token (`clientcmd.RecommendedConfigPathFlag`).
    "kubeconfig",
    "incluster",
    // Leader election by a Lease, as flags spell it (`component-base/config/options`,
    // controller-runtime's scaffold).
    "leaderelect",
    // JGroups looks for members by the API.
    "kubeping",
];

/// The same, but not in variables, where it is mostly a name for telemetry (`k8s.pod.name`).
const K8S: &str = "k8s";

/// A field of the pod that only clients want: who the API server takes them for.
const ACCOUNT_FIELD: &str = "spec.serviceAccountName";

/// Programs that are clients, and images called after them.
const CLIENTS: [&str; 24] = [
    // Command lines (helm.sh; docs.openshift.com; fluxcd.io; argo-cd.readthedocs.io; velero.io; their
    // own documentation).
    "oc",
    "helm",
    "flux",
    "argo",
    "argocd",
    "velero",
    "istioctl",
    "tkn",
    "k9s",
    "stern",
    // Read objects or watch them (each project's own rbac.yaml, or its chart's).
    "kube-state-metrics",
    "metrics-server",
    "kube-rbac-proxy",
    "configmap-reloader",
    "external-dns",
    "cluster-autoscaler",
    "coredns",
    "traefik",
    // Discover what they scrape, or add a pod's metadata to its logs (kubernetes_sd_config; the
    // filter kubernetes of Fluent Bit; add_kubernetes_metadata of Beats).
    "prometheus",
    "promtail",
    "fluent-bit",
    "filebeat",
    // Elect a leader (patroni.readthedocs.io, "Kubernetes").
    "patroni",
    "spilo",
];

/// Annotations and labels, by what their key begins with, of injectors whose containers use the
/// pod's token, and of controllers whose containers do.
const INJECTORS: [&str; 12] = [
    // hashicorp/vault-k8s#601: the agent logs in with the token that the application's container mounts.
    "vault.hashicorp.com/agent-inject",
    // bank-vaults.dev, mutating webhook: vault-env logs in likewise.
    "vault.security.banzaicloud.io/vault-addr",
    "secrets-webhook.security.bank-vaults.io/",
    // Conjur's authenticator logs in likewise.
    "conjur.org/inject",
    // linkerd/linkerd2#4145: no proxy where `automountServiceAccountToken` is false.
    "linkerd.io/inject",
    // Istio with first-party tokens (istio.io, `values.global.jwtPolicy`).
    "sidecar.istio.io/inject",
    "sidecar.istio.io/status",
    "istio.io/rev",
    // Consul's and Kuma's proxies log in with it.
    "consul.hashicorp.com/connect-inject",
    "kuma.io/sidecar-injection",
    // daprd reads its components and secrets from the API (docs.dapr.io, "Kubernetes").
    "dapr.io/enabled",
    // The container `wait` of Argo Workflows reports by the API (argo-workflows, workflow-rbac.md).
    "workflows.argoproj.io/",
];

/// Values by which an injector is told to stay away.
const NOT_INJECTED: [&str; 3] = ["false", "disabled", "no"];

/// The first sign of use in a pod, in words.
pub(super) fn of_use<'p>(pass: &Pass<'p>) -> Option<Cow<'p, str>> {
    let metadata = &pass.pod.metadata;
    let mut keys = metadata.annotations.iter().chain(metadata.labels.iter());
    let injector = |(key, value): &(&str, &str)| {
        INJECTORS.iter().any(|known| key.starts_with(known)) && !NOT_INJECTED.contains(value)
    };
    if let Some((key, _)) = keys.find(injector) {
        return Some(Cow::Borrowed(key));
    }
    pass.containers.iter().find_map(in_container)
}

fn in_container<'p>(examined: &Examined<'p>) -> Option<Cow<'p, str>> {
    let container = examined.placed.container;
    let says = |what: &str| Some(Cow::Owned(format!("container {}: {what}", &*container.name)));
    let mut folder = Folder::default();
    if let Some(sign) = in_image(&container.image, &mut folder) {
        return says(sign);
    }
    if let Some(sign) = examined.find_word(|word| in_word(word, &mut folder)) {
        return says(sign);
    }
    container.variables().iter().find_map(|variable| {
        let mut text = |text: &str| in_text(folder.fold(text));
        let sign = text(&variable.name).or_else(|| text(&variable.value));
        let asks = &*variable.value_from.field_ref.field_path == ACCOUNT_FIELD;
        says(sign.or_else(|| asks.then_some(ACCOUNT_FIELD))?)
    })
}

/// A sign in an image's name, without its registry: `spilo-17` is called after `spilo`.
fn in_image(image: &str, folder: &mut Folder) -> Option<&'static str> {
    let image = full_name(image);
    let (_, path) = repository(&image)?.split_once('/')?;
    let name = path.rsplit('/').next().unwrap_or(path);
    let text = in_name(folder.fold(path));
    text.or_else(|| client(name)).or_else(|| name.split('-').find_map(client))
}

/// A sign in a word of a command line, which may be a whole script.
fn in_word(word: &str, folder: &mut Folder) -> Option<&'static str> {
    in_name(folder.fold(word)).or_else(|| names_in(word).find_map(client))
}

/// A sign in a folded word or path.
fn in_name(folded: &str) -> Option<&'static str> {
    in_text(folded).or_else(|| folded.contains(K8S).then_some(K8S))
}

/// A sign in a folded text.
fn in_text(folded: &str) -> Option<&'static str> {
    TEXTS.iter().find(|text| folded.contains(**text)).copied()
}

/// The client of that name.
fn client(name: &str) -> Option<&'static str> {
    CLIENTS.iter().find(|client| **client == name).copied()
}

/// Texts without case and without `-` and `_`, so that `--in-cluster`, `inCluster` and `IN_CLUSTER`
/// are one.
#[derive(Default)]
struct Folder(String);

impl Folder {
    fn fold(&mut self, text: &str) -> &str {
        let Self(folded) = self;
        folded.clear();
        let letters = text.chars().filter(|c| !matches!(c, '-' | '_'));
        folded.extend(letters.map(|c| c.to_ascii_lowercase()));
        folded
    }
}
