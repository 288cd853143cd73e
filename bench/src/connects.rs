//! Connects per second: TCP, upgrade, `connection_init`, acknowledgement, `subscribe`, first result.

use crate::{
    notes::Notes,
    peer::Peer,
    process::Cpu,
    server::Server,
    swarm::{Goal, Swarm},
};

const VISITS: usize = 4_000;
const ROUNDS: usize = 3;

/// One subject and what was measured of it.
struct Subject {
    name: &'static str,
    pid: u32,
    swarm: Swarm,
    rates: Vec<f64>,
    server_cpu: f64,
    clients_cpu: f64,
}

impl Subject {
    async fn new(name: &'static str, address: &str, pid: u32) -> Self {
        let mut swarm = Swarm::start(address);
        // Somebody is there already, so that the live query does not come and go.
        swarm.open(Goal::Live(1), 1, 1).await;
        Self { name, pid, swarm, rates: Vec::new(), server_cpu: 0.0, clients_cpu: 0.0 }
    }
}

/// Runs all in turns.
pub async fn run(artesian: &str) {
    let notes = Notes::create();
    let server = Server::start(artesian, &notes.url()).await;
    let bare = Peer::bare_sockets(4096).await;
    let node = Peer::graphql_ws().await;
    let mut subjects = vec![
        Subject::new("artesian", &server.address, server.pid()).await,
        Subject::new("tokio-tungstenite, no GraphQL", &bare.address, bare.pid()).await,
    ];
    if let Some(peer) = &node {
        subjects.push(Subject::new("npm graphql-ws and ws", &peer.address, peer.pid()).await);
    }
    println!(
        "connects per second up to the first result of a live query; {ROUNDS} rounds of {VISITS} in \
         turns, median"
    );
    for at_a_time in [16, 256] {
        for round in 0..=ROUNDS {
            for subject in &mut subjects {
                let before = (Cpu::of(subject.pid), Cpu::of(subject.swarm.pid()));
                let opened = subject.swarm.visit(Goal::Live(1), VISITS, at_a_time).await;
                assert_eq!(opened.retries, 0, "connections of {} failed", subject.name);
                // The first round warms up.
                if round > 0 {
                    #[expect(clippy::cast_precision_loss, reason = "a small number")]
                    subject.rates.push(VISITS as f64 / opened.took.as_secs_f64());
                    let used = |pid, before| Cpu::of(pid).since(before).total().as_secs_f64();
                    subject.server_cpu += used(subject.pid, before.0);
                    subject.clients_cpu += used(subject.swarm.pid(), before.1);
                }
            }
        }
        let ours = median(&mut subjects[0].rates);
        for subject in &mut subjects {
            let rate = median(&mut subject.rates);
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            let each = |seconds: f64| seconds * 1e6 / (ROUNDS * VISITS) as f64;
            println!(
                "{at_a_time:>4} at a time: {:<30} {rate:>6.0}/s; CPU for each: server {:>4.0} µs, \
                 client {:>3.0} µs; artesian is at {:.2}",
                subject.name,
                each(subject.server_cpu),
                each(subject.clients_cpu),
                ours / rate,
            );
            subject.rates.clear();
            (subject.server_cpu, subject.clients_cpu) = (0.0, 0.0);
        }
    }
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
