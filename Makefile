# `make help` lists what there is. Everything below is a thin line over cargo and scripts/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export INSTALL_DIR ?= $(HOME)/.local/bin
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

# What `loom version` tells of a build.
COMMIT = $(shell git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null)

.PHONY: help build install-core dev-upgrade dev-reload uninstall bootstrap-local test test-core test-peers soak lint bench

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name about; do printf '%-16s %s\n' "$$name" "$$about"; done

build: ## release build: bin/loom and bin/loomd
	$(if $(COMMIT),LOOM_COMMIT=$(COMMIT)) cargo build --release --bin loom
	@mkdir -p bin
	@cp -f $(TARGET_DIR)/release/loom bin/loom.new && mv -f bin/loom.new bin/loom
	@ln -sfn loom bin/loomd

install-core: build ## build and install to INSTALL_DIR (~/.local/bin)
	scripts/install.sh bin/loom

dev-upgrade: build ## build, install, sync clients, restart the daemon once nothing is under way (UPGRADE_WAIT=10m)
	scripts/upgrade.sh bin/loom when-idle

dev-reload: build ## the same, and restart at once: open calls get the drain time
	scripts/upgrade.sh bin/loom now

uninstall: ## take loom off this machine; registry and secrets stay (PURGE=1: they go, too)
	scripts/uninstall.sh $(if $(PURGE),--purge)

bootstrap-local: ## from nothing to a running daemon: quick build, install, first registry, start
	scripts/bootstrap.sh

test: test-core test-peers ## everything that can fail

test-core: lint ## lint, unit and integration tests (installs a keyring and systemd to test with)
	scripts/install-packages.sh
	cargo test --workspace --exclude peers-rmcp --bins --test it
	SOAK_SECONDS=20 SOAK_SEED=1 cargo test --test soak

test-peers: ## real servers, SDKs and clients from npm, PyPI and crates.io (installs them once)
	scripts/install-peers.sh
	cargo build --package peers-rmcp
	cargo test --test peers

soak: ## random traffic and faults against a model of what each side must see (SOAK_SECONDS=1800, SOAK_SEED=)
	SOAK_SECONDS=$${SOAK_SECONDS:-1800} cargo test --release --test soak

lint: ## formatting and clippy, no warnings allowed
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

bench: build ## measure loom beside a direct connection and a byte pump (REPS=5, FAST=1)
	cargo build --release -p mcpbench
	LOOM=$(CURDIR)/bin/loom BENCH_BIN=$(abspath $(TARGET_DIR))/release python3 -B benches/bench.py
