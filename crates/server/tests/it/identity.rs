//! The admin secret, role and session variables over every transport.

use artesian_server::{AuthConfig, ServerConfig, StatusProfile};
use http::Method;
use serde_json::{Value, json};

use crate::support::{
    self, TestServer,
    http::{post, request},
    socket::{LEGACY, MODERN},
    start, start_with,
};

const MISSING: &str = "x-hasura-admin-secret/x-hasura-access-key required, but not found";
const WRONG: &str = "invalid \"x-hasura-admin-secret\"/\"x-hasura-access-key\"";
const SECRET: &str = "x-hasura-admin-secret";
const EVENTS: (&str, &str) = ("accept", "text/event-stream");

type Headers<'a> = &'a [(&'a str, &'a str)];

async fn guarded(status_profile: StatusProfile) -> TestServer {
    let auth = AuthConfig::with_secrets(vec!["s3cret".into(), "next".into()]);
    start_with(ServerConfig { auth, status_profile, ..support::config() }).await
}

#[tokio::test]
async fn refusals_over_http_and_event_streams() {
    let hasura = guarded(StatusProfile::Hasura).await;
    let spec = guarded(StatusProfile::Spec).await;
    let rows: [(Headers<'_>, &str); 4] = [
        (&[], MISSING),
        (&[("x-hasura-role", "user")], MISSING),
        (&[(SECRET, "S3cret")], WRONG),
        (&[("x-artesian-admin-secret", "")], WRONG),
    ];
    for (headers, message) in rows {
        for (server, status) in [(&hasura, 200), (&spec, 401)] {
            let get = request(Method::GET, "/v1/graphql?query=identity", headers, "");
            for request in [post("identity", headers), get] {
                let reply = server.send(request).await;
                assert_eq!(
                    (reply.status.as_u16(), reply.error_code()),
                    (status, "access-denied".into())
                );
                assert_eq!(reply.json()["errors"][0]["message"], message);
                assert!(reply.json().get("data").is_none());
            }
        }
        let headers = [headers, &[EVENTS]].concat();
        let reply = hasura.send(post("live a", &headers)).await;
        assert_eq!(reply.header("content-type"), "text/event-stream");
        assert!(reply.text().contains("event: next\ndata: {\"errors\":[{"), "{}", reply.text());
        assert!(reply.text().contains("access-denied"));
        assert!(reply.text().ends_with("event: complete\ndata:\n\n"));
        let reply = spec.send(post("live a", &headers)).await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (401, "access-denied".into()));
    }
    assert_eq!(hasura.fake.log(), Vec::<String>::new());
}

#[tokio::test]
async fn good_secrets_over_http() {
    let server = guarded(StatusProfile::Hasura).await;
    for name in [SECRET, "X-Artesian-Admin-Secret", "x-hasura-access-key"] {
        for secret in ["s3cret", "next"] {
            let headers = [(name, secret), ("X-Hasura-User-Id", "7")];
            let reply = server.send(post("identity", &headers)).await;
            let session = json!({"x-hasura-role": "admin", "x-hasura-user-id": "7"});
            assert_eq!(reply.json(), json!({"data": {"role": "admin", "session": session}}));
        }
    }
    let headers = [(SECRET, "next"), ("x-hasura-role", "user"), EVENTS];
    let reply = server.send(post("identity", &headers)).await;
    assert!(reply.text().contains("\"role\":\"user\""));
}

#[tokio::test]
async fn without_a_secret_the_role_can_be_chosen() {
    let server = start().await;
    assert_eq!(server.post("identity").await.json()["data"]["role"], "admin");
    let reply = server.send(post("identity", &[("X-Hasura-Role", "user")])).await;
    assert_eq!(reply.json()["data"]["role"], "user");
    let twice = [("x-hasura-role", "user"), ("x-hasura-role", "admin")];
    assert_eq!(server.send(post("identity", &twice)).await.error_code(), "invalid-headers");
}

#[tokio::test]
async fn refusals_over_sockets() {
    let server = guarded(StatusProfile::Hasura).await;
    // (headers of the upgrade, payload of connection_init, message)
    let rows: [(Headers<'_>, Value, &str); 5] = [
        (&[], Value::Null, MISSING),
        (&[], json!({"headers": {}}), MISSING),
        (&[], json!({"headers": {"x-hasura-admin-secret": "no"}}), WRONG),
        (&[(SECRET, "no")], Value::Null, WRONG),
        // What connection_init says replaces the header.
        (&[(SECRET, "s3cret")], json!({"X-Hasura-Admin-Secret": "no"}), WRONG),
    ];
    for (headers, payload, message) in rows {
        let mut modern = server.connect(MODERN, headers).await;
        modern.send_init(payload.clone()).await;
        assert_eq!(modern.closed().await, (4403, format!("Forbidden: {message}")));

        let mut legacy = server.connect(LEGACY, headers).await;
        legacy.send_init(payload.clone()).await;
        legacy.subscribe("1", "live a").await;
        let error = legacy.next().await;
        assert_eq!(error, json!({"type": "connection_error", "payload": {"message": message}}));
        assert_eq!(legacy.closed().await.0, 1011);
    }
    assert_eq!(server.fake.log(), Vec::<String>::new());
}

#[tokio::test]
async fn identities_over_sockets() {
    let server = guarded(StatusProfile::Hasura).await;
    // (headers of the upgrade, payload of connection_init, role, user)
    let rows: [(Headers<'_>, Value, &str, Value); 6] = [
        (&[(SECRET, "s3cret")], Value::Null, "admin", Value::Null),
        (&[], json!({"headers": {"X-Hasura-Admin-Secret": "next"}}), "admin", Value::Null),
        (&[], json!({"x-hasura-admin-secret": "next", "X-HASURA-USER-ID": 5}), "admin", json!("5")),
        (
            &[(SECRET, "no")],
            json!({"headers": {"x-artesian-ADMIN-secret": "x", SECRET: "next"}}),
            "admin",
            Value::Null,
        ),
        (&[(SECRET, "s3cret"), ("x-hasura-role", "user")], json!({}), "user", Value::Null),
        (
            &[(SECRET, "s3cret"), ("x-hasura-role", "user"), ("x-hasura-user-id", "1")],
            json!({"headers": {"x-hasura-role": "editor"}}),
            "editor",
            json!("1"),
        ),
    ];
    for protocol in [MODERN, LEGACY] {
        for (headers, payload, role, user) in &rows {
            let mut socket = server.connect(protocol, headers).await;
            socket.init(payload.clone()).await;
            socket.subscribe("1", "identity").await;
            let data = socket.result("1").await["data"].take();
            assert_eq!((&data["role"], &data["session"]["x-hasura-user-id"]), (&json!(role), user));
            assert!(data["session"].get(SECRET).is_none());
            socket.completed("1").await;
        }
    }
}

#[tokio::test]
async fn a_second_init_of_the_legacy_protocol_changes_the_identity() {
    let server = guarded(StatusProfile::Hasura).await;
    let mut socket = server.connect(LEGACY, &[(SECRET, "s3cret")]).await;
    socket.init(Value::Null).await;
    socket.send_init(json!({"headers": {"x-hasura-role": "user"}})).await;
    assert_eq!(socket.next().await, json!({"type": "connection_ack"}));
    socket.subscribe("1", "identity").await;
    assert_eq!(socket.result("1").await["data"]["role"], "user");
    socket.completed("1").await;
    socket.send_init(json!({"headers": {SECRET: "no"}})).await;
    assert_eq!(socket.closed().await.0, 1011);
}
