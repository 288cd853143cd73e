//! Whatever the settings are, they are read or refused with a place.

use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use super::{super::SourceConfig, with};

/// Names of settings, and others.
fn key() -> impl Strategy<Value = String> {
    const KEYS: [&str; 24] = [
        "name",
        "prefix",
        "graphql",
        "events",
        "url",
        "schema",
        "refresh",
        "subscriptions",
        "protocol",
        "connection_init",
        "payload",
        "headers",
        "forward",
        "set",
        "cookies",
        "live",
        "fields",
        "include",
        "permissions",
        "role",
        "timeouts",
        "limits",
        "retry",
        "from",
    ];
    prop_oneof![4 => prop::sample::select(&KEYS[..]).prop_map(str::to_owned), 1 => "\\PC{0,8}"]
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "\\PC{0,10}",
        "[0-9.]{0,6}(ms|s|m|h)?",
        Just("http://a/".to_owned()),
        Just("*".to_owned()),
        "\\{\\{[a-z.]{0,12}\\}\\}",
    ];
    let leaf = prop_oneof![
        text.prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(members in prop::collection::btree_map(key(), any_json(), 0..4)) {
        let members = Value::Object(members.into_iter().filter(|(k, _)| k != "url").collect());
        match SourceConfig::from_json(&with(&members), Path::new("/conf")) {
            Ok(source) => prop_assert_eq!(&*source.name, "reviews"),
            Err(error) => prop_assert!(error.path.starts_with("graphql"), "{error}"),
        }
    }
}
