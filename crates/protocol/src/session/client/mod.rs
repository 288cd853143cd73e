//! The two GraphQL subprotocols over WebSocket, in the client's role: connections to upstream
//! servers.
//!
//! A [`ClientSession`] is one connection and works as the server's [`Session`](super::Session) does:
//! messages, requests and the time go in, [`ClientOutput`]s come out, and
//! [`handle_timeout`](ClientSession::handle_timeout) is called when
//! [`next_timeout`](ClientSession::next_timeout) is reached. After every call the driver should drain
//! [`poll_output`](ClientSession::poll_output).
//!
//! Our server is strict towards its clients; this is lenient towards servers, since those in use
//! deviate from the protocols in many ways. What can be relied on whatever a server does:
//!
//! * An operation is named by an [`OperationKey`] that is never used again. It is also the id on the
//!   wire, so no id of a client of ours ever reaches another server.
//! * Every operation that [`subscribe`](ClientSession::subscribe) began ends exactly once: with
//!   [`ClientOutput::Error`], [`ClientOutput::Complete`], [`ClientOutput::Lost`], or
//!   [`unsubscribe`](ClientSession::unsubscribe). Nothing of it comes after that.
//! * Requests wait for the acknowledgement, in a queue that is bounded.
//! * [`ClientOutput::Close`] is the last output.

mod config;
mod incoming;
mod operations;
mod output;
mod timers;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

pub use config::ClientConfig;
pub use output::{ClientOutput, ConnectionEnd, SubscribeError};

use super::output::message;
use super::{CloseCode, OperationKey};
use crate::Message;
use crate::ws::{Subprotocol, truncate_reason};
use operations::Operations;
use timers::Timers;

/// How far the connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// `connection_init` was sent.
    AwaitAck,
    /// Acknowledged.
    Ready,
    /// [`ClientOutput::Close`] was given out, or the socket is gone.
    Closed,
}

/// One connection to a server that speaks a GraphQL subprotocol.
#[derive(Debug)]
pub struct ClientSession {
    protocol: Subprotocol,
    config: Arc<ClientConfig>,
    phase: Phase,
    operations: Operations,
    timers: Timers,
    out: VecDeque<ClientOutput>,
    ignored: u64,
    /// Fresh credentials that came before the acknowledgement.
    fresh: Option<Bytes>,
    /// Legacy: acknowledgements of fresh credentials that are to come.
    owed_acks: u64,
    ended: Option<ConnectionEnd>,
}

impl ClientSession {
    /// A connection that was just opened. Its first output is `connection_init`; `init` is the
    /// payload, a JSON object. The clock of the acknowledgement starts at `now`.
    pub fn new(
        protocol: Subprotocol,
        config: impl Into<Arc<ClientConfig>>,
        init: Option<Bytes>,
        now: Instant,
    ) -> Self {
        let config = config.into();
        let init = match init {
            Some(payload) => message(r#"{"type":"connection_init","payload":"#, payload),
            None => Message::whole(Bytes::from_static(br#"{"type":"connection_init"}"#)),
        };
        Self {
            protocol,
            phase: Phase::AwaitAck,
            operations: Operations::default(),
            timers: Timers::new(now, &config),
            out: VecDeque::from([ClientOutput::Send(init)]),
            ignored: 0,
            fresh: None,
            owed_acks: 0,
            ended: None,
            config,
        }
    }

    /// The protocol of this session.
    pub fn protocol(&self) -> Subprotocol {
        self.protocol
    }

    /// Whether the connection is acknowledged and open.
    pub fn is_acknowledged(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Whether the session is over. Outputs may be left to poll.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Why the session is over, once it is.
    pub fn ended_by(&self) -> Option<&ConnectionEnd> {
        self.ended.as_ref()
    }

    /// How many operations are alive, those that wait for the acknowledgement included.
    pub fn operation_count(&self) -> usize {
        self.operations.len()
    }

    /// Whether an operation is alive.
    pub fn is_live(&self, key: OperationKey) -> bool {
        self.operations.is_live(key)
    }

    /// How many messages meant nothing to us: malformed, of an unknown type, or for an operation
    /// that is not alive.
    pub fn ignored_messages(&self) -> u64 {
        self.ignored
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        let output = self.out.pop_front();
        if self.out.is_empty() && self.out.capacity() > 16 {
            // A burst leaves no memory behind on an idle connection.
            self.out = VecDeque::new();
        }
        output
    }

    /// Begins an operation. `request` is a GraphQL request as a JSON object, with the members
    /// `query`, `operationName`, `variables` and `extensions`.
    pub fn subscribe(&mut self, request: Bytes) -> Result<OperationKey, SubscribeError> {
        self.begin(request, "")
    }

    /// The same for one of several clients that share the connection: `init` is the payload of that
    /// client's `connection_init`, a JSON object. It stands in `extensions` beside the request, as
    /// Mercurius' gateways send it to services (mercurius #268, `connectionInit`).
    pub fn subscribe_for(
        &mut self,
        request: Bytes,
        init: &[u8],
    ) -> Result<OperationKey, SubscribeError> {
        let init = String::from_utf8_lossy(init);
        let members = format!(r#","extensions":[{{"type":"connectionInit","payload":{init}}}]"#);
        self.begin(request, &members)
    }

    /// `members` stand between the type and the request.
    fn begin(&mut self, request: Bytes, members: &str) -> Result<OperationKey, SubscribeError> {
        if self.is_closed() {
            return Err(SubscribeError::Closed);
        }
        let limit = self.config.max_operations;
        if self.operations.len() >= limit {
            return Err(SubscribeError::TooManyOperations(limit));
        }
        let id = self.operations.next_key().get();
        let kind = match self.protocol {
            Subprotocol::TransportWs => "subscribe",
            Subprotocol::Legacy => "start",
        };
        let start =
            message(format!(r#"{{"id":"{id}","type":"{kind}"{members},"payload":"#), request);
        if self.phase == Phase::Ready {
            self.out.push_back(ClientOutput::Send(start));
            return Ok(self.operations.insert(None));
        }
        let limit = self.config.max_waiting_bytes;
        if self.operations.waiting_bytes().saturating_add(start.len()) > limit {
            return Err(SubscribeError::TooManyBytes(limit));
        }
        Ok(self.operations.insert(Some(start)))
    }

    /// Cancels an operation. This is its end: nothing of it comes from now on, and results that
    /// were not polled are discarded. Says whether it was alive; if not, its end was given out
    /// before or waits to be polled.
    pub fn unsubscribe(&mut self, now: Instant, key: OperationKey) -> bool {
        let Some(started) = self.operations.cancel(key, now) else {
            return false;
        };
        self.out
            .retain(|output| !matches!(output, ClientOutput::Next { key: of, .. } if *of == key));
        if started {
            self.send_cancel(key);
        }
        true
    }

    fn send_cancel(&mut self, key: OperationKey) {
        let id = key.get();
        let kind = match self.protocol {
            Subprotocol::TransportWs => "complete",
            Subprotocol::Legacy => "stop",
        };
        let cancel = Message::whole(format!(r#"{{"id":"{id}","type":"{kind}"}}"#));
        self.out.push_back(ClientOutput::Send(cancel));
    }

    fn acknowledged(&mut self, now: Instant, payload: Option<Bytes>) {
        self.phase = Phase::Ready;
        self.timers.acknowledged(now, &self.config);
        self.out.push_back(ClientOutput::Acknowledged { payload });
        if let Some(fresh) = self.fresh.take() {
            self.refresh(fresh);
        }
        self.out.extend(self.operations.take_waiting().into_iter().map(ClientOutput::Send));
    }

    /// Sends fresh credentials, before anything that is sent later. `payload` is a JSON object such as
    /// `{"headers":{…}}` or `{"connectionParams":{…}}`: with the legacy protocol the payload of a
    /// further `connection_init`, with `graphql-transport-ws` that of a `ping`, which servers other
    /// than ours only answer. A server that refuses them closes the connection; there is no other
    /// answer to wait for. Before the acknowledgement they wait for it, and only the last ones are
    /// sent.
    pub fn refresh(&mut self, payload: Bytes) {
        match self.phase {
            Phase::AwaitAck => self.fresh = Some(payload),
            Phase::Ready => {
                let prefix = match self.protocol {
                    Subprotocol::TransportWs => r#"{"type":"ping","payload":"#,
                    Subprotocol::Legacy => r#"{"type":"connection_init","payload":"#,
                };
                self.owed_acks += u64::from(self.protocol == Subprotocol::Legacy);
                self.out.push_back(ClientOutput::Send(message(prefix, payload)));
            }
            Phase::Closed => {}
        }
    }

    /// Any other sign of life arrived: a WebSocket ping or pong, or a part of a message.
    pub fn handle_activity(&mut self, _now: Instant) {
        self.timers.heard();
    }

    /// The time of the next call to [`handle_timeout`](Self::handle_timeout).
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.is_closed() { None } else { self.timers.next() }
    }

    /// Does what is due at `now`. Calls that come early do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        if self.timers.ack_expired(now) {
            let reason = "Connection acknowledgement timeout";
            self.finish(ConnectionEnd::AckTimeout, CloseCode::ACK_TIMEOUT, reason);
        } else if self.timers.server_is_silent(now) {
            let reason = "Terminated: no sign of life";
            self.finish(ConnectionEnd::Silent, CloseCode::TERMINATED, reason);
        } else if self.timers.ping_due(now, &self.config) {
            self.out.push_back(ClientOutput::WsPing);
        }
    }

    /// Ends the connection from our side; 1000 is what servers expect of clients that are done. The
    /// reason is cut to what fits.
    pub fn close(&mut self, code: u16, reason: &str) {
        if self.is_closed() {
            return;
        }
        if self.protocol == Subprotocol::Legacy {
            let text = br#"{"type":"connection_terminate"}"#;
            self.out.push_back(ClientOutput::Send(Message::whole(Bytes::from_static(text))));
        }
        self.finish(ConnectionEnd::ClosedHere, code, reason);
    }

    /// The socket is gone, or the server closed it with `code` and `reason`: every live operation
    /// gives [`ClientOutput::Lost`]. What was received before and not polled stays; messages that
    /// were to be sent are discarded.
    pub fn connection_lost(&mut self, code: Option<u16>, reason: &str) {
        if self.is_closed() {
            return;
        }
        self.out.retain(|o| !matches!(o, ClientOutput::Send(_) | ClientOutput::WsPing));
        let reason = truncate_reason(reason).to_owned();
        self.stop_everything(&ConnectionEnd::Disconnected { code, reason });
    }

    fn stop_everything(&mut self, reason: &ConnectionEnd) {
        self.phase = Phase::Closed;
        self.ended = Some(reason.clone());
        for key in self.operations.drain() {
            self.out.push_back(ClientOutput::Lost { key, reason: reason.clone() });
        }
    }

    fn finish(&mut self, end: ConnectionEnd, code: u16, reason: &str) {
        self.stop_everything(&end);
        self.out
            .push_back(ClientOutput::Close { code, reason: truncate_reason(reason).to_owned() });
    }
}
