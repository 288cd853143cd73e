//! Running a prepared operation, the same way for every transport.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use artesian_engine::{
    Allow, ErrorCode, Event, GraphQLError, Identity, OperationKind, Payload, Request, ResultStream,
};
use artesian_protocol::GraphQLRequest;
use futures_util::{
    future::BoxFuture,
    stream::{self, Stream},
};

use crate::{
    buffered::{self, buffered},
    limits::{ClientKey, Limit, Limits, OperationGuard, Refused},
    metrics::{OperationMetrics, Outcome, Transport},
    server::State,
    service::Prepared,
};
pub(crate) use crate::{
    items::{BoxItems, Item, Items},
    queued::{queued, started},
};

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
    client: ClientKey,
    request: GraphQLRequest,
    allow: Allow,
    transport: Transport,
) -> Result<Box<dyn Prepared>, Vec<GraphQLError>> {
    let guard =
        begin(state, identity, client, transport).map_err(|error| vec![error.to_error()])?;
    prepare_counted(state, identity, guard, request, allow, transport)
}

/// Counts an operation against the limits of its identity.
pub(crate) fn begin(
    state: &State,
    identity: &Identity,
    client: ClientKey,
    transport: Transport,
) -> Result<Option<OperationGuard>, Refused> {
    let guard = state.limits.begin_operation(identity, client);
    guard.inspect_err(|_| OperationMetrics::rejected(&state.metrics, transport))
}

/// The same for an operation that was counted.
pub(crate) fn prepare_counted(
    state: &State,
    identity: &Identity,
    guard: Option<OperationGuard>,
    request: GraphQLRequest,
    allow: Allow,
    transport: Transport,
) -> Result<Box<dyn Prepared>, Vec<GraphQLError>> {
    let prepared = state.service.prepare(self::request(request), identity, allow);
    let prepared = prepared.map(|operation| match guard {
        Some(guard) => guard.hold(operation),
        None => operation,
    });
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
    /// Too many wait for that, or the identity has had its share.
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
    client: ClientKey,
    request: GraphQLRequest,
    allow: Allow,
    transport: Transport,
) -> Result<Box<dyn Prepared>, NotPrepared> {
    // What waits for its turn counts as well.
    let guard = begin(state, identity, client, transport).map_err(NotPrepared::Busy)?;
    let Ok(_pass) = state.limits.preparations.enter().await else {
        OperationMetrics::rejected(&state.metrics, transport);
        return Err(NotPrepared::Busy(state.limits.busy(Limit::Preparations)));
    };
    prepare_counted(state, identity, guard, request, allow, transport).map_err(NotPrepared::Refused)
}

/// An operation that did not start.
pub(crate) fn refusal(errors: Vec<GraphQLError>) -> BoxItems {
    Box::pin(stream::iter([Item::Refused(errors)]))
}

/// Runs an operation of any kind. Nothing is computed before it is asked for; dropping the stream
/// cancels the operation.
pub(crate) fn results(
    limits: &Arc<Limits>,
    operation: Box<dyn Prepared>,
    metrics: OperationMetrics,
) -> BoxItems {
    if !operation.is_stream() {
        let limits = limits.clone();
        return Box::pin(stream::once(async move {
            match once(&limits, &*operation, metrics).await {
                Ok(payload) => Item::Single(payload),
                Err(refused) => Item::Refused(vec![refused.to_error()]),
            }
        }));
    }
    let kind = operation.kind();
    let limits = limits.clone();
    let start =
        Box::pin(
            async move { operation.subscribe().await.map(|results| buffered(&limits, results)) },
        );
    let metrics = Some(metrics);
    Box::pin(Live { kind, stage: Stage::Starting(start), metrics, last: Outcome::Ok })
}

/// An operation that runs live. There may be very many of these: nothing but this is kept while one
/// waits.
struct Live {
    kind: OperationKind,
    stage: Stage,
    /// None once it is over.
    metrics: Option<OperationMetrics>,
    /// How it would have ended if this were the end.
    last: Outcome,
}

type Start = BoxFuture<'static, Result<Box<dyn ResultStream>, Vec<GraphQLError>>>;

enum Stage {
    Starting(Start),
    /// The identity has changed since it was prepared.
    StartingFor(Box<(Start, Identity)>),
    Running(Box<dyn ResultStream>),
    Over,
}

impl Live {
    fn end(&mut self, outcome: Outcome) {
        self.stage = Stage::Over;
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
            match &mut this.stage {
                Stage::Starting(start) => match ready!(start.as_mut().poll(cx)) {
                    Ok(results) => this.stage = Stage::Running(results),
                    Err(errors) => {
                        log_refusal(&errors);
                        this.end(Outcome::Rejected);
                        return Poll::Ready(Some(Item::Refused(errors)));
                    }
                },
                Stage::StartingFor(starting) => {
                    let (start, identity) = &mut **starting;
                    match ready!(start.as_mut().poll(cx)) {
                        Ok(mut results) => {
                            results.change_identity(identity);
                            this.stage = Stage::Running(results);
                        }
                        // What went wrong may be about what only the one before may see.
                        Err(_) => {
                            let errors = vec![buffered::identity_changed()];
                            log_refusal(&errors);
                            this.end(Outcome::Rejected);
                            return Poll::Ready(Some(Item::Refused(errors)));
                        }
                    }
                }
                Stage::Running(results) => {
                    let Some(event) = ready!(results.poll_next(cx)) else {
                        this.end(this.last);
                        return Poll::Ready(None);
                    };
                    return Poll::Ready(Some(this.item(event)));
                }
                Stage::Over => return Poll::Ready(None),
            }
        }
    }
}

impl Items for Live {
    fn is_live(&self) -> bool {
        true
    }

    fn change_identity(self: Pin<&mut Self>, identity: &Identity) {
        let this = self.get_mut();
        this.stage = match std::mem::replace(&mut this.stage, Stage::Over) {
            Stage::Starting(start) => Stage::StartingFor(Box::new((start, identity.clone()))),
            Stage::StartingFor(mut starting) => {
                starting.1 = identity.clone();
                Stage::StartingFor(starting)
            }
            Stage::Running(mut results) => {
                results.change_identity(identity);
                Stage::Running(results)
            }
            Stage::Over => Stage::Over,
        };
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
pub(crate) fn code_name(code: ErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(name)) => name,
        _ => format!("{code:?}"),
    }
}

#[cfg(test)]
mod tests;
