#!/usr/bin/env bash
# Fuzzes what reads a peer's bytes. Needs no nightly toolchain and no cargo-fuzz: libFuzzer comes with
# libfuzzer-sys, and the compiler puts in the counters that it looks at. See fuzz/README.md.
#
#   scripts/fuzz.sh                  every target, FUZZ_SECONDS each (10)
#   scripts/fuzz.sh client http      only these
#   scripts/fuzz.sh --build          compiles them and runs none
#
# FUZZ_SEED makes runs alike; without it each looks elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."

# Where a fault arose is in the message; the frames above it are libFuzzer's.
export RUST_BACKTRACE=0
seconds=${FUZZ_SECONDS:-10}
mkdir -p "${CARGO_TARGET_DIR:-target}"
target=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')

# One counter for each edge, comparisons are reported, no sanitizer: unsafe code is forbidden in ours.
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
coverage+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
coverage+=" -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"

# With a target named, the flags are not used for build scripts and macros.
RUSTFLAGS="$coverage --cfg fuzzing" cargo build --quiet --release --locked \
    --manifest-path fuzz/Cargo.toml --target-dir "$target" --target "$host" --bins

targets=(frames server_transport_ws server_legacy client http streams graphql origins credentials tokens)
[ "${1:-}" = --build ] && exit
[ $# -gt 0 ] && targets=("$@")

failed=()
for name in "${targets[@]}"; do
    grown=fuzz/grown/$name
    log=$target/$name.log
    mkdir -p "$grown" "fuzz/artifacts/$name"
    options=(-max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048
        -artifact_prefix="fuzz/artifacts/$name/" -print_final_stats=1 -verbosity=1)
    [ -n "${FUZZ_SEED:-}" ] && options+=(-seed="$FUZZ_SEED")
    case $name in
    server_* | client) options+=(-dict=fuzz/dictionaries/session.dict) ;;
    origins | credentials | tokens) options+=(-dict=fuzz/dictionaries/auth.dict) ;;
    http | graphql) options+=(-dict="fuzz/dictionaries/$name.dict") ;;
    esac
    status=0
    "$target/$host/release/$name" "${options[@]}" "$grown" "fuzz/corpus/$name" >"$log" 2>&1 || status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    covered=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1) || covered="cov: ?"
    printf '%-20s %10s runs %8s /s  %s\n' "$name" "${runs:-?}" "${rate:-?}" "$covered"
    if [ $status -ne 0 ]; then
        failed+=("$name")
        tail -n 40 "$log"
    fi
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "fuzz.sh: failed: ${failed[*]}; the inputs are in fuzz/artifacts" >&2
    exit 1
fi
