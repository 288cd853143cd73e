#!/usr/bin/env bash
# What failed in a step's output and what it said first, in few lines: who reads the result of a
# run elsewhere may be shown no more than the end of it. Knows Cargo's tests, both styles of Node's
# test runner and unittest; if nothing looks like a failed test, the output's last lines.
#
#   scripts/failures.sh LOG
set -euo pipefail
log=$1

short() { # at most $1 lines of at most 140 characters
    awk '{ print substr($0, 1, 140) }' | awk -v most="$1" 'NF && NR <= most'
}

names=$(grep -aE \
    -e '^test .* FAILED$' \
    -e '^ *(not ok|✖) ' \
    -e '^(FAIL|ERROR): ' \
    -e '^error(\[E[0-9]+\])?: ' \
    "$log" | grep -avE '✖ failing tests:' | awk '!seen[$0]++' | short 8) || true
reasons=$(grep -aE -A 5 \
    -e '^thread .* panicked at ' \
    -e '^ *(AssertionError|TypeError|Error)\b' \
    "$log" | short 10) || true
if [ -n "$names$reasons" ]; then
    printf '%s\n' "$names" "$reasons"
else
    tail -n 15 "$log" | short 15
fi
