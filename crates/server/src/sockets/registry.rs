//! All open sockets.

use std::{
    collections::BinaryHeap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use arc_swap::ArcSwapOption;
use artesian_engine::Identity;
use parking_lot::Mutex;

use super::entry::{Closing, Entry, Kind, Slot, USER};
use crate::{Metrics, metrics::Transport};

/// Lists that the sockets are spread over, so that they do not wait for each other's locks.
pub(super) const SHARDS: usize = 64;

/// Which sockets are meant; the default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Those of this `x-hasura-user-id`.
    pub user: Option<String>,
    /// Those of this role.
    pub role: Option<String>,
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Only sockets with greater ids.
    pub after: u64,
    /// So many at most.
    pub limit: usize,
}

/// A part of the sockets that a filter means.
pub(crate) struct Listing {
    /// Sorted by id.
    pub sockets: Vec<Description>,
    /// How many the filter means, on whatever page.
    pub total: usize,
}

/// What an administrator sees of a socket.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    /// Never used again while the process runs.
    pub id: u64,
    pub kind: Kind,
    pub transport: Transport,
    /// The client's, as limits count it.
    pub address: IpAddr,
    /// None before authentication.
    pub identity: Option<Identity>,
    pub since: SystemTime,
    pub expires: Option<SystemTime>,
    /// Running operations.
    pub operations: u32,
    /// Bytes that wait to be written.
    pub queued_bytes: u64,
}

impl Description {
    /// The role, if the client is known.
    pub fn role(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| &*identity.role)
    }

    /// `x-hasura-user-id`, if the client is known and has one.
    pub fn user(&self) -> Option<&str> {
        self.identity.as_ref().and_then(|identity| identity.session.get(USER))
    }
}

/// Which proofs are no longer good.
struct Rotation {
    is_outdated: Box<dyn Fn(u64) -> bool + Send + Sync>,
    why: Closing,
}

/// The open sockets of one server. They outlive its settings.
pub(crate) struct Sockets {
    metrics: Arc<Metrics>,
    last: AtomicU64,
    shards: Box<[Mutex<Vec<Arc<Slot>>>]>,
    /// What the last [`close_if`](Self::close_if) closed, for clients that were being told apart
    /// meanwhile.
    rotation: ArcSwapOption<Rotation>,
    /// One at a time.
    rotating: Mutex<()>,
}

impl Sockets {
    /// None is open.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            last: AtomicU64::new(0),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            rotation: ArcSwapOption::empty(),
            rotating: Mutex::new(()),
        }
    }

    /// A socket was opened.
    pub fn open(self: &Arc<Self>, transport: Transport, address: IpAddr) -> Entry {
        self.open_as(Kind::Socket, transport, address)
    }

    pub(super) fn open_as(
        self: &Arc<Self>,
        kind: Kind,
        transport: Transport,
        address: IpAddr,
    ) -> Entry {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let slot = Arc::new(Slot::new(id, kind, transport, address));
        if let Some(shard) = self.shard(id) {
            let mut slots = shard.lock();
            slot.place.store(place(slots.len()), Ordering::Relaxed);
            slots.push(slot.clone());
        }
        Entry::new(slot, self.clone())
    }

    fn shard(&self, id: u64) -> Option<&Mutex<Vec<Arc<Slot>>>> {
        self.shards.get(id as usize % SHARDS)
    }

    pub(super) fn remove(&self, slot: &Slot) {
        let Some(shard) = self.shard(slot.id) else { return };
        let mut slots = shard.lock();
        let at = slot.place.load(Ordering::Relaxed) as usize;
        if slots.get(at).is_none_or(|found| found.id != slot.id) {
            return;
        }
        let removed = slots.swap_remove(at);
        if let Some(moved) = slots.get(at) {
            moved.place.store(place(at), Ordering::Relaxed);
        }
        // A storm leaves no memory behind.
        if slots.capacity() > 64 && slots.len() < slots.capacity() / 4 {
            let room = slots.len() * 2;
            slots.shrink_to(room);
        }
        drop(slots);
        drop(removed);
    }

    /// Those that are meant, in the order in which they were opened.
    pub fn list(&self, filter: &Filter, page: Page) -> Listing {
        let mut total = 0;
        // The smallest ids, the greatest of them on top.
        let mut found = BinaryHeap::new();
        for shard in &self.shards {
            for slot in shard.lock().iter().filter(|slot| slot.is_meant(filter)) {
                total += 1;
                if slot.id <= page.after {
                    continue;
                }
                if found.len() < page.limit {
                    found.push(ById(slot.clone()));
                } else if let Some(mut greatest) = found.peek_mut()
                    && slot.id < greatest.0.id
                {
                    *greatest = ById(slot.clone());
                }
            }
        }
        let sockets = found.into_sorted_vec().iter().map(|slot| slot.0.describe()).collect();
        Listing { sockets, total }
    }

    /// Tells those that are meant to close, and says how many were not told so before.
    pub fn close(&self, filter: &Filter, why: Closing) -> usize {
        self.sweep(|slot| slot.is_meant(filter), why)
    }

    /// Tells those to close whose proof this is true for: whose client is known already, and, until
    /// the next call, any whose client becomes known by such a proof. To be called when the new
    /// settings are in force, so that nobody is still let in by the old ones unnoticed.
    pub fn close_if(&self, f: impl Fn(u64) -> bool + Send + Sync + 'static, why: Closing) -> usize {
        let _one_at_a_time = self.rotating.lock();
        let rotation = Arc::new(Rotation { is_outdated: Box::new(f), why });
        // Before the sweep: whoever it passes by before that one is known looks here afterwards.
        self.rotation.store(Some(rotation.clone()));
        self.sweep(|slot| slot.is_proved_by(&rotation.is_outdated), why)
    }

    /// Wakes the tasks of all sockets, to see that the server stops. One that was not asked yet looks
    /// for itself.
    pub fn wake(&self) {
        for shard in &self.shards {
            let slots: Vec<_> = shard.lock().clone();
            for slot in slots {
                slot.wake();
            }
        }
    }

    fn sweep(&self, is_meant: impl Fn(&Slot) -> bool, why: Closing) -> usize {
        let mut closed = 0;
        for shard in &self.shards {
            // Tasks are not woken under the lock, which they may want.
            let meant: Vec<_> =
                shard.lock().iter().filter(|slot| is_meant(slot)).cloned().collect();
            closed += meant.iter().filter(|slot| self.close_one(slot, why)).count();
        }
        closed
    }

    pub(super) fn close_one(&self, slot: &Slot, why: Closing) -> bool {
        let is_first = slot.close(why);
        if is_first {
            self.metrics.socket_closed(why.reason());
        }
        is_first
    }

    /// Why this proof is no longer good, if it is not.
    pub(super) fn outdated(&self, proof: u64) -> Option<Closing> {
        let rotation = self.rotation.load();
        rotation.as_ref().filter(|rotation| (rotation.is_outdated)(proof)).map(|r| r.why)
    }

    #[cfg(test)]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How many there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

struct ById(Arc<Slot>);

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}

impl PartialOrd for ById {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ById {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(&other.0.id)
    }
}
