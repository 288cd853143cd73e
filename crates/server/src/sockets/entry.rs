//! One open socket: its connection's side, and what all others see of it.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use artesian_engine::{Identity, SessionVariables};
use parking_lot::Mutex;

use super::registry::{Description, Filter, Sockets};
use crate::metrics::{Transport, Unwelcome};

/// The session variable by which users are told apart.
pub(super) const USER: &str = "x-hasura-user-id";

/// Why a socket has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// The administrator says so.
    Revoked,
    /// Its secret, issuer or webhook is no longer configured.
    Rotated,
}

impl Closing {
    fn mark(self) -> u8 {
        match self {
            Self::Revoked => 1,
            Self::Rotated => 2,
        }
    }

    fn of(mark: u8) -> Option<Self> {
        [Self::Revoked, Self::Rotated].into_iter().find(|why| why.mark() == mark)
    }

    /// What the client is told.
    pub fn message(self) -> &'static str {
        match self {
            Self::Revoked => "Forbidden: closed by the administrator",
            Self::Rotated => "Forbidden: the credentials are no longer accepted",
        }
    }

    /// As metrics count it.
    pub(super) fn reason(self) -> Unwelcome {
        match self {
            Self::Revoked => Unwelcome::Revoked,
            Self::Rotated => Unwelcome::Rotated,
        }
    }
}

/// What has a place among the open sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A WebSocket or an event stream.
    Socket,
    /// An operation of a WebSocket that has an identity of its own.
    Operation,
}

/// What is known of one socket. The only allocation that it costs.
pub(super) struct Slot {
    pub id: u64,
    /// Milliseconds since 1970.
    since: u64,
    /// Bytes that wait to be written.
    queued_bytes: AtomicU64,
    /// Running operations.
    operations: AtomicU32,
    /// Where it is in its shard; written under the lock of that only.
    pub place: AtomicU32,
    address: IpAddr,
    transport: Transport,
    kind: Kind,
    /// 0 while it may stay.
    closing: AtomicU8,
    /// Whether the connection knows that it is to close.
    is_told: AtomicBool,
    who: Mutex<Who>,
}

#[derive(Default)]
struct Who {
    /// Role and session variables.
    identity: Option<(Arc<str>, SessionVariables)>,
    proof: u64,
    expires: Option<SystemTime>,
    /// The task of the connection.
    waker: Option<Waker>,
}

impl Slot {
    pub fn new(id: u64, kind: Kind, transport: Transport, address: IpAddr) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            id,
            since: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            queued_bytes: AtomicU64::new(0),
            operations: AtomicU32::new(0),
            place: AtomicU32::new(0),
            address,
            transport,
            kind,
            closing: AtomicU8::new(0),
            is_told: AtomicBool::new(false),
            who: Mutex::default(),
        }
    }

    /// Whether the filter means this socket. One whose client is not known yet has neither role nor
    /// user.
    pub fn is_meant(&self, filter: &Filter) -> bool {
        if *filter == Filter::default() {
            return true;
        }
        let who = self.who.lock();
        let Some((role, session)) = &who.identity else { return false };
        filter.role.as_deref().is_none_or(|wanted| **role == *wanted)
            && filter.user.as_deref().is_none_or(|user| session.get(USER) == Some(user))
    }

    /// Whether it was told who the client is, by a proof for which this holds.
    pub fn is_proved_by(&self, f: impl Fn(u64) -> bool) -> bool {
        let proof = {
            let who = self.who.lock();
            who.identity.as_ref().map(|_| who.proof)
        };
        proof.is_some_and(f)
    }

    /// Tells the connection to close; the first reason stays. Says whether this is the first.
    pub fn close(&self, why: Closing) -> bool {
        let (before, mark) = (0, why.mark());
        if self.closing.compare_exchange(before, mark, Ordering::AcqRel, Ordering::Acquire).is_err()
        {
            return false;
        }
        // The connection looks at the mark once more after it has left its waker here.
        let waker = self.who.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Wakes the connection's task, for something that it finds elsewhere.
    pub fn wake(&self) {
        let waker = self.who.lock().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub fn describe(&self) -> Description {
        let (identity, expires) = {
            let who = self.who.lock();
            (who.identity.clone(), who.expires)
        };
        Description {
            id: self.id,
            kind: self.kind,
            transport: self.transport,
            address: self.address,
            identity: identity.map(|(role, session)| Identity { role, session, forwarded: None }),
            since: UNIX_EPOCH + Duration::from_millis(self.since),
            expires,
            operations: self.operations.load(Ordering::Relaxed),
            queued_bytes: self.queued_bytes.load(Ordering::Relaxed),
        }
    }
}

/// A connection's place among the open sockets; its drop ends that.
pub(crate) struct Entry {
    slot: Arc<Slot>,
    sockets: Arc<Sockets>,
}

impl Entry {
    pub(super) fn new(slot: Arc<Slot>, sockets: Arc<Sockets>) -> Self {
        Self { slot, sockets }
    }

    /// A place of its own for an operation of this socket. Its client is not known yet.
    pub fn open_operation(&self) -> Self {
        let Slot { transport, address, .. } = *self.slot;
        self.sockets.open_as(Kind::Operation, transport, address)
    }

    /// The client is known, or is known anew: `proof` stands for the secret, the issuer or the
    /// webhook that says so. If that went out of use meanwhile, the connection is told to close.
    pub fn identified(&self, identity: &Identity, proof: u64, expires: Option<SystemTime>) {
        {
            let mut who = self.slot.who.lock();
            who.identity = Some((Arc::clone(&identity.role), identity.session.clone()));
            who.proof = proof;
            who.expires = expires;
        }
        // A sweep that has been here before has left what it looks for behind before that, so it is
        // found now; any later sweep finds the proof.
        if let Some(why) = self.sockets.outdated(proof) {
            self.sockets.close_one(&self.slot, why);
        }
    }

    /// The number of running operations, and how many bytes wait to be written. May be called after
    /// each event.
    pub fn update(&self, operations: usize, queued_bytes: usize) {
        let operations = u32::try_from(operations).unwrap_or(u32::MAX);
        self.slot.operations.store(operations, Ordering::Relaxed);
        self.slot.queued_bytes.store(queued_bytes as u64, Ordering::Relaxed);
    }

    /// Ready once, when the connection is to close. The task is woken for that, and when the server
    /// stops.
    pub fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<Closing> {
        if self.slot.is_told.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        {
            // Nobody else wants this lock but who lists or closes sockets.
            let mut who = self.slot.who.lock();
            if !who.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                who.waker = Some(cx.waker().clone());
            }
        }
        // After the waker is there: whoever closes it before has left the mark, whoever does so later
        // finds the waker.
        match Closing::of(self.slot.closing.load(Ordering::Acquire)) {
            None => Poll::Pending,
            Some(why) => {
                self.slot.is_told.store(true, Ordering::Relaxed);
                Poll::Ready(why)
            }
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.sockets.remove(&self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_small() {
        // Idle sockets cost 1.7 KiB altogether; 100,000 of these are 17 MB.
        let with_counts = size_of::<Slot>() + 2 * size_of::<usize>();
        assert!(with_counts <= 152, "{with_counts}");
        assert!(size_of::<Entry>() <= 16, "{}", size_of::<Entry>());
    }
}
