//! Services on loopback that answer as the reference executor does.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use apollo_compiler::{
    ExecutableDocument, Schema, ast::OperationType, introspection, request::coerce_variable_values,
    response::JsonMap, validation::Valid,
};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::executor::{Itself, execute};

/// Results of each subscription.
pub const ROUNDS: usize = 3;

pub struct Service {
    pub address: SocketAddr,
    index: usize,
    schema: Mutex<Arc<Valid<Schema>>>,
    /// Documents that were executed, introspection aside.
    pub asked: Mutex<Vec<String>>,
    /// Whether it closes every connection without a word.
    pub is_down: AtomicBool,
}

fn parse(sdl: &str) -> Arc<Valid<Schema>> {
    Arc::new(Schema::parse_and_validate(sdl, "s").unwrap())
}

impl Service {
    pub async fn start(index: usize, sdl: &str) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            index,
            schema: Mutex::new(parse(sdl)),
            asked: Mutex::default(),
            is_down: AtomicBool::new(false),
        });
        let this = Arc::clone(&service);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = Arc::clone(&this);
                tokio::spawn(async move { this.serve(stream).await });
            }
        });
        service
    }

    pub fn change(&self, sdl: &str) {
        *self.schema.lock() = parse(sdl);
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut received = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
                if stream.read_buf(&mut received).await.ok()? == 0 {
                    return None;
                }
            };
            if self.is_down.load(Ordering::SeqCst) {
                return None;
            }
            let head = String::from_utf8(received.drain(..end).collect()).unwrap().to_lowercase();
            let length = head.split("content-length:").nth(1).unwrap().lines().next().unwrap();
            let length: usize = length.trim().parse().unwrap();
            while received.len() < length {
                if stream.read_buf(&mut received).await.ok()? == 0 {
                    return None;
                }
            }
            let body: Vec<u8> = received.drain(..length).collect();
            let request: Value = serde_json::from_slice(&body).unwrap();
            if head.contains("accept: text/event-stream") {
                let mut text = String::from(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
                );
                for round in 0..ROUNDS {
                    text.push_str(&format!(
                        "event: next\ndata: {}\n\n",
                        self.answer(&request, round)
                    ));
                }
                text.push_str("event: complete\ndata:\n\n");
                stream.write_all(text.as_bytes()).await.ok()?;
                return None;
            }
            let answer = self.answer(&request, 0);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
    }

    fn answer(&self, request: &Value, round: usize) -> String {
        let text = request["query"].as_str().unwrap();
        let schema = Arc::clone(&self.schema.lock());
        if text.contains("__schema") {
            return introspect(&schema, text);
        }
        self.asked.lock().push(text.to_owned());
        let empty = Map::new();
        let variables = request["variables"].as_object().unwrap_or(&empty);
        let name = request["operationName"].as_str();
        execute(&schema, &Itself(self.index), text, name, variables, round)
    }
}

fn introspect(schema: &Valid<Schema>, text: &str) -> String {
    let document = match ExecutableDocument::parse_and_validate(schema, text, "q") {
        Ok(document) => document,
        Err(failed) => {
            let errors: Vec<Value> =
                failed.errors.iter().map(|e| json!({ "message": e.error.to_string() })).collect();
            return json!({ "errors": errors }).to_string();
        }
    };
    let operation = document.operations.get(None).unwrap();
    assert_eq!(operation.operation_type, OperationType::Query);
    let variables = coerce_variable_values(schema, operation, &JsonMap::new()).unwrap();
    let map = schema.implementers_map();
    let answer = introspection::partial_execute(schema, &map, &document, operation, &variables);
    serde_json::to_string(&answer.unwrap()).unwrap()
}
