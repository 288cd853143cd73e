//! Running a prepared operation, the same way for every transport.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use artesian_engine::{
    ErrorCode, Event, GraphQLError, OperationKind, Payload, Request, ResultStream,
};
use artesian_protocol::GraphQLRequest;
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream, Stream},
};

use crate::{
    metrics::{OperationMetrics, Outcome},
    service::Prepared,
};

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

/// The engine's request.
pub(crate) fn request(request: GraphQLRequest) -> Result<Request, GraphQLError> {
    let query = request.query.ok_or_else(|| {
        GraphQLError::new(
            ErrorCode::NotSupported,
            "persisted queries are not supported: send the document as `query`",
        )
    })?;
    Ok(Request {
        query: query.into(),
        operation_name: request.operation_name,
        variables: request.variables.unwrap_or_default(),
        extensions: request.extensions.unwrap_or_default(),
    })
}

/// Runs an operation once. Dropping the future cancels it.
pub(crate) async fn once(operation: &dyn Prepared, mut metrics: OperationMetrics) -> Payload {
    let payload = operation.execute().await;
    metrics.pushed(payload.bytes.len());
    if payload.is_error {
        log_failure(operation.kind(), "execution-error");
    }
    metrics.end(if payload.is_error { Outcome::Error } else { Outcome::Ok });
    payload
}

/// Runs an operation of any kind. Nothing is computed before it is asked for; dropping the stream
/// cancels the operation.
pub(crate) fn results(
    operation: Box<dyn Prepared>,
    metrics: OperationMetrics,
) -> BoxStream<'static, Item> {
    if !operation.is_stream() {
        return stream::once(async move { Item::Single(once(&*operation, metrics).await) }).boxed();
    }
    let kind = operation.kind();
    let start = Box::pin(async move { operation.subscribe().await });
    let metrics = Some(metrics);
    Box::pin(Live { kind, state: State::Starting(start), metrics, last: Outcome::Ok })
}

/// An operation that runs live. There may be very many of these: nothing but this is kept while one
/// waits.
struct Live {
    kind: OperationKind,
    state: State,
    /// None once it is over.
    metrics: Option<OperationMetrics>,
    /// How it would have ended if this were the end.
    last: Outcome,
}

enum State {
    Starting(BoxFuture<'static, Result<Box<dyn ResultStream>, Vec<GraphQLError>>>),
    Running(Box<dyn ResultStream>),
    Over,
}

impl Live {
    fn end(&mut self, outcome: Outcome) {
        self.state = State::Over;
        if let Some(metrics) = self.metrics.take() {
            metrics.end(outcome);
        }
    }

    fn result(&mut self, payload: Payload, outcome: Outcome) -> Item {
        self.last = outcome;
        if let Some(metrics) = &mut self.metrics {
            metrics.pushed(payload.bytes.len());
        }
        Item::Result(payload)
    }

    fn item(&mut self, event: Event) -> Item {
        match event {
            Event::Result(payload) => {
                let outcome = if payload.is_error { Outcome::Error } else { Outcome::Ok };
                self.result(payload, outcome)
            }
            // An error of a live operation is a result like any other: better ones may follow.
            Event::Error(mut error) => {
                log_failure(self.kind, &code_name(error.extensions.code));
                // Details are for answers over plain HTTP only, as with Hasura.
                error.extensions.internal = None;
                self.result(Payload::execution_error(&[error]), Outcome::Error)
            }
            Event::Ended(mut errors) => {
                for error in &mut errors {
                    error.extensions.internal = None;
                }
                if let Some(error) = errors.first() {
                    log_failure(self.kind, &code_name(error.extensions.code));
                }
                self.end(Outcome::Error);
                Item::Ended(errors)
            }
        }
    }
}

impl Stream for Live {
    type Item = Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Starting(start) => match ready!(start.as_mut().poll(cx)) {
                    Ok(results) => this.state = State::Running(results),
                    Err(errors) => {
                        log_refusal(&errors);
                        this.end(Outcome::Rejected);
                        return Poll::Ready(Some(Item::Refused(errors)));
                    }
                },
                State::Running(results) => {
                    let Some(event) = ready!(results.poll_next(cx)) else {
                        this.end(this.last);
                        return Poll::Ready(None);
                    };
                    return Poll::Ready(Some(this.item(event)));
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }
}

fn log_failure(kind: OperationKind, code: &str) {
    tracing::info!(kind = kind.as_str(), code, "operation failed");
}

/// One line for a refused request; neither the document nor the message, which may quote it.
pub(crate) fn log_refusal(errors: &[GraphQLError]) {
    let code = errors.first().map_or(ErrorCode::Unexpected, |error| error.extensions.code);
    let code = code_name(code);
    tracing::info!(code, errors = errors.len(), "operation refused");
}

/// The code as clients see it.
fn code_name(code: ErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(name)) => name,
        _ => format!("{code:?}"),
    }
}
