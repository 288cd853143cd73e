//! What came of an operation.

use std::sync::Arc;

use artesian_isolation::common::Observed;
use serde_json::Value;

/// A log that others write.
pub type Watched = Arc<Observed<Log>>;

/// How an operation ended for its client.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// `complete`, or the end of the stream.
    Complete,
    /// Errors instead of a result, and then the end where the transport has one.
    Errors(Value),
    /// The connection was gone before, with the close code of a WebSocket.
    Cut(String),
}

/// What came of an operation.
#[derive(Debug, Default)]
pub struct Log {
    /// Payloads with data.
    pub results: Vec<Value>,
    /// The end.
    pub end: Option<End>,
    /// The client has ended it itself.
    pub is_stopped: bool,
    /// What the gateway must never send: anything after the end.
    pub faults: Vec<String>,
}

impl Log {
    /// Nothing has come.
    pub fn watched() -> Watched {
        Observed::new(Self::default())
    }

    /// A payload came that is no message `error`: a result, or errors in its place.
    pub(super) fn payload(&mut self, payload: Value) {
        match payload.get("errors") {
            // With a result they are part of it. Without one they are the last that comes, which
            // streams have no other word for.
            Some(errors) if payload.get("data").is_none_or(Value::is_null) => {
                self.end(End::Errors(errors.clone()));
            }
            _ if self.end.is_some() => {
                self.faults.push(format!("a result after the end: {payload}"));
            }
            _ => self.results.push(payload),
        }
    }

    /// It is over.
    pub(super) fn end(&mut self, end: End) {
        match (&self.end, &end) {
            (None, _) => self.end = Some(end),
            // Streams end after their errors, and connections after their operations.
            (Some(End::Errors(_)), End::Complete) | (Some(_), End::Cut(_)) => {}
            _ => self.faults.push(format!("a second end: {end:?} after {:?}", self.end)),
        }
    }
}
