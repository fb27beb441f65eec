# What the claims about both tools have in common. To be sourced, in the repository's root.

say() { printf '\n--- %s (%s)\n' "$*" "$(date -u +%H:%M:%S)"; }
fail() { echo "e2e/gitops/check: $*" >&2; exit 1; }

# The first example of the page with $1 in it, with this check's repository for its own.
example() {
  awk -v wanted="$1" '
    /^```/ { if (found) exit; inside = $0 == "```yaml"; block = ""; next }
    inside { block = block $0 "\n"; found = found || index($0, wanted) }
    END { printf "%s", block; exit !found }' docs/gitops.md |
    sed 's#https://git\.example/#http://127.0.0.1:9418/#' || fail "docs/gitops.md has no example with $1"
}

# A bare pod called $1, with the securityContext $2.
pod() {
  cat <<END
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: shop}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: $2
  containers:
  - {name: app, image: localhost/busybox:local, imagePullPolicy: Never, command: [sleep, "3600"]}
END
}

# Starts $1 of target/gitops, with the other arguments.
declare -A started=()
start() {
  "target/gitops/$1" "${@:2}" >"$work/$1.log" 2>&1 &
  started[$1]=$!
}

stop() {
  local name
  for name; do
    kill "${started[$name]}" 2>/dev/null || true
    wait "${started[$name]}" 2>/dev/null || true
    unset "started[$name]"
  done
}

ended() {
  local name
  if [ "$1" -ne 0 ]; then
    for name in "${!started[@]}"; do
      printf '\n--- the end of the log of %s\n' "$name"
      tail -n 20 "$work/$name.log"
    done
    kubectl get pods --all-namespaces || true
  fi >&2
  stop "${!started[@]}"
  rm -rf "$work"
}

# Waits up to $1 seconds for the command that follows the description $2.
eventually() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    kill -0 "${started[@]}" || fail "a program has ended, of ${!started[*]}"
    [ $SECONDS -lt $deadline ] || { "$@" || true; fail "in vain waited for: $what"; }
    sleep 1
  done
  echo "$what"
}

# What ironhull has written into its own objects; fails where any of it is missing.
written() {
  kubectl get mutatingwebhookconfiguration zz-ironhull --output json |
    jq --exit-status --compact-output '[.webhooks[].clientConfig.caBundle // ""] | if all(. != "") then unique else empty end' &&
    kubectl --namespace ironhull-system get secret ironhull-certificates --output json |
    jq --exit-status --compact-output '.data // empty'
}

# The Deployment's pods run, and are hardened but for what they are exempt from; itself it is as it was written.
hardened() {
  kubectl --namespace shop get pods --selector app=web --field-selector status.phase=Running --output json |
    jq --exit-status '(.items | length) == 2 and all(.items[].spec;
      .securityContext.runAsUser == 1000 and
      (.containers[0].securityContext | .capabilities.drop == ["ALL"] and (has("readOnlyRootFilesystem") | not)))' &&
    kubectl --namespace shop get deployment web --output json |
    jq --exit-status '.spec.template.spec.securityContext == {"runAsUser": 0}'
}

# The workloads' namespace does not come before ironhull's Deployment is available, which no node lets it be.
held_back() {
  eventually 60 "ironhull's Deployment is there" kubectl --namespace ironhull-system get deployment ironhull
  sleep 15
  if kubectl get namespace shop 2>/dev/null; then fail "the namespace came before ironhull was available"; fi
  echo "the namespace is not"
  kubectl uncordon "$CLUSTER_NODE"
}

opted_in() { [ "$(kubectl get namespace shop --output 'jsonpath={.metadata.labels.ironhull\.dev/harden}')" = enforce ]; }

# The version of a Go module that the module $1 of this directory requires, and where its files are.
required() { (cd "e2e/gitops/$1" && go list -m -f '{{.Version}}' "$2"); }
directory() { (cd "e2e/gitops/$1" && go list -m -f '{{.Dir}}' "$2"); }

# The message $1 refuses a bare pod as the page says.
refused() {
  echo "$1"
  [[ $1 == *"pod updates may not change fields"* ]] || fail "the pod was not refused"
}
