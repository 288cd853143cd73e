//! Running a prepared operation, the same way for every transport.

use artesian_engine::{
    ErrorCode, Event, GraphQLError, OperationKind, Payload, Request, ResultStream,
};
use artesian_protocol::GraphQLRequest;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
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
pub(crate) fn request(request: GraphQLRequest) -> Request {
    Request {
        query: request.query.unwrap_or_default().into(),
        document_id: request.document_id,
        operation_name: request.operation_name,
        variables: request.variables.unwrap_or_default(),
        extensions: request.extensions.unwrap_or_default(),
    }
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

enum State {
    Start(Box<dyn Prepared>),
    Live(OperationKind, Box<dyn ResultStream>),
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
    stream::unfold(Some((State::Start(operation), metrics, Outcome::Ok)), step).boxed()
}

type Progress = Option<(State, OperationMetrics, Outcome)>;

async fn step(progress: Progress) -> Option<(Item, Progress)> {
    let (state, mut metrics, last) = progress?;
    let (kind, mut live) = match state {
        State::Live(kind, live) => (kind, live),
        State::Start(operation) => match operation.subscribe().await {
            Ok(live) => (operation.kind(), live),
            Err(errors) => {
                log_refusal(&errors);
                metrics.end(Outcome::Rejected);
                return Some((Item::Refused(errors), None));
            }
        },
    };
    let (payload, last) = match live.next().await {
        None => {
            metrics.end(last);
            return None;
        }
        Some(Event::Result(payload)) => {
            let outcome = if payload.is_error { Outcome::Error } else { Outcome::Ok };
            (payload, outcome)
        }
        // An error of a live operation is a result like any other: better ones may follow.
        Some(Event::Error(mut error)) => {
            log_failure(kind, &code_name(error.extensions.code));
            // Details are for answers over plain HTTP only, as with Hasura.
            error.extensions.internal = None;
            (Payload::execution_error(&[error]), Outcome::Error)
        }
        Some(Event::Ended(mut errors)) => {
            for error in &mut errors {
                error.extensions.internal = None;
            }
            if let Some(error) = errors.first() {
                log_failure(kind, &code_name(error.extensions.code));
            }
            metrics.end(Outcome::Error);
            return Some((Item::Ended(errors), None));
        }
    };
    metrics.pushed(payload.bytes.len());
    Some((Item::Result(payload), Some((State::Live(kind, live), metrics, last))))
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
