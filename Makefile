# make demo    a food-delivery town in SQLite that keeps changing, with the console
# make test    everything, on a bare machine
# make lint    formatting, clippy, licences
# make fuzz    every fuzz target for FUZZ_SECONDS (10)
# make bench   figures, with ratios of the same run
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

CONSOLE := console/dist/index.html
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: autobahn all build console demo test lint fmt deny bench hasura-cases clean-services fuzz

all: build

# The console's files are embedded in the binary; without Node it is built without them.
console: $(CONSOLE)

$(CONSOLE): console/package-lock.json console/package.json console/tsconfig.json $(shell find console -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/.cache/*')
	@scripts/install.sh build
	cd console && npm ci --no-audit --no-fund && npm run build

build: $(CONSOLE)
	@scripts/install.sh build
	cargo build --release --locked -p artesian-cli

demo: build
	$(TARGET)/release/artesian demo

test:
	scripts/test.sh

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	@scripts/install.sh fuzz
	cargo clippy --manifest-path fuzz/Cargo.toml --target-dir $(TARGET) --all-targets --locked -- -D warnings

fmt:
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml

# What reads a peer's bytes: fuzz/README.md.
fuzz:
	@scripts/install.sh fuzz
	scripts/fuzz.sh

# Licences, banned and duplicate crates, sources. The advisory database is not on a package registry, so
# `cargo deny check advisories` is for machines with a wider network.
deny:
	@scripts/install.sh deny
	PATH="$$PATH:$(abspath $(TARGET))/tools/bin" cargo-deny --locked check licenses bans sources

bench: build
	@scripts/install.sh postgres
	cargo build --release --locked -p artesian-bench
	cd bench/peers && npm ci --no-audit --no-fund --silent
	cd bench/peers/gateway && npm ci --no-audit --no-fund --silent
	ulimit -n "$$(ulimit -Hn)"; \
	  for bench in sockets fan-out connects storm auth gateway; do \
	    $(TARGET)/release/artesian-bench $$bench $(TARGET)/release/artesian; \
	  done
	url=$$(scripts/postgres.sh start $(TARGET)/bench-postgres); trap 'scripts/postgres.sh stop $(TARGET)/bench-postgres' EXIT; \
	  $(TARGET)/release/artesian-bench start-up $(TARGET)/release/artesian $$url; \
	  $(TARGET)/release/artesian-bench by-pk $(TARGET)/release/artesian $$url

# Autobahn's cases for the WebSocket codec; with CASES=all those for compression too, with CASES='9.1.*'
# only these.
autobahn:
	@scripts/install.sh python
	scripts/autobahn.sh '$(or $(CASES),default)'

# Replays a public test suite that is not part of this repository, if it is beside it.
hasura-cases:
	@if [ -f ../shared/hasura-cases/replay.py ]; then \
	  cargo build --locked -p artesian-cli; \
	  export ARTESIAN_BIN=$(abspath $(TARGET))/debug/artesian; \
	  for transport in http graphql-ws graphql-transport-ws live; do \
	    python3 ../shared/hasura-cases/replay.py --tier select --transport $$transport --min 95 -q; \
	  done; \
	else echo "hasura-cases: ../shared/hasura-cases is not here; nothing to replay"; fi

# Stops what an interrupted `make test` or `make bench` may have left running.
clean-services:
	-scripts/postgres.sh stop $(TARGET)/test-postgres
	-scripts/postgres.sh stop $(TARGET)/bench-postgres
