# The targets that people and CI call by name.
#   make demo    the main job on an embedded example; needs only cargo
#   make test    everything: formatting, lints, tests, chart, image, a real cluster

SHELL := /bin/bash
CARGO ?= cargo
SECONDS ?= 30
IMAGE := target/image/archmatch.oci.tar

.DEFAULT_GOAL := help
.PHONY: help demo fmt lint msrv deny advisories unit oracle browser test e2e e2e-tools chaos render render-check image bench fuzz

help: ## This list.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

demo: ## The main job on an embedded example: no cluster, no network, no root.
	@mkdir -p target
	$(CARGO) run --locked --quiet -- demo --html target/demo.html

fmt: ## Format the sources.
	$(CARGO) fmt

lint: ## Formatting, clippy with warnings as errors, the workflows.
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	scripts/actionlint.sh

msrv: ## That the oldest compiler which Cargo.toml names still builds it; needs rustup.
	scripts/msrv.sh

deny: ## Licences, bans and sources of the dependencies.
	scripts/deny.sh bans licenses sources

advisories: ## Known vulnerabilities of the dependencies; fetches the database.
	scripts/deny.sh advisories

unit: ## Tests that need no cluster.
	$(CARGO) test --locked --lib --bins --test it

oracle: ## Our answers against upstream's code: N cases a table (10000), SEED for others.
	@if command -v go > /dev/null; then \
	  ORACLE_CASES=$(N) ORACLE_SEED=$(SEED) $(CARGO) test --locked --test oracle; \
	else \
	  echo "the comparison with upstream's code is left out: it needs Go" >&2; [ -z "$$CI" ]; \
	fi

browser: ## The HTML page in a real browser; needs Debian's chromium.
	$(CARGO) test --locked --test browser

test: ## Everything.
	scripts/packages.sh
	$(MAKE) lint
	$(MAKE) unit
	$(MAKE) oracle
	$(MAKE) browser
	$(MAKE) deny
	$(MAKE) render-check
	$(MAKE) e2e

e2e-tools: ## Build the cluster, the node and Helm from their Go modules, once.
	tests/e2e/tools/build.sh

e2e: ## Tests on a real cluster with a real node.
	@if scripts/can-run-cluster.sh; then \
	  $(MAKE) image e2e-tools && $(CARGO) test --locked --test e2e; \
	elif [ -n "$$CI" ]; then exit 1; fi

chaos: ## 500 reviews/s through restarts, new certificates and a killed replica; a line each.
	@scripts/can-run-cluster.sh && $(MAKE) image e2e-tools && $(CARGO) test --locked --test e2e -- --ignored

render: ## Render manifests/ from the chart, and what is published of the program: references, examples.
	ARCHMATCH_RENDER=1 $(CARGO) test --locked --lib -- reference every_format the_page
	ARCHMATCH_RENDER=1 $(CARGO) test --locked --test it documentation
	scripts/render.sh

render-check: ## What the chart renders: its rules, and that manifests/ is up to date.
	scripts/render.sh --check
	$(CARGO) test --locked --test chart

image: ## The container image of this machine's platform, without a Docker engine.
	scripts/image.sh

bench: ## Cost of a review as a ratio to a floor server, what nodes and registries add, a pass of the audit.
	$(CARGO) bench --locked --bench decision --bench floor --bench registry --bench audit

fuzz: ## Each target for SECONDS (30) with inputs that are made up; needs no nightly compiler.
	scripts/fuzz.sh $(SECONDS)
