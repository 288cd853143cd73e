# What the other scripts have in common: they source it.

# fail WORDS…: ends the script with a message.
fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# Prints a port of 127.0.0.1 on which nobody listens now.
free_port() {
    local port try
    for try in $(seq 50); do
        port=$((20000 + (RANDOM * 32768 + RANDOM + try) % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    fail "no free port found"
}
