use serde_json::{Value, json};

use super::*;

fn sdl(text: &str) -> ServiceSchema {
    ServiceSchema::from_sdl(text, &ReadLimits::default()).unwrap()
}

fn read(schema: &Value) -> Result<ServiceSchema, SchemaError> {
    let body = json!({ "data": { "__schema": schema } }).to_string();
    ServiceSchema::from_introspection(body.as_bytes(), &ReadLimits::default())
}

fn named(name: &str) -> Value {
    json!({ "kind": "SCALAR", "name": name })
}

/// A schema whose query root has these fields.
fn with_fields(fields: Value) -> Value {
    json!({
        "queryType": { "name": "Query" },
        "types": [
            { "kind": "OBJECT", "name": "Query", "fields": fields },
            { "kind": "SCALAR", "name": "Int" },
            { "kind": "OBJECT", "name": "__Type", "fields": [] },
        ],
    })
}

const EVERYTHING: &str = r#"
"A shop." schema { query: Q mutation: M subscription: S }
directive @cached(ttl: Int! = 60, by: Key) repeatable on QUERY | FIELD
scalar Date @specifiedBy(url: "https://date.test")
interface Node { id: ID! }
interface Named implements Node { id: ID! name: String }
type User implements Named & Node { id: ID! name: String age: Int @deprecated(reason: "rude") }
type Shop implements Node { id: ID! open(at: Date, days: [Day!]! = [MON, TUE]): Boolean! }
union Found = User | Shop
enum Day { "first" MON TUE @deprecated }
input Key { a: Int = -3, b: [[String!]], c: Key, d: String! = "x\"y" }
type Q { node(id: ID!): Node find(by: Key = {a: 1, b: [["é"]]}): [Found!]! }
type M { touch(key: Key!): User }
type S { found: Found }
"#;

/// What a service with this schema answers to a query.
fn introspect(schema: &ServiceSchema, query: &str) -> Vec<u8> {
    use apollo_compiler::{ExecutableDocument, introspection};
    let valid = schema.valid();
    let document = match ExecutableDocument::parse_and_validate(valid, query, "q") {
        Ok(document) => document,
        Err(failed) => {
            let errors: Vec<Value> =
                failed.errors.iter().map(|e| json!({ "message": e.error.to_string() })).collect();
            return json!({ "errors": errors }).to_string().into_bytes();
        }
    };
    let operation = document.operations.get(None).unwrap();
    let variables = apollo_compiler::request::coerce_variable_values(
        valid,
        operation,
        &apollo_compiler::response::JsonMap::new(),
    )
    .unwrap();
    let map = valid.implementers_map();
    let answer =
        introspection::partial_execute(valid, &map, &document, operation, &variables).unwrap();
    serde_json::to_vec(&answer).unwrap()
}

#[test]
fn introspection_gives_what_the_sdl_gives() {
    let schema = sdl(EVERYTHING);
    let mut introspector = Introspector::new(ReadLimits::default());
    // This library's schemas have no isOneOf; it is given up, and nothing else.
    let mut asked = 0;
    let read = loop {
        asked += 1;
        if let Some(read) =
            introspector.answer(&introspect(&schema, &introspector.query())).unwrap()
        {
            break read;
        }
    };
    assert_eq!(asked, 2);
    assert!(!introspector.query().contains("isOneOf"));
    assert!(introspector.query().contains("specifiedByURL"));
    assert_eq!(schema.difference(&read).to_string(), "nothing changed", "{}", read.sdl());
    assert_eq!(schema.digest(), read.digest());
    assert!(read.notes().is_empty());
}

#[test]
fn what_is_printed_is_read_as_the_same() {
    let schema = sdl(EVERYTHING);
    assert_eq!(sdl(&schema.sdl()).digest(), schema.digest());
}

#[test]
fn old_services_are_asked_for_less() {
    let mut introspector = Introspector::new(ReadLimits::default());
    let errors = |message: &str| json!({ "errors": [{ "message": message }] }).to_string();
    let refuse = |introspector: &mut Introspector, message: &str| {
        introspector.answer(errors(message).as_bytes()).unwrap()
    };
    let message = "Cannot query field \"isRepeatable\" on type \"__Directive\".";
    assert!(refuse(&mut introspector, message).is_none());
    assert!(!introspector.query().contains("isRepeatable"));
    assert!(introspector.query().contains("isOneOf"));
    assert!(refuse(&mut introspector, "Unknown argument 'includeDeprecated'").is_none());
    assert!(!introspector.query().contains("args(includeDeprecated"));
    // Who does not say what is wrong is asked for less each time, until nothing is left to give up.
    let mut asked = 2;
    let last = loop {
        match introspector.answer(errors("no").as_bytes()) {
            Ok(None) => asked += 1,
            Ok(Some(_)) => panic!("there is no schema"),
            Err(error) => break error,
        }
    };
    assert!(asked <= 6, "{asked}");
    assert_eq!(last, SchemaError::Refused("no".into()));
    assert!(!introspector.query().contains("specifiedByURL"));
    let documents = apollo_compiler::ast::Document::parse(introspector.query(), "q").unwrap();
    assert_eq!(documents.definitions.len(), 4);
}

#[test]
fn a_message_with_quotes_is_told_as_it_is() {
    let mut introspector = Introspector::new(ReadLimits::default());
    introspector.features.clear();
    let body = json!({ "errors": [{ "message": "say \"please\"\n" }] }).to_string();
    let error = introspector.answer(body.as_bytes()).unwrap_err();
    assert_eq!(error, SchemaError::Refused("say \"please\"".into()));
}

#[test]
fn unknown_members_are_ignored() {
    let schema = with_fields(json!([
        { "name": "a", "type": named("Int"), "futureMember": [1, {}], "args": null },
    ]));
    assert_eq!(read(&schema).unwrap().sdl().trim(), "type Query {\n  a: Int\n}");
    // Files that tools write have no `data`.
    let file = json!({ "__schema": schema }).to_string();
    assert!(ServiceSchema::from_introspection(file.as_bytes(), &ReadLimits::default()).is_ok());
}

#[test]
fn a_default_that_is_no_value_makes_the_argument_optional() {
    let ty = json!({ "kind": "NON_NULL", "ofType": named("Int") });
    let argument = json!({ "name": "b", "type": ty, "defaultValue": "1) evil: Int c(d: Int" });
    let schema = with_fields(json!([{ "name": "a", "type": named("Int"), "args": [argument] }]));
    let schema = read(&schema).unwrap();
    assert_eq!(schema.sdl().trim(), "type Query {\n  a(b: Int): Int\n}");
    assert_eq!(schema.notes().len(), 1);
}

#[test]
fn what_cannot_be_read() {
    let int = || json!([{ "name": "a", "type": named("Int") }]);
    let mut kind = with_fields(int());
    kind["types"][1]["kind"] = json!("THING");
    kind["types"][1]["name"] = json!("Thing");
    let mut twice = with_fields(int());
    let query = twice["types"][0].clone();
    twice["types"].as_array_mut().unwrap().push(query);
    for (schema, words) in [
        (json!({ "types": [] }), "query"),
        (with_fields(json!([])), "fields"),
        (with_fields(json!([{ "name": "a", "type": named("Nowhere") }])), "Nowhere"),
        (with_fields(json!([{ "name": "a b", "type": named("Int") }])), "\"a b\" is no name"),
        (with_fields(json!([{ "name": "a", "type": { "kind": "LIST" } }])), "lists"),
        (with_fields(json!([{ "name": "a" }])), "type"),
        (kind, "THING"),
        (twice, "twice"),
    ] {
        let error = read(&schema).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    for body in ["", "<html>", "[]", "{}", "{\"data\":null}", "{\"data\":{\"__schema\":null}}"] {
        let read = ServiceSchema::from_introspection(body.as_bytes(), &ReadLimits::default());
        assert!(matches!(read, Err(SchemaError::Malformed(_))), "{body}");
    }
}

#[test]
fn sizes_are_bounded() {
    let text = "type Query { a(b: Int): [[Int]] } type B { c: Int }";
    let limits = |limits: ReadLimits| ServiceSchema::from_sdl(text, &limits).map(|_| ());
    let all = ReadLimits::default();
    assert!(limits(all).is_ok());
    for (limits_of, what) in [
        (ReadLimits { bytes: 10, ..all }, "bytes"),
        (ReadLimits { types: 2, ..all }, "types"),
        (ReadLimits { members: 2, ..all }, "fields, arguments and values"),
    ] {
        let error = limits(limits_of).unwrap_err();
        assert!(matches!(error, SchemaError::TooLarge { what: w, .. } if w == what), "{error}");
    }
    let mut ty = named("Int");
    for _ in 0..30 {
        ty = json!({ "kind": "LIST", "ofType": ty });
    }
    let deep = read(&with_fields(json!([{ "name": "a", "type": ty }]))).unwrap_err();
    assert!(matches!(deep, SchemaError::TooLarge { .. }), "{deep}");
    let deep = format!("type Query {{ a: {}Int{} }}", "[".repeat(9000), "]".repeat(9000));
    assert!(ServiceSchema::from_sdl(&deep, &all).is_err());
}

#[test]
fn files_of_federated_services_are_read() {
    let schema = sdl(r#"
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.0")
        directive @key(fields: String!) repeatable on OBJECT
        extend type Query { me: User }
        type User @key(fields: "id") @shareable { id: ID! @external name: String @deprecated }
    "#);
    let text = schema.sdl();
    assert!(text.contains("me: User") && text.contains("@deprecated"), "{text}");
    assert!(!text.contains("key") && !text.contains("external"), "{text}");
}

#[test]
fn the_order_does_not_matter_to_the_digest() {
    let a = sdl("type Query { a: Int b(x: Int, y: Int): E } enum E { P Q }");
    let b = sdl("enum E { Q P } type Query { b(y: Int, x: Int): E a: Int }");
    assert_eq!(a.digest(), b.digest());
    for other in [
        "type Query { a: Int! b(x: Int, y: Int): E } enum E { P Q }",
        "type Query { a: Int b(x: Int = 1, y: Int): E } enum E { P Q }",
        "type Query { a: Int b(x: Int, y: Int): E } enum E { P Q R }",
        "type Query { a: Int b(x: Int, y: Int): E } \"new\" enum E { P Q }",
        "type Query { a: Int b(x: Int, y: Int): E } enum E { P Q @deprecated }",
    ] {
        assert_ne!(a.digest(), sdl(other).digest(), "{other}");
    }
    assert_eq!(a.digest().to_string().len(), 64);
}

#[test]
fn differences_are_told() {
    let old = sdl("type Query { a: Int b(x: Int): E c: Old } enum E { P Q } type Old { z: Int }");
    let new =
        sdl("type Query { a: Int! b(y: Int): E d: U } enum E { P } union U = Query \"x\" scalar S");
    assert_eq!(
        old.difference(&new).to_string(),
        "gone: E.Q, Old, Query.b(x:), Query.c; added: Query.b(y:), Query.d, S, U; \
         changed: Query.a: Int → Int!"
    );
    let reworded =
        sdl("type Query { \"new\" a: Int b(x: Int): E c: Old } enum E { P Q } type Old { z: Int }");
    assert_eq!(old.difference(&reworded).to_string(), "described otherwise: 1");
}

#[test]
fn fields_of_types_that_nobody_has_are_left_out() {
    let text = "type Query { a: Int }
        type Subscription { there: Own gone: parcel empty: Wrap by(x: [Filter!]): Int }
        type Own { id: ID! parcel: [parcel!] own: Own }
        type Wrap { parcel: parcel }";
    let schema = ServiceSchema::from_sdl_beside(text, None, &ReadLimits::default()).unwrap();
    let own =
        "type Query { a: Int } type Subscription { there: Own } type Own { id: ID! own: Own }";
    assert_eq!(schema.digest(), sdl(own).digest());
    let notes = schema.notes();
    assert_eq!(notes.len(), 5, "{notes:?}");
    assert!(notes.contains(&"Subscription.gone is left out: there is no type parcel".to_owned()));
    // A root of which nothing is left is no root.
    let text = "type Query { a: Int } type Subscription { gone: parcel }";
    let schema = ServiceSchema::from_sdl_beside(text, None, &ReadLimits::default()).unwrap();
    assert_eq!(schema.digest(), sdl("type Query { a: Int }").digest());
}

#[test]
fn a_source_of_events_needs_no_root_for_queries() {
    let read = |text| ServiceSchema::from_sdl_beside(text, None, &ReadLimits::default()).unwrap();
    let events = "type Subscription { changed: QueryStats } type QueryStats { n: Int }";
    let with_root = format!("type Query {{ _: Boolean }} {events}");
    assert_eq!(read(events).digest(), sdl(&with_root).digest());
    // A type of that name that is no root stays what it is.
    let taken = read("schema { subscription: S } type S { changed: Query } type Query { n: Int }");
    let root = "schema { query: Query_ subscription: S } type Query_ { _: Boolean } \
                type S { changed: Query } type Query { n: Int }";
    assert_eq!(taken.digest(), sdl(root).digest());
}
