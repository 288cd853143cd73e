#!/usr/bin/env bash
# Installs what a job needs and what is missing: build, fuzz, postgres, brokers, browser,
# python, deny.
# Debian packages need root; elsewhere it says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

target=${CARGO_TARGET_DIR:-target}
packages=()

for job in "$@"; do
    case $job in
    build)
        command -v cc >/dev/null || packages+=(build-essential)
        command -v cargo >/dev/null || fail "Rust is missing: install rustup's stable toolchain"
        command -v npm >/dev/null || fail "Node 20 or newer is missing"
        ;;
    postgres)
        [ -n "${PG_BIN:-}" ] || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ||
            packages+=(postgresql postgresql-contrib)
        command -v psql >/dev/null || packages+=(postgresql-client)
        ;;
    brokers)
        command -v nats-server >/dev/null || packages+=(nats-server)
        command -v redis-server >/dev/null || packages+=(redis-server)
        ;;
    browser) [ -n "${CHROMIUM:-}" ] || [ -e /usr/bin/chromium ] || packages+=(chromium) ;;
    # Debian's Python comes without what makes virtual environments.
    python) python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv) ;;
    # libFuzzer is C++.
    fuzz) command -v c++ >/dev/null || packages+=(g++) ;;
    deny) ;;
    *)
        echo "install.sh: no such job: $job" >&2
        exit 2
        ;;
    esac
done

if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "missing: ${packages[*]}. As root on Debian: apt-get install ${packages[*]}"
    fi
    echo "installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # Debian would otherwise create and start a cluster of its own.
    if [[ " ${packages[*]} " == *" postgresql "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

for job in "$@"; do
    case $job in
    deny)
        # It takes minutes to compile, so it is kept.
        command -v cargo-deny >/dev/null || [ -x "$target/tools/bin/cargo-deny" ] ||
            cargo install cargo-deny --locked --quiet --root "$target/tools"
        ;;
    python)
        wanted=(tests/e2e/requirements.txt tests/gateway/requirements.txt)
        if ! cmp -s <(cat "${wanted[@]}") "$target/venv/installed"; then
            python3 -m venv --clear "$target/venv"
            "$target/venv/bin/pip" install --quiet "${wanted[@]/#/--requirement=}"
            cat "${wanted[@]}" >"$target/venv/installed"
        fi
        ;;
    esac
done
