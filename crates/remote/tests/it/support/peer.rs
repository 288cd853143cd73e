//! One connection at the service's end, byte by byte.

use std::{collections::HashMap, time::Duration};

use artesian_protocol::{
    Message,
    ws::{Decoder, DecoderConfig, Event as Frame, OutFrame, handshake},
};
use artesian_remote::dial::Io;
use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long a service waits for what must come, so that a test fails and does not hang.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A connection that was accepted.
pub struct Peer {
    io: Box<dyn Io>,
    received: BytesMut,
}

/// A request.
#[derive(Debug)]
pub struct Head {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Head {
    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Peer {
    pub fn new(io: impl Io + 'static) -> Self {
        Self { io: Box::new(io), received: BytesMut::new() }
    }

    /// Reads one request; `None` if the connection ends before it.
    pub async fn try_request(&mut self) -> Option<Head> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.io.read_buf(&mut self.received).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8(self.received.split_to(end).to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap().split(' ');
        let method = first.next().unwrap().to_owned();
        let path = first.next().unwrap().to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut head = Head { method, path, headers, body: Bytes::new() };
        let length = head.all("content-length").first().map_or(0, |text| text.parse().unwrap());
        while self.received.len() < length {
            if self.io.read_buf(&mut self.received).await.ok()? == 0 {
                return None;
            }
        }
        head.body = self.received.split_to(length).freeze();
        Some(head)
    }

    pub async fn request(&mut self) -> Head {
        self.try_request().await.expect("a request")
    }

    /// Sends bytes; says whether the client is still there.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.io.write_all(bytes.as_ref()).await.is_ok() && self.io.flush().await.is_ok()
    }

    /// Sends a whole response.
    pub async fn respond(&mut self, status: u16, kind: &str, body: impl AsRef<[u8]>) -> bool {
        let body = body.as_ref();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        );
        self.send(head).await && self.send(body).await
    }

    /// Sends the head of a response whose body ends with the connection.
    pub async fn begin(&mut self, kind: &str) -> bool {
        self.send(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n"))
            .await
    }

    /// Waits until the client has closed the connection.
    pub async fn gone(&mut self) {
        let mut rest = [0; 1024];
        while !matches!(self.io.read(&mut rest).await, Ok(0) | Err(_)) {}
    }

    /// Accepts a WebSocket and selects a subprotocol.
    pub async fn upgrade(mut self, protocol: Option<&str>) -> WsPeer {
        let head = self.request().await;
        let pairs = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let upgrade = handshake::check(&head.method, pairs).unwrap();
        let protocol =
            protocol.map(|name| format!("sec-websocket-protocol: {name}\r\n")).unwrap_or_default();
        let answer = format!(
            "HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: {}\r\n{protocol}\r\n",
            upgrade.accept.unwrap()
        );
        self.send(answer).await;
        let decoder = Decoder::new(DecoderConfig::default());
        WsPeer { head, peer: self, decoder, answers_pings: true, pings: 0 }
    }

    /// The same, up to `connection_ack`. Gives the payload of `connection_init` too.
    pub async fn welcome(self, protocol: &str) -> (WsPeer, Value) {
        let mut ws = self.upgrade(Some(protocol)).await;
        let init = ws.message().await;
        assert_eq!(init["type"], "connection_init");
        ws.text(r#"{"type":"connection_ack"}"#).await;
        (ws, init["payload"].clone())
    }
}

/// A WebSocket.
pub struct WsPeer {
    pub head: Head,
    pub peer: Peer,
    decoder: Decoder,
    pub answers_pings: bool,
    pub pings: usize,
}

impl WsPeer {
    /// The next frame that is no ping.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            match self.decoder.decode(&mut self.peer.received).expect("correct frames") {
                Some(Frame::Ping(payload)) => {
                    self.pings += 1;
                    if self.answers_pings {
                        self.peer.send(OutFrame::pong(payload).to_bytes()).await;
                    }
                }
                Some(frame) => return Some(frame),
                None => match self.peer.io.read_buf(&mut self.peer.received).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                },
            }
        }
    }

    /// The next message.
    pub async fn message(&mut self) -> Value {
        let frame = tokio::time::timeout(PATIENCE, self.frame()).await;
        match frame.expect("a message within ten minutes") {
            Some(Frame::Text(text)) => serde_json::from_slice(&text).unwrap(),
            other => panic!("no message: {other:?}"),
        }
    }

    /// The next message, which begins an operation; gives its id and the rest of it.
    pub async fn started(&mut self) -> (String, Value) {
        let message = self.message().await;
        assert!(message["type"] == "subscribe" || message["type"] == "start", "{message}");
        (message["id"].as_str().unwrap().to_owned(), message["payload"].clone())
    }

    /// The next messages, which begin these operations in any order; gives their ids.
    pub async fn started_as<const N: usize>(&mut self, queries: [&str; N]) -> [String; N] {
        let mut ids = HashMap::new();
        for _ in queries {
            let (id, payload) = self.started().await;
            ids.insert(payload["query"].as_str().unwrap().to_owned(), id);
        }
        queries.map(|query| ids[query].clone())
    }

    /// The close frame; the messages before it are skipped.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.frame().await {
                Some(Frame::Close(frame)) => return frame.map(|frame| frame.code),
                Some(_) => {}
                None => return None,
            }
        }
    }

    pub async fn text(&mut self, text: impl AsRef<str>) -> bool {
        let message = Message::whole(Bytes::copy_from_slice(text.as_ref().as_bytes()));
        self.peer.send(OutFrame::text(message).to_bytes()).await
    }

    /// A result `{"data":{"n":…}}`.
    pub async fn next(&mut self, kind: &str, id: &str, n: u64) -> bool {
        self.text(format!(r#"{{"id":"{id}","type":"{kind}","payload":{{"data":{{"n":{n}}}}}}}"#))
            .await
    }

    pub async fn close(&mut self, code: u16, reason: &str) {
        self.peer.send(OutFrame::close(Some(code), reason).to_bytes()).await;
    }
}

/// Header names of a request with how often each is there.
pub fn counts(head: &Head) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for (name, _) in &head.headers {
        *counts.entry(name.as_str()).or_default() += 1;
    }
    counts
}
