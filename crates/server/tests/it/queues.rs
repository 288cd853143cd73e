//! Queues in front of preparation and execution.

use artesian_server::{LimitsConfig, ServerConfig};
use http::StatusCode;

use crate::support::{
    self, TestServer,
    http::{open, post, read},
    socket::{LEGACY, MODERN},
    start_with,
};

const WAITING: &str = "artesian_operations_waiting";
const EXECUTING: &str = "artesian_operations_executing";
const EVENTS: (&str, &str) = ("accept", "text/event-stream");

async fn server(limits: LimitsConfig) -> TestServer {
    start_with(ServerConfig { limits, ..support::config() }).await
}

#[tokio::test]
async fn a_burst_of_queries_waits_for_its_turn_on_every_transport() {
    let server = server(LimitsConfig { max_executions: 1, ..Default::default() }).await;
    let mut modern = server.socket(MODERN).await;
    let mut legacy = server.socket(LEGACY).await;
    modern.subscribe("1", "hang a").await;
    server.fake.happened("run a").await;
    legacy.subscribe("2", "hang b").await;
    server.sample_becomes(WAITING, 1.0).await;
    let send = |request| {
        let address = server.address;
        tokio::spawn(async move { read(open(address, request).await).await })
    };
    let http = send(post("hang c", &[]));
    server.sample_becomes(WAITING, 2.0).await;
    let sse = send(post("hang d", &[EVENTS]));
    server.sample_becomes(WAITING, 3.0).await;
    // Live operations do not wait: they have a queue of their own.
    modern.subscribe("live", "live x").await;
    modern.result("live").await;
    // Who leaves the queue is not run.
    modern.subscribe("3", "hang e").await;
    server.sample_becomes(WAITING, 4.0).await;
    modern.stop("3").await;
    server.sample_becomes(WAITING, 3.0).await;
    let runs = || -> Vec<String> {
        let mut log = server.fake.log();
        log.retain(|entry| entry.starts_with("run ") && entry != "run x");
        log
    };
    assert_eq!(runs(), ["run a"]);
    assert_eq!(server.sample(EXECUTING), 1.0);
    for (name, next) in [("a", "run b"), ("b", "run c"), ("c", "run d")] {
        server.fake.release(name);
        server.fake.happened(next).await;
        assert_eq!(server.sample(EXECUTING), 1.0);
    }
    server.fake.release("d");
    let (http, sse) = (http.await.unwrap(), sse.await.unwrap());
    assert!(http.text().contains("\"c\"") && sse.text().contains("\"d\""));
    modern.result("1").await;
    modern.completed("1").await;
    legacy.result("2").await;
    legacy.completed("2").await;
    // In the order of their arrival.
    assert_eq!(runs(), ["run a", "run b", "run c", "run d"]);
    server.sample_becomes(EXECUTING, 0.0).await;
    assert_eq!(server.sample(WAITING), 0.0);
}

#[tokio::test]
async fn a_full_queue_is_told_at_once_on_every_transport() {
    let limits = LimitsConfig { max_executions: 1, max_waiting: 1, ..Default::default() };
    let server = server(limits).await;
    let mut modern = server.socket(MODERN).await;
    let mut legacy = server.socket(LEGACY).await;
    modern.subscribe("1", "hang a").await;
    modern.subscribe("2", "hang b").await;
    server.sample_becomes(WAITING, 1.0).await;
    modern.subscribe("3", "variables").await;
    let error = modern.next().await;
    assert_eq!((&error["type"], &error["id"]), (&"error".into(), &"3".into()));
    assert_eq!(error["payload"][0]["extensions"]["code"], "limit-exceeded");
    legacy.subscribe("4", "variables").await;
    assert_eq!(legacy.result("4").await["errors"][0]["extensions"]["code"], "limit-exceeded");
    legacy.completed("4").await;
    let reply = server.post("variables").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.error_code(), "limit-exceeded");
    assert!(reply.header("retry-after").parse::<u64>().is_ok());
    let stream = server.send(post("variables", &[EVENTS])).await;
    assert!(stream.text().contains("limit-exceeded") && stream.text().contains("event: complete"));
    assert_eq!(server.hits("executions"), 4.0);
    server.fake.release("a");
    server.fake.release("b");
    modern.results_of(&["1", "2"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preparations_wait_for_their_turn_and_what_is_cheap_goes_on() {
    let limits = LimitsConfig { max_preparations: 1, max_waiting: 2, ..Default::default() };
    let server = server(limits).await;
    let mut first = server.socket(MODERN).await;
    let mut second = server.socket(LEGACY).await;
    let mut third = server.socket(MODERN).await;
    first.subscribe("1", "slow a").await;
    server.fake.happened("prepare a").await;
    second.subscribe("2", "identity").await;
    third.subscribe("3", "invalid").await;
    server.sample_becomes(WAITING, 2.0).await;
    // Beyond the queue.
    third.subscribe("4", "identity").await;
    let error = third.next().await;
    assert_eq!((&error["type"], &error["id"]), (&"error".into(), &"4".into()));
    assert_eq!(error["payload"][0]["extensions"]["code"], "limit-exceeded");
    assert_eq!(server.post("identity").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.hits("preparations"), 2.0);
    third.nothing_more().await;
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
    server.fake.release("a");
    first.result("1").await;
    second.result("2").await;
    second.completed("2").await;
    let error = third.next().await;
    assert_eq!((&error["type"], &error["id"]), (&"error".into(), &"3".into()));
    assert_eq!(error["payload"][0]["extensions"]["code"], "validation-failed");
    assert_eq!(server.sample(WAITING), 0.0);
}
