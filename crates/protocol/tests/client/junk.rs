//! Servers that send anything: a session never panics, and its promises hold.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use artesian_protocol::session::client::{ClientConfig, ClientOutput, ClientSession};
use artesian_protocol::{OperationKey, Subprotocol};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value};

#[derive(Clone, Debug)]
enum Step {
    Subscribe,
    Unsubscribe(usize),
    Text(Vec<u8>),
    Wait(u64),
    Close,
    Lost,
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec![
        "connection_ack",
        "connection_error",
        "next",
        "next",
        "data",
        "error",
        "complete",
        "ping",
        "pong",
        "ka",
        "subscribe",
        "x",
    ]);
    let id = prop::sample::select(vec![
        r#""1""#, r#""2""#, r#""3""#, "1", "2", r#""0""#, r#""""#, "null", "{}", "-1", "1e0",
    ]);
    let payload = prop::sample::select(vec![
        r#"{"data":{}}"#,
        r#"{"errors":[]}"#,
        r#"[{"message":"x"}]"#,
        r#"[[],"x",{}]"#,
        r#"{"message":"x"}"#,
        r#""x""#,
        "{}",
        "[]",
        "null",
        "7",
    ]);
    (kind, id, payload).prop_map(|(kind, id, payload)| {
        format!(r#"{{"type":"{kind}","id":{id},"payload":{payload}}}"#).into_bytes()
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Subscribe),
        2 => any::<usize>().prop_map(Step::Unsubscribe),
        12 => message().prop_map(Step::Text),
        1 => "[{}\\[\\]\",:a-z0-9 ]{0,30}".prop_map(|t| Step::Text(t.into_bytes())),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Text),
        2 => (0u64..12_000).prop_map(Step::Wait),
        1 => prop::bool::weighted(0.2).prop_map(|c| if c { Step::Close } else { Step::Wait(1) }),
        1 => prop::bool::weighted(0.2).prop_map(|c| if c { Step::Lost } else { Step::Wait(1) }),
    ]
}

/// Whether each operation is alive, as an observer knows it.
type Operations = HashMap<OperationKey, bool>;

fn see(output: ClientOutput, operations: &mut Operations, acknowledged: &mut bool) -> bool {
    let mut end = |key| assert_eq!(operations.insert(key, false), Some(true), "ended twice");
    match output {
        ClientOutput::Send(message) => {
            let value: Value = serde_json::from_slice(&message.to_bytes()).unwrap();
            let kind = value["type"].as_str().unwrap();
            let early = ["connection_init", "pong", "connection_terminate"];
            assert!(*acknowledged || early.contains(&kind), "{value} before the acknowledgement");
        }
        ClientOutput::WsPing => assert!(*acknowledged),
        ClientOutput::Acknowledged { .. } => assert!(!std::mem::replace(acknowledged, true)),
        ClientOutput::Next { key, payload } => {
            assert_eq!(operations.get(&key), Some(&true), "a result after the end");
            serde_json::from_slice::<Map<String, Value>>(&payload).unwrap();
        }
        ClientOutput::Error { key, errors } => {
            let errors: Vec<Map<String, Value>> = serde_json::from_slice(&errors).unwrap();
            assert!(!errors.is_empty());
            end(key);
        }
        ClientOutput::Complete { key } | ClientOutput::Lost { key, .. } => end(key),
        ClientOutput::Close { reason, .. } => {
            assert!(reason.len() <= 123);
            return true;
        }
    }
    false
}

/// `lazy`: outputs are polled only at the end.
fn converse(protocol: Subprotocol, steps: Vec<Step>, lazy: bool) {
    let mut now = Instant::now();
    let config = ClientConfig { max_operations: 3, ..ClientConfig::default() };
    let mut session = ClientSession::new(protocol, config, None, now);
    let (mut operations, mut acknowledged, mut closed) = (Operations::new(), false, false);
    let mut drain = |session: &mut ClientSession, operations: &mut Operations| {
        while let Some(output) = session.poll_output() {
            assert!(!closed, "close is the last output: {output:?}");
            closed = see(output, operations, &mut acknowledged);
        }
        let live: Vec<_> = operations.iter().filter(|(_, live)| **live).map(|(k, _)| *k).collect();
        assert_eq!(session.operation_count(), live.len());
        assert!(live.into_iter().all(|key| session.is_live(key)));
        if session.is_closed() {
            assert_eq!(session.next_timeout(), None);
        }
    };
    for step in steps {
        match step {
            Step::Subscribe => {
                if let Ok(key) = session.subscribe(Bytes::from_static(b"{}")) {
                    assert!(operations.insert(key, true).is_none(), "key used twice");
                }
            }
            Step::Unsubscribe(i) => {
                let mut keys: Vec<_> = operations.keys().copied().collect();
                keys.sort();
                if let Some(key) = keys.get(i % keys.len().max(1)).copied() {
                    let alive = session.is_live(key);
                    assert_eq!(session.unsubscribe(now, key), alive);
                    if alive {
                        operations.insert(key, false);
                    }
                }
            }
            Step::Text(text) => session.handle_text(now, Bytes::from(text)),
            Step::Wait(ms) => {
                let until = now + Duration::from_millis(ms);
                while let Some(at) = session.next_timeout().filter(|at| *at <= until) {
                    assert!(at >= now || session.next_timeout().is_none());
                    now = now.max(at);
                    session.handle_timeout(now);
                }
                now = until;
            }
            Step::Close => session.close(1000, "done"),
            Step::Lost => session.connection_lost(None, ""),
        }
        if !lazy {
            drain(&mut session, &mut operations);
        }
    }
    session.connection_lost(Some(1001), "x");
    drain(&mut session, &mut operations);
    assert!(operations.values().all(|live| !live), "an operation without end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn promises_hold(
        steps in prop::collection::vec(step(), 0..60),
        acknowledged in prop::bool::weighted(0.8),
        legacy in any::<bool>(),
        lazy in any::<bool>(),
    ) {
        let protocol = if legacy { Subprotocol::Legacy } else { Subprotocol::TransportWs };
        let ack = acknowledged.then(|| Step::Text(br#"{"type":"connection_ack"}"#.to_vec()));
        converse(protocol, ack.into_iter().chain(steps).collect(), lazy);
    }
}
