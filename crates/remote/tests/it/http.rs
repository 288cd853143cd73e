//! Queries and mutations.

use std::time::Duration;

use artesian_remote::{CircuitState, Credentials, RemoteError, Transport, error::Step};
use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;

use crate::support::{
    Service, config, credentials, mutation, peer::counts, query, settle, subscription,
};

const GOOD: &str = r#"{"data":{"n": 1.50},"extensions":{"a":1}}"#;
const JSON: &str = "application/json";

#[tokio::test(start_paused = true)]
async fn a_query_and_its_response() {
    let service = Service::new();
    let client = service.client(config(Transport::Auto));
    let operation = query("{ n }").with_variables(Bytes::from_static(b"{\"x\":1}")).unwrap();
    let asking = async {
        let mut peer = service.accept().await;
        let head = peer.request().await;
        assert_eq!((head.method.as_str(), head.path.as_str()), ("POST", "/graphql?key=1"));
        assert_eq!(head.all("content-type"), [JSON]);
        assert_eq!(
            head.all("accept"),
            ["application/graphql-response+json, application/json;q=0.9"]
        );
        assert_eq!(head.all("authorization"), ["a"]);
        assert!(counts(&head).values().all(|count| *count == 1), "{head:?}");
        assert_eq!(head.json(), json!({"query": "{ n }", "variables": {"x": 1}}));
        peer.respond(200, "text/html", GOOD).await;
        // The connection is used again, by whoever comes next.
        let head = peer.request().await;
        assert!(head.all("authorization").is_empty());
        peer.respond(422, JSON, r#"{"errors":[{"message":"no"}]}"#).await;
    };
    let running = async {
        let response = client.request(&operation, &credentials("a")).await.unwrap();
        assert_eq!(response.text, GOOD);
        assert_eq!(response.data.unwrap(), r#"{"n": 1.50}"#);
        assert_eq!(response.extensions.unwrap(), r#"{"a":1}"#);
        let refused = client.request(&query("{ m }"), &Credentials::none()).await.unwrap();
        assert_eq!(refused.data, None);
        assert_eq!(refused.errors.unwrap(), r#"[{"message":"no"}]"#);
    };
    tokio::join!(asking, running);
    assert_eq!(service.dialled(), 1);
    let stats = client.stats();
    assert_eq!((stats.requests, stats.failed_requests), (2, 0));
}

/// What a client gets for one response to a mutation, which is never repeated.
async fn answered(status: u16, kind: &str, body: impl AsRef<[u8]>) -> RemoteError {
    let service = Service::new();
    let client = service.client(config(Transport::Auto));
    let answering = async {
        let mut peer = service.accept().await;
        peer.request().await;
        peer.respond(status, kind, body).await;
        peer
    };
    let (error, _peer) = tokio::join!(
        async { client.request(&mutation("mutation { n }"), &Credentials::none()).await },
        answering
    );
    assert_eq!(service.dialled(), 1);
    assert_eq!(client.stats().failed_requests, 1);
    error.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn what_is_no_response() {
    let html = "<html>Bad Gateway</html>";
    for (status, kind, body, expected) in [
        (200, "text/html", html, RemoteError::NotJson(200)),
        (200, JSON, r#"{"data":{"n":"#, RemoteError::NotJson(200)),
        (200, JSON, "", RemoteError::NotJson(200)),
        (200, JSON, "[]", RemoteError::NotGraphQL(200)),
        (200, JSON, r#"{"message":"hello"}"#, RemoteError::NotGraphQL(200)),
        (500, "text/html", html, RemoteError::Status(500)),
        (401, JSON, r#"{"message":"no"}"#, RemoteError::Status(401)),
        (503, JSON, "", RemoteError::Status(503)),
        (307, JSON, GOOD, RemoteError::Redirect(307)),
    ] {
        assert_eq!(answered(status, kind, body).await, expected, "{status} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_too_large_is_not_read_to_its_end() {
    let service = Service::new();
    let client = service.client(config(Transport::Auto));
    let answering = async {
        let mut peer = service.accept().await;
        peer.request().await;
        peer.begin(JSON).await;
        let mut sent = 0;
        while sent < 50 << 20 && peer.send([b'x'; 1 << 16]).await {
            sent += 1 << 16;
        }
        sent
    };
    let operation = query("{ n }");
    let nobody = Credentials::none();
    let (result, sent) = tokio::join!(client.request(&operation, &nobody), answering);
    assert_eq!(result.unwrap_err(), RemoteError::TooLarge(16 << 20));
    assert!(sent < 17 << 20, "{sent}");
    assert_eq!(service.dialled(), 1, "what is too large once is not asked for again");
}

#[tokio::test(start_paused = true)]
async fn one_byte_a_second_is_not_waited_for() {
    let service = Service::new();
    let client = service.client(config(Transport::Auto));
    let start = Instant::now();
    let dripping = tokio::spawn(async move {
        let mut peer = service.accept().await;
        peer.request().await;
        peer.begin(JSON).await;
        while peer.send(" ").await {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let error = client.request(&query("{ n }"), &Credentials::none()).await.unwrap_err();
    let limit = Duration::from_secs(30);
    assert_eq!(error, RemoteError::Timeout { what: Step::Respond, limit });
    assert_eq!(start.elapsed(), limit);
    dripping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn mutations_are_repeated_only_if_they_were_never_sent() {
    let service = Service::new();
    let client = service.client(config(Transport::Auto));
    let nobody = Credentials::none();

    // No connection comes about at first.
    service.set_up(false);
    let operation = mutation("mutation { n }");
    let running = client.request(&operation, &nobody);
    let coming_back = async {
        while service.dialled() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        service.set_up(true);
        let mut peer = service.accept().await;
        peer.request().await;
        peer.respond(200, JSON, GOOD).await;
        peer.gone().await;
    };
    let (response, ()) = tokio::join!(running, async {
        tokio::select! { () = coming_back => {}, () = tokio::time::sleep(Duration::from_secs(5)) => {} }
    });
    assert_eq!(response.unwrap().text, GOOD);
    assert_eq!(client.stats().retries, 2);

    // Sent, and then the connection breaks: a query is asked again, a mutation is not.
    for (operation, times) in [(mutation("mutation { n }"), 1), (query("{ n }"), 3)] {
        let service = Service::new();
        let client = service.client(config(Transport::Auto));
        let breaking = async {
            for _ in 0..times {
                let mut peer = service.accept().await;
                peer.request().await;
            }
        };
        let (result, ()) = tokio::join!(client.request(&operation, &nobody), breaking);
        assert!(matches!(result.unwrap_err(), RemoteError::Lost { .. }));
        assert_eq!(service.dialled(), times);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_is_left_alone_and_asked_again() {
    let service = Service::new();
    service.set_up(false);
    let mut config = config(Transport::Auto);
    config.retry.attempts = 0;
    let client = service.client(config);
    let (operation, nobody) = (query("{ n }"), Credentials::none());
    for _ in 0..5 {
        let error = client.request(&operation, &nobody).await.unwrap_err();
        assert!(matches!(error, RemoteError::Unreachable(_)), "{error:?}");
    }
    assert_eq!(client.stats().circuit, CircuitState::Open);
    for _ in 0..100 {
        let error = client.request(&operation, &nobody).await.unwrap_err();
        assert_eq!(error, RemoteError::CircuitOpen);
    }
    assert_eq!(service.dialled(), 5);
    tokio::time::sleep(Duration::from_secs(1)).await;
    service.set_up(true);
    let answering = async {
        let mut peer = service.accept().await;
        for _ in 0..2 {
            peer.request().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            peer.respond(200, JSON, GOOD).await;
        }
        peer
    };
    // The first one tries, and the second waits for what comes of it.
    let (first, second) =
        (client.request(&operation, &nobody), client.request(&operation, &nobody));
    let (first, second, _peer) = tokio::join!(first, second, answering);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(service.dialled(), 6);
    assert_eq!(client.stats().circuit, CircuitState::Closed);
    assert_eq!(client.stats().circuit_openings, 1);
}

#[tokio::test(start_paused = true)]
async fn few_run_at_a_time_and_few_wait() {
    let service = Service::new();
    let mut config = config(Transport::Auto);
    config.limits.concurrent_requests = 2;
    config.limits.waiting_requests = 1;
    let client = std::sync::Arc::new(service.client(config));
    let ask = || {
        let client = std::sync::Arc::clone(&client);
        tokio::spawn(async move { client.request(&query("{ n }"), &Credentials::none()).await })
    };
    let (first, _second, third) = (ask(), ask(), ask());
    settle().await;
    let fourth = ask().await.unwrap();
    assert_eq!(fourth.unwrap_err(), RemoteError::Busy { what: "waiting requests", limit: 1 });
    assert_eq!(service.dialled(), 2);
    let mut peer = service.accept().await;
    let _other = service.accept().await;
    peer.request().await;
    peer.respond(200, JSON, GOOD).await;
    first.await.unwrap().unwrap();
    peer.request().await;
    peer.respond(200, JSON, GOOD).await;
    third.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn kinds_are_not_mixed_up() {
    let service = Service::new();
    let client = service.client(config(Transport::Auto));
    let nobody = Credentials::none();
    let error = client.request(&subscription("subscription { n }"), &nobody).await;
    assert!(matches!(error, Err(RemoteError::Request(_))));
    let error = client.subscribe(mutation("mutation { n }"), nobody);
    assert!(matches!(error, Err(RemoteError::Request(_))));
    assert_eq!(service.dialled(), 0);
}
