//! Sessions in the server's role: whatever a client sends and however slow or wrong the driver is.
//!
//! * Outputs are JSON of the protocol's own types; nothing comes before the acknowledgement that may
//!   not, and nothing after the close.
//! * Nothing runs without an identity; every operation has one end.
//! * Text that is not JSON ends a `graphql-transport-ws` connection with 4400, and never a legacy one.
//! * Timers make progress, and a closed session has none.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use artesian_protocol::session::{AuthenticateKind, CloseCode, Compat, CompatProfile};
use artesian_protocol::{OperationKey, Output, Session, SessionConfig, Subprotocol};
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::script::{self, Line};

/// `graphql-transport-ws`.
pub fn transport_ws(input: &[u8]) {
    run(Subprotocol::TransportWs, input);
}

/// Legacy `graphql-ws`.
pub fn legacy(input: &[u8]) {
    run(Subprotocol::Legacy, input);
}

fn run(protocol: Subprotocol, input: &[u8]) {
    let mut config = SessionConfig { max_operations: 8, ..SessionConfig::default() };
    for (name, value) in script::lines(input).map_while(|line| line.setting()) {
        let n = value.parse().unwrap_or(0u64);
        match name {
            "compat" => {
                let profiles: Vec<_> =
                    value.split(',').filter_map(CompatProfile::from_name).collect();
                config.compat = Compat::of(&profiles);
            }
            "max_operations" => config.max_operations = n.min(20) as usize,
            "max_id_bytes" => config.max_id_bytes = n as usize,
            "queue" => config.pre_ack_queue_bytes = n as usize,
            "ping" => config.ping_interval = Some(Duration::from_millis(n.max(100))),
            "ka" => config.keep_alive_interval = Some(Duration::from_millis(n.max(100))),
            _ => {}
        }
    }
    let now = Instant::now();
    let mut driver = Driver {
        protocol,
        compat: config.compat,
        most_operations: config.max_operations,
        session: Session::new(protocol, config, now),
        now,
        operations: HashMap::new(),
        order: Vec::new(),
        inputs: 1,
        asked: false,
        accepted: 0,
        acknowledged: 0,
        close: None,
        lazy: false,
    };
    for line in script::lines(input) {
        driver.inputs += 1;
        driver.line(line);
        if !driver.lazy {
            driver.drain();
        }
    }
    driver.drain();
    driver.session.connection_lost();
    driver.drain();
    assert!(driver.operations.values().all(|alive| !alive), "an operation without end");
}

struct Driver {
    protocol: Subprotocol,
    compat: Compat,
    most_operations: usize,
    session: Session,
    now: Instant,
    /// Alive or not.
    operations: HashMap<OperationKey, bool>,
    order: Vec<OperationKey>,
    inputs: usize,
    /// The driver was asked to authenticate and has not answered.
    asked: bool,
    /// How often it accepted, and how often the client was told.
    accepted: usize,
    acknowledged: usize,
    close: Option<Option<u16>>,
    /// Outputs are not polled for the time being.
    lazy: bool,
}

impl Driver {
    fn line(&mut self, line: Line<'_>) {
        let now = self.now;
        match line.word {
            ">" => self.text(line.rest),
            "binary" => self.session.handle_binary(now, line.rest),
            "pong" => self.session.handle_activity(now),
            "init" => {
                self.text(br#"{"type":"connection_init"}"#);
                self.drain();
                self.authenticated(Ok(None));
            }
            "ok" => {
                let payload = RawValue::from_string(String::from_utf8_lossy(line.rest).into()).ok();
                let payload = payload.filter(|raw| raw.get().starts_with('{'));
                let payload = payload.map(|raw| Bytes::from(raw.get().to_owned()));
                self.authenticated(Ok(payload));
            }
            "refuse" | "broken" | "end" => {
                let reason = String::from_utf8_lossy(line.rest).into_owned();
                match line.word {
                    "refuse" => self.authenticated(Err(reason)),
                    "broken" => self.session.fail(&reason),
                    _ => self.session.close(1000 + (line.number() % 4000) as u16, &reason),
                }
            }
            "shutdown" => self.session.shutdown(),
            "expire" => self.session.expire(),
            "lost" => self.session.connection_lost(),
            "lazy" => self.lazy = !self.lazy,
            "wait" => self.wait(line.wait()),
            "next" | "!next" | "result" | "error" | "!error" | "fail" | "!fail" | "done"
            | "!done" => self.report(line),
            _ => self.text(line.all),
        }
    }

    fn authenticated(&mut self, result: Result<Option<Bytes>, String>) {
        // A question that was not polled cannot be answered; one that was never asked may be.
        if self.asked || !self.lazy {
            self.accepted += usize::from(self.asked && result.is_ok());
            self.asked = false;
            self.session.authenticated(self.now, result);
        }
    }

    fn text(&mut self, text: &[u8]) {
        let was_closed = self.session.is_closed();
        self.session.handle_text(self.now, text);
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
        if !was_closed && !json && self.compat == Compat::default() {
            let closes = self.protocol == Subprotocol::TransportWs;
            assert_eq!(self.session.is_closed(), closes, "text that is not JSON");
            if closes {
                self.drain();
                assert_eq!(self.close, Some(Some(CloseCode::BAD_REQUEST)));
            }
        }
    }

    fn report(&mut self, line: Line<'_>) {
        let Some(key) = line.index(self.order.len()).map(|i| self.order[i]) else {
            return;
        };
        let alive = self.operations[&key];
        let result = Bytes::from_static(br#"{"data":{"a":1}}"#);
        let errors = Bytes::from_static(br#"[{"message":"x"}]"#);
        let (done, ends) = match line.word.trim_start_matches('!') {
            "next" => (self.session.operation_next(key, result), false),
            "result" => (self.session.operation_result(key, result, false), true),
            "error" => (self.session.operation_error(key, errors), true),
            "fail" => (self.session.operation_failed(key, errors), true),
            _ => (self.session.operation_complete(key), true),
        };
        assert!(done == alive || (alive && self.lazy), "an operation of the dead");
        if done && ends {
            self.operations.insert(key, false);
        }
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
            self.inputs += 1;
        }
        self.now = until;
    }

    fn drain(&mut self) {
        // An input gives a few outputs, and some for each operation.
        let most = 4 * self.inputs * (1 + self.most_operations);
        let mut polled = 0;
        while let Some(output) = self.session.poll_output() {
            self.see(output);
            polled += 1;
            assert!(polled <= most, "outputs without bound");
        }
        let live = self.operations.values().filter(|alive| **alive).count();
        assert_eq!(live, self.session.operation_count());
        assert!(live <= self.most_operations);
        if self.session.is_closed() {
            assert_eq!(self.session.next_timeout(), None);
            assert_eq!(live, 0);
        }
    }

    fn see(&mut self, output: Output) {
        assert!(self.close.is_none(), "close is the last output: {output:?}");
        match output {
            Output::Send(message) => {
                let text = message.to_bytes();
                // The payload may be nested deeper than a value can be.
                let text = serde_json::from_slice::<&RawValue>(&text).expect("JSON");
                let kind = kind(text);
                let allowed: &[&str] = match self.protocol {
                    Subprotocol::TransportWs => &["next", "error", "complete", "pong", "ping"],
                    Subprotocol::Legacy => &["data", "error", "complete", "ka", "connection_error"],
                };
                if kind == "connection_ack" {
                    self.acknowledged += 1;
                    assert!(self.acknowledged <= self.accepted, "acknowledged, not accepted");
                } else {
                    assert!(allowed.contains(&kind.as_str()), "{kind}");
                    let early = ["pong", "error", "connection_error"].contains(&kind.as_str());
                    assert!(early || self.accepted > 0, "{kind} before the client was accepted");
                }
            }
            Output::WsPing => assert!(self.accepted > 0),
            Output::Authenticate { kind, .. } => {
                assert_eq!(kind == AuthenticateKind::First, self.accepted == 0);
                assert!(!std::mem::replace(&mut self.asked, true), "two questions at a time");
            }
            Output::Start { key, request, init } => {
                assert!(init.is_none() || self.compat.operation_init, "nobody asked for that");
                assert!(self.accepted > 0 && !self.asked, "started without identity");
                let persisted = || request.extensions.as_ref()?.get("persistedQuery");
                let named = request.document_id.is_some() || persisted().is_some();
                assert!(request.query.is_some() || named);
                let credentials =
                    || request.extensions.as_ref()?.get("connectionInit")?.get("headers");
                let is_legacy = self.protocol == Subprotocol::Legacy;
                assert!(is_legacy || !credentials().is_some_and(Value::is_object), "not taken out");
                assert!(self.operations.insert(key, true).is_none(), "key used twice");
                self.order.push(key);
            }
            Output::Stop { key } => {
                assert_eq!(self.operations.insert(key, false), Some(true), "ended twice");
            }
            Output::Close { code, reason } => {
                assert!(reason.len() <= artesian_protocol::ws::MAX_REASON);
                self.close = Some(code);
            }
        }
    }
}

fn kind(message: &RawValue) -> String {
    let members: HashMap<String, &RawValue> =
        serde_json::from_str(message.get()).expect("an object");
    match serde_json::from_str(members["type"].get()) {
        Ok(Value::String(kind)) => kind,
        other => panic!("{other:?} as type"),
    }
}
