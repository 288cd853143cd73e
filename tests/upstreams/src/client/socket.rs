//! Clients that speak the WebSocket subprotocols.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use artesian_isolation::common::Observed;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{
    Caller,
    log::{End, Watched, id_in},
};

/// A subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `graphql-transport-ws`
    Modern,
    /// `graphql-ws`
    Legacy,
}

type Stream = WebSocketStream<TcpStream>;

/// What has come that belongs to no operation.
#[derive(Default)]
struct Signs {
    acknowledged: usize,
    pongs: usize,
    closed: Option<String>,
}

struct Shared {
    logs: Mutex<BTreeMap<String, Watched>>,
    signs: Arc<Observed<Signs>>,
}

/// A client with one socket.
pub struct Socket {
    protocol: Protocol,
    sink: SplitSink<Stream, Message>,
    shared: Arc<Shared>,
    reader: JoinHandle<()>,
}

impl Socket {
    pub async fn connect(address: SocketAddr, protocol: Protocol, caller: &Caller) -> Self {
        let url = format!("ws://{address}/graphql");
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        let name = match protocol {
            Protocol::Modern => "graphql-transport-ws",
            Protocol::Legacy => "graphql-ws",
        };
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(name));
        for (name, value) in caller.pairs() {
            headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        // Who is gone without a word resets the connection.
        let linger = Some(std::time::Duration::ZERO);
        socket2::SockRef::from(&stream).set_linger(linger).unwrap();
        let (stream, _) = client_async(request, stream).await.unwrap();
        let (sink, stream) = stream.split();
        let shared =
            Arc::new(Shared { logs: Mutex::default(), signs: Observed::new(Signs::default()) });
        let reader = tokio::spawn(read(stream, shared.clone()));
        let mut socket = Self { protocol, sink, shared, reader };
        socket.init(caller.payload(), 1).await;
        socket
    }

    /// Sends `connection_init` and waits until so many have been acknowledged.
    async fn init(&mut self, payload: Value, count: usize) {
        let mut message = json!({"type": "connection_init"});
        if !payload.is_null() {
            message["payload"] = payload;
        }
        self.send(message).await;
        self.wait(|signs| signs.acknowledged >= count).await;
    }

    async fn wait(&self, holds: impl Fn(&Signs) -> bool) {
        let signs = &self.shared.signs;
        let found = signs.until(|s| (s.closed.is_some() || holds(s)).then(|| s.closed.clone()));
        match found.await {
            Some(None) => {}
            Some(Some(closed)) => panic!("not let in: {closed}"),
            None => panic!("no answer to connection_init"),
        }
    }

    async fn send(&mut self, message: Value) {
        // It may be closed by now, which the reader tells.
        let _ = self.sink.send(Message::text(message.to_string())).await;
    }

    pub async fn refresh(&mut self, payload: Value) {
        match self.protocol {
            Protocol::Legacy => self.init(payload, 2).await,
            Protocol::Modern => {
                self.send(json!({"type": "ping", "payload": payload})).await;
                self.wait(|signs| signs.pongs >= 1).await;
            }
        }
    }

    pub async fn start(&mut self, id: &str, request: Value, log: Watched) {
        self.shared.logs.lock().insert(id.to_owned(), log);
        let kind = if self.protocol == Protocol::Legacy { "start" } else { "subscribe" };
        self.send(json!({"id": id, "type": kind, "payload": request})).await;
    }

    pub async fn stop(&mut self, id: &str) {
        let kind = if self.protocol == Protocol::Legacy { "stop" } else { "complete" };
        self.send(json!({"id": id, "type": kind})).await;
    }

    pub async fn close(mut self) {
        let _ = self.sink.close().await;
        let _ = self.reader.await;
    }

    pub async fn kill(self) {
        self.reader.abort();
        let _ = self.reader.await;
    }
}

async fn read(mut stream: SplitStream<Stream>, shared: Arc<Shared>) {
    let closed = loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => {
                let message = serde_json::from_str(&text);
                let odd = |_| json!({"id": id_in(&text), "type": "next", "payload": &*text});
                take(&shared, message.unwrap_or_else(odd));
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                break format!("{}: {}", u16::from(frame.code), frame.reason);
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => break error.to_string(),
            None => break String::from("the end"),
        }
    };
    for log in shared.logs.lock().values() {
        log.with(|log| log.end(End::Cut(closed.clone())));
        log.changed();
    }
    shared.signs.with(|signs| signs.closed = Some(closed));
    shared.signs.changed();
}

fn take(shared: &Shared, mut message: Value) {
    let payload = message["payload"].take();
    let kind = message["type"].as_str().unwrap_or_default();
    match (kind, message["id"].as_str()) {
        ("connection_ack", None) => shared.signs.with(|signs| signs.acknowledged += 1),
        ("pong", None) => shared.signs.with(|signs| signs.pongs += 1),
        ("ka", None) => {}
        ("next" | "data" | "error" | "complete", Some(id)) => {
            let logs = shared.logs.lock();
            let log = &logs[id];
            log.with(|log| match kind {
                "complete" => log.end(End::Complete),
                "error" => log.end(End::Errors(match payload {
                    Value::Array(errors) => Value::Array(errors),
                    one => json!([one]),
                })),
                _ => log.payload(payload),
            });
            log.changed();
        }
        _ => panic!("not a message of the protocol: {message}"),
    }
    shared.signs.changed();
}
