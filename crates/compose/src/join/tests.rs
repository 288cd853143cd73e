use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::{Part, Plan, PlanLimits, ReadLimits, ServiceSchema, compose};

fn bound(text: &str) -> Bound {
    let part = |name: &str, sdl: &str| {
        Part::new(name, ServiceSchema::from_sdl(sdl, &ReadLimits::default()).unwrap())
    };
    let a = part(
        "a",
        "type Query { a: A an: A! } type A { x: Int } type Mutation { am: Int amn: Int! }",
    );
    let mut b = part(
        "b",
        "type Query { b: B bn: B! bs: [[B]] } type B { y: Int b: B } type Mutation { bm: Int bmn: Int! }",
    );
    b.type_prefix = "P_".into();
    let composed = Arc::new(compose(&[a, b]).unwrap());
    let limits = PlanLimits::default();
    let document = composed.parse(text, &limits).unwrap();
    Arc::new(Plan::new(composed, document, None, &limits).unwrap()).bind(&Map::new()).unwrap()
}

fn answer(text: &str) -> Answer {
    let text = Bytes::copy_from_slice(text.as_bytes());
    let response = artesian_remote::Response::parse(&text).unwrap();
    let artesian_remote::Response { text, data, errors, extensions } = response;
    Answer::Response { text, data, errors, extensions }
}

fn failed() -> Answer {
    Answer::Failed { message: "it is \"down\"".into(), code: "unreachable" }
}

fn join(text: &str, answers: &[Answer]) -> String {
    String::from_utf8(bound(text).join(answers).to_vec()).unwrap()
}

#[test]
fn data_is_in_the_order_of_the_operation() {
    assert_eq!(
        join(
            "{ a { x } __typename b { y } a2: a { x } }",
            &[
                answer(r#"{"data":{"a2": null, "a" : {"x": 1.50}}}"#),
                answer(r#"{"data":{"b":{"y":2}, "junk": 1}}"#)
            ]
        ),
        r#"{"data":{"a":{"x": 1.50},"__typename":"Query","b":{"y":2},"a2":null}}"#
    );
    assert_eq!(join("{ a @skip(if: true) { x } }", &[]), r#"{"data":{}}"#);
}

#[test]
fn one_answer_is_handed_on_as_it_is() {
    let text = br#" {"extensions":{"t":1}, "data":{ "a":{"x":1}, "an": {"x":2} }, "more":1} "#;
    let text = Bytes::from_static(text);
    let response = artesian_remote::Response::parse(&text).unwrap();
    let artesian_remote::Response { text: trimmed, data, errors, extensions } = response;
    let answer = Answer::Response { text: trimmed.clone(), data, errors, extensions };
    let joined = bound("{ a { x } an { x } }").join(std::slice::from_ref(&answer));
    assert_eq!(joined.as_ptr(), trimmed.as_ptr());
    // Not if the keys are others, or in another order.
    let joined = bound("{ an { x } a { x } }").join(&[answer]);
    assert_eq!(joined, r#"{"data":{"an":{"x":2},"a":{"x":1}},"extensions":{"t":1}}"#);
}

#[test]
fn a_source_that_fails_nulls_its_own_fields() {
    let ok = answer(r#"{"data":{"a":{"x":1}}}"#);
    assert_eq!(
        join("{ a { x } b { y } c: b { y } }", &[ok.clone(), failed()]),
        concat!(
            r#"{"data":{"a":{"x":1},"b":null,"c":null},"errors":["#,
            r#"{"message":"it is \"down\"","path":["b"],"extensions":{"code":"unreachable","source":"b"}},"#,
            r#"{"message":"it is \"down\"","path":["c"],"extensions":{"code":"unreachable","source":"b"}}]}"#
        )
    );
    assert_eq!(
        join("{ a { x } bn { y } }", &[ok.clone(), failed()]),
        concat!(
            r#"{"data":null,"errors":["#,
            r#"{"message":"it is \"down\"","path":["bn"],"extensions":{"code":"unreachable","source":"b"}}]}"#
        )
    );
    // A source that refuses, and one that gives `null` or nothing for a field.
    for (text, message) in [
        (r#"{"errors":[{"message":"no"}]}"#, "no"),
        (r#"{"data":null,"errors":[{"message":"no"}]}"#, "no"),
        (r#"{"data":null}"#, "the service gave no value for this field"),
        (r#"{"data":{}}"#, "the service gave no value for this field"),
    ] {
        let joined: Value =
            serde_json::from_str(&join("{ a { x } b { y } }", &[ok.clone(), answer(text)]))
                .unwrap();
        assert_eq!(joined["data"], json!({ "a": { "x": 1 }, "b": null }), "{text}");
        assert_eq!(joined["errors"][0]["message"], message, "{text}");
        assert_eq!(joined["errors"][0]["extensions"]["source"], "b", "{text}");
    }
    let joined = join("{ an { x } }", &[answer(r#"{"data":{"an":null}}"#)]);
    assert!(joined.starts_with(r#"{"data":null,"errors":[{"#), "{joined}");
    // `null` is a value where it may be.
    assert_eq!(join("{ a { x } }", &[answer(r#"{"data":{"a":null}}"#)]), r#"{"data":{"a":null}}"#);
}

#[test]
fn errors_keep_path_and_extensions() {
    let a = answer(
        r#"{"data":{"a":null},"errors":[{"message":"m","locations":[{"line":1,"column":2}],"path":["a", 0],"extensions":{"code":"X"},"own":[1]},{"message":"n","extensions":{"code":"Y"}},{"message":"o","path":null,"extensions":{"source":"mine"}},"p",7,{"code":1},{"message":1},{"message":"q","path":"a"}]}"#,
    );
    let joined = join("{ a { x } }", &[a]);
    assert_eq!(
        joined,
        concat!(
            r#"{"data":{"a":null},"errors":["#,
            r#"{"message":"m","path":["a", 0],"own":[1],"extensions":{"code":"X"}},"#,
            r#"{"message":"n","extensions":{"code":"Y","source":"a"}},"#,
            r#"{"message":"o","extensions":{"source":"mine"}},"#,
            r#"{"message":"p","extensions":{"source":"a"}},"#,
            r#"{"message":"the service gave an error that is none","extensions":{"source":"a"}},"#,
            r#"{"message":"the service gave an error that is none","extensions":{"source":"a"}},"#,
            r#"{"message":"the service gave an error that is none","extensions":{"source":"a"}},"#,
            r#"{"message":"q","extensions":{"source":"a"}}]}"#
        )
    );
}

#[test]
fn extensions_are_kept_apart() {
    let a = answer(r#"{"data":{"a":null},"extensions":{"t":1}}"#);
    let b = answer(r#"{"data":{"b":null},"extensions":{"t":2}}"#);
    assert_eq!(
        join("{ a { x } b { y } }", &[a, b]),
        r#"{"data":{"a":null,"b":null},"extensions":{"sources":{"a":{"t":1},"b":{"t":2}}}}"#
    );
}

#[test]
fn names_of_types_are_turned_back() {
    let b = answer(
        r#"{"data":{"b":{"__typename":"B", "y":"B", "b":{"t":"B"}},"bs":[[{"t":"B"},null],[]]}}"#,
    );
    assert_eq!(
        join("{ b { __typename y b { t: __typename } } bs { t: __typename } }", &[b]),
        r#"{"data":{"b":{"__typename":"P_B","y":"B","b":{"t":"P_B"}},"bs":[[{"t":"P_B"},null],[]]}}"#
    );
    // Junk in place of an object is copied, and in place of a name too.
    let b = answer(r#"{"data":{"b":{"__typename":7,"b":[1,"x",{}]},"bs":"B"}}"#);
    assert_eq!(
        join("{ b { __typename y b { t: __typename } } bs { t: __typename } }", &[b]),
        r#"{"data":{"b":{"__typename":7,"b":[1,"x",{}]},"bs":"B"}}"#
    );
}

#[test]
fn mutations_stop_where_all_is_null() {
    let bound = bound("mutation { am bmn amn }");
    assert_eq!(bound.requests().len(), 3);
    assert!(!bound.stops_after(0, &failed()));
    assert!(bound.stops_after(1, &failed()));
    assert!(!bound.stops_after(1, &answer(r#"{"data":{"bmn":1}}"#)));
    let answers = [
        answer(r#"{"data":{"am":1}}"#),
        answer(r#"{"data":null,"errors":[{"message":"x","path":["bmn"]}]}"#),
    ];
    let joined = String::from_utf8(bound.join(&answers).to_vec()).unwrap();
    assert_eq!(joined, r#"{"data":null,"errors":[{"message":"x","path":["bmn"]}]}"#);
}

/// What a service may give for a field, fitting or not.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!("B")),
        any::<i64>().prop_map(Value::from),
        "[\\PC\"\\\\{}\\[\\]]{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        let key = prop_oneof![
            Just("__typename"),
            Just("t"),
            Just("b"),
            Just("y"),
            Just("message"),
            Just("path")
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|m| m
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<Map<_, _>>()
                .into()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, the result is a response with the keys that were asked for.
    #[test]
    fn junk_becomes_a_response(
        values in prop::collection::vec((prop_oneof![Just("b"), Just("bs"), Just("a")], anything()), 0..4),
        errors in prop::collection::vec(anything(), 0..3),
        pretty: bool,
    ) {
        let data: Map<String, Value> = values.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let response = json!({ "data": data, "errors": errors });
        let text = if pretty { serde_json::to_string_pretty(&response) } else { serde_json::to_string(&response) };
        let bound = bound("{ b { __typename y b { t: __typename } } bs { t: __typename } }");
        let joined: Value = serde_json::from_slice(&bound.join(&[answer(&text.unwrap())])).unwrap();
        let keys: Vec<&String> = joined["data"].as_object().unwrap().keys().collect();
        prop_assert_eq!(keys, ["b", "bs"]);
        let count = joined.get("errors").and_then(Value::as_array).map_or(0, Vec::len);
        prop_assert!(count >= errors.len());
        for error in joined["errors"].as_array().into_iter().flatten() {
            prop_assert!(error.get("message").is_some(), "{error}");
        }
        // But for names of types, values are what the service gave.
        if let Some(y) = data.get("b").and_then(|b| b.as_object()).and_then(|b| b.get("y")) {
            prop_assert_eq!(&joined["data"]["b"]["y"], y);
        }
    }
}
