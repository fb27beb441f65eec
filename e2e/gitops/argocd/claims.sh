# What docs/gitops.md says of Argo CD. To be sourced by ../check.

argocd() {
  say "Argo CD: application controller and repository server $(required argocd github.com/argoproj/argo-cd/v3)"
  local manifests name
  manifests=$(directory argocd github.com/argoproj/argo-cd/v3)/manifests
  kubectl create namespace argocd
  kubectl apply --server-side --filename "$manifests/crds/application-crd.yaml,$manifests/crds/applicationset-crd.yaml,$manifests/crds/appproject-crd.yaml"
  kubectl --namespace argocd apply --filename "$manifests/base/config/argocd-cm.yaml,$manifests/base/config/argocd-secret.yaml"
  eventually 60 "its kinds are known" kubectl --namespace argocd get applications,appprojects
  example 'resource.customizations.health' >"$work/health.yaml"
  kubectl --namespace argocd patch configmap argocd-cm --type merge --patch-file "$work/health.yaml"
  # Argo CD's own server makes this project, and is not here.
  kubectl apply --filename - <<'END'
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: default, namespace: argocd}
spec:
  sourceRepos: ["*"]
  destinations: [{namespace: "*", server: "*"}]
  clusterResourceWhitelist: [{group: "*", kind: "*"}]
END
  export ARGOCD_FAKE_IN_CLUSTER=true ARGOCD_GPG_ENABLED=false TMPDIR=$work
  export ARGOCD_TLS_DATA_PATH=$work ARGOCD_SSH_DATA_PATH=$work ARGOCD_PLUGINSOCKFILEPATH=$work
  start redis 127.0.0.1:6379
  start argocd-repo-server --address 127.0.0.1 --metrics-address 127.0.0.1 --redis 127.0.0.1:6379 --disable-tls
  start argocd-application-controller --namespace argocd --redis 127.0.0.1:6379 --repo-server 127.0.0.1:8081 --repo-server-plaintext

  say "Argo CD: the page's example: ironhull, and then the namespace that opts in"
  kubectl cordon "$CLUSTER_NODE"
  application root root | jq '.spec.syncPolicy.automated = {}' | kubectl apply --filename -
  held_back
  for name in ironhull shop root; do eventually 240 "Synced and Healthy: $name" settled $name; done
  eventually 60 "the Deployment's pods are hardened" hardened
  refresh shop
  synced shop

  say "Argo CD: compared and synced, after ironhull has filled in what is its own, however Argo CD does it"
  eventually 60 "ironhull has written the caBundle and its certificates" written
  written >"$work/before"
  for name in ServerSideDiff=false ServerSideDiff=true; do
    echo "$name"
    kubectl --namespace argocd annotate application ironhull --overwrite "argocd.argoproj.io/compare-options=$name" >/dev/null
    refresh ironhull
    synced ironhull
    sync ironhull
    sync ironhull ServerSideApply=true
    refresh ironhull
    synced ironhull
  done
  written | cmp - "$work/before" || fail "what ironhull had written is gone"

  say "Argo CD: replaced, with what the page says to add, and without it"
  example 'ignoreDifferences' >"$work/ignored.yaml"
  kubectl --namespace argocd patch application ironhull --type merge --patch-file "$work/ignored.yaml"
  sync ironhull Replace=true RespectIgnoreDifferences=true
  written | cmp - "$work/before" || fail "what ironhull had written is gone"
  kubectl --namespace argocd patch application ironhull --type json --patch '[{"op": "remove", "path": "/spec/ignoreDifferences"}]'
  sync ironhull Replace=true
  eventually 60 "ironhull has written it again" written
  if written | cmp --silent - "$work/before"; then fail "nothing was replaced"; fi

  say "Argo CD: a label that somebody removed"
  kubectl label namespace shop ironhull.dev/harden-
  eventually 60 "the label is back" opted_in

  say "Argo CD: bare pods"
  for name in filled replaced; do
    application $name $name | kubectl apply --filename -
    sync $name
    eventually 60 "the pod is there: $name" kubectl --namespace shop wait --for=condition=Ready --timeout=1s pod/$name
    refresh $name
  done
  synced filled
  sync filled
  if synced replaced; then fail "no difference was seen"; fi
  if sync replaced; then fail "the pod was not refused"; fi
  refused "$(kubectl --namespace argocd get application replaced --output 'jsonpath={.status.operationState.syncResult.resources[*].message}')"
  stop argocd-application-controller argocd-repo-server redis
}

# An Application $1 of the repository's directory $2.
application() {
  jq --null-input --arg name "$1" --arg path "$2" '{
    apiVersion: "argoproj.io/v1alpha1", kind: "Application", metadata: {$name, namespace: "argocd"},
    spec: {project: "default", source: {repoURL: "http://127.0.0.1:9418/cluster.git", $path},
      destination: {server: "https://kubernetes.default.svc", namespace: "argocd"}}}'
}

# The Application $1 is Synced and Healthy, and nothing is being done to it.
settled() {
  kubectl --namespace argocd get application "$1" --output json |
    jq --exit-status 'if .status.sync.status == "Synced" and .status.health.status == "Healthy" and .operation == null then true else .status, false end'
}

refresh() {
  kubectl --namespace argocd annotate application "$1" --overwrite argocd.argoproj.io/refresh=hard >/dev/null
  eventually 60 "compared: $1" refreshed "$1"
}

refreshed() {
  kubectl --namespace argocd get application "$1" --output json |
    jq --exit-status '.metadata.annotations["argocd.argoproj.io/refresh"] == null'
}

synced() {
  kubectl --namespace argocd get application "$1" --output json |
    jq --exit-status --raw-output '.status | if .sync.status == "Synced" then "\(.resources | length) objects Synced" else (.sync.status, (.resources[] | select(.status != "Synced"))), false end'
}

# Syncs the Application $1 with the other arguments for options, and says whether that succeeded.
sync() {
  local options
  options=$(jq --null-input --compact-output '$ARGS.positional' --args "${@:2}")
  kubectl --namespace argocd patch application "$1" --type merge \
    --patch "{\"operation\": {\"initiatedBy\": {\"username\": \"check\"}, \"sync\": {\"syncOptions\": $options}}}" >/dev/null
  eventually 120 "synced: $*" ended_sync "$1"
  kubectl --namespace argocd get application "$1" --output json | jq --exit-status '.status.operationState.phase == "Succeeded"'
}

ended_sync() {
  kubectl --namespace argocd get application "$1" --output json |
    jq --exit-status '.operation == null and (.status.operationState.phase | IN("Succeeded", "Failed", "Error"))'
}
