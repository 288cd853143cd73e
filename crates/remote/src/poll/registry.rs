//! The polls of one service, each with its owner: a task that ends with the last client.

use std::{collections::HashMap, future::Future, sync::Arc};

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::{
    Key, Poll,
    board::{Board, Reader},
};
use crate::RemoteError;

/// The distinct polls.
pub(crate) struct Polls {
    entries: Mutex<HashMap<Key, Entry>>,
    limit: usize,
}

struct Entry {
    board: Arc<Board>,
    owner: AbortHandle,
}

impl Polls {
    /// At most `limit` at a time.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { entries: Mutex::default(), limit })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }

    /// One more client. `own` makes what keeps a poll going that is not there yet.
    pub fn join<F>(
        self: &Arc<Self>,
        key: Key,
        own: impl FnOnce(Arc<Board>) -> F,
    ) -> Result<Poll, RemoteError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut entries = self.entries.lock();
        let present = entries.get(&key);
        if let Some(entry) = present.filter(|entry| !entry.board.is_over()) {
            let reader = entry.board.join();
            let board = Arc::clone(&entry.board);
            return Ok(Poll::new(reader, Lease { polls: Arc::clone(self), key, board }));
        }
        if present.is_none() && entries.len() >= self.limit {
            return Err(RemoteError::Busy { what: "polled queries", limit: self.limit });
        }
        let board = Board::new();
        let reader = board.join();
        let owned = own(Arc::clone(&board));
        let (polls, of, ended) = (Arc::clone(self), key.clone(), Arc::clone(&board));
        let owner = tokio::spawn(async move {
            owned.await;
            polls.remove(&of, &ended);
        });
        let lease = Lease { polls: Arc::clone(self), key: key.clone(), board: Arc::clone(&board) };
        // One that is over but still there gives way.
        let former = entries.insert(key, Entry { board, owner: owner.abort_handle() });
        drop(entries);
        if let Some(former) = former {
            former.owner.abort();
        }
        Ok(Poll::new(reader, lease))
    }

    /// Takes away a poll that is over, unless another one has its place.
    fn remove(&self, key: &Key, board: &Arc<Board>) -> Option<Entry> {
        let mut entries = self.entries.lock();
        let is_it = entries
            .get(key)
            .is_some_and(|entry| Arc::ptr_eq(&entry.board, board) && board.is_over());
        if is_it { entries.remove(key) } else { None }
    }
}

/// A client's share in a poll.
pub(super) struct Lease {
    polls: Arc<Polls>,
    key: Key,
    board: Arc<Board>,
}

impl Lease {
    /// Leaves. The last one ends the poll.
    pub fn leave(&self, reader: Option<Reader>) {
        // Before the lock, since it holds a waker, which may be the last thing that keeps a task alive
        // whose end comes here too.
        drop(reader);
        if let Some(entry) = self.polls.remove(&self.key, &self.board) {
            entry.owner.abort();
        }
    }
}
