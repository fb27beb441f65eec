//! What tells that a pod uses the Kubernetes API: data, each with its source.
//!
//! A program can use the API without a word in the manifest, so that no sign is no proof. A sign
//! is enough to leave the pod alone.

use std::borrow::Cow;

use crate::image::{full_name, repository};
use crate::pass::{Examined, Pass};

/// Texts in a command, an argument or a variable.
const TEXTS: [&str; 9] = [
    // The token's path, below /run too (`rootCAFile` and `tokenFile` in client-go's
    // `rest.InClusterConfig`).
    "secrets/kubernetes.io/serviceaccount",
    // The API server's name in the cluster (Kubernetes documentation, "Accessing the Kubernetes
    // API from a Pod"), and where client-go finds it.
    "kubernetes.default",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    // Leader election by a Lease, as flags spell it (`component-base/config/options`,
    // controller-runtime's scaffold).
    "leader-elect",
    // Programs that choose between a kubeconfig and the token (`clientcmd.RecommendedConfigPathFlag`).
    "kubeconfig",
    "in-cluster",
    // Spring Cloud Kubernetes, JGroups KUBE_PING and Patroni look for members by the API.
    "KUBERNETES_NAMESPACE",
    "PATRONI_KUBERNETES",
];

/// A field of the pod that only clients want: who the API server takes them for.
const ACCOUNT_FIELD: &str = "spec.serviceAccountName";

/// Programs that are clients, and images called after them: the last part of a path.
const CLIENTS: [&str; 20] = [
    // Command lines (kubernetes.io, "kubectl", in-cluster authentication; helm.sh; docs.openshift.com;
    // fluxcd.io; argo-cd.readthedocs.io; velero.io).
    "kubectl",
    "oc",
    "helm",
    "flux",
    "argocd",
    "velero",
    // Read objects or watch them (each project's own rbac.yaml, or its chart's).
    "k8s-sidecar",
    "kube-state-metrics",
    "metrics-server",
    "kube-rbac-proxy",
    "configmap-reloader",
    "external-dns",
    "cluster-autoscaler",
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
const INJECTORS: [&str; 9] = [
    // hashicorp/vault-k8s#601: the agent logs in with the token that the application's container mounts.
    "vault.hashicorp.com/agent-inject",
    // bank-vaults.dev, mutating webhook: vault-env logs in likewise.
    "vault.security.banzaicloud.io/vault-addr",
    // linkerd/linkerd2#4145: no proxy where `automountServiceAccountToken` is false.
    "linkerd.io/inject",
    // Istio with first-party tokens (istio.io, `values.global.jwtPolicy`).
    "sidecar.istio.io/inject",
    "sidecar.istio.io/status",
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
    let image = full_name(&container.image);
    if let Some(client) = repository(&image).and_then(client) {
        return says(client);
    }
    let known = examined.facts.and_then(|facts| facts.program.as_ref());
    let known = known.filter(|_| !container.has_command());
    let known = known.into_iter().flat_map(|program| program.entrypoint.iter().chain(&program.cmd));
    let words = container.words().unwrap_or_default();
    let hooks = container.handlers().flat_map(|handler| &handler.exec.command);
    let own = words.iter().map(|word| &**word).chain(hooks.map(|word| &**word));
    let mut all = own.chain(known.map(String::as_str));
    if let Some(sign) = all.find_map(in_word) {
        return says(sign);
    }
    container.variables().iter().find_map(|variable| {
        let text = TEXTS
            .iter()
            .find(|text| variable.name.contains(**text) || variable.value.contains(**text));
        let asks = &*variable.value_from.field_ref.field_path == ACCOUNT_FIELD;
        says(text.copied().or_else(|| asks.then_some(ACCOUNT_FIELD))?)
    })
}

/// A sign in a word of a command line, which may be a whole script.
fn in_word(word: &str) -> Option<&'static str> {
    let text = TEXTS.iter().find(|text| word.contains(**text)).copied();
    text.or_else(|| {
        let mut names = word.split(|c: char| c.is_whitespace() || "\"'`;&|()$={}<>".contains(c));
        names.find_map(client)
    })
}

/// The client that a path ends in.
fn client(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    CLIENTS.iter().find(|client| **client == name).copied()
}
