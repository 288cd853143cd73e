//! Event streams and multipart bodies.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use super::{Ended, Service};
use crate::{
    schema::{self, Asked, result},
    script::Act,
    seen::Seen,
    wire::{Request, Wire, response},
};

/// How results are told apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Events,
    Multipart,
}

impl Format {
    fn event(self, payload: &str) -> String {
        match self {
            Self::Events => format!("event: next\ndata: {payload}\n\n"),
            Self::Multipart => part(&format!("{{\"payload\":{payload}}}")),
        }
    }

    fn complete(self) -> &'static str {
        match self {
            Self::Events => "event: complete\ndata:\n\n",
            Self::Multipart => "--\r\n",
        }
    }

    fn errors(self, payload: &str) -> String {
        match self {
            Self::Events => {
                let result = self.event(&format!("{{\"errors\":{payload}}}"));
                format!("{result}{}", self.complete())
            }
            Self::Multipart => {
                let part = part(&format!("{{\"payload\":null,\"errors\":{payload}}}"));
                format!("{part}{}", self.complete())
            }
        }
    }
}

/// A part up to the delimiter after it; the one before it has been sent.
fn part(body: &str) -> String {
    format!("\r\ncontent-type: application/json\r\n\r\n{body}\r\n--graphql")
}

impl Service {
    pub(super) async fn stream(&self, number: u64, mut wire: Wire, request: Request) {
        let accept = request.all("accept").join(",");
        let is_multipart = accept.contains("multipart/mixed");
        let format = if is_multipart { Format::Multipart } else { Format::Events };
        let seen = Seen::of(&request);
        let body = match request.method.as_str() {
            "GET" => {
                let parameters = request.parameters();
                let mut body = json!({});
                for (name, value) in parameters {
                    body[&name] = match name.as_str() {
                        "variables" | "extensions" => serde_json::from_str(&value).unwrap(),
                        _ => Value::String(value),
                    };
                }
                body
            }
            _ => serde_json::from_slice(&request.body).unwrap(),
        };
        let schema = self.state.with(|state| Arc::clone(&state.schema));
        let root = match schema::understand(&schema, &body) {
            Ok(Asked::Stream(root)) => root,
            Ok(_) => return self.state.with(|state| state.faults.push("a query".to_owned())),
            Err(errors) => {
                let body = json!({ "errors": errors }).to_string();
                let _ = wire.send(response(400, "application/json", &body)).await;
                return;
            }
        };
        let (orders, mut ordered) = unbounded_channel();
        let kind =
            if is_multipart { "multipart/mixed;boundary=graphql" } else { "text/event-stream" };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
        let delimiter = if is_multipart { "\r\n--graphql" } else { "" };
        if !wire.send(format!("{head}{delimiter}")).await {
            return;
        }
        let again = orders.clone();
        let acts = self.state.with(|state| state.begin(number, "", &root, (seen, body), orders));
        self.state.changed();
        for act in acts {
            let _ = again.send((String::new(), act));
        }
        loop {
            let act = tokio::select! {
                is_there = wire.fill() => {
                    if is_there {
                        continue;
                    }
                    self.ended(number, Ended::Stopped);
                    return;
                }
                Some((_, act)) = ordered.recv() => act,
            };
            if !self.act(number, &mut wire, format, act).await {
                return;
            }
        }
    }

    fn ended(&self, connection: u64, how: Ended) {
        self.state.with(|state| {
            if let Some(number) = state.find(connection, "").map(|live| live.number) {
                state.end(number, how);
            }
        });
        self.state.changed();
    }

    /// Says whether the stream goes on.
    async fn act(&self, connection: u64, wire: &mut Wire, format: Format, act: Act) -> bool {
        let live = self.state.with(|state| state.find(connection, "").cloned());
        let Some(live) = live else { return false };
        let event = |n: u64| format.event(&result(&live.key, &live.topic, &live.who, n));
        match act {
            Act::Event(n) => wire.send(event(n)).await,
            Act::Payload(payload) => wire.send(format.event(&payload)).await,
            Act::Raw(bytes) => wire.send(bytes.as_bytes()).await,
            Act::Bytes(bytes) => wire.send(bytes).await,
            Act::Trickle(n) => wire.trickle(event(n).as_bytes()).await,
            Act::Big(size) => {
                let filler = "x".repeat(size);
                wire.send(format.event(&format!(r#"{{"data":{{"feed":"{filler}"}}}}"#))).await
            }
            Act::Complete => {
                self.ended(connection, Ended::Ours);
                let _ = wire.send(format.complete()).await;
                false
            }
            Act::Errors(payload) => {
                self.ended(connection, Ended::Ours);
                let _ = wire.send(format.errors(&payload)).await;
                false
            }
            Act::Close(_) | Act::Cut => false,
            Act::Hush => {
                wire.gone().await;
                false
            }
            Act::CutInside => {
                let bytes = event(0);
                let _ = wire.send(&bytes.as_bytes()[..bytes.len() / 2]).await;
                false
            }
        }
    }
}
