//! POST, GET, statuses, limits.

use std::time::Duration;

use artesian_server::{ServerConfig, StatusProfile};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    self, LIMIT,
    http::{open, post, request},
    start, start_with,
};

const NEW: &str = "application/graphql-response+json";

#[tokio::test]
async fn statuses_by_profile_and_media_type() {
    // (document, code of the error, Hasura's status, with the new type, the specification's status)
    let rows = [
        ("identity", "", 200, 200, 200),
        ("mutation", "", 200, 200, 200),
        ("syntax", "validation-failed", 200, 400, 400),
        ("invalid", "validation-failed", 200, 400, 422),
        ("forbidden", "permission-error", 200, 403, 403),
        ("failing", "data-exception", 200, 200, 294),
        ("live x", "not-supported", 200, 400, 422),
    ];
    let hasura = start().await;
    let config = ServerConfig { status_profile: StatusProfile::Spec, ..support::config() };
    let spec = start_with(config).await;
    for (query, code, plain, new, specified) in rows {
        let cases = [
            (&hasura, "application/json", plain),
            (&hasura, NEW, new),
            (&spec, "application/json", specified),
            (&spec, NEW, specified),
        ];
        for (server, accept, status) in cases {
            let reply = server.send(post(query, &[("accept", accept)])).await;
            assert_eq!(reply.status, status, "{query} {accept}");
            // A 4xx of the draft never looks like the old type.
            let is_relabelled = status >= 400 && std::ptr::eq(server, &spec);
            let media = if is_relabelled { NEW } else { accept };
            assert_eq!(reply.header("content-type"), format!("{media}; charset=utf-8"));
            if !code.is_empty() {
                assert_eq!(reply.error_code(), code, "{query}");
            }
        }
    }
}

#[tokio::test]
async fn bytes_of_results_are_passed_on_as_they_are() {
    let server = start().await;
    let bytes = "{\"data\" : {\n  \"a\": 1.000, \"a\": \"\\u00e9é\" }}";
    server.fake.publish("odd", bytes);
    for path in ["/graphql", "/v1/graphql"] {
        let get = request(Method::GET, &format!("{path}?query=raw%20odd"), &[], "");
        for request in [post("raw odd", &[]), get] {
            let reply = server.send(request).await;
            assert_eq!(reply.text(), bytes);
            assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
            assert_eq!(reply.header("content-length"), bytes.len().to_string());
        }
    }
}

#[tokio::test]
async fn variables_and_operation_names_arrive() {
    let server = start().await;
    let body = r#"{"query":"variables","operationName":"Q","variables":{"n":1.10},"x":1}"#;
    let json = [("content-type", "application/json; charset=utf-8")];
    let post = request(Method::POST, "/graphql", &json, body);
    let path = "/graphql?query=variables&operationName=Q&variables=%7B%22n%22:1.10%7D&x=1";
    let get = request(Method::GET, path, &[], "");
    for request in [post, get] {
        let reply = server.send(request).await;
        assert_eq!(reply.text(), r#"{"data":{"variables":{"n":1.10},"operationName":"Q"}}"#);
    }
}

#[tokio::test]
async fn malformed_requests() {
    let server = start().await;
    let deep =
        format!("{{\"query\":\"a\",\"variables\":{}1{}}}", "[".repeat(99_999), "]".repeat(99_999));
    let deep_object = format!(
        "{{\"query\":\"a\",\"variables\":{}1{}}}",
        "{\"a\":".repeat(9_999),
        "}".repeat(9_999)
    );
    let rows: &[(&[u8], u16, &str)] = &[
        (b"", 400, "invalid-json"),
        (b"{\"query\":", 400, "invalid-json"),
        (b"{\"query\":\"\xff\"}", 400, "invalid-json"),
        (b"{\"query\":\"a\"} x", 400, "invalid-json"),
        (b"[{\"query\":\"a\"}]", 400, "not-supported"),
        (b"{}", 400, "parse-failed"),
        (b"{\"query\":1}", 400, "parse-failed"),
        (b"{\"query\":\"a\",\"variables\":[]}", 400, "parse-failed"),
        (b"{\"documentId\":1}", 400, "parse-failed"),
    ];
    let json = [("content-type", "application/json")];
    for (body, status, code) in rows {
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = server.raw(&[head.as_bytes(), body].concat()).await;
        let shown = String::from_utf8_lossy(body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{shown}: {answer}");
    }
    for body in [deep, deep_object] {
        let reply = server.send(request(Method::POST, "/graphql", &json, &body)).await;
        assert_eq!(reply.status, 400);
        assert!(["invalid-json", "parse-failed"].contains(&reply.error_code().as_str()));
    }
    for path in ["/graphql", "/graphql?query=%ff", "/graphql?query=a&variables=1"] {
        let reply = server.get(path).await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (400, "parse-failed".into()));
    }
}

#[tokio::test]
async fn media_types_and_methods() {
    let server = start().await;
    for media in
        ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"]
    {
        let reply = server.send(post("identity", &[("content-type", media)])).await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (415, "invalid-headers".into()));
    }
    let twice = [("content-type", "application/json"), ("content-type", "text/plain")];
    assert_eq!(server.send(post("identity", &twice)).await.status, 415);
    for (coding, status) in [("gzip", 415), ("br, gzip", 415), ("", 200), ("identity", 200)] {
        let reply = server.send(post("identity", &[("content-encoding", coding)])).await;
        assert_eq!(reply.status.as_u16(), status, "{coding}");
    }
    for accept in ["image/png", "text/html", "multipart/mixed"] {
        let reply = server.send(post("identity", &[("accept", accept)])).await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (406, "invalid-headers".into()));
    }
    let reply = server.get("/graphql?query=mutation").await;
    assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "POST"));
    assert_eq!(reply.error_code(), "bad-request");
    assert_eq!(server.fake.log(), Vec::<String>::new());
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD] {
        let reply = server.send(request(method.clone(), "/graphql", &[], "")).await;
        assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "GET, POST, OPTIONS"));
    }
    let options = server.send(request(Method::OPTIONS, "/graphql", &[], "")).await;
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, "GET, POST, OPTIONS"));
    let form = [("content-type", "text/plain")];
    let get = request(Method::GET, "/graphql?query=identity", &form, "");
    assert_eq!(server.send(get).await.status, 415);
}

#[tokio::test]
async fn bodies_are_limited() {
    let server = start_with(ServerConfig { max_body_bytes: 1000, ..support::config() }).await;
    let fitting = "a".repeat(900);
    assert_eq!(server.post(&fitting).await.status, 200);
    let reply = server.post(&"a".repeat(1000)).await;
    assert_eq!((reply.status.as_u16(), reply.error_code()), (413, "limit-exceeded".into()));
    // Announced only: refused before it is sent.
    let head = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let announced = format!("{head}Connection: close\r\nContent-Length: 1001\r\n\r\n");
    assert!(server.raw(announced.as_bytes()).await.starts_with("HTTP/1.1 413 "));
    // Not announced.
    let chunk = format!("3e8\r\n{}\r\n", "a".repeat(1000));
    let chunked =
        format!("{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}");
    assert!(server.raw(chunked.as_bytes()).await.starts_with("HTTP/1.1 413 "));
}

/// Closed with unread bytes in it, a socket would be reset, and the answer lost.
#[tokio::test]
async fn who_is_refused_while_sending_hears_of_it() {
    let server = start_with(ServerConfig { max_body_bytes: 1000, ..support::config() }).await;
    let body = "a".repeat(4 << 20);
    for (headers, status) in [
        ("Content-Type: application/json\r\n", 413),
        ("Content-Type: text/plain\r\n", 415),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", 415),
        ("Content-Type: application/json\r\nAccept: image/png\r\n", 406),
    ] {
        let length = body.len();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        let answer = server.raw(format!("{head}{body}").as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {answer}");
    }
    // The same connection serves what comes after a body that was not wanted.
    let refused = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n";
    let next = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let both = format!("{refused}{}{next}", "a".repeat(100_000));
    let answers = server.raw(both.as_bytes()).await;
    assert!(answers.contains("HTTP/1.1 415 ") && answers.contains("HTTP/1.1 200 "), "{answers}");
}

#[tokio::test]
async fn who_sends_too_slowly_is_let_go() {
    let read_timeout = Duration::from_millis(50);
    let server = start_with(ServerConfig { read_timeout, ..support::config() }).await;
    // Nothing, half of HTTP/2's preface, half a head.
    for start in ["", "PRI * HTTP/2", "GET / HT"] {
        assert_eq!(server.raw(start.as_bytes()).await, "", "{start}");
    }
    let head = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 10\r\n\r\n{";
    assert!(server.raw(head.as_bytes()).await.starts_with("HTTP/1.1 408 "));
    server.sample_becomes("artesian_connections{transport=\"http\"}", 0.0).await;
}

#[tokio::test]
async fn long_heads_are_refused() {
    let server = start().await;
    let head = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");
}

#[tokio::test]
async fn operations_are_limited_in_time() {
    let request_timeout = Duration::from_millis(20);
    let server = start_with(ServerConfig { request_timeout, ..support::config() }).await;
    let reply = server.post("hang a").await;
    assert_eq!((reply.status, reply.error_code()), (StatusCode::GATEWAY_TIMEOUT, "timeout".into()));
    server.fake.happened("drop a").await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_operation() {
    let server = start().await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let head = "GET /graphql?query=hang+a HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    server.fake.happened("run a").await;
    drop(stream);
    server.fake.happened("drop a").await;
    let cancelled =
        "artesian_operations_total{transport=\"http\",kind=\"query\",outcome=\"cancelled\"}";
    server.sample_becomes(cancelled, 1.0).await;
}

#[tokio::test]
async fn http2_with_prior_knowledge() {
    let server = start().await;
    let reply = server.send_http2(post("identity", &[("x-hasura-role", "user")])).await;
    assert_eq!(reply.json()["data"]["role"], "user");
    let head = server.send_http2(request(Method::HEAD, "/healthz", &[], "")).await;
    assert_eq!(
        (head.status.as_u16(), head.header("content-length"), &head.body[..]),
        (200, "2", &b""[..])
    );
}

#[tokio::test]
async fn operations_of_one_connection_do_not_wait_for_each_other_over_http2() {
    let server = start().await;
    let slow = server.send_http2(post("hang a", &[]));
    let fast = async {
        server.fake.happened("run a").await;
        let reply = server.send_http2(post("identity", &[])).await;
        server.fake.release("a");
        reply
    };
    let (slow, fast) =
        tokio::time::timeout(LIMIT, async { tokio::join!(slow, fast) }).await.unwrap();
    assert_eq!((slow.json(), fast.status.as_u16()), (json!({"data": "a"}), 200));
}

#[tokio::test]
async fn health_and_unknown_paths() {
    let server = start().await;
    assert_eq!(server.get("/healthz").await.text(), "OK");
    assert_eq!(server.get("/readyz").await.status, 200);
    server.fake.set_ready(Err("connection to db.internal refused".into()));
    let reply = server.get("/readyz").await;
    assert_eq!(reply.status, 503);
    assert!(!reply.text().contains("db.internal"));
    assert_eq!(server.get("/healthz").await.status, 200);
    let reply = server.send(request(Method::POST, "/healthz", &[], "")).await;
    assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "GET, HEAD"));
    for method in [Method::GET, Method::POST] {
        let reply = server.send(request(method, "/v1/query", &[], "")).await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (404, "not-found".into()));
    }
    let head = server.send(request(Method::HEAD, "/healthz", &[], "")).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "2"));
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn keep_alive_connections_serve_many_requests() {
    let server = start().await;
    let one = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = server.raw(format!("{one}{one}{last}").as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3);
    let response = open(server.address, request(Method::GET, "/healthz", &[], "")).await;
    assert_eq!(response.status(), 200);
}
