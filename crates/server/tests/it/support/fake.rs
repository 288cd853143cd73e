//! A scripted service. The document says what it does; its first word is the command:
//!
//! | document | what happens |
//! |---|---|
//! | `identity` | gives role and session variables |
//! | `variables` | gives variables and operation name |
//! | `raw TOPIC` | gives the topic's bytes as they are |
//! | `hang NAME` | waits for `release(NAME)` |
//! | `mutation` | changes nothing |
//! | `mutation NAME` | the same, but waits like `hang NAME` |
//! | `invalid`, `syntax`, `forbidden`, `excessive` | is refused |
//! | `failing` | runs and fails |
//! | `live TOPIC` | follows a topic |
//! | `events N` | gives N results and ends |
//! | `feed TOPIC` | gives every payload that is emitted to the topic, none of which may be skipped |
//! | `slow NAME` | blocks while it is prepared, until `release(NAME)` |
//! | `unstartable` | fails to start as a stream |
//! | `flaky` | a result, an error, a result, the end |
//! | `evicted` | a result, and then it is ended with an error |

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use artesian_engine::{
    Allow, ErrorCode, Event, GraphQLError, Identity, OperationKind, Payload, Request, ResultStream,
};
use artesian_server::{Prepared, Service};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::LIMIT;

/// The service.
pub struct Fake {
    inner: Arc<Inner>,
}

struct Inner {
    topics: Mutex<HashMap<String, watch::Sender<Bytes>>>,
    released: watch::Sender<Vec<String>>,
    /// What has happened: `run NAME`, `drop NAME`, `take TOPIC BYTES`.
    log: watch::Sender<Vec<String>>,
    ready: Mutex<Result<(), String>>,
    feeds: Mutex<HashMap<String, Vec<mpsc::UnboundedSender<Bytes>>>>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                topics: Mutex::default(),
                released: watch::channel(Vec::new()).0,
                log: watch::channel(Vec::new()).0,
                ready: Mutex::new(Ok(())),
                feeds: Mutex::default(),
            }),
        }
    }
}

impl Inner {
    fn note(&self, entry: String) {
        self.log.send_modify(|log| log.push(entry));
    }

    fn topic(&self, name: &str) -> watch::Sender<Bytes> {
        let new = || watch::channel(Bytes::from_static(b"{\"data\":0}")).0;
        self.topics.lock().entry(name.to_owned()).or_insert_with(new).clone()
    }
}

impl Fake {
    /// A new state of a topic.
    pub fn publish(&self, topic: &str, payload: impl Into<Bytes>) {
        self.inner.topic(topic).send_replace(payload.into());
    }

    /// An event for all who follow this feed.
    pub fn emit(&self, topic: &str, payload: impl Into<Bytes>) {
        let payload = payload.into();
        if let Some(feeds) = self.inner.feeds.lock().get_mut(topic) {
            feeds.retain(|feed| feed.send(payload.clone()).is_ok());
        }
    }

    /// Lets `hang NAME` or `slow NAME` go on.
    pub fn release(&self, name: &str) {
        self.inner.released.send_modify(|names| names.push(name.to_owned()));
    }

    /// What has happened.
    pub fn log(&self) -> Vec<String> {
        self.inner.log.borrow().clone()
    }

    /// How often something has happened.
    pub fn count(&self, entry: &str) -> usize {
        self.inner.log.borrow().iter().filter(|e| *e == entry).count()
    }

    /// Waits until something has happened.
    pub async fn happened(&self, entry: &str) {
        self.happened_times(entry, 1).await;
    }

    /// Waits until something has happened so many times.
    pub async fn happened_times(&self, entry: &str, times: usize) {
        let mut log = self.inner.log.subscribe();
        let wait = log.wait_for(|log| log.iter().filter(|e| *e == entry).count() >= times);
        if timeout(LIMIT, wait).await.is_err() {
            panic!("`{entry}` did not happen, only {:?}", self.log());
        }
    }

    /// What the next question for readiness answers.
    pub fn set_ready(&self, ready: Result<(), String>) {
        *self.inner.ready.lock() = ready;
    }
}

#[async_trait]
impl Service for Fake {
    fn prepare(
        &self,
        request: Request,
        identity: &Identity,
        allow: Allow,
    ) -> Result<Box<dyn Prepared>, Vec<GraphQLError>> {
        let (command, argument) = request.query.split_once(' ').unwrap_or((&request.query, ""));
        let refuse =
            |path: &str, code, message: &str| Err(vec![GraphQLError::at(path, code, message)]);
        match command {
            "invalid" => {
                return refuse("$.selectionSet.x", ErrorCode::ValidationFailed, "no field x");
            }
            "syntax" => return refuse("$.query", ErrorCode::ValidationFailed, "not a document"),
            "forbidden" => return refuse("$", ErrorCode::PermissionError, "not for you"),
            "excessive" => return refuse("$", ErrorCode::LimitExceeded, "too deep"),
            "slow" => {
                self.inner.note(format!("prepare {argument}"));
                let is_released =
                    || self.inner.released.borrow().iter().any(|name| name == argument);
                // Without taking a thread from others, whose tasks might be stuck on it.
                tokio::task::block_in_place(|| {
                    let began = std::time::Instant::now();
                    while !is_released() && began.elapsed() < LIMIT {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                });
            }
            _ => {}
        }
        let operation = Scripted {
            inner: self.inner.clone(),
            command: command.to_owned(),
            argument: argument.to_owned(),
            identity: identity.clone(),
            request: request.clone(),
        };
        if operation.is_stream() && !allow.streams {
            return refuse("$", ErrorCode::NotSupported, "use a WebSocket or event stream");
        }
        Ok(Box::new(operation))
    }

    async fn ready(&self) -> Result<(), String> {
        self.inner.ready.lock().clone()
    }
}

struct Scripted {
    inner: Arc<Inner>,
    command: String,
    argument: String,
    identity: Identity,
    request: Request,
}

/// Notes its own end.
struct Guard(Arc<Inner>, String);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.note(format!("drop {}", self.1));
    }
}

#[async_trait]
impl Prepared for Scripted {
    fn kind(&self) -> OperationKind {
        match self.command.as_str() {
            "mutation" => OperationKind::Mutation,
            "live" | "events" | "feed" | "unstartable" | "flaky" | "evicted" => {
                OperationKind::Subscription
            }
            _ => OperationKind::Query,
        }
    }

    fn name(&self) -> Option<&str> {
        None
    }

    fn is_stream(&self) -> bool {
        self.kind() == OperationKind::Subscription
    }

    async fn execute(&self) -> Payload {
        let data = |value: serde_json::Value| {
            Payload::data(serde_json::json!({ "data": value }).to_string().into())
        };
        match self.command.as_str() {
            "identity" => data(serde_json::json!({
                "role": &*self.identity.role,
                "session": self.identity.session.iter().cloned().collect::<BTreeMap<_, _>>(),
            })),
            "variables" => data(serde_json::json!({
                "variables": self.request.variables,
                "operationName": self.request.operation_name,
            })),
            "raw" => Payload::data(self.inner.topic(&self.argument).borrow().clone()),
            "hang" | "mutation" if !self.argument.is_empty() => {
                let _guard = Guard(self.inner.clone(), self.argument.clone());
                self.inner.note(format!("run {}", self.argument));
                let mut released = self.inner.released.subscribe();
                let mine = |names: &Vec<String>| names.contains(&self.argument);
                let _ = released.wait_for(mine).await;
                data(serde_json::json!(self.argument))
            }
            "failing" => {
                let error = GraphQLError::new(ErrorCode::DataException, "division by zero");
                Payload::execution_error(&[error])
            }
            _ => data(serde_json::json!(true)),
        }
    }

    async fn subscribe(&self) -> Result<Box<dyn ResultStream>, Vec<GraphQLError>> {
        let guard = Guard(self.inner.clone(), self.argument.clone());
        match self.command.as_str() {
            "live" => {
                self.inner.note(format!("run {}", self.argument));
                let mut state = self.inner.topic(&self.argument).subscribe();
                state.mark_changed();
                Ok(Box::new(Live { next: Box::pin(changed(state)), guard }))
            }
            "events" => Ok(Box::new(Script {
                items: (1..=self.argument.parse().unwrap())
                    .map(|n: u32| Event::Result(Payload::data(format!("{{\"data\":{n}}}").into())))
                    .collect(),
                _guard: guard,
            })),
            "feed" => {
                let (send, receive) = mpsc::unbounded_channel();
                self.inner.feeds.lock().entry(self.argument.clone()).or_default().push(send);
                self.inner.note(format!("run {}", self.argument));
                Ok(Box::new(Feed { receive, _guard: guard }))
            }
            "flaky" => {
                let mut error = GraphQLError::new(ErrorCode::Unexpected, "database is gone");
                error.extensions.internal = Some(Box::new(serde_json::json!("host db.internal")));
                let good =
                    |n: u32| Event::Result(Payload::data(format!("{{\"data\":{n}}}").into()));
                let items = vec![good(1), Event::Error(error), good(2)];
                Ok(Box::new(Script { items, _guard: guard }))
            }
            "evicted" => {
                let mut error = GraphQLError::new(ErrorCode::ValidationFailed, "no such field");
                error.extensions.internal = Some(Box::new(serde_json::json!("host db.internal")));
                let items = vec![
                    Event::Result(Payload::data(Bytes::from_static(b"{\"data\":1}"))),
                    Event::Ended(vec![error]),
                ];
                Ok(Box::new(Script { items, _guard: guard }))
            }
            _ => Err(vec![GraphQLError::new(ErrorCode::NotFound, "missing session variable")]),
        }
    }
}

struct Live {
    next: Pin<Box<dyn Future<Output = Option<watch::Receiver<Bytes>>> + Send>>,
    guard: Guard,
}

async fn changed(mut state: watch::Receiver<Bytes>) -> Option<watch::Receiver<Bytes>> {
    state.changed().await.ok()?;
    Some(state)
}

impl ResultStream for Live {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let Some(mut state) = ready!(self.next.as_mut().poll(cx)) else { return Poll::Ready(None) };
        let bytes = state.borrow_and_update().clone();
        self.next = Box::pin(changed(state));
        self.guard.0.note(format!("take {}", self.guard.1));
        Poll::Ready(Some(Event::Result(Payload::data(bytes))))
    }
}

struct Feed {
    receive: mpsc::UnboundedReceiver<Bytes>,
    _guard: Guard,
}

impl ResultStream for Feed {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let event = |bytes| Event::Result(Payload::data(bytes));
        self.receive.poll_recv(cx).map(|bytes| bytes.map(event))
    }

    fn conflates(&self) -> bool {
        false
    }
}

struct Script {
    items: Vec<Event>,
    _guard: Guard,
}

impl ResultStream for Script {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Event>> {
        Poll::Ready((!self.items.is_empty()).then(|| self.items.remove(0)))
    }
}
