//! WebSocket clients.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::Role},
};

use super::{LIMIT, TestServer};

pub const MODERN: &str = "graphql-transport-ws";
pub const LEGACY: &str = "graphql-ws";

/// A client that speaks JSON.
pub struct Socket<S = TcpStream> {
    stream: WebSocketStream<S>,
    pub protocol: &'static str,
}

impl TestServer {
    /// Upgrades with a subprotocol and further headers.
    pub async fn connect(&self, protocol: &'static str, headers: &[(&str, &str)]) -> Socket {
        let mut request = format!("ws://{}/graphql", self.address).into_client_request().unwrap();
        let map = request.headers_mut();
        if !protocol.is_empty() {
            map.insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            map.insert(name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (stream, _) = client_async(request, stream).await.unwrap();
        Socket { stream, protocol }
    }

    /// A connection that is acknowledged.
    pub async fn socket(&self, protocol: &'static str) -> Socket {
        let mut socket = self.connect(protocol, &[]).await;
        socket.init(Value::Null).await;
        socket
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// A client on a stream whose opening handshake is over.
    pub async fn over(stream: S, protocol: &'static str) -> Self {
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Self { stream, protocol }
    }

    pub async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    pub async fn send_raw(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Sends `connection_init` and takes the acknowledgement.
    pub async fn init(&mut self, payload: Value) {
        self.send_init(payload).await;
        assert_eq!(self.next().await, json!({"type": "connection_ack"}));
        if self.protocol == LEGACY {
            assert_eq!(self.next().await, json!({"type": "ka"}));
        }
    }

    /// Sends `connection_init` once more, as the legacy protocol allows.
    pub async fn init_again(&mut self, payload: Value) {
        self.send_init(payload).await;
        assert_eq!(self.next().await, json!({"type": "connection_ack"}));
    }

    /// Sees that the server has taken what was sent, whether or not it acknowledges.
    pub async fn nothing_or_ack(&mut self) {
        self.stream.send(Message::Ping("barrier".into())).await.unwrap();
        while !matches!(self.message().await, Message::Pong(payload) if &payload[..] == b"barrier")
        {
        }
    }

    pub async fn send_init(&mut self, payload: Value) {
        let mut message = json!({"type": "connection_init"});
        if !payload.is_null() {
            message["payload"] = payload;
        }
        self.send(message).await;
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        let kind = if self.protocol == LEGACY { "start" } else { "subscribe" };
        self.send(json!({"id": id, "type": kind, "payload": {"query": query}})).await;
    }

    pub async fn stop(&mut self, id: &str) {
        let kind = if self.protocol == LEGACY { "stop" } else { "complete" };
        self.send(json!({"id": id, "type": kind})).await;
    }

    /// The next message of any kind.
    pub async fn message(&mut self) -> Message {
        timeout(LIMIT, self.stream.next()).await.unwrap().unwrap().unwrap()
    }

    /// The next JSON message; WebSocket pings are passed over.
    pub async fn next(&mut self) -> Value {
        loop {
            match self.message().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a text message: {other:?}"),
            }
        }
    }

    /// Takes a result of an operation and gives its payload.
    pub async fn result(&mut self, id: &str) -> Value {
        let mut message = self.next().await;
        let kind = if self.protocol == LEGACY { "data" } else { "next" };
        assert_eq!((&message["type"], &message["id"]), (&json!(kind), &json!(id)), "{message}");
        message["payload"].take()
    }

    /// Takes one result and the completion of each of these operations, in any order of them.
    pub async fn results_of(&mut self, ids: &[&str]) -> Vec<Value> {
        let mut payloads = vec![None; ids.len()];
        let mut open = ids.len();
        while open > 0 {
            let mut message = self.next().await;
            let at = ids.iter().position(|id| message["id"] == *id);
            let slot = &mut payloads[at.unwrap_or_else(|| panic!("{message}"))];
            if message["type"] == "complete" {
                assert!(slot.is_some(), "{message}");
                open -= 1;
            } else {
                assert!(slot.is_none(), "{message}");
                *slot = Some(message["payload"].take());
            }
        }
        payloads.into_iter().flatten().collect()
    }

    /// Takes the completion of an operation.
    pub async fn completed(&mut self, id: &str) {
        let message = self.next().await;
        let is_complete = message["type"] == "complete" && message["id"] == id;
        assert!(is_complete, "{message}");
    }

    /// Sends a WebSocket ping and takes its answer: whatever the server was to send before is there.
    pub async fn nothing_more(&mut self) {
        self.stream.send(Message::Ping("barrier".into())).await.unwrap();
        loop {
            match self.message().await {
                Message::Pong(payload) if &payload[..] == b"barrier" => return,
                Message::Ping(_) => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    /// The code and reason that the server closes with; messages before that are passed over.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match timeout(LIMIT, self.stream.next()).await.unwrap() {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None))) => return (1005, String::new()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return (1006, String::new()),
            }
        }
    }

    /// Waits for any message or the end.
    pub async fn next_or_close(&mut self) {
        let _ = timeout(LIMIT, self.stream.next()).await.unwrap();
    }

    /// Closes from this side.
    pub async fn close(mut self) {
        let _ = self.stream.close(None).await;
    }
}

/// A client that reads and writes frames by hand.
pub struct RawSocket {
    pub stream: TcpStream,
    /// Status line and headers of the answer.
    pub head: String,
}

impl RawSocket {
    /// Upgrades; `early` is sent along with the request.
    pub async fn connect(address: SocketAddr, protocol: &str, early: &[u8]) -> Self {
        let offer = if protocol.is_empty() {
            String::new()
        } else {
            format!("Sec-WebSocket-Protocol: {protocol}\r\n")
        };
        let socket = Self::ask(address, &offer, early).await;
        assert!(socket.head.starts_with("HTTP/1.1 101"), "{}", socket.head);
        socket
    }

    /// Asks for an upgrade with further headers, each with its end of line. The answer may be anything.
    pub async fn ask(address: SocketAddr, headers: &str, early: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut request = format!(
            "GET /graphql HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        )
        .into_bytes();
        request.extend_from_slice(early);
        stream.write_all(&request).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(LIMIT, stream.read_u8()).await.unwrap().unwrap());
        }
        Self { stream, head: String::from_utf8(head).unwrap() }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn text(&mut self, text: &str) {
        self.write(&frame(0x81, text.as_bytes())).await;
    }

    /// The next frame: its first byte and payload.
    pub async fn frame(&mut self) -> (u8, Vec<u8>) {
        timeout(LIMIT, self.read_frame()).await.unwrap().unwrap()
    }

    async fn read_frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let first = self.stream.read_u8().await?;
        let length = match self.stream.read_u8().await? {
            126 => u64::from(self.stream.read_u16().await?),
            127 => self.stream.read_u64().await?,
            short => u64::from(short),
        };
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await?;
        Ok((first, payload))
    }

    /// The code of the close frame that comes sooner or later.
    pub async fn closed(&mut self) -> u16 {
        loop {
            let (first, payload) = self.frame().await;
            if first == 0x88 {
                return payload.get(..2).map_or(1005, |c| u16::from_be_bytes([c[0], c[1]]));
            }
        }
    }
}

/// A masked frame with this first byte.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let mut out = vec![first];
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        medium @ 126..=65535 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}
