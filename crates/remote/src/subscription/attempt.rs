//! One attempt to carry a subscription, over any transport.

use std::sync::Arc;

use artesian_fanout::broadcast::Sent;
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
            self.count(self.fan.resumed());
        }
    }

    /// Hands on a result. Says whether anybody is left.
    pub fn next(&self, payload: Bytes) -> bool {
        self.counters.add(Counter::Events);
        self.counters.add_many(Counter::EventBytes, payload.len() as u64);
        let sent = self.fan.next(payload);
        self.count(sent);
        sent.receivers > 0
    }

    /// Who fell behind by it was too slow.
    fn count(&self, sent: Sent) {
        if sent.left_behind > 0 {
            self.counters.add_many(Counter::TooSlow, sent.left_behind as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A marker of a gap takes its place in the buffer as a result does.
    #[test]
    fn who_falls_behind_by_a_gap_is_too_slow() {
        for is_resumption in [false, true] {
            let (fan, _reads_nothing) = Fan::new(64, false);
            let counters = Arc::new(Counters::default());
            let sink = Sink { fan, counters: Arc::clone(&counters), is_resumption };
            assert!(sink.next(Bytes::new()));
            sink.establish();
            let too_slow = counters.read().too_slow;
            assert_eq!(too_slow, u64::from(is_resumption));
            assert_eq!(sink.fan.is_over(), is_resumption);
        }
    }
}
