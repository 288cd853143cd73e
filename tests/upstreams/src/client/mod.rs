//! Clients of the gateway's transports.

mod channel;
pub mod http;
mod log;
mod socket;
mod streams;

use std::net::SocketAddr;

use serde_json::{Value, json};

use self::{channel::Channel, log::Watched, socket::Socket, streams::Streams};
pub use self::{
    http::{ask, get},
    log::{End, Log},
    socket::Protocol,
};
use crate::seen;

/// How a client carries its subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// A WebSocket with `graphql-transport-ws`.
    TransportWs,
    /// A WebSocket with `graphql-ws`.
    LegacyWs,
    /// An event stream for each.
    Events,
    /// A multipart body for each.
    Multipart,
    /// One event stream for all, and a request for each.
    Channel,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::TransportWs, Self::LegacyWs, Self::Events, Self::Multipart, Self::Channel];

    /// Whether there is a `connection_init`.
    pub fn is_socket(self) -> bool {
        matches!(self, Self::TransportWs | Self::LegacyWs)
    }
}

/// Who is asking.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// The header `authorization`, of the upgrade or of every request.
    pub header: Option<String>,
    /// `token` of the payload of `connection_init`, where there is one.
    pub token: Option<String>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

impl Caller {
    /// Known by a header.
    pub fn header(header: &str) -> Self {
        Self { header: Some(header.to_owned()), ..Self::default() }
    }

    /// Known by the payload of `connection_init`.
    pub fn token(token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..Self::default() }
    }

    /// With a payload, too.
    pub fn and_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// With a header more.
    pub fn and_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The headers of an upgrade or request.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        let own = self.header.iter().map(|value| ("authorization", value.as_str()));
        own.chain(self.headers.iter().map(|(name, value)| (*name, value.as_str()))).collect()
    }

    /// The payload of `connection_init`.
    pub fn payload(&self) -> Value {
        self.token.as_ref().map_or(Value::Null, |token| json!({ "token": token }))
    }

    /// The name by which the service knows it if its headers are forwarded and its payload is its own
    /// ([`seen::who`]).
    pub fn who(&self, transport: Transport) -> String {
        let token = self.token.as_deref().filter(|_| transport.is_socket());
        let header = self.header.as_deref().unwrap_or(seen::NOTHING);
        seen::who(header, token.unwrap_or(seen::NOTHING), seen::NOTHING)
    }
}

/// The subscription to a topic.
pub fn feed(topic: &str) -> Value {
    let query = "subscription Feed($topic: String!) { feed(topic: $topic) }";
    json!({"query": query, "variables": {"topic": topic}})
}

/// A client.
pub struct Client {
    /// How it is connected.
    pub transport: Transport,
    kind: Kind,
    serial: u64,
}

enum Kind {
    Socket(Box<Socket>),
    Streams(Streams),
    Channel(Channel),
}

/// An operation of a client.
pub struct Operation {
    id: String,
    /// What came of it.
    pub log: Watched,
}

impl Client {
    /// Connects as somebody.
    ///
    /// # Panics
    /// If the gateway does not let it in.
    pub async fn connect(address: SocketAddr, transport: Transport, caller: &Caller) -> Self {
        let kind = match transport {
            Transport::TransportWs => {
                Kind::Socket(Box::new(Socket::connect(address, Protocol::Modern, caller).await))
            }
            Transport::LegacyWs => {
                Kind::Socket(Box::new(Socket::connect(address, Protocol::Legacy, caller).await))
            }
            Transport::Events | Transport::Multipart => {
                Kind::Streams(Streams::new(address, transport, caller))
            }
            Transport::Channel => Kind::Channel(Channel::connect(address, caller).await),
        };
        Self { transport, kind, serial: 0 }
    }

    /// Subscribes to a topic.
    pub async fn subscribe(&mut self, topic: &str) -> Operation {
        self.start(feed(topic)).await
    }

    /// Runs any operation.
    pub async fn start(&mut self, request: Value) -> Operation {
        self.serial += 1;
        let id = self.serial.to_string();
        let log = log::Log::watched();
        match &mut self.kind {
            Kind::Socket(socket) => socket.start(&id, request, log.clone()).await,
            Kind::Streams(streams) => streams.start(&id, request, log.clone()).await,
            Kind::Channel(channel) => channel.start(&id, request, log.clone()).await,
        }
        Operation { id, log }
    }

    /// Ends an operation as its transport does that.
    pub async fn stop(&mut self, operation: &Operation) {
        operation.log.with(|log| log.is_stopped = true);
        match &mut self.kind {
            Kind::Socket(socket) => socket.stop(&operation.id).await,
            Kind::Streams(streams) => streams.stop(&operation.id).await,
            Kind::Channel(channel) => channel.stop(&operation.id).await,
        }
    }

    /// Sends `connection_init` again (legacy), or its payload in a `ping`.
    ///
    /// # Panics
    /// If there is no socket.
    pub async fn refresh(&mut self, payload: Value) {
        let Kind::Socket(socket) = &mut self.kind else { panic!("no socket") };
        socket.refresh(payload).await;
    }

    /// Leaves with a word, as far as the transport has one.
    pub async fn close(self) {
        match self.kind {
            Kind::Socket(socket) => socket.close().await,
            Kind::Streams(streams) => streams.kill().await,
            Kind::Channel(channel) => channel.kill().await,
        }
    }

    /// Dies: the TCP connections are gone without a word.
    pub async fn kill(self) {
        match self.kind {
            Kind::Socket(socket) => socket.kill().await,
            Kind::Streams(streams) => streams.kill().await,
            Kind::Channel(channel) => channel.kill().await,
        }
    }
}

impl Operation {
    /// Waits until something holds of what came.
    ///
    /// # Panics
    /// If it does not in time.
    pub async fn until<R>(&self, what: &str, holds: impl FnMut(&mut Log) -> Option<R>) -> R {
        match self.log.until(holds).await {
            Some(found) => found,
            None => self.log.with(|log| panic!("never: {what}; there is {log:?}")),
        }
    }

    /// Waits for the result with this index and gives it.
    pub async fn result(&self, n: usize) -> Value {
        self.until(&format!("result {n}"), |log| log.results.get(n).cloned()).await
    }

    /// Waits for the end and gives it.
    pub async fn end(&self) -> End {
        self.until("an end", |log| log.end.clone()).await
    }
}
