//! What several tests do.

use artesian_isolation::common::LIMIT;
use artesian_upstreams::{
    client::{Caller, Client, Operation, Transport},
    gateway::{Gateway, PROTOCOLS, Source},
    service::Service,
};
use futures_util::future::join_all;

/// A gateway before one service.
pub struct World {
    pub protocol: &'static str,
    pub service: Service,
    pub gateway: Gateway,
}

impl World {
    pub async fn new(source: &Source) -> Self {
        let service = Service::start().await;
        let gateway = Gateway::start(&[(source, &service)]).await;
        Self { protocol: source.protocol, service, gateway }
    }

    /// Whether the upstream transport has a `connection_init`.
    pub fn is_socket(&self) -> bool {
        is_socket(self.protocol)
    }

    pub async fn connect(&self, transport: Transport, caller: &Caller) -> Client {
        Client::connect(self.gateway.address, transport, caller).await
    }

    /// The name by which the service knows a caller, by the rules of [`Source::new`].
    pub fn who(&self, transport: Transport, caller: &Caller) -> String {
        let mut caller = caller.clone();
        caller.token = caller.token.filter(|_| self.is_socket());
        caller.who(transport)
    }

    /// The end of a test: nothing is left, and the service has nothing to complain of.
    pub async fn end(mut self) {
        self.service.empty().await;
        assert_eq!(self.service.state.with(|state| state.faults.clone()), [""; 0]);
        assert!(self.gateway.is_alive());
    }
}

pub fn is_socket(protocol: &str) -> bool {
    ["graphql-transport-ws", "graphql-ws", "auto"].contains(&protocol)
}

/// Runs a test over every upstream transport, all at the same time.
pub async fn everywhere(test: impl AsyncFn(&'static str)) {
    join_all(PROTOCOLS.map(|protocol| test(protocol))).await;
}

/// A client with one operation.
pub struct Single {
    pub client: Client,
    pub operation: Operation,
    pub who: String,
}

impl Single {
    pub async fn new(world: &World, transport: Transport, caller: &Caller, topic: &str) -> Self {
        let mut client = world.connect(transport, caller).await;
        let operation = client.subscribe(topic).await;
        Self { client, operation, who: world.who(transport, caller) }
    }

    /// Waits for a result and checks whose it is.
    pub async fn check(&self, n: usize) {
        let result = self.operation.result(n).await;
        assert_eq!(result["data"]["feed"]["who"], self.who, "{:?}", self.client.transport);
    }
}

/// Sends results until something holds. Who is added to an operation that is alive is not seen from here.
pub async fn emit_until(world: &World, topic: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + LIMIT;
    for n in 1.. {
        world.service.emit(topic, n);
        let pause = tokio::time::Instant::now() + std::time::Duration::from_millis(10);
        while tokio::time::Instant::now() < pause {
            if holds() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert!(tokio::time::Instant::now() < deadline, "{}: not everybody hears", world.protocol);
    }
}

/// Waits until so many operations with a topic are alive, and gives whose they are, sorted.
pub async fn living(service: &Service, topic: &str, count: usize) -> Vec<String> {
    service
        .until(&format!("{count} of {topic}"), |state| {
            let live = state.alive().filter(|live| live.topic == topic);
            let mut who: Vec<String> = live.map(|live| live.who.clone()).collect();
            who.sort();
            (who.len() == count).then_some(who)
        })
        .await
}

/// Waits until the operations with a topic are those of these, in order.
pub async fn living_as(service: &Service, topic: &str, expected: &[String]) {
    service
        .until(&format!("{topic} of {expected:?}"), |state| {
            let live = state.alive().filter(|live| live.topic == topic);
            let mut who: Vec<String> = live.map(|live| live.who.clone()).collect();
            who.sort();
            (who == *expected).then_some(())
        })
        .await;
}
