//! Subscriptions over HTTP: an event stream or a multipart body for each.

mod body;
mod format;
mod opening;

use std::sync::Arc;

use crate::{
    Credentials, Operation, RemoteError,
    http::HttpClient,
    subscription::{AttemptEnd, End, Sink},
    ws::Shared,
};

/// Opens streams of one service.
pub(crate) struct Streams {
    shared: Arc<Shared>,
    client: HttpClient,
}

/// How an attempt went.
pub(crate) struct Outcome {
    /// Whether the service has begun the operation.
    pub is_established: bool,
    /// How it ended.
    pub end: AttemptEnd,
}

impl Streams {
    pub fn new(shared: Arc<Shared>, client: HttpClient) -> Self {
        Self { shared, client }
    }

    /// Carries an operation to its end, or to the end of the connection.
    pub async fn run(
        &self,
        operation: &Operation,
        credentials: &Credentials,
        sink: &Sink,
    ) -> Outcome {
        let failed = |error| Outcome { is_established: false, end: AttemptEnd::Lost(error) };
        let _connection = match self.shared.connection() {
            Ok(connection) => connection,
            Err(error) => return failed(error),
        };
        let permit = match self.shared.circuit.admit() {
            Ok(permit) => permit,
            Err(error) => return failed(error),
        };
        let opened = tokio::select! {
            opened = opening::open(&self.shared.config, &self.client, operation, credentials) => {
                opened
            }
            () = self.shared.stop.cancelled() => return failed(RemoteError::ShutDown),
        };
        let opened = match opened {
            Ok(opened) => {
                permit.succeeded();
                opened
            }
            Err(error) => {
                permit.failed(&error);
                return failed(error);
            }
        };
        sink.establish();
        let mut heard = false;
        let end = match opened {
            opening::Opened::Stream { status, format, body } => {
                let end = tokio::select! {
                    end = body::follow(format, body, sink, &self.shared, &mut heard) => end,
                    () = self.shared.stop.cancelled() => AttemptEnd::Lost(RemoteError::ShutDown),
                };
                if matches!(end, AttemptEnd::Lost(_)) && !heard && !status.is_success() {
                    return failed(RemoteError::status_of_opening(status.as_u16()));
                }
                end
            }
            // Some services answer what they refuse, and what has one result, like a query.
            opening::Opened::Single(response) => match (&response.data, response.errors) {
                (None, Some(errors)) => AttemptEnd::Finished(End::Errors(errors)),
                _ => {
                    sink.next(response.text);
                    AttemptEnd::Finished(End::Complete)
                }
            },
        };
        Outcome { is_established: true, end }
    }
}
