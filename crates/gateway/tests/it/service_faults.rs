//! Services that answer with something else than a schema.

use std::{cell::RefCell, io::Write};

use artesian_gateway::service::{ServiceError, State};
use serde_json::json;

use crate::scripted::*;

fn answer(status: u16, body: &str) -> Script {
    Script::Answer(status, body.to_owned())
}

fn faults() -> Vec<(Script, &'static str)> {
    let deep = format!("{{\"data\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    vec![
        (answer(200, "<html>geheim</html>"), "the service answered with something else than JSON"),
        (answer(502, "<html>"), "the service answered with status 502"),
        (
            answer(401, "no"),
            "the service answered with status 401; the gateway says who it is with \
             `headers.introspection`, or give `schema:` an SDL file",
        ),
        (answer(302, ""), "the service redirects (status 302)"),
        (answer(200, "{\"data\":{"), "the service answered with something else than JSON"),
        (answer(200, "{}"), "the service answered with JSON that is no GraphQL response"),
        (answer(200, "{\"data\":null}"), "the service refuses introspection: it gave neither"),
        (
            answer(400, r#"{"errors":[{"message":"GraphQL introspection is not allowed"}]}"#),
            "the service refuses introspection: GraphQL introspection is not allowed; switch it on \
             for the gateway, or give `schema:` an SDL file",
        ),
        (answer(200, r#"{"data":{"__schema":7}}"#), "the service's answer to the introspection"),
        (answer(200, &introspection(&[]).to_string()), "the schema is not valid"),
        (answer(200, &introspection(&["a b"]).to_string()), "the service's answer to the intro"),
        (answer(200, &deep), "the service answered with"),
        (Script::Half(introspection(&["b"]).to_string()), "the connection to the service was lost"),
        (Script::Endless(50 << 20), "the service sent more than 16777216 bytes at once"),
        (Script::Silence, "the service took longer than 30000 ms to respond"),
    ]
}

#[tokio::test(start_paused = true)]
async fn the_old_schema_stays_and_the_reason_is_told() {
    for (script, expected) in faults() {
        let scripted = Scripted::new(Script::Schema(&["a"]));
        let config = config(&json!({"refresh": 0, "retry": {"attempts": 0}}));
        let service = start(&scripted, config);
        let mut changes = service.changes();
        changed(&mut changes).await;
        scripted.now(script);
        let error = service.refresh_now().await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{expected}: {error}");
        assert!(!error.contains("geheim"), "{error}");
        assert_eq!((fields(&service).len(), state(&service)), (1, State::Down), "{expected}");
        assert_eq!(service.status().error.as_deref(), Some(&*error));
        assert!(!changes.has_changed().unwrap(), "{expected}");
        // A little more than the limit may be on its way.
        assert!(scripted.written() < 17 << 20, "{} bytes", scripted.written());
        // It comes back by itself, as another.
        scripted.now(Script::Schema(&["b"]));
        changed(&mut changes).await;
        assert_eq!((fields(&service), state(&service)), (vec!["b".to_owned()], State::Up));
    }
}

#[tokio::test(start_paused = true)]
async fn at_start_there_is_no_schema_until_there_is_one() {
    for (script, expected) in faults() {
        let scripted = Scripted::new(script);
        let service = start(&scripted, config(&json!({"retry": {"attempts": 0}})));
        let mut changes = service.changes();
        let error = service.refresh_now().await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{expected}: {error}");
        assert!(service.schema().is_none());
        scripted.now(Script::Schema(&["a"]));
        changed(&mut changes).await;
        assert_eq!(fields(&service), ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_its_own_holds_for_the_schema() {
    let scripted = Scripted::new(Script::Schema(&["a"]));
    let service = start(&scripted, config(&json!({"limits": {"schema_bytes": 100}})));
    let error = service.refresh_now().await.unwrap_err();
    assert!(matches!(error, ServiceError::Schema(_)));
    assert_eq!(error.to_string(), "the schema has more than 100 bytes");
}

thread_local! {
    /// What this test logs: each has a thread of its own.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_is_one_line() {
    tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_target(false)
        .with_writer(|| Log)
        .init();

    let scripted = Scripted::new(Script::Down);
    let service = start(&scripted, config(&json!({"refresh": "5s"})));
    let mut changes = service.changes();
    scripted.was_dialled(50).await;
    scripted.now(answer(200, "<html>geheim</html>"));
    scripted.was_asked(5).await;
    scripted.now(Script::Schema(&["a"]));
    changed(&mut changes).await;
    let asked = scripted.asked();
    scripted.was_asked(asked + 5).await;
    scripted.now(Script::Schema(&["b"]));
    changed(&mut changes).await;
    scripted.now(Script::Silence);
    let _ = service.refresh_now().await;
    let _ = service.refresh_now().await;
    scripted.now(Script::Schema(&["b"]));
    let _ = service.refresh_now().await;
    while state(&service) != State::Up {
        let _ = service.refresh_now().await;
    }
    let log = LOG.with_borrow(|log| String::from_utf8(log.clone()).unwrap());
    let lines: Vec<&str> = log.lines().collect();
    let expected = [
        " WARN the service's schema cannot be read: the service cannot be reached",
        " INFO the service's schema is there",
        " INFO the service's schema changed: gone: Query.a; added: Query.b",
        " WARN the service's schema cannot be read: the service took longer than 30000 ms",
        " INFO the service is back with the schema that it had",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected) && line.ends_with("service=\"reviews\""), "{line}");
    }
}
