//! What no gateway can be cheaper than: the `write` calls alone, one for each message.

use super::service;
use crate::{
    peer::Peer,
    process::{self, Cpu},
    swarm::{Goal, Swarm},
};

/// A process that writes the same frames to as many sockets.
pub struct Floor {
    swarm: Swarm,
    peer: Peer,
    sent: usize,
}

impl Floor {
    /// Starts it, and as many clients.
    pub async fn start(clients: usize) -> Self {
        let mut peer = Peer::bare_writes().await;
        let mut swarm = Swarm::start(&peer.address);
        let accept = format!("accept {clients}");
        tokio::join!(peer.order(&accept), swarm.open(Goal::Raw, clients, 64));
        Self { peer, swarm, sent: 0 }
    }

    /// Its CPU time for so many events.
    pub async fn round(&mut self, clients: usize, events: usize) -> Cpu {
        process::settled(self.peer.pid()).await;
        let before = Cpu::of(self.peer.pid());
        for n in 0..events {
            let payload = service::payload("", n as u64, super::clock());
            self.peer.order(&format!("write {payload}")).await;
            self.sent += clients;
            self.swarm.received(self.sent as u64).await;
        }
        Cpu::of(self.peer.pid()).since(before)
    }
}
