//! Settings of the server.

use std::time::Duration;

use artesian_protocol::http::{CsrfRule, StatusProfile};

use crate::LimitsConfig;

/// Which pages of other origins may call the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cors {
    /// Every origin, without the browser's credentials.
    #[default]
    AllowAll,
    /// These origins: `https://app.example.com`, with a port if it is not the default one, or
    /// `https://*.example.com` for any one label. WebSocket upgrades from other origins are refused.
    List(Vec<String>),
    /// No CORS headers at all: browsers let only pages of the same origin read answers.
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
        }
    }
}

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Admin secrets; any of them is good, so that they can be rotated. None at all means that every
    /// client is the administrator.
    pub admin_secrets: Vec<String>,
    /// How statuses of GraphQL responses are chosen.
    pub status_profile: StatusProfile,
    /// Which origins may call.
    pub cors: Cors,
    /// Which requests are refused since a page of another site could have sent them.
    pub csrf: CsrfRule,
    /// The longest request body in bytes.
    pub max_body_bytes: usize,
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
            admin_secrets: Vec::new(),
            status_profile: StatusProfile::Hasura,
            cors: Cors::AllowAll,
            csrf: CsrfRule::PostOnly,
            max_body_bytes: 1 << 20,
            max_head_bytes: 64 << 10,
            read_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(90),
            write_timeout: Duration::from_secs(30),
            sse_heartbeat: Duration::from_secs(12),
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
    /// An empty secret would let everybody in who sends an empty header.
    #[error("an admin secret must not be empty")]
    EmptyAdminSecret,
    /// A value that no header can carry, so no client could ever send it.
    #[error("an admin secret must consist of visible ASCII characters, without spaces at its ends")]
    UnusableAdminSecret,
    /// Not `scheme://host[:port]`.
    #[error(
        "`{0}` is no origin: write scheme://host or scheme://host:port, with `*.` for one label \
         (https://*.example.com)"
    )]
    BadOrigin(String),
}
