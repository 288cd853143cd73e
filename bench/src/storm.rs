//! Ten thousand live clients lose their sockets at once, and come back at once.

use crate::{
    notes::Notes,
    peer::Peer,
    process::{self, Cpu},
    server::Server,
    swarm::{Goal, Swarm},
};

const CLIENTS: usize = 10_000;
const ROUNDS: usize = 3;

/// Runs the storm over few and over many different live queries.
pub async fn run(artesian: &str) {
    println!("{CLIENTS} live clients lose their sockets and come back, all at once");
    println!(
        "{:>12}  {:>9}  {:>19}  {:>8}  {:>14}  {:>22}",
        "live queries",
        "all back",
        "statements (cohorts)",
        "retries",
        "CPU of server",
        "resident: before, peak"
    );
    let peer = Peer::bare_sockets(4096).await;
    let mut swarm = Swarm::start(&peer.address);
    swarm.open(Goal::Live(1), CLIENTS, 64).await;
    swarm.lose_all().await;
    let bare = swarm.open(Goal::Live(1), CLIENTS, CLIENTS).await;
    println!(
        "{:>12}  {:>7.2} s  (tokio-tungstenite with 4 KiB buffers, fixed answers: what sockets alone take)",
        "none",
        bare.took.as_secs_f64()
    );
    drop((swarm, peer));
    for queries in [1, 100, CLIENTS] {
        let notes = Notes::create();
        let server = Server::start(artesian, &notes.url()).await;
        let mut swarm = Swarm::start(&server.address);
        swarm.open(Goal::Live(queries), CLIENTS, 64).await;
        for _ in 0..ROUNDS {
            process::settled(server.pid()).await;
            process::reset_peak(server.pid());
            let resident = process::resident(server.pid());
            let before = look(&server).await;
            let cpu = Cpu::of(server.pid());
            swarm.lose_all().await;
            let opened = swarm.open(Goal::Live(queries), CLIENTS, CLIENTS).await;
            let used = Cpu::of(server.pid()).since(cpu).total();
            let after = look(&server).await;
            println!(
                "{queries:>12}  {:>7.2} s  {:>11} {:>8}  {:>8}  {:>12.2} s  {:>8.1}, {:>5.1} MiB",
                opened.took.as_secs_f64(),
                after.0 - before.0,
                format!("({})", after.1 - before.1),
                opened.retries,
                used.as_secs_f64(),
                mebibytes(resident),
                mebibytes(process::peak(server.pid())),
            );
        }
    }
}

/// Statements of live queries so far, and the cohorts that they read.
async fn look(server: &Server) -> (f64, f64) {
    (
        server.metric("artesian_live_reruns_total").await,
        server.metric("artesian_live_rerun_cohorts_sum").await,
    )
}

#[expect(clippy::cast_precision_loss, reason = "bytes of one machine")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
