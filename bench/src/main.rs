//! `make bench`: figures anyone can repeat.
//!
//! ```text
//! artesian-bench by-pk    PATH_OF_ARTESIAN DATABASE_URL   requests per second against a hand-written server
//! artesian-bench start-up PATH_OF_ARTESIAN DATABASE_URL   start-up time with 1, 100 and 1,000 tables
//! ```
//! All parties of a comparison run at the same time on the same machine, in turns, and a ratio of
//! one run is what is printed; absolute figures depend on the machine.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark stops at any failure")]

mod by_pk;
mod load;
mod server;
mod start_up;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["by-pk", artesian, url] => by_pk::run(artesian, url).await,
        // Started by `by-pk`.
        ["hand-written", url] => by_pk::serve_peer(url).await,
        ["start-up", artesian, url] => start_up::run(artesian, url).await,
        _ => {
            println!("usage: artesian-bench by-pk|start-up PATH_OF_ARTESIAN DATABASE_URL");
            std::process::exit(2);
        }
    }
}
