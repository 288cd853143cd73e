//! Messages that wait for the acknowledgement.
//!
//! Legacy clients send `start` without waiting for it, and sometimes before `connection_init`; it
//! must not be run before then (CVE-2026-35523). With `graphql-transport-ws` only what follows fresh
//! credentials waits (`refresh.rs`), or a repeated `connection_init` where that is allowed
//! ([`Compat::repeated_init`]).
//!
//! [`Compat::repeated_init`]: super::Compat::repeated_init

use serde_json::value::RawValue;

use super::operation_init::OperationInit;
use super::operations::ClientId;
use super::refresh::{Answer, Bearer};
use super::{CloseCode, Phase, Session};
use crate::ws::Subprotocol;

/// A message that waits.
#[derive(Debug)]
pub(super) enum Deferred {
    /// A further `connection_init` while one is pending.
    Init(Option<Box<RawValue>>),
    /// Fresh credentials while an authentication is pending.
    Refresh(Box<RawValue>, Bearer),
    /// A `start` or `subscribe`.
    Start(Start),
    /// One that was stopped while it waited: it never runs, but its `complete` is owed.
    Stopped(ClientId),
}

/// A `start` or `subscribe` as it came.
#[derive(Debug)]
pub(super) struct Start {
    pub id: ClientId,
    pub payload: Option<Box<RawValue>>,
    /// The payload for `connection_init` that is this operation's alone, or why it must not run.
    pub init: OperationInit,
}

/// What a deferred message costs beside its text.
const OVERHEAD: usize = 64;

impl Session {
    /// Puts a message off. The queue is bounded; who fills it is disconnected. The first message
    /// behind fresh credentials finds room however long it is: an operation that brings them may be
    /// as long as any other.
    pub(super) fn defer(&mut self, message: Deferred, bytes: usize) {
        let is_refresh = self.acknowledged && !matches!(self.answer, Answer::Acknowledgement);
        if !is_refresh || !self.deferred.is_empty() {
            self.deferred_bytes += bytes + OVERHEAD;
        }
        if self.deferred_bytes > self.config.pre_ack_queue_bytes {
            let reason = match is_refresh {
                true => "Too many messages before the fresh credentials were checked",
                false => "Too many messages before connection_ack",
            };
            if self.protocol == Subprotocol::Legacy {
                self.connection_error(None, reason);
            }
            self.finish(Some(CloseCode::POLICY), reason);
            return;
        }
        self.deferred.push_back(message);
    }

    /// Whether a `start` of this id waits.
    pub(super) fn is_deferred(&self, id: &ClientId) -> bool {
        self.deferred.iter().any(|message| is_start(message, id))
    }

    /// Forgets a `start` that waits, and gives its id as the client wrote it.
    pub(super) fn forget_deferred_start(&mut self, id: &ClientId) -> Option<ClientId> {
        let at = self.deferred.iter().position(|message| is_start(message, id))?;
        match self.deferred.remove(at)? {
            Deferred::Start(start) => Some(start.id),
            _ => None,
        }
    }

    /// After the acknowledgement: does what had to wait, up to a further init.
    pub(super) fn run_deferred(&mut self) {
        while self.phase == Phase::Ready {
            match self.deferred.pop_front() {
                None => {
                    self.deferred = Default::default();
                    self.deferred_bytes = 0;
                    break;
                }
                Some(Deferred::Init(payload)) => {
                    self.authenticate(payload, Answer::Acknowledgement)
                }
                Some(Deferred::Refresh(payload, by)) => self.refresh(payload, by),
                Some(Deferred::Start(start)) => match self.protocol {
                    Subprotocol::TransportWs => self.transport_ws_start(start),
                    Subprotocol::Legacy => self.legacy_start(start),
                },
                Some(Deferred::Stopped(id)) => self.complete(&id),
            }
        }
    }
}

fn is_start(message: &Deferred, id: &ClientId) -> bool {
    matches!(message, Deferred::Start(start) if start.id.text() == id.text())
}
