//! Single operations: queries and mutations.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use artesian_fanout::backoff::pause_of_at_least;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use super::{HttpClient, Repeat, collect, headers};
use crate::{
    CircuitState, Credentials, Kind, Operation, RemoteError, Response, error::Step,
    response::NoResponse, retry_after::asked_to_wait, stats::Counter, ws::Shared,
};

/// GraphQL over HTTP, "Accept": the new media type first.
const ACCEPT: &str = "application/graphql-response+json, application/json;q=0.9";

/// A response, and the status that it came with.
pub(crate) struct Answered {
    pub status: u16,
    pub response: Response,
}

/// Runs single operations at one service.
pub(crate) struct Requests {
    shared: Arc<Shared>,
    client: HttpClient,
    turns: Semaphore,
    waiting: AtomicUsize,
}

impl Requests {
    pub fn new(shared: Arc<Shared>, client: HttpClient) -> Self {
        let turns = Semaphore::new(shared.config.limits.concurrent_requests);
        Self { shared, client, turns, waiting: AtomicUsize::new(0) }
    }

    /// Runs an operation, with retries where they are safe.
    pub async fn run(
        &self,
        operation: &Operation,
        credentials: &Credentials,
    ) -> Result<Answered, RemoteError> {
        let counters = &self.shared.counters;
        counters.add(Counter::Requests);
        let result = self.run_uncounted(operation, credentials).await;
        if result.is_err() {
            counters.add(Counter::FailedRequests);
        }
        result
    }

    async fn run_uncounted(
        &self,
        operation: &Operation,
        credentials: &Credentials,
    ) -> Result<Answered, RemoteError> {
        let limit = self.shared.config.timeouts.request;
        let deadline = Instant::now() + limit.min(Duration::from_secs(24 * 60 * 60));
        let too_long = || RemoteError::Timeout { what: Step::Respond, limit };
        let body = operation.to_json()?;
        let turn = tokio::time::timeout_at(deadline, self.turn()).await;
        let _turn = turn.map_err(|_| too_long())??;
        let retry = &self.shared.config.retry;
        let may_repeat = retry.queries && operation.kind() == Kind::Query;
        let repeat = if may_repeat { Repeat::Safe } else { Repeat::Unsafe };
        for attempt in 0.. {
            let error = match self.attempt(&body, credentials, repeat, deadline).await {
                Ok(answered) => return Ok(answered),
                Err(error) => error,
            };
            let least = error.least_pause();
            let wait = pause_of_at_least(least, retry.first, retry.longest, attempt);
            let is_safe = may_repeat || error.never_sent();
            let is_worthwhile = error.is_passing() && error != RemoteError::CircuitOpen;
            let is_in_time = Instant::now() + wait < deadline;
            if attempt >= retry.attempts || !is_safe || !is_worthwhile || !is_in_time {
                return Err(error);
            }
            self.shared.counters.add(Counter::Retries);
            tokio::time::sleep(wait).await;
        }
        Err(too_long())
    }

    /// Waits until there are few enough other requests.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, RemoteError> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let limit = self.shared.config.limits.waiting_requests;
        let _waiting = Waiting::enter(&self.waiting, limit)
            .ok_or(RemoteError::Busy { what: "waiting requests", limit })?;
        self.turns.acquire().await.map_err(|_| RemoteError::ShutDown)
    }

    async fn attempt(
        &self,
        body: &Bytes,
        credentials: &Credentials,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Answered, RemoteError> {
        let shared = &self.shared;
        if shared.circuit.state() == CircuitState::HalfOpen {
            // It is about to be known whether the service is back.
            let _in_time = tokio::time::timeout_at(deadline, shared.circuit.trial()).await;
        }
        let permit = shared.circuit.admit()?;
        let result = tokio::select! {
            result = tokio::time::timeout_at(deadline, self.exchange(body, credentials, repeat)) => {
                let limit = shared.config.timeouts.request;
                result.unwrap_or(Err(RemoteError::Timeout { what: Step::Respond, limit }))
            }
            () = shared.stop.cancelled() => return Err(RemoteError::ShutDown),
        };
        match &result {
            Ok(_) => permit.succeeded(),
            Err(error) => permit.failed(error),
        }
        result
    }

    async fn exchange(
        &self,
        body: &Bytes,
        credentials: &Credentials,
        repeat: Repeat,
    ) -> Result<Answered, RemoteError> {
        let config = &self.shared.config;
        let mut request = Request::post(config.url.http_uri(None).map_err(RemoteError::request)?)
            .body(Full::new(body.clone()))
            .map_err(RemoteError::request)?;
        *request.headers_mut() = headers(config, credentials, ACCEPT);
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        let answer = self.client.send(request, repeat).await?;
        let status = answer.status().as_u16();
        if answer.status().is_redirection() {
            return Err(RemoteError::Redirect(status));
        }
        let wait = asked_to_wait(status, answer.headers());
        let body = collect(answer.into_body(), config.limits.response_bytes).await?;
        match (classify(status, &body), wait) {
            (Ok(response), _) => Ok(Answered { status, response }),
            (Err(RemoteError::Status(_)), Some(wait)) => Err(wait),
            (Err(error), _) => Err(error),
        }
    }
}

/// What a body with a status is. A GraphQL response is one whatever status and content type it comes
/// with: services differ in both.
pub(crate) fn classify(status: u16, body: &Bytes) -> Result<Response, RemoteError> {
    let is_success = (200..300).contains(&status);
    Response::read(body).map_err(|error| match error {
        _ if !is_success => RemoteError::Status(status),
        NoResponse::NotJson => RemoteError::NotJson(status),
        NoResponse::NotGraphQL => RemoteError::NotGraphQL(status),
    })
}

/// One who waits, counted.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let this = Self(count);
        (before < limit).then_some(this)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn classified(status: u16, body: &'static str) -> Result<Response, RemoteError> {
        classify(status, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn a_response_counts_whatever_its_status() {
        for status in [200, 294, 400, 422, 500] {
            let response = classified(status, r#"{"errors":[{"message":"x"}]}"#).unwrap();
            assert!(!response.is_executed());
        }
    }

    #[test]
    fn what_is_no_response() {
        for (status, body, expected) in [
            (200, "<html>", RemoteError::NotJson(200)),
            (200, "{\"data\":", RemoteError::NotJson(200)),
            (200, "{\"message\":\"no\"}", RemoteError::NotGraphQL(200)),
            (404, "<html>", RemoteError::Status(404)),
            (502, "{\"message\":\"no\"}", RemoteError::Status(502)),
            (204, "", RemoteError::NotJson(204)),
        ] {
            assert_eq!(classified(status, body).unwrap_err(), expected, "{status} {body}");
        }
    }
}
