//! One service.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Credentials, Kind, Operation, RemoteError, Response, Stats, Subscription,
    circuit::Circuit,
    config::{Sharing, Transport, UpstreamConfig},
    dial::{Dial, Purpose},
    http::{HttpClient, Requests},
    poll::{self, Poll, Poller, Polls},
    stats::Counters,
    stream::Streams,
    subscription::{Carrier, Key, Negotiation, Registry},
    ws::{Pool, Shared},
};

/// The longest interval of a poll.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A GraphQL service, as its client sees it. Cheap to share with an `Arc`; dropping it ends everything
/// that is under way with [`RemoteError::ShutDown`].
pub struct Upstream {
    shared: Arc<Shared>,
    requests: Arc<Requests>,
    carrier: Arc<Carrier>,
    registry: Arc<Registry>,
    poller: Arc<Poller>,
    polls: Arc<Polls>,
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
            negotiation: Negotiation::default(),
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
        let requests = Arc::new(Requests::new(Arc::clone(&shared), requests));
        Self {
            poller: Arc::new(Poller::new(Arc::clone(&shared), Arc::clone(&requests))),
            polls: Polls::new(shared.config.limits.polls),
            requests,
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
        Ok(self.requests.run(operation, credentials).await?.response)
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
            return Err(RemoteError::no_place_for_payload());
        }
        let key = Key { operation, credentials, serial: 0 };
        let is_shared = self.shared.config.sharing != Sharing::None;
        let of = key.clone();
        let carrier = Arc::clone(&self.carrier);
        Ok(self.registry.join(key, is_shared, |fan| carrier.carry(of, fan)))
    }

    /// Runs a query at an interval, for all who poll the same for the same credentials at once, and
    /// tells of changes (see [`poll`](crate::poll)). Who joins gets the latest result at once. The time
    /// from one run to the next is the interval and up to a tenth of it. Must be called within a Tokio
    /// runtime.
    ///
    /// # Errors
    /// The operation is no query, or there are too many distinct polls.
    pub fn poll(
        &self,
        operation: impl Into<Arc<Operation>>,
        credentials: Credentials,
        interval: Duration,
    ) -> Result<Poll, RemoteError> {
        let operation = operation.into();
        if operation.kind() != Kind::Query {
            return Err(RemoteError::request("only queries are polled"));
        }
        let interval = interval.max(self.shared.config.min_interval).min(A_DAY);
        let key = poll::Key { operation, credentials, interval };
        let of = key.clone();
        let poller = Arc::clone(&self.poller);
        self.polls.join(key, |board| async move { poller.keep(of, board).await })
    }

    /// The figures so far.
    pub fn stats(&self) -> Stats {
        Stats {
            sockets: self.carrier.pool.len(),
            streams: self.carrier.streams.len(),
            subscriptions: self.registry.len(),
            polls: self.polls.len(),
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
