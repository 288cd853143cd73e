//! Settings of the limits that concern connections and load.

use std::time::Duration;

use ipnet::IpNet;

/// Which header of a trusted proxy names the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which most proxies write.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// A rate: so many a second on average, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many a second; 0 for no limit.
    pub per_second: u32,
    /// How many at once; at least 1 counts.
    pub burst: u32,
}

impl RateLimit {
    /// No limit.
    pub const NONE: Self = Self { per_second: 0, burst: 0 };
}

/// Limits of connections and load. For all of them 0 means no limit.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// Who may say on whose behalf it connects. Empty: nobody, the peer of the connection counts.
    pub trusted_proxies: Vec<IpNet>,
    /// In which header it says so. The proxy must set or remove it; the other one is ignored.
    pub forwarded_header: ForwardedHeader,
    /// Open TCP connections.
    pub max_connections: usize,
    /// Open WebSockets and event streams together.
    pub max_sockets: usize,
    /// The same for one client address (IPv6: one /64).
    pub max_sockets_per_ip: usize,
    /// The same for one identity: a role with its session variables. A role without any is counted by
    /// the address of each client, and the administrator not at all; so it is for the next two.
    pub max_sockets_per_identity: usize,
    /// Operations of one identity that run at the same time, over all its connections.
    pub operations_per_identity: usize,
    /// Operations that one identity starts, over all its connections.
    pub request_rate_per_identity: RateLimit,
    /// WebSockets that were upgraded and are not acknowledged yet.
    pub max_pending_sockets: usize,
    /// Upgrades and event streams of one client address.
    pub connect_rate_per_ip: RateLimit,
    /// The longest delay of the acknowledgement of a legacy client that comes back again and again.
    pub legacy_ack_delay: Duration,
    /// Requests that are parsed, validated and planned at the same time. While it is less than the
    /// number of threads, some are left for what is cheap: pings, health checks.
    pub max_preparations: usize,
    /// Queries and mutations that run at the same time, over all transports.
    pub max_executions: usize,
    /// Operations that wait to be prepared or to run.
    pub max_waiting: usize,
    /// What may wait of an event stream of one operation whose client reads slowly, in bytes. Live
    /// queries need nothing: newer results replace older ones.
    pub event_buffer_bytes: usize,
    /// Messages of a client on one WebSocket. Beyond it the socket is read more slowly.
    pub message_rate: RateLimit,
    /// Bytes of a client on one WebSocket. Beyond it the socket is read more slowly.
    pub byte_rate: RateLimit,
    /// A WebSocket without any operation for this long is closed.
    pub idle_timeout: Duration,
    /// A WebSocket that is older than this is closed.
    pub max_age: Duration,
    /// An HTTP connection without any request for this long is closed.
    pub http_idle_timeout: Duration,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            max_connections: 0,
            max_sockets: 0,
            max_sockets_per_ip: 0,
            max_sockets_per_identity: 0,
            operations_per_identity: 0,
            request_rate_per_identity: RateLimit { per_second: 0, burst: 100 },
            max_pending_sockets: 20_000,
            connect_rate_per_ip: RateLimit { per_second: 0, burst: 100 },
            legacy_ack_delay: Duration::from_secs(4),
            max_preparations: 0,
            max_executions: 0,
            max_waiting: 10_000,
            event_buffer_bytes: 1 << 20,
            message_rate: RateLimit { per_second: 200, burst: 1000 },
            byte_rate: RateLimit { per_second: 4 << 20, burst: 16 << 20 },
            idle_timeout: Duration::ZERO,
            max_age: Duration::ZERO,
            http_idle_timeout: Duration::from_secs(75),
        }
    }
}
