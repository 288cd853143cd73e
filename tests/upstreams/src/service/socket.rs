//! WebSockets.

use std::sync::Arc;

use artesian_protocol::{
    Message,
    ws::{Decoder, DecoderConfig, Event as Frame, OutFrame, handshake},
};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Ended, Live, Service};
use crate::{
    schema::{self, Asked, result},
    script::{Act, Door},
    seen::Seen,
    wire::{Request, Wire},
};

const MODERN: &str = "graphql-transport-ws";
const LEGACY: &str = "graphql-ws";

/// One WebSocket.
struct Socket<'a> {
    service: &'a Service,
    number: u64,
    wire: Wire,
    decoder: Decoder,
    is_legacy: bool,
    door: Option<Door>,
    seen: Seen,
    is_acknowledged: bool,
    orders: UnboundedSender<(String, Act)>,
}

/// A frame with a text.
fn text(text: impl Into<Bytes>) -> Bytes {
    OutFrame::text(Message::whole(text.into())).to_bytes()
}

impl Service {
    pub(super) async fn socket(
        &self,
        number: u64,
        mut wire: Wire,
        request: Request,
        door: Option<Door>,
    ) {
        let pairs = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let upgrade = handshake::check(&request.method, pairs).unwrap();
        let offered = request.all("sec-websocket-protocol").join(",");
        let chosen = offered.split(',').map(str::trim).find(|name| [MODERN, LEGACY].contains(name));
        let chosen = match door {
            Some(Door::Protocol(other)) => other,
            _ => chosen,
        };
        let protocol = chosen.map(|name| format!("sec-websocket-protocol: {name}\r\n"));
        let answer = format!(
            "HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: {}\r\n{}\r\n",
            upgrade.accept.unwrap(),
            protocol.unwrap_or_default()
        );
        if !wire.send(answer).await {
            return;
        }
        let (orders, ordered) = unbounded_channel();
        let socket = Socket {
            service: self,
            number,
            wire,
            decoder: Decoder::new(DecoderConfig::default()),
            // One that selects none speaks what was offered first.
            is_legacy: chosen.unwrap_or(&offered).starts_with(LEGACY),
            door,
            seen: Seen::of(&request),
            is_acknowledged: false,
            orders,
        };
        socket.run(ordered).await;
    }
}

impl Socket<'_> {
    async fn run(mut self, mut ordered: UnboundedReceiver<(String, Act)>) {
        loop {
            loop {
                let Ok(frame) = self.decoder.decode(&mut self.wire.received) else {
                    return self.fault("a frame against the protocol");
                };
                let goes_on = match frame {
                    None => break,
                    Some(Frame::Text(text)) => {
                        let message = serde_json::from_slice(&text).unwrap();
                        self.hear(&message).await
                    }
                    Some(Frame::Ping(payload)) => {
                        self.wire.send(OutFrame::pong(payload).to_bytes()).await
                    }
                    Some(Frame::Close(_)) => {
                        let code = OutFrame::close(None, "").to_bytes();
                        let _ = self.wire.send(code).await;
                        return;
                    }
                    Some(_) => true,
                };
                if !goes_on {
                    return;
                }
            }
            tokio::select! {
                is_there = self.wire.fill() => if !is_there {
                    return;
                },
                Some((id, act)) = ordered.recv() => if !self.act(&id, act).await {
                    return;
                },
            }
        }
    }

    fn fault(&self, text: &str) {
        self.service.state.with(|state| state.faults.push(text.to_owned()));
    }

    async fn say(&mut self, message: &Value) -> bool {
        self.wire.send(text(message.to_string())).await
    }

    /// Says whether the connection goes on.
    async fn hear(&mut self, message: &Value) -> bool {
        let id = message["id"].as_str().unwrap_or_default().to_owned();
        match message["type"].as_str().unwrap_or_default() {
            "connection_init" => self.init(message).await,
            "subscribe" if !self.is_legacy => self.begin(id, message).await,
            "start" if self.is_legacy => self.begin(id, message).await,
            "complete" | "stop" => {
                let state = &self.service.state;
                state.with(|state| {
                    let found = state.find(self.number, &id).map(|live| live.number);
                    if let Some(number) = found {
                        state.end(number, Ended::Stopped);
                    }
                });
                state.changed();
                !self.is_legacy || self.say(&json!({"id": id, "type": "complete"})).await
            }
            "ping" => self.say(&json!({"type": "pong"})).await,
            "connection_terminate" => false,
            "pong" => true,
            other => {
                self.fault(&format!("a message of the type {other:?}"));
                true
            }
        }
    }

    async fn init(&mut self, message: &Value) -> bool {
        if self.is_acknowledged {
            self.fault("a second connection_init");
        }
        self.seen.init = message["payload"].clone();
        let Some(Door::Init(messages, end)) = self.door.clone() else {
            self.is_acknowledged = true;
            return self.say(&json!({"type": "connection_ack"})).await;
        };
        for message in messages {
            self.is_acknowledged |= message.contains("connection_ack");
            if !self.wire.send(text(message)).await {
                return false;
            }
        }
        match end {
            None => true,
            Some(None) => false,
            Some(Some(code)) => {
                let _ = self.wire.send(OutFrame::close(Some(code), "").to_bytes()).await;
                self.wire.gone().await;
                false
            }
        }
    }

    async fn begin(&mut self, id: String, message: &Value) -> bool {
        if !self.is_acknowledged {
            self.fault("an operation before the acknowledgement");
        }
        let payload = message["payload"].clone();
        let schema = self.service.state.with(|state| Arc::clone(&state.schema));
        let root = match schema::understand(&schema, &payload) {
            Ok(Asked::Stream(root)) => root,
            Ok(_) => {
                self.fault("no subscription");
                return true;
            }
            Err(errors) => {
                return self.say(&json!({"id": id, "type": "error", "payload": errors})).await;
            }
        };
        let mut seen = self.seen.clone();
        let extensions = message["extensions"].as_array().into_iter().flatten();
        if let Some(extension) = extensions.into_iter().find(|e| e["type"] == "connectionInit") {
            seen.operation = extension["payload"].clone();
        }
        let acts = self.service.state.with(|state| {
            state.begin(self.number, &id, &root, (seen, payload), self.orders.clone())
        });
        self.service.state.changed();
        for act in acts {
            if !self.act(&id, act).await {
                return false;
            }
        }
        true
    }

    fn live(&self, id: &str) -> Option<Live> {
        self.service.state.with(|state| state.find(self.number, id).cloned())
    }

    fn ours(&self, id: &str) {
        if let Some(live) = self.live(id) {
            self.service.state.with(|state| state.end(live.number, Ended::Ours));
            self.service.state.changed();
        }
    }

    fn event(&self, id: &str, payload: &str) -> Bytes {
        let kind = if self.is_legacy { "data" } else { "next" };
        text(format!(r#"{{"id":"{id}","type":"{kind}","payload":{payload}}}"#))
    }

    fn result(&self, id: &str, n: u64) -> Option<Bytes> {
        let live = self.live(id)?;
        Some(self.event(id, &result(&live.key, &live.topic, &live.who, n)))
    }

    /// Says whether the connection goes on.
    async fn act(&mut self, id: &str, act: Act) -> bool {
        let bytes = match act {
            Act::Event(n) => self.result(id, n),
            Act::Payload(payload) => Some(self.event(id, &payload)),
            Act::Raw(message) => Some(text(message.replace("ID", id))),
            Act::Bytes(bytes) => Some(bytes),
            Act::Big(size) => {
                let filler = "x".repeat(size);
                Some(self.event(id, &format!(r#"{{"data":{{"feed":"{filler}"}}}}"#)))
            }
            Act::Trickle(n) => {
                let bytes = self.result(id, n).unwrap_or_default();
                return self.wire.trickle(&bytes).await;
            }
            Act::Complete => {
                self.ours(id);
                Some(text(format!(r#"{{"id":"{id}","type":"complete"}}"#)))
            }
            Act::Errors(payload) => {
                self.ours(id);
                Some(text(format!(r#"{{"id":"{id}","type":"error","payload":{payload}}}"#)))
            }
            Act::Close(code) => {
                let _ = self.wire.send(OutFrame::close(Some(code), "").to_bytes()).await;
                self.wire.gone().await;
                return false;
            }
            Act::Cut => return false,
            Act::Hush => {
                self.wire.gone().await;
                return false;
            }
            Act::CutInside => {
                let bytes = self.result(id, 0).unwrap_or_default();
                let _ = self.wire.send(&bytes[..bytes.len() / 2]).await;
                return false;
            }
        };
        match bytes {
            Some(bytes) => self.wire.send(&bytes).await,
            None => true,
        }
    }
}
