//! What the service remembers, so that tests can ask what reached it.

use std::sync::Arc;

use axum::http::HeaderMap;
use futures_util::{Stream, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};

/// How sockets and streams are closed: with a code and a reason, or cut.
pub type Closing = Option<(u16, String)>;

/// Shared by everything that the service does.
#[derive(Clone)]
pub struct State {
    inner: Arc<Mutex<Inner>>,
    closing: broadcast::Sender<Closing>,
}

type Listener = (u64, String, mpsc::UnboundedSender<Value>);

#[derive(Default)]
struct Inner {
    next: u64,
    upgrades: Vec<Value>,
    requests: Vec<Value>,
    inits: Vec<Value>,
    fields: Vec<Value>,
    live: Vec<(u64, Value)>,
    listeners: Vec<Listener>,
    /// Those whose connection is being closed: nothing reaches them, but they have not ended.
    cut: Vec<Listener>,
    sockets: usize,
    responses: usize,
    extended: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { inner: Arc::default(), closing: broadcast::channel(16).0 }
    }
}

/// Runs something when it is dropped.
pub struct Guard<F: FnMut()>(F);

impl<F: FnMut()> Drop for Guard<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Headers as they came: pairs of name and value.
pub fn pairs(headers: &HeaderMap) -> Value {
    let pair = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
    };
    headers.iter().map(pair).collect()
}

impl State {
    pub fn upgraded(&self, headers: &HeaderMap) {
        let protocols = headers.get("sec-websocket-protocol").and_then(|value| value.to_str().ok());
        let upgrade = json!({ "protocols": protocols, "headers": pairs(headers) });
        self.inner.lock().upgrades.push(upgrade);
    }

    pub fn requested(&self, method: &str, headers: &HeaderMap) {
        let accept = headers.get("accept").and_then(|value| value.to_str().ok());
        let request = json!({ "method": method, "accept": accept, "headers": pairs(headers) });
        self.inner.lock().requests.push(request);
    }

    pub fn initialised(&self, payload: Value) {
        self.inner.lock().inits.push(payload);
    }

    pub fn resolved(&self, kind: &str, field: &str, args: &Value) {
        let field = json!({ "kind": kind, "field": field, "args": args });
        self.inner.lock().fields.push(field);
    }

    /// Counts a socket until the guard is dropped.
    pub fn socket(&self) -> Guard<impl FnMut() + use<>> {
        self.inner.lock().sockets += 1;
        let inner = self.inner.clone();
        Guard(move || inner.lock().sockets -= 1)
    }

    /// Counts a response until the guard is dropped.
    pub fn response(&self) -> Guard<impl FnMut() + use<>> {
        self.inner.lock().responses += 1;
        let inner = self.inner.clone();
        Guard(move || inner.lock().responses -= 1)
    }

    /// A source of a subscription that counts as live until it is dropped.
    pub fn source<T>(
        &self,
        field: &str,
        args: Value,
        source: impl Stream<Item = T>,
    ) -> impl Stream<Item = T> {
        self.resolved("subscription", field, &args);
        let mut inner = self.inner.lock();
        inner.next += 1;
        let id = inner.next;
        inner.live.push((id, json!({ "field": field, "args": args })));
        drop(inner);
        let inner = self.inner.clone();
        let guard = Guard(move || {
            let mut inner = inner.lock();
            inner.live.retain(|(other, _)| *other != id);
            inner.listeners.retain(|(.., events)| !events.is_closed());
            inner.cut.retain(|(.., events)| !events.is_closed());
        });
        source.map(move |item| {
            let _ = &guard;
            item
        })
    }

    /// The events of a topic from now on.
    pub fn listen(&self, topic: String) -> mpsc::UnboundedReceiver<Value> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut inner = self.inner.lock();
        inner.next += 1;
        let id = inner.next;
        inner.listeners.push((id, topic, sender));
        receiver
    }

    /// Gives how many listen to the topic.
    pub fn publish(&self, topic: &str, value: &Value) -> usize {
        let inner = self.inner.lock();
        let of_topic = inner.listeners.iter().filter(|(_, other, _)| other == topic);
        of_topic.filter(|(.., events)| events.send(value.clone()).is_ok()).count()
    }

    pub fn report(&self) -> Value {
        let inner = self.inner.lock();
        let live: Value = inner.live.iter().map(|(_, entry)| entry.clone()).collect();
        json!({
            "upgrades": inner.upgrades,
            "requests": inner.requests,
            "inits": inner.inits,
            "fields": inner.fields,
            "live": live,
            "sockets": inner.sockets,
            "responses": inner.responses,
        })
    }

    pub fn reset(&self) {
        let mut inner = self.inner.lock();
        inner.upgrades.clear();
        inner.requests.clear();
        inner.inits.clear();
        inner.fields.clear();
    }

    pub fn set_extended(&self, extended: bool) {
        self.inner.lock().extended = extended;
    }

    pub fn is_extended(&self) -> bool {
        self.inner.lock().extended
    }

    /// Closes every socket and cuts every stream.
    pub fn close(&self, how: Closing) {
        // Connections end a little later. What is published from now on must not get lost with them.
        let mut inner = self.inner.lock();
        let listeners = std::mem::take(&mut inner.listeners);
        inner.cut.extend(listeners);
        drop(inner);
        // Nobody listens: nothing is open.
        let _ = self.closing.send(how);
    }

    pub fn closings(&self) -> broadcast::Receiver<Closing> {
        self.closing.subscribe()
    }
}
