#!/usr/bin/env bash
# A throw-away PostgreSQL cluster for tests and demos.
#
#   scripts/postgres.sh start DIR [PORT]   starts it (creating it first) and prints its URL
#   scripts/postgres.sh env DIR [PORT]     the same, printed as `export ARTESIAN_TEST_POSTGRES_URL=…`
#   scripts/postgres.sh pause DIR          stops the server at once and keeps the data
#   scripts/postgres.sh stop DIR           stops the server and removes the data
#   scripts/postgres.sh url DIR            prints the URL of a cluster that runs
#
# All of them may be repeated. The server listens on 127.0.0.1 only, trusts everyone there, has
# logical replication switched on, and keeps nothing safe from a power cut. PG_BIN names the
# directory of PostgreSQL's programs if they are in an unusual place.
set -euo pipefail
. "$(dirname "$0")/common.sh"

usage() {
    sed -n '3,8p' "$0" | sed 's/^# \{0,1\}//' >&2
    exit 2
}

[ $# -ge 2 ] || usage
command=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd -P)
wanted_port=${3:-}

# --- programs -------------------------------------------------------------------------------------

newest_bin() {
    local candidate
    for candidate in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
        if [ -x "$candidate/initdb" ]; then
            echo "$candidate"
            return
        fi
    done
    candidate=$(command -v initdb || true)
    if [ -n "$candidate" ]; then dirname "$candidate"; fi
}

find_bin() {
    bin=${PG_BIN:-$(newest_bin)}
    if [ -z "$bin" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "postgres.sh: installing PostgreSQL" >&2
        export DEBIAN_FRONTEND=noninteractive
        # Debian would otherwise create and start a cluster of its own.
        mkdir -p /etc/postgresql-common
        [ -e /etc/postgresql-common/createcluster.conf ] ||
            echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
        { apt-get update && apt-get install -y --no-install-recommends postgresql; } >&2
        bin=$(newest_bin)
    fi
    [ -n "$bin" ] && [ -x "$bin/initdb" ] ||
        fail "no PostgreSQL found; install it (Debian: apt-get install postgresql) or set PG_BIN"
}

# --- the server's user: PostgreSQL refuses to run as root -------------------------------------------

find_user() {
    user=
    [ "$(id -u)" = 0 ] || return 0
    for user in postgres artesian-test; do
        if id "$user" >/dev/null 2>&1; then return; fi
    done
    useradd --system --no-create-home --shell /usr/sbin/nologin "$user"
}

as_user() {
    if [ -n "$user" ]; then
        (cd / && setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups -- "$@")
    else
        "$@"
    fi
}

# The data lies in DIR, or in a directory of its own where the server's user cannot enter DIR.
find_home() {
    if [ -s "$dir/home" ] && [ -d "$(cat "$dir/home")" ]; then
        home=$(cat "$dir/home")
        return
    fi
    home=$dir/cluster
    mkdir -p "$home"
    if [ -n "$user" ]; then
        chown "$user" "$home"
        if ! as_user test -w "$home"; then
            rmdir "$home"
            home=$(mktemp -d "${TMPDIR:-/tmp}/artesian-postgres.XXXXXX")
            chown "$user" "$home"
        fi
    fi
    chmod 700 "$home"
    echo "$home" >"$dir/home"
}

# --- the cluster ------------------------------------------------------------------------------------

is_running() {
    [ -s "$home/data/postmaster.pid" ] &&
        as_user "$bin/pg_ctl" --pgdata "$home/data" status >/dev/null 2>&1
}

create() {
    [ ! -s "$home/data/PG_VERSION" ] || return 0
    as_user "$bin/initdb" --pgdata "$home/data" --username postgres --auth trust \
        --encoding UTF8 --locale C.UTF-8 --no-sync >"$dir/log" 2>&1 ||
        fail "initdb failed: $(cat "$dir/log")"
    as_user tee -a "$home/data/postgresql.conf" >/dev/null <<'CONF'
listen_addresses = '127.0.0.1'
timezone = 'UTC'
log_timezone = 'UTC'
wal_level = logical
max_replication_slots = 50
max_wal_senders = 50
max_connections = 300
shared_buffers = 64MB
fsync = off
synchronous_commit = off
full_page_writes = off
CONF
}

launch() {
    # A path for a socket has 107 bytes; without room there is only TCP.
    local sockets=$home
    [ "${#sockets}" -le 80 ] || sockets=
    as_user "$bin/pg_ctl" --pgdata "$home/data" --log "$home/server.log" --wait --timeout 60 \
        --options "-p $1 -c unix_socket_directories='$sockets'" start >/dev/null 2>&1
}

start() {
    find_bin && find_user && find_home
    if is_running; then return; fi
    create
    local port try
    port=${wanted_port:-$(cat "$dir/port" 2>/dev/null || free_port)}
    for try in 1 2 3; do
        if launch "$port"; then
            echo "$port" >"$dir/port"
            return
        fi
        # Somebody may have taken the port meanwhile.
        [ -z "$wanted_port" ] || break
        port=$(free_port)
    done
    fail "the server does not start: $(tail -n 5 "$home/server.log" 2>/dev/null)"
}

halt() {
    find_bin && find_user && find_home
    if is_running; then
        as_user "$bin/pg_ctl" --pgdata "$home/data" --mode "$1" --wait stop >/dev/null
    fi
}

url() {
    [ -s "$dir/port" ] || fail "nothing runs in $dir"
    echo "postgres://postgres@127.0.0.1:$(cat "$dir/port")/postgres"
}

case $command in
start)
    start
    url
    ;;
env)
    start
    echo "export ARTESIAN_TEST_POSTGRES_URL='$(url)'"
    ;;
pause) halt fast ;;
stop)
    if [ -s "$dir/home" ]; then
        halt immediate
        rm -rf "$home"
    fi
    rm -f "$dir/home" "$dir/port" "$dir/log"
    rmdir "$dir" 2>/dev/null || true
    ;;
url) url ;;
*) usage ;;
esac
