//! Random conversations: a session never panics, and its promises hold whatever happens.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use artesian_protocol::session::{AuthenticateKind, Compat, CompatProfile};
use artesian_protocol::{OperationKey, Output, Session, SessionConfig, Subprotocol};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Binary,
    Authenticated(bool),
    Next(usize),
    Error(usize),
    Failed(usize),
    Complete(usize),
    Single(usize),
    Wait(u64),
    Shutdown,
    Lost,
}

fn message() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec![
        "connection_init",
        "subscribe",
        "start",
        "complete",
        "stop",
        "ping",
        "pong",
        "connection_terminate",
        "next",
        "x",
    ]);
    let id = prop::sample::select(vec![r#""1""#, r#""2""#, "1", "2", r#""""#, "null", "{}"]);
    let payload = prop::sample::select(vec![
        r#"{"query":"{a}"}"#,
        r#"{"query":"{a}"}"#,
        r#"{"query":"{a}","variables":{"x":[1]}}"#,
        r#"{"query":"{a}","extensions":{"connectionInit":{"headers":{"a":"b"}}}}"#,
        r#"{"headers":{"a":"b"}}"#,
        r#"{"connectionParams":{}}"#,
        r#"{"query":1}"#,
        "{}",
        "null",
        "[]",
        "7",
    ]);
    (kind, id, payload).prop_map(|(kind, id, payload)| {
        format!(r#"{{"type":"{kind}","id":{id},"payload":{payload}}}"#)
    })
}

/// An operation with an identity of its own, whose payload is told by its query as well.
fn own_identity(ids: std::ops::Range<u8>) -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec!["subscribe", "start"]);
    let payload = prop::sample::select(vec!["{}", "{'n':1}", "{'n':2}", "[]"]);
    (kind, ids, payload, prop::bool::weighted(0.9)).prop_map(|(kind, id, payload, known)| {
        let (query, payload) = (payload.replace('\'', "\\\""), payload.replace('\'', "\""));
        let extension = if known { "connectionInit" } else { "other" };
        format!(
            r#"{{"type":"{kind}","id":"{id}","payload":{{"query":"as{query}"}},"extensions":[{{"type":"{extension}","payload":{payload}}}]}}"#
        )
    })
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly what well-behaved clients send, so that sessions live long enough to be of interest.
    let sensible = |kinds: &'static [&'static str]| {
        (prop::sample::select(kinds), 1..4u8).prop_map(|(kind, id)| {
            format!(r#"{{"type":"{kind}","id":"{id}","payload":{{"query":"{{a}}"}}}}"#)
        })
    };
    prop_oneof![
        8 => sensible(&["subscribe", "start"]).prop_map(Step::Text),
        6 => sensible(&["complete", "stop", "ping"]).prop_map(Step::Text),
        2 => Just(Step::Text(r#"{"type":"connection_init"}"#.into())),
        1 => Just(Step::Text(r#"{"type":"ping","payload":{"headers":{"a":"b"}}}"#.into())),
        1 => (1..9u8).prop_map(|id| Step::Text(format!(
            r#"{{"type":"subscribe","id":"{id}","payload":{{"query":"{{a}}","extensions":{{"connectionInit":{{"headers":{{}}}}}}}}}}"#
        ))),
        4 => own_identity(1..4).prop_map(Step::Text),
        1 => message().prop_map(Step::Text),
        1 => "[{}\\[\\]\",:a-z0-9 ]{0,30}".prop_map(Step::Text),
        1 => Just(Step::Binary),
        5 => prop::bool::weighted(0.9).prop_map(Step::Authenticated),
        8 => any::<usize>().prop_map(Step::Next),
        2 => any::<usize>().prop_map(Step::Error),
        2 => any::<usize>().prop_map(Step::Failed),
        4 => any::<usize>().prop_map(Step::Complete),
        2 => any::<usize>().prop_map(Step::Single),
        3 => (0u64..12_000).prop_map(Step::Wait),
        1 => Just(Step::Shutdown),
        1 => Just(Step::Lost),
    ]
}

/// What an observer of the outputs knows.
#[derive(Default)]
struct Observer {
    protocol: Option<Subprotocol>,
    /// Each operation that was started: alive or not.
    operations: HashMap<OperationKey, bool>,
    /// How often the client was accepted, and told so.
    accepted: usize,
    acknowledged: usize,
    silent: usize,
    authenticating: bool,
    /// Whether the question was one that is not acknowledged.
    asked_silently: bool,
    /// Whether operations can bring an identity of their own.
    own_identities: bool,
    closed: bool,
}

impl Observer {
    fn see(&mut self, output: Output) {
        assert!(!self.closed, "close is the last output: {output:?}");
        match output {
            Output::Send(message) => {
                let value: Value = serde_json::from_slice(&message.to_bytes()).unwrap();
                let kind = value["type"].as_str().unwrap().to_owned();
                let allowed: &[&str] = match self.protocol.unwrap() {
                    Subprotocol::TransportWs => {
                        &["connection_ack", "next", "error", "complete", "pong", "ping"]
                    }
                    Subprotocol::Legacy => {
                        &["connection_ack", "data", "error", "complete", "ka", "connection_error"]
                    }
                };
                assert!(allowed.contains(&kind.as_str()), "{value}");
                if kind == "connection_ack" {
                    self.acknowledged += 1;
                    assert!(self.acknowledged + self.silent <= self.accepted);
                }
                if matches!(kind.as_str(), "next" | "data" | "complete" | "ka" | "ping") {
                    assert!(self.accepted > 0, "{kind} before the acknowledgement");
                }
            }
            Output::WsPing => assert!(self.accepted > 0),
            Output::Authenticate { kind, .. } => {
                assert!(!self.authenticating, "two questions at a time");
                assert_eq!(kind == AuthenticateKind::First, self.accepted == 0);
                self.asked_silently |= kind == AuthenticateKind::Refresh;
                self.authenticating = true;
            }
            Output::Start { key, request, init } => {
                assert!(self.accepted > 0 && !self.authenticating, "started without identity");
                let is_legacy = self.protocol == Some(Subprotocol::Legacy);
                let extensions = request.extensions.unwrap_or_default();
                assert!(is_legacy || extensions.is_empty(), "credentials in a request");
                assert!(self.operations.insert(key, true).is_none(), "key used twice");
                // An operation has its own payload if it brought one, and nobody else's.
                let asked = request.query.unwrap_or_default();
                let own = asked.strip_prefix("as").filter(|_| self.own_identities);
                assert_eq!(init.map(|init| init.get().to_owned()).as_deref(), own);
            }
            Output::Stop { key } => {
                assert_eq!(self.operations.insert(key, false), Some(true), "ended twice");
            }
            Output::Close { reason, .. } => {
                assert!(reason.len() <= 123);
                self.closed = true;
            }
        }
    }

    fn drain(&mut self, session: &mut Session) -> Vec<String> {
        let mut sent = Vec::new();
        while let Some(output) = session.poll_output() {
            if let Output::Send(message) = &output {
                sent.push(String::from_utf8(message.to_bytes().to_vec()).unwrap());
            }
            self.see(output);
        }
        let live = self.operations.values().filter(|alive| **alive).count();
        assert_eq!(live, session.operation_count());
        for (key, alive) in &self.operations {
            assert_eq!(session.is_live(*key), *alive);
        }
        if session.is_closed() {
            assert_eq!(session.next_timeout(), None);
            assert_eq!(live, 0, "everything is stopped at the end");
        }
        sent
    }
}

fn converse(protocol: Subprotocol, steps: Vec<Step>) {
    converse_as(protocol, &[], steps);
}

fn converse_as(protocol: Subprotocol, profiles: &[CompatProfile], steps: Vec<Step>) {
    let mut now = Instant::now();
    let config = SessionConfig {
        max_operations: 2,
        pre_ack_queue_bytes: 1000,
        compat: Compat::of(profiles),
        ..SessionConfig::default()
    };
    let own_identities = config.compat.operation_init;
    let mut session = Session::new(protocol, config, now);
    let mut observer = Observer { protocol: Some(protocol), own_identities, ..Observer::default() };
    for step in steps {
        let mut keys: Vec<_> = observer.operations.keys().copied().collect();
        keys.sort();
        let pick = |i: usize| (!keys.is_empty()).then(|| keys[i % keys.len()]);
        let json = Bytes::from_static(br#"[{"message":"x"}]"#);
        match step {
            Step::Text(text) => session.handle_text(now, text.as_bytes()),
            Step::Binary => session.handle_binary(now, b"{}"),
            Step::Authenticated(ok) => {
                let asked = std::mem::take(&mut observer.authenticating);
                let silent = std::mem::take(&mut observer.asked_silently);
                observer.accepted += usize::from(ok && asked);
                observer.silent += usize::from(ok && asked && silent);
                session.authenticated(now, if ok { Ok(None) } else { Err("no".into()) });
            }
            Step::Next(i) => {
                if let Some(key) = pick(i) {
                    let alive = observer.operations[&key];
                    assert_eq!(session.operation_next(key, Bytes::from_static(b"{}")), alive);
                    assert_eq!(observer.drain(&mut session).len(), usize::from(alive));
                }
            }
            Step::Error(i) | Step::Failed(i) | Step::Complete(i) | Step::Single(i) => {
                if let Some(key) = pick(i) {
                    let alive =
                        std::mem::replace(observer.operations.get_mut(&key).unwrap(), false);
                    let (got, most) = match step {
                        Step::Error(_) => (session.operation_error(key, json), 1),
                        Step::Failed(_) => (session.operation_failed(key, json), 2),
                        Step::Single(_) => {
                            let result = Bytes::from_static(br#"{"errors":[{"message":"x"}]}"#);
                            (session.operation_result(key, result, true), 2)
                        }
                        _ => (session.operation_complete(key), 1),
                    };
                    assert_eq!(got, alive);
                    let sent = observer.drain(&mut session).len();
                    assert!(if alive { (1..=most).contains(&sent) } else { sent == 0 });
                }
            }
            Step::Wait(ms) => {
                let until = now + Duration::from_millis(ms);
                let mut calls = 0;
                while let Some(at) = session.next_timeout().filter(|at| *at <= until) {
                    now = now.max(at);
                    session.handle_timeout(now);
                    observer.drain(&mut session);
                    calls += 1;
                    assert!(calls < 100, "timeouts must make progress");
                }
                now = until;
            }
            Step::Shutdown => session.shutdown(),
            Step::Lost => session.connection_lost(),
        }
        observer.drain(&mut session);
    }
    session.connection_lost();
    observer.drain(&mut session);
    assert!(observer.operations.values().all(|alive| !alive), "an operation was left running");
}

/// As above, but the driver polls only at the very end.
fn lazy(protocol: Subprotocol, steps: Vec<Step>) {
    let now = Instant::now();
    let mut session = Session::new(protocol, SessionConfig::default(), now);
    for step in steps {
        match step {
            Step::Text(text) => session.handle_text(now, text.as_bytes()),
            Step::Authenticated(_) => session.authenticated(now, Ok(None)),
            Step::Lost => session.connection_lost(),
            Step::Shutdown => session.shutdown(),
            _ => {}
        }
    }
    session.connection_lost();
    let mut started = HashMap::new();
    while let Some(output) = session.poll_output() {
        match output {
            Output::Start { key, .. } => assert!(started.insert(key, true).is_none()),
            Output::Stop { key } => assert_eq!(started.insert(key, false), Some(true)),
            _ => {}
        }
    }
    assert!(started.values().all(|alive| !alive));
}

fn with_init(steps: Vec<Step>) -> Vec<Step> {
    let mut all =
        vec![Step::Text(r#"{"type":"connection_init"}"#.into()), Step::Authenticated(true)];
    all.extend(steps);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn transport_ws(steps in prop::collection::vec(step(), 0..40), init in any::<bool>()) {
        converse(Subprotocol::TransportWs, if init { with_init(steps) } else { steps });
    }

    #[test]
    fn transport_ws_without_client_mistakes(steps in prop::collection::vec(step(), 0..60)) {
        // Distinct ids and no second init, so that the session survives.
        let mut next = 0;
        let steps = steps.into_iter().filter_map(|step| match step {
            Step::Text(t) if t.contains("subscribe") => {
                next += 1;
                Some(Step::Text(format!(r#"{{"type":"subscribe","id":"{next}","payload":{{"query":"{{a}}"}}}}"#)))
            }
            Step::Text(t) if t.contains("complete") => {
                Some(Step::Text(format!(r#"{{"type":"complete","id":"{}"}}"#, next.max(1) - 1)))
            }
            Step::Text(_) | Step::Binary | Step::Lost | Step::Shutdown => None,
            other => Some(other),
        });
        converse(Subprotocol::TransportWs, with_init(steps.collect()));
    }

    #[test]
    fn legacy(steps in prop::collection::vec(step(), 0..60)) {
        converse(Subprotocol::Legacy, steps);
    }

    #[test]
    fn whatever_it_imitates(
        steps in prop::collection::vec(step(), 0..60),
        profiles in prop::sample::subsequence(CompatProfile::ALL.to_vec(), 0..4),
        protocol in prop::sample::select(vec![Subprotocol::TransportWs, Subprotocol::Legacy]),
        init in any::<bool>(),
    ) {
        let steps = if init { with_init(steps) } else { steps };
        converse_as(protocol, &profiles, steps);
    }

    #[test]
    fn a_driver_that_polls_late(
        steps in prop::collection::vec(step(), 0..40),
        protocol in prop::sample::select(vec![Subprotocol::TransportWs, Subprotocol::Legacy]),
    ) {
        lazy(protocol, with_init(steps));
    }

    #[test]
    fn random_bytes_never_panic(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..10)) {
        for protocol in Subprotocol::PREFERENCE {
            let now = Instant::now();
            let mut session = Session::new(protocol, SessionConfig::default(), now);
            for text in &texts {
                session.handle_text(now, text);
                while session.poll_output().is_some() {}
            }
        }
    }
}
