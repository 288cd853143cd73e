//! What services do wrong with queries and mutations.

use artesian_upstreams::{
    client::{Caller, Client, End, Transport, ask},
    gateway::{Gateway, Source},
    script::{Reply, Then},
    service::Service,
};
use serde_json::{Value, json};

use super::{SHORT, all_of, check_errors, check_own_errors};

/// Replies, with a text of the gateway's error, or nothing where the service's own answer passes.
fn replies() -> Vec<(&'static str, Reply, Option<&'static str>)> {
    const JSON: &str = "application/json";
    let html = "<!doctype html><html><body>Bad Gateway</body></html>";
    let whole = |status, kind, body| Reply::whole(status, kind, body);
    let deep = format!(r#"{{"data":{{"who":{}{}}}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    vec![
        ("HTML", whole(200, "text/html", html), Some("")),
        ("HTML that says it is JSON", whole(200, JSON, html), Some("")),
        ("HTML with 502", whole(502, "text/html", html), Some("502")),
        ("401", whole(401, "text/plain", "no"), Some("")),
        ("half a JSON", whole(200, JSON, "{\"data\":{\"who\":"), Some("")),
        ("nothing", whole(200, JSON, ""), Some("")),
        ("no content", Reply::new("HTTP/1.1 204 X\r\n\r\n", Then::GoOn), Some("")),
        ("null", whole(200, JSON, "null"), Some("")),
        ("an array", whole(200, JSON, "[]"), Some("")),
        ("an empty object", whole(200, JSON, "{}"), Some("")),
        ("data that is a text", whole(200, JSON, r#"{"data":"x"}"#), Some("")),
        ("no data", whole(200, JSON, r#"{"data":null}"#), None),
        ("data of another", whole(200, JSON, r#"{"data":{"x":1}}"#), None),
        ("errors", whole(200, JSON, r#"{"errors":[{"message":"their own"}]}"#), None),
        ("errors with 400", whole(400, JSON, r#"{"errors":[{"message":"their own"}]}"#), None),
        ("errors without text", whole(200, JSON, r#"{"errors":[{},null,1]}"#), None),
        ("deep", whole(200, JSON, &deep), None),
        (
            "no UTF-8",
            Reply::new(
                [
                    format!("{head}content-length: 21\r\n\r\n{{\"data\":{{\"who\":\"").as_bytes(),
                    b"\xff\xfe",
                    b"\"}}",
                ]
                .concat(),
                Then::Cut,
            ),
            Some(""),
        ),
        (
            "a redirect",
            Reply::new("HTTP/1.1 302 X\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", Then::GoOn),
            Some("redirect"),
        ),
        ("no answer", Reply::new("", Then::Stay), Some("took longer")),
        ("an end", Reply::new("", Then::Cut), Some("")),
        (
            "an end inside",
            Reply::new(format!("{head}content-length: 100\r\n\r\n{{\"data\":"), Then::Cut),
            Some(""),
        ),
        ("another protocol", Reply::new("SSH-2.0-OpenSSH_9.2\r\n", Then::Cut), Some("")),
        (
            "one byte a second",
            Reply::slow(format!("{head}content-length: 2\r\n\r\n{{}}")),
            Some("took longer"),
        ),
        (
            "chunks that are none",
            Reply::new(format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n"), Then::Cut),
            Some(""),
        ),
        (
            "gzip that is none",
            Reply::new(
                format!("{head}content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{{}}"),
                Then::GoOn,
            ),
            Some(""),
        ),
    ]
}

/// 50 MB, with a length and without.
fn large() -> Vec<(&'static str, Reply, Option<&'static str>)> {
    let body = format!(r#"{{"data":{{"who":"{}"}}}}"#, "x".repeat(50 << 20));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    vec![
        ("50 MB", Reply::whole(200, "application/json", &body), Some("more than")),
        (
            "50 MB without a length",
            Reply::new(format!("{head}{body}"), Then::Cut),
            Some("more than"),
        ),
    ]
}

fn question(kind: &str, topic: &str) -> Value {
    let field = if kind == "query" { "who" } else { "change" };
    let query = format!("{kind}($topic: String!) {{ {field}(topic: $topic) }}");
    json!({"query": query, "variables": {"topic": topic}})
}

/// Asks over a transport; gives the response.
async fn response(
    gateway: &Gateway,
    transport: Option<Transport>,
    caller: &Caller,
    request: Value,
) -> Value {
    let Some(transport) = transport else {
        let (status, response) = ask(gateway.address, caller, &request).await;
        assert!(status == 200, "{status}");
        return response;
    };
    let mut client = Client::connect(gateway.address, transport, caller).await;
    let operation = client.start(request).await;
    let end = operation.end().await;
    operation.log.with(|log| match (end, log.results.as_slice()) {
        (End::Complete, [response]) => response.clone(),
        (End::Errors(errors), []) => json!({ "errors": errors }),
        (end, results) => panic!("one result: {end:?} {results:?}"),
    })
}

/// Asks everything in every way at the same time.
async fn ask_all(
    (gateway, service): (&Gateway, &Service),
    replies: &[(&'static str, Reply, Option<&'static str>)],
) {
    let ways =
        [None, Some(Transport::TransportWs), Some(Transport::LegacyWs), Some(Transport::Events)];
    let mut running = Vec::new();
    for (name, reply, expected) in replies {
        for way in ways {
            for kind in ["query", "mutation"] {
                let topic = format!("{kind} {name} {way:?}");
                let caller = Caller::header(&format!("secret-{topic}"));
                service.answer(&topic, reply.clone());
                let request = question(kind, &topic);
                running.push(async move {
                    let response = response(gateway, way, &caller, request).await;
                    if let Some(text) = expected {
                        check_own_errors(&response["errors"], &topic);
                        let message = response["errors"][0]["message"].as_str().unwrap();
                        assert!(message.contains(text), "{topic}: {message}");
                    } else if !response["errors"].is_null() {
                        check_errors(&response["errors"], &topic);
                    }
                    let asked = service.asked(&topic);
                    let own = [caller.header.as_deref().unwrap()];
                    assert!(asked.iter().all(|q| q.seen.all("authorization") == own));
                    // A mutation may have happened.
                    let is_once = kind == "query" || asked.len() == 1;
                    assert!(is_once, "{topic}: {} times", asked.len());
                });
            }
        }
    }
    all_of(running).await;
    let caller = Caller::header("other");
    let answer = response(gateway, None, &caller, question("query", "other")).await;
    assert_eq!(answer["data"]["who"]["who"], "other|-|-");
    assert!(!gateway.logs().contains("secret"), "{}", gateway.logs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_has_one_answer() {
    let service = Service::start().await;
    let source = Source::new("none").graphql(SHORT);
    let mut gateway = Gateway::start(&[(&source, &service)]).await;
    ask_all((&gateway, &service), &replies()).await;
    assert!(gateway.is_alive());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answers_are_not_kept() {
    let service = Service::start().await;
    let source = Source::new("none").graphql("retry: { queries: false }\ncircuit: { failures: 0 }");
    let gateway = Gateway::start(&[(&source, &service)]).await;
    let (before, _) = gateway.memory();
    ask_all((&gateway, &service), &large()).await;
    let (_, most) = gateway.memory();
    // Sixteen answers of 50 MB at a time, of which at most 16 MiB are taken each, in buffers that grow
    // by doubling.
    let kept = most.saturating_sub(before) >> 20;
    assert!(kept < 600, "{kept} MiB more than before");
}
