//! Peers in processes of their own: the reference server, and what is left of a server if it does
//! nothing.

use std::{
    io::{BufRead, Write},
    net::TcpListener,
    process::Stdio,
};

use artesian_protocol::{Message, ws::OutFrame};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpSocket,
    process::{Child, ChildStdin, ChildStdout, Command},
};
use tokio_tungstenite::tungstenite::{
    self,
    handshake::server::{Request, Response},
    http::HeaderValue,
    protocol::WebSocketConfig,
};

/// A running peer, killed when dropped. Its first line is its address.
pub struct Peer {
    /// Its address.
    pub address: String,
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// The loop of writes.
    pub async fn bare_writes() -> Self {
        Self::ours(&["bare-writes"]).await
    }

    /// tokio-tungstenite with read buffers of this size; its default is 128 KiB.
    pub async fn bare_sockets(buffer: usize) -> Self {
        Self::ours(&["bare-sockets", &buffer.to_string()]).await
    }

    /// This program with these arguments.
    pub async fn ours(args: &[&str]) -> Self {
        Self::start(Command::new(std::env::current_exe().unwrap()).args(args)).await
    }

    /// npm `graphql-ws`; `None` if Node or its packages are missing.
    pub async fn graphql_ws() -> Option<Self> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
        if !std::path::Path::new(&format!("{folder}/node_modules")).exists() {
            println!("npm graphql-ws is left out: run `npm ci` in bench/peers");
            return None;
        }
        Some(Self::start(Command::new("node").arg("graphql-ws.js").current_dir(folder)).await)
    }

    /// A program that prints its address.
    pub async fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = answers.next_line().await.unwrap().expect("the peer prints its address");
        Self { address, child, orders, answers }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Tells it something and waits for its answer.
    pub async fn order(&mut self, line: &str) -> String {
        self.orders.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        self.answers.next_line().await.unwrap().expect("the peer answers")
    }
}

/// `bare-writes`: takes connections (`accept COUNT`), then writes the frame of one result to each
/// of them, one `write` call after the other (`write PAYLOAD`).
pub fn bare_writes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let mut sockets = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        match line.split_once(' ') {
            Some(("accept", count)) => {
                for _ in 0..count.parse().unwrap() {
                    let (socket, _) = listener.accept().unwrap();
                    socket.set_nodelay(true).unwrap();
                    sockets.push(socket);
                }
            }
            Some(("write", payload)) => {
                let prefix = br#"{"id":"1","type":"next","payload":"#;
                let message = Message::new(
                    prefix.to_vec().into(),
                    payload.to_owned().into(),
                    b"}".to_vec().into(),
                );
                let frame = OutFrame::text(message).to_bytes();
                for socket in &mut sockets {
                    assert_eq!(socket.write(&frame).unwrap(), frame.len(), "a full socket");
                }
            }
            _ => panic!("no such order: {line}"),
        }
        println!("done");
    }
}

/// `bare-sockets BUFFER`: tokio-tungstenite, which gives each message of the benchmark's client the
/// answer that it waits for, without knowing what any of them means.
pub async fn bare_sockets(buffer: &str) {
    let config = WebSocketConfig::default().read_buffer_size(buffer.parse().unwrap());
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(4096).unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
            let callback = |_: &Request, mut response: Response| {
                let protocol = HeaderValue::from_static("graphql-transport-ws");
                response.headers_mut().insert("sec-websocket-protocol", protocol);
                Ok(response)
            };
            let accept =
                tokio_tungstenite::accept_hdr_async_with_config(stream, callback, Some(config));
            let Ok(mut socket) = accept.await else { return };
            for answer in [
                r#"{"type":"connection_ack"}"#,
                r#"{"id":"1","type":"next","payload":{"data":{"bench_notes_by_pk":{"id":1,"body":"note 1"}}}}"#,
            ] {
                let Some(Ok(_)) = socket.next().await else { return };
                let answer = tungstenite::Message::text(answer);
                if socket.send(answer).await.is_err() {
                    return;
                }
            }
            while let Some(Ok(_)) = socket.next().await {}
        });
    }
}
