//! Pages of other origins, and when the browser's cookies count.

use artesian_server::{
    AuthConfig, Cors, CsrfRule, LimitsConfig, RateLimit, ServerConfig,
    auth::{Mode, config::parse_jwt_secrets},
};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{
    self, LIMIT, TestServer,
    http::{open, post, request},
    socket::{LEGACY, MODERN},
    start_with,
};

const GOOD: &str = "https://app.example.com";
/// As all requests of these tests say in `Host`.
const OWN: &str = "http://localhost";
const BAD: &str = "https://evil.example.org";
const EVENTS: (&str, &str) = ("accept", "text/event-stream");
const TOKEN: &str = "x-graphql-event-stream-token";
/// A token of the role `user` without an end, signed with [`KEY`].
const COOKIE: (&str, &str) = (
    "cookie",
    "other=1; session=eyJhbGciOiJIUzI1NiJ9.eyJodHRwczovL2hhc3VyYS5pby9qd3QvY2xhaW1zIjogeyJ4LWhhc3VyYS1kZWZhdWx0LXJvbGUiOiAidXNlciIsICJ4LWhhc3VyYS1hbGxvd2VkLXJvbGVzIjogWyJ1c2VyIl0sICJ4LWhhc3VyYS11c2VyLWlkIjogIjcifX0.zVwN0eE2Lch5OslPR58dVYQAnJwRx7gH_UtmHHlOSlo",
);
const KEY: &str = "0123456789abcdef0123456789abcdef";

type Headers<'a> = &'a [(&'a str, &'a str)];

const ALLOW: &str = "access-control-allow-origin";

async fn server(cors: Cors) -> TestServer {
    start_with(ServerConfig { cors, ..support::config() }).await
}

fn upgrade(protocol: &str, headers: Headers<'_>) -> Request<Full<bytes::Bytes>> {
    let all = [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", protocol),
    ];
    request(Method::GET, "/graphql", &[&all[..], headers].concat(), "")
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
    readable_without_credentials(Cors::Default).await;
}

#[tokio::test]
async fn everybody_without_credentials_by_a_star() {
    readable_without_credentials(Cors::AllowAll).await;
}

async fn readable_without_credentials(cors: Cors) {
    let server = server(cors).await;
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
    for origin in [BAD, "null", "https://app.example.com.evil.org"] {
        let reply = server.send(upgrade(MODERN, &[("origin", origin)])).await;
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

/// Identity by a cookie; who has none is `anonymous`.
async fn server_with_cookies(cors: Cors, ws_read_cookie: bool) -> TestServer {
    let secret = json!({
        "type": "HS256", "key": KEY, "header": {"type": "Cookie", "name": "session"},
    });
    let mode = Mode::Jwt(parse_jwt_secrets(&secret.to_string()).unwrap());
    let unauthorized_role = Some("anonymous".to_owned());
    let auth = AuthConfig { mode, unauthorized_role, ..AuthConfig::default() };
    start_with(ServerConfig { auth, cors, ws_read_cookie, ..support::config() }).await
}

/// `u`: the user of the cookie, `a`: nobody.
fn role(text: &str) -> char {
    let (_, rest) = text.split_once("\"role\":\"").unwrap_or_else(|| panic!("no role: {text}"));
    let role = rest.split('"').next().unwrap();
    match role {
        "user" => 'u',
        "anonymous" => 'a',
        _ => panic!("{role}"),
    }
}

fn with<'a>(headers: Headers<'a>, more: Headers<'a>) -> Vec<(&'a str, &'a str)> {
    [headers, &[COOKIE], more].concat()
}

/// Who a client is on every way: by GET, POST, HTTP/2, event stream by GET, the same in single
/// connection mode, multipart by POST; and as both kinds of socket, if not refused (`x`).
async fn roles(server: &TestServer, headers: Headers<'_>) -> (String, String) {
    let (mut http, mut sockets) = (String::new(), String::new());
    let get = |more: Headers<'_>| {
        request(Method::GET, "/graphql?query=identity", &with(headers, more), "")
    };
    http.push(role(server.send(get(&[])).await.text()));
    http.push(role(server.send(post("identity", &with(headers, &[]))).await.text()));
    http.push(role(server.send_http2(post("identity", &with(headers, &[]))).await.text()));
    http.push(role(server.send(get(&[EVENTS])).await.text()));
    let reserved = request(Method::PUT, "/graphql/stream", &with(headers, &[]), "");
    let token = server.send(reserved).await.text().to_owned();
    let token = (TOKEN, &*token);
    let body = json!({"query": "identity", "extensions": {"operationId": "1"}}).to_string();
    let json = ("content-type", "application/json");
    let start = request(Method::POST, "/graphql/stream", &with(headers, &[token, json]), &body);
    assert_eq!(server.send(start).await.status, 202);
    // Only the client that has reserved it finds the stream.
    let get = request(Method::GET, "/graphql/stream", &with(headers, &[token, EVENTS]), "");
    let mut stream = open(server.address, get).await.into_body();
    let mut text = String::new();
    while !text.contains("event: complete") {
        let frame = timeout(LIMIT, stream.frame()).await.unwrap().unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    http.push(role(&text));
    let multipart = ("accept", "multipart/mixed;subscriptionSpec=1.0");
    http.push(role(server.send(post("identity", &with(headers, &[multipart]))).await.text()));
    for protocol in [MODERN, LEGACY] {
        let reply = open(server.address, upgrade(protocol, &with(headers, &[]))).await;
        if reply.status() == 403 {
            sockets.push('x');
            continue;
        }
        let mut socket = server.connect(protocol, &with(headers, &[("host", "localhost")])).await;
        socket.init(Value::Null).await;
        socket.subscribe("1", "identity").await;
        sockets.push(role(&socket.result("1").await.to_string()));
    }
    (http, sockets)
}

#[tokio::test]
async fn cookies_count_from_pages_that_may_use_them() {
    let list = || Cors::List(vec![GOOD.to_owned()]);
    // For each page: http, sockets. The ways of HTTP in the order of `roles`.
    type Row = (&'static str, &'static str);
    let table: [(Cors, bool, [Row; 4]); 5] = [
        // none, own, listed (if there is a list), evil
        (
            Cors::Default,
            false,
            [("uuuuuu", "uu"), ("uuuuuu", "uu"), ("aaaaaa", "aa"), ("aaaaaa", "aa")],
        ),
        (
            Cors::AllowAll,
            false,
            [("uuuuuu", "uu"), ("uuuuuu", "uu"), ("uuuuuu", "uu"), ("uuuuuu", "uu")],
        ),
        (list(), false, [("uuuuuu", "uu"), ("uuuuuu", "uu"), ("uuuuuu", "uu"), ("aaaaaa", "xx")]),
        (
            Cors::Disabled,
            false,
            [("uuuuuu", "uu"), ("uuuuuu", "aa"), ("auuauu", "aa"), ("auuauu", "aa")],
        ),
        (
            Cors::Disabled,
            true,
            [("uuuuuu", "uu"), ("uuuuuu", "uu"), ("auuauu", "uu"), ("auuauu", "uu")],
        ),
    ];
    for (cors, ws_read_cookie, rows) in table {
        let server = server_with_cookies(cors.clone(), ws_read_cookie).await;
        for (origin, (http, sockets)) in ["", OWN, GOOD, BAD].into_iter().zip(rows) {
            let headers = [("origin", origin)];
            let got = roles(&server, if origin.is_empty() { &[] } else { &headers }).await;
            assert_eq!((&*got.0, &*got.1), (http, sockets), "{cors:?} {ws_read_cookie} {origin}");
        }
    }
}

#[tokio::test]
async fn pages_may_read_when_to_come_back() {
    let rate = RateLimit { per_second: 1, burst: 1 };
    let limits = LimitsConfig { request_rate_per_identity: rate, ..LimitsConfig::default() };
    let list = Cors::List(vec![GOOD.to_owned()]);
    let server = start_with(ServerConfig { cors: list, limits, ..support::config() }).await;
    let exposed = async |origin: &str| {
        let headers = [("x-hasura-role", "user"), ("x-hasura-user-id", origin), ("origin", origin)];
        let ask = || post("identity", &headers);
        let (first, second) = (server.send(ask()).await, server.send(ask()).await);
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 429));
        let names = "access-control-expose-headers";
        (first.header(names).to_owned(), second.header(names).to_owned())
    };
    let (first, second) = exposed(GOOD).await;
    assert_eq!(first, "ratelimit, ratelimit-policy");
    assert_eq!(second, "retry-after, ratelimit, ratelimit-policy");
    assert_eq!(exposed(BAD).await, Default::default());
}
