//! One HTTP connection at the service's end, byte by byte.

use std::{collections::BTreeMap, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection that was accepted.
pub struct Wire {
    stream: TcpStream,
    /// What was read and not yet used.
    pub received: BytesMut,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Request {
    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The parameters of the query.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let (_, query) = self.target.split_once('?').unwrap_or_default();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        bytes.push(match (first, tail) {
            (b'+', _) => b' ',
            (b'%', [high, low, ..]) => {
                rest = &tail[2..];
                let digit = |c: &u8| (*c as char).to_digit(16).unwrap();
                u8::try_from(digit(high) * 16 + digit(low)).unwrap()
            }
            (other, _) => *other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

impl Wire {
    /// Nothing has been read.
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, received: BytesMut::new() }
    }

    /// Reads some bytes; `false` at the end.
    pub async fn fill(&mut self) -> bool {
        !matches!(self.stream.read_buf(&mut self.received).await, Ok(0) | Err(_))
    }

    /// The next request; `None` if the connection ends before it.
    pub async fn request(&mut self) -> Option<Request> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill().await {
                return None;
            }
        };
        let head = String::from_utf8(self.received.split_to(end).to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap().split(' ');
        let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut request = Request { method, target, headers, body: Bytes::new() };
        assert!(request.all("transfer-encoding").is_empty(), "bodies come with their length");
        let length = request.all("content-length").first().map_or(0, |text| text.parse().unwrap());
        while self.received.len() < length {
            if !self.fill().await {
                return None;
            }
        }
        request.body = self.received.split_to(length).freeze();
        Some(request)
    }

    /// Sends bytes; says whether the client is still there.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Sends one byte a second.
    pub async fn trickle(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            if !self.send([*byte]).await {
                return false;
            }
            let pause = tokio::time::sleep(Duration::from_secs(1));
            tokio::select! {
                () = pause => {}
                is_there = self.fill() => if !is_there {
                    return false;
                },
            }
        }
        true
    }

    /// Waits until the client has closed the connection.
    pub async fn gone(&mut self) {
        while self.fill().await {}
    }
}

/// A whole response.
pub fn response(status: u16, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}")
}
