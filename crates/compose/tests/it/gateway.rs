//! A small gateway: reads the schemas of services, composes them, plans, asks, joins. It shows how the parts
//! fit together; the real one is the engine's affair.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use apollo_compiler::{Schema, ast::OperationType};
use artesian_compose::{
    Answer, Bound, Composed, Introspector, Part, Plan, PlanError, PlanLimits, ReadLimits,
    SchemaError, ServiceSchema, compose,
};
use artesian_remote::{
    Credentials, End, Event, Kind, Operation, RemoteError, Response, Transport, Upstream,
    UpstreamConfig, config::Method, dial::Network,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::join_all, stream};
use parking_lot::Mutex;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Map, Value, json};

use crate::{
    choices::Choices,
    executor::{Itself, Outcome, execute},
    operations,
    schemas::{self, Source},
    services::{ROUNDS, Service},
};

/// Plans by document and name of the operation.
type Plans = HashMap<(String, Option<String>), Arc<Plan>>;

struct Member {
    source: Source,
    upstream: Upstream,
    introspector: Introspector,
    /// What was read last.
    schema: Option<ServiceSchema>,
}

struct Gateway {
    members: Vec<Member>,
    composed: Arc<Composed>,
    /// The members that take part, by the composed schema's indices.
    present: Vec<usize>,
    plans: Mutex<Plans>,
    limits: PlanLimits,
}

fn operation(kind: OperationType, text: &str) -> Operation {
    let kind = match kind {
        OperationType::Query => Kind::Query,
        OperationType::Mutation => Kind::Mutation,
        OperationType::Subscription => Kind::Subscription,
    };
    Operation::new(kind, text)
}

fn answer(result: Result<Response, RemoteError>) -> Answer {
    match result {
        Ok(Response { text, data, errors, extensions }) => {
            Answer::Response { text, data, errors, extensions }
        }
        Err(error) => Answer::Failed { message: error.to_string(), code: "service-failed" },
    }
}

fn request_error(error: &PlanError) -> Bytes {
    json!({ "errors": [{ "message": error.to_string() }] }).to_string().into()
}

impl Gateway {
    /// A service that is down does not stop the others.
    async fn start(services: Vec<(Source, Arc<Service>)>) -> Self {
        let dial = Arc::new(Network::new().unwrap());
        let member = |(source, service): (Source, Arc<Service>)| {
            let url = format!("http://{}/graphql", service.address).parse().unwrap();
            let config = UpstreamConfig {
                transport: Transport::Sse(Method::Post),
                ..UpstreamConfig::new(url)
            };
            let introspector = Introspector::new(ReadLimits::default());
            Member {
                source,
                upstream: Upstream::new(config, Arc::<Network>::clone(&dial)),
                introspector,
                schema: None,
            }
        };
        let composed =
            Arc::new(compose(&[Part::new("none", sdl("type Query { none: Int }"))]).unwrap());
        let mut gateway = Self {
            members: services.into_iter().map(member).collect(),
            composed,
            present: Vec::new(),
            plans: Mutex::default(),
            limits: PlanLimits::default(),
        };
        gateway.refresh().await;
        gateway
    }

    /// Reads all schemas again; what changed, as lines for the log.
    async fn refresh(&mut self) -> Vec<String> {
        let mut log = Vec::new();
        for member in &mut self.members {
            let name = &member.source.name;
            match read(&member.upstream, &mut member.introspector).await {
                Ok(new) => {
                    match &member.schema {
                        Some(old) if old.digest() == new.digest() => continue,
                        Some(old) => log.push(format!("{name}: {}", old.difference(&new))),
                        None => log.push(format!("{name}: is there")),
                    }
                    member.schema = Some(new);
                }
                Err(why) => log.push(format!("{name}: {why}")),
            }
        }
        let present = self.members.iter().enumerate().filter(|(_, m)| m.schema.is_some());
        self.present = present.map(|(at, _)| at).collect();
        let parts: Vec<Part> = self.members.iter().filter_map(Member::part).collect();
        if !parts.is_empty() {
            self.composed = Arc::new(compose(&parts).unwrap_or_else(|e| panic!("{e}")));
            self.plans.lock().clear();
        }
        log
    }

    fn plan(&self, text: &str, name: Option<&str>) -> Result<Arc<Plan>, PlanError> {
        let key = (text.to_owned(), name.map(str::to_owned));
        if let Some(plan) = self.plans.lock().get(&key) {
            return Ok(Arc::clone(plan));
        }
        let document = self.composed.parse(text, &self.limits)?;
        let plan = Arc::new(Plan::new(Arc::clone(&self.composed), document, name, &self.limits)?);
        self.plans.lock().insert(key, Arc::clone(&plan));
        Ok(plan)
    }

    fn asked(&self, bound: &Bound, at: usize) -> (&Upstream, Operation) {
        let request = &bound.requests()[at];
        let asked = &bound.plan().requests()[request.index];
        let mut operation = operation(asked.kind, &asked.text);
        if let Some(name) = &asked.operation_name {
            operation = operation.with_name(Arc::clone(name));
        }
        if let Some(variables) = &request.variables {
            operation = operation.with_variables(variables.clone()).unwrap();
        }
        (&self.members[self.present[asked.source]].upstream, operation)
    }

    /// Runs a query or a mutation.
    async fn execute(&self, text: &str, variables: &Map<String, Value>) -> Bytes {
        let bound = match self.plan(text, None).and_then(|plan| plan.bind(variables)) {
            Ok(bound) => bound,
            Err(error) => return request_error(&error),
        };
        let ask = async |at| {
            let (upstream, operation) = self.asked(&bound, at);
            answer(upstream.request(&operation, &Credentials::none()).await)
        };
        let count = bound.requests().len();
        if bound.plan().kind() == OperationType::Query {
            return bound.join(&join_all((0..count).map(ask)).await);
        }
        let mut answers = Vec::new();
        for at in 0..count {
            answers.push(ask(at).await);
            if bound.stops_after(at, &answers[at]) {
                break;
            }
        }
        bound.join(&answers)
    }

    /// Subscribes; each result as the client gets it.
    fn subscribe(&self, text: &str, variables: &Map<String, Value>) -> impl Stream<Item = Bytes> {
        let bound = self.plan(text, None).unwrap().bind(variables).unwrap();
        assert_eq!(bound.requests().len(), 1);
        let (upstream, operation) = self.asked(&bound, 0);
        let events = upstream.subscribe(operation, Credentials::none()).unwrap();
        events.flat_map(move |event| {
            let result = match event {
                Event::Next(text) => {
                    Some(answer(Response::parse(&text).ok_or(RemoteError::NotGraphQL(200))))
                }
                Event::Resumed | Event::End(End::Complete) => None,
                Event::End(End::Failed(error)) => Some(answer(Err(error))),
                Event::End(End::Errors(errors)) => panic!("{errors:?}"),
            };
            stream::iter(result.map(|answer| bound.join(&[answer])))
        })
    }
}

impl Member {
    fn part(&self) -> Option<Part> {
        let mut part = Part::new(self.source.name.as_str(), self.schema.clone()?);
        part.field_prefix = self.source.field_prefix.to_owned();
        part.type_prefix = self.source.type_prefix.to_owned();
        Some(part)
    }
}

async fn read(
    upstream: &Upstream,
    introspector: &mut Introspector,
) -> Result<ServiceSchema, String> {
    loop {
        let query =
            Operation::new(Kind::Query, introspector.query()).with_name("IntrospectionQuery");
        let response = upstream.request(&query, &Credentials::none()).await;
        let response = response.map_err(|error| error.to_string())?;
        let read = introspector.answer(&response.text);
        if let Some(schema) = read.map_err(|error: SchemaError| error.to_string())? {
            return Ok(schema);
        }
    }
}

fn sdl(text: &str) -> ServiceSchema {
    ServiceSchema::from_sdl(text, &ReadLimits::default()).unwrap()
}

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
            let whole = crate::property::reference(&gateway.composed, kind, &request);
            let split = crate::property::split(&own, &plan, &request.variables);
            assert_eq!(Outcome::of_response(&response), whole, "{}", request.text);
            assert_eq!(Outcome::of_response(&split), whole, "{}", request.text);
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared}");
}
