//! Clients that speak the WebSocket subprotocols.

mod model;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use artesian_oracle::random::Random;
use async_trait::async_trait;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

pub use self::model::Protocol;
use self::model::{Model, Operation, Pending, Sign, Stop};
use crate::{
    common::{Client, Common, Observed, Rest},
    credentials::Headers,
    document::{Document, Run},
    watch::Watch,
};

/// The ids of all clients.
const IDS: [&str; 6] = ["1", "2", "3", "4", "5", "6"];
/// The id of an operation whose answer shows that what came before it was acted on.
const MARKER: &str = "marker";
/// Credentials that wait for an answer at a time.
const PENDING: usize = 3;

type Stream = WebSocketStream<TcpStream>;

/// A client that opens one socket after the other.
pub struct Socket {
    common: Arc<Common>,
    random: Random,
    protocol: Protocol,
    open: Option<Open>,
}

struct Open {
    sink: SplitSink<Stream, Message>,
    reader: JoinHandle<()>,
    model: Arc<Observed<Model>>,
    /// Headers of the upgrade, which count as long as it lives.
    upgrade: Headers,
    /// The client does not see to it that its credentials stay good.
    is_careless: bool,
}

async fn read(mut stream: SplitStream<Stream>, model: Arc<Observed<Model>>) {
    loop {
        let end = match stream.next().await {
            Some(Ok(Message::Text(text))) => {
                model.with(|model| model.receive(&text));
                None
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                Some((frame.code.into(), frame.reason.to_string()))
            }
            Some(Ok(Message::Close(None))) => Some((1005, String::new())),
            Some(Ok(_)) => None,
            Some(Err(error)) => Some((1006, error.to_string())),
            None => Some((1006, String::new())),
        };
        if let Some((code, reason)) = end {
            model.with(|model| model.closed(code, &reason));
            model.changed();
            return;
        }
        model.changed();
    }
}

/// What counts of two sources: a name of the payload replaces the header of that name.
fn merged(upgrade: &Headers, payload: &Headers) -> Headers {
    upgrade.iter().chain(payload).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// A payload of `connection_init`.
fn payload(random: &mut Random, headers: &Headers) -> Value {
    match random.below(4) {
        0 => json!(headers),
        1 => json!({ "connectionParams": headers }),
        _ => fresh(random, headers),
    }
}

/// A payload that stands for fresh credentials anywhere.
fn fresh(random: &mut Random, headers: &Headers) -> Value {
    if random.one_in(2) {
        json!({ "headers": headers })
    } else {
        json!({"connectionParams": {"headers": headers}})
    }
}

impl Open {
    async fn send(&mut self, message: Value) {
        // It may be closed by now, which the reader tells.
        let _ = self.sink.send(Message::text(message.to_string())).await;
    }

    /// Notes credentials that are sent now.
    fn promise(&self, headers: &Headers, sign: Sign) -> u64 {
        let headers = merged(&self.upgrade, headers);
        self.model.with(|model| {
            let seq = model.next_seq();
            model.note(format!("> credentials {headers:?} {sign:?}"));
            let sent = SystemTime::now();
            model.pending.push_back(Pending { seq, headers, sent, sign });
            seq
        })
    }

    async fn init(&mut self, random: &mut Random, headers: &Headers) {
        self.promise(headers, Sign::Ack);
        let mut message = json!({"type": "connection_init"});
        if !headers.is_empty() || random.one_in(2) {
            message["payload"] = payload(random, headers);
        }
        self.send(message).await;
    }

    /// An id that is free.
    fn id(&self, random: &mut Random) -> Option<&'static str> {
        let free = |id: &&&str| self.model.with(|model| !model.operations.contains_key(**id));
        let free: Vec<_> = IDS.iter().filter(free).collect();
        if free.is_empty() { None } else { Some(**random.pick(&free)) }
    }

    fn watch(&self, id: &str, document: Document, run: Run) {
        self.model.with(|model| {
            let seq = model.next_seq();
            model.note(format!("> {id} {document:?} {run:?}"));
            let operation = Operation { seq, watch: Watch::new(document, run), stopped: None };
            model.operations.insert(id.to_owned(), operation);
        });
    }

    async fn start(
        &mut self,
        protocol: Protocol,
        id: &str,
        mut request: Map<String, Value>,
        credentials: Option<Value>,
    ) {
        if let Some(credentials) = credentials {
            request.insert("extensions".to_owned(), json!({ "connectionInit": credentials }));
        }
        let kind = if protocol == Protocol::Legacy { "start" } else { "subscribe" };
        self.send(json!({"id": id, "type": kind, "payload": request})).await;
    }

    async fn stop(&mut self, common: &Common, protocol: Protocol, random: &mut Random) {
        let stop = match protocol {
            Protocol::Legacy => Stop::Complete,
            Protocol::Modern => Stop::Pong(common.serial()),
        };
        let id = self.model.with(|model| {
            let running = model.operations.iter_mut().filter(|(_, o)| o.stopped.is_none());
            let mut running: Vec<_> = running.collect();
            let at = random.below(running.len());
            let (id, operation) = running.get_mut(at)?;
            operation.stopped = Some(stop);
            let id = (*id).clone();
            model.note(format!("> {id} is stopped"));
            Some(id)
        });
        let Some(id) = id else { return };
        match stop {
            Stop::Complete => self.send(json!({"id": id, "type": "stop"})).await,
            Stop::Pong(number) => {
                self.send(json!({"id": id, "type": "complete"})).await;
                self.send(json!({"type": "ping", "payload": {"n": number}})).await;
            }
        }
    }

    /// Goes without a word.
    async fn kill(self) {
        self.model.with(|model| model.is_leaving = true);
        self.reader.abort();
        let _ = self.reader.await;
    }
}

impl Socket {
    /// A client that has not come yet.
    pub fn new(common: Arc<Common>, random: Random, protocol: Protocol) -> Self {
        Self { common, random, protocol, open: None }
    }

    async fn connect(&mut self) {
        let random = &mut self.random;
        let judge = &self.common.judge;
        let is_careless = random.one_in(4);
        let (upgrade, init) = match random.below(4) {
            _ if is_careless => (Headers::new(), judge.fleeting(random)),
            0 => (judge.any(random), Headers::new()),
            1 => (judge.any(random), judge.any(random)),
            _ => (Headers::new(), judge.any(random)),
        };
        let url = format!("ws://{}/graphql", self.common.address);
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(self.protocol.name()));
        for (name, value) in &upgrade {
            headers.insert(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.common.address).await.unwrap();
        let stream = match client_async(request, stream).await {
            Ok((stream, _)) => stream,
            Err(error) => return self.common.report.fail(format!("no upgrade: {error}")),
        };
        let (sink, stream) = stream.split();
        let model = Observed::new(Model::new(self.common.clone(), self.protocol));
        let reader = tokio::spawn(read(stream, model.clone()));
        let mut open = Open { sink, reader, model, upgrade, is_careless };
        // The old protocol lets operations come before anything else.
        for _ in 0..random.below(3) {
            if self.protocol == Protocol::Legacy {
                start(&self.common, self.protocol, &mut open, random, false).await;
            }
        }
        open.init(random, &init).await;
        if self.protocol == Protocol::Modern || random.one_in(2) {
            let answer = |model: &mut Model| {
                (model.is_accepted() || model.is_closed || model.common.report.has_failed())
                    .then_some(())
            };
            if open.model.until(answer).await.is_none() {
                open.model.with(|model| model.fail("no answer to connection_init"));
            }
        }
        self.open = Some(open);
    }

    async fn refresh(&mut self) {
        let random = &mut self.random;
        let Some(open) = &mut self.open else { return };
        if open.model.with(|model| model.pending.len() >= PENDING) {
            return;
        }
        let judge = &self.common.judge;
        let headers = if random.one_in(30) { judge.bad(random) } else { judge.good(random) };
        match self.protocol {
            Protocol::Legacy => open.init(random, &headers).await,
            Protocol::Modern if random.one_in(2) => {
                let number = self.common.serial();
                open.promise(&headers, Sign::Pong(number));
                let mut payload = fresh(random, &headers);
                payload["n"] = number.into();
                open.send(json!({"type": "ping", "payload": payload})).await;
            }
            Protocol::Modern => {
                let Some(id) = open.id(random) else { return };
                let payload = fresh(random, &headers);
                open.promise(&headers, Sign::Operation);
                let document = Document::random(random, self.common.seq());
                let run = document.live(random);
                open.watch(id, document, run);
                open.start(self.protocol, id, document.request(run), Some(payload)).await;
            }
        }
    }

    async fn end(&mut self, is_polite: bool) {
        let Some(mut open) = self.open.take() else { return };
        if is_polite {
            open.model.with(|model| model.is_leaving = true);
            if self.protocol == Protocol::Legacy && self.random.one_in(2) {
                open.send(json!({"type": "connection_terminate"})).await;
            } else {
                let _ = open.sink.close().await;
            }
            if open.model.until(|model| model.is_closed.then_some(())).await.is_none() {
                open.model.with(|model| model.fail("the closing handshake does not end"));
            }
        }
        open.kill().await;
    }
}

async fn start(
    common: &Common,
    protocol: Protocol,
    open: &mut Open,
    random: &mut Random,
    is_once: bool,
) {
    let Some(id) = open.id(random) else { return };
    let document = Document::random(random, common.seq());
    let run = if is_once { Run::Once } else { document.live(random) };
    open.watch(id, document, run);
    open.start(protocol, id, document.request(run), None).await;
}

#[async_trait]
impl Client for Socket {
    async fn act(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.model.with(|model| model.is_closed)) {
            self.end(false).await;
        }
        let Some(open) = &mut self.open else { return self.connect().await };
        let random = &mut self.random;
        match random.below(200) {
            115.. if open.is_careless => open.model.linger(random).await,
            0..=69 => start(&self.common, self.protocol, open, random, false).await,
            70..=94 => start(&self.common, self.protocol, open, random, true).await,
            95..=114 => open.stop(&self.common, self.protocol, random).await,
            115..=137 => self.refresh().await,
            150 | 151 => self.end(false).await,
            152 | 153 => self.end(true).await,
            _ => open.model.linger(random).await,
        }
        tokio::time::sleep(Duration::from_millis(self.random.bits() % 8)).await;
    }

    async fn settle(&mut self, is_last: bool) {
        let Some(open) = &mut self.open else { return };
        let is_silent = |pending: &Pending| pending.sign == Sign::Operation;
        if open.model.with(|model| model.pending.iter().any(is_silent)) {
            // What should tell may have been stopped.
            open.watch(MARKER, Document::Count, Run::Once);
            let request = Document::Count.request(Run::Once);
            open.start(self.protocol, MARKER, request, None).await;
        }
        let mut missing = String::new();
        let rest = |model: &mut Model| match model.rest(is_last) {
            Rest::Settled => Some(()),
            Rest::Missing(text) => {
                missing = text;
                None
            }
        };
        if open.model.until(rest).await.is_none() {
            open.model.with(|model| model.fail(&format!("still missing: {missing}")));
        }
    }

    async fn leave(&mut self) {
        let is_polite = !self.random.one_in(3);
        let is_closed =
            self.open.as_ref().is_some_and(|open| open.model.with(|model| model.is_closed));
        self.end(is_polite && !is_closed).await;
    }
}
