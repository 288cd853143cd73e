//! `/v1/sources`: how services are, and reading their schemas on demand.

use std::net::SocketAddr;

use artesian_upstreams::{
    client::{Caller, Transport, ask, http},
    gateway::{Gateway, Source},
    schema,
    service::Service,
};
use serde_json::{Value, json};

use crate::support::{World, living};

async fn call(address: SocketAddr, method: &str, query: &str) -> (u16, Value) {
    let path = format!("/v1/sources{query}");
    let answer = http::send(address, (method, &path), &[], &Value::Null).await;
    let status = answer.response.status().as_u16();
    (status, serde_json::from_str(&http::text(answer).await).unwrap())
}

async fn refresh(address: SocketAddr, name: &str) -> (u16, Value) {
    let (status, mut answer) = call(address, "POST", &format!("?name={name}")).await;
    (status, answer["sources"][0].take())
}

async fn shown(address: SocketAddr, name: &str) -> Value {
    let (status, list) = call(address, "GET", "").await;
    assert_eq!(status, 200, "{list}");
    let sources = list["sources"].as_array().unwrap();
    sources.iter().find(|source| source["name"] == name).unwrap().clone()
}

/// Whether the gateway serves a root field.
async fn has(address: SocketAddr, field: &str) -> bool {
    let query = json!({"query": "{ __schema { queryType { fields { name } } } }"});
    let (_, answer) = ask(address, &Caller::default(), &query).await;
    let fields = answer["data"]["__schema"]["queryType"]["fields"].as_array().unwrap();
    fields.iter().any(|found| found["name"] == field)
}

/// Nothing is read by itself here.
fn source(name: &'static str, prefix: &str) -> Source {
    let mut source = Source::new("graphql-transport-ws").graphql("refresh: 0");
    source.name = name;
    if !prefix.is_empty() {
        source.beside = format!("prefix: {{ root_fields: {prefix}, types: {prefix} }}");
    }
    source
}

/// What is new in a service is served when the answer comes, and what runs goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_served_when_the_answer_comes() {
    let world = World::new(&source("service", "")).await;
    let address = world.gateway.address;
    let mut client = world.connect(Transport::TransportWs, &Caller::default()).await;
    let feed = client.subscribe("stays").await;
    living(&world.service, "stays", 1).await;

    let before = shown(address, "service").await;
    assert_eq!((&before["kind"], &before["state"]), (&json!("graphql"), &json!("up")));
    assert_eq!(before["url"], format!("http://{}/graphql", world.service.address));
    assert_eq!((&before["error"], &before["schema"]["refused"]), (&Value::Null, &Value::Null));
    assert!(before["schema"]["digest"].is_string() && before["since"].is_string());
    assert_eq!(
        refresh(address, "service").await,
        (200, json!({"name": "service", "result": "unchanged"}))
    );

    world.service.change(schema::CHANGED);
    assert!(!has(address, "fresh").await);
    let (status, answer) = refresh(address, "service").await;
    assert_eq!((status, &answer["result"]), (200, &json!("changed")), "{answer}");
    assert!(answer["changes"].as_str().unwrap().contains("fresh"), "{answer}");
    assert!(has(address, "fresh").await && !has(address, "extra").await);
    let after = shown(address, "service").await;
    assert_ne!(after["schema"]["digest"], before["schema"]["digest"]);
    world.service.emit("stays", 1);
    assert_eq!(feed.result(0).await["data"]["feed"]["n"], 1);
    client.kill().await;
    world.end().await;
}

/// A service that is away, and one that comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_told() {
    let world = World::new(&source("service", "").graphql("circuit: { failures: 0 }")).await;
    let address = world.gateway.address;
    world.service.down().await;
    let (status, answer) = refresh(address, "service").await;
    assert_eq!((status, &answer["result"]), (502, &json!("failed")), "{answer}");
    // Whoever may ask this may know of the network.
    assert!(answer["error"].as_str().unwrap().contains("Connection refused"), "{answer}");
    let down = shown(address, "service").await;
    assert_eq!((&down["state"], &down["error"]), (&json!("down"), &answer["error"]));
    assert!(down["schema"]["digest"].is_string(), "the one before stays");
    world.service.up().await;
    let (status, answer) = call(address, "POST", "?all=true").await;
    let expected = json!({"sources": [{"name": "service", "result": "unchanged"}]});
    assert_eq!((status, answer), (200, expected));
    assert_eq!(shown(address, "service").await["state"], "up");
    world.end().await;
}

/// A schema that cannot be used beside the others is, as soon as they make room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_is_told_and_ends_when_its_cause_does() {
    let (one, two) = (Service::start().await, Service::start().await);
    let (a, b) = (source("one", ""), source("two", "two_"));
    let gateway = Gateway::start(&[(&a, &one), (&b, &two)]).await;
    let address = gateway.address;
    one.change("type Query { two_fresh: Int mine: Int }");
    let (status, answer) = refresh(address, "one").await;
    assert_eq!((status, &answer["result"]), (200, &json!("changed")), "{answer}");
    assert!(has(address, "two_fresh").await);

    // The other service's `fresh` would be `two_fresh` too.
    two.change(schema::CHANGED);
    let (status, answer) = refresh(address, "two").await;
    assert_eq!((status, &answer["result"]), (502, &json!("refused")), "{answer}");
    let why = answer["error"].as_str().unwrap();
    assert!(why.contains("two_fresh") && why.contains("one"), "{why}");
    assert_eq!(shown(address, "two").await["schema"]["refused"], why);
    assert!(has(address, "two_extra").await, "what it had stays");
    // It is not forgotten while nothing changes.
    assert_eq!(refresh(address, "two").await, (status, answer.clone()));

    one.change("type Query { mine: Int }");
    assert_eq!(refresh(address, "one").await.0, 200);
    assert!(
        has(address, "two_fresh").await
            && has(address, "mine").await
            && !has(address, "two_extra").await
    );
    assert_eq!(shown(address, "two").await["schema"]["refused"], Value::Null);
    assert!(gateway.logs().contains("the service's schema can be used now"), "{}", gateway.logs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_none() {
    let service = Service::start().await;
    let settings = "  - name: data\n    database: { url: \"sqlite:data.db?mode=rwc\" }\n";
    let gateway = Gateway::with(&[(&source("service", ""), &service)], settings).await;
    let database = shown(gateway.address, "data").await;
    assert_eq!((&database["kind"], &database["state"]), (&json!("database"), &json!("up")));
    let asked = || service.state.with(|state| state.introspected);
    let before = asked();
    for (query, status, text) in [
        ("?name=other", 404, "there are: data, service"),
        ("?name=data", 400, "SIGHUP"),
        ("", 400, "say which source"),
        ("?name=service&all=true", 400, "say which source"),
        ("?nam=service", 400, "name and all"),
    ] {
        let (found, answer) = call(gateway.address, "POST", query).await;
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(found == status && message.contains(text), "{query}: {found} {answer}");
    }
    assert_eq!(asked(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_administrator_may_ask() {
    let service = Service::start().await;
    let settings = "server: { admin_secret: s3cret }\nauth: { unauthorized_role: anonymous }\n";
    let gateway = Gateway::with(&[(&source("service", ""), &service)], settings).await;
    let asked = || service.state.with(|state| state.introspected);
    let before = asked();
    for method in ["GET", "POST"] {
        let (status, answer) = call(gateway.address, method, "?all=true").await;
        let code = &answer["errors"][0]["extensions"]["code"];
        assert_eq!((status, code), (403, &json!("access-denied")));
    }
    assert_eq!(asked(), before);
}
