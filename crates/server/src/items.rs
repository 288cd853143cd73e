//! What an operation gives while it runs, whatever its kind.

use std::{future::Future, pin::Pin};

use artesian_engine::{GraphQLError, Identity, Payload};
use futures_util::stream::{self, Stream};

/// What an operation gives. The end of its stream is its completion.
pub(crate) enum Item {
    /// A result.
    Result(Payload),
    /// The only result of an operation that is no stream.
    Single(Payload),
    /// It could not start: these errors instead of a completion.
    Refused(Vec<GraphQLError>),
    /// It ran and was ended: these errors instead of a completion.
    Ended(Vec<GraphQLError>),
}

/// The items of an operation. Dropping it cancels the operation.
pub(crate) trait Items<T = Item>: Stream<Item = T> + Send {
    /// Whether it goes on until somebody ends it. Such an operation belongs to the identity that
    /// holds at present; any other finishes under the one that it was started with.
    fn is_live(&self) -> bool;

    /// The client is somebody else from now on. Once this returns, nothing comes of a live operation
    /// that was made for the identity before, see
    /// [`ResultStream::change_identity`](artesian_engine::ResultStream::change_identity). The
    /// operation must be polled again, since nobody is woken.
    fn change_identity(self: Pin<&mut Self>, identity: &Identity);
}

/// Items as sockets hold them.
pub(crate) type BoxItems<T = Item> = Pin<Box<dyn Items<T>>>;

/// A single result.
impl<T, F: Future<Output = T> + Send> Items<T> for stream::Once<F> {
    fn is_live(&self) -> bool {
        false
    }

    fn change_identity(self: Pin<&mut Self>, _: &Identity) {}
}

/// Items that are there already, such as a refusal.
impl<T, I: Iterator<Item = T> + Send> Items<T> for stream::Iter<I> {
    fn is_live(&self) -> bool {
        false
    }

    fn change_identity(self: Pin<&mut Self>, _: &Identity) {}
}
