//! One service.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Credentials, Kind, Operation, RemoteError, Response, Stats, Subscription,
    circuit::Circuit,
    config::{Sharing, Transport, UpstreamConfig},
    dial::{Dial, Purpose},
    http::{HttpClient, Requests},
    stats::Counters,
    stream::Streams,
    subscription::{Carrier, Key, Registry},
    ws::{Pool, Shared},
};

/// A GraphQL service, as its client sees it. Cheap to share with an `Arc`; dropping it ends everything
/// that is under way with [`RemoteError::ShutDown`].
pub struct Upstream {
    shared: Arc<Shared>,
    requests: Requests,
    carrier: Arc<Carrier>,
    registry: Arc<Registry>,
    _stop: DropGuard,
}

impl Upstream {
    /// A service that is reached in this way. Nothing is sent before something is asked.
    pub fn new(config: UpstreamConfig, dial: Arc<dyn Dial>) -> Self {
        let counters = Arc::new(Counters::default());
        let stop = CancellationToken::new();
        let most = config.limits.sockets.min(Semaphore::MAX_PERMITS);
        let client = |purpose| HttpClient::new(Arc::clone(&dial), &config, purpose);
        let (requests, streams) = (client(Purpose::Requests), client(Purpose::Stream));
        let shared = Arc::new(Shared {
            circuit: Circuit::new(config.circuit.clone(), Arc::clone(&counters)),
            connections: Arc::new(Semaphore::new(most)),
            stop: stop.clone(),
            counters: Arc::clone(&counters),
            dial,
            config,
        });
        let carrier = Carrier {
            pool: Pool::new(Arc::clone(&shared)),
            streams: Streams::new(Arc::clone(&shared), streams),
            shared: Arc::clone(&shared),
        };
        let keeps_latest = shared.config.sharing == Sharing::Latest;
        let registry = Registry::new(shared.config.limits.buffer_bytes, keeps_latest, counters);
        Self {
            requests: Requests::new(Arc::clone(&shared), requests),
            carrier: Arc::new(carrier),
            registry,
            shared,
            _stop: stop.drop_guard(),
        }
    }

    /// Runs a query or a mutation over HTTP.
    ///
    /// # Errors
    /// There is no GraphQL response. A response that consists of errors is none of these.
    pub async fn request(
        &self,
        operation: &Operation,
        credentials: &Credentials,
    ) -> Result<Response, RemoteError> {
        if operation.kind() == Kind::Subscription {
            return Err(RemoteError::request("a subscription has no single response"));
        }
        self.requests.run(operation, credentials).await
    }

    /// Subscribes. What goes wrong comes as the end of the stream. Must be called within a Tokio
    /// runtime.
    ///
    /// # Errors
    /// The operation is no subscription, or subscriptions are turned off, or the transport cannot carry
    /// these credentials.
    pub fn subscribe(
        &self,
        operation: impl Into<Arc<Operation>>,
        credentials: Credentials,
    ) -> Result<Subscription, RemoteError> {
        let operation = operation.into();
        if operation.kind() != Kind::Subscription {
            return Err(RemoteError::request("only subscriptions have a stream of results"));
        }
        let transport = self.shared.config.transport;
        if transport == Transport::None {
            return Err(RemoteError::request("subscriptions of this service are turned off"));
        }
        if credentials.operation_payload().is_some() && transport.offers().is_empty() {
            // Without it the operation would run as if it were the gateway's own.
            return Err(RemoteError::request("only WebSockets carry a payload per operation"));
        }
        let key = Key { operation, credentials, serial: 0 };
        let is_shared = self.shared.config.sharing != Sharing::None;
        let of = key.clone();
        let carrier = Arc::clone(&self.carrier);
        Ok(self.registry.join(key, is_shared, |fan| carrier.carry(of, fan)))
    }

    /// The figures so far.
    pub fn stats(&self) -> Stats {
        let config = &self.shared.config;
        let places = config.limits.sockets.min(Semaphore::MAX_PERMITS);
        let taken = places.saturating_sub(self.shared.connections.available_permits());
        Stats {
            sockets: self.carrier.pool.len(),
            streams: if config.transport.offers().is_empty() { taken } else { 0 },
            subscriptions: self.registry.len(),
            circuit: self.shared.circuit.state(),
            ..self.shared.counters.read()
        }
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("url", &self.shared.config.url)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
