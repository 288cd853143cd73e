//! One attempt to carry a subscription, over any transport.

use std::sync::Arc;

use bytes::Bytes;

use super::{End, fan::Fan};
use crate::{
    RemoteError,
    stats::{Counter, Counters},
};

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AttemptEnd {
    /// The service ended the operation.
    Finished(End),
    /// The connection ended first, or none came about.
    Lost(RemoteError),
    /// Nobody is left who wants to have it.
    Abandoned,
}

/// Where the results of an attempt go.
#[derive(Clone)]
pub(crate) struct Sink {
    pub fan: Arc<Fan>,
    pub counters: Arc<Counters>,
    /// Whether this attempt follows one that was established.
    pub is_resumption: bool,
}

impl Sink {
    /// The operation is begun now.
    pub fn establish(&self) {
        self.counters.add(Counter::Started);
        if self.is_resumption {
            self.counters.add(Counter::Resumed);
            self.fan.resumed();
        }
    }

    /// Hands on a result. Says whether anybody is left.
    pub fn next(&self, payload: Bytes) -> bool {
        self.counters.add(Counter::Events);
        self.counters.add_many(Counter::EventBytes, payload.len() as u64);
        let sent = self.fan.next(payload);
        if sent.left_behind > 0 {
            self.counters.add_many(Counter::TooSlow, sent.left_behind as u64);
        }
        sent.receivers > 0
    }
}
