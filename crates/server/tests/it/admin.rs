//! The administrator's list of sockets: who may see it, and what is asked of requests.

use artesian_server::{AuthConfig, ServerConfig};
use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{
    self, TestServer,
    http::{Reply, request},
    start, start_with,
};

const SECRET: (&str, &str) = ("x-hasura-admin-secret", "s3cret");

async fn ask(server: &TestServer, method: Method, query: &str, headers: &[(&str, &str)]) -> Reply {
    server.send(request(method, &format!("/v1/sockets{query}"), headers, "")).await
}

#[tokio::test]
async fn only_the_administrator_may_ask() {
    let auth = AuthConfig::with_secrets(vec![SECRET.1.to_owned()]);
    let server = start_with(ServerConfig { auth, ..support::config() }).await;
    let user = [SECRET, ("x-hasura-role", "user"), ("x-hasura-user-id", "7")];
    for (method, query) in [(Method::GET, ""), (Method::DELETE, "?all=true")] {
        let stranger = ask(&server, method.clone(), query, &[]).await;
        assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
        assert_eq!(stranger.error_code(), "access-denied");
        assert_eq!(stranger.header("www-authenticate"), "x-hasura-admin-secret");
        let other = ask(&server, method.clone(), query, &user).await;
        assert_eq!(other.status, StatusCode::FORBIDDEN);
        assert_eq!(other.error_code(), "access-denied");
        // Not even whether the question makes sense.
        let vague = ask(&server, method.clone(), "?what=1", &user).await;
        assert_eq!(vague.status, StatusCode::FORBIDDEN);
        let admin = ask(&server, method, query, &[SECRET]).await;
        assert_eq!(admin.status, StatusCode::OK);
        assert_eq!(admin.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn questions_that_are_not_clear_are_refused() {
    let server = start().await;
    let list = ask(&server, Method::GET, "?role=user&limit=5", &[]).await;
    assert_eq!(list.json(), json!({"sockets": [], "total": 0}));
    let head = ask(&server, Method::HEAD, "", &[]).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    let closed = ask(&server, Method::DELETE, "?user=7", &[]).await;
    assert_eq!(closed.json(), json!({"closed": 0}));
    for (method, query) in [
        (Method::GET, "?limit=0"),
        (Method::GET, "?usr=7"),
        (Method::DELETE, ""),
        (Method::DELETE, "?user="),
        (Method::DELETE, "?all=true&role=user"),
    ] {
        let reply = ask(&server, method, query, &[]).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(reply.error_code(), "bad-request");
    }
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        let reply = ask(&server, method, "", &[]).await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(reply.header("allow"), "GET, HEAD, DELETE, OPTIONS");
        assert_eq!(reply.error_code(), "bad-request");
    }
}

/// What the sources say is tested with the binary (tests/upstreams).
#[tokio::test]
async fn sources_are_for_the_administrator_too() {
    let auth = AuthConfig::with_secrets(vec![SECRET.1.to_owned()]);
    let server = start_with(ServerConfig { auth, ..support::config() }).await;
    let user = [SECRET, ("x-hasura-role", "user")];
    let ask = async |method: Method, headers: &[(&str, &str)]| {
        server.send(request(method, "/v1/sources?all=true", headers, "")).await
    };
    for method in [Method::GET, Method::POST] {
        assert_eq!(ask(method.clone(), &[]).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(ask(method.clone(), &user).await.status, StatusCode::FORBIDDEN);
        let forged = ask(method.clone(), &[SECRET, ("cookie", "session=1")]).await;
        assert_eq!(forged.status == StatusCode::FORBIDDEN, method == Method::POST);
        // This server has no sources yet.
        let early = ask(method, &[SECRET]).await;
        assert_eq!(early.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let other = ask(Method::DELETE, &[SECRET]).await;
    assert_eq!(other.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(other.header("allow"), "GET, HEAD, POST, OPTIONS");
}

#[tokio::test]
async fn pages_of_other_origins_cannot_ask() {
    let server = start().await;
    let origin = ("origin", "https://evil.example");
    let preflight = [origin, ("access-control-request-method", "DELETE")];
    let reply = ask(&server, Method::OPTIONS, "?all=true", &preflight).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    for name in ["access-control-allow-origin", "access-control-allow-methods"] {
        assert!(!reply.headers.contains_key(name));
    }
    assert!(
        !ask(&server, Method::GET, "", &[origin])
            .await
            .headers
            .contains_key("access-control-allow-origin")
    );
    // Whatever a browser lets through.
    let cookie = ("cookie", "session=1");
    for sign in [origin, cookie, ("sec-fetch-site", "cross-site")] {
        let reply = ask(&server, Method::DELETE, "?all=true", &[sign]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{sign:?}");
        assert_eq!(reply.error_code(), "access-denied");
    }
    for proof in [("sec-fetch-site", "same-origin"), ("graphql-require-preflight", "1")] {
        let reply = ask(&server, Method::DELETE, "?all=true", &[cookie, proof]).await;
        assert_eq!(reply.status, StatusCode::OK, "{proof:?}");
    }
}
