//! What few connections have at a time, so that the others do not pay for it.

use std::time::Instant;

use super::client::Expiry;
use crate::{limits::IdentityGuard, ws::authentication::Authentication};

/// What a connection may have beside the rest.
#[derive(Default)]
pub(super) struct Rare {
    /// Finding out who the client is, while that takes time.
    pub authentication: Option<Authentication>,
    /// Until when its credentials are good, if there is an end to that.
    pub expiry: Option<Expiry>,
    /// Its share in the limit on sockets of one identity, if there is such a limit.
    pub identity_guard: Option<Box<IdentityGuard>>,
    /// When a client that comes back too quickly is acknowledged.
    pub acknowledge_at: Option<Instant>,
    /// When the closing handshake must be over.
    pub close_deadline: Option<Instant>,
    /// When this connection is closed, once the server stops.
    pub shutdown_at: Option<Instant>,
}

impl Rare {
    fn is_empty(&self) -> bool {
        self.authentication.is_none()
            && self.expiry.is_none()
            && self.identity_guard.is_none()
            && self.acknowledge_at.is_none()
            && self.close_deadline.is_none()
            && self.shutdown_at.is_none()
    }
}

/// The same, without memory while there is nothing.
#[derive(Default)]
pub(super) struct Rarely(Option<Box<Rare>>);

impl Rarely {
    /// What there is.
    pub fn get(&self) -> Option<&Rare> {
        self.0.as_deref()
    }

    /// One of the times.
    pub fn time(&self, time: impl FnOnce(&Rare) -> Option<Instant>) -> Option<Instant> {
        self.get().and_then(time)
    }

    /// The same, to be changed where it is: nothing may be added.
    pub fn get_mut(&mut self) -> Option<&mut Rare> {
        self.0.as_deref_mut()
    }

    /// Adds something or takes it away.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Rare) -> T) -> T {
        let rare = self.0.get_or_insert_default();
        let changed = change(rare);
        if rare.is_empty() {
            self.0 = None;
        }
        changed
    }

    /// Takes something away, if anything is there.
    pub fn take<T>(&mut self, take: impl FnOnce(&mut Rare) -> Option<T>) -> Option<T> {
        if self.0.is_none() { None } else { self.change(take) }
    }
}
