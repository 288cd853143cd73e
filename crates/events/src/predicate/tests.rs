use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::context::Named;

fn evaluate(predicate: &Value, args: &Value, payload: &Value) -> Option<bool> {
    let session = Named(|name: &str| (name == "x-hasura-user-id").then(|| "7".to_owned()));
    let context = Context::new()
        .with(Root::Args, args)
        .with(Root::Payload, payload)
        .with(Root::Session, &session);
    Predicate::compile(predicate).unwrap().evaluate(&context)
}

#[test]
fn operators() {
    let payload =
        json!({ "n": 7, "s": "seven", "b": true, "list": [1, { "a": 1.0 }], "none": null });
    let cases = [
        (json!({ "payload.n": { "_eq": 7 } }), Some(true)),
        (json!({ "{{ payload.n }}": { "_eq": 7.0 } }), Some(true)),
        (json!({ "payload.n": { "_eq": "7" } }), Some(true)),
        (json!({ "payload.n": { "_eq": "seven" } }), Some(false)),
        (json!({ "payload.n": { "_neq": 8 } }), Some(true)),
        (json!({ "payload.n": { "_gt": 6, "_lte": 7 } }), Some(true)),
        (json!({ "payload.n": { "_gt": 7 } }), Some(false)),
        (json!({ "payload.n": { "_gte": "7", "_lt": "10" } }), Some(true)),
        (json!({ "payload.n": { "_lt": "ten" } }), None),
        (json!({ "payload.s": { "_lt": "ten" } }), Some(true)),
        (json!({ "payload.s": { "_in": ["six", "seven"] } }), Some(true)),
        (json!({ "payload.s": { "_nin": ["six", "seven"] } }), Some(false)),
        (json!({ "payload.s": { "_nin": ["six"] } }), Some(true)),
        (json!({ "payload.s": { "_nin": ["six", null] } }), None),
        (json!({ "payload.s": { "_in": [] } }), Some(false)),
        (json!({ "payload.s": { "_like": "s%n" } }), Some(true)),
        (json!({ "payload.s": { "_nilike": "S%" } }), Some(false)),
        (json!({ "payload.b": { "_eq": true } }), Some(true)),
        (json!({ "payload.b": { "_eq": "true" } }), Some(true)),
        (json!({ "payload.b": { "_gt": 0 } }), None),
        (json!({ "payload.list": { "_eq": [1, { "a": 1 }] } }), Some(true)),
        (json!({ "payload.list": { "_eq": ["1", { "a": 1 }] } }), Some(false)),
        (json!({ "payload.list.1.a": { "_eq": 1 } }), Some(true)),
        (json!({ "payload.none": { "_is_null": true } }), Some(true)),
        (json!({ "payload.nowhere": { "_is_null": true } }), Some(true)),
        (json!({ "payload.n": { "_is_null": true } }), Some(false)),
        (json!({ "session.x-hasura-user-id": { "_eq": "{{payload.n}}" } }), Some(true)),
        (
            json!({ "payload.n": { "_in": ["{{args.none}}", "{{session.x-hasura-user-id}}"] } }),
            Some(true),
        ),
        (json!({ "payload.n": { "_in": "{{payload.list}}" } }), Some(false)),
        (json!({ "payload.n": { "_in": "{{payload.n}}" } }), None),
        (json!({}), Some(true)),
        (json!({ "payload.n": {} }), Some(true)),
        (json!({ "_and": [] }), Some(true)),
        (json!({ "_or": [] }), Some(false)),
        (json!({ "_not": { "payload.n": { "_eq": 7 } } }), Some(false)),
    ];
    for (predicate, expected) in cases {
        assert_eq!(evaluate(&predicate, &json!({}), &payload), expected, "{predicate}");
    }
}

/// Nobody gets in because something is missing.
#[test]
fn what_is_missing_is_unknown() {
    for test in [
        json!({ "_eq": "{{args.nothing}}" }),
        json!({ "_neq": "a" }),
        json!({ "_nin": ["a"] }),
        json!({ "_gt": 1 }),
        json!({ "_nlike": "a" }),
    ] {
        let plain = json!({ "session.x-hasura-region": test });
        assert_eq!(evaluate(&plain, &json!({}), &json!({})), None, "{plain}");
        assert_eq!(
            evaluate(&json!({ "_not": plain }), &json!({}), &json!({})),
            None,
            "not {plain}"
        );
    }
    // Both sides missing is not equality.
    let both = json!({ "session.x-hasura-region": { "_eq": "{{args.region}}" } });
    assert_eq!(evaluate(&both, &json!({}), &json!({})), None);
}

#[test]
fn errors_name_the_place() {
    let error = |predicate| Predicate::compile(&predicate).unwrap_err().to_string();
    assert!(
        error(json!({ "payload.a": { "_eqq": 1 } }))
            .starts_with("payload.a._eqq: unknown operator")
    );
    assert!(error(json!({ "_or": [{}, { "x.a": {} }] })).starts_with("_or[1].x.a: unknown root"));
    assert_eq!(error(json!({ "payload.a": { "_in": 1 } })), "payload.a._in: expected a list");
    assert!(error(json!({ "payload.a": { "_eq": null } })).contains("_is_null"));
    assert!(error(json!({ "payload.a": { "_gt": [] } })).contains("a number or a string"));
    assert!(error(json!({ "payload.a": 1 })).contains("an object of operators"));
    assert!(error(json!({ "payload.a": { "_is_null": "{{args.a}}" } })).contains("true or false"));
    assert!(error(json!({ "payload.a": { "_eq": "{{args" } })).contains("without"));
    let mut deep = json!({});
    for _ in 0..40 {
        deep = json!({ "_not": deep });
    }
    assert!(error(deep).contains("too large"));
    let many: Vec<_> = (0..1001).map(|n| json!({ "payload.a": { "_eq": n } })).collect();
    assert!(error(json!({ "_or": many })).contains("too large"));
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        "[-0-3a]{0,2}".prop_map(Value::from),
        prop::collection::vec(-1..2_i64, 0..3).prop_map(Value::from),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = prop::sample::select(vec![
        "_eq", "_neq", "_gt", "_gte", "_lt", "_lte", "_in", "_nin", "_like",
    ]);
    let leaf = (operator, "[ab]").prop_map(|(operator, name)| {
        json!({ (format!("payload.{name}")): { operator: format!("{{{{args.{name}}}}}") } })
    });
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|item| json!({ "_not": item })),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| json!({ "_and": items })),
            prop::collection::vec(inner, 0..3).prop_map(|items| json!({ "_or": items })),
        ]
    })
}

proptest! {
    #[test]
    fn the_laws_of_logic(one in condition(), other in condition(), values in prop::array::uniform4(scalar())) {
        let [a, b, c, d] = values;
        let (args, payload) = (json!({ "a": a, "b": b }), json!({ "a": c, "b": d }));
        let is = |predicate: &Value| evaluate(predicate, &args, &payload);
        prop_assert_eq!(is(&json!({ "_not": { "_not": &one } })), is(&one));
        // De Morgan.
        let none = json!({ "_not": { "_or": [&one, &other] } });
        let both = json!({ "_and": [{ "_not": &one }, { "_not": &other }] });
        prop_assert_eq!(is(&none), is(&both));
        prop_assert_eq!(is(&json!({ "_and": [&one, &other] })), is(&json!({ "_and": [&other, &one] })));
    }

    #[test]
    fn operators_agree(one in scalar(), other in scalar()) {
        let is = |operator: &str| {
            let predicate = json!({ "payload": { operator: "{{args.a}}" } });
            evaluate(&predicate, &json!({ "a": &other }), &one)
        };
        let not = |truth: Option<bool>| truth.map(|truth| !truth);
        prop_assert_eq!(is("_eq"), not(is("_neq")));
        prop_assert_eq!(is("_gt"), not(is("_lte")));
        prop_assert_eq!(is("_lt"), not(is("_gte")));
        prop_assert_eq!(is("_in"), not(is("_nin")));
        if is("_gt").is_some() {
            prop_assert_eq!(is("_eq"), Some(is("_gte") == Some(true) && is("_lte") == Some(true)));
        }
        let has_null = one.is_null() || other.is_null();
        prop_assert_eq!(is("_eq").is_none(), has_null);
    }
}
