//! What a subscriber gets.

use bytes::Bytes;

use crate::RemoteError;

/// What a subscriber gets: any number of results, and exactly one end, the last event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A result as the service wrote it: a well-formed JSON object. All who share the subscription get
    /// the same bytes. [`Response::parse`](crate::Response::parse) tells its parts apart.
    Next(Bytes),
    /// The connection had broken and the operation was begun again: results may be missing here.
    Resumed,
    /// The end.
    End(End),
}

/// How a subscription ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The service completed it, or the connection broke and
    /// [`Reconnect::End`](crate::config::Reconnect::End) is configured.
    Complete,
    /// The service ended it with errors: a JSON array that is not empty.
    Errors(Bytes),
    /// It could not be carried on.
    Failed(RemoteError),
}
