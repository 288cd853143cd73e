//! Settings of the server.

use std::time::Duration;

use artesian_auth::AuthConfig;
use artesian_protocol::{
    Subprotocol,
    http::{CsrfRule, StatusProfile},
    session::CompatProfile,
};

use crate::LimitsConfig;

/// Which pages of other origins may call the server, and with the user's cookies or without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cors {
    /// Every origin, but cookies count only from pages of the server's own: what was not asked for.
    #[default]
    Default,
    /// Every origin, and cookies of any page say who is asking, as with Hasura.
    AllowAll,
    /// These origins and the server's own, with cookies: `https://app.example.com`, with a port if
    /// it is not the default one, or `https://*.example.com` for any one label. WebSocket upgrades
    /// from other origins are refused.
    List(Vec<String>),
    /// No CORS headers at all: browsers let only pages of the same origin read answers. Cookies of
    /// upgrades count if `ws_read_cookie` says so.
    Disabled,
}

/// Settings of WebSocket connections.
#[derive(Clone, Debug)]
pub struct WebSocketConfig {
    /// Whether upgrades are accepted at all.
    pub enabled: bool,
    /// How long a client may take to send `connection_init`.
    pub init_timeout: Duration,
    /// How often an idle connection is asked for a sign of life.
    pub ping_interval: Duration,
    /// How long a connection may stay silent after that.
    pub ping_timeout: Duration,
    /// The greatest number of operations at a time on one socket.
    pub max_operations: usize,
    /// The longest inbound message, all its fragments together, in bytes.
    pub max_message_bytes: usize,
    /// The most that waits to be written to one socket, in bytes. Live results are taken from their
    /// source only while there is room; one message may exceed it.
    pub max_queue_bytes: usize,
    /// A socket that takes nothing for this long while something waits to be written is closed.
    pub write_timeout: Duration,
    /// How long the closing handshake may take before the connection is dropped.
    pub close_timeout: Duration,
    /// What is spoken with clients that offer no subprotocol; `None` closes them with 4406. Such a
    /// client is told no subprotocol either (RFC 6455, section 4.2.2: only what was offered).
    pub default_subprotocol: Option<Subprotocol>,
    /// Whose deviations from the protocols are imitated.
    pub compat: Vec<CompatProfile>,
    /// Whether `permessage-deflate` (RFC 7692) is agreed on with clients that offer it.
    pub compression: bool,
    /// Messages shorter than this many bytes are sent uncompressed.
    pub compression_threshold: usize,
    /// Whether WebSockets may be opened over HTTP/2 (RFC 8441). Clients are told so.
    pub http2: bool,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            init_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(15),
            ping_timeout: Duration::from_secs(30),
            max_operations: 100,
            max_message_bytes: 1 << 20,
            max_queue_bytes: 4 << 20,
            write_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
            default_subprotocol: None,
            compat: Vec::new(),
            compression: false,
            compression_threshold: 1024,
            http2: false,
        }
    }
}

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// How clients are authenticated.
    pub auth: AuthConfig,
    /// Whether cookies of upgrades count although CORS is disabled.
    pub ws_read_cookie: bool,
    /// How long a socket stays open after the credentials of its client have expired.
    pub expiry_grace: Duration,
    /// How statuses of GraphQL responses are chosen.
    pub status_profile: StatusProfile,
    /// Which origins may call.
    pub cors: Cors,
    /// Which requests are refused since a page of another site could have sent them.
    pub csrf: CsrfRule,
    /// The longest request body in bytes.
    pub max_body_bytes: usize,
    /// The most requests in the JSON array of one body; 0 refuses arrays.
    pub max_batch_size: usize,
    /// The longest request head (request line and headers) in bytes.
    pub max_head_bytes: usize,
    /// How long the first request of a connection, its headers and its body may each take to arrive.
    pub read_timeout: Duration,
    /// How long a single answer (not a stream) may take to compute.
    pub request_timeout: Duration,
    /// An HTTP connection that takes nothing for this long while something waits to be written is
    /// dropped.
    pub write_timeout: Duration,
    /// How often an event stream without results sends a comment.
    pub sse_heartbeat: Duration,
    /// How long a reserved event stream waits to be opened.
    pub sse_reservation_timeout: Duration,
    /// The most event streams that are reserved and not open.
    pub sse_max_reservations: usize,
    /// The same for one identity.
    pub sse_max_reservations_per_identity: usize,
    /// How often a multipart response without results sends an empty part.
    pub multipart_heartbeat: Duration,
    /// WebSocket connections.
    pub websocket: WebSocketConfig,
    /// Limits of connections and load.
    pub limits: LimitsConfig,
    /// Whether the console is served at `/`.
    pub console: bool,
    /// Over how long the closing of sockets is spread when the server stops.
    pub shutdown_window: Duration,
    /// How long after that open requests may take to finish.
    pub shutdown_grace: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            auth: AuthConfig::default(),
            ws_read_cookie: false,
            expiry_grace: Duration::from_secs(2),
            status_profile: StatusProfile::Hasura,
            cors: Cors::Default,
            csrf: CsrfRule::PostOnly,
            max_body_bytes: 1 << 20,
            max_batch_size: 0,
            max_head_bytes: 64 << 10,
            read_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(90),
            write_timeout: Duration::from_secs(30),
            sse_heartbeat: Duration::from_secs(12),
            sse_reservation_timeout: Duration::from_secs(10),
            sse_max_reservations: 10_000,
            sse_max_reservations_per_identity: 1000,
            multipart_heartbeat: Duration::from_secs(5),
            websocket: WebSocketConfig::default(),
            limits: LimitsConfig::default(),
            console: true,
            shutdown_window: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(20),
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// How clients are authenticated.
    #[error(transparent)]
    Auth(#[from] artesian_auth::ConfigError),
    /// Not `scheme://host[:port]`.
    #[error(
        "`{0}` is no origin: write scheme://host or scheme://host:port, with `*.` for one label \
         (https://*.example.com), and names of other scripts in ASCII (xn--…)"
    )]
    BadOrigin(String),
}
