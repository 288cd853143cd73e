//! What `/metrics` shows, and what the log does not.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use artesian_live::Observer;
use artesian_server::{AuthConfig, LiveStats, ServerConfig};
use serde_json::{Value, json};

use crate::support::{
    self,
    http::post,
    socket::{LEGACY, MODERN},
    start, start_with,
};

#[tokio::test]
async fn operations_and_connections_are_counted() {
    let server = start().await;
    let operations = |transport: &str, kind: &str, outcome: &str| {
        let labels = format!("transport=\"{transport}\",kind=\"{kind}\",outcome=\"{outcome}\"");
        server.sample(&format!("artesian_operations_total{{{labels}}}"))
    };
    for query in ["identity", "mutation", "failing", "invalid"] {
        server.post(query).await;
    }
    assert_eq!(operations("http", "query", "ok"), 1.0);
    assert_eq!(operations("http", "mutation", "ok"), 1.0);
    assert_eq!(operations("http", "query", "error"), 1.0);
    assert_eq!(operations("http", "unknown", "rejected"), 1.0);
    assert_eq!(server.sample("artesian_http_responses_total{status=\"200\"}"), 4.0);

    let labels = format!("transport=\"{MODERN}\",kind=\"subscription\"");
    let active = format!("artesian_operations_active{{{labels}}}");
    server.fake.publish("a", "{\"data\":12}");
    let mut socket = server.socket(MODERN).await;
    assert_eq!(server.sample(&format!("artesian_connections{{transport=\"{MODERN}\"}}")), 1.0);
    socket.subscribe("1", "live a").await;
    socket.result("1").await;
    assert_eq!(server.sample(&active), 1.0);
    assert_eq!(server.sample(&format!("artesian_first_result_seconds_count{{{labels}}}")), 1.0);
    let pushed = |name: &str| server.sample(&format!("{name}{{transport=\"{MODERN}\"}}"));
    assert_eq!(pushed("artesian_pushed_messages_total"), 1.0);
    assert_eq!(pushed("artesian_pushed_bytes_total"), 11.0);
    socket.stop("1").await;
    server.sample_becomes(&active, 0.0).await;
    assert_eq!(operations(MODERN, "subscription", "cancelled"), 1.0);
    socket.subscribe("1", "events 2").await;
    for _ in 0..2 {
        socket.result("1").await;
    }
    socket.completed("1").await;
    assert_eq!(operations(MODERN, "subscription", "ok"), 1.0);
    socket.subscribe("1", "unstartable").await;
    socket.next().await;
    assert_eq!(operations(MODERN, "subscription", "rejected"), 1.0);
    socket.close().await;
    let closed =
        format!("artesian_connections_closed_total{{transport=\"{MODERN}\",code=\"1005\"}}");
    server.sample_becomes(&closed, 1.0).await;
}

#[tokio::test]
async fn the_live_engine_is_watched() {
    let server = start().await;
    let live = server.metrics.live();
    live.rerun(10, Duration::from_millis(3), true);
    live.rerun(1, Duration::from_millis(3), false);
    live.pushed(7);
    live.unchanged();
    live.feed_lost();
    live.watch(|| LiveStats { plans: 2, cohorts: 3, subscribers: 4 });
    let reply = server.get("/metrics").await;
    assert!(reply.header("content-type").starts_with("application/openmetrics-text"));
    let text = reply.text();
    for line in [
        "artesian_live_reruns_total{result=\"ok\"} 1",
        "artesian_live_reruns_total{result=\"error\"} 1",
        "artesian_live_rerun_cohorts_sum 11.0",
        "artesian_live_results_total{result=\"changed\"} 1",
        "artesian_live_results_total{result=\"unchanged\"} 1",
        "artesian_live_deliveries_total 7",
        "artesian_live_feeds_lost_total 1",
        "artesian_live_plans 2",
        "artesian_live_cohorts 3",
        "artesian_live_subscribers 4",
        "artesian_build_info{version=\"test\"} 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in {text}");
    }
    assert!(text.lines().filter(|l| !l.starts_with('#')).all(|l| l.starts_with("artesian_")));
}

/// Every name that is shown is documented.
#[tokio::test]
async fn every_metric_is_documented() {
    let server = start().await;
    let documentation = include_str!("../../../../docs/operations.md");
    let text = server.get("/metrics").await;
    for line in text.text().lines().filter_map(|l| l.strip_prefix("# HELP ")) {
        let name = line.split(' ').next().unwrap();
        assert!(documentation.contains(&format!("`{name}")), "{name}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log is that of all tests that run in this process.
#[tokio::test]
async fn no_secret_is_ever_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let auth = AuthConfig::with_secrets(vec!["TopSecret".to_owned()]);
    let server = start_with(ServerConfig { auth, ..support::config() }).await;
    for secret in ["TopSecret", "WrongSecret"] {
        let headers = [("x-hasura-admin-secret", secret), ("x-hasura-user-id", "PrivateSecret")];
        server.send(post("identity", &headers)).await;
        server.send(post("invalid", &headers)).await;
        server.send(post("failing", &headers)).await;
        for protocol in [MODERN, LEGACY] {
            let mut socket = server.connect(protocol, &headers).await;
            socket.send_init(json!({"headers": {"x-hasura-user-name": "NameSecret"}})).await;
            socket.next_or_close().await;
            let mut socket = server.connect(protocol, &[]).await;
            socket.send_init(json!({"headers": {"x-hasura-admin-secret": secret}})).await;
            socket.next_or_close().await;
        }
    }
    let mut socket = server.connect(MODERN, &[("x-hasura-admin-secret", "TopSecret")]).await;
    socket.init(Value::Null).await;
    socket.subscribe("1", "forbidden DocumentSecret").await;
    socket.next().await;
    socket.close().await;
    let open = format!("artesian_connections{{transport=\"{MODERN}\"}}");
    server.sample_becomes(&open, 0.0).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("operation refused") && text.contains("connection closed"), "{text}");
    assert!(!text.contains("Secret"), "{text}");
}
