use serde_json::json;

use super::*;
use crate::ReadLimits;

const SDL: &str = "type Query { a: Int } \
    type Subscription { changed(region: String = \"eu\", size: Size): Order list: [Order!] any: Any strict: Strict } \
    enum Size { BIG } union Any = Order | Item interface Node { id: ID! } \
    type Order implements Node { id: ID! status: String total(in: String): Float items(first: Int): [Item!]! size: Size } \
    type Item implements Node { id: ID! name: String } type Strict { n: Int! }";

fn field(text: &str, variables: Json) -> EventField {
    let schema = ServiceSchema::from_sdl(SDL, &ReadLimits::default()).unwrap();
    let Json::Object(variables) = variables else { panic!() };
    EventField::read(&schema, text, &variables).unwrap()
}

fn project(text: &str, value: Json) -> Json {
    let projected = field(text, json!({})).project(&value, &Map::new(), Vec::new());
    serde_json::from_slice(&projected.response).unwrap()
}

#[test]
fn arguments_have_their_defaults() {
    let asked =
        field("subscription ($s: Size) { c: changed(size: $s) { id } }", json!({"s": "BIG"}));
    assert_eq!(asked.name(), "changed");
    assert_eq!(Json::Object(asked.arguments().clone()), json!({"region": "eu", "size": "BIG"}));
}

#[test]
fn what_was_selected_is_given() {
    let text = "subscription { c: changed { __typename key: id ...F ... on Node { status: id } items { name } } } fragment F on Order { s: size }";
    let message = json!({"id": 7, "size": "BIG", "more": 1, "items": [{"name": "x"}, {}]});
    assert_eq!(
        project(text, message),
        json!({"data": {"c": {"__typename": "Order", "key": "7", "s": "BIG", "status": "7",
            "items": [{"name": "x"}, {"name": null}]}}})
    );
    assert_eq!(
        project("subscription { changed { id } }", Json::Null),
        json!({"data": {"changed": null}})
    );
}

#[test]
fn what_does_not_fit_is_null_with_an_error() {
    let outcome = |text: &str, value: Json| {
        let response = project(text, value);
        let errors: Vec<_> =
            response["errors"].as_array().unwrap().iter().map(|e| e["path"].to_string()).collect();
        (response["data"].clone(), errors.join(" "))
    };
    let rows = [
        (
            "subscription { changed { status } }",
            json!({"status": 7}),
            json!({"changed": {"status": null}}),
            r#"["changed","status"]"#,
        ),
        (
            "subscription { changed { size } }",
            json!({"size": "SMALL"}),
            json!({"changed": {"size": null}}),
            r#"["changed","size"]"#,
        ),
        (
            "subscription { changed { id } }",
            json!({}),
            json!({"changed": null}),
            r#"["changed","id"]"#,
        ),
        (
            "subscription { changed { items { id } } }",
            json!({"items": [{"id": 1}, {}]}),
            json!({"changed": null}),
            r#"["changed","items",1,"id"]"#,
        ),
        (
            "subscription { changed { id } }",
            json!("text"),
            json!({"changed": null}),
            r#"["changed"]"#,
        ),
        (
            "subscription { any { ... on Item { name } } }",
            json!({"name": "x"}),
            json!({"any": null}),
            r#"["any"]"#,
        ),
        (
            "subscription { strict { n } }",
            json!({"n": 3_000_000_000_u64}),
            json!({"strict": null}),
            r#"["strict","n"]"#,
        ),
    ];
    for (text, value, data, paths) in rows {
        assert_eq!(outcome(text, value), (data, paths.to_owned()), "{text}");
    }
    let any = project(
        "subscription { any { ... on Item { name } } }",
        json!({"__typename": "Item", "name": "x"}),
    );
    assert_eq!(any, json!({"data": {"any": {"name": "x"}}}));
}

#[test]
fn what_is_missing_is_asked_for() {
    let text = "subscription ($n: Int, $u: String, $yes: Boolean!) { changed(region: $u) { id s: status t: total(in: \"EUR\") items(first: $n) { ...I } size @include(if: $yes) } } \
        fragment I on Item { id name }";
    let asked = field(text, json!({"n": 3, "u": "x", "yes": true}));
    let arguments = [("id".to_owned(), "ID!".to_owned(), json!("7"))];
    let missing = asked.missing(&json!({"id": 7, "status": "new"}), "order", &arguments).unwrap();
    assert_eq!(missing.keys, ["t", "items", "size"]);
    assert_eq!(
        missing.query,
        "query ($_id: ID!, $n: Int, $yes: Boolean!) { value: order(id: $_id) { t: total(in: \"EUR\") items(first: $n) { ...I } size @include(if: $yes) } } \
         fragment I on Item { id name }"
    );
    assert_eq!(Json::Object(missing.variables), json!({"_id": "7", "n": 3, "yes": true}));
    let whole = json!({"id": 7, "status": null, "total": 1, "items": [], "size": null});
    assert_eq!(asked.missing(&whole, "order", &arguments), None);
    let Json::Object(more) = json!({"t": 2.5, "items": [], "size": null}) else { panic!() };
    let projected = asked.project(&json!({"id": 7, "status": "new"}), &more, Vec::new());
    assert_eq!(
        projected.response,
        r#"{"data":{"changed":{"id":"7","s":"new","t":2.5,"items":[],"size":null}}}"#
    );
}

#[test]
fn variables_tell_selections_apart() {
    let text = "subscription ($yes: Boolean!, $n: Int) { changed { id @include(if: $yes) items(first: $n) { id } } }";
    let one = field(text, json!({"yes": true, "n": 1}));
    assert!(one.selects_like(&field(text, json!({"n": 1, "yes": true}))));
    for other in [json!({"yes": false, "n": 1}), json!({"yes": true, "n": 2}), json!({"yes": true})]
    {
        assert!(!one.selects_like(&field(text, other)));
    }
}
