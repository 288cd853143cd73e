//! The two GraphQL subprotocols over WebSocket, in the server's role; [`client`] has the other.
//!
//! A [`Session`] is one connection. The driver hands in text messages, the results of operations
//! and the time; it takes out [`Output`]s until there are none, and calls
//! [`handle_timeout`](Session::handle_timeout) when [`next_timeout`](Session::next_timeout) is
//! reached. After every call the driver should drain [`poll_output`](Session::poll_output).
//!
//! What holds for both protocols:
//!
//! * An operation is named by an [`OperationKey`] that is never used again, so results that come too
//!   late can never reach another operation with the same client id.
//! * After [`Output::Start`] the client hears of an operation's end at most once, and nothing after
//!   it. Results for operations that have ended are dropped.
//! * Every operation that ends other than by the driver's own call gives one [`Output::Stop`],
//!   also when the session closes.
//! * [`Output::Close`] is the last output.

pub mod client;
mod compat;
mod config;
mod deferred;
mod envelope;
mod legacy;
mod operation_init;
mod operations;
mod output;
mod refresh;
mod replies;
mod timers;
mod transport_ws;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::value::RawValue;

pub use compat::{Compat, CompatProfile};
pub use config::{CloseCode, SessionConfig};
pub use operations::OperationKey;
pub use output::Output;
pub use refresh::AuthenticateKind;

use crate::json;
use crate::message::Message;
use crate::ws::{Subprotocol, truncate_reason};
use deferred::Deferred;
use operations::{ClientId, Operations};
use output::message;
use refresh::Answer;
use timers::Timers;

/// How far the connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No `connection_init` yet.
    AwaitInit,
    /// The driver was asked to authenticate and has not answered. This may happen again after the
    /// first acknowledgement: with fresh credentials, or where `connection_init` may be repeated.
    Authenticating,
    /// Acknowledged.
    Ready,
    /// [`Output::Close`] was given out, or the socket is gone.
    Closed,
}

/// One connection that speaks a GraphQL subprotocol.
#[derive(Debug)]
pub struct Session {
    protocol: Subprotocol,
    config: Arc<SessionConfig>,
    phase: Phase,
    /// Whether the client was ever accepted.
    acknowledged: bool,
    /// What says that the pending authentication has let the client in.
    answer: Answer,
    operations: Operations,
    timers: Timers,
    out: VecDeque<Output>,
    /// What must wait for the acknowledgement.
    deferred: VecDeque<Deferred>,
    deferred_bytes: usize,
    /// Operations that were refused since there are too many, and not told of yet.
    refused_operations: u16,
}

impl Session {
    /// A connection that was just opened. The clock of the init timeout starts at `now`.
    pub fn new(protocol: Subprotocol, config: impl Into<Arc<SessionConfig>>, now: Instant) -> Self {
        let config = config.into();
        Self {
            protocol,
            phase: Phase::AwaitInit,
            acknowledged: false,
            answer: Answer::Nothing,
            operations: Operations::default(),
            timers: Timers::new(now, config.init_timeout),
            out: VecDeque::new(),
            deferred: VecDeque::new(),
            deferred_bytes: 0,
            refused_operations: 0,
            config,
        }
    }

    /// The protocol of this session.
    pub fn protocol(&self) -> Subprotocol {
        self.protocol
    }

    /// Whether the connection is acknowledged and open.
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged && !self.is_closed()
    }

    /// Whether the session is over. Outputs may be left to poll.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// How many operations are alive.
    pub fn operation_count(&self) -> usize {
        self.operations.len()
    }

    /// Whether an operation is alive.
    pub fn is_live(&self, key: OperationKey) -> bool {
        self.operations.get(key).is_some()
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.out.pop_front();
        if self.out.is_empty() {
            // Room for a few outputs is a tenth of what an idle connection costs.
            self.out = VecDeque::new();
        }
        output
    }

    /// A text message arrived.
    pub fn handle_text(&mut self, _now: Instant, text: &[u8]) {
        if self.is_closed() {
            return;
        }
        self.timers.heard();
        match self.protocol {
            Subprotocol::TransportWs => self.transport_ws_text(text),
            Subprotocol::Legacy => self.legacy_text(text),
        }
    }

    /// A binary message arrived. Neither protocol knows such messages: `graphql-transport-ws`
    /// closes with 4400, the legacy protocol answers `connection_error`. With
    /// [`Compat::binary_is_text`] it is a message like any other.
    pub fn handle_binary(&mut self, now: Instant, bytes: &[u8]) {
        if self.config.compat.binary_is_text {
            return self.handle_text(now, bytes);
        }
        if self.is_closed() {
            return;
        }
        self.timers.heard();
        match self.protocol {
            Subprotocol::TransportWs => {
                self.bad_message("binary messages are not part of the protocol");
            }
            Subprotocol::Legacy => {
                self.connection_error(Some("null"), "Message must be JSON text");
            }
        }
    }

    /// Any other sign of life arrived: a WebSocket ping or pong, or a part of a message.
    pub fn handle_activity(&mut self, _now: Instant) {
        self.timers.heard();
    }

    /// The answer to [`Output::Authenticate`]: an optional payload for `connection_ack` (a JSON
    /// object; left out when empty), or the reason for the refusal, which the client gets to see.
    pub fn authenticated(&mut self, now: Instant, result: Result<Option<Bytes>, String>) {
        if self.phase != Phase::Authenticating {
            return;
        }
        match result {
            Ok(payload) => self.acknowledge(now, payload),
            Err(reason) => match self.protocol {
                Subprotocol::TransportWs => {
                    let reason = if reason.is_empty() {
                        String::from("Forbidden")
                    } else {
                        format!("Forbidden: {reason}")
                    };
                    self.finish(Some(CloseCode::FORBIDDEN), &reason);
                }
                Subprotocol::Legacy => self.legacy_refused(&reason),
            },
        }
    }

    fn acknowledge(&mut self, now: Instant, payload: Option<Bytes>) {
        let answer = std::mem::replace(&mut self.answer, Answer::Nothing);
        let is_implicit = !matches!(answer, Answer::Acknowledgement);
        match answer {
            Answer::Acknowledgement => {
                // Clients of old refuse `payload: null`, so the key is left out (graphql-ws#348).
                let payload = payload.filter(|p| !p.is_empty() && !json::is_empty_object(p));
                self.send(match payload {
                    Some(payload) => message(r#"{"type":"connection_ack","payload":"#, payload),
                    None => Message::whole(Bytes::from_static(br#"{"type":"connection_ack"}"#)),
                });
            }
            Answer::Pong(payload) => self.pong(Some(&payload)),
            Answer::Nothing => {}
        }
        self.phase = Phase::Ready;
        if !std::mem::replace(&mut self.acknowledged, true) {
            self.timers.start_pings(now, &self.config);
            if self.config.keep_alive_interval.is_some() && self.keep_alive_text().is_some() {
                self.timers.start_keep_alive(now, &self.config);
                if !is_implicit && self.keeps_alive_at_once() {
                    self.keep_alive();
                }
            }
        }
        self.run_deferred();
    }

    /// An execution result, `{"data":…}` with or without `errors`. Says whether the operation is
    /// still alive; if not, nothing is sent.
    pub fn operation_next(&mut self, key: OperationKey, result: Bytes) -> bool {
        let result = match self.config.compat.no_null_data {
            true => replies::without_null_data(&result).unwrap_or(result),
            false => result,
        };
        self.next(key, result)
    }

    fn next(&mut self, key: OperationKey, result: Bytes) -> bool {
        let Some(operation) = self.operations.get(key) else {
            return false;
        };
        let message = message(operation.next_prefix.clone(), result);
        self.send(message);
        true
    }

    /// The operation ended with an error after it had begun, such as a failed event source.
    /// `errors` is a JSON array of errors. With both protocols this is `error` and nothing after
    /// it; the legacy protocol carries only the first error.
    pub fn operation_error(&mut self, key: OperationKey, errors: Bytes) -> bool {
        let Some(operation) = self.operations.remove(key) else {
            return false;
        };
        self.error(&operation.id, errors);
        true
    }

    /// The operation was refused before it began: syntax, validation, coercion, limits. `errors` is
    /// a JSON array of errors. `graphql-transport-ws`: `error`. Legacy: `data` with `errors` and
    /// then `complete`, as its reference server does.
    pub fn operation_failed(&mut self, key: OperationKey, errors: Bytes) -> bool {
        let Some(operation) = self.operations.remove(key) else {
            return false;
        };
        self.refuse_operation(&operation.id, errors);
        true
    }

    /// The operation ended by itself.
    pub fn operation_complete(&mut self, key: OperationKey) -> bool {
        let Some(operation) = self.operations.remove(key) else {
            return false;
        };
        self.complete(&operation.id);
        true
    }

    /// The only result of a query or mutation, and its end: `operation_next` followed by
    /// `operation_complete`, but for [`Compat::failure_is_error`] and
    /// [`Compat::result_in_complete`]. `has_errors` says whether the result has errors.
    pub fn operation_result(&mut self, key: OperationKey, result: Bytes, has_errors: bool) -> bool {
        let compat = self.config.compat;
        if has_errors
            && compat.failure_is_error
            && self.protocol == Subprotocol::TransportWs
            && let Some(errors) = replies::errors_without_data(&result)
        {
            return self.operation_error(key, errors);
        }
        if !self.next(key, result.clone()) || !compat.result_in_complete {
            return self.operation_complete(key);
        }
        let Some(operation) = self.operations.remove(key) else {
            return false;
        };
        self.complete_with(&operation.id, result);
        true
    }

    /// The time of the next call to [`handle_timeout`](Self::handle_timeout).
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.is_closed() {
            return None;
        }
        self.timers.next()
    }

    /// Does what is due at `now`. Calls that come early do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        if self.timers.init_expired(now) {
            match self.protocol {
                Subprotocol::TransportWs => {
                    self.finish(Some(CloseCode::INIT_TIMEOUT), "Connection initialisation timeout")
                }
                Subprotocol::Legacy => {
                    self.connection_error(None, "Connection initialisation timeout");
                    self.finish(Some(CloseCode::UNAUTHORIZED), "Unauthorized");
                }
            }
            return;
        }
        if self.timers.peer_is_dead(now) {
            self.finish(Some(CloseCode::TERMINATED), "Terminated: no pong received");
            return;
        }
        if self.timers.ping_due(now, &self.config) {
            self.out.push_back(Output::WsPing);
        }
        if self.timers.keep_alive_due(now, &self.config) {
            self.keep_alive();
        }
    }

    /// Closes because the server goes away: 1001. No `complete` is sent, since it would tell clients
    /// not to subscribe again.
    pub fn shutdown(&mut self) {
        self.close(CloseCode::GOING_AWAY, "Going away");
    }

    /// Closes because the credentials have expired: 4403, which clients try again after, with fresh
    /// ones.
    pub fn expire(&mut self) {
        self.close(CloseCode::FORBIDDEN, "Forbidden: token expired");
    }

    /// Closes because there is no room for this client now: 1013, which clients try again after, with
    /// growing pauses. A legacy client is told why by `connection_error` first, since it does not look
    /// at close codes.
    pub fn turn_away(&mut self, reason: &str) {
        if self.protocol == Subprotocol::Legacy && !self.is_closed() {
            self.connection_error(None, reason);
        }
        self.close(CloseCode::TRY_AGAIN_LATER, reason);
    }

    /// How many operations were refused since there were too many, since this was last asked.
    pub fn take_refused_operations(&mut self) -> u16 {
        std::mem::take(&mut self.refused_operations)
    }

    /// Closes because of a failure of the server's: 4500, or 1011 with the legacy protocol.
    pub fn fail(&mut self, reason: &str) {
        self.close(
            match self.protocol {
                Subprotocol::TransportWs => CloseCode::INTERNAL_SERVER_ERROR,
                Subprotocol::Legacy => CloseCode::INTERNAL_ERROR,
            },
            reason,
        );
    }

    /// Closes with a code of the driver's choice. 1000 becomes 1001 while operations are alive: a
    /// widely used client answers 1000 with a flood of new connections. The reason is cut to what
    /// fits.
    pub fn close(&mut self, code: u16, reason: &str) {
        let live = !self.operations.is_empty();
        let code = if code == 1000 && live { CloseCode::GOING_AWAY } else { code };
        self.finish(Some(code), reason);
    }

    /// The socket is gone, or the peer closed it: every live operation gives [`Output::Stop`] and
    /// nothing else follows. Messages that were not polled are discarded, since no one can receive
    /// them, and operations that were not yet handed out as [`Output::Start`] vanish.
    pub fn connection_lost(&mut self) {
        if self.is_closed() {
            return;
        }
        let mut never_started = HashSet::new();
        for output in std::mem::take(&mut self.out) {
            match output {
                Output::Start { key, .. } => {
                    self.operations.remove(key);
                    never_started.insert(key);
                }
                Output::Stop { key } if !never_started.contains(&key) => {
                    self.out.push_back(output);
                }
                _ => {}
            }
        }
        self.stop_everything();
    }

    fn stop_everything(&mut self) {
        self.phase = Phase::Closed;
        self.deferred = VecDeque::new();
        for key in self.operations.drain() {
            self.out.push_back(Output::Stop { key });
        }
    }

    fn finish(&mut self, code: Option<u16>, reason: &str) {
        if self.is_closed() {
            return;
        }
        self.stop_everything();
        self.out.push_back(Output::Close { code, reason: truncate_reason(reason).to_owned() });
    }

    /// Asks the driver to authenticate; nothing else may be pending.
    fn authenticate(&mut self, payload: Option<Box<RawValue>>, answer: Answer) {
        self.timers.init_received();
        self.phase = Phase::Authenticating;
        let kind = match (self.acknowledged, &answer) {
            (false, _) => AuthenticateKind::First,
            (true, Answer::Acknowledgement) => AuthenticateKind::Repeated,
            (true, _) => AuthenticateKind::Refresh,
        };
        self.answer = answer;
        self.out.push_back(Output::Authenticate { payload, kind });
    }

    /// Registers and starts an operation whose id is free, if there is room for one more.
    fn start(&mut self, id: ClientId, request: crate::GraphQLRequest, init: Option<Box<RawValue>>) {
        let limit = self.config.max_operations;
        if self.operations.len() >= limit {
            let text = format!("too many operations on this connection (limit: {limit})");
            let errors = json::coded_error_list(&text, "TOO_MANY_OPERATIONS");
            self.refused_operations = self.refused_operations.saturating_add(1);
            self.refuse_operation(&id, errors);
            return;
        }
        let key = self.operations.insert(id, self.protocol);
        self.out.push_back(Output::Start { key, request: Box::new(request), init });
    }
}
