#!/usr/bin/env bash
# Runs Autobahn's cases (PyPI kosoku) against the codec behind a plain echo server. Fails if a case
# does, or if one is missing from the report.
#
#   scripts/autobahn.sh          RFC 6455 whole, of compression 12.1.*: 319 cases, about a minute
#   scripts/autobahn.sh all      all 517 cases: a quarter of an hour
#   scripts/autobahn.sh 9.1.*    these cases
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
case ${1:-default} in
default) selection=(-x '12.[2-9]*' -x '13.*') expected=319 ;;
all) selection=() expected=517 ;;
*) selection=(-i "$1") expected=1 ;;
esac

[ -x "$target/venv/bin/kosoku" ] || "$target/venv/bin/pip" install --quiet 'kosoku==0.1.0'
cargo build --quiet --locked -p artesian-autobahn
# It says where it listens: a port chosen here could be somebody else's by then.
: >"$target/autobahn.address"
"$target/debug/artesian-autobahn" 127.0.0.1:0 >"$target/autobahn.address" &
server=$!
trap 'kill $server' EXIT
until address=$(grep -m 1 : "$target/autobahn.address"); do
    kill -0 $server
    sleep 0.05
done
rm -rf "$target/autobahn"
"$target/venv/bin/kosoku" -m fuzzingclient "${selection[@]}" -p 2 -o "$target/autobahn" "$address"

# It fails with a case; this sees to it that none is missing.
python3 - "$target/autobahn/index.json" "$expected" <<'PYTHON'
import json, sys

path, expected = sys.argv[1], int(sys.argv[2])
with open(path) as file:
    (cases,) = json.load(file).values()
verdicts = [case["behavior"] for case in cases.values()]
print(", ".join(f"{verdicts.count(kind)} {kind}" for kind in sorted(set(verdicts))))
if len(cases) < expected:
    sys.exit(f"only {len(cases)} of {expected} cases were run")
PYTHON
