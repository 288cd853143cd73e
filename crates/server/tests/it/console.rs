//! The console's files.

use http::Method;

use crate::support::{self, http::request, start, start_with};

#[tokio::test]
async fn the_console_is_there_under_a_strict_policy() {
    let server = start().await;
    {
        let reply = server.get("/").await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("content-type")),
            (200, "text/html; charset=utf-8")
        );
        assert_eq!(reply.header("cache-control"), "no-cache");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        let policy = reply.header("content-security-policy");
        let directive = |name: &str| {
            let mut all = policy.split(';').map(str::trim);
            all.find_map(|d| d.strip_prefix(name)).unwrap_or_else(|| panic!("{name}")).trim()
        };
        assert_eq!(directive("default-src"), "'none'");
        assert_eq!(directive("script-src"), "'self'");
        assert_eq!(directive("connect-src"), "'self'");
        assert_eq!(directive("frame-ancestors"), "'none'");
        assert_eq!(directive("base-uri"), "'none'");
        assert!(!policy.contains("unsafe-eval") && !policy.contains('*'));
        // Nothing is fetched from elsewhere, and no script stands in the page.
        assert!(!policy.contains("unsafe"));
        let page = reply.text();
        assert!(!page.contains("src=\"http") && !page.contains("href=\"http"));
        assert!(!page.contains("<script>"));
    }
    let head = server.send(request(Method::HEAD, "/", &[], "")).await;
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty() && head.header("content-length") != "0");
    let post = server.send(request(Method::POST, "/", &[], "")).await;
    assert_eq!((post.status.as_u16(), post.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn the_console_stays_in_its_folder() {
    let server = start().await;
    for path in ["/assets/nothing.js", "/assets/../../Cargo.toml", "/assets/%2e%2e/Cargo.toml"] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
    let traversal =
        b"GET /assets/../../../Cargo.toml HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(server.raw(traversal).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn the_console_can_be_switched_off() {
    let config = artesian_server::ServerConfig { console: false, ..support::config() };
    let server = start_with(config).await;
    for method in [Method::GET, Method::POST] {
        let reply = server.send(request(method, "/", &[], "")).await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (404, "not-found".into()));
    }
}
