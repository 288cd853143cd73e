//! Live queries over services that only answer queries: a query is run at an interval for all who want
//! it at once, and they hear of changes.
//!
//! A poll is shared by clients with equal operations, credentials and intervals, and by nobody else. It
//! has one owner, a task, which runs the query, waits, and runs it again; so it never overlaps itself.
//! The last one to leave ends the task, and with it a request that is under way.
//!
//! - What is compared is `data` and `errors`, byte by byte, with what was published last. `extensions`
//!   alone are no change: many services put times and identifiers there.
//! - A failure is published once, not again while it stays the same, and not as [`CircuitOpen`] while
//!   another one stands. Pauses grow meanwhile. The first result after it is published even if it equals
//!   the one before.
//! - A refusal of the credentials, status 401 or 403 without `data`, ends the poll: the client has to come
//!   back with other ones. Errors in a response with another status are results like any other.
//! - Whoever reads slowly gets the latest state only; it may then be what it had before.
//!
//! [`CircuitOpen`]: crate::RemoteError::CircuitOpen

mod board;
mod owner;
mod registry;

use std::{
    pin::Pin,
    sync::Arc,
    task::{self, Context},
    time::Duration,
};

use futures_util::Stream;

pub(crate) use owner::Poller;
pub(crate) use registry::Polls;

use crate::{RemoteError, Response, subscription::End};
use board::Reader;
use registry::Lease;

/// What one who polls gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// A result that differs from what came before.
    Next(Response),
    /// The service does not answer any more, or not with a response. It is asked again.
    Failed(RemoteError),
    /// The end, and the last item: [`End::Errors`] or [`End::Failed`].
    End(End),
}

/// One client's share in a poll: a stream that ends after [`Update::End`]. Dropping it is leaving.
pub struct Poll {
    reader: Option<Reader>,
    lease: Lease,
}

impl Poll {
    fn new(reader: Reader, lease: Lease) -> Self {
        Self { reader: Some(reader), lease }
    }
}

impl Stream for Poll {
    type Item = Update;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> task::Poll<Option<Update>> {
        match &mut self.reader {
            Some(reader) => reader.poll_next(cx),
            None => task::Poll::Ready(None),
        }
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        let reader = self.reader.take();
        self.lease.leave(reader);
    }
}

impl std::fmt::Debug for Poll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poll").finish_non_exhaustive()
    }
}

/// What is polled, for whom and how often, as a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub operation: Arc<crate::Operation>,
    pub credentials: crate::Credentials,
    pub interval: Duration,
}
