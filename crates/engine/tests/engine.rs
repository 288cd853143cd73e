//! Preparation: one path for every transport, cached, with limits and isolation.

#![allow(clippy::unwrap_used)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use artesian_engine::{
    Allow, Engine, EngineConfig, ErrorCode, Explanation, GraphQLError, Identity, Inputs, Operation,
    Payload, Plan, Request, ResultStream, Source, Variables,
};
use artesian_graphql::{
    bind::BoundOperation,
    introspection_types::meta_fields,
    schema::{Field, InputField, Schema, TypeKind, TypeRef},
};
use async_trait::async_trait;
use serde_json::json;

/// A source with one field, `hello(name: String, shout: Boolean): String`; counts what it plans.
struct Greeter {
    admin: Arc<Schema>,
    user: Arc<Schema>,
    planned: Arc<AtomicUsize>,
}

struct Greeting {
    role: String,
}

fn schema(field: &str) -> Arc<Schema> {
    let mut schema = Schema::new("query_root");
    let hello = Field::new(TypeRef::named("String"))
        .arg("name", InputField::new(TypeRef::named("String")))
        .arg("shout", InputField::new(TypeRef::named("Boolean")).fixed());
    let mut roots: indexmap::IndexMap<_, _> = [(field.into(), hello)].into_iter().collect();
    schema.add("subscription_root", None, TypeKind::Object(roots.clone()));
    roots.extend(meta_fields().map(|(n, f)| (n.into(), f)));
    schema.add("query_root", None, TypeKind::Object(roots));
    schema.subscription = Some("subscription_root".into());
    Arc::new(schema)
}

fn greeter() -> (Engine, Arc<AtomicUsize>) {
    let planned = Arc::new(AtomicUsize::new(0));
    let source =
        Greeter { admin: schema("hello"), user: schema("hi"), planned: Arc::clone(&planned) };
    (Engine::new(Arc::new(source), EngineConfig::default()), planned)
}

#[async_trait]
impl Source for Greeter {
    fn schema(&self, role: &str) -> Option<Arc<Schema>> {
        match role {
            "admin" => Some(Arc::clone(&self.admin)),
            "user" => Some(Arc::clone(&self.user)),
            _ => None,
        }
    }

    fn plan(&self, role: &str, _: &BoundOperation) -> Result<Arc<dyn Plan>, GraphQLError> {
        self.planned.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Greeting { role: role.to_owned() }))
    }

    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

#[async_trait]
impl Plan for Greeting {
    fn bind(&self, variables: &Variables, identity: &Identity) -> Result<Inputs, GraphQLError> {
        let name = variables.get("n").and_then(|v| v.as_str());
        if name == Some("nobody") {
            return Err(GraphQLError::new(ErrorCode::DataException, "there is nobody"));
        }
        let user = identity.session.get("x-hasura-user-id").map(Into::into);
        Ok(Arc::from([name.map(Into::into), user]))
    }

    async fn execute(&self, inputs: &Inputs) -> Result<Payload, GraphQLError> {
        if inputs[0].as_deref() == Some("error") {
            let mut error = GraphQLError::new(ErrorCode::PostgresError, "database query error");
            error.extensions.internal = Some(Box::new(json!({"secret": "table"})));
            return Err(error);
        }
        Ok(Payload::data(format!("{{\"data\":\"{} {inputs:?}\"}}", self.role).into()))
    }

    async fn subscribe(&self, _: &Inputs) -> Result<Box<dyn ResultStream>, GraphQLError> {
        Err(GraphQLError::new(ErrorCode::NotSupported, "not here"))
    }

    fn explain(&self, _: &Inputs) -> Explanation {
        Explanation {
            source: String::new(),
            sql: String::new(),
            batch_sql: String::new(),
            parameters: Vec::new(),
            reads: Vec::new(),
            volatile: false,
        }
    }
}

fn prepare(
    engine: &Engine,
    query: &str,
    variables: serde_json::Value,
    identity: &Identity,
    allow: Allow,
) -> Result<Operation, GraphQLError> {
    let request = Request {
        query: query.into(),
        variables: variables.as_object().cloned().unwrap_or_default(),
        ..Request::default()
    };
    engine.prepare(request, identity, allow).map_err(|mut e| e.remove(0))
}

#[test]
fn a_document_is_planned_once_for_each_shape_and_role() {
    let (engine, planned) = greeter();
    let admin = Identity::admin();
    let query = "query ($n: String, $s: Boolean) { hello(name: $n, shout: $s) }";
    let expect = |variables, identity: &Identity, total| {
        prepare(&engine, query, variables, identity, Allow::POST).unwrap();
        assert_eq!(planned.load(Ordering::Relaxed), total);
    };
    expect(json!({"n": "a"}), &admin, 1);
    expect(json!({"n": "b"}), &admin, 1);
    // Null or not, and the value of what shapes the plan.
    expect(json!({}), &admin, 2);
    expect(json!({"n": "a", "s": true}), &admin, 3);
    expect(json!({"n": "b", "s": true}), &admin, 3);
    expect(json!({"n": "b", "s": false}), &admin, 4);
    // Other session variables share the plan: they are inputs.
    let ada = Identity::new("admin", [("X-Hasura-User-Id".to_owned(), "1".to_owned())].into());
    expect(json!({"n": "a"}), &ada, 4);
    // Another role never does.
    let user = Identity::new("user", Default::default());
    let error = prepare(&engine, query, json!({"n": "a"}), &user, Allow::POST).err().unwrap();
    assert_eq!(error.extensions.path, "$.selectionSet.hello");
    let error = prepare(
        &engine,
        query,
        json!({}),
        &Identity::new("stranger", Default::default()),
        Allow::POST,
    );
    assert_eq!(error.err().unwrap().extensions.code, ErrorCode::AccessDenied);
}

#[tokio::test]
async fn inputs_are_those_of_the_identity() {
    let (engine, _) = greeter();
    for id in ["1", "2"] {
        let identity =
            Identity::new("admin", [("x-hasura-user-id".to_owned(), id.to_owned())].into());
        let operation = prepare(&engine, "{ hello }", json!({}), &identity, Allow::POST).unwrap();
        let text = String::from_utf8(operation.execute().await.bytes.to_vec()).unwrap();
        assert!(text.contains(&format!("Some(\"{id}\")")), "{text}");
    }
}

#[tokio::test]
async fn errors_before_and_while_running() {
    let (engine, _) = greeter();
    let query = "query ($n: String) { hello(name: $n) }";
    let admin = Identity::admin();
    // What does not bind never runs.
    let error = prepare(&engine, query, json!({"n": "nobody"}), &admin, Allow::ALL).err().unwrap();
    assert_eq!(error.extensions.code, ErrorCode::DataException);
    let run = async |allow| {
        let operation = prepare(&engine, query, json!({"n": "error"}), &admin, allow).unwrap();
        String::from_utf8(operation.execute().await.bytes.to_vec()).unwrap()
    };
    // Over HTTP the administrator sees what the database said; on a socket nobody does.
    let text = run(Allow::POST).await;
    assert!(text.starts_with("{\"errors\":[") && text.contains("internal"), "{text}");
    let text = run(Allow::ALL).await;
    assert!(
        text.starts_with("{\"data\":null,\"errors\":[") && !text.contains("internal"),
        "{text}"
    );
}

#[test]
fn what_a_transport_cannot_do_is_refused() {
    let (engine, _) = greeter();
    let admin = Identity::admin();
    for (query, allow, expected) in [
        ("subscription { hello }", Allow::POST, Some("need a WebSocket")),
        ("query @live { hello }", Allow::POST, Some("need a WebSocket")),
        ("subscription { hello }", Allow::STREAM, None),
        ("query @live { hello a: hello }", Allow::ALL, None),
        ("subscription { hello a: hello }", Allow::ALL, Some("must select one top level field")),
        ("subscription { __typename }", Allow::ALL, Some("introspection")),
        ("{ __typename }", Allow::GET, None),
    ] {
        let result = prepare(&engine, query, json!({}), &admin, allow);
        match (result, expected) {
            (Ok(_), None) => {}
            (Err(e), Some(part)) => assert!(e.message.contains(part), "{query}: {e:?}"),
            (Ok(_), Some(_)) => panic!("accepted: {query}"),
            (Err(e), None) => panic!("refused: {query}: {e:?}"),
        }
    }
}

#[tokio::test]
async fn introspection_needs_no_source() {
    let (engine, planned) = greeter();
    let query = "{ __typename t: __type(name: \"query_root\") { fields { name } } }";
    let operation = prepare(&engine, query, json!({}), &Identity::admin(), Allow::POST).unwrap();
    let answer: serde_json::Value =
        serde_json::from_slice(&operation.execute().await.bytes).unwrap();
    assert_eq!(
        answer,
        json!({"data": {"__typename": "query_root", "t": {"fields": [{"name": "hello"}]}}})
    );
    assert_eq!(planned.load(Ordering::Relaxed), 0);
}
