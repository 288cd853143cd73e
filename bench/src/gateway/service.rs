//! The service behind the gateways: a fixed schema, answers put together by hand, so that it is never
//! what a measurement waits for. Requests come to one port, sockets to another.
//!
//! It knows no GraphQL. What it looks for in a text is enough for what the three gateways send, and it
//! says so and ends if that should ever be something else.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Bytes, http::header, response::IntoResponse, routing::post};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};
use tokio_tungstenite::tungstenite::{
    Message,
    handshake::server::{Request, Response},
    http::HeaderValue,
    protocol::WebSocketConfig,
};

use super::clock;

/// The schema, as federation v1 hands it out too: no type has a key, so there are no `_entities`.
pub const SDL: &str = include_str!("schema.graphql");
/// The answer to graphql-js' introspection query with all its options.
const INTROSPECTION: &str = include_str!("introspection.json");

/// An event's text without the number, the time and what depends on the operation: some 300 bytes.
const FILL: usize = 220;

#[derive(Default)]
struct Counts {
    /// Open sockets, and all there have ever been.
    sockets: AtomicUsize,
    all_sockets: AtomicUsize,
    /// Running subscriptions, and all there have ever been.
    operations: AtomicUsize,
    all_operations: AtomicUsize,
}

/// Number and time of an event.
type Tick = (u64, u64);

/// `gateway-service`: prints both addresses, then takes orders: `fire NUMBER`, `counts`.
pub async fn serve() {
    // What it does not know is the end of the benchmark, not an answer that nobody looks at.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(1);
    }));
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let ws = socket.listen(4096).unwrap();
    println!("{} {}", http.local_addr().unwrap(), ws.local_addr().unwrap());
    let counts = Arc::new(Counts::default());
    let (fire, ticks) = watch::channel::<Tick>((0, 0));
    let app = Router::new().route("/graphql", post(answer));
    tokio::spawn(async move { axum::serve(http, app).await.unwrap() });
    let open = counts.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = ws.accept().await.unwrap();
            tokio::spawn(connection(stream, ticks.clone(), open.clone()));
        }
    });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        match line.split_once(' ') {
            Some(("fire", number)) => {
                fire.send((number.parse().unwrap(), clock())).unwrap();
                println!("fired");
            }
            _ => println!(
                "{} {} {} {}",
                counts.sockets.load(Ordering::SeqCst),
                counts.all_sockets.load(Ordering::SeqCst),
                counts.operations.load(Ordering::SeqCst),
                counts.all_operations.load(Ordering::SeqCst),
            ),
        }
    }
}

/// Queries over HTTP.
async fn answer(body: Bytes) -> impl IntoResponse {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let query = request["query"].as_str().unwrap();
    let answer = if query.contains("_service") {
        format!(r#"{{"data":{{"_service":{{"sdl":{}}}}}}}"#, Value::from(SDL))
    } else if query.contains("__schema") {
        INTROSPECTION.to_owned()
    } else if query.contains("item") {
        item(query, &request["variables"])
    } else {
        r#"{"data":{"__typename":"Query"}}"#.to_owned()
    };
    ([(header::CONTENT_TYPE, "application/json")], answer)
}

/// `item(id: $variable)` or `item(id: "literal")`, perhaps with `__typename`.
fn item(query: &str, variables: &Value) -> String {
    let (_, rest) = query.split_once("item(id:").unwrap();
    let id = match rest.trim_start().split_once('$') {
        Some(("", rest)) => {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap();
            variables[&rest[..end]].as_str().expect("an id").to_owned()
        }
        _ => rest.split('"').nth(1).unwrap().to_owned(),
    };
    let typename = typename(query, "Item");
    format!(r#"{{"data":{{"item":{{{typename}"id":"{id}","name":"item {id}","price":9.5}}}}}}"#)
}

fn typename(query: &str, name: &str) -> String {
    if query.contains("__typename") { format!(r#""__typename":"{name}","#) } else { String::new() }
}

/// One socket with `graphql-transport-ws`.
async fn connection(stream: TcpStream, ticks: watch::Receiver<Tick>, counts: Arc<Counts>) {
    counts.sockets.fetch_add(1, Ordering::SeqCst);
    counts.all_sockets.fetch_add(1, Ordering::SeqCst);
    let mut operations = BTreeMap::new();
    speak(stream, ticks, &counts, &mut operations).await;
    counts.operations.fetch_sub(operations.len(), Ordering::SeqCst);
    counts.sockets.fetch_sub(1, Ordering::SeqCst);
}

/// Ends when the socket does. `operations`: what comes before and after the time in the answer of each.
async fn speak(
    stream: TcpStream,
    mut ticks: watch::Receiver<Tick>,
    counts: &Counts,
    operations: &mut BTreeMap<String, &'static str>,
) -> Option<()> {
    stream.set_nodelay(true).unwrap();
    let config = WebSocketConfig::default().read_buffer_size(4096);
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    let callback = |_: &Request, mut response: Response| {
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        response.headers_mut().insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let mut socket =
        tokio_tungstenite::accept_hdr_async_with_config(stream, callback, Some(config))
            .await
            .ok()?;
    ticks.mark_unchanged();
    loop {
        tokio::select! {
            changed = ticks.changed() => {
                changed.ok()?;
                let (n, at) = *ticks.borrow_and_update();
                for (id, typename) in &*operations {
                    socket.feed(Message::text(event(id, typename, n, at))).await.ok()?;
                }
                socket.flush().await.ok()?;
            }
            message = socket.next() => {
                let message = message?.ok()?;
                if !message.is_text() {
                    continue;
                }
                let message: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
                let answer = match message["type"].as_str()? {
                    "connection_init" => r#"{"type":"connection_ack"}"#.to_owned(),
                    "ping" => r#"{"type":"pong"}"#.to_owned(),
                    "subscribe" => {
                        let query = message["payload"]["query"].as_str().unwrap();
                        assert!(query.contains("ticks"), "an unknown operation: {query}");
                        let asked = query.contains("__typename");
                        let typename = if asked { r#""__typename":"Tick","# } else { "" };
                        operations.insert(message["id"].as_str().unwrap().to_owned(), typename);
                        counts.operations.fetch_add(1, Ordering::SeqCst);
                        counts.all_operations.fetch_add(1, Ordering::SeqCst);
                        continue;
                    }
                    "complete" => {
                        if operations.remove(message["id"].as_str().unwrap()).is_some() {
                            counts.operations.fetch_sub(1, Ordering::SeqCst);
                        }
                        continue;
                    }
                    _ => continue,
                };
                socket.send(Message::text(answer)).await.ok()?;
            }
        }
    }
}

fn event(id: &str, typename: &str, n: u64, at: u64) -> String {
    let payload = payload(typename, n, at);
    format!(r#"{{"id":"{id}","type":"next","payload":{payload}}}"#)
}

/// The result of one event.
pub fn payload(typename: &str, n: u64, at: u64) -> String {
    format!(r#"{{"data":{{"ticks":{{{typename}"n":{n},"at":"{at}","body":"{:.<FILL$}"}}}}}}"#, "")
}
