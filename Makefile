# What people and CI run. `make` alone says what there is.

CARGO ?= cargo
GO ?= go
JUDGE := target/judge

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## ironhull at its main job, with no cluster at all
	@$(CARGO) build --locked --bin ironhull
	@$(CARGO) run --quiet --locked -- demo

.PHONY: test
test: judge-if-go ## every test that needs no cluster
	$(CARGO) test --locked --all-targets
	$(CARGO) test --locked --doc
	$(CARGO) check --locked --lib --no-default-features

.PHONY: lint
lint: ## formatting and lints, warnings refused
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- --deny warnings
	$(CARGO) clippy --locked --lib --no-default-features -- --deny warnings

.PHONY: fmt
fmt: ## formats the code
	$(CARGO) fmt

.PHONY: docs
docs: ## regenerates what is generated: docs/, policies/schema.json, expected outputs
	UPDATE_EXPECT=1 $(CARGO) test --locked --all-targets

.PHONY: bench
bench: ## the engine's and the handler's time
	$(CARGO) bench --locked

.PHONY: judge
judge: ## Kubernetes' own Pod Security evaluator as a test tool (needs Go)
	cd e2e/judge && $(GO) build -trimpath -o ../../$(JUDGE) .
	cd e2e/judge && $(GO) vet ./... && $(GO) test ./...

# Tests that need the judge say loudly that they were not run where Go is missing.
.PHONY: judge-if-go
judge-if-go:
	@if command -v $(GO) >/dev/null; then $(MAKE) --no-print-directory judge; \
	else echo "NOT RUN: the tests against Kubernetes' own evaluator need Go" >&2; fi
