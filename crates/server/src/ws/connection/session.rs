//! Between the session, the operations and the queue.

use std::{
    task::{Context, Poll},
    time::Instant,
};

use artesian_engine::{Allow, GraphQLError};
use artesian_protocol::{GraphQLRequest, OperationKey, Output, Session, ws::OutFrame};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Connection, Purpose, Socket};
use crate::{
    metrics::OperationMetrics,
    run::{self, Item},
    ws::{authentication, own_identity},
};

/// Results that are taken before the next write.
const RESULTS: usize = 32;

impl<S: Socket> Connection<S> {
    /// Does what the session asks for.
    pub(super) fn pump(&mut self, now: Instant, purpose: Purpose) {
        while let Some(output) = self.session.as_mut().and_then(Session::poll_output) {
            match output {
                Output::Send(message) => {
                    if self.close.may_send() {
                        let frame = match self.deflate {
                            Some(agreed) => self.state.compression.frame(agreed, message),
                            None => OutFrame::text(message),
                        };
                        self.out.push(frame, purpose);
                    }
                }
                Output::WsPing => self.out.push(OutFrame::ping(Bytes::new()), purpose),
                Output::Authenticate { payload, .. } => self.authenticate(now, payload.as_deref()),
                Output::Start { key, request, init: None } => self.start(key, *request),
                Output::Start { key, request, init: Some(init) } => {
                    self.start_with(key, *request, &init);
                }
                Output::Stop { key } => self.operations.remove(key),
                Output::Close { code, reason } => self.begin_close(now, code, &reason),
            }
        }
        self.count_refusals();
    }

    fn start(&mut self, key: OperationKey, request: GraphQLRequest) {
        if self.is_expired() {
            if let Some(session) = &mut self.session {
                let errors = [Self::expired_error()];
                session.operation_failed(key, GraphQLError::array_json(&errors));
            }
            return;
        }
        // The session starts nothing before it was authenticated.
        let Some(identity) = &self.identity else { return };
        let client = self.guard.client();
        let Some(_pass) = self.state.limits.preparations.try_enter() else {
            let (state, identity) = (self.state.clone(), identity.clone());
            let items = run::queued(state, identity, client, request, self.transport);
            self.operations.insert(key, items);
            return;
        };
        let (allow, transport) = (Allow::ALL, self.transport);
        match run::prepare(&self.state, identity, client, request, allow, transport) {
            Ok(operation) => {
                let metrics =
                    OperationMetrics::of(&self.state.metrics, &*operation, self.transport);
                let items = run::results(&self.state.limits, operation, metrics);
                self.operations.insert(key, items);
            }
            Err(errors) => {
                if let Some(session) = &mut self.session {
                    session.operation_failed(key, GraphQLError::array_json(&errors));
                }
            }
        }
    }

    /// Starts an operation that says itself whose it is.
    fn start_with(&mut self, key: OperationKey, request: GraphQLRequest, init: &RawValue) {
        let upgrade = self.said.as_deref();
        let pending = own_identity::Pending {
            authentication: authentication::authenticate(&self.state, upgrade, Some(init)),
            state: self.state.clone(),
            request,
            client: self.guard.client(),
            transport: self.transport,
        };
        let entry = self.entry.open_operation();
        self.operations.insert(key, own_identity::operation(pending, entry));
    }

    /// Takes results of operations while there is room for them. Those that find none wait at their
    /// source, where a newer one takes their place.
    pub(super) fn take_results(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let is_expired = self.is_expired();
        for _ in 0..RESULTS {
            if !self.out.has_room() {
                return false;
            }
            let Poll::Ready((key, item)) = self.operations.poll(cx, is_expired) else {
                return false;
            };
            let Some(session) = &mut self.session else { return false };
            let purpose = match item {
                Some(Item::Result(payload)) => {
                    session.operation_next(key, payload.bytes);
                    Purpose::Result
                }
                Some(Item::Single(payload)) => {
                    session.operation_result(key, payload.bytes, payload.is_error);
                    self.operations.remove(key);
                    Purpose::Result
                }
                Some(Item::Refused(errors)) => {
                    session.operation_failed(key, GraphQLError::array_json(&errors));
                    self.operations.remove(key);
                    Purpose::Answer
                }
                Some(Item::Ended(errors)) => {
                    session.operation_error(key, GraphQLError::array_json(&errors));
                    self.operations.remove(key);
                    Purpose::Answer
                }
                None => {
                    session.operation_complete(key);
                    Purpose::Answer
                }
            };
            self.pump(now, purpose);
        }
        true
    }

    /// Closes for a reason of ours.
    pub(super) fn close_session(&mut self, now: Instant, code: u16, reason: &str) {
        if let Some(session) = &mut self.session {
            session.close(code, reason);
        }
        self.pump(now, Purpose::Answer);
        self.begin_close(now, Some(code), reason);
    }

    /// Starts the closing handshake; does nothing if it was started before. What waits is still
    /// written, then the close frame.
    pub(super) fn begin_close(&mut self, now: Instant, code: Option<u16>, reason: &str) {
        let Some(frame) = self.close.close(code, reason) else { return };
        self.metrics.closing(code.unwrap_or(1005));
        // Without a code it is the answer to `connection_terminate`.
        if let (None, Some(visit)) = (code, &mut self.visit) {
            visit.done();
        }
        self.count_close(code);
        self.out.push(frame, Purpose::Answer);
        self.rare.take(|rare| rare.authentication.take());
        self.rare.take(|rare| rare.expiry.take());
        self.await_close(now);
        self.operations.clear();
    }

    /// The closing handshake has begun and must end.
    pub(super) fn await_close(&mut self, now: Instant) {
        let limit = now + self.state.config.websocket.close_timeout;
        self.rare.change(|rare| *rare.close_deadline.get_or_insert(limit));
    }

    /// Nobody is left to hear of results.
    pub(super) fn end_session(&mut self) {
        if let Some(session) = &mut self.session {
            session.connection_lost();
        }
        self.session = None;
        self.rare.take(|rare| rare.authentication.take());
        self.operations.clear();
    }
}
