//! Caps, rates and queues that keep a node alive whatever its clients do. `docs/limits.md` has them
//! all, with what clients see.

mod address;
mod bucket;
mod config;
mod counts;
mod gate;
mod guards;
mod identity;
mod inbound;
mod kind;
mod operations;
mod refusal;
mod table;

use std::{
    net::{IpAddr, Ipv4Addr},
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
pub(crate) use guards::{IdentityGuard, LegacyVisit, Peer, SocketGuard, StreamGuard, TcpGuard};
pub(crate) use inbound::Inbound;
pub(crate) use operations::OperationGuard;
pub(crate) use refusal::{Refused, TCP_REFUSALS, refuse_tcp};

use self::{
    address::Proxies,
    bucket::{Rate, Ticks},
    counts::Counts,
    identity::IdentityKey,
    table::Table,
};
use crate::{Metrics, server::spread};

/// So many visits of a legacy client that are cut short have no consequence, and one more after each interval. With
/// more of them its next acknowledgements are delayed.
const LEGACY_BURST: u32 = 10;
const LEGACY_INTERVAL: Duration = Duration::from_secs(2);

/// A visit is cut short if it ends so soon after its acknowledgement, and the client did not end it.
const SHORT_VISIT: Duration = Duration::from_secs(5);

/// Over how many seconds clients are told to come back.
const RETRY_WINDOW: Duration = Duration::from_secs(10);

/// What is counted, whatever the settings are at the moment.
struct Counted {
    metrics: Arc<Metrics>,
    /// When time began.
    epoch: Instant,
    connections: AtomicUsize,
    sockets: AtomicUsize,
    pending: AtomicUsize,
    per_ip: Counts<ClientKey>,
    per_identity: Counts<IdentityKey>,
    /// Operations that run.
    operations: Counts<IdentityKey>,
    serial: AtomicU64,
}

/// The limits of one server. New settings give new ones, which go on with the same counts.
pub(crate) struct Limits {
    pub config: LimitsConfig,
    longest_wait: Duration,
    counted: Arc<Counted>,
    proxies: Proxies,
    connects: Option<Arc<Table>>,
    requests: Option<Arc<Table>>,
    legacy: Option<Arc<Table>>,
    message_rate: Option<Rate>,
    byte_rate: Option<Rate>,
    /// In front of parsing, validating and planning.
    pub preparations: Arc<Gate>,
    /// In front of queries and mutations.
    pub executions: Arc<Gate>,
}

impl Limits {
    /// Nothing is there yet. Nobody waits in a queue for longer than `longest_wait`.
    pub fn new(config: LimitsConfig, longest_wait: Duration, metrics: Arc<Metrics>) -> Self {
        let counted = Counted {
            metrics,
            epoch: Instant::now(),
            connections: AtomicUsize::new(0),
            sockets: AtomicUsize::new(0),
            pending: AtomicUsize::new(0),
            per_ip: Counts::default(),
            per_identity: Counts::default(),
            operations: Counts::default(),
            serial: AtomicU64::new(0),
        };
        Self::over(Arc::new(counted), config, longest_wait)
    }

    fn over(counted: Arc<Counted>, config: LimitsConfig, longest_wait: Duration) -> Self {
        let gauges = counted.metrics.gates();
        let gate = |places, inside| {
            let waiting = gauges.waiting.clone();
            Arc::new(Gate::new(places, config.max_waiting, longest_wait, inside, waiting))
        };
        let table = |rate| Arc::new(Table::new(rate));
        let delays_acks = !config.legacy_ack_delay.is_zero();
        Self {
            proxies: Proxies::new(config.trusted_proxies.clone(), config.forwarded_header),
            connects: Rate::new(config.connect_rate_per_ip).map(table),
            requests: Rate::new(config.request_rate_per_identity).map(table),
            legacy: delays_acks.then(|| table(Rate::every(LEGACY_INTERVAL, LEGACY_BURST))),
            message_rate: Rate::new(config.message_rate),
            byte_rate: Rate::new(config.byte_rate),
            preparations: gate(config.max_preparations, gauges.preparing.clone()),
            executions: gate(config.max_executions, gauges.executing.clone()),
            longest_wait,
            config,
            counted,
        }
    }

    /// The same with other settings. What these do not touch goes on as it is; a queue that gets
    /// another size begins anew, beside what is still in the old one.
    pub fn with(&self, config: LimitsConfig, longest_wait: Duration) -> Self {
        let mut new = Self::over(self.counted.clone(), config, longest_wait);
        let (old, config) = (&self.config, &new.config);
        let is_patient = self.longest_wait == longest_wait && old.max_waiting == config.max_waiting;
        if is_patient && old.max_preparations == config.max_preparations {
            new.preparations = self.preparations.clone();
        }
        if is_patient && old.max_executions == config.max_executions {
            new.executions = self.executions.clone();
        }
        if old.connect_rate_per_ip == config.connect_rate_per_ip {
            new.connects = self.connects.clone();
        }
        if old.request_rate_per_identity == config.request_rate_per_identity {
            new.requests = self.requests.clone();
        }
        if old.legacy_ack_delay.is_zero() == config.legacy_ack_delay.is_zero() {
            new.legacy = self.legacy.clone();
        }
        new
    }

    /// A limit was hit.
    pub fn hit(&self, limit: Limit) {
        self.counted.metrics.limit_hit(limit);
    }

    fn now(&self) -> Ticks {
        self.ticks(Instant::now().into_std())
    }

    fn ticks(&self, now: std::time::Instant) -> Ticks {
        let since = now.saturating_duration_since(self.counted.epoch.into_std());
        // Half of what fits is 292 years.
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX >> 1)
    }

    /// A number of its own for each that asks, to spread what would happen at once.
    pub fn serial(&self) -> u64 {
        self.counted.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection was accepted.
    pub fn connect(&self) -> Result<TcpGuard, Refused> {
        // Counted before it is compared, so that two at a time are not both the last one.
        let before = self.counted.connections.fetch_add(1, Ordering::AcqRel);
        let guard = TcpGuard(self.counted.clone());
        if exceeds(before, self.config.max_connections) {
            return Err(self.refuse(Limit::Connections, Duration::ZERO));
        }
        Ok(guard)
    }

    /// An upgrade is asked for.
    pub fn open_socket(
        &self,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Result<SocketGuard, Refused> {
        let before = self.counted.pending.load(Ordering::Acquire);
        if exceeds(before, self.config.max_pending_sockets) {
            return Err(self.refuse(Limit::PendingSockets, Duration::ZERO));
        }
        let mut guard = self.open(extensions, headers)?;
        guard.is_pending = true;
        self.counted.pending.fetch_add(1, Ordering::AcqRel);
        self.counted.metrics.gates().pending.inc();
        Ok(guard)
    }

    /// A known client asks for an event stream.
    pub fn open_stream(
        &self,
        extensions: &Extensions,
        headers: &HeaderMap,
        identity: &Identity,
    ) -> Result<StreamGuard, Refused> {
        let socket = self.open(extensions, headers)?;
        let identity = self.open_identity(identity, socket.client)?;
        Ok(StreamGuard { _socket: socket, _identity: identity })
    }

    /// Where a request comes from.
    pub fn address(&self, extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        extensions.get::<Peer>().map_or(nowhere, |peer| self.proxies.client(peer.address, headers))
    }

    /// The same as limits count it.
    pub fn client(&self, extensions: &Extensions, headers: &HeaderMap) -> ClientKey {
        ClientKey::new(self.address(extensions, headers))
    }

    fn open(&self, extensions: &Extensions, headers: &HeaderMap) -> Result<SocketGuard, Refused> {
        let peer = extensions.get::<Peer>();
        let client = self.client(extensions, headers);
        if let Some(connects) = &self.connects
            && let Err(wait) = connects.try_take(&client, self.now())
        {
            return Err(self.refuse(Limit::ConnectRate, wait));
        }
        let most = self.config.max_sockets_per_ip;
        if most > 0 && !self.counted.per_ip.try_add(client, most) {
            return Err(self.refuse(Limit::SocketsPerIp, Duration::ZERO));
        }
        let before = self.counted.sockets.fetch_add(1, Ordering::AcqRel);
        let guard = SocketGuard {
            counted: self.counted.clone(),
            client,
            is_pending: false,
            is_counted_by_ip: most > 0,
            _connection: peer.map(|peer| peer.connection.clone()),
            in_use: None,
        };
        if exceeds(before, self.config.max_sockets) {
            return Err(self.refuse(Limit::Sockets, Duration::ZERO));
        }
        Ok(guard)
    }

    /// A legacy client is known. It is told how long its acknowledgement has to wait: a widely used one
    /// comes back six times a second, for ever, since the acknowledgement resets its pauses
    /// (subscriptions-transport-ws, `client.ts`). What counts are visits that were cut short, by us or
    /// on the way: neither a crowd that comes and stays has to wait, nor clients that open a
    /// connection for each operation and close it. Clients that differ in address or identity do not wait for each
    /// other. Nothing is kept if there is no such limit.
    pub fn visit(
        self: &Arc<Self>,
        client: ClientKey,
        identity: &Identity,
    ) -> Option<(Box<LegacyVisit>, Duration)> {
        let now = self.now();
        let delay = self.legacy.as_ref()?.debt(&(client, &identity.who()), now);
        if !delay.is_zero() {
            self.hit(Limit::AckDelay);
        }
        let acknowledged = Instant::now() + delay;
        let (limits, identity) = (self.clone(), identity.who());
        let visit = LegacyVisit { limits, client, identity, acknowledged, is_done: false };
        Some((Box::new(visit), delay))
    }

    fn end_visit(&self, visit: &LegacyVisit) {
        let is_cut_short = !visit.is_done && visit.acknowledged.elapsed() < SHORT_VISIT;
        if let (true, Some(visits)) = (is_cut_short, &self.legacy) {
            let key = (visit.client, &visit.identity);
            visits.take(&key, self.now(), self.config.legacy_ack_delay);
        }
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

impl Counted {
    fn leave_pending(&self) {
        self.pending.fetch_sub(1, Ordering::AcqRel);
        self.metrics.gates().pending.dec();
    }
}

fn exceeds(before: usize, most: usize) -> bool {
    most > 0 && before >= most
}
