//! `make bench`: figures anyone can repeat. What each measures: `docs/benchmarks.md`.
//!
//! ```text
//! artesian-bench by-pk    PATH_OF_ARTESIAN DATABASE_URL   requests per second against a hand-written server
//! artesian-bench start-up PATH_OF_ARTESIAN DATABASE_URL   start-up time with 1, 100 and 1,000 tables
//! artesian-bench sockets  PATH_OF_ARTESIAN                memory of idle connections
//! artesian-bench fan-out  PATH_OF_ARTESIAN                CPU time of a message to 10,000 sockets
//! artesian-bench connects PATH_OF_ARTESIAN                connects per second
//! artesian-bench storm    PATH_OF_ARTESIAN                10,000 clients come back at once
//! artesian-bench auth     [PATH_OF_ARTESIAN]              CPU time of telling who asks; a burst with one token
//! artesian-bench gateway  PATH_OF_ARTESIAN [CLIENTS]      a service behind it and behind gateways in Node
//! ```
//! All parties of a comparison run at the same time on the same machine, in turns, and a ratio of
//! one run is what is printed; absolute figures depend on the machine.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark stops at any failure")]

mod auth;
mod by_pk;
mod connects;
mod fan_out;
mod gateway;
mod load;
mod notes;
mod peer;
mod process;
mod server;
mod sockets;
mod start_up;
mod storm;
mod swarm;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        // Processes that benchmarks start.
        ["swarm", address] => swarm::obey(address, None),
        ["swarm", address, file] => swarm::obey(address, Some(file)),
        ["bare-writes"] => peer::bare_writes(),
        args => benchmark(args),
    }
}

#[tokio::main]
async fn benchmark(args: &[&str]) {
    match args {
        ["by-pk", artesian, url] => by_pk::run(artesian, url).await,
        ["start-up", artesian, url] => start_up::run(artesian, url).await,
        ["sockets", artesian] => sockets::run(artesian).await,
        ["fan-out", artesian] => fan_out::run(artesian).await,
        ["connects", artesian] => connects::run(artesian).await,
        ["storm", artesian] => storm::run(artesian).await,
        ["auth"] => auth::cost().await,
        ["auth", artesian] => auth::run(artesian).await,
        // `--peers-only` in the place of the path: the others alone.
        ["gateway", artesian] => gateway::run(artesian, None).await,
        ["gateway", artesian, clients] => gateway::run(artesian, Some(clients)).await,
        // Started by `by-pk`, by `gateway`, and by several.
        ["hand-written", url] => by_pk::serve_peer(url).await,
        ["gateway-service"] => gateway::serve().await,
        ["bare-sockets", buffer] => peer::bare_sockets(buffer).await,
        _ => {
            println!(
                "usage: artesian-bench by-pk|start-up PATH_OF_ARTESIAN DATABASE_URL\n       \
                 artesian-bench sockets|fan-out|connects|storm|auth PATH_OF_ARTESIAN\n       \
                 artesian-bench gateway PATH_OF_ARTESIAN|--peers-only [CLIENTS]"
            );
            std::process::exit(2);
        }
    }
}
