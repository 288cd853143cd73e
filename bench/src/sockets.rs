//! Resident memory for each idle connection.

use crate::{
    notes::Notes,
    peer::Peer,
    process,
    server::Server,
    swarm::{Goal, Swarm},
};

const FEW: usize = 2_000;
const MANY: usize = 18_000;

/// Connections on their way at a time: a rush would leave its own traces in memory.
const AT_A_TIME: usize = 64;

/// Connects clients that do nothing, and prints what each costs.
pub async fn run(artesian: &str) {
    println!(
        "resident memory of the server's process for each idle connection, in KiB; without the \
         kernel's"
    );
    println!(
        "{:<44} {:>7} {:>9} {:>9} {:>14} {:>16}",
        "", "start", FEW, MANY, "from 1st to 2nd", "kernel, both ends"
    );
    let notes = Notes::create();
    let goals = [
        ("artesian, acknowledged", Goal::Acknowledged),
        ("artesian, one live query, all the same", Goal::Live(1)),
        ("artesian, one live query, all different", Goal::Live(MANY)),
    ];
    for (name, goal) in goals {
        let server = Server::start(artesian, &notes.url()).await;
        let connections = "artesian_connections{transport=\"graphql-transport-ws\"}";
        let arrived = async |count: usize| {
            #[expect(clippy::cast_precision_loss, reason = "counts are small")]
            server.metric_is(connections, count as f64).await;
        };
        subject(name, &server.address, server.pid(), goal, arrived).await;
    }
    if let Some(peer) = Peer::graphql_ws().await {
        let name = "npm graphql-ws and ws, one subscription";
        subject(name, &peer.address, peer.pid(), Goal::Live(1), async |_| {}).await;
    }
    for (name, buffer) in [
        ("tokio-tungstenite, 4 KiB buffers, no GraphQL", 4096),
        ("tokio-tungstenite as it comes, no GraphQL", 128 << 10),
    ] {
        let peer = Peer::bare_sockets(buffer).await;
        subject(name, &peer.address, peer.pid(), Goal::Live(1), async |_| {}).await;
    }
}

async fn subject(name: &str, address: &str, pid: u32, goal: Goal, arrived: impl AsyncFn(usize)) {
    process::settled(pid).await;
    let (start, kernel) = (process::resident(pid), process::kernel_objects());
    let mut swarm = Swarm::start(address);
    let mut resident = [0; 2];
    for (i, (count, more)) in [(FEW, FEW), (MANY, MANY - FEW)].into_iter().enumerate() {
        swarm.open(goal, more, AT_A_TIME).await;
        arrived(count).await;
        process::settled(pid).await;
        resident[i] = process::resident(pid);
    }
    #[expect(clippy::cast_precision_loss, reason = "bytes of one machine")]
    let each = |bytes: usize, count: usize| bytes as f64 / count as f64 / 1024.0;
    println!(
        "{name:<44} {:>7} {:>9.2} {:>9.2} {:>14.2} {:>16.2}",
        start / 1024,
        each(resident[0].saturating_sub(start), FEW),
        each(resident[1].saturating_sub(start), MANY),
        each(resident[1].saturating_sub(resident[0]), MANY - FEW),
        each(process::kernel_objects().saturating_sub(kernel), MANY),
    );
}
