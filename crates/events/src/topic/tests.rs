use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn expand(broker: BrokerKind, template: &str, args: &Value) -> Result<Topic, TopicError> {
    let template = TopicTemplate::parse(broker, template, 200).unwrap();
    template.expand(&Context::new().with(Root::Args, args))
}

fn name(broker: BrokerKind, template: &str, args: &Value) -> String {
    expand(broker, template, args).unwrap().name().to_owned()
}

#[test]
fn values_stand_in_topics() {
    use BrokerKind::{Kafka, Nats, Redis};
    let args = json!({ "r": "eu-west", "n": 7, "b": true, "mail": "a.b@c.d" });
    assert_eq!(name(Nats, "orders.{{args.r}}.{{args.n}}", &args), "orders.eu-west.7");
    assert_eq!(name(Kafka, "orders-{{args.r}}", &args), "orders-eu-west");
    assert_eq!(name(Redis, "orders:{{args.mail}}:{{args.b}}", &args), "orders:a.b@c.d:true");
    assert_eq!(name(Redis, "all orders", &args), "all orders");
}

#[test]
fn authors_may_write_wildcards() {
    let args = json!({ "r": "eu" });
    for (broker, template, is_pattern) in [
        (BrokerKind::Nats, "orders.*.{{args.r}}", true),
        (BrokerKind::Nats, "orders.{{args.r}}.>", true),
        (BrokerKind::Nats, "orders.{{args.r}}", false),
        (BrokerKind::Redis, "orders:{{args.r}}:*", true),
        (BrokerKind::Redis, "orders:{{args.r}}:[ab]?", true),
        (BrokerKind::Redis, "orders:{{args.r}}", false),
    ] {
        assert_eq!(expand(broker, template, &args).unwrap().is_pattern(), is_pattern, "{template}");
    }
}

#[test]
fn values_cannot_change_the_structure() {
    use BrokerKind::{Kafka, Nats, Redis};
    let cases: &[(BrokerKind, &str, &[&str])] = &[
        (
            Nats,
            "o.{{args.v}}",
            &["*", ">", "a*", "a.b", ".", "a b", "a\tb", "a\r\nSUB > 1", "\u{a0}", "", "\0"],
        ),
        (Nats, "{{args.v}}.o", &["$SYS", "$JS", "_INBOX", "_R_"]),
        (Redis, "o:{{args.v}}", &["*", "a?", "[a]", "\\", "a:b", "a b", "a\nb", "", "h^"]),
        (Redis, "o.{{args.v}}", &["a.b"]),
        (Redis, "o:*:{{args.v}}", &["*", "a:b"]),
        (Kafka, "o-{{args.v}}", &["a b", "a/b", "ä", "*", "", "a\n", "a:b"]),
        (Kafka, "o.{{args.v}}", &["a.b", ".", ".."]),
        (Kafka, "{{args.v}}", &["__consumer_offsets", ".."]),
        (Kafka, "a-{{args.v}}-{{args.w}}", &["a-b"]),
    ];
    for (broker, template, values) in cases {
        for value in *values {
            let refused = expand(*broker, template, &json!({ "v": value, "w": "w" })).unwrap_err();
            assert!(
                matches!(refused, TopicError::Value { .. } | TopicError::Illegal { .. }),
                "{template} {value:?}: {refused:?}"
            );
            // Nothing that a client sent is repeated.
            assert!(value.len() < 3 || !refused.to_string().contains(value), "{refused}");
        }
    }
}

#[test]
fn values_have_to_be_there_and_plain() {
    let missing = expand(BrokerKind::Nats, "o.{{args.v}}", &json!({})).unwrap_err();
    assert_eq!(missing.to_string(), "the topic needs `args.v`, which is missing");
    for value in [json!(null), json!([1]), json!({ "a": 1 }), json!(1.5)] {
        assert!(
            expand(BrokerKind::Nats, "o.{{args.v}}", &json!({ "v": value })).is_err(),
            "{value}"
        );
    }
    let long = json!({ "v": "x".repeat(199) });
    assert_eq!(expand(BrokerKind::Nats, "o.{{args.v}}", &long), Err(TopicError::TooLong(200)));
    assert!(expand(BrokerKind::Nats, "o.{{args.v}}", &json!({ "v": "x".repeat(198) })).is_ok());
}

#[test]
fn templates_without_any_topic_are_refused() {
    use BrokerKind::{Kafka, Nats, Redis};
    for (broker, template) in [
        (Nats, ""),
        (Nats, "a..b"),
        (Nats, ".a"),
        (Nats, "a.>.b"),
        (Nats, "a*"),
        (Nats, "*{{args.a}}"),
        (Nats, "a b"),
        (Nats, "{{args.a}}{{args.b}}"),
        (Redis, "{{args.a}}x{{args.b}}"),
        (Redis, "a\nb"),
        (Kafka, "a*"),
        (Kafka, "a:b"),
        (Kafka, ".."),
        (Kafka, "a{{payload.b}}"),
    ] {
        assert!(TopicTemplate::parse(broker, template, 200).is_err(), "{broker} {template:?}");
    }
    assert!(TopicTemplate::parse(Kafka, &"a".repeat(250), 1000).is_err());
    assert!(TopicTemplate::parse(Redis, &"a".repeat(201), 200).is_err());
}

/// Whether a NATS pattern covers a subject.
fn covers(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for token in pattern.split('.') {
        match (token, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (token, Some(other)) if token == other => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

fn broker() -> impl Strategy<Value = BrokerKind> {
    prop_oneof![Just(BrokerKind::Nats), Just(BrokerKind::Redis), Just(BrokerKind::Kafka)]
}

proptest! {
    /// Two topics of a template are equal only if all values are.
    #[test]
    fn templates_are_injective(
        broker in broker(),
        separator in "[-._:/x]{1,3}",
        one in prop::array::uniform2("[-ab._:/*>x ]{0,5}"),
        other in prop::array::uniform2("[-ab._:/*>x ]{0,5}"),
    ) {
        let text = format!("t{{{{args.0}}}}{separator}{{{{args.1}}}}");
        if let Ok(template) = TopicTemplate::parse(broker, &text, 200) {
            let (first, second) = (json!(one), json!(other));
            let first = template.expand(&Context::new().with(Root::Args, &first));
            let second = template.expand(&Context::new().with(Root::Args, &second));
            if let (Ok(first), Ok(second)) = (first, second) {
                prop_assert_eq!(first == second, one == other);
            }
        }
    }

    /// Whatever a client sends, a subject has as many levels as its template, and covers only itself.
    #[test]
    fn nats_subjects_keep_their_levels(value in "\\PC{0,12}|[a*>.$ \r\n\t]{0,6}") {
        let args = json!({ "v": value });
        if let Ok(topic) = expand(BrokerKind::Nats, "orders.{{args.v}}.x", &args) {
            prop_assert_eq!(topic.name().split('.').count(), 3);
            prop_assert!(!topic.is_pattern() && covers(topic.name(), topic.name()));
            prop_assert!(!covers(topic.name(), "orders.other-value.x"));
            prop_assert!(!topic.name().contains(char::is_whitespace));
        }
    }

    #[test]
    fn nothing_panics(broker in broker(), text in "\\PC{0,30}", value in "\\PC{0,12}") {
        let _ = Topic::new(broker, &text);
        if let Ok(template) = TopicTemplate::parse(broker, &format!("a{{{{args.v}}}}{text}"), 64) {
            let args = json!({ "v": value });
            if let Ok(topic) = template.expand(&Context::new().with(Root::Args, &args)) {
                prop_assert!(topic.name().len() <= 64);
                prop_assert!(Topic::new(broker, topic.name()).is_ok());
            }
        }
    }
}
