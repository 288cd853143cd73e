#!/usr/bin/env bash
# Installs what a job needs and what is missing: build, postgres, browser, python, deny.
# Debian packages need root; elsewhere it says what to install.
set -euo pipefail

packages=()
want() { # command-or-file package
    command -v "$1" >/dev/null 2>&1 || [ -e "$1" ] || packages+=("$2")
}

for job in "$@"; do
    case $job in
    build)
        want cc build-essential
        command -v cargo >/dev/null || { echo "install.sh: Rust is missing: install rustup's stable toolchain" >&2; exit 1; }
        command -v npm >/dev/null || { echo "install.sh: Node 20 or newer is missing" >&2; exit 1; }
        ;;
    postgres)
        compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql postgresql-contrib)
        want psql postgresql-client
        ;;
    browser) want /usr/bin/chromium chromium ;;
    python) want python3 python3-venv ;;
    deny) ;;
    *) echo "install.sh: no such job: $job" >&2; exit 2 ;;
    esac
done

if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "install.sh: missing: ${packages[*]}. As root: apt-get install ${packages[*]}" >&2
        exit 1
    fi
    echo "installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

for job in "$@"; do
    case $job in
    deny)
        [ -x target/tools/bin/cargo-deny ] || cargo install cargo-deny --locked --quiet --root target/tools
        ;;
    python)
        if [ ! -x target/venv/bin/python ]; then
            python3 -m venv target/venv
            target/venv/bin/pip install --quiet 'gql[aiohttp,websockets]==4.4.0'
        fi
        ;;
    esac
done
