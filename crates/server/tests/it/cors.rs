//! Pages of other origins.

use artesian_server::{Cors, CsrfRule, ServerConfig};
use http::{Method, Request};
use http_body_util::Full;

use crate::support::{
    self, TestServer,
    http::{post, request},
    socket::MODERN,
    start_with,
};

const GOOD: &str = "https://app.example.com";
const BAD: &str = "https://evil.example.org";
const ALLOW: &str = "access-control-allow-origin";

async fn server(cors: Cors) -> TestServer {
    start_with(ServerConfig { cors, ..support::config() }).await
}

fn preflight(origin: &str) -> Request<Full<bytes::Bytes>> {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-hasura-role"),
    ];
    request(Method::OPTIONS, "/v1/graphql", &headers, "")
}

#[tokio::test]
async fn everybody_without_credentials_by_default() {
    let server = server(Cors::AllowAll).await;
    let reply = server.send(preflight(BAD)).await;
    assert_eq!((reply.status.as_u16(), reply.header(ALLOW)), (204, "*"));
    assert_eq!(reply.header("access-control-allow-headers"), "content-type,x-hasura-role");
    assert_eq!(reply.header("access-control-allow-methods"), "GET, POST");
    for query in ["identity", "invalid", "mutation"] {
        let reply = server.send(post(query, &[("origin", BAD)])).await;
        assert_eq!(reply.header(ALLOW), "*");
        assert_eq!(reply.header("access-control-allow-credentials"), "");
    }
    // Errors can be read too.
    let reply = server.send(post("identity", &[("origin", BAD), ("content-type", "x/y")])).await;
    assert_eq!((reply.status.as_u16(), reply.header(ALLOW)), (415, "*"));
    server.connect(MODERN, &[("origin", BAD)]).await.init(serde_json::Value::Null).await;
}

#[tokio::test]
async fn a_list_admits_its_members_only() {
    let server = server(Cors::List(vec![GOOD.into()])).await;
    for (origin, allowed) in [(GOOD, GOOD), (BAD, "")] {
        let reply = server.send(preflight(origin)).await;
        assert_eq!((reply.status.as_u16(), reply.header(ALLOW)), (204, allowed));
        let reply = server.send(post("identity", &[("origin", origin)])).await;
        assert_eq!(reply.header(ALLOW), allowed);
        assert_eq!(reply.header("vary"), "origin");
    }
    server.connect(MODERN, &[("origin", GOOD)]).await.init(serde_json::Value::Null).await;
    let upgrade = |origin: &str| {
        request(
            Method::GET,
            "/graphql",
            &[
                ("origin", origin),
                ("upgrade", "websocket"),
                ("connection", "upgrade"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("sec-websocket-protocol", MODERN),
            ],
            "",
        )
    };
    for origin in [BAD, "null", "https://app.example.com.evil.org"] {
        let reply = server.send(upgrade(origin)).await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (403, "access-denied".into()));
    }
}

#[tokio::test]
async fn disabled_says_nothing() {
    let server = server(Cors::Disabled).await;
    let reply = server.send(preflight(GOOD)).await;
    assert_eq!((reply.status.as_u16(), reply.header(ALLOW)), (204, ""));
    assert_eq!(server.send(post("identity", &[("origin", GOOD)])).await.header(ALLOW), "");
}

#[tokio::test]
async fn the_strict_rule_wants_a_header_that_forces_a_preflight() {
    let csrf = CsrfRule::Strict;
    let server = start_with(ServerConfig { csrf, ..support::config() }).await;
    let get =
        |headers: &[(&str, &str)]| request(Method::GET, "/graphql?query=identity", headers, "");
    let rows: [(&[(&str, &str)], u16); 4] = [
        (&[], 403),
        (&[("accept", "text/event-stream")], 403),
        (&[("graphql-require-preflight", "1")], 200),
        (&[("sec-fetch-site", "same-origin")], 200),
    ];
    for (headers, status) in rows {
        let reply = server.send(get(headers)).await;
        assert_eq!(reply.status, status, "{headers:?}");
        assert!(status == 200 || reply.error_code() == "access-denied");
    }
    assert_eq!(server.send(post("identity", &[])).await.status, 200);
}
