# credbroker: what a developer types. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The steps share one cargo target directory and two loopback families: side by side they only wait for each other.
.NOTPARALLEL:

ARGS ?=
# PYTEST_ARGS="-k orders -x" narrows a conformance run.
PYTEST_ARGS ?=
# What `make fuzz` runs, and for how long.
TARGET ?= request_intake
SECONDS ?= 600
# How long `make soak` runs, and what is drawn from.
MINUTES ?= 5
SEED ?= $(shell date +%s)

# Most of a test is waiting, so more of them than processors run at once.
TEST_THREADS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n > 4 ? n : 4)))
PYTEST_WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n + 1)))

target := $(or $(CARGO_TARGET_DIR),target)
conformance := tests/conformance
fuzz := tests/fuzz/fuzz.sh
pytest = CREDBROKER_BIN="$(abspath $(target)/debug/credbroker)" \
	CREDBROKER_EMULATOR_BIN="$(abspath $(target)/debug/credbroker-emulator)" \
	PYTHONDONTWRITEBYTECODE=1 $(conformance)/.venv/clients/bin/python -m pytest -c $(conformance)/pytest.ini
say = @printf '\n== %s\n'

.PHONY: help
help: ## list the targets
	@printf 'credbroker: make TARGET\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: need-rust ## emulator, daemon and a tour of both in one command; ARGS=--once ends after the tour
	$(say) 'building the daemon and the demo (the first time takes a few minutes)'
	@# One cargo call for both: built one after the other they would want different features of the same crates.
	@cargo build --locked --bin credbroker --example demo
	$(say) 'starting the demo'
	@cargo run --quiet --locked --example demo -- $(ARGS)

.PHONY: test
test: need-rust need-lints need-python need-node environments format lint deny unit release-check crowd malformed stream conformance deploy-check fuzz-smoke ## everything that must pass before a commit
	$(say) 'all of make test passed'

.PHONY: check-fast
check-fast: format lint ## format, lints and the library's own tests: seconds after a small change
	$(say) 'unit tests of the library'
	@cargo test --locked --lib

.PHONY: format
format: need-lints
	$(say) 'format: cargo fmt --check'
	@cargo fmt --all --check || { echo "Run 'cargo fmt --all' to mend this." >&2; exit 1; }
	@cargo fmt --manifest-path tests/fuzz/Cargo.toml --check || { echo "Run 'cargo fmt --manifest-path tests/fuzz/Cargo.toml' to mend this." >&2; exit 1; }

.PHONY: lint
lint: need-lints
	$(say) 'lints: cargo clippy on every target of the workspace, warnings are errors'
	@cargo clippy --locked --workspace --all-targets -- -D warnings
	$(say) 'lints: the fuzz targets'
	@cargo clippy --locked --all-targets --manifest-path tests/fuzz/Cargo.toml --target-dir $(target) -- -D warnings

.PHONY: deny
deny: need-rust ## the dependencies: licences, sources, what may not be among them, and known advisories
	$(say) 'dependencies: cargo-deny with deny.toml'
	@tools/deny.sh

.PHONY: sbom
sbom: need-rust ## the parts list of the shipped binary (CycloneDX): credbroker.cdx.json in the target directory
	$(say) 'parts list: cargo-cyclonedx'
	@tools/sbom.sh $(target)/credbroker.cdx.json

.PHONY: unit
unit: need-rust need-curl
	$(say) 'tests: unit, property and integration, daemon and emulator'
	@RUST_TEST_THREADS=$(TEST_THREADS) cargo test --locked --workspace

# The workspace is named so that nothing is built twice; the test is alone, for it takes both cores.
.PHONY: crowd
crowd: release-check ## ten thousand users' subject tokens through the daemon as it is shipped
	$(say) 'crowd: ten thousand users, each with credentials of his own, and the memory that takes'
	@CREDBROKER_SUBJECTS=10000 CREDBROKER_BIN="$(abspath $(target)/quick/credbroker)" \
		cargo test --locked --workspace --test it very_many_users -- --nocapture

.PHONY: malformed
malformed: release-check ## a hundred thousand malformed requests to the daemon as it is shipped, and the memory that takes
	$(say) 'malformed: a hundred thousand requests that are nearly right, and the memory that takes'
	@CREDBROKER_MALFORMED=100000 CREDBROKER_BIN="$(abspath $(target)/quick/credbroker)" \
		cargo test --locked --workspace --test it malformed_requests -- --nocapture

# What the conformance tests run. The example is named so that the features are those of `cargo test`: nothing is built twice.
.PHONY: binaries
binaries: need-rust
	$(say) 'binaries: the daemon and the emulator, as the tests run them'
	@cargo build --locked --workspace --bins --examples

.PHONY: stream
stream: release-check ## a gigabyte through a forward address there and back, and the memory that takes
	$(say) 'stream: a gigabyte through curl, the daemon as it is shipped and an echoing service, and the memory that takes'
	@CREDBROKER_STREAM_MIB=1024 CREDBROKER_BIN="$(abspath $(target)/quick/credbroker)" \
		cargo test --locked --workspace --test it a_large_body -- --nocapture

# Not a part of `make test`: a little of it is a test like any other.
.PHONY: soak
soak: release-check ## two daemons under load with faults, reloads and restarts for MINUTES=5, drawn from SEED
	$(say) 'soak: $(MINUTES) minutes of everything going wrong around the daemon as it is shipped'
	@CREDBROKER_SOAK_MINUTES=$(MINUTES) CREDBROKER_SEED=$(SEED) CREDBROKER_BIN="$(abspath $(target)/quick/credbroker)" \
		cargo test --locked --workspace --test it soak:: -- --nocapture

.PHONY: release-check
release-check: need-rust binaries ## what is shipped contains nothing of the emulator
	$(say) 'release: building the daemon without its tests (profile quick, a release without the long link)'
	@cargo build --locked --profile quick
	$(say) 'release: nothing of the emulator and no OpenSSL in it'
	@$(conformance)/release-check.sh $(target)/quick/credbroker $(target)/debug/credbroker-emulator

.PHONY: environments
environments: need-python need-node
	$(say) 'environments: the python and node packages of the conformance tests'
	@$(conformance)/setup.sh

.PHONY: conformance
conformance: binaries environments ## AWS SDKs and CLI, OAuth libraries, aws-jwt-verify, nginx, Chromium, schemathesis, moto, ministack and oidc-provider against the daemon and the emulator
	$(say) 'conformance: software we did not write'
	@$(pytest) $(conformance) --ignore=$(conformance)/test_deploy.py -n $(PYTEST_WORKERS) --dist worksteal $(PYTEST_ARGS)

.PHONY: deploy-check
deploy-check: binaries environments ## the files in deploy/, by systemd's, botocore's and the daemon's own checks
	$(say) 'deploy: units, task definition, configurations, container file'
	@$(pytest) $(conformance)/test_deploy.py $(PYTEST_ARGS)

.PHONY: fuzz-smoke
fuzz-smoke: need-fuzz ## every fuzz target over its corpus and a few thousand inputs more
	$(say) 'fuzz: building every target with coverage counters (the first time takes some minutes)'
	@$(fuzz) build
	$(say) 'fuzz: every target over its corpus and a few thousand inputs more'
	@$(fuzz) smoke

.PHONY: fuzz
fuzz: need-fuzz ## one fuzz target for longer: TARGET=jwt_verification SECONDS=600
	@$(fuzz) run $(TARGET) $(SECONDS)

.PHONY: clean
clean: need-rust ## remove everything that was built
	$(say) 'removing build results and the packages of the conformance tests'
	@cargo clean --quiet
	@rm -rf $(conformance)/.venv $(conformance)/node/node_modules .tools
	@find tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A missing tool is one sentence, not a failure three steps later.
.PHONY: need-rust
need-rust:
	@command -v cargo >/dev/null 2>&1 || { echo 'cargo is not installed: credbroker is built with Rust 1.95 or newer, see https://rustup.rs' >&2; exit 1; }
	@command -v cc >/dev/null 2>&1 || { echo 'cc is not installed: a C compiler is needed (Debian: apt-get install build-essential)' >&2; exit 1; }

.PHONY: need-lints
need-lints: need-rust
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || { echo 'rustfmt or clippy is not installed: rustup component add rustfmt clippy' >&2; exit 1; }

.PHONY: need-fuzz
need-fuzz: need-rust
	@command -v c++ >/dev/null 2>&1 || { echo 'c++ is not installed: a C++ compiler is needed for libFuzzer (Debian: apt-get install build-essential)' >&2; exit 1; }

.PHONY: need-curl
need-curl:
	@command -v curl >/dev/null 2>&1 || { echo 'curl is not installed: the tests of forward addresses need it (Debian: apt-get install curl)' >&2; exit 1; }

.PHONY: need-python
need-python:
	@command -v python3 >/dev/null 2>&1 || { echo 'python3 is not installed: the conformance tests need it (Debian: apt-get install python3 python3-venv)' >&2; exit 1; }

.PHONY: need-node
need-node:
	@command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || { echo 'node or npm is not installed: the conformance tests need both (Debian: apt-get install nodejs npm)' >&2; exit 1; }
