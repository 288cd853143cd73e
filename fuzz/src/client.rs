//! Sessions in the client's role: whatever a server sends.
//!
//! * Nothing that a server sends ends the connection, save `connection_error` before the
//!   acknowledgement.
//! * Every operation has one end and nothing after it; results are objects, errors lists of objects.
//! * What is sent is JSON, and requests wait for the acknowledgement.
//! * Timers make progress, and a closed session has none.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use artesian_protocol::session::client::{ClientConfig, ClientOutput, ClientSession};
use artesian_protocol::{OperationKey, Subprotocol};
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::script::{self, Line};

/// A first line `legacy` chooses the protocol.
pub fn run(input: &[u8]) {
    let legacy = input.starts_with(b"legacy\n");
    let protocol = if legacy { Subprotocol::Legacy } else { Subprotocol::TransportWs };
    let mut config = ClientConfig { max_operations: 8, ..ClientConfig::default() };
    let settings = script::lines(input).skip(usize::from(legacy));
    for (name, value) in settings.map_while(|line| line.setting()) {
        let n = value.parse().unwrap_or(0u64);
        match name {
            "max_operations" => config.max_operations = n.min(20) as usize,
            "queue" => config.max_waiting_bytes = n as usize,
            "ping" => config.ping_interval = Some(Duration::from_millis(n.max(100))),
            _ => {}
        }
    }
    let now = Instant::now();
    let mut driver = Driver {
        session: ClientSession::new(protocol, config, None, now),
        now,
        operations: HashMap::new(),
        order: Vec::new(),
        acknowledged: false,
        closed: false,
        lazy: false,
    };
    for line in script::lines(input) {
        driver.line(line);
        if !driver.lazy {
            driver.drain();
        }
    }
    driver.drain();
    driver.session.connection_lost(Some(1001), "x");
    driver.drain();
    assert!(driver.operations.values().all(|alive| !alive), "an operation without end");
}

struct Driver {
    session: ClientSession,
    now: Instant,
    /// Alive or not.
    operations: HashMap<OperationKey, bool>,
    order: Vec<OperationKey>,
    acknowledged: bool,
    closed: bool,
    /// Outputs are not polled for the time being.
    lazy: bool,
}

impl Driver {
    fn line(&mut self, line: Line<'_>) {
        match line.word {
            ">" => self.text(line.rest),
            "binary" => self.session.handle_binary(self.now, Bytes::copy_from_slice(line.rest)),
            "pong" => self.session.handle_activity(self.now),
            "init" => self.text(br#"{"type":"connection_ack"}"#),
            "sub" | "!sub" => {
                let request = Bytes::from_static(br#"{"query":"{a}"}"#);
                if let Ok(key) = self.session.subscribe(request) {
                    assert!(self.operations.insert(key, true).is_none(), "key used twice");
                    self.order.push(key);
                }
            }
            "unsub" | "!unsub" => {
                let Some(key) = line.index(self.order.len()).map(|i| self.order[i]) else {
                    return;
                };
                let alive = self.operations[&key];
                let done = self.session.unsubscribe(self.now, key);
                assert!(done == alive || (alive && self.lazy), "{done}");
                if done {
                    self.operations.insert(key, false);
                }
            }
            "end" => {
                let reason = String::from_utf8_lossy(line.rest).into_owned();
                self.session.close(1000 + (line.number() % 4000) as u16, &reason);
            }
            "gone" => {
                let reason = String::from_utf8_lossy(line.rest).into_owned();
                self.session.connection_lost(None, &reason);
            }
            "fresh" => self.session.refresh(Bytes::from_static(br#"{"headers":{}}"#)),
            "lazy" => self.lazy = !self.lazy,
            "wait" => self.wait(line.wait()),
            _ => self.text(line.all),
        }
    }

    fn text(&mut self, text: &[u8]) {
        let may_refuse = !self.session.is_acknowledged();
        let was_closed = self.session.is_closed();
        self.session.handle_text(self.now, Bytes::copy_from_slice(text));
        assert!(was_closed || may_refuse || !self.session.is_closed(), "a message closed it");
    }

    fn wait(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        let mut calls = 0;
        while let Some(at) = self.session.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            assert!(self.session.next_timeout().is_none_or(|next| next > self.now));
            calls += 1;
            assert!(calls < 5_000, "timeouts make no progress");
        }
        self.now = until;
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            self.see(output);
        }
        let live = self.operations.values().filter(|alive| **alive).count();
        assert_eq!(live, self.session.operation_count());
        if self.session.is_closed() {
            assert_eq!(self.session.next_timeout(), None);
            assert_eq!(live, 0);
        }
    }

    fn see(&mut self, output: ClientOutput) {
        assert!(!self.closed, "close is the last output: {output:?}");
        match output {
            ClientOutput::Send(message) => {
                let text = message.to_bytes();
                let members: HashMap<String, &RawValue> =
                    serde_json::from_slice(&text).expect("an object");
                let kind = members["type"].get().trim_matches('"');
                let early = ["connection_init", "pong", "connection_terminate"].contains(&kind);
                assert!(early || self.acknowledged, "{kind} before the acknowledgement");
            }
            ClientOutput::WsPing => assert!(self.acknowledged),
            ClientOutput::Acknowledged { payload } => {
                assert!(!std::mem::replace(&mut self.acknowledged, true), "acknowledged twice");
                assert!(payload.is_none_or(|text| is_json(&text)));
            }
            ClientOutput::Next { key, payload } => {
                assert!(self.operations[&key], "a result after the end");
                assert!(is_object(&payload));
            }
            ClientOutput::Error { key, errors } => {
                let errors: Vec<&RawValue> = serde_json::from_slice(&errors).expect("a list");
                assert!(!errors.is_empty());
                assert!(errors.iter().all(|error| is_object(error.get().as_bytes())));
                self.end(key);
            }
            ClientOutput::Complete { key } | ClientOutput::Lost { key, .. } => self.end(key),
            ClientOutput::Close { reason, .. } => {
                assert!(reason.len() <= artesian_protocol::ws::MAX_REASON);
                self.closed = true;
            }
        }
    }

    fn end(&mut self, key: OperationKey) {
        assert_eq!(self.operations.insert(key, false), Some(true), "ended twice");
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

fn is_object(text: &[u8]) -> bool {
    text.starts_with(b"{") && is_json(text)
}
