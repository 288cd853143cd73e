#!/usr/bin/env bash
# Everything that is tested, on a bare machine: installs what is missing, starts its own PostgreSQL,
# and stops what it started.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n=== %s (%ss)\n' "$*" "$SECONDS"; }

step "install what is missing"
scripts/install.sh build postgres browser python

step "console: build and unit tests"
make --no-print-directory console
(cd console && npm run check && npm test)

step "PostgreSQL"
postgres=target/test-postgres
trap 'status=$?; kill ${demo:-} 2>/dev/null || true; scripts/postgres.sh stop "$postgres" || true; exit $status' EXIT
eval "$(scripts/postgres.sh env "$postgres")"
echo "$ARTESIAN_TEST_POSTGRES_URL"

step "cargo test"
cargo test --workspace --locked

step "the binary"
cargo build --locked -p artesian-cli
export ARTESIAN_BIN=$PWD/target/debug/artesian

step "real clients (npm)"
(cd tests/e2e && npm ci --no-audit --no-fund && npm test)

step "real clients (PyPI)"
target/venv/bin/python -m unittest discover -s tests/e2e -p 'test_*.py' -v

step "console in a browser, against a stand-in and against the demo"
(cd tests/console && npm ci --no-audit --no-fund && npm test)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$ARTESIAN_BIN" demo --port "$port" --speed 3 >target/demo.log 2>&1 &
demo=$!
for _ in $(seq 300); do
    if curl -sf "http://127.0.0.1:$port/healthz" >/dev/null; then break; fi
    kill -0 "$demo" || { cat target/demo.log; exit 1; }
    sleep 0.1
done
(cd tests/console && ARTESIAN_URL="http://127.0.0.1:$port" npm test)

step "public cases beside the repository"
make --no-print-directory hasura-cases

step "all passed"
