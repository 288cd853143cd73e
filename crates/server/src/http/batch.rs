//! Several requests in one body, answered by an array of their results in order.

use std::sync::Arc;

use artesian_engine::{Allow, Identity, OperationKind, Payload};
use artesian_protocol::{
    GraphQLRequest,
    http::{HttpError, JsonMedia, Media},
};
use bytes::{BufMut, BytesMut};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use tokio::time::timeout;

use super::{
    errors,
    graphql::{self, Answer},
    reply::Reply,
};
use crate::{
    limits::ClientKey,
    metrics::{OperationMetrics, Transport},
    run,
    server::State,
    service::Prepared,
};

/// How many queries of one batch run at a time.
const CONCURRENCY: usize = 8;

/// Runs all requests of a batch. The answer is 200 whatever became of them, and always
/// `application/json`: an array is nothing that `application/graphql-response+json` describes.
pub(super) async fn execute(
    state: &Arc<State>,
    reply: &Reply<'_>,
    identity: &Identity,
    from: ClientKey,
    requests: Vec<GraphQLRequest>,
) -> Answer {
    if !matches!(reply.single, Media::Json(_)) {
        return Err(reply.malformed(&HttpError::NotAcceptable).into());
    }
    state.metrics.batch(requests.len());
    let allow = Allow { mutations: true, streams: false };
    let mut prepared = Vec::with_capacity(requests.len());
    for request in requests {
        let entry =
            run::prepare_in_turn(state, identity, from, request, allow, Transport::Http).await;
        prepared.push(entry.map_err(|error| errors::refusal(&error.into_errors())));
    }
    let Ok(results) = timeout(state.config.request_timeout, run_all(state, prepared)).await else {
        return Err(graphql::took_too_long(state, "the batch took too long").into());
    };
    let media = JsonMedia::ApplicationJson.content_type();
    Ok(errors::json(StatusCode::OK, media, array(&results)))
}

/// Queries run at the same time; a mutation waits for all that stand before it, and what stands
/// behind it waits for the mutation. So the results are those of running one after the other.
async fn run_all(state: &Arc<State>, prepared: Vec<Entry>) -> Vec<Payload> {
    let mut results = Vec::with_capacity(prepared.len());
    let mut entries = prepared.into_iter().peekable();
    while let Some(first) = entries.next() {
        let is_alone = is_mutation(&first);
        let mut group = vec![run_one(state.clone(), first)];
        while !is_alone && let Some(next) = entries.next_if(|entry| !is_mutation(entry)) {
            group.push(run_one(state.clone(), next));
        }
        results.append(&mut stream::iter(group).buffered(CONCURRENCY).collect().await);
    }
    results
}

/// A prepared operation, or its refusal.
type Entry = Result<Box<dyn Prepared>, Payload>;

fn is_mutation(entry: &Entry) -> bool {
    entry.as_ref().is_ok_and(|operation| operation.kind() == OperationKind::Mutation)
}

async fn run_one(state: Arc<State>, entry: Entry) -> Payload {
    match entry {
        Ok(operation) => {
            let metrics = OperationMetrics::of(&state.metrics, &*operation, Transport::Http);
            match run::once(&state.limits, &*operation, metrics).await {
                Ok(payload) => payload,
                Err(refused) => errors::refusal(&[refused.to_error()]),
            }
        }
        Err(refusal) => refusal,
    }
}

fn array(results: &[Payload]) -> Payload {
    let length: usize = results.iter().map(|payload| payload.bytes.len() + 1).sum();
    let mut bytes = BytesMut::with_capacity(length + 1);
    for (index, payload) in results.iter().enumerate() {
        bytes.put_u8(if index == 0 { b'[' } else { b',' });
        bytes.extend_from_slice(&payload.bytes);
    }
    bytes.put_u8(b']');
    Payload::data(bytes.freeze())
}
