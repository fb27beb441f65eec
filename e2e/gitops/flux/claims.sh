# What docs/gitops.md says of Flux. To be sourced by ../check.

flux() {
  say "Flux: source-controller and kustomize-controller $(required flux github.com/fluxcd/kustomize-controller)"
  local module
  kubectl create namespace flux-system
  for module in source-controller kustomize-controller; do
    kubectl apply --server-side --filename "$(directory flux github.com/fluxcd/$module)/config/crd/bases"
  done
  eventually 60 "its kinds are known" kubectl --namespace flux-system get gitrepositories,kustomizations
  start source-controller --metrics-addr 0 --health-addr 127.0.0.1:9441 \
    --storage-path "$work" --storage-addr 127.0.0.1:9790 --storage-adv-addr 127.0.0.1:9790
  start kustomize-controller --metrics-addr 0 --health-addr 127.0.0.1:9440 \
    --requeue-dependency 2s

  say "Flux: the page's example: ironhull, and then the namespace that opts in"
  kubectl cordon "$CLUSTER_NODE"
  example 'kind: Kustomization' | kubectl apply --filename -
  held_back
  eventually 180 "both are ready" kubectl --namespace flux-system wait --for=condition=Ready --timeout=1s kustomization/ironhull kustomization/shop
  eventually 60 "the Deployment's pods are hardened" hardened

  say "Flux: applied again, after ironhull has filled in what is its own"
  eventually 60 "ironhull has written the caBundle and its certificates" written
  written >"$work/before"
  reconcile ironhull
  reconcile shop
  unchanged ironhull
  unchanged shop
  written | cmp - "$work/before" || fail "what ironhull had written is gone"

  say "Flux: a label that somebody removed"
  kubectl label namespace shop ironhull.dev/harden-
  reconcile shop
  applied shop | jq --exit-status '."Namespace/shop" == "configured"' || fail "no drift was seen"
  opted_in || fail "the label is not back"

  say "Flux: bare pods"
  for module in filled replaced; do
    kubectl --namespace flux-system get kustomization shop --output json |
      jq --arg name $module '{apiVersion, kind, metadata: {name: $name, namespace: .metadata.namespace}, spec: (.spec + {path: ("./" + $name)})}' |
      kubectl apply --filename -
    eventually 60 "the pod is there: $module" kubectl --namespace shop wait --for=condition=Ready --timeout=1s pod/$module
    reconcile $module
  done
  unchanged filled
  refused "$(kubectl --namespace flux-system get kustomization replaced --output 'jsonpath={.status.conditions[?(@.type=="Ready")].message}')"

  say "Flux: removed"
  kubectl --namespace flux-system delete kustomization replaced filled shop --timeout=120s
  kubectl wait --for=delete namespace/shop --timeout=120s
  kubectl --namespace flux-system delete kustomization ironhull --timeout=120s
  kubectl wait --for=delete namespace/ironhull-system --timeout=120s
  stop source-controller kustomize-controller
}

# Has the Kustomization $1 applied, and waits until it was.
reconcile() {
  local at
  at=$(date +%s%N)
  kubectl --namespace flux-system annotate kustomization "$1" --overwrite "reconcile.fluxcd.io/requestedAt=$at" >/dev/null
  eventually 120 "applied: $1" handled "$1" "$at"
}

handled() {
  [ "$(kubectl --namespace flux-system get kustomization "$1" --output 'jsonpath={.status.lastHandledReconcileAt}')" = "$2" ]
}

# What kustomize-controller did last with the objects of the Kustomization $1.
applied() {
  grep '^{' "$work/kustomize-controller.log" |
    jq --compact-output --arg name "$1" 'select(.msg == "server-side apply completed" and .Kustomization.name == $name) | .output' | tail -n 1
}

unchanged() {
  applied "$1" | jq --exit-status --raw-output 'if length > 0 and all(. == "unchanged") then "\(length) objects unchanged" else ., false end' ||
    fail "not all objects of $1 are unchanged"
}
