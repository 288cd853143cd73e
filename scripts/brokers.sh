#!/usr/bin/env bash
# Throw-away message brokers for tests and demos: NATS and Redis.
#
#   scripts/brokers.sh start DIR   starts them and prints their URLs
#   scripts/brokers.sh env DIR     the same, printed as `export ARTESIAN_TEST_NATS_URL=…` and so on
#   scripts/brokers.sh stop DIR    stops them and removes what they left
#
# All of them may be repeated. The servers listen on 127.0.0.1 only, trust everyone there and keep
# nothing. The tests of the crate `events` start servers of their own, since they stop them, too.
set -euo pipefail
. "$(dirname "$0")/common.sh"

usage() {
    sed -n '4,6p' "$0" | sed 's/^# \{0,1\}//' >&2
    exit 2
}

[ $# -eq 2 ] || usage
command=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd -P)
# Debian puts servers where users do not always look.
PATH=$PATH:/usr/sbin

# is_running NAME PROGRAM: a process of that number may be somebody else's by now.
is_running() {
    [ -s "$dir/$1.pid" ] && [ "$(cat "/proc/$(cat "$dir/$1.pid")/comm" 2>/dev/null)" = "$2" ]
}

# launch NAME PROGRAM PORT ARGUMENTS…
launch() {
    local name=$1 program=$2 port=$3 try
    shift 3
    "$program" "$@" >"$dir/$name.log" 2>&1 </dev/null &
    echo $! >"$dir/$name.pid"
    echo "$port" >"$dir/$name.port"
    for try in $(seq 200); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
        kill -0 "$(cat "$dir/$name.pid")" 2>/dev/null || break
        sleep 0.05
    done
    fail "$program does not start: $(tail -n 5 "$dir/$name.log")"
}

start() {
    "$(dirname "$0")/install.sh" brokers >&2
    local port
    if ! is_running nats nats-server; then
        port=$(free_port)
        launch nats nats-server "$port" --addr 127.0.0.1 --port "$port"
    fi
    if ! is_running redis redis-server; then
        port=$(free_port)
        launch redis redis-server "$port" --bind 127.0.0.1 --port "$port" --dir "$dir" --save "" --appendonly no
    fi
}

nats_url() { echo "nats://127.0.0.1:$(cat "$dir/nats.port")"; }
redis_url() { echo "redis://127.0.0.1:$(cat "$dir/redis.port")"; }

case $command in
start)
    start
    nats_url
    redis_url
    ;;
env)
    start
    echo "export ARTESIAN_TEST_NATS_URL='$(nats_url)'"
    echo "export ARTESIAN_TEST_REDIS_URL='$(redis_url)'"
    ;;
stop)
    if is_running nats nats-server; then kill "$(cat "$dir/nats.pid")"; fi
    if is_running redis redis-server; then kill "$(cat "$dir/redis.pid")"; fi
    rm -f "$dir"/{nats,redis}.{pid,port,log}
    rmdir "$dir" 2>/dev/null || true
    ;;
*) usage ;;
esac
