# What people and CI run. `make` alone says what there is.

CARGO ?= cargo
GO ?= go
JUDGE := target/judge
HELM_VERSION := v4.3.0
HELM := target/tools/helm
KUSTOMIZE_VERSION := v5.8.1
KUSTOMIZE := target/tools/kustomize
COSIGN_VERSION := v3.1.3
KREW_VERSION := v0.4.3

# Cargo's programs, at the versions that the targets were tried with. $(call need,fuzz) installs one
# where it is missing: cargo-deny takes five minutes of one core, the others one or two.
cargo-auditable := cargo-auditable@0.7.7
cargo-cyclonedx := cargo-cyclonedx@0.5.9
cargo-deny := cargo-deny@0.20.2
cargo-fuzz := cargo-fuzz@0.13.2
need = @command -v cargo-$(1) >/dev/null || $(CARGO) install --locked $(cargo-$(1))

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## ironhull at its main job, with no cluster at all
	@$(CARGO) build --locked --bin ironhull
	@$(CARGO) run --quiet --locked -- demo
	@echo; echo 'ironhull is in target/debug: export PATH="$$PWD/target/debug:$$PATH"'

.PHONY: test
test: left-out judge-if-go tools-if-go ## every test that needs no cluster
	$(CARGO) test --locked --workspace --all-targets
	$(CARGO) test --locked --workspace --doc
	$(CARGO) check --locked --package ironhull-engine --package kube-yaml

# What of `make test` cannot run here, and why: the first line that it prints. Each of these tests says so
# itself too, and in CI (CI=true) fails instead.
.PHONY: left-out
left-out:
	@left=; out() { left="$$left$${left:+; }$$1"; }; \
	command -v $(GO) >/dev/null || out "Kubernetes' own evaluator and decoder, helm, kustomize (Go is missing)"; \
	[ -d "$$IRONHULL_CORPUS" ] || out "real manifests (IRONHULL_CORPUS names no directory of them)"; \
	[ -x "$${IRONHULL_PROMTOOL:-target/tools/promtool}" ] || out "alerts (promtool is missing: e2e/setup)"; \
	[ -x target/tools/docker-registry ] || command -v docker-registry >/dev/null || out "registries (docker-registry is missing: e2e/setup)"; \
	for tool in bash zsh fish groff script git patch skopeo htpasswd jq; do command -v $$tool >/dev/null || out "$$tool (not installed)"; done; \
	echo "make test: $${left:+all but: }$${left:-nothing is left out}"

.PHONY: lint
lint: ## formatting and lints, warnings refused
	$(CARGO) fmt --check --all
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	$(CARGO) clippy --locked --workspace --features e2e --all-targets -- --deny warnings

.PHONY: fmt
fmt: ## formats the code
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

.PHONY: docs
docs: tools-if-go ## regenerates what is generated: docs/, policies/schema.json, deploy/install.yaml, expected outputs
	UPDATE_EXPECT=1 $(CARGO) test --locked --workspace --all-targets

# Not in CI: a browser, and packages of three other languages.
.PHONY: report-check
report-check: ## the report's page in a browser, and OSCAL and OpenReports by other programs
	CARGO="$(CARGO)" GO="$(GO)" e2e/report/check

# Not in CI of a change: a browser, and packages of another language.
MDBOOK_VERSION := 0.5.4
MDBOOK := target/tools/bin/mdbook
$(MDBOOK):
	$(CARGO) install --locked --root target/tools --no-default-features --features search mdbook@$(MDBOOK_VERSION)

.PHONY: site
site: $(MDBOOK) ## the pages as a site, target/site, looked at in a browser (minutes; needs chromium, npm)
	CARGO="$(CARGO)" site/build

# Not in CI: the first build takes three minutes of processor time.
.PHONY: agreement
agreement: judge ## reports and hardened templates held against Trivy and kube-score (needs Go, IRONHULL_CORPUS; minutes)
	cd e2e/scanners && export GOEXPERIMENT=jsonv2 && $(GO) vet -trimpath ./... && $(GO) test -trimpath ./... && \
	  $(GO) build -trimpath -o ../../target/scanners .
	$(CARGO) test --locked --test agreement -- --ignored --nocapture

# A static binary, for an image with nothing else in it. With --target, the flags are for the binary
# and not for what runs while it is built. cargo forgets the profile's `strip` for a package with an
# `opt-level` of its own. Paths of this machine are mapped to names that are the same on each.
# STATIC_TARGET=aarch64-unknown-linux-gnu crosses, with the linker and the strip of Debian's gcc-aarch64-linux-gnu
# (which the `cc` crate finds by itself) and `rustup target add`.
NATIVE_ARCH := $(shell uname -m)
STATIC_TARGET ?= $(NATIVE_ARCH)-unknown-linux-gnu
STATIC_DIR ?= target/static
STATIC_ARCH = $(firstword $(subst -, ,$(STATIC_TARGET)))
CROSS = $(if $(filter-out $(NATIVE_ARCH),$(STATIC_ARCH)),$(STATIC_ARCH)-linux-gnu-)
CARGO_HOME_DIR = $(or $(CARGO_HOME),$(HOME)/.cargo)
.PHONY: release-static
release-static: ## target/static/ironhull: what the image holds, with the list of its crates inside
	$(call need,auditable)
	$(if $(CROSS),CARGO_TARGET_$(shell echo $(STATIC_ARCH) | tr a-z A-Z)_UNKNOWN_LINUX_GNU_LINKER=$(CROSS)gcc) \
	  RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$(CURDIR)=/build --remap-path-prefix=$(CARGO_HOME_DIR)=/cargo" \
	  $(CARGO) auditable build --release --locked --target $(STATIC_TARGET)
	mkdir -p $(STATIC_DIR)
	$(CROSS)strip -o $(STATIC_DIR)/ironhull target/$(STATIC_TARGET)/release/ironhull

# The image holds that one file, so what it is made of is what the image is made of. Names of crates have no paths of
# this machine; cargo leaves a crate's name out where the directory is called the same.
SBOM = $(STATIC_DIR)/ironhull.cdx.json
.PHONY: sbom
sbom: release-static ## target/static/ironhull.cdx.json: the image's bill of materials (CycloneDX), checked (needs Go)
	$(call need,cyclonedx)
	$(CARGO) cyclonedx --quiet --format json --spec-version 1.5 --describe binaries --target $(STATIC_TARGET)
	sed -e 's|path+file://$(CURDIR)#\([0-9]\)|path+file://$(CURDIR)#ironhull@\1|g' -e 's|path+file://$(CURDIR)|path+file:///build|g' \
	  ironhull_bin.cdx.json >$(SBOM)
	rm ironhull_bin.cdx.json
	cd e2e/sbom && $(GO) vet ./... && $(GO) build -trimpath -o ../../target/sbom .
	target/sbom --target $(STATIC_TARGET) $(STATIC_DIR)/ironhull $(SBOM)

# docs/releasing.md. RELEASE_REGISTRY is where the images and the chart will be, RELEASE_REPOSITORY the page of this
# repository. Nothing is pushed but by release-push.
export RELEASE_REGISTRY RELEASE_REPOSITORY
.PHONY: release
release: $(HELM) ## target/dist: archives, images, chart and all else of a release, signed where there is a key
	deploy/release/build

.PHONY: release-push
release-push: $(HELM) ## pushes the images and the chart of target/dist to RELEASE_REGISTRY
	deploy/release/push

.PHONY: release-tools
release-tools: target/tools/cosign target/tools/kubectl-krew ## cosign, which signs a release, and krew, which checks it (needs Go)

# Not in CI: what these take is minutes to an hour.
.PHONY: release-check
release-check: $(HELM) ## target/dist pushed to a registry of its own and installed from there, on a cluster of its own (root)
	deploy/release/check

.PHONY: release-reproducible
release-reproducible: $(HELM) ## builds the release once more in another directory, and compares (as long as a release)
	deploy/release/reproducible

.PHONY: upgrade-check
upgrade-check: $(HELM) ## from the previous version and back, below a stream of creations (a cluster of its own; root)
	e2e/upgrade

# Nightly, and before a release. The first build takes ten minutes of processor time for each of the two.
.PHONY: gitops-check
gitops-check: ## docs/gitops.md held against Flux and Argo CD themselves, on a cluster of its own (needs Go; root)
	e2e/gitops/check

.PHONY: image
image: ## ironhull's image from the Dockerfile, without a registry (needs buildah)
	e2e/image

.PHONY: cluster
cluster: ## a cluster to test on: kind, or without a container engine a real node
	e2e/cluster/cluster start

.PHONY: cluster-down
cluster-down: ## removes it
	e2e/cluster/cluster stop

.PHONY: demo-cluster
demo-cluster: ## ironhull on a live pod, on a cluster of its own, seen from inside (installs Debian packages: needs root)
	@e2e/demo

.PHONY: e2e
e2e: ## the end-to-end suite, on a cluster of its own (or E2E_KUBECONFIG's)
	e2e/run

# Not in CI, but nightly and before a release: the first build of each takes a quarter of an hour.
VERSIONS ?=
.PHONY: versions
versions: ## the suite on each Kubernetes that is supported (VERSIONS="1.33 1.37": on those), and docs/versions.md of what ran
	e2e/versions $(VERSIONS)

.PHONY: cluster-check
cluster-check: ## the node without a container engine: what pods see, and that nothing is left behind (minutes)
	cd e2e/cluster && CLUSTER_CHECK=1 $(GO) test -count=1 -timeout 30m -p 1 -v ./...

.PHONY: kind-config-check
kind-config-check: ## kind's own parser on kind-config.yaml, and all tests of e2e/cluster that need no cluster
	cd e2e/cluster && $(GO) vet ./... && $(GO) test -count=1 -skip '^TestNode$$' -v ./...

.PHONY: bench
bench: ## measures all of docs/performance.md anew (BENCH=engine,https for parts; a quarter of an hour; needs Go, root)
	benches/run

.PHONY: abuse
abuse: ## attacks on the running server, measured: docs/abuse.json and docs/abuse.md (six minutes; needs openssl, gzip)
	$(CARGO) bench --locked --bench abuse

.PHONY: known-images
known-images: ## the list of known images against the images themselves (asks registries)
	$(CARGO) test --locked --test images known -- --ignored --nocapture

.PHONY: heavy-images
heavy-images: ## layers that are large or want to be: time and memory of reading them (IRONHULL_BINARY; minutes)
	$(CARGO) test --locked --test images heavy -- --ignored --nocapture --test-threads=1

# In a copy, so that nobody's work is changed. MUTANTS_ARGS="-F user.rs" takes one file.
# No baseline: it tests the engine alone, and the golden cases are the root package's.
MUTANTS_ARGS ?=
.PHONY: mutants
mutants: ## changes the engine in every small way and shows what no test notices (needs cargo-mutants; an hour)
	$(CARGO) mutants --workspace --baseline=skip --timeout=60 --output target $(MUTANTS_ARGS)

.PHONY: judge
judge: ## Kubernetes' own Pod Security evaluator as a test tool (needs Go)
	cd e2e/judge && $(GO) build -trimpath -o ../../$(JUDGE) .
	cd e2e/judge && $(GO) vet ./... && $(GO) test ./...

# Tests that need the judge say loudly that they were not run where Go is missing.
.PHONY: judge-if-go
judge-if-go:
	@if command -v $(GO) >/dev/null; then $(MAKE) --no-print-directory judge; \
	else echo "NOT RUN: the tests against Kubernetes' own evaluator need Go" >&2; fi

$(HELM):
	GOBIN=$(CURDIR)/target/tools $(GO) install helm.sh/helm/v4/cmd/helm@$(HELM_VERSION)

$(KUSTOMIZE):
	GOBIN=$(CURDIR)/target/tools $(GO) install sigs.k8s.io/kustomize/kustomize/v5@$(KUSTOMIZE_VERSION)

target/tools/cosign:
	GOBIN=$(CURDIR)/target/tools $(GO) install github.com/sigstore/cosign/v3/cmd/cosign@$(COSIGN_VERSION)

target/tools/kubectl-krew:
	GOBIN=$(CURDIR)/target/tools $(GO) install sigs.k8s.io/krew/cmd/krew@$(KREW_VERSION)
	mv target/tools/krew $@

.PHONY: tools
tools: $(HELM) $(KUSTOMIZE) ## helm and kustomize, which tests put ironhull behind (needs Go)

.PHONY: tools-if-go
tools-if-go:
	@if command -v $(GO) >/dev/null; then $(MAKE) --no-print-directory tools; \
	else echo "NOT RUN: the tests with helm and kustomize need Go, which builds them" >&2; fi

# Longer than among the other tests, and from another seed each time (FUZZ_SEED names one).
FUZZ_SECONDS ?= 600
.PHONY: fuzz-editor
fuzz-editor: judge-if-go ## the YAML editor on texts that nobody wrote, for FUZZ_SECONDS (600)
	FUZZ_SECONDS=$(FUZZ_SECONDS) nice $(CARGO) test --locked --test fuzz_editor -- --nocapture

# Without a sanitizer it takes any toolchain, and half the time: the code that is reached has no
# `unsafe` of its own. FUZZ_SANITIZER=address looks at what is below, and needs nightly.
FUZZ_SANITIZER ?= none
.PHONY: fuzz-build
fuzz-build: ## the fuzzer's targets
	$(call need,fuzz)
	$(CARGO) metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
	$(CARGO) fuzz build --sanitizer $(FUZZ_SANITIZER)

.PHONY: fuzz
fuzz: judge-if-go fuzz-build ## every fuzz target in turn, FUZZ_SECONDS (600) each
	FUZZ_SECONDS=$(FUZZ_SECONDS) nice fuzz/run

.PHONY: deny
deny: ## what may be in the tree of dependencies: duplicates, licences, sources
	$(call need,deny)
	$(CARGO) deny --locked check bans licenses sources

.PHONY: advisories
advisories: ## known vulnerabilities, taken-back and unmaintained versions (fetches their database)
	$(call need,deny)
	$(CARGO) deny --locked check advisories

# One set of values a way to have certificates, and one that sets nearly everything.
CHART_VALUES := $(wildcard tests/chart/values/*.yaml)

.PHONY: chart-lint
chart-lint: $(HELM) ## the Helm chart: lint, schema, and a rendering for each certificate option
	$(HELM) lint --strict --quiet deploy/chart
	@set -e; for values in $(CHART_VALUES); do echo "$$values"; \
	  $(HELM) lint --strict --quiet deploy/chart --values $$values; \
	  $(HELM) template ironhull deploy/chart --namespace ironhull-system --values $$values >/dev/null; \
	done
