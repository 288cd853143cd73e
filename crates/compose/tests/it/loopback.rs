//! The small gateway over services on loopback.

use std::sync::{Arc, atomic::Ordering};

use apollo_compiler::{Schema, ast::OperationType};
use bytes::Bytes;
use futures_util::StreamExt;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Map, Value, json};

use crate::{
    choices::Choices,
    executor::{Itself, Outcome, execute},
    gateway::Gateway,
    operations,
    property::{reference, split},
    schemas::{self, Source},
    services::{ROUNDS, Service},
};

fn source(name: &str, sdl: &str) -> Source {
    Source { name: name.into(), sdl: sdl.into(), field_prefix: "", type_prefix: "" }
}

async fn service(index: usize, source: Source) -> (Source, Arc<Service>) {
    let service = Service::start(index, &source.sdl).await;
    (source, service)
}

fn none() -> Map<String, Value> {
    Map::new()
}

const A: &str = "type Query { a: Int! b: [String] } type Mutation { am: Int }";
const B: &str = "type Query { c: C } type C { d: ID e: Json } scalar Json \
                 type Mutation { bm: Int } type Subscription { s(n: Int): C }";

#[tokio::test]
async fn several_services_are_one() {
    let (a, b) = (service(0, source("a", A)).await, service(1, source("b", B)).await);
    let (at_a, at_b) = (Arc::clone(&a.1), Arc::clone(&b.1));
    let gateway = Gateway::start(vec![a, b]).await;
    let query = "query ($x: Boolean!) { c { d } b ... @include(if: $x) { a } __typename }";
    for x in [true, false] {
        let variables = json!({ "x": x });
        let response = gateway.execute(query, variables.as_object().unwrap()).await;
        let response: Value = serde_json::from_slice(&response).unwrap();
        let keys: Vec<_> = response["data"].as_object().unwrap().keys().collect();
        let expected: &[&str] =
            if x { &["c", "b", "a", "__typename"] } else { &["c", "b", "__typename"] };
        assert_eq!(keys, expected);
    }
    assert_eq!(gateway.plans.lock().len(), 1);
    assert_eq!(at_a.asked.lock()[0], "query($x: Boolean!) { b ... @include(if: $x) { a } }");
    assert_eq!(*at_b.asked.lock(), ["{ c { d } }", "{ c { d } }"]);
    let response =
        gateway.execute("{ __type(name: \"C\") { name fields { name } } }", &none()).await;
    let expected = r#"{"data":{"__type":{"name":"C","fields":[{"name":"d"},{"name":"e"}]}}}"#;
    assert_eq!(response, expected);
    // What is wrong with a request reaches nobody.
    let before = (at_a.asked.lock().len(), at_b.asked.lock().len());
    for text in ["{ b c }", "{ nothing }", query] {
        let response: Value =
            serde_json::from_slice(&gateway.execute(text, &none()).await).unwrap();
        assert!(response.get("data").is_none() && response["errors"].is_array(), "{response}");
    }
    assert_eq!((at_a.asked.lock().len(), at_b.asked.lock().len()), before);
}

#[tokio::test]
async fn a_service_that_dies_takes_only_its_own_fields() {
    let (a, b) = (service(0, source("a", A)).await, service(1, source("b", B)).await);
    let (at_a, at_b) = (Arc::clone(&a.1), Arc::clone(&b.1));
    let gateway = Gateway::start(vec![a, b]).await;
    let both = "{ b c { d } }";
    let before: Value = serde_json::from_slice(&gateway.execute(both, &none()).await).unwrap();
    at_b.is_down.store(true, Ordering::SeqCst);
    let response: Value = serde_json::from_slice(&gateway.execute(both, &none()).await).unwrap();
    assert_eq!(response["data"], json!({ "b": before["data"]["b"], "c": null }));
    let own = |error: &&Value| error["extensions"]["code"] == "service-failed";
    let errors = response["errors"].as_array().unwrap();
    let error = errors.iter().find(own).unwrap();
    assert_eq!((&error["path"], &error["extensions"]["source"]), (&json!(["c"]), &json!("b")));
    // A mutation goes on where the field may be null.
    let response = gateway.execute("mutation { bm am }", &none()).await;
    let response: Value = serde_json::from_slice(&response).unwrap();
    assert!(
        response["data"]["bm"].is_null() && at_a.asked.lock().contains(&"mutation { am }".into())
    );
    at_a.is_down.store(true, Ordering::SeqCst);
    let response: Value = serde_json::from_slice(&gateway.execute("{ a }", &none()).await).unwrap();
    assert!(response["data"].is_null() && response["errors"][0]["path"] == json!(["a"]));
}

#[tokio::test]
async fn services_join_and_change() {
    let (a, b) = (service(0, source("a", A)).await, service(1, source("b", B)).await);
    let (at_a, at_b) = (Arc::clone(&a.1), Arc::clone(&b.1));
    at_b.is_down.store(true, Ordering::SeqCst);
    let mut gateway = Gateway::start(vec![a, b]).await;
    assert!(gateway.plan("{ b }", None).is_ok() && gateway.plan("{ c { d } }", None).is_err());
    at_b.is_down.store(false, Ordering::SeqCst);
    assert_eq!(gateway.refresh().await, ["b: is there"]);
    assert!(gateway.plan("{ b c { d } }", None).is_ok());
    assert!(gateway.refresh().await.is_empty());
    at_a.change("type Query { b: [String] z: Int! } type Mutation { am: Int! }");
    assert_eq!(
        gateway.refresh().await,
        ["a: gone: Query.a; added: Query.z; changed: Mutation.am: Int → Int!"]
    );
    assert!(gateway.plan("{ a }", None).is_err() && gateway.plan("{ z }", None).is_ok());
    // One that goes away keeps its place until it comes back.
    at_b.is_down.store(true, Ordering::SeqCst);
    assert_eq!(gateway.refresh().await.len(), 1);
    assert!(gateway.plan("{ c { d } }", None).is_ok());
}

#[tokio::test]
async fn subscriptions_pass() {
    let mut prefixed = source("b", B);
    prefixed.type_prefix = "B_";
    prefixed.field_prefix = "b_";
    let b = service(0, prefixed).await;
    let gateway = Gateway::start(vec![b]).await;
    let text = "subscription ($n: Int) { b_s(n: $n) { __typename d e } }";
    let variables = json!({ "n": 7 });
    let events = gateway.subscribe(text, variables.as_object().unwrap());
    let events: Vec<Bytes> = events.collect().await;
    assert_eq!(events.len(), ROUNDS);
    let schema = Schema::parse_and_validate(B, "s").unwrap();
    let own = "subscription ($n: Int) { b_s: s(n: $n) { __typename d e } }";
    let mut named = 0;
    for (round, event) in events.iter().enumerate() {
        let sent = execute(&schema, &Itself(0), own, None, variables.as_object().unwrap(), round);
        let sent = sent.replacen("\"__typename\":\"C\"", "\"__typename\":\"B_C\"", 1);
        named += usize::from(sent.contains("B_C"));
        assert_eq!(Outcome::of_response(event), Outcome::of_response(sent.as_bytes()));
    }
    assert!(named > 0);
}

/// The whole way, with random schemas: the schemas are read by introspection, requests and responses go over
/// sockets.
#[tokio::test]
async fn random_operations_over_loopback() {
    let mut runner = TestRunner::deterministic();
    let bytes = proptest::collection::vec(proptest::num::u8::ANY, 600);
    let mut compared = 0;
    for _ in 0..12 {
        let tree = bytes.new_tree(&mut runner).unwrap().current();
        let sources = schemas::sources(&mut Choices::new(&tree[..300]));
        let own: Vec<_> =
            sources.iter().map(|s| Schema::parse_and_validate(&s.sdl, "s").unwrap()).collect();
        let mut services = Vec::new();
        for (index, source) in sources.into_iter().enumerate() {
            services.push(service(index, source).await);
        }
        let gateway = Gateway::start(services).await;
        assert_eq!(gateway.present, [0, 1, 2]);
        let merged = Schema::parse_and_validate(gateway.composed.sdl(), "m").unwrap();
        for chunk in tree[300..].chunks(60) {
            let kind = OperationType::Query;
            let request = operations::operation(&mut Choices::new(chunk), &merged, kind).unwrap();
            let Ok(plan) = gateway.plan(&request.text, None) else { continue };
            let response = gateway.execute(&request.text, &request.variables).await;
            let whole = reference(&gateway.composed, kind, &request);
            let split = split(&own, &plan, &request.variables);
            assert_eq!(Outcome::of_response(&response), whole, "{}", request.text);
            assert_eq!(Outcome::of_response(&split), whole, "{}", request.text);
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared}");
}
