//! The administrator sees open sockets of every transport, and closes those of a user or a role.

use std::net::IpAddr;

use artesian_server::{AuthConfig, LimitsConfig, ServerConfig};
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{
    self, LIMIT, TestServer,
    http::{open, post, request},
    socket::{LEGACY, MODERN, Socket},
    start, start_with,
};

const EVENTS: (&str, &str) = ("accept", "text/event-stream");
const PARTS: (&str, &str) = ("accept", "multipart/mixed;subscriptionSpec=1.0");
const TOKEN: &str = "x-graphql-event-stream-token";

async fn list(server: &TestServer, query: &str) -> Value {
    let reply = server.get(&format!("/v1/sockets{query}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
    reply.json()
}

async fn total(server: &TestServer, query: &str) -> u64 {
    list(server, query).await["total"].as_u64().unwrap()
}

async fn close(server: &TestServer, query: &str) -> u64 {
    let path = format!("/v1/sockets{query}");
    let reply = server.send(request(Method::DELETE, &path, &[], "")).await;
    assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
    reply.json()["closed"].as_u64().unwrap()
}

fn who(role: &str, id: u32) -> Value {
    json!({"headers": {"X-Hasura-Role": role, "X-Hasura-User-Id": id.to_string()}})
}

async fn socket(server: &TestServer, protocol: &'static str, role: &str, id: u32) -> Socket {
    let mut socket = server.connect(protocol, &[]).await;
    socket.init(who(role, id)).await;
    socket
}

async fn stream(
    server: &TestServer,
    accept: (&str, &str),
    role: &str,
    id: u32,
) -> Response<Incoming> {
    let headers = [accept, ("x-hasura-role", role), ("x-hasura-user-id", &id.to_string())];
    let response = open(server.address, post("live a", &headers)).await;
    assert_eq!(response.status(), StatusCode::OK);
    response
}

/// A stream in single connection mode, opened.
async fn channel(server: &TestServer, role: &str, id: u32) -> Response<Incoming> {
    let id = id.to_string();
    let user = [("x-hasura-role", role), ("x-hasura-user-id", &*id)];
    let token = server.send(request(Method::PUT, "/graphql/stream", &user, "")).await;
    let headers = [EVENTS, (TOKEN, token.text()), user[0], user[1]];
    open(server.address, request(Method::GET, "/graphql/stream", &headers, "")).await
}

/// Reads on until the stream breaks off. It must not end as if all had been said.
async fn is_cut_off(response: Response<Incoming>) {
    let all = timeout(LIMIT, response.into_body().collect()).await.unwrap();
    assert!(all.is_err(), "it ended properly");
}

fn revoked() -> (u16, String) {
    (4403, "Forbidden: closed by the administrator".to_owned())
}

#[tokio::test]
async fn every_transport_is_listed() {
    let limits = LimitsConfig {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..LimitsConfig::default()
    };
    let server = start_with(ServerConfig { limits, ..support::config() }).await;
    let mut modern = socket(&server, MODERN, "user", 1).await;
    for id in ["1", "2"] {
        modern.subscribe(id, "live a").await;
        modern.result(id).await;
    }
    let _legacy = socket(&server, LEGACY, "editor", 2).await;
    let pending = server.connect(MODERN, &[("x-forwarded-for", "2001:db8::7")]).await;
    let _events = stream(&server, EVENTS, "user", 3).await;
    let _parts = stream(&server, PARTS, "user", 4).await;
    let _channel = channel(&server, "user", 5).await;
    // Single answers are none of them.
    assert_eq!(server.post("raw a").await.status, StatusCode::OK);

    let listing = list(&server, "").await;
    assert_eq!(listing["total"], 6);
    let sockets = listing["sockets"].as_array().unwrap();
    let column = |name: &str| sockets.iter().map(|s| s[name].clone()).collect::<Vec<_>>();
    assert_eq!(
        column("transport"),
        [MODERN, LEGACY, MODERN, "sse", "multipart", "sse"].map(Value::from)
    );
    let null = Value::Null;
    let text = |text: &str| Value::from(text);
    let roles =
        [text("user"), text("editor"), null.clone(), text("user"), text("user"), text("user")];
    assert_eq!(column("role"), roles);
    let users = [text("1"), text("2"), null.clone(), text("3"), text("4"), text("5")];
    assert_eq!(column("user"), users);
    let addresses: Vec<IpAddr> =
        column("address").iter().map(|a| a.as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(addresses[2], "2001:db8::7".parse::<IpAddr>().unwrap());
    assert_eq!(addresses[0], "127.0.0.1".parse::<IpAddr>().unwrap());
    assert_eq!(column("operations"), [2, 0, 0, 1, 1, 0].map(Value::from));
    assert_eq!(column("queued_bytes"), vec![Value::from(0); 6]);
    assert_eq!(column("expires"), vec![null; 6]);
    let ids: Vec<u64> = column("id").iter().map(|id| id.as_u64().unwrap()).collect();
    assert!(ids.is_sorted());
    for since in column("since") {
        let since = since.as_str().unwrap();
        assert!(since.len() == 24 && since.starts_with("20") && since.ends_with('Z'), "{since}");
    }
    let names: Vec<_> = sockets[0].as_object().unwrap().keys().cloned().collect();
    let expected =
        ["id", "kind", "transport", "address", "role", "user", "since", "expires", "operations"];
    assert_eq!(names, [&expected[..], &["queued_bytes"]].concat());

    // By role, by user, and page by page.
    for (query, count) in [("?role=user", 4), ("?user=2", 1), ("?role=editor&user=1", 0)] {
        assert_eq!(total(&server, query).await, count, "{query}");
    }
    let page = list(&server, &format!("?role=user&limit=2&after={}", ids[0])).await;
    assert_eq!(page["total"], 4);
    let page: Vec<_> =
        page["sockets"].as_array().unwrap().iter().map(|s| s["id"].clone()).collect();
    assert_eq!(page, [ids[3], ids[4]].map(Value::from));
    modern.stop("1").await;
    modern.nothing_more().await;
    assert_eq!(list(&server, "?user=1").await["sockets"][0]["operations"], 1);

    // Who goes is gone.
    pending.close().await;
    server.sample_becomes("artesian_sockets_pending", 0.0).await;
    drop(_events);
    server.sample_becomes("artesian_connections{transport=\"sse\"}", 1.0).await;
    server.sample_becomes(&format!("artesian_connections{{transport=\"{MODERN}\"}}"), 1.0).await;
    assert_eq!(total(&server, "").await, 4);
}

#[tokio::test]
async fn those_of_a_user_are_closed_and_nobody_else() {
    let server = start().await;
    let mut modern = socket(&server, MODERN, "user", 1).await;
    modern.subscribe("1", "live a").await;
    modern.result("1").await;
    let mut legacy = socket(&server, LEGACY, "editor", 1).await;
    let events = stream(&server, EVENTS, "user", 1).await;
    let parts = stream(&server, PARTS, "user", 1).await;
    let single = channel(&server, "user", 1).await;
    let mut other = socket(&server, MODERN, "user", 2).await;
    other.subscribe("1", "live a").await;
    other.result("1").await;
    let pending = server.connect(MODERN, &[]).await;

    assert_eq!(close(&server, "?user=1").await, 5);
    assert_eq!(modern.closed().await, revoked());
    assert_eq!(legacy.closed().await, revoked());
    for stream in [events, parts, single] {
        is_cut_off(stream).await;
    }
    drop((modern, legacy));
    let closed = |reason| format!("artesian_sockets_closed_total{{reason=\"{reason}\"}}");
    assert_eq!(server.sample(&closed("revoked")), 5.0);
    for transport in [LEGACY, "sse", "multipart"] {
        let name = format!("artesian_connections{{transport=\"{transport}\"}}");
        server.sample_becomes(&name, 0.0).await;
    }
    server.sample_becomes(&format!("artesian_connections{{transport=\"{MODERN}\"}}"), 2.0).await;
    assert_eq!(total(&server, "").await, 2);
    assert_eq!(total(&server, "?user=1").await, 0);
    assert_eq!(server.fake.count("drop a"), 3, "their operations are over");
    // The other one has heard of nothing.
    server.fake.publish("a", "{\"data\":1}");
    assert_eq!(other.result("1").await, json!({"data": 1}));
    // Who comes again is let in, for that is not what was asked.
    let _again = socket(&server, MODERN, "user", 1).await;
    assert_eq!(close(&server, "?role=user").await, 2);
    assert_eq!(other.closed().await, revoked());
    assert_eq!(close(&server, "?role=user&user=9").await, 0);
    // All means all.
    let mut pending = pending;
    assert_eq!(close(&server, "?all=true").await, 1);
    assert_eq!(pending.closed().await, revoked());
    assert_eq!(server.sample(&closed("revoked")), 8.0);
}

#[tokio::test]
async fn a_client_that_says_anew_who_it_is_is_found_by_that() {
    let server = start().await;
    let mut legacy = socket(&server, LEGACY, "user", 1).await;
    legacy.init_again(who("user", 2)).await;
    assert_eq!(close(&server, "?user=1").await, 0);
    assert_eq!(total(&server, "?user=2").await, 1);
    assert_eq!(close(&server, "?user=2").await, 1);
    assert_eq!(legacy.closed().await, revoked());
}

#[tokio::test]
async fn who_came_in_by_a_secret_that_is_taken_away_has_to_go() {
    let secret = |secrets: &[&str]| ServerConfig {
        auth: AuthConfig::with_secrets(secrets.iter().map(|s| (*s).to_owned()).collect()),
        ..support::config()
    };
    let server = start_with(secret(&["old", "new"])).await;
    let (old, new) = ([("x-hasura-admin-secret", "old")], [("x-hasura-admin-secret", "new")]);
    let mut stays = server.connect(MODERN, &new).await;
    stays.init(Value::Null).await;
    let mut goes = server.connect(LEGACY, &old).await;
    goes.init(Value::Null).await;
    let events = open(server.address, post("live a", &[EVENTS, old[0]])).await;
    server.control.prepare(secret(&["new"])).unwrap().commit();
    let (code, reason) = goes.closed().await;
    assert_eq!(code, 4403, "{reason}");
    assert!(reason.starts_with("Forbidden"), "{reason}");
    is_cut_off(events).await;
    stays.subscribe("1", "identity").await;
    assert_eq!(stays.result("1").await["data"]["role"], "admin");
    assert_eq!(server.sample("artesian_sockets_closed_total{reason=\"rotated\"}"), 2.0);
}
