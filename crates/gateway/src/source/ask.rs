//! One sub-request, and what came of it.

use std::sync::Arc;

use artesian_compose::{Answer, Bound};
use artesian_engine::{ErrorCode, GraphQLError, Identity, Payload};
use artesian_remote::{Credentials, Operation, RemoteError, Response};
use bytes::Bytes;

use super::{Member, broker::EventAsk};
use crate::identity::{IdentityError, Subject};

/// A share of a request with all that is needed to ask for it.
#[derive(Clone)]
pub(super) enum Ask {
    /// A service.
    Service(ServiceAsk),
    /// The database, through an engine of its own.
    Database(Arc<artesian_engine::Operation>),
    /// A broker.
    Events(Arc<EventAsk>),
}

/// What is asked of a service, and for whom.
#[derive(Clone)]
pub(super) struct ServiceAsk {
    pub member: Arc<Member>,
    pub operation: Arc<Operation>,
    pub credentials: Credentials,
}

impl ServiceAsk {
    /// Whether both are the same to the service.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.member, &other.member)
            && self.operation == other.operation
            && self.credentials == other.credentials
    }

    /// What clients are told of a failure, in place of an answer.
    pub fn failed(&self, error: &RemoteError) -> Answer {
        Answer::Failed { message: self.member.service.tell(error), code: code_name(code(error)) }
    }

    /// What clients are told of a failure that ends an operation.
    pub fn error(&self, error: &RemoteError) -> GraphQLError {
        GraphQLError::new(code(error), self.member.service.tell(error))
    }
}

impl Ask {
    /// Asks once.
    pub async fn once(&self) -> Answer {
        match self {
            Self::Service(ask) => {
                let upstream = ask.member.service.upstream();
                match upstream.request(&ask.operation, &ask.credentials).await {
                    Ok(response) => answer(response),
                    Err(error) => ask.failed(&error),
                }
            }
            Self::Database(operation) => of_payload(&operation.execute().await),
            Self::Events(_) => Answer::Failed {
                message: "events have no single answer".to_owned(),
                code: code_name(ErrorCode::NotSupported),
            },
        }
    }
}

/// What the client said of itself.
pub(super) fn subject(identity: &Identity) -> Subject<'_> {
    let forwarded = identity.forwarded.as_deref();
    Subject {
        session: identity.session.pairs(),
        headers: forwarded.map_or(&[], |f| f.headers.as_slice()),
        init_payload: forwarded.and_then(|f| f.init_payload.as_ref()),
        claims: forwarded.and_then(|f| f.claims.as_ref()),
    }
}

/// A client of whom a service cannot be told.
pub(super) fn untellable(error: &IdentityError) -> GraphQLError {
    GraphQLError::new(ErrorCode::BadRequest, error.to_string())
}

pub(super) fn answer(response: Response) -> Answer {
    let Response { text, data, errors, extensions } = response;
    Answer::Response { text, data, errors, extensions }
}

/// The answer of an engine.
pub(super) fn of_payload(payload: &Payload) -> Answer {
    match Response::parse(&payload.bytes) {
        Some(response) => answer(response),
        None => Answer::Failed {
            message: "the database gave no result".to_owned(),
            code: code_name(ErrorCode::Unexpected),
        },
    }
}

/// The code by which clients tell failures of a service apart.
pub(super) fn code(error: &RemoteError) -> ErrorCode {
    match error {
        RemoteError::Timeout { .. } => ErrorCode::Timeout,
        RemoteError::Refused { .. } => ErrorCode::AccessDenied,
        RemoteError::TooSlow(_) => ErrorCode::SlowConsumer,
        RemoteError::Busy { .. } => ErrorCode::LimitExceeded,
        RemoteError::Request(_) => ErrorCode::BadRequest,
        _ => ErrorCode::RemoteSchemaError,
    }
}

/// The codes above as they are written.
fn code_name(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Timeout => "timeout",
        ErrorCode::AccessDenied => "access-denied",
        ErrorCode::SlowConsumer => "slow-consumer",
        ErrorCode::LimitExceeded => "limit-exceeded",
        ErrorCode::BadRequest => "bad-request",
        ErrorCode::RemoteSchemaError => "remote-schema-error",
        _ => "unexpected",
    }
}

/// Errors of a service: a JSON list of the share at this place.
pub(super) fn errors(bound: &Bound, at: usize, list: &Bytes) -> Vec<GraphQLError> {
    let each = bound.errors(at, list);
    each.iter().map(|one| GraphQLError::foreign(&String::from_utf8_lossy(one))).collect()
}

/// The member of `extensions.artesian` in the first result after a gap.
pub(super) const RESUMED: &str = "resumed";

pub(super) fn unexpected(message: &str) -> GraphQLError {
    GraphQLError::new(ErrorCode::Unexpected, message)
}
