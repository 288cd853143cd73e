//! An operation that runs live, across changes of the rules.

use std::{sync::Arc, time::Duration};

use artesian_graphql::bind::Variables;
use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    ErrorCode, Event, GraphQLError, Identity, Operation, ResultStream, SessionVariables,
    cache::{Answer, Key},
    engine::{Core, Settled},
};

/// How long to wait before a source that could not take an operation over is asked again: twice as
/// long each time.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The results of a live operation, whatever becomes of the schema meanwhile.
///
/// There is one of these for every live operation, so it holds only what preparing needs, most of it
/// shared.
pub(crate) struct Running {
    core: Arc<Core>,
    key: Arc<Key>,
    variables: Arc<Variables>,
    session: SessionVariables,
    rules: watch::Receiver<u64>,
    /// The results are by rules that hold no longer: they must not be given.
    is_stale: bool,
    results: Box<dyn ResultStream>,
    /// The results were set up anew, and nothing has come of them yet.
    is_new: bool,
    told: Told,
    /// When a source that could not take it over is asked again, and how long that pause was.
    retry: Option<(Instant, Duration)>,
}

/// What the client heard last.
enum Told {
    Nothing,
    Result(Bytes),
    Error(Box<GraphQLError>),
}

impl Told {
    fn is(&self, event: &Event) -> bool {
        match (self, event) {
            (Self::Result(told), Event::Result(payload)) => *told == payload.bytes,
            (Self::Error(told), Event::Error(error)) => **told == *error,
            _ => false,
        }
    }
}

impl Running {
    pub(crate) fn new(operation: &Operation, results: Box<dyn ResultStream>) -> Self {
        let mut rules = operation.core.generation().watch();
        let is_stale = *rules.borrow_and_update() != operation.generation;
        Self {
            core: Arc::clone(&operation.core),
            key: Arc::clone(&operation.key),
            variables: Arc::clone(&operation.variables),
            session: operation.session.clone(),
            rules,
            is_stale,
            results,
            is_new: false,
            told: Told::Nothing,
            retry: None,
        }
    }

    /// Prepares the operation by the rules that hold now and takes its results from there. The old
    /// results are let go last: if both are of one live query, it never stops.
    ///
    /// The error is what the client is to hear instead.
    async fn prepare(&mut self) -> Result<(), Event> {
        let settled = self.settle().map_err(ended)?;
        if !self.results.conflates() {
            return Err(ended(GraphQLError::new(
                ErrorCode::StartFailed,
                "the schema or the permissions have changed: subscribe again",
            )));
        }
        let Answer::Plan(plan) = &settled.prepared.answer else {
            return Err(ended(GraphQLError::new(
                ErrorCode::Unexpected,
                "nothing is left to watch",
            )));
        };
        match plan.subscribe(&settled.inputs).await {
            Ok(results) => {
                self.results = results;
                (self.is_stale, self.is_new, self.retry) = (false, true, None);
                Ok(())
            }
            // The operation is valid, so this is a failure like any other while it runs: the database
            // is away, or changes faster than its schema is read.
            Err(error) => {
                let pause = self.retry.map_or(PAUSES.0, |(_, last)| (last * 2).min(PAUSES.1));
                self.retry = Some((Instant::now() + pause, pause));
                Err(Event::Error(visible(error)))
            }
        }
    }

    fn settle(&mut self) -> Result<Settled, GraphQLError> {
        let entry = self.core.entry(self.key.parts())?;
        let role = Arc::clone(&entry.key.role);
        let identity = Identity { role, session: self.session.clone() };
        let settled = self.core.settle(&entry, &self.variables, &identity)?;
        self.key = Arc::clone(&entry.key);
        Ok(settled)
    }

    /// Waits for the time of another attempt, or for other rules, which may make it succeed.
    async fn pause(&mut self) {
        let Some((at, _)) = self.retry else { return };
        tokio::select! {
            () = sleep_until(at) => {}
            _ = self.rules.changed() => self.retry = None,
        }
    }
}

/// The end of an operation that is not valid any more.
fn ended(error: GraphQLError) -> Event {
    Event::Ended(vec![visible(error)])
}

/// Details never go with a stream.
fn visible(mut error: GraphQLError) -> GraphQLError {
    error.extensions.internal = None;
    error
}

#[async_trait]
impl ResultStream for Running {
    async fn next(&mut self) -> Option<Event> {
        loop {
            // The counter's other end is the engine's, which this holds.
            if self.rules.has_changed().unwrap_or(false) {
                self.rules.mark_unchanged();
                self.is_stale = true;
            }
            let event = if self.is_stale {
                // Boxed, so that what waits for results is not as large as what this needs.
                if self.retry.is_some() {
                    Box::pin(self.pause()).await;
                }
                match Box::pin(self.prepare()).await {
                    Ok(()) => continue,
                    Err(event) => event,
                }
            } else {
                tokio::select! {
                    biased;
                    _ = self.rules.changed() => {
                        self.is_stale = true;
                        continue;
                    }
                    event = self.results.next() => event?,
                }
            };
            if matches!(event, Event::Ended(_)) {
                return Some(event);
            }
            // It may have been made by the old rules.
            let is_overtaken = self.rules.has_changed().unwrap_or(false);
            let is_known = self.told.is(&event) && (self.is_stale || self.is_new);
            if is_overtaken || is_known {
                self.is_new &= is_overtaken;
                continue;
            }
            self.is_new = false;
            self.told = match &event {
                Event::Result(payload) => Told::Result(payload.bytes.clone()),
                Event::Error(error) => Told::Error(Box::new(error.clone())),
                Event::Ended(_) => Told::Nothing,
            };
            return Some(event);
        }
    }

    fn conflates(&self) -> bool {
        self.results.conflates()
    }
}
