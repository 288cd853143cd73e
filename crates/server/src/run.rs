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
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream, Stream},
};

use crate::{
    buffered::buffered,
    limits::{ClientKey, Limit, Limits, OperationGuard, Refused},
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
fn begin(
    state: &State,
    identity: &Identity,
    client: ClientKey,
    transport: Transport,
) -> Result<Option<OperationGuard>, Refused> {
    let guard = state.limits.begin_operation(identity, client);
    guard.inspect_err(|_| OperationMetrics::rejected(&state.metrics, transport))
}

fn prepare_counted(
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

/// Prepares and runs an operation whose turn to be prepared has not come yet.
pub(crate) fn queued(
    state: Arc<State>,
    identity: Identity,
    client: ClientKey,
    request: GraphQLRequest,
    transport: Transport,
) -> BoxStream<'static, Item> {
    let start = async move {
        match prepare_in_turn(&state, &identity, client, request, Allow::ALL, transport).await {
            Ok(operation) => {
                let metrics = OperationMetrics::of(&state.metrics, &*operation, transport);
                results(&state.limits, operation, metrics)
            }
            Err(error) => refusal(error.into_errors()),
        }
    };
    Box::pin(Later::Starting(Box::pin(start)))
}

/// Results of an operation that is prepared first. What that needs is let go before they come.
enum Later {
    Starting(BoxFuture<'static, BoxStream<'static, Item>>),
    Running(BoxStream<'static, Item>),
}

impl Stream for Later {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        if let Self::Starting(start) = &mut *self {
            let items = ready!(start.as_mut().poll(cx));
            *self = Self::Running(items);
        }
        match &mut *self {
            Self::Starting(_) => Poll::Pending,
            Self::Running(items) => items.as_mut().poll_next(cx),
        }
    }
}

fn refusal(errors: Vec<GraphQLError>) -> BoxStream<'static, Item> {
    stream::iter([Item::Refused(errors)]).boxed()
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

enum Stage {
    Starting(BoxFuture<'static, Result<Box<dyn ResultStream>, Vec<GraphQLError>>>),
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
