//! What binding accepts and refuses, as a table: document, variables, outcome.

#![allow(clippy::unwrap_used)]

use artesian_graphql::{
    Error,
    bind::{BindLimits, BoundOperation, bind, complete_variables},
    document::{Document, ParseLimits},
    error::Code,
    introspection,
    introspection_types::meta_fields,
    scalar::ScalarKind,
    schema::{Field, InputField, Schema, TypeKind, TypeRef},
    sdl,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn schema() -> Schema {
    let mut schema = Schema::new("query_root");
    schema.ensure_scalar("jsonb", ScalarKind::Json);
    schema.ensure_scalar("bigint", ScalarKind::BigInt);
    let named = TypeRef::named;
    let values = [("red".into(), None), ("blue".into(), None)].into_iter().collect();
    schema.add("colour", None, TypeKind::Enum(values));
    let comparison = [
        ("_eq", named("Int")),
        ("_in", named("Int").non_null().list()),
        ("_big", named("bigint")),
        ("_json", named("jsonb")),
        ("_colour", named("colour")),
    ];
    let fields = comparison.into_iter().map(|(n, t)| (n.into(), InputField::new(t))).collect();
    schema.add("Int_comparison_exp", None, TypeKind::Input(fields));
    let bool_exp =
        [("_and", named("author_bool_exp").non_null().list()), ("id", named("Int_comparison_exp"))];
    let fields = bool_exp.into_iter().map(|(n, t)| (n.into(), InputField::new(t))).collect();
    schema.add("author_bool_exp", None, TypeKind::Input(fields));
    let pair = ["left", "right"].map(|side| (side.into(), InputField::new(named("pair"))));
    schema.add("pair", None, TypeKind::Input(pair.into_iter().collect()));
    let limit = InputField::new(named("Int")).check(ScalarKind::NonNegativeInt);
    let list = || {
        Field::new(named("author").rows())
            .arg("where", InputField::new(named("author_bool_exp")))
            .arg("limit", limit.clone())
    };
    let author = [
        ("id", Field::new(named("Int").non_null())),
        ("name", Field::new(named("String"))),
        ("friends", list()),
    ];
    let fields = author.into_iter().map(|(n, f)| (n.into(), f)).collect();
    schema.add("author", Some("An author"), TypeKind::Object(fields));
    let by_pk = Field::new(named("author")).arg("id", InputField::new(named("Int").non_null()));
    let mut roots: indexmap::IndexMap<_, _> = [("author", list()), ("author_by_pk", by_pk)]
        .map(|(n, f)| (n.into(), f))
        .into_iter()
        .collect();
    schema.add("subscription_root", None, TypeKind::Object(roots.clone()));
    roots.extend(meta_fields().map(|(n, f)| (n.into(), f)));
    schema.add("query_root", None, TypeKind::Object(roots));
    schema.subscription = Some("subscription_root".into());
    schema
}

fn run(query: &str, variables: &Json) -> Result<BoundOperation, Error> {
    let schema = schema();
    let document = Document::parse(query, ParseLimits::default())?;
    let operation = document.operation(None)?;
    let variables = variables.as_object().cloned().unwrap_or_default();
    let variables = complete_variables(operation, variables)?;
    bind(&document, operation, &schema, &variables, BindLimits::default())
}

#[test]
fn accepted() {
    for (query, variables) in [
        ("{ author { id name } }", json!({})),
        ("query named { author { id } }", json!({})),
        ("{ a: author { id } b: author { id } }", json!({})),
        ("{ author { __typename id } __typename }", json!({})),
        ("{ author { ...f } } fragment f on author { id }", json!({})),
        ("{ author { ... on author { id } ... { name } } }", json!({})),
        ("{ author { id } author { name } }", json!({})),
        ("{ author(limit: null) { id } }", json!({})),
        ("{ author(limit: 3, where: {id: {_eq: 1, _in: [1, 2]}}) { id } }", json!({})),
        ("{ author(where: {id: {_in: 1}}) { id } }", json!({})),
        ("{ author(where: {_and: {id: {_eq: 1}}}) { id } }", json!({})),
        ("{ author(where: {id: {_big: \"9223372036854775807\"}}) { id } }", json!({})),
        ("{ author(where: {id: {_json: {a: [1, {b: null}], c: RED}}}) { id } }", json!({})),
        ("query ($x: Int) { author(limit: $x) { id } }", json!({"x": 1})),
        ("query ($x: Int) { author(limit: $x) { id } }", json!({})),
        ("query ($x: Int = 5) { author(limit: $x) { id } }", json!({})),
        ("query ($x: Int = 5) { author_by_pk(id: $x) { id } }", json!({})),
        (
            "query ($w: author_bool_exp) { author(where: $w) { id } }",
            json!({"w": {"id": {"_eq": 1}}}),
        ),
        ("query ($c: colour) { author(where: {id: {_colour: $c}}) { id } }", json!({"c": "red"})),
        ("query ($i: [Int!]) { author(where: {id: {_in: $i}}) { id } }", json!({"i": [1, 2]})),
        // Unused variables and fragments are not refused in this dialect.
        ("query ($x: jsonb) { author { id } }", json!({"x": 1})),
        ("{ author { id } } fragment unused on author { name }", json!({})),
        ("query ($b: Boolean!) { author { id name @include(if: $b) } }", json!({"b": false})),
        ("{ author { id nothing_of_that_name @skip(if: true) } }", json!({})),
        ("subscription { author { id } }", json!({})),
        ("subscription { ...f } fragment f on query_root { author { id } }", json!({})),
        ("query @live { author { id } }", json!({})),
        ("query @cached(ttl: 60) { author { id } }", json!({})),
        ("{ __schema { types { name } } __type(name: \"author\") { fields { name } } }", json!({})),
    ] {
        let result = run(query, &variables);
        assert!(result.is_ok(), "{query} {variables}: {:?}", result.err());
    }
}

#[test]
fn refused() {
    for (query, variables, path, message) in [
        ("{", json!({}), "$.query", "not a valid graphql query"),
        ("", json!({}), "$.query", "not a valid graphql query"),
        ("type T { a: Int }", json!({}), "$.query", "only operations and fragments"),
        ("fragment f on author { id }", json!({}), "$", "has no operation"),
        (
            "query a { author { id } } query b { author { id } }",
            json!({}),
            "$",
            "exactly one operation",
        ),
        (
            "query a { author { id } } query a { author { id } }",
            json!({}),
            "$",
            "only be one operation named",
        ),
        ("{ author { id } } query b { author { id } }", json!({}), "$", "anonymous operation"),
        ("mutation { x }", json!({}), "$", "no mutations exist"),
        (
            "{ nope { id } }",
            json!({}),
            "$.selectionSet.nope",
            "field 'nope' not found in type: 'query_root'",
        ),
        (
            "{ author { nope } }",
            json!({}),
            "$.selectionSet.author.selectionSet.nope",
            "field 'nope' not found in type: 'author'",
        ),
        ("{ author }", json!({}), "$.selectionSet.author", "missing selection set for 'author'"),
        (
            "{ author { id { x } } }",
            json!({}),
            "$.selectionSet.author.selectionSet.id",
            "unexpected subselection set for non-object field",
        ),
        (
            "{ author(nope: 1) { id } }",
            json!({}),
            "$.selectionSet.author",
            "'author' has no argument named 'nope'",
        ),
        (
            "{ author(limit: 1, limit: 2) { id } }",
            json!({}),
            "$.selectionSet.author",
            "given more than once",
        ),
        (
            "{ author_by_pk { id } }",
            json!({}),
            "$.selectionSet.author_by_pk.args.id",
            "missing required field 'id'",
        ),
        (
            "{ author_by_pk(id: null) { id } }",
            json!({}),
            "$.selectionSet.author_by_pk.args.id",
            "unexpected null value for type 'Int'",
        ),
        (
            "{ author(limit: \"3\") { id } }",
            json!({}),
            "$.selectionSet.author.args.limit",
            "expected a non-negative 32-bit integer for type 'Int', but found a string",
        ),
        (
            "{ author(limit: -1) { id } }",
            json!({}),
            "$.selectionSet.author.args.limit",
            "expected a non-negative 32-bit integer for type 'Int', but found an integer",
        ),
        (
            "{ author(where: {nope: 1}) { id } }",
            json!({}),
            "$.selectionSet.author.args.where.nope",
            "field 'nope' not found in type: 'author_bool_exp'",
        ),
        (
            "{ author(where: {id: {_ne: 1}}) { id } }",
            json!({}),
            "$.selectionSet.author.args.where.id._ne",
            "field '_ne' not found in type: 'Int_comparison_exp'",
        ),
        (
            "{ author(where: {id: {_eq: 1, _eq: 2}}) { id } }",
            json!({}),
            "$.selectionSet.author.args.where.id._eq",
            "given more than once",
        ),
        (
            "{ author(where: {id: {_eq: 2147483648}}) { id } }",
            json!({}),
            "$.selectionSet.author.args.where.id._eq",
            "expected a 32-bit integer",
        ),
        (
            "{ author(where: {id: {_eq: red}}) { id } }",
            json!({}),
            "$.selectionSet.author.args.where.id._eq",
            "expected a 32-bit integer for type 'Int', but found an enum value",
        ),
        (
            "{ author(where: {id: {_in: [1, null]}}) { id } }",
            json!({}),
            "$.selectionSet.author.args.where.id._in[1]",
            "unexpected null value",
        ),
        (
            "{ author(where: {id: {_in: [1, \"x\"]}}) { id } }",
            json!({}),
            "$.selectionSet.author.args.where.id._in[1]",
            "but found a string",
        ),
        (
            "{ author(where: {id: {_colour: \"red\"}}) { id } }",
            json!({}),
            "$.selectionSet.author.args.where.id._colour",
            "expected an enum value for type 'colour', but found a string",
        ),
        (
            "{ author(where: {id: {_colour: green}}) { id } }",
            json!({}),
            "$.selectionSet.author.args.where.id._colour",
            "expected one of the values ['blue', 'red'] for type 'colour', but found 'green'",
        ),
        (
            "{ author(where: 3) { id } }",
            json!({}),
            "$.selectionSet.author.args.where",
            "expected an object for type 'author_bool_exp', but found an integer",
        ),
        (
            "{ author(limit: $x) { id } }",
            json!({}),
            "$.selectionSet.author.args.limit",
            "unbound variable \"x\"",
        ),
        (
            "query ($x: String) { author(limit: $x) { id } }",
            json!({"x": 42}),
            "$.selectionSet.author.args.limit",
            "variable 'x' is declared as 'String', but used where 'Int' is expected",
        ),
        (
            "query ($x: Int) { author_by_pk(id: $x) { id } }",
            json!({"x": 42}),
            "$.selectionSet.author_by_pk.args.id",
            "variable 'x' is declared as 'Int', but used where 'Int!' is expected",
        ),
        (
            "query ($x: Int!) { author(limit: $x) { id } }",
            json!({}),
            "$.variableValues",
            "expecting a value for non-nullable variable: \"x\"",
        ),
        (
            "query ($x: Int!) { author(limit: $x) { id } }",
            json!({"x": null}),
            "$.variableValues",
            "expecting a value for non-nullable variable: \"x\"",
        ),
        (
            "{ author { id } }",
            json!({"y": 1}),
            "$.variableValues",
            "unexpected variables in variableValues: y",
        ),
        ("query ($x: Int, $x: Int) { author { id } }", json!({}), "$", "declared more than once"),
        ("query ($x: author) { author { id } }", json!({}), "$", "not an input type"),
        (
            "query ($c: colour) { author(where: {id: {_colour: $c}}) { id } }",
            json!({"c": "green"}),
            "$.selectionSet.author.args.where.id._colour",
            "but found 'green'",
        ),
        (
            "query ($w: author_bool_exp) { author(where: $w) { id } }",
            json!({"w": {"id": {"_ne": 1}}}),
            "$.selectionSet.author.args.where.id._ne",
            "field '_ne' not found",
        ),
        (
            "{ author { ...f } }",
            json!({}),
            "$.selectionSet.author.selectionSet",
            "reference to undefined fragment \"f\"",
        ),
        (
            "{ author { ...f } } fragment f on nope { id }",
            json!({}),
            "$.selectionSet.author.selectionSet",
            "which does not exist",
        ),
        (
            "{ author { ...f } } fragment f on query_root { author { id } }",
            json!({}),
            "$.selectionSet.author.selectionSet",
            "cannot be spread on type 'author'",
        ),
        (
            "{ author { ...f } } fragment f on author { friends { ...f } }",
            json!({}),
            "$.selectionSet.author.selectionSet.f.selectionSet.friends.selectionSet",
            "the fragment definition(s) f form a cycle",
        ),
        (
            "{ author { ...a } } fragment a on author { ...b } fragment b on author { ...a }",
            json!({}),
            "$.selectionSet.author.selectionSet.a.selectionSet.b.selectionSet",
            "the fragment definition(s) a and b form a cycle",
        ),
        (
            "{ author { x: id x: name } }",
            json!({}),
            "$.selectionSet.author.selectionSet.name",
            "selection of both 'id' and 'name' specify the same response name, 'x'",
        ),
        (
            "{ author(limit: 1) { id } author(limit: 2) { id } }",
            json!({}),
            "$.selectionSet.author",
            "inconsistent arguments",
        ),
        (
            "{ author { id @nope } }",
            json!({}),
            "$.selectionSet.author.selectionSet.id",
            "directive 'nope' is not defined",
        ),
        (
            "{ author { id @include } }",
            json!({}),
            "$.selectionSet.author.selectionSet.id",
            "takes the one argument 'if'",
        ),
        (
            "{ author { id @include(if: 1) } }",
            json!({}),
            "$.selectionSet.author.selectionSet.id",
            "expected a boolean",
        ),
        (
            "{ author { id @skip(if: true) @skip(if: true) } }",
            json!({}),
            "$.selectionSet.author.selectionSet.id",
            "more than once",
        ),
        ("subscription @live { author { id } }", json!({}), "$", "for queries only"),
        (
            "{ __type { name } }",
            json!({}),
            "$.selectionSet.__type.args.name",
            "missing required field 'name'",
        ),
    ] {
        let error = run(query, &variables).err();
        let error = error.unwrap_or_else(|| panic!("accepted: {query} {variables}"));
        assert_eq!(error.path, path, "{query}: {error}");
        assert!(error.message.contains(message), "{query}: {error}");
    }
}

#[test]
fn values_of_variables_are_checked_when_they_come() {
    // A variable in the place of a scalar is no part of the shape; its value is checked later.
    let bound = run("query ($x: Int) { author(limit: $x) { id } }", &json!({"x": 1})).unwrap();
    let Some(artesian_graphql::bind::Value::Scalar(scalar)) = bound.fields[0].arg("limit") else {
        panic!("a scalar")
    };
    assert!(scalar.check(&json!(7)).is_ok());
    let error = scalar.check(&json!("7")).unwrap_err();
    assert_eq!(error.path, "$.selectionSet.author.args.limit");
}

#[test]
fn shape_is_what_the_tree_depends_on() {
    let key = |query: &str, variables: Json| {
        let bound = run(query, &variables).unwrap();
        bound.shape.key(variables.as_object().unwrap())
    };
    let scalar = "query ($x: Int) { author(limit: $x) { id } }";
    assert_eq!(key(scalar, json!({"x": 1})), key(scalar, json!({"x": 2})));
    assert_ne!(key(scalar, json!({"x": 1})), key(scalar, json!({"x": null})));
    let object = "query ($w: author_bool_exp) { author(where: $w) { id } }";
    assert_ne!(key(object, json!({"w": {"id": {"_eq": 1}}})), key(object, json!({"w": {}})));
    let include = "query ($b: Boolean!) { author { id name @include(if: $b) } }";
    assert_ne!(key(include, json!({"b": true})), key(include, json!({"b": false})));
}

#[test]
fn limits() {
    let deep = format!("{{ {} id {} }}", "author { friends {".repeat(30), "} }".repeat(30));
    assert!(
        run(
            &deep
                .replace("author { friends {", "author { friends { friends {")
                .replace("} }", "} } }"),
            &json!({})
        )
        .is_err()
    );
    let nested = format!("{{ author {{ {} id {} }} }}", "friends { ".repeat(60), "}".repeat(60));
    let error = run(&nested, &json!({})).unwrap_err();
    assert!(error.message.contains("nested deeper than 50 levels"), "{error}");
    let value =
        format!("{{ author(where: {} {{}} {}) {{ id }} }}", "{_and: [".repeat(60), "]}".repeat(60));
    assert!(run(&value, &json!({})).is_err());
    let aliases: String = (0..201).map(|i| format!("a{i}: author {{ id }} ")).collect();
    let error = run(&format!("{{ {aliases} }}"), &json!({})).unwrap_err();
    assert!(error.message.contains("more than 200 aliases"), "{error}");
    let tokens = format!("{{ author {{ {} }} }}", "id ".repeat(20_000));
    let error = run(&tokens, &json!({})).unwrap_err();
    assert!(error.message.contains("more than 15000 tokens"), "{error}");
    // Fragments that double at each step end at the limit of fields, soon.
    let mut bomb = String::from("{ author { ...f0 } } ");
    for i in 0..40 {
        bomb.push_str(&format!("fragment f{i} on author {{ ...f{n} ...f{n} }} ", n = i + 1));
    }
    bomb.push_str("fragment f40 on author { id }");
    let error = run(&bomb, &json!({})).unwrap_err();
    assert!(error.message.contains("selects more than"), "{error}");
    // A chain of fragments without a field between them does not use up the stack.
    let mut chain = String::from("{ author { ...f0 } } ");
    for i in 0..900 {
        chain.push_str(&format!("fragment f{i} on author {{ ...f{} }} ", i + 1));
    }
    chain.push_str("fragment f900 on author { id }");
    let small_stack = std::thread::Builder::new().stack_size(512 * 1024);
    let thread = small_stack.spawn(move || run(&chain, &json!({})).unwrap_err()).unwrap();
    let error = thread.join().unwrap();
    assert!(error.message.contains("fragments are nested deeper than 50 levels"), "{error}");
    let directives = format!("{{ author {{ id {} }} }}", "@include(if: true) ".repeat(1000));
    assert!(run(&directives, &json!({})).unwrap_err().message.contains("directives"));
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    for (open, close) in [("{a", "}"), ("{a(b:[", "])}"), ("{a(b:{c:", "})}")] {
        let text = format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        let limits = ParseLimits { max_tokens: usize::MAX, ..ParseLimits::default() };
        assert!(Document::parse(&text, limits).is_err());
    }
}

/// What a variable is copied into is bounded by how much of it there is, and how often.
#[test]
fn copies_of_variables_are_limited() {
    let uses = |count: usize, w: Json| {
        let list = "$w ".repeat(count);
        let query = format!(
            "query ($w: author_bool_exp!) {{ author(where: {{_and: [{list}]}}) {{ id }} }}"
        );
        run(&query, &json!({ "w": w }))
    };
    let ids = json!({"id": {"_in": (0..10_000).collect::<Vec<_>>()}});
    assert!(uses(9, ids.clone()).is_ok());
    let error = uses(10, ids).unwrap_err();
    assert_eq!(error.code, Code::LimitExceeded);
    assert_eq!(error.path, "$.selectionSet.author.args.where._and[9]");
    let text = json!({"id": {"_json": "x".repeat(1 << 20)}});
    assert!(uses(3, text.clone()).is_ok());
    assert_eq!(uses(4, text).unwrap_err().code, Code::LimitExceeded);
    // A scalar's value is not copied: it becomes one parameter.
    let scalars = "{id: {_in: $ids}} ".repeat(500);
    let query = format!("query ($ids: [Int!]) {{ author(where: {{_and: [{scalars}]}}) {{ id }} }}");
    assert!(run(&query, &json!({"ids": (0..10_000).collect::<Vec<_>>()})).is_ok());
    // Inside a literal it is.
    let literal = format!(
        "query ($j: jsonb) {{ author(where: {{id: {{_json: [{}]}}}}) {{ id }} }}",
        "$j ".repeat(20)
    );
    let error = run(&literal, &json!({"j": (0..10_000).collect::<Vec<_>>()})).unwrap_err();
    assert_eq!(error.code, Code::LimitExceeded);
}

/// Every field keeps its path, so a fragment's name must not be as long as the client likes.
#[test]
fn paths_are_limited() {
    let with = |length: usize| {
        let name = "f".repeat(length);
        run(&format!("{{ author {{ ...{name} }} }} fragment {name} on author {{ id }}"), &json!({}))
    };
    assert!(with(3000).is_ok());
    let error = with(4000).unwrap_err();
    assert_eq!(error.code, Code::LimitExceeded);
    assert!(error.path.len() <= 200);
}

fn introspect(schema: &Schema, bound: &BoundOperation) -> Result<Json, Error> {
    let budget = introspection::Budget::default();
    let variables = serde_json::Map::new();
    let mut last = Json::Null;
    for field in &bound.fields {
        last = introspection::resolve(schema, field, &variables, &budget)?;
    }
    Ok(last)
}

/// Types lead to types: an answer can double with each level of its query.
#[test]
fn introspection_is_limited() {
    let schema = schema();
    let ask = |query: &str| introspect(&schema, &run(query, &json!({})).unwrap());
    let nested = |levels: usize| {
        let (open, close) = ("inputFields { type { ".repeat(levels), "} } ".repeat(levels));
        format!("{{ __type(name: \"pair\") {{ {open} name {close} }} }}")
    };
    assert!(ask(&nested(10)).is_ok());
    let error = ask(&nested(24)).unwrap_err();
    assert_eq!((error.code, &*error.path), (Code::LimitExceeded, "$.selectionSet.__type"));
    // The budget is the operation's, not the field's.
    let one = nested(10);
    let one = one.trim_start_matches('{').strip_suffix('}').unwrap();
    let often: String = (0..100).map(|n| format!("a{n}: {one} ")).collect();
    assert!(ask(&format!("{{ {often} }}")).is_err());
}

#[test]
fn the_full_introspection_query_is_answered() {
    let query = include_str!("introspection.graphql");
    let schema = schema();
    let bound = run(query, &json!({})).unwrap();
    let answer = introspect(&schema, &bound).unwrap();
    assert_eq!(answer["queryType"]["name"], "query_root");
    assert_eq!(answer["mutationType"], Json::Null);
    let types = answer["types"].as_array().unwrap();
    let author = types.iter().find(|t| t["name"] == "author").unwrap();
    assert_eq!(author["kind"], "OBJECT");
    assert_eq!(
        author["fields"][0]["type"],
        json!({"kind": "NON_NULL", "name": null, "ofType": {"kind": "SCALAR", "name": "Int", "ofType": null}})
    );
    let root = types.iter().find(|t| t["name"] == "query_root").unwrap();
    assert!(
        root["fields"]
            .as_array()
            .unwrap()
            .iter()
            .all(|f| !f["name"].as_str().unwrap().starts_with("__"))
    );
    let text = sdl::print(&schema);
    assert!(text.contains("type author {\n  id: Int!\n"), "{text}");
    assert!(!text.contains("__Schema"));
}

proptest! {
    /// Nothing a client sends makes the parser or the binder panic.
    #[test]
    fn any_text_is_answered(text in ".{0,200}") {
        let _ = run(&text, &json!({}));
    }

    /// The same for text made of the language's own pieces.
    #[test]
    fn any_tokens_are_answered(tokens in proptest::collection::vec(
        proptest::sample::select(vec![
            "{", "}", "(", ")", "[", "]", ":", "$", "@", "!", "...", "=", "author", "id", "on", "query",
            "fragment", "f", "limit", "where", "_eq", "1", "-1.5e3", "\"s\"", "\"\"\"b\"\"\"", "null", "true", "include",
            "if", "subscription", "Int", "&", "|",
        ]), 0..60)) {
        let _ = run(&tokens.join(" "), &json!({"x": 1}));
    }
}
