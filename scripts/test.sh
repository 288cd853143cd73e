#!/usr/bin/env bash
# Everything that is tested, on a bare machine: installs what is missing, starts its own PostgreSQL,
# and stops what it started. Goes on after a failure, and tells at the end what passed.
#
#   scripts/test.sh              everything
#   scripts/test.sh npm pypi     only these steps; the names are those of the summary
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)
postgres=$target/test-postgres
export ARTESIAN_BIN=$target/debug/artesian

# --- steps ----------------------------------------------------------------------------------------

# Packages as the lock file has them, unless they are there already.
packages() {
    (
        cd "$1"
        cmp -s package-lock.json node_modules/.installed-lock && return
        npm ci --no-audit --no-fund
        cp package-lock.json node_modules/.installed-lock
    )
}

step_console() { # types and unit tests of the console
    make --no-print-directory console
    packages console
    cd console
    npm run check
    npm test
}

step_cargo() { # unit tests, protocol scripts, both databases, oracles
    cargo test --workspace --locked --no-fail-fast
}

step_fuzz() { # each target for a few seconds, from the committed inputs; `make fuzz` looks for new faults
    FUZZ_SECONDS=${FUZZ_SECONDS:-5} FUZZ_SEED=${FUZZ_SEED:-1} scripts/fuzz.sh
}

step_npm() { # the binary, through the client libraries that people use; npm's servers beside ours
    packages tests/e2e
    cd tests/e2e
    npm test
}

step_pypi() { # the same for Python's gql
    "$target/venv/bin/python" -m unittest discover -s tests/e2e -p 'test_*.py'
}

step_gateway() { # the binary in front of services of npm, PyPI and Cargo, for clients of every transport
    packages tests/e2e # its helpers
    packages tests/gateway
    # A service as its authors would build it, with features of its own.
    cargo build --quiet --locked --manifest-path tests/services/Cargo.toml --target-dir "$target"
    cd tests/gateway
    ARTESIAN_TEST_TARGET=$target npm test
}

step_autobahn() { # the WebSocket codec, against Autobahn's cases
    scripts/autobahn.sh
}

step_browser() { # the console in Chromium, against a stand-in that it can provoke; pages of other origins
    packages tests/console
    cd tests/console
    npm test
    npm run origins
}

step_demo() { # the console in Chromium, against the demo
    packages tests/console
    : >"$target/demo.log"
    "$ARTESIAN_BIN" demo --port 0 --speed 3 >"$target/demo.log" 2>&1 &
    # Not local: the trap runs after the function.
    demo=$!
    trap 'kill $demo 2>/dev/null || true; wait $demo || true' EXIT
    # It says where it listens.
    local url deadline=$((SECONDS + 300))
    until url=$(grep -oE -m 1 'http://127\.0\.0\.1:[0-9]+/' "$target/demo.log"); do
        kill -0 $demo 2>/dev/null || { cat "$target/demo.log"; return 1; }
        [ "$SECONDS" -lt "$deadline" ] || { cat "$target/demo.log"; return 1; }
        sleep 0.1
    done
    (cd tests/console && ARTESIAN_URL=$url npm test)
}

step_cases() { # public cases, if they are beside the repository
    make --no-print-directory hasura-cases
}

# --- running them ---------------------------------------------------------------------------------

all=(console cargo fuzz npm pypi gateway autobahn browser demo cases)
if [ $# -gt 0 ]; then steps=("$@"); else steps=("${all[@]}"); fi
for step in "${steps[@]}"; do
    [[ " ${all[*]} " == *" $step "* ]] || {
        echo "test.sh: no such step: $step (there are: ${all[*]})" >&2
        exit 2
    }
done

logs=$target/test-logs
mkdir -p "$logs"
summary=()
failed=()

# Runs a step in a shell of its own, with its output in a file as well; a failure is remembered.
run() {
    local name=$1 begin=$SECONDS status=0
    printf '\n=== %s\n' "$name"
    # Not `if` or `||`: within them a failing command would not end the step.
    set +e
    (
        set -e
        "step_$name"
    ) 2>&1 | tee "$logs/$name.log"
    status=${PIPESTATUS[0]}
    set -e
    if [ $status -eq 0 ]; then
        summary+=("$(printf 'passed  %-8s %4s s' "$name" $((SECONDS - begin)))")
    else
        summary+=("$(printf 'FAILED  %-8s %4s s  (exit status %s)' "$name" $((SECONDS - begin)) $status)")
        failed+=("$name")
    fi
}

trap 'scripts/postgres.sh stop "$postgres" >/dev/null || true' EXIT
trap 'exit 130' INT TERM

echo "=== what is missing is installed"
scripts/install.sh build fuzz postgres brokers browser python
echo "=== PostgreSQL, the console's files, the binary"
eval "$(scripts/postgres.sh env "$postgres")"
echo "$ARTESIAN_TEST_POSTGRES_URL"
make --no-print-directory console
# Before the tests, so that a fault of the tests does not keep the binary from being tested.
cargo build --locked -p artesian-cli -p artesian-differential

for step in "${steps[@]}"; do run "$step"; done

printf '\n=== summary (%s s)\n' "$SECONDS"
printf '%s\n' "${summary[@]}"
if [ ${#failed[@]} -gt 0 ]; then
    # At the very end, since that is the part of a long output that people are shown.
    for step in "${failed[@]}"; do
        echo "=== $step: what failed ($logs/$step.log)"
        scripts/failures.sh "$logs/$step.log"
    done
    echo "${#failed[@]} of ${#steps[@]} steps failed"
    exit 1
fi
echo "all ${#steps[@]} steps passed"
