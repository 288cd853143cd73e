//! Clients of event streams in single connection mode.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use artesian_isolation::frames::{Format, Frame, Frames};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    Caller,
    http::{send, text},
    log::{End, Watched, id_in},
    streams::{AbortOnDrop, read},
};

const PATH: &str = "/graphql/stream";
const TOKEN: &str = "x-graphql-event-stream-token";

/// A client with one stream.
pub struct Channel {
    address: SocketAddr,
    caller: Caller,
    token: String,
    logs: Arc<Mutex<BTreeMap<String, Watched>>>,
    reader: JoinHandle<()>,
}

impl Channel {
    pub async fn connect(address: SocketAddr, caller: &Caller) -> Self {
        let answer = send(address, ("PUT", PATH), &caller.pairs(), &Value::Null).await;
        assert_eq!(answer.response.status(), 201);
        let token = text(answer).await;
        let mut headers = caller.pairs();
        headers.extend([(TOKEN, token.as_str()), ("accept", "text/event-stream")]);
        let answer = send(address, ("GET", PATH), &headers, &Value::Null).await;
        assert_eq!(answer.response.status(), 200);
        let logs: Arc<Mutex<BTreeMap<String, Watched>>> = Arc::default();
        let reader = tokio::spawn({
            let logs = logs.clone();
            async move {
                let _connection = AbortOnDrop(answer.connection);
                read(answer.response.into_body(), Frames::new(Format::Events), |frame| {
                    take(&logs.lock(), frame);
                })
                .await;
            }
        });
        Self { address, caller: caller.clone(), token, logs, reader }
    }

    pub async fn start(&mut self, id: &str, mut request: Value, log: Watched) {
        self.logs.lock().insert(id.to_owned(), log);
        request["extensions"] = json!({ "operationId": id });
        let mut headers = self.caller.pairs();
        headers.push((TOKEN, &self.token));
        let answer = send(self.address, ("POST", PATH), &headers, &request).await;
        assert_eq!(answer.response.status(), 202);
        answer.connection.abort();
    }

    pub async fn stop(&mut self, id: &str) {
        let mut headers = self.caller.pairs();
        headers.push((TOKEN, &self.token));
        let path = format!("{PATH}?operationId={id}");
        let answer = send(self.address, ("DELETE", &path), &headers, &Value::Null).await;
        assert_eq!(answer.response.status(), 200);
        answer.connection.abort();
    }

    pub async fn kill(self) {
        self.reader.abort();
        let _ = self.reader.await;
    }
}

fn take(logs: &BTreeMap<String, Watched>, frame: Option<Frame>) {
    let Some(frame) = frame else {
        for log in logs.values() {
            log.with(|log| log.end(End::Cut(String::new())));
            log.changed();
        }
        return;
    };
    let Frame::Result(mut message) = frame else { return };
    if let Value::String(text) = &message {
        message = json!({"id": id_in(text), "payload": text});
    }
    let log = &logs[message["id"].as_str().unwrap()];
    log.with(|log| match message["complete"] == true {
        true => log.end(End::Complete),
        false => log.payload(message["payload"].take()),
    });
    log.changed();
}
