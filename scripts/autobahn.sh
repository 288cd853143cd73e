#!/usr/bin/env bash
# Runs Autobahn's cases (PyPI kosoku) against the codec behind a plain echo server.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
[ -x "$target/venv/bin/kosoku" ] || "$target/venv/bin/pip" install --quiet 'kosoku==0.1.0'
cargo build --quiet --locked -p artesian-autobahn
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$target/debug/artesian-autobahn" "127.0.0.1:$port" &
server=$!
trap 'kill $server' EXIT
until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    kill -0 $server
    sleep 0.05
done
"$target/venv/bin/kosoku" -m fuzzingclient -x '12.*' -x '13.*' -p 2 -o "$target/autobahn" "127.0.0.1:$port"
