//! One WebSocket: what is sent, and what is noted of it before.

use std::{sync::Arc, time::SystemTime};

use artesian_oracle::random::Random;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use super::{
    model::Model,
    parts::{Operation, Pending, Protocol, Sign, Stop},
};
use crate::{
    common::{Common, Observed},
    credentials::Headers,
    document::{Document, Run},
    watch::Watch,
};

/// The ids of all clients.
const IDS: [&str; 6] = ["1", "2", "3", "4", "5", "6"];

type Stream = WebSocketStream<TcpStream>;

/// A connection.
pub struct Open {
    common: Arc<Common>,
    protocol: Protocol,
    sink: SplitSink<Stream, Message>,
    reader: JoinHandle<()>,
    /// What is known of it.
    pub model: Arc<Observed<Model>>,
    /// Headers of the upgrade, which count as long as it lives.
    upgrade: Headers,
    /// The client does not see to it that its credentials stay good.
    pub is_careless: bool,
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
pub fn fresh(random: &mut Random, headers: &Headers) -> Value {
    if random.one_in(2) {
        json!({ "headers": headers })
    } else {
        json!({"connectionParams": {"headers": headers}})
    }
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

impl Open {
    /// A socket whose opening handshake is over.
    pub fn new(
        common: &Arc<Common>,
        protocol: Protocol,
        stream: Stream,
        upgrade: Headers,
        is_careless: bool,
    ) -> Self {
        let (sink, stream) = stream.split();
        let model = Observed::new(Model::new(common.clone(), protocol));
        let reader = tokio::spawn(read(stream, model.clone()));
        Self { common: common.clone(), protocol, sink, reader, model, upgrade, is_careless }
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        // It may be closed by now, which the reader tells.
        let _ = self.sink.send(Message::text(message.to_string())).await;
    }

    /// Notes credentials that are sent now.
    pub fn promise(&self, headers: &Headers, sign: Sign) -> u64 {
        let headers = merged(&self.upgrade, headers);
        self.model.with(|model| {
            let seq = model.next_seq();
            model.note(format!("> credentials {headers:?} {sign:?}"));
            let sent = SystemTime::now();
            model.pending.push_back(Pending { seq, headers, sent, sign });
            seq
        })
    }

    /// Sends `connection_init`.
    pub async fn init(&mut self, random: &mut Random, headers: &Headers) {
        self.promise(headers, Sign::Ack);
        let mut message = json!({"type": "connection_init"});
        if !headers.is_empty() || random.one_in(2) {
            message["payload"] = payload(random, headers);
        }
        self.send(message).await;
    }

    /// An id that is free.
    pub fn id(&self, random: &mut Random) -> Option<&'static str> {
        let free = |id: &&&str| self.model.with(|model| !model.operations.contains_key(**id));
        let free: Vec<_> = IDS.iter().filter(free).collect();
        if free.is_empty() { None } else { Some(**random.pick(&free)) }
    }

    /// Notes an operation that is sent now.
    pub fn watch(&self, id: &str, document: Document, run: Run) {
        self.model.with(|model| {
            let seq = model.next_seq();
            model.note(format!("> {id} {document:?} {run:?}"));
            let operation = Operation { seq, watch: Watch::new(document, run), stopped: None };
            model.operations.insert(id.to_owned(), operation);
        });
    }

    /// Starts an operation of which a note was made, with fresh credentials or without.
    pub async fn start(&mut self, id: &str, document: Document, run: Run, fresh: Option<Value>) {
        let mut request = document.request(run);
        if let Some(fresh) = fresh {
            request.insert("extensions".to_owned(), json!({ "connectionInit": fresh }));
        }
        let kind = if self.protocol == Protocol::Legacy { "start" } else { "subscribe" };
        self.send(json!({"id": id, "type": kind, "payload": request})).await;
    }

    /// Starts any operation.
    pub async fn begin(&mut self, random: &mut Random, is_once: bool) {
        let Some(id) = self.id(random) else { return };
        let document = Document::random(random, self.common.seq());
        let run = if is_once { Run::Once } else { document.live(random) };
        self.watch(id, document, run);
        self.start(id, document, run, None).await;
    }

    /// Stops any operation.
    pub async fn stop(&mut self, random: &mut Random) {
        let stop = match self.protocol {
            Protocol::Legacy => Stop::Complete,
            Protocol::Modern => Stop::Pong(self.common.serial()),
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

    /// Begins to go with a word.
    pub async fn close(&mut self, random: &mut Random) {
        self.model.with(|model| model.is_leaving = true);
        if self.protocol == Protocol::Legacy && random.one_in(2) {
            self.send(json!({"type": "connection_terminate"})).await;
        } else {
            let _ = self.sink.close().await;
        }
    }

    /// Goes without a word.
    pub async fn kill(self) {
        self.model.with(|model| model.is_leaving = true);
        self.reader.abort();
        let _ = self.reader.await;
    }
}
