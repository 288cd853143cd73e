//! CPU time for each delivered message when one result goes to ten thousand sockets, against a bare
//! loop of `write` calls of the same frames.

use std::time::{Duration, Instant};

use crate::{
    notes::Notes,
    peer::Peer,
    process::{self, Cpu},
    server::Server,
    swarm::{Goal, Swarm},
};

const SOCKETS: usize = 10_000;
const ROUNDS: usize = 5;
/// Changes of one round.
const CHANGES: usize = 10;

/// Measures results of both sizes.
pub async fn run(artesian: &str) {
    println!(
        "one result to {SOCKETS} sockets, {} times, in turns with a bare loop of `write` calls; \
         CPU time of the server for each message",
        ROUNDS * CHANGES
    );
    println!(
        "{:>7}  {:>26}  {:>26}  {:>7}  {:>11}  {:>12}",
        "bytes",
        "artesian (user + system)",
        "bare (user + system)",
        "ratio",
        "by rounds",
        "to the last"
    );
    for size in [300, 4096] {
        result(artesian, size).await;
    }
}

async fn result(artesian: &str, size: usize) {
    let notes = Notes::create();
    // Pings would be counted with the messages.
    let flags = ["--websocket-keepalive", "3600s"];
    let server = Server::start_with(artesian, &notes.url(), &flags).await;
    let mut ours = Swarm::start(&server.address);
    ours.open(Goal::Live(1), SOCKETS, 64).await;
    let mut bare = Peer::bare_writes().await;
    let mut theirs = Swarm::start(&bare.address);
    let accept = format!("accept {SOCKETS}");
    tokio::join!(bare.order(&accept), theirs.open(Goal::Raw, SOCKETS, 64));

    let (mut cpu_ours, mut cpu_bare) = (Cpu::default(), Cpu::default());
    let mut ratios = Vec::new();
    let mut latest = Vec::new();
    let mut number = 0;
    // The first round warms up.
    for round in 0..=ROUNDS {
        process::settled(server.pid()).await;
        let before = Cpu::of(server.pid());
        for _ in 0..CHANGES {
            number += 1;
            let changed = Instant::now();
            notes.change(&body(number, size));
            // Nothing is skipped: the next change waits until everybody has this one.
            ours.received((number * SOCKETS) as u64).await;
            latest.push(changed.elapsed());
        }
        process::settled(server.pid()).await;
        let used_ours = Cpu::of(server.pid()).since(before);

        process::settled(bare.pid()).await;
        let before = Cpu::of(bare.pid());
        for n in number - CHANGES + 1..=number {
            bare.order(&format!("write {}", payload(n, size))).await;
            theirs.received((n * SOCKETS) as u64).await;
        }
        let used_bare = Cpu::of(bare.pid()).since(before);
        if round > 0 {
            cpu_ours += used_ours;
            cpu_bare += used_bare;
            ratios.push(used_ours.total().as_secs_f64() / used_bare.total().as_secs_f64());
        }
    }
    ratios.sort_by(f64::total_cmp);
    latest.sort();
    println!(
        "{size:>7}  {:>26}  {:>26}  {:>7.2}  {:>11}  {:>9.0} ms",
        each(cpu_ours),
        each(cpu_bare),
        cpu_ours.total().as_secs_f64() / cpu_bare.total().as_secs_f64(),
        format!("{:.2}–{:.2}", ratios[0], ratios[ROUNDS - 1]),
        latest[latest.len() / 2].as_secs_f64() * 1e3,
    );
}

fn each(cpu: Cpu) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let one = |time: Duration| time.as_secs_f64() * 1e6 / (ROUNDS * CHANGES * SOCKETS) as f64;
    format!("{:.2} µs ({:.2} + {:.2})", one(cpu.total()), one(cpu.user), one(cpu.system))
}

/// What the server answers, `size` bytes long.
fn payload(number: usize, size: usize) -> String {
    format!(r#"{{"data":{{"bench_notes_by_pk":{{"id":1,"body":"{}"}}}}}}"#, body(number, size))
}

fn body(number: usize, size: usize) -> String {
    let rest = r#"{"data":{"bench_notes_by_pk":{"id":1,"body":""}}}"#.len();
    format!("{number:0width$}", width = size - rest)
}
