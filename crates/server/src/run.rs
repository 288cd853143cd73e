//! Running a prepared operation, the same way for every transport.

use std::sync::Arc;

use artesian_engine::{
    Allow, ErrorCode, Event, GraphQLError, Identity, OperationKind, Payload, Request, ResultStream,
};
use artesian_protocol::GraphQLRequest;
use futures_util::{
    StreamExt,
    future::ready,
    stream::{self, BoxStream},
};

use crate::{
    buffered::buffered,
    limits::{Limit, Limits, Refused},
    metrics::{OperationMetrics, Outcome, Transport},
    server::State,
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
fn request(request: GraphQLRequest) -> Request {
    Request {
        query: request.query.unwrap_or_default().into(),
        document_id: request.document_id,
        operation_name: request.operation_name,
        variables: request.variables.unwrap_or_default(),
        extensions: request.extensions.unwrap_or_default(),
    }
}

/// Runs an operation once, as soon as there is a place. Dropping the future cancels it.
pub(crate) async fn once(
    limits: &Arc<Limits>,
    operation: &dyn Prepared,
    mut metrics: OperationMetrics,
) -> Result<Payload, Refused> {
    let Ok(_pass) = limits.executions.enter().await else {
        metrics.end(Outcome::Rejected);
        return Err(limits.busy(Limit::Executions));
    };
    let payload = operation.execute().await;
    metrics.pushed(payload.bytes.len());
    if payload.is_error {
        log_failure(operation.kind(), "execution-error");
    }
    metrics.end(if payload.is_error { Outcome::Error } else { Outcome::Ok });
    Ok(payload)
}

/// Prepares an operation: the one policy, whatever the transport.
pub(crate) fn prepare(
    state: &State,
    identity: &Identity,
    request: GraphQLRequest,
    allow: Allow,
    transport: Transport,
) -> Result<Box<dyn Prepared>, Vec<GraphQLError>> {
    let prepared = state.service.prepare(self::request(request), identity, allow);
    prepared.inspect_err(|errors| {
        log_refusal(errors);
        if errors.iter().any(|error| error.extensions.code == ErrorCode::LimitExceeded) {
            state.limits.hit(Limit::Operation);
        }
        OperationMetrics::rejected(&state.metrics, transport);
    })
}

/// Why an operation was not prepared.
pub(crate) enum NotPrepared {
    /// Too many wait for that.
    Busy(Refused),
    /// These errors say it.
    Refused(Vec<GraphQLError>),
}

impl NotPrepared {
    /// As GraphQL errors.
    pub fn into_errors(self) -> Vec<GraphQLError> {
        match self {
            Self::Busy(refused) => vec![refused.to_error()],
            Self::Refused(errors) => errors,
        }
    }
}

/// The same as soon as there is a place.
pub(crate) async fn prepare_in_turn(
    state: &State,
    identity: &Identity,
    request: GraphQLRequest,
    allow: Allow,
    transport: Transport,
) -> Result<Box<dyn Prepared>, NotPrepared> {
    let Ok(_pass) = state.limits.preparations.enter().await else {
        OperationMetrics::rejected(&state.metrics, transport);
        return Err(NotPrepared::Busy(state.limits.busy(Limit::Preparations)));
    };
    prepare(state, identity, request, allow, transport).map_err(NotPrepared::Refused)
}

/// Prepares and runs an operation whose turn to be prepared has not come yet.
pub(crate) fn queued(
    state: Arc<State>,
    identity: Identity,
    request: GraphQLRequest,
    transport: Transport,
) -> BoxStream<'static, Item> {
    let start = async move {
        match prepare_in_turn(&state, &identity, request, Allow::ALL, transport).await {
            Ok(operation) => {
                let metrics = OperationMetrics::of(&state.metrics, &*operation, transport);
                results(&state.limits, operation, metrics)
            }
            Err(error) => refusal(error.into_errors()),
        }
    };
    stream::once(start).flatten().boxed()
}

fn refusal(errors: Vec<GraphQLError>) -> BoxStream<'static, Item> {
    stream::once(ready(Item::Refused(errors))).boxed()
}

enum Stage {
    Start(Box<dyn Prepared>, Arc<Limits>),
    Live(OperationKind, Box<dyn ResultStream>),
}

/// Runs an operation of any kind. Nothing is computed before it is asked for; dropping the stream
/// cancels the operation.
pub(crate) fn results(
    limits: &Arc<Limits>,
    operation: Box<dyn Prepared>,
    metrics: OperationMetrics,
) -> BoxStream<'static, Item> {
    if !operation.is_stream() {
        let limits = limits.clone();
        return stream::once(async move {
            match once(&limits, &*operation, metrics).await {
                Ok(payload) => Item::Single(payload),
                Err(refused) => Item::Refused(vec![refused.to_error()]),
            }
        })
        .boxed();
    }
    let stage = Stage::Start(operation, limits.clone());
    stream::unfold(Some((stage, metrics, Outcome::Ok)), step).boxed()
}

type Progress = Option<(Stage, OperationMetrics, Outcome)>;

async fn step(progress: Progress) -> Option<(Item, Progress)> {
    let (stage, mut metrics, last) = progress?;
    let (kind, mut live) = match stage {
        Stage::Live(kind, live) => (kind, live),
        Stage::Start(operation, limits) => match operation.subscribe().await {
            Ok(live) => (operation.kind(), buffered(&limits, live)),
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
    Some((Item::Result(payload), Some((Stage::Live(kind, live), metrics, last))))
}

fn log_failure(kind: OperationKind, code: &str) {
    tracing::info!(kind = kind.as_str(), code, "operation failed");
}

/// One line for a refused request; neither the document nor the message, which may quote it.
fn log_refusal(errors: &[GraphQLError]) {
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
