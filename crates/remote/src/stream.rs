//! Subscriptions over HTTP: an event stream or a multipart body for each.

mod body;
mod format;
mod opening;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::OwnedSemaphorePermit;

pub(crate) use opening::Asked;

use crate::{
    Credentials, Operation, RemoteError,
    http::HttpClient,
    subscription::{AttemptEnd, End, Sink},
    ws::Shared,
};
use body::Heard;
use opening::Opened;

/// Opens streams of one service.
pub(crate) struct Streams {
    shared: Arc<Shared>,
    client: HttpClient,
    open: Arc<AtomicUsize>,
}

/// How an attempt went.
pub(crate) struct Outcome {
    /// Whether the service has begun the operation.
    pub is_established: bool,
    /// How it ended.
    pub end: AttemptEnd,
    /// How long the service wants clients to wait before they come back (`retry:` of an event stream).
    pub retry: Option<Duration>,
}

impl Outcome {
    /// Nothing came about.
    pub fn failed(error: RemoteError) -> Self {
        Self { is_established: false, end: AttemptEnd::Lost(error), retry: None }
    }

    /// The operation was begun, and has ended like this.
    pub fn of(end: AttemptEnd) -> Self {
        Self { is_established: true, end, retry: None }
    }
}

impl Streams {
    pub fn new(shared: Arc<Shared>, client: HttpClient) -> Self {
        Self { shared, client, open: Arc::default() }
    }

    /// How many are open or being opened.
    pub fn len(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Sends an operation, and waits for the head of the answer.
    pub async fn begin(
        &self,
        asked: Asked,
        operation: &Operation,
        credentials: &Credentials,
    ) -> Result<Begun, RemoteError> {
        let place = Place::take(&self.open, self.shared.connection()?);
        let permit = self.shared.circuit.admit()?;
        let config = &self.shared.config;
        let opened = tokio::select! {
            opened = opening::open(config, &self.client, asked, operation, credentials) => opened,
            () = self.shared.stop.cancelled() => return Err(RemoteError::ShutDown),
        };
        match opened {
            Ok(opened) => {
                permit.succeeded();
                Ok(Begun { shared: Arc::clone(&self.shared), opened, _place: place })
            }
            Err(error) => {
                permit.failed(&error);
                Err(error)
            }
        }
    }
}

/// An answer that has begun.
pub(crate) struct Begun {
    shared: Arc<Shared>,
    opened: Opened,
    _place: Place,
}

impl Begun {
    /// Whether it is a stream, and not a single response.
    pub fn is_stream(&self) -> bool {
        matches!(self.opened, Opened::Stream { .. })
    }

    /// Whether it is a response without a result: the operation was not begun.
    pub fn is_declined(&self) -> bool {
        matches!(&self.opened, Opened::Single(response) if !response.is_executed())
    }

    /// Carries the operation to its end, or to the end of the connection.
    pub async fn follow(self, sink: &Sink) -> Outcome {
        let (status, format, body) = match self.opened {
            Opened::Stream { status, format, body } => (status, format, body),
            // Some services answer what they refuse, and what has one result, like a query.
            Opened::Single(response) => {
                let end = match (&response.data, response.errors) {
                    (None, Some(errors)) => End::Errors(errors),
                    _ => {
                        sink.establish();
                        sink.next(response.text);
                        End::Complete
                    }
                };
                return Outcome::of(AttemptEnd::Finished(end));
            }
        };
        sink.establish();
        let mut heard = Heard::default();
        let end = tokio::select! {
            end = body::follow(format, body, sink, &self.shared, &mut heard) => end,
            () = self.shared.stop.cancelled() => AttemptEnd::Lost(RemoteError::ShutDown),
        };
        let retry = heard.retry;
        if matches!(end, AttemptEnd::Lost(_)) && !heard.any && !status.is_success() {
            let error = RemoteError::status_of_opening(status.as_u16());
            return Outcome { retry, ..Outcome::failed(error) };
        }
        Outcome { retry, ..Outcome::of(end) }
    }
}

/// A place among the connections of the service, counted.
struct Place {
    open: Arc<AtomicUsize>,
    _connection: OwnedSemaphorePermit,
}

impl Place {
    fn take(open: &Arc<AtomicUsize>, connection: OwnedSemaphorePermit) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self { open: Arc::clone(open), _connection: connection }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
