//! Limits and intervals of a client's session.

use std::time::Duration;

/// Limits and intervals of a [`ClientSession`](super::ClientSession). Share one among sessions with
/// an `Arc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// How long the server may take to send `connection_ack`, from the opening of the connection.
    /// Default: 10 s.
    pub ack_timeout: Duration,
    /// How many operations may be alive at a time. Default: 10 000.
    pub max_operations: usize,
    /// How many bytes of requests may wait for the acknowledgement. Default: 1 MiB.
    pub max_waiting_bytes: usize,
    /// The interval of WebSocket pings, once acknowledged. Default: 15 s. `None`: no pings.
    pub ping_interval: Option<Duration>,
    /// How long the server may stay silent after a ping. Default: 30 s.
    pub pong_deadline: Duration,
    /// Legacy protocol: how long the server may send no message at all once it has sent its first
    /// `ka`. Servers choose intervals of 5 to 30 s. Default: 60 s. `None`: for ever.
    pub keep_alive_timeout: Option<Duration>,
    /// How long to wait for the end of an operation's results before it is cancelled again. Default:
    /// 1 s. Some servers lose a cancellation that comes right after the start (Mercurius).
    pub cancel_again_after: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            ack_timeout: Duration::from_secs(10),
            max_operations: 10_000,
            max_waiting_bytes: 1024 * 1024,
            ping_interval: Some(Duration::from_secs(15)),
            pong_deadline: Duration::from_secs(30),
            keep_alive_timeout: Some(Duration::from_secs(60)),
            cancel_again_after: Duration::from_secs(1),
        }
    }
}
