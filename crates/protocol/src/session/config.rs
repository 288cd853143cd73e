//! Settings and close codes.

use std::time::Duration;

use super::Compat;

/// Limits and intervals of a session. Share one among sessions with an `Arc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// How long a client may take to send `connection_init`. Default: 10 s.
    pub init_timeout: Duration,
    /// How many operations may be alive at a time. Default: 100.
    pub max_operations: usize,
    /// The longest operation id in bytes. Default: 256.
    pub max_id_bytes: usize,
    /// How many bytes of messages may wait for the acknowledgement (legacy protocol), or until fresh
    /// credentials are checked. Default: 64 KiB.
    pub pre_ack_queue_bytes: usize,
    /// The interval of WebSocket pings, once acknowledged. Default: 15 s. `None`: no pings.
    pub ping_interval: Option<Duration>,
    /// How long a peer may stay silent after a ping. Default: 30 s.
    pub pong_deadline: Duration,
    /// The interval of `ka` (legacy protocol). Default: 15 s, which is also the longest that is
    /// used: clients drop a connection without `ka` after 30 s once they have seen the first.
    /// `None`: never.
    pub keep_alive_interval: Option<Duration>,
    /// Deviations from the protocols. Default: none.
    pub compat: Compat,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            init_timeout: Duration::from_secs(10),
            max_operations: 100,
            max_id_bytes: 256,
            pre_ack_queue_bytes: 64 * 1024,
            ping_interval: Some(Duration::from_secs(15)),
            pong_deadline: Duration::from_secs(30),
            keep_alive_interval: Some(Duration::from_secs(15)),
            compat: Compat::default(),
        }
    }
}

/// Close codes that a session uses (RFC 6455, section 7.4.1; GraphQL over WebSocket).
#[derive(Clone, Copy, Debug)]
pub struct CloseCode;

impl CloseCode {
    /// A client is done.
    pub const NORMAL: u16 = 1000;
    /// The server goes away; clients come back.
    pub const GOING_AWAY: u16 = 1001;
    /// The pre-acknowledgement queue is full (legacy).
    pub const POLICY: u16 = 1008;
    /// Init refused, or an internal failure (legacy).
    pub const INTERNAL_ERROR: u16 = 1011;
    /// Server is being restarted.
    pub const SERVICE_RESTART: u16 = 1012;
    /// Try again later.
    pub const TRY_AGAIN_LATER: u16 = 1013;
    /// `Invalid message received`
    pub const BAD_REQUEST: u16 = 4400;
    /// `Unauthorized`
    pub const UNAUTHORIZED: u16 = 4401;
    /// `Forbidden`
    pub const FORBIDDEN: u16 = 4403;
    /// `Subprotocol not acceptable`; for the driver, before there is a session.
    pub const SUBPROTOCOL_NOT_ACCEPTABLE: u16 = 4406;
    /// `Connection initialisation timeout`
    pub const INIT_TIMEOUT: u16 = 4408;
    /// `Subscriber for <id> already exists`
    pub const SUBSCRIBER_EXISTS: u16 = 4409;
    /// `Too many initialisation requests`
    pub const TOO_MANY_INIT: u16 = 4429;
    /// The peer did not answer a ping.
    pub const TERMINATED: u16 = 4499;
    /// `Connection acknowledgement timeout`; from clients to servers.
    pub const ACK_TIMEOUT: u16 = 4504;
    /// `Internal server error`
    pub const INTERNAL_SERVER_ERROR: u16 = 4500;
}
