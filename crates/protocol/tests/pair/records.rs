//! What an observer knows of every operation, from its tag: a number that the client puts in the
//! request and the server's driver in every result.

use std::collections::HashMap;

use artesian_protocol::{OperationKey, Subprotocol};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEnd {
    Cancelled,
    Error,
    Complete,
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEnd {
    Stopped,
    Complete,
    Error,
    Failed,
}

/// How far an operation is in the messages of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Open,
    /// Legacy: it was stopped, and its `complete` may come.
    OnlyComplete,
    Ended,
}

#[derive(Debug)]
pub struct Record {
    pub client_key: OperationKey,
    pub client_end: Option<ClientEnd>,
    request_bytes: usize,
    received: u64,
    failures: u64,
    subscribed: bool,
    /// The number of the credentials that were sent last before it, or with it.
    credentials: u64,
    cancelled_at: u64,
    /// How often the server was told to stop.
    stops: u64,
    pub server_key: Option<OperationKey>,
    pub server_end: Option<ServerEnd>,
    pub sent: u64,
    /// The server had no room for it.
    refused: bool,
    wire: Wire,
}

#[derive(Debug)]
pub struct Records {
    protocol: Subprotocol,
    all: Vec<Record>,
    by_client: HashMap<OperationKey, usize>,
    by_server: HashMap<OperationKey, usize>,
    /// The number of the credentials that the client sent last.
    credentials: u64,
}

impl Records {
    pub fn new(protocol: Subprotocol) -> Self {
        Self {
            protocol,
            all: Vec::new(),
            by_client: HashMap::new(),
            by_server: HashMap::new(),
            credentials: 0,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.all.iter()
    }

    pub fn next_tag(&self) -> usize {
        self.all.len()
    }

    pub fn client_live(&self) -> Vec<usize> {
        (0..self.all.len()).filter(|tag| self.all[*tag].client_end.is_none()).collect()
    }

    pub fn server_live(&self) -> Vec<usize> {
        let live = |r: &Record| r.server_key.is_some() && r.server_end.is_none();
        (0..self.all.len()).filter(|tag| live(&self.all[*tag])).collect()
    }

    pub fn get(&self, tag: usize) -> &Record {
        &self.all[tag]
    }

    // --- the client ---

    pub fn subscribed(&mut self, client_key: OperationKey, request_bytes: usize) {
        let tag = self.all.len();
        assert!(self.by_client.insert(client_key, tag).is_none(), "client's key used twice");
        self.all.push(Record {
            client_key,
            client_end: None,
            request_bytes,
            received: 0,
            failures: 0,
            subscribed: false,
            credentials: 0,
            cancelled_at: 0,
            stops: 0,
            server_key: None,
            server_end: None,
            sent: 0,
            refused: false,
            wire: Wire::Open,
        });
    }

    pub fn client_live_bytes(&self) -> usize {
        self.all.iter().filter(|r| r.client_end.is_none()).map(|r| r.request_bytes).sum()
    }

    pub fn cancelled(&mut self, now: u64, key: OperationKey) {
        self.client_ended(key, ClientEnd::Cancelled);
        self.all[self.by_client[&key]].cancelled_at = now;
    }

    pub fn client_ended(&mut self, key: OperationKey, end: ClientEnd) {
        let protocol = self.protocol;
        let record = &mut self.all[self.by_client[&key]];
        let before = record.client_end.replace(end);
        assert_eq!(before, None, "a second end at the client: {end:?}");
        let announced = match end {
            ClientEnd::Cancelled | ClientEnd::Lost => return,
            ClientEnd::Error => {
                record.server_end == Some(ServerEnd::Error)
                    || record.server_end == Some(ServerEnd::Failed)
                    || record.refused
            }
            ClientEnd::Complete => {
                record.server_end == Some(ServerEnd::Complete)
                    || (protocol == Subprotocol::Legacy
                        && (record.refused || record.server_end == Some(ServerEnd::Failed)))
            }
        };
        assert!(announced, "the server's driver never said so: {end:?} of {record:?}");
        assert_eq!(record.received, record.sent, "results were lost");
    }

    pub fn client_next(&mut self, key: OperationKey, payload: &[u8]) {
        let tag = self.by_client[&key];
        let record = &mut self.all[tag];
        assert_eq!(record.client_end, None, "a result after the end at the client");
        let payload: Value = serde_json::from_slice(payload).unwrap();
        if payload.get("errors").is_some() {
            record.failures += 1;
            assert_eq!((self.protocol, record.failures), (Subprotocol::Legacy, 1), "{payload}");
            check_errors(&payload["errors"], tag);
            return;
        }
        assert_eq!(payload["data"]["tag"], tag, "a result of another operation");
        assert_eq!(payload["data"]["n"], record.received, "a result too many or too few");
        record.received += 1;
    }

    pub fn client_error(&mut self, key: OperationKey, errors: &[u8]) {
        let tag = self.by_client[&key];
        check_errors(&serde_json::from_slice(errors).unwrap(), tag);
        self.client_ended(key, ClientEnd::Error);
    }

    /// A message of the client's session.
    pub fn client_sends(&mut self, now: u64, message: &Value) {
        let payload = &message["payload"];
        let fresh = [payload, &payload["extensions"]["connectionInit"]]
            .into_iter()
            .find_map(|credentials| credentials["headers"]["n"].as_u64());
        if message["type"] == "connection_init" || fresh.is_some() {
            self.credentials = fresh.unwrap_or(0);
        }
        let credentials = self.credentials;
        let Some(id) = message["id"].as_str() else {
            return;
        };
        let record = self.all.iter_mut().find(|r| r.client_key.get().to_string() == id).unwrap();
        match message["type"].as_str().unwrap() {
            "subscribe" | "start" => {
                assert!(!std::mem::replace(&mut record.subscribed, true), "subscribed twice");
                record.credentials = credentials;
            }
            "complete" | "stop" => {
                assert!(record.subscribed, "stopped before it began");
                assert_eq!(record.client_end, Some(ClientEnd::Cancelled));
                // Again only after a second, when the server goes on.
                record.stops += 1;
                assert!(record.stops <= 1 + (now - record.cancelled_at) / 1000, "{record:?}");
            }
            other => panic!("{other} has no id"),
        }
    }

    // --- the server ---

    pub fn started(&mut self, server_key: OperationKey, tag: usize, identity: u64) {
        assert!(self.by_server.insert(server_key, tag).is_none(), "server's key used twice");
        let record = &mut self.all[tag];
        assert_eq!(record.server_key.replace(server_key), None, "started twice");
        assert_eq!(record.credentials, identity, "started under another identity: {record:?}");
    }

    pub fn tag_of_server(&self, key: OperationKey) -> usize {
        self.by_server[&key]
    }

    pub fn server_ended(&mut self, key: OperationKey, end: ServerEnd) {
        let tag = self.by_server[&key];
        let record = &mut self.all[tag];
        let before = record.server_end.replace(end);
        assert_eq!(before, None, "a second end at the server: {end:?}");
        if end == ServerEnd::Stopped {
            assert_eq!(record.wire, Wire::Open);
            record.wire = match self.protocol {
                Subprotocol::TransportWs => Wire::Ended,
                Subprotocol::Legacy => Wire::OnlyComplete,
            };
        }
    }

    pub fn server_next(&mut self, key: OperationKey) {
        self.all[self.by_server[&key]].sent += 1;
    }

    /// A message of the server's session.
    pub fn server_sends(&mut self, message: &Value) {
        let Some(id) = message["id"].as_str() else {
            return;
        };
        let tag = self.all.iter().position(|r| r.client_key.get().to_string() == id).unwrap();
        let record = &mut self.all[tag];
        let kind = message["type"].as_str().unwrap();
        match (record.wire, kind) {
            (Wire::Open, _) | (Wire::OnlyComplete, "complete") => {}
            _ => panic!("after the end of {tag} the server sends {message}"),
        }
        let payload = &message["payload"];
        match kind {
            "next" | "data" if payload.get("errors").is_some() => {
                record.refused |= check_errors(&payload["errors"], tag);
            }
            "next" | "data" => assert_eq!(payload["data"]["tag"], tag, "another's result"),
            "error" => {
                record.refused |= check_errors(payload, tag);
                record.wire = Wire::Ended;
            }
            "complete" => record.wire = Wire::Ended,
            other => panic!("{other} has no id"),
        }
    }

    /// Whether a legacy client still waits for the `complete` that follows `stop`.
    pub fn owed_a_complete(&self) -> bool {
        self.all.iter().any(|record| record.wire == Wire::OnlyComplete)
    }
}

/// Errors name their operation, except when the server itself has no room for it. Says whether that
/// was so.
fn check_errors(errors: &Value, tag: usize) -> bool {
    let error = errors.get(0).unwrap_or(errors);
    let refused = error["extensions"]["code"] == "TOO_MANY_OPERATIONS";
    assert!(refused || error["message"] == format!("error of {tag}"), "{tag}: {errors}");
    refused
}
