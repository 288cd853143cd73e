use serde_json::json;

use super::*;
use crate::context::Named;

fn full() -> Value {
    json!({
        "nats": { "url": "nats://127.0.0.1:4222" },
        "schema": "type Subscription { orderChanged(region: String!): Order }",
        "limits": { "topics": 5 },
        "timeouts": { "connect": "2s", "ping_interval": 250 },
        "fields": {
            "orderChanged": {
                "topic": "orders.{{args.region}}.{{session.x-hasura-user-id}}",
                "roles": ["user"],
                "require": { "session.x-hasura-region": { "_eq": "{{args.region}}" } },
                "filter": { "payload.total": { "_gte": 10 } },
                "payload": "{{payload.order}}",
                "complete": { "field": "order_by_pk", "arguments": { "id": "{{payload.id}}" } },
            }
        }
    })
}

#[test]
fn the_contract_is_read() {
    let config = EventsConfig::from_json(&full()).unwrap();
    assert_eq!(config.broker.kind(), BrokerKind::Nats);
    assert_eq!(config.limits, Limits { topics: 5, ..Limits::default() });
    assert_eq!(config.timeouts.connect.as_millis(), 2000);
    assert_eq!(config.timeouts.ping_interval.as_millis(), 250);
    let field = &config.fields["orderChanged"];
    assert_eq!(field.topics.len(), 1);
    assert_eq!(field.roles.as_deref(), Some(&["user".to_owned()][..]));
    assert!(field.require.is_some() && field.filter.is_some() && field.payload.is_some());
    assert_eq!(field.complete.as_ref().unwrap().field, "order_by_pk");
}

#[test]
fn a_field_says_who_gets_what() {
    let config = EventsConfig::from_json(&full()).unwrap();
    let field = &config.fields["orderChanged"];
    assert!(field.is_open_to("user") && !field.is_open_to("anonymous"));
    let args = json!({ "region": "eu" });
    let of = |region: &'static str| {
        Named(move |name: &str| match name {
            "x-hasura-region" => Some(region.to_owned()),
            "x-hasura-user-id" => Some("7".to_owned()),
            _ => None,
        })
    };
    let (eu, us) = (of("eu"), of("us"));
    let context = Context::new().with(Root::Args, &args);
    assert!(!field.is_allowed(&context) && field.topics(&context).is_err());
    assert!(!field.is_allowed(&context.with(Root::Session, &us)));
    let context = context.with(Root::Session, &eu);
    assert!(field.is_allowed(&context));
    assert_eq!(field.topics(&context).unwrap()[0].name(), "orders.eu.7");
    for (message, passes, value) in [
        (json!({ "total": 10, "order": { "id": 1 } }), true, json!({ "id": 1 })),
        (json!({ "total": "10.5" }), true, json!(null)),
        (json!({ "total": 9.99 }), false, json!(null)),
        (json!(["total"]), false, json!(null)),
    ] {
        let context = context.with(Root::Payload, &message);
        assert_eq!((field.passes(&context), &*field.value(&context, &message)), (passes, &value));
    }
}

#[test]
fn all_brokers_are_read() {
    for broker in [
        json!({ "nats": { "url": ["nats://a:1", "tls://b:2"], "user": "u", "password": "p" }, "tls": {} }),
        json!({ "nats": { "url": "nats://a:1", "credentials_file": "./a.creds" } }),
        json!({ "redis": { "url": "rediss://a", "password": "p" }, "tls": { "ca": "./ca.pem" } }),
        json!({ "kafka": { "brokers": "a:1" } }),
        json!({ "kafka": { "brokers": ["a:1", "b:2"], "refresh": "1m",
            "sasl": { "mechanism": "scram-sha-256", "username": "u", "password": "p" } } }),
    ] {
        let mut value = broker;
        value["schema_file"] = json!("./orders.graphql");
        EventsConfig::from_json(&value).unwrap();
    }
}

/// The path and a part of the text of the error after a change at a JSON pointer.
fn error(pointer: &str, value: Value) -> String {
    let mut config = full();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = config.pointer_mut(parent).unwrap();
    parent[name] = value;
    EventsConfig::from_json(&config).unwrap_err().to_string()
}

#[test]
fn errors_name_the_setting() {
    for (pointer, value, expected) in [
        ("/natz", json!(1), "events.natz: unknown field"),
        ("/redis", json!({ "url": "redis://a" }), "events: expected one of"),
        ("/schema_file", json!("a"), "events: expected either"),
        ("/nats/url", json!("http://a"), "events.nats.url: expected nats://"),
        ("/nats/url", json!([]), "events.nats.url: expected at least"),
        ("/nats/url", json!(5), "events.nats.url: expected a text"),
        ("/nats/token", json!(5), "events.nats.token: "),
        ("/nats/user", json!("u"), "events.nats: `user` and `password`"),
        ("/limits/topics", json!(0), "events.limits.topics: expected at least 1"),
        ("/limits/topics", json!(-1), "events.limits.topics: "),
        ("/limits/bytes", json!(1), "events.limits.bytes: unknown field"),
        ("/timeouts/connect", json!("soon"), "events.timeouts.connect: expected milliseconds"),
        ("/timeouts/connect", json!(0), "events.timeouts.connect: expected at least 10ms"),
        ("/timeouts/connect", json!("48h"), "events.timeouts.connect: expected at most a day"),
        ("/tls", json!({ "cert": "a" }), "events.tls: `cert` and `key`"),
        ("/fields/a", json!({}), "events.fields.a: expected either `topic` or `topics`"),
        ("/fields/a", json!({ "topics": [] }), "events.fields.a.topics: expected 1 to"),
        (
            "/fields/a",
            json!({ "topics": ["a", "a..b"] }),
            "events.fields.a.topics[1]: not a topic of nats",
        ),
        ("/fields/a", json!({ "topic": "{{payload.a}}" }), "events.fields.a.topic: a topic cannot"),
        (
            "/fields/a",
            json!({ "topic": "{{arg.a}}" }),
            "events.fields.a.topic: unknown root \"arg\"",
        ),
        ("/fields/a", json!({ "topic": "a", "x": 1 }), "events.fields.a.x: unknown field"),
        (
            "/fields/orderChanged/require",
            json!({ "payload.a": { "_eq": 1 } }),
            "events.fields.orderChanged.require: is checked",
        ),
        (
            "/fields/orderChanged/filter",
            json!({ "payload.a": { "_is": 1 } }),
            "events.fields.orderChanged.filter.payload.a._is: unknown operator",
        ),
        (
            "/fields/orderChanged/filter",
            json!([]),
            "events.fields.orderChanged.filter: expected an object",
        ),
        (
            "/fields/orderChanged/payload",
            json!("{{"),
            "events.fields.orderChanged.payload: `{{` without",
        ),
        (
            "/fields/orderChanged/complete",
            json!({ "field": "a", "arguments": [] }),
            "events.fields.orderChanged.complete.arguments: expected an object",
        ),
    ] {
        let error = error(pointer, value);
        assert!(error.starts_with(expected), "{error}\nbut expected\n{expected}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let mut value = full();
    value["nats"] = json!({ "url": "nats://u:hidden@a:1", "token": "hidden" });
    let shown = format!("{:?}", EventsConfig::from_json(&value).unwrap());
    assert!(!shown.contains("hidden"), "{shown}");
    value["nats"] = json!({ "url": "hidden", "token": "hidden" });
    assert!(!EventsConfig::from_json(&value).unwrap_err().to_string().contains("hidden"));
    value["nats"] = json!({ "url": "nats://a", "token": ["hidden"] });
    assert!(!EventsConfig::from_json(&value).unwrap_err().to_string().contains("hidden"));
    value["nats"] = json!({ "url": "nats://a", "token": 424242 });
    assert!(!EventsConfig::from_json(&value).unwrap_err().to_string().contains("424242"));
    let mut value = full();
    value.as_object_mut().unwrap().remove("nats");
    value["redis"] = json!({ "url": "redis://:hidden@a", "password": "hidden" });
    let shown = format!("{:?}", EventsConfig::from_json(&value).unwrap());
    assert!(!shown.contains("hidden"), "{shown}");
}
