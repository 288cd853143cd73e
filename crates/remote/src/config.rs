//! How one service is reached, and the limits of it. Everything has a default.

use std::{sync::Arc, time::Duration};

use artesian_protocol::{Subprotocol, session::client::ClientConfig};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::{RemoteError, endpoint::Endpoint, operation::object};

/// How one service is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamConfig {
    /// Where queries and mutations go.
    pub url: Endpoint,
    /// Where subscriptions go. Default: `url`; its scheme is turned from `http` to `ws` where that
    /// is needed.
    pub subscription_url: Option<Endpoint>,
    /// How subscriptions are carried. Default: [`Transport::Auto`].
    pub transport: Transport,
    /// Headers of every request and upgrade, whoever the client is. A client's header of the same
    /// name takes their place.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The payload of `connection_init`, a JSON object, for clients that bring none of their own.
    pub init_payload: Option<Bytes>,
    /// Where that payload comes from if it changes, such as a token of ours that expires. It takes the
    /// place of `init_payload` where it gives one. Default: none.
    pub init_payload_source: Option<InitPayloadSource>,
    /// How long everything may take.
    pub timeouts: Timeouts,
    /// How large and how many everything may be.
    pub limits: Limits,
    /// Attempts after a failure.
    pub retry: Retry,
    /// When a service that fails is left alone.
    pub circuit: CircuitConfig,
    /// What happens to a subscription whose connection breaks. Default: [`Reconnect::Resume`].
    pub reconnect: Reconnect,
    /// Who shares a subscription. Default: [`Sharing::Events`].
    pub sharing: Sharing,
    /// The shortest interval of a poll; a shorter one is taken to be this. Default: 200 ms.
    pub min_interval: Duration,
}

impl UpstreamConfig {
    /// A service at this URL with everything at its default.
    pub fn new(url: Endpoint) -> Self {
        Self {
            url,
            subscription_url: None,
            transport: Transport::default(),
            headers: Vec::new(),
            init_payload: None,
            init_payload_source: None,
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            retry: Retry::default(),
            circuit: CircuitConfig::default(),
            reconnect: Reconnect::default(),
            sharing: Sharing::default(),
            min_interval: Duration::from_millis(200),
        }
    }

    /// Where subscriptions go.
    pub fn subscription_endpoint(&self) -> &Endpoint {
        self.subscription_url.as_ref().unwrap_or(&self.url)
    }

    /// What a socket says for clients that bring no payload of their own.
    pub(crate) fn own_init_payload(&self) -> Result<Option<Bytes>, RemoteError> {
        let fresh = self.init_payload_source.as_ref().and_then(|source| (source.0)());
        let payload = fresh.or_else(|| self.init_payload.clone());
        payload.map(|payload| object(payload, "the payload of connection_init")).transpose()
    }

    /// The limits of one WebSocket's session.
    pub(crate) fn session(&self) -> ClientConfig {
        ClientConfig {
            ack_timeout: self.timeouts.ack,
            max_operations: self.limits.operations_per_socket,
            max_waiting_bytes: self.limits.socket_queue_bytes,
            ping_interval: self.timeouts.ping_interval,
            pong_deadline: self.timeouts.pong_deadline,
            keep_alive_timeout: self.timeouts.keep_alive,
            cancel_again_after: Duration::from_secs(1),
        }
    }
}

/// Gives the payload of `connection_init`, a JSON object, each time that a socket is opened for clients
/// that bring none of their own; nothing if there is none at the moment. It is called on the task of the
/// socket, so it must not block: it hands out what somebody else keeps fresh.
#[derive(Clone)]
pub struct InitPayloadSource(Arc<dyn Fn() -> Option<Bytes> + Send + Sync>);

impl InitPayloadSource {
    /// A source of payloads.
    pub fn new(give: impl Fn() -> Option<Bytes> + Send + Sync + 'static) -> Self {
        Self(Arc::new(give))
    }
}

/// Whether both are the same one.
impl PartialEq for InitPayloadSource {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Nothing of what it gives.
impl std::fmt::Debug for InitPayloadSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InitPayloadSource").finish_non_exhaustive()
    }
}

/// How subscriptions are carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A WebSocket that offers both subprotocols and speaks what the service selects; if that comes to
    /// nothing, one after the other is offered alone. If the service answers the upgrade like any other
    /// request, an event stream is asked for with POST, and then a multipart body; these have no place
    /// for a payload of `connection_init`. What worked is remembered for the service, and forgotten when
    /// it is declined three times in a row. A refusal of credentials, a limit or a failure says nothing
    /// of what is spoken. A service that has never acknowledged a socket is asked for streams too when it
    /// takes an upgrade and does not acknowledge it in time; for clients with a payload not before that
    /// has happened three times in a row, which is also when it is remembered.
    #[default]
    Auto,
    /// A WebSocket with `graphql-transport-ws`.
    TransportWs,
    /// A WebSocket with `graphql-ws`, the protocol of subscriptions-transport-ws.
    LegacyWs,
    /// An event stream for each subscription (graphql-sse, distinct connections).
    Sse(Method),
    /// Apollo's multipart subscriptions.
    Multipart,
    /// Not at all.
    None,
}

impl std::str::FromStr for Transport {
    type Err = &'static str;

    /// The names of settings.
    fn from_str(name: &str) -> Result<Self, &'static str> {
        Ok(match name {
            "auto" => Self::Auto,
            "graphql-transport-ws" => Self::TransportWs,
            "graphql-ws" => Self::LegacyWs,
            "sse" => Self::Sse(Method::Post),
            "sse-get" => Self::Sse(Method::Get),
            "multipart" => Self::Multipart,
            "none" => Self::None,
            _ => {
                return Err("expected auto, graphql-transport-ws, graphql-ws, sse, sse-get, \
                            multipart or none");
            }
        })
    }
}

impl Transport {
    /// What to offer in the handshake of a WebSocket, one after the other until something is agreed on;
    /// empty where there is no WebSocket. Some services take the first name of a list whether they
    /// speak it or not (subscriptions-transport-ws), or no list at all (Tyk).
    pub(crate) fn offers(self) -> &'static [&'static [Subprotocol]] {
        const MODERN: &[Subprotocol] = &[Subprotocol::TransportWs];
        const LEGACY: &[Subprotocol] = &[Subprotocol::Legacy];
        match self {
            Self::Auto => &[&Subprotocol::PREFERENCE, MODERN, LEGACY],
            Self::TransportWs => &[MODERN],
            Self::LegacyWs => &[LEGACY],
            Self::Sse(_) | Self::Multipart | Self::None => &[],
        }
    }
}

/// The method of the request that opens an event stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// The operation is part of the URL.
    Get,
    /// The operation is the body.
    #[default]
    Post,
}

/// How long everything may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution, TCP, TLS and the WebSocket handshake together. Default: 5 s.
    pub connect: Duration,
    /// From the end of the WebSocket handshake to `connection_ack`. Default: 10 s.
    pub ack: Duration,
    /// A single operation from its start to the last byte of the response, the time that it waits for
    /// its turn and its retries included; also the time to the head of the answer that opens an event
    /// stream or a multipart body. Default: 30 s.
    pub request: Duration,
    /// How long one message, event or part may take from its first byte to its last. Default: 30 s.
    pub message: Duration,
    /// How long a socket without operations is kept. Default: 10 s.
    pub idle: Duration,
    /// Interval of WebSocket pings. Default: 15 s. `None`: no pings.
    pub ping_interval: Option<Duration>,
    /// How long the service may stay silent after a ping. Default: 30 s.
    pub pong_deadline: Duration,
    /// How long the service may send nothing once it has sent a first sign of life that nobody asked
    /// for: `ka` of the legacy protocol, a comment in an event stream, `{}` in a multipart body.
    /// Default: 60 s. `None`: for ever.
    pub keep_alive: Option<Duration>,
    /// How long an event stream or multipart body may be without any byte at all, whether the service
    /// sends signs of life or not. Default: `None`, for ever: some never do.
    pub stream_idle: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            ack: Duration::from_secs(10),
            request: Duration::from_secs(30),
            message: Duration::from_secs(30),
            idle: Duration::from_secs(10),
            ping_interval: Some(Duration::from_secs(15)),
            pong_deadline: Duration::from_secs(30),
            keep_alive: Some(Duration::from_secs(60)),
            stream_idle: None,
        }
    }
}

/// How large and how many everything may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the response to a single operation. Default: 16 MiB.
    pub response_bytes: usize,
    /// Bytes of one message on a WebSocket, one event of a stream, one part of a body. Default:
    /// 4 MiB.
    pub message_bytes: usize,
    /// Bytes of events that wait for the slowest client of one subscription; the client that exceeds
    /// it loses the subscription, the others do not. A single event is always taken. Default: 1 MiB.
    pub buffer_bytes: usize,
    /// Bytes that wait to be sent on one socket before no operation is begun on it. Default: 1 MiB.
    pub socket_queue_bytes: usize,
    /// Sockets, event streams and multipart bodies that are open at a time; a socket without operations
    /// makes room for another client. Default: 1000.
    pub sockets: usize,
    /// Operations on one socket; another socket is opened where there are more. Default: 1000.
    pub operations_per_socket: usize,
    /// Single operations that run at a time. Default: 256.
    pub concurrent_requests: usize,
    /// Single operations that wait for their turn. Default: 1024.
    pub waiting_requests: usize,
    /// Distinct queries that are polled at a time. Default: 10,000.
    pub polls: usize,
    /// Polled queries that run, or wait for their turn among the single operations, at a time; the others
    /// wait without a limit. At least 1. Default: 64.
    pub concurrent_polls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            response_bytes: 16 << 20,
            message_bytes: 4 << 20,
            buffer_bytes: 1 << 20,
            socket_queue_bytes: 1 << 20,
            sockets: 1000,
            operations_per_socket: 1000,
            concurrent_requests: 256,
            waiting_requests: 1024,
            polls: 10_000,
            concurrent_polls: 64,
        }
    }
}

/// Attempts after a failure. The pause before attempt *n* is random between nothing and
/// `first * 2^n`, at most `longest` (full jitter). It comes on top of what the service asks for with
/// `Retry-After`, or `retry:` in an event stream, of which at most `longest` is respected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How many attempts follow the first one, for single operations and for subscriptions that were
    /// never established. Default: 2.
    pub attempts: u32,
    /// The pause before the first further attempt, at most. Default: 100 ms.
    pub first: Duration,
    /// The longest pause. Default: 10 s.
    pub longest: Duration,
    /// Whether a query that may have reached the service is repeated when the connection breaks or the
    /// answer is 502, 503 or 504. Mutations never are; both are repeated if no connection came about.
    /// Default: yes.
    pub queries: bool,
    /// For how long a subscription that was established is tried to be brought back. Default: 5 min.
    pub give_up_after: Duration,
    /// A subscription that lasted this long starts over with short pauses. Default: 10 s.
    pub stable_after: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 2,
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            queries: true,
            give_up_after: Duration::from_secs(300),
            stable_after: Duration::from_secs(10),
        }
    }
}

/// When a service that fails is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitConfig {
    /// Failures in a row that open the circuit. Default: 5. 0: it never opens.
    pub failures: u32,
    /// For how long it is open at first; every trial that fails doubles it. Default: 1 s.
    pub first: Duration,
    /// For how long it is open at most. Default: 30 s.
    pub longest: Duration,
}

impl Default for CircuitConfig {
    fn default() -> Self {
        Self { failures: 5, first: Duration::from_secs(1), longest: Duration::from_secs(30) }
    }
}

/// What happens to a subscription whose connection breaks. Refusals end it in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reconnect {
    /// It is begun again, with [`Event::Resumed`](crate::Event::Resumed) before what comes next: events
    /// in between are lost.
    #[default]
    Resume,
    /// It ends with an error.
    Error,
    /// It ends as if it were complete.
    End,
}

/// Who shares a subscription with whom. Only equal operations with equal credentials are ever shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Every client has its own.
    None,
    /// Those who join later get what comes from then on.
    #[default]
    Events,
    /// Those who join later get the latest result at once: for services whose subscriptions begin with
    /// the current state, such as live queries.
    Latest,
}
