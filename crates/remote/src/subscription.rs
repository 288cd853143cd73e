//! Subscriptions, and who shares which.

mod attempt;
mod event;
mod fan;
mod negotiation;
mod owner;
mod registry;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;

pub(crate) use attempt::{AttemptEnd, Sink};
pub use event::{End, Event};
pub(crate) use fan::{COPIED, Fan};
pub(crate) use negotiation::Negotiation;
pub(crate) use owner::Carrier;
pub(crate) use registry::Registry;

use fan::Receiver;
use registry::Lease;

/// One client's subscription: a stream of events that ends after [`Event::End`]. Dropping it is
/// leaving; when the last of those who share an operation leaves, the service is told at once.
pub struct Subscription {
    receiver: Option<Receiver>,
    lease: Lease,
}

impl Subscription {
    fn new(receiver: Receiver, lease: Lease) -> Self {
        Self { receiver: Some(receiver), lease }
    }
}

impl Stream for Subscription {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        match &mut self.receiver {
            Some(receiver) => receiver.poll_next(cx),
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let receiver = self.receiver.take();
        self.lease.leave(receiver);
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// An operation of one client, as a key: nothing is shared under less than all of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub operation: Arc<crate::Operation>,
    pub credentials: crate::Credentials,
    /// Tells those apart that are not to be shared; 0 for the others.
    pub serial: u64,
}
