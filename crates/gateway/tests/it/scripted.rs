//! A service in memory that answers as a test says.

use std::{io, sync::Arc, time::Duration};

use artesian_gateway::{
    config::{SchemaSource, ServiceConfig, SourceConfig, SourceKind},
    service::{Service, State},
};
use artesian_remote::dial::{Dial, Target, Wire};
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::watch,
};

/// What the service does with a request.
#[derive(Clone)]
pub enum Script {
    /// No connection comes about.
    Down,
    /// The schema of [`introspection`] with these fields.
    Schema(&'static [&'static str]),
    /// This status and body.
    Answer(u16, String),
    /// The head of an answer and half of its body, and then the connection ends.
    Half(String),
    /// This many bytes of JSON.
    Endless(usize),
    /// Nothing, for ever.
    Silence,
}

struct Inner {
    script: Mutex<Script>,
    /// Heads of requests, in lower case.
    heads: Mutex<Vec<String>>,
    /// Connections that were asked for, whether they came about or not.
    dialled: watch::Sender<usize>,
    /// Requests that were read.
    asked: watch::Sender<usize>,
    /// Connections that the other side has ended.
    ended: watch::Sender<usize>,
    /// Bytes of endless answers.
    written: Mutex<usize>,
}

/// A service, and the network that leads to it.
#[derive(Clone)]
pub struct Scripted(Arc<Inner>);

impl Scripted {
    pub fn new(script: Script) -> Self {
        Self(Arc::new(Inner {
            script: Mutex::new(script),
            heads: Mutex::default(),
            dialled: watch::Sender::new(0),
            asked: watch::Sender::new(0),
            ended: watch::Sender::new(0),
            written: Mutex::new(0),
        }))
    }

    pub fn now(&self, script: Script) {
        *self.0.script.lock() = script;
    }

    pub fn heads(&self) -> Vec<String> {
        self.0.heads.lock().clone()
    }

    pub fn asked(&self) -> usize {
        *self.0.asked.borrow()
    }

    pub fn written(&self) -> usize {
        *self.0.written.lock()
    }

    pub async fn was_dialled(&self, times: usize) {
        self.0.dialled.subscribe().wait_for(|count| *count >= times).await.unwrap();
    }

    pub async fn was_asked(&self, times: usize) {
        self.0.asked.subscribe().wait_for(|count| *count >= times).await.unwrap();
    }

    pub async fn was_left(&self) {
        self.0.ended.subscribe().wait_for(|count| *count > 0).await.unwrap();
    }

    async fn serve(self, mut stream: DuplexStream) {
        let _ = self.exchange(&mut stream).await;
        self.0.ended.send_modify(|count| *count += 1);
    }

    async fn exchange(&self, stream: &mut DuplexStream) -> io::Result<()> {
        let mut received = Vec::new();
        loop {
            let Some(head) = request(stream, &mut received).await? else { return Ok(()) };
            self.0.heads.lock().push(head);
            self.0.asked.send_modify(|count| *count += 1);
            let script = self.0.script.lock().clone();
            let (status, body) = match script {
                Script::Schema(fields) => (200, introspection(fields).to_string()),
                Script::Answer(status, body) => (status, body),
                Script::Down => return Ok(()),
                Script::Silence => {
                    // Until the other side gives up.
                    while stream.read_u8().await.is_ok() {}
                    return Ok(());
                }
                Script::Half(body) => {
                    let half = body.len() / 2;
                    stream.write_all(head_of(200, body.len()).as_bytes()).await?;
                    return stream.write_all(&body.as_bytes()[..half]).await;
                }
                Script::Endless(bytes) => {
                    stream.write_all(head_of(200, bytes).as_bytes()).await?;
                    let piece = [b' '; 16 << 10];
                    for _ in 0..bytes / piece.len() {
                        stream.write_all(&piece).await?;
                        *self.0.written.lock() += piece.len();
                    }
                    return Ok(());
                }
            };
            stream.write_all(head_of(status, body.len()).as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
        }
    }
}

fn head_of(status: u16, length: usize) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nlocation: /there\r\n\
         content-length: {length}\r\n\r\n"
    )
}

/// Reads one request; its head in lower case.
async fn request(stream: &mut DuplexStream, received: &mut Vec<u8>) -> io::Result<Option<String>> {
    let end = loop {
        if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(received.drain(..end).collect()).unwrap().to_lowercase();
    let length = head.split("content-length:").nth(1).unwrap().lines().next().unwrap();
    let length: usize = length.trim().parse().unwrap();
    while received.len() < length {
        if stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
    received.drain(..length);
    Ok(Some(head))
}

impl Dial for Scripted {
    fn dial(&self, _: Target) -> BoxFuture<'static, io::Result<Wire>> {
        self.0.dialled.send_modify(|count| *count += 1);
        let is_down = matches!(*self.0.script.lock(), Script::Down);
        let this = self.clone();
        async move {
            if is_down {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (ours, theirs) = tokio::io::duplex(64 << 10);
            tokio::spawn(this.serve(theirs));
            Ok(Wire { io: Box::new(ours), is_http2: false })
        }
        .boxed()
    }
}

/// The answer to an introspection of a service whose root type has these fields, all of them numbers.
pub fn introspection(fields: &[&str]) -> Value {
    let int = json!({"kind": "SCALAR", "name": "Int", "ofType": null});
    let field = |name: &&str| json!({"name": name, "args": [], "type": int, "isDeprecated": false});
    let scalar = |name: &str| json!({"kind": "SCALAR", "name": name});
    json!({"data": {"__schema": {
        "queryType": {"name": "Query"},
        "types": [
            {"kind": "OBJECT", "name": "Query", "interfaces": [],
             "fields": fields.iter().map(field).collect::<Vec<_>>()},
            scalar("Int"), scalar("String"), scalar("Boolean"),
        ],
        "directives": [],
    }}})
}

/// Settings as they are written, with these members beside the URL.
pub fn config(members: &Value) -> ServiceConfig {
    let mut graphql = json!({"url": "http://reviews/graphql?token=geheim"});
    for (name, value) in members.as_object().unwrap() {
        graphql[name] = value.clone();
    }
    let source = json!({"name": "reviews", "graphql": graphql});
    let read = SourceConfig::from_json(&source, std::path::Path::new("/")).unwrap();
    match read.kind {
        SourceKind::Service(service) => *service,
        SourceKind::Events(_) => panic!("no service"),
    }
}

pub fn start(scripted: &Scripted, config: ServiceConfig) -> Service {
    Service::start("reviews", config, Arc::new(scripted.clone()))
}

/// A service whose schema is that of a file.
pub fn from_file(path: std::path::PathBuf) -> ServiceConfig {
    ServiceConfig { schema: SchemaSource::File(path), ..config(&json!({})) }
}

/// The root fields of the schema in use.
pub fn fields(service: &Service) -> Vec<String> {
    let Some(schema) = service.schema() else { return Vec::new() };
    let sdl = schema.sdl();
    let query = sdl.split("type Query {").nth(1).unwrap().split('}').next().unwrap();
    query.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

/// Waits until another schema is in use.
pub async fn changed(changes: &mut watch::Receiver<artesian_gateway::service::Published>) {
    // Time is that of the test; it passes as soon as nothing else is left to do.
    let within = Duration::from_secs(24 * 60 * 60);
    tokio::time::timeout(within, changes.changed()).await.expect("nothing changed").unwrap();
}

pub fn state(service: &Service) -> State {
    service.status().state
}
