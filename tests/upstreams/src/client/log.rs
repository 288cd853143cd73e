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

/// The id in a message that cannot be read here, since JSON may be deeper or odder than what is read.
pub(super) fn id_in(text: &str) -> &str {
    let (_, rest) = text.split_once("\"id\":\"").unwrap();
    rest.split('"').next().unwrap()
}

/// What came of an operation.
#[derive(Debug, Default)]
pub struct Log {
    /// Payloads with data.
    pub results: Vec<Value>,
    /// The end.
    pub end: Option<End>,
    /// Errors without data: a result, unless they turn out to be the last that comes.
    errors: Option<Value>,
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
        if self.end.is_some() {
            self.faults.push(format!("a result after the end: {payload}"));
        }
        self.results.extend(self.errors.take());
        // Streams have no other word for errors that end an operation; whether they do is known later.
        if payload.get("errors").is_some() && payload.get("data").is_none() {
            self.errors = Some(payload);
        } else {
            self.results.push(payload);
        }
    }

    /// It is over.
    pub(super) fn end(&mut self, end: End) {
        let end = match self.errors.take() {
            Some(mut payload) => End::Errors(payload["errors"].take()),
            None => end,
        };
        match (&self.end, &end) {
            (None, _) => self.end = Some(end),
            // Connections end after their operations.
            (Some(_), End::Cut(_)) => {}
            // What a client stops may have been over by then, and the old protocol answers.
            (Some(End::Complete), End::Complete) if self.is_stopped => {}
            _ => self.faults.push(format!("a second end: {end:?} after {:?}", self.end)),
        }
    }
}
