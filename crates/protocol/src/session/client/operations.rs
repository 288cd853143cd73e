//! The operations of a client's connection: those that are alive, and those that were cancelled.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::Message;
use crate::session::OperationKey;

/// How many cancelled operations are remembered. A server that sends results for one that is
/// forgotten is not told again to stop.
const MAX_CANCELLED: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Live {
    /// What starts it, as long as the acknowledgement is awaited.
    waiting: Option<Message>,
    /// Whether a result was handed out.
    pub delivered: bool,
}

/// Ordered by key, which is the order of their beginning.
#[derive(Debug, Default)]
pub(super) struct Operations {
    last: u64,
    live: BTreeMap<OperationKey, Live>,
    waiting_bytes: usize,
    /// When the server was last told to stop, for operations that it may still think alive.
    cancelled: BTreeMap<OperationKey, Instant>,
}

impl Operations {
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    pub(super) fn is_live(&self, key: OperationKey) -> bool {
        self.live.contains_key(&key)
    }

    pub(super) fn get_mut(&mut self, key: OperationKey) -> Option<&mut Live> {
        self.live.get_mut(&key)
    }

    /// The key that [`insert`](Self::insert) is going to use.
    pub(super) fn next_key(&self) -> OperationKey {
        OperationKey::new(self.last + 1)
    }

    /// Adds an operation; `waiting` is what must be sent once the connection is acknowledged.
    pub(super) fn insert(&mut self, waiting: Option<Message>) -> OperationKey {
        let key = self.next_key();
        self.last = key.get();
        self.waiting_bytes += waiting.as_ref().map_or(0, Message::len);
        self.live.insert(key, Live { waiting, delivered: false });
        key
    }

    /// What had to wait, in order.
    pub(super) fn take_waiting(&mut self) -> Vec<Message> {
        self.waiting_bytes = 0;
        self.live.values_mut().filter_map(|live| live.waiting.take()).collect()
    }

    /// Removes an operation that the server ended.
    pub(super) fn remove(&mut self, key: OperationKey) -> bool {
        let Some(live) = self.live.remove(&key) else {
            return false;
        };
        self.waiting_bytes -= live.waiting.as_ref().map_or(0, Message::len);
        true
    }

    /// Removes an operation that our side gives up. Says whether it was alive and whether the server
    /// knows of it.
    pub(super) fn cancel(&mut self, key: OperationKey, now: Instant) -> Option<bool> {
        let started = self.live.get(&key)?.waiting.is_none();
        self.remove(key);
        if started {
            if self.cancelled.len() >= MAX_CANCELLED {
                self.cancelled.pop_first();
            }
            self.cancelled.insert(key, now);
        }
        Some(started)
    }

    /// When the server was last told to stop this operation.
    pub(super) fn cancelled_at(&mut self, key: OperationKey) -> Option<&mut Instant> {
        self.cancelled.get_mut(&key)
    }

    /// The server agrees that the operation has ended.
    pub(super) fn forget(&mut self, key: OperationKey) {
        self.cancelled.remove(&key);
    }

    /// Removes everything; the keys come in the order in which the operations began.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = OperationKey> + use<> {
        self.waiting_bytes = 0;
        self.cancelled = BTreeMap::new();
        std::mem::take(&mut self.live).into_keys()
    }
}
