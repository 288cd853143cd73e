//! Preparation: one path for every transport, cached, with limits and isolation.

#![allow(clippy::unwrap_used)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use artesian_engine::{
    Allow, Engine, EngineConfig, ErrorCode, Executable, Explanation, GraphQLError, Identity,
    Introspection, Operation, Payload, Plan, Request, ResultStream, Scope, Source, Trusted,
    TrustedMode, Variables,
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
    greeter_with(EngineConfig::default())
}

fn greeter_with(config: EngineConfig) -> (Engine, Arc<AtomicUsize>) {
    let planned = Arc::new(AtomicUsize::new(0));
    let source =
        Greeter { admin: schema("hello"), user: schema("hi"), planned: Arc::clone(&planned) };
    (Engine::new(Arc::new(source), config), planned)
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

impl Plan for Greeting {
    fn bind(
        self: Arc<Self>,
        variables: &Variables,
        identity: &Identity,
    ) -> Result<Arc<dyn Executable>, GraphQLError> {
        let name = variables.get("n").and_then(|v| v.as_str());
        if name == Some("nobody") {
            return Err(GraphQLError::new(ErrorCode::DataException, "there is nobody"));
        }
        let user = identity.session.get("x-hasura-user-id").map(Into::into);
        Ok(Arc::new(Bound { plan: self, inputs: vec![name.map(Into::into), user] }))
    }
}

/// It with the values of a request.
struct Bound {
    plan: Arc<Greeting>,
    inputs: Vec<Option<String>>,
}

#[async_trait]
impl Executable for Bound {
    async fn execute(&self) -> Result<Payload, GraphQLError> {
        if self.inputs[0].as_deref() == Some("error") {
            let mut error = GraphQLError::new(ErrorCode::PostgresError, "database query error");
            error.extensions.internal = Some(Box::new(json!({"secret": "table"})));
            return Err(error);
        }
        Ok(Payload::data(format!("{{\"data\":\"{} {:?}\"}}", self.plan.role, self.inputs).into()))
    }

    async fn subscribe(&self) -> Result<Box<dyn ResultStream>, GraphQLError> {
        Err(GraphQLError::new(ErrorCode::NotSupported, "not here"))
    }

    fn explain(&self) -> Explanation {
        Explanation {
            source: String::new(),
            is_statement: true,
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

const HELLO: &str = "{ hello }";

fn sha256(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request as Apollo's clients send it: a hash, and the document if it is not known.
fn persisted(query: &str, hash: &str) -> Request {
    let extensions = json!({"persistedQuery": {"version": 1, "sha256Hash": hash}});
    Request {
        query: query.into(),
        extensions: extensions.as_object().cloned().unwrap(),
        ..Request::default()
    }
}

fn named(id: &str) -> Request {
    Request { document_id: Some(id.to_owned()), ..Request::default() }
}

/// The code and the message, as clients get them.
fn refusal(engine: &Engine, request: Request, identity: &Identity) -> (String, String) {
    let errors = engine.prepare(request, identity, Allow::POST).err().unwrap();
    let json: serde_json::Value =
        serde_json::from_slice(&GraphQLError::array_json(&errors)).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (text(&json[0]["extensions"]["code"]), text(&json[0]["message"]))
}

#[test]
fn automatic_persisted_queries() {
    let (engine, _) = greeter();
    let (admin, user) = (Identity::admin(), Identity::new("user", Default::default()));
    let runs = |request| engine.prepare(request, &admin, Allow::POST).is_ok();
    let missing = ("PERSISTED_QUERY_NOT_FOUND".to_owned(), "PersistedQueryNotFound".to_owned());
    let hash = sha256(HELLO);
    assert_eq!(refusal(&engine, persisted("", &hash), &admin), missing);
    let wrong = refusal(&engine, persisted(HELLO, &sha256("{ other }")), &admin);
    assert_eq!(wrong, ("bad-request".to_owned(), "provided sha does not match query".to_owned()));
    assert!(runs(persisted(HELLO, &hash)));
    assert!(runs(persisted("", &hash)));
    assert!(runs(persisted("", &hash.to_uppercase())));
    assert!(runs(named(&format!("sha256:{hash}"))));
    // Found by all, and validated for each.
    assert_eq!(refusal(&engine, persisted("", &hash), &user).0, "validation-failed");
    // What is not valid is not kept.
    for nonsense in ["{ hello", "{ nothing }", "{ hello hello(name: 1) }"] {
        assert!(!runs(persisted(nonsense, &sha256(nonsense))), "{nonsense}");
        assert_eq!(refusal(&engine, persisted("", &sha256(nonsense)), &admin), missing);
    }
    // Nor is what is too long.
    let long = format!("{HELLO} #{}", "x".repeat(70_000));
    assert!(runs(persisted(&long, &sha256(&long))));
    assert_eq!(refusal(&engine, persisted("", &sha256(&long)), &admin), missing);
    for (extension, message) in [
        (json!({"version": 2, "sha256Hash": hash}), "Unsupported persisted query version"),
        (json!({"sha256Hash": hash}), "Unsupported persisted query version"),
        (json!({"version": 1}), "persistedQuery must have a sha256Hash"),
        (json!("x"), "persistedQuery must have a sha256Hash"),
    ] {
        let mut request = persisted("", "");
        request.extensions.insert("persistedQuery".to_owned(), extension);
        assert_eq!(refusal(&engine, request, &admin).1, message);
    }
    let mut request = persisted(HELLO, "");
    request.extensions.insert("persistedQuery".to_owned(), json!(null));
    assert!(runs(request));
    for odd in ["", "zz", &"ä".repeat(32), &hash[1..]] {
        assert_eq!(refusal(&engine, persisted("", odd), &admin), missing);
    }
    let stats = engine.persisted_queries();
    assert_eq!(stats.stored, 1);
    assert!(stats.hits >= 4 && stats.misses >= 5, "{stats:?}");

    let off = EngineConfig { persisted_queries: false, ..EngineConfig::default() };
    let (engine, _) = greeter_with(off);
    let code = |request| refusal(&engine, request, &admin).0;
    assert!(engine.prepare(persisted(HELLO, &hash), &admin, Allow::POST).is_ok());
    assert_eq!(code(persisted("", &hash)), "PERSISTED_QUERY_NOT_SUPPORTED");
    assert_eq!(code(named(&format!("sha256:{hash}"))), "not-found");
}

#[test]
fn registered_documents_are_bounded() {
    let config = EngineConfig { persisted_queries_bytes: 64 << 10, ..EngineConfig::default() };
    let (engine, _) = greeter_with(config);
    for number in 0..2000 {
        let query = format!("{HELLO} # {number} {}", "x".repeat(500));
        let request = persisted(&query, &sha256(&query));
        assert!(engine.prepare(request, &Identity::admin(), Allow::POST).is_ok());
    }
    let stats = engine.persisted_queries();
    assert_eq!(stats.stored, 2000);
    assert!((30 << 10..=64 << 10).contains(&stats.bytes), "{stats:?}");
}

#[test]
fn trusted_documents() {
    let mut trusted = Trusted::default();
    trusted.add(Some("hi"), "{ hi }", &Scope::All).unwrap();
    trusted.add(Some("greet"), "query Greet { hi(name: \"x\") }", &Scope::All).unwrap();
    let others = Scope::Roles(["other".to_owned()].into());
    trusted.add(None, "{ hi(shout: true) }", &others).unwrap();
    let trusted = Arc::new(trusted);
    let engine = |trusted_mode| {
        let trusted = Arc::clone(&trusted);
        greeter_with(EngineConfig { trusted, trusted_mode, ..EngineConfig::default() }).0
    };
    let (admin, user) = (Identity::admin(), Identity::new("user", Default::default()));
    let text = |query: &str| Request { query: query.into(), ..Request::default() };
    let not_allowed = ("validation-failed".to_owned(), "query is not allowed".to_owned());

    let only = engine(TrustedMode::Only);
    let runs = |request| only.prepare(request, &user, Allow::POST).is_ok();
    for request in [
        named("hi"),
        named("greet"),
        named(&sha256("{ hi }")),
        persisted("", &sha256("{ hi }")),
        persisted("{ hi }", &sha256("{ hi }")),
        text("{ hi }"),
        text("{\n  hi __typename # told\n}"),
    ] {
        assert!(runs(request.clone()), "{request:?}");
    }
    for query in
        ["{ hi hi2: hi }", "{ hi(shout: true) }", "{ __typename }", "{ hi } query B { hi }"]
    {
        assert_eq!(refusal(&only, text(query), &user), not_allowed);
        assert_eq!(refusal(&only, persisted(query, &sha256(query)), &user), not_allowed);
    }
    // The administrator runs anything, and what he registers is for him.
    let hash = sha256("{ hello }");
    assert!(only.prepare(persisted("{ hello }", &hash), &admin, Allow::POST).is_ok());
    assert!(only.prepare(persisted("", &hash), &admin, Allow::POST).is_ok());
    let code = refusal(&only, persisted("", &hash), &user).0;
    assert_eq!(code, "PERSISTED_QUERY_NOT_SUPPORTED");
    assert_eq!(refusal(&only, named("nobody's"), &user).0, "not-found");

    let prefer = engine(TrustedMode::Prefer);
    assert!(prefer.prepare(named("hi"), &user, Allow::POST).is_ok());
    assert!(prefer.prepare(text("{ hi hi2: hi }"), &user, Allow::POST).is_ok());

    let off = engine(TrustedMode::Off);
    assert_eq!(refusal(&off, named("hi"), &user).0, "not-found");
    assert!(off.prepare(text("{ hi hi2: hi }"), &user, Allow::POST).is_ok());
    // A switch that is thrown holds for what is in the cache.
    off.configure(EngineConfig {
        trusted: Arc::clone(&trusted),
        trusted_mode: TrustedMode::Only,
        ..EngineConfig::default()
    });
    assert_eq!(refusal(&off, text("{ hi hi2: hi }"), &user), not_allowed);
}

#[test]
fn introspection_can_be_switched_off() {
    let (admin, user) = (Identity::admin(), Identity::new("user", Default::default()));
    for (introspection, allowed) in [
        (Introspection::All, [true, true]),
        (Introspection::Admin, [true, false]),
        (Introspection::Nobody, [false, false]),
    ] {
        let config = EngineConfig { introspection, ..EngineConfig::default() };
        let (engine, _) = greeter_with(config);
        for (identity, is_allowed) in [&admin, &user].into_iter().zip(allowed) {
            let run = |query| prepare(&engine, query, json!({}), identity, Allow::POST);
            for query in [
                "{ __schema { queryType { name } } }",
                "{ t: __type(name: \"String\") { name } }",
                "{ __typename ...F } fragment F on query_root { __schema { queryType { name } } }",
            ] {
                match run(query) {
                    Ok(_) => assert!(is_allowed, "{introspection:?} {query}"),
                    Err(error) => {
                        assert!(!is_allowed, "{introspection:?} {query} {error:?}");
                        assert_eq!(error.extensions.code, ErrorCode::ValidationFailed);
                        assert!(error.message.contains("introspection is switched off"));
                    }
                }
            }
            assert!(run("{ __typename }").is_ok());
        }
    }
}

#[test]
fn directives_are_counted() {
    let config = EngineConfig { max_directives: 2, ..EngineConfig::default() };
    let (engine, _) = greeter_with(config);
    let run = |query: &str| prepare(&engine, query, json!({}), &Identity::admin(), Allow::ALL);
    assert!(run("{ hello @include(if: true) @skip(if: false) }").is_ok());
    for query in [
        "{ hello @include(if: true) @skip(if: false) @skip(if: false) }",
        "query @live @live @live { hello }",
        "{ ... @include(if: true) @skip(if: false) @skip(if: false) { hello } }",
    ] {
        let error = run(query).err().unwrap();
        assert_eq!(error.extensions.code, ErrorCode::LimitExceeded, "{query}");
    }
}

#[tokio::test]
async fn gateways_are_given_the_schema_if_that_is_wanted() {
    const QUESTION: &str = "query ServiceInfo { _service { sdl } }";
    let given = async |engine: &Engine, role: &str, text: &str| {
        let identity = Identity::new(role, Default::default());
        let request = Request { query: text.into(), ..Request::default() };
        match engine.prepare(request, &identity, Allow::ALL) {
            Ok(operation) => {
                let payload = operation.execute().await;
                serde_json::from_slice::<serde_json::Value>(&payload.bytes).unwrap()
            }
            Err(errors) => json!(errors[0].message),
        }
    };
    let (engine, planned) = greeter();
    let unknown = "field '_service' not found in type: 'query_root'";
    assert_eq!(given(&engine, "admin", QUESTION).await, unknown);
    let config = EngineConfig { federation_subgraph: true, ..EngineConfig::default() };
    engine.configure(config.clone());
    for (role, field) in [("admin", "hello"), ("user", "hi")] {
        let expected =
            format!("extend type Query {{\n  {field}(name: String, shout: Boolean): String\n}}");
        let answer = given(&engine, role, QUESTION).await;
        let sdl = answer["data"]["_service"]["sdl"].as_str().unwrap();
        assert!(sdl.contains(&expected), "{sdl}");
        assert!(!sdl.contains("query_root") && !sdl.contains("schema"), "{sdl}");
    }
    let typed = "{ a: _service { __typename b: sdl } __typename }";
    let answer = given(&engine, "user", typed).await;
    assert_eq!(
        (&answer["data"]["a"]["__typename"], &answer["data"]["__typename"]),
        (&json!("_Service"), &json!("Query"))
    );
    assert!(answer["data"]["a"]["b"].is_string());
    let twice = "{ a: _service { sdl } b: _service { sdl } }";
    assert_eq!(
        given(&engine, "user", twice).await,
        "the schema can be asked for once in an operation"
    );
    assert_eq!(
        given(&engine, "user", "{ _service { sql } }").await,
        "field 'sql' not found in type: '_Service'"
    );
    assert_eq!(planned.load(Ordering::Relaxed), 0);
    // It is introspection.
    engine.configure(EngineConfig { introspection: Introspection::Admin, ..config });
    assert_eq!(
        given(&engine, "user", QUESTION).await,
        "introspection is switched off: '_service' cannot be selected"
    );
    assert!(given(&engine, "admin", QUESTION).await["data"]["_service"]["sdl"].is_string());
}
