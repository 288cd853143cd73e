//! An operation that runs live, across changes of the rules and of its client's identity.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use artesian_graphql::bind::Variables;
use artesian_topic::Follower;
use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use crate::{
    ErrorCode, Event, Executable, GraphQLError, Identity, Operation, ResultStream,
    cache::Key,
    engine::{Core, Run},
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
    /// As JSON text, empty if there are none: it is seldom needed, and an object in memory is many
    /// times as large.
    variables: Box<str>,
    identity: Identity,
    rules: Follower<u64>,
    /// The generation by whose rules the results are, or are being prepared.
    generation: u64,
    results: Box<dyn ResultStream>,
    /// The results are by rules or for an identity that hold no longer, so they must not be given:
    /// others are being prepared.
    renewal: Option<Box<Renewal>>,
    /// The results were set up anew, and nothing has come of them yet.
    is_new: bool,
    told: Told,
    /// Where every result counts: one that came when the rules had just changed. It is given once it
    /// is known that the stream goes on.
    held: Option<Box<Event>>,
}

/// Preparing an operation by other rules.
struct Renewal {
    work: Pin<Box<dyn Future<Output = Result<Renewed, Event>> + Send>>,
    cause: Cause,
    /// How long it waits before it begins.
    pause: Duration,
}

/// Why an operation is prepared anew.
#[derive(Clone, Copy)]
enum Cause {
    Rules,
    Identity,
}

impl Cause {
    /// What the client of a stream hears that cannot be taken over.
    fn message(self) -> &'static str {
        match self {
            Self::Rules => "the schema or the permissions have changed: subscribe again",
            Self::Identity => "the identity has changed: subscribe again",
        }
    }
}

/// An operation by the rules that hold now.
struct Renewed {
    key: Arc<Key>,
    results: Anew,
}

enum Anew {
    Results(Box<dyn ResultStream>),
    /// What the operation is now. Whether the results there are go on as those of this is to be seen.
    Candidate(Arc<dyn Executable>),
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
        Self {
            core: Arc::clone(&operation.core),
            key: Arc::clone(&operation.key),
            variables: written(&operation.variables),
            identity: operation.identity.clone(),
            rules: operation.core.generation().watch(),
            generation: operation.generation,
            results,
            renewal: None,
            is_new: false,
            told: Told::Nothing,
            held: None,
        }
    }

    /// Begins to prepare the operation by the rules that hold then, for the identity that holds now.
    fn renew(&mut self, cause: Cause, pause: Duration) {
        let attempt = Attempt {
            core: Arc::clone(&self.core),
            key: Arc::clone(&self.key),
            variables: self.variables.clone(),
            identity: self.identity.clone(),
            conflates: self.results.conflates(),
        };
        let at = Instant::now() + pause;
        let work = async move {
            if !pause.is_zero() {
                sleep_until(at).await;
            }
            attempt.run().await
        };
        self.renewal = Some(Box::new(Renewal { work: Box::pin(work), cause, pause }));
    }

    /// What comes next by the rules that hold as far as is known. `true`: it is a failure to go on.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<(Option<Event>, bool)> {
        if let Some(renewal) = &mut self.renewal {
            match ready!(renewal.work.as_mut().poll(cx)) {
                Ok(Renewed { key, results: Anew::Results(results) }) => {
                    self.key = key;
                    // The old results are let go last: if both are of one live query, it never
                    // stops.
                    self.results = results;
                    (self.renewal, self.is_new) = (None, true);
                }
                Ok(Renewed { key, results: Anew::Candidate(executable) }) => {
                    let cause = renewal.cause;
                    self.key = key;
                    self.renewal = None;
                    if !self.results.goes_on_as(&*executable) {
                        self.held = None;
                        if !self.results.resumes() {
                            let error = GraphQLError::new(ErrorCode::StartFailed, cause.message());
                            return Poll::Ready((Some(ended(error)), false));
                        }
                        self.replace(executable, cause);
                        return self.poll_event(cx);
                    }
                }
                Err(event) => {
                    let (cause, last) = (renewal.cause, renewal.pause);
                    let pause = if last.is_zero() { PAUSES.0 } else { (last * 2).min(PAUSES.1) };
                    self.renew(cause, pause);
                    return Poll::Ready((Some(event), true));
                }
            }
        }
        if let Some(event) = self.held.take() {
            return Poll::Ready((Some(*event), false));
        }
        self.results.poll_next(cx).map(|event| (event, false))
    }

    /// Begins to take the results of this in the place of those there are, of which some may be lost.
    fn replace(&mut self, executable: Arc<dyn Executable>, cause: Cause) {
        let key = Arc::clone(&self.key);
        let work = async move {
            let mut results = subscribed(&*executable).await?;
            results.mark_gap();
            Ok(Renewed { key, results: Anew::Results(results) })
        };
        let work = Box::pin(work);
        self.renewal = Some(Box::new(Renewal { work, cause, pause: Duration::ZERO }));
    }
}

impl ResultStream for Running {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            let known = self.generation;
            let changed = |now: &u64| (*now != known).then_some(*now);
            if let Poll::Ready(now) = self.rules.poll(cx, changed) {
                // Other rules may mend what an attempt under way waits for.
                self.generation = now;
                self.renew(Cause::Rules, Duration::ZERO);
            }
            let (event, is_failure) = ready!(self.poll_event(cx));
            let Some(event) = event else { return Poll::Ready(None) };
            if matches!(event, Event::Ended(_)) {
                return Poll::Ready(Some(event));
            }
            // It may have been made by the old rules.
            let is_overtaken = self.core.generation().now() != self.generation;
            if !is_failure && !self.results.conflates() {
                if is_overtaken {
                    self.held = Some(Box::new(event));
                    continue;
                }
                self.told = Told::Nothing;
                return Poll::Ready(Some(event));
            }
            let is_known = self.told.is(&event) && (is_failure || self.is_new);
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
            return Poll::Ready(Some(event));
        }
    }

    fn conflates(&self) -> bool {
        self.results.conflates()
    }

    fn buffers(&self) -> bool {
        self.results.buffers()
    }

    fn change_identity(&mut self, identity: &Identity) -> bool {
        if self.identity == *identity {
            return false;
        }
        if self.key.role != identity.role {
            self.key = Arc::new(self.key.for_role(&identity.role));
        }
        self.identity = identity.clone();
        // What is held was made for the identity before, and may be given only if nothing differs.
        self.renew(Cause::Identity, Duration::ZERO);
        true
    }
}

/// What it takes to prepare an operation again.
struct Attempt {
    core: Arc<Core>,
    key: Arc<Key>,
    variables: Box<str>,
    identity: Identity,
    conflates: bool,
}

impl Attempt {
    /// Prepares the operation by the rules that hold now, and begins to take its results. The error
    /// is what the client is to hear instead.
    async fn run(self) -> Result<Renewed, Event> {
        let entry = self.core.entry(self.key.parts()).map_err(ended)?;
        let variables = read(&self.variables).map_err(ended)?;
        let settled = self.core.settle(&entry, &variables, &self.identity).map_err(ended)?;
        let Run::Source(executable) = settled.run else {
            return Err(ended(GraphQLError::new(
                ErrorCode::Unexpected,
                "nothing is left to watch",
            )));
        };
        let results = if self.conflates {
            Anew::Results(subscribed(&*executable).await?)
        } else {
            Anew::Candidate(executable)
        };
        Ok(Renewed { key: Arc::clone(&entry.key), results })
    }
}

/// The operation is valid, so a refusal is a failure like any other while it runs: the database is
/// away, or changes faster than its schema is read.
async fn subscribed(executable: &dyn Executable) -> Result<Box<dyn ResultStream>, Event> {
    executable.subscribe().await.map_err(|error| Event::Error(visible(error)))
}

fn written(variables: &Variables) -> Box<str> {
    if variables.is_empty() {
        return Box::default();
    }
    // An object whose keys are strings can always be written; what could not would not be read.
    serde_json::to_string(variables).unwrap_or_else(|error| error.to_string()).into()
}

fn read(text: &str) -> Result<Variables, GraphQLError> {
    if text.is_empty() {
        return Ok(Variables::new());
    }
    let broken = |error| GraphQLError::new(ErrorCode::Unexpected, format!("variables: {error}"));
    serde_json::from_str(text).map_err(broken)
}

/// The end of an operation that is not valid any more.
pub(crate) fn ended(error: GraphQLError) -> Event {
    Event::Ended(vec![visible(error)])
}

/// Details never go with a stream.
fn visible(mut error: GraphQLError) -> GraphQLError {
    error.extensions.internal = None;
    error
}
