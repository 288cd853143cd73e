//! Caps, rates and queues that keep a node alive whatever its clients do. `docs/limits.md` has them
//! all, with what clients see.

mod address;
mod bucket;
mod config;
mod counts;
mod gate;
mod guards;
mod inbound;
mod kind;
mod refusal;
mod table;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use artesian_engine::Identity;
use http::{Extensions, HeaderMap};
use tokio::time::Instant;

pub use config::{ForwardedHeader, LimitsConfig, RateLimit};
pub use kind::Limit;

pub(crate) use address::ClientKey;
pub(crate) use gate::Gate;
pub(crate) use guards::{IdentityGuard, Peer, SocketGuard, StreamGuard, TcpGuard};
pub(crate) use inbound::Inbound;
pub(crate) use refusal::{Refused, TCP_REFUSALS, refuse_tcp};

use self::{
    address::Proxies,
    bucket::{Rate, Ticks},
    counts::Counts,
    table::Table,
};
use crate::{Metrics, server::spread};

/// A legacy client may come back so often before its acknowledgements are delayed, and one more time
/// after each interval.
const LEGACY_BURST: u32 = 10;
const LEGACY_INTERVAL: Duration = Duration::from_secs(2);

/// Over how many seconds clients are told to come back.
const RETRY_WINDOW: Duration = Duration::from_secs(10);

/// The limits of one server, and what is counted for them.
pub(crate) struct Limits {
    pub config: LimitsConfig,
    metrics: Arc<Metrics>,
    proxies: Proxies,
    /// When time began.
    epoch: Instant,
    connections: AtomicUsize,
    sockets: AtomicUsize,
    pending: AtomicUsize,
    per_ip: Option<Counts<ClientKey>>,
    per_identity: Option<Counts<Identity>>,
    connects: Option<Table>,
    legacy: Option<Table>,
    message_rate: Option<Rate>,
    byte_rate: Option<Rate>,
    /// In front of parsing, validating and planning.
    pub preparations: Gate,
    /// In front of queries and mutations.
    pub executions: Gate,
    serial: AtomicU64,
}

impl Limits {
    /// Nothing is there yet. Nobody waits in a queue for longer than `longest_wait`.
    pub fn new(config: LimitsConfig, longest_wait: Duration, metrics: Arc<Metrics>) -> Self {
        let gauges = metrics.gates();
        let gate = |places, inside| {
            Gate::new(places, config.max_waiting, longest_wait, inside, gauges.waiting.clone())
        };
        let delays_acks = !config.legacy_ack_delay.is_zero();
        Self {
            proxies: Proxies::new(config.trusted_proxies.clone(), config.forwarded_header),
            epoch: Instant::now(),
            connections: AtomicUsize::new(0),
            sockets: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
            per_ip: Counts::new(config.max_sockets_per_ip),
            per_identity: Counts::new(config.max_sockets_per_identity),
            connects: Rate::new(config.connect_rate_per_ip).map(Table::new),
            legacy: delays_acks.then(|| Table::new(Rate::every(LEGACY_INTERVAL, LEGACY_BURST))),
            message_rate: Rate::new(config.message_rate),
            byte_rate: Rate::new(config.byte_rate),
            preparations: gate(config.max_preparations, gauges.preparing.clone()),
            executions: gate(config.max_executions, gauges.executing.clone()),
            serial: AtomicU64::new(0),
            metrics,
            config,
        }
    }

    /// A limit was hit.
    pub fn hit(&self, limit: Limit) {
        self.metrics.limit_hit(limit);
    }

    fn now(&self) -> Ticks {
        self.ticks(Instant::now().into_std())
    }

    fn ticks(&self, now: std::time::Instant) -> Ticks {
        let since = now.saturating_duration_since(self.epoch.into_std());
        // Half of what fits is 292 years.
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX >> 1)
    }

    /// A number of its own for each that asks, to spread what would happen at once.
    pub fn serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection was accepted.
    pub fn connect(self: &Arc<Self>) -> Result<TcpGuard, Refused> {
        // Counted before it is compared, so that two at a time are not both the last one.
        let before = self.connections.fetch_add(1, Ordering::AcqRel);
        let guard = TcpGuard(self.clone());
        if exceeds(before, self.config.max_connections) {
            return Err(self.refuse(Limit::Connections, Duration::ZERO));
        }
        Ok(guard)
    }

    /// An upgrade is asked for.
    pub fn open_socket(
        self: &Arc<Self>,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Result<SocketGuard, Refused> {
        let before = self.pending.load(Ordering::Acquire);
        if exceeds(before, self.config.max_pending_sockets) {
            return Err(self.refuse(Limit::PendingSockets, Duration::ZERO));
        }
        let mut guard = self.open(extensions, headers)?;
        guard.is_pending = true;
        self.pending.fetch_add(1, Ordering::AcqRel);
        self.metrics.gates().pending.inc();
        Ok(guard)
    }

    /// A known client asks for an event stream.
    pub fn open_stream(
        self: &Arc<Self>,
        extensions: &Extensions,
        headers: &HeaderMap,
        identity: &Identity,
    ) -> Result<StreamGuard, Refused> {
        let socket = self.open(extensions, headers)?;
        Ok(StreamGuard { _socket: socket, _identity: self.open_identity(identity)? })
    }

    fn open(
        self: &Arc<Self>,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Result<SocketGuard, Refused> {
        let peer = extensions.get::<Peer>();
        let address = peer.map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |peer| {
            self.proxies.client(peer.address, headers)
        });
        let client = ClientKey::new(address);
        if let Some(connects) = &self.connects
            && let Err(wait) = connects.try_take(&client, self.now())
        {
            return Err(self.refuse(Limit::ConnectRate, wait));
        }
        if let Some(counts) = &self.per_ip
            && !counts.try_add(client)
        {
            return Err(self.refuse(Limit::SocketsPerIp, Duration::ZERO));
        }
        let before = self.sockets.fetch_add(1, Ordering::AcqRel);
        let guard = SocketGuard {
            limits: self.clone(),
            client,
            is_pending: false,
            _connection: peer.map(|peer| peer.connection.clone()),
        };
        if exceeds(before, self.config.max_sockets) {
            return Err(self.refuse(Limit::Sockets, Duration::ZERO));
        }
        Ok(guard)
    }

    /// A socket turns out to be this identity's. Nothing is kept if that has no limit.
    pub fn open_identity(
        self: &Arc<Self>,
        identity: &Identity,
    ) -> Result<Option<Box<IdentityGuard>>, Refused> {
        let Some(counts) = &self.per_identity else { return Ok(None) };
        if !counts.try_add(identity.clone()) {
            return Err(self.refuse(Limit::SocketsPerIdentity, Duration::ZERO));
        }
        Ok(Some(Box::new(IdentityGuard { limits: self.clone(), identity: identity.clone() })))
    }

    fn leave_pending(&self) {
        self.pending.fetch_sub(1, Ordering::AcqRel);
        self.metrics.gates().pending.dec();
    }

    /// How long a legacy client has to wait for its acknowledgement: a widely used one comes back six
    /// times a second, for ever, since the acknowledgement resets its pauses (subscriptions-transport-ws,
    /// `client.ts`). Clients that differ in address or identity do not wait for each other.
    pub fn ack_delay(&self, client: ClientKey, identity: &Identity) -> Option<Duration> {
        let most = self.config.legacy_ack_delay;
        let delay = self.legacy.as_ref()?.take(&(client, identity), self.now(), most);
        (!delay.is_zero()).then(|| {
            self.hit(Limit::AckDelay);
            delay
        })
    }

    fn refuse(&self, limit: Limit, wait: Duration) -> Refused {
        self.hit(limit);
        tracing::debug!(limit = limit.as_str(), "connection refused: a limit is reached");
        // Whole seconds is what the header can say; nobody is told to come back at once.
        let wait = wait + spread(self.serial(), RETRY_WINDOW);
        Refused { limit, retry_after: wait.as_secs() + 1 }
    }

    /// A refusal because of a queue that is full.
    pub fn busy(&self, limit: Limit) -> Refused {
        self.refuse(limit, Duration::ZERO)
    }
}

fn exceeds(before: usize, most: usize) -> bool {
    most > 0 && before >= most
}
