mod property;

use std::{path::Path, time::Duration};

use artesian_remote::{Reconnect, Sharing, Transport, config::Method};
use serde_json::{Value, json};

use super::{SchemaSource, ServiceConfig, SourceConfig, SourceKind};

fn read(value: &Value) -> Result<SourceConfig, String> {
    SourceConfig::from_json(value, Path::new("/conf")).map_err(|error| error.to_string())
}

/// A source with these members of `graphql:` beside its URL.
fn with(members: &Value) -> Value {
    let mut graphql = json!({"url": "http://reviews:4001/graphql"});
    for (name, value) in members.as_object().unwrap() {
        graphql[name] = value.clone();
    }
    json!({"name": "reviews", "graphql": graphql})
}

fn service(members: &Value) -> ServiceConfig {
    match read(&with(members)).unwrap().kind {
        SourceKind::Service(service) => *service,
        SourceKind::Events(_) => panic!("no service"),
    }
}

#[test]
fn a_url_is_enough() {
    let service = service(&json!({}));
    assert_eq!(service.upstream.url.to_string(), "http://reviews:4001/graphql");
    assert_eq!(service.schema, SchemaSource::Introspection);
    assert_eq!(service.refresh, Some(Duration::from_secs(60)));
    assert_eq!(service.permissions, None);
    let plain =
        artesian_remote::UpstreamConfig::new("http://reviews:4001/graphql".parse().unwrap());
    assert_eq!(service.upstream, plain);
    // Nothing of a client but its payload goes anywhere.
    let wants = service.identity.wants();
    assert!(wants.init_payload);
    assert_eq!(crate::identity::Wants { init_payload: false, ..wants }, Default::default());
}

#[test]
fn everything_is_read() {
    let source = json!({
        "name": "reviews",
        "prefix": {"root_fields": "reviews_", "types": "Reviews_"},
        "graphql": {
            "url": "https://reviews/graphql",
            "schema": "./reviews.graphql",
            "refresh": 0,
            "subscriptions": {
                "protocol": "graphql-ws", "url": "wss://other/graphql",
                "connection_init": "extension", "init_payload": {"token": "t", "n": 1.50},
                "payload": {"token": "{{connection_init.token}}"},
                "forward_headers": true, "reconnect": "end", "sharing": "latest",
            },
            "headers": {
                "forward": ["authorization", {"from": "x-token", "to": "x-auth"}],
                "set": {"x-gateway": "artesian", "x-user": "{{session.x-hasura-user-id}}"},
                "cookies": ["session"],
                "introspection": {"authorization": "Bearer own"},
            },
            "live": {"interval": "2s", "min_interval": 500, "fields": {"Query.price": "500ms"}},
            "fields": {"include": ["*"], "exclude": ["Query.internal*", "Mutation.*", "@defer"]},
            "permissions": [{"role": "user", "include": ["a"]}, {"role": "none", "exclude": "*"}],
            "timeouts": {
                "connect": "1s", "ack": "2s", "request": "3s", "message": "4s", "idle": 0,
                "ping_interval": 0, "pong_deadline": "1.5s", "keep_alive": "1m", "stream_idle": "1h",
            },
            "limits": {
                "response_bytes": 1000, "message_bytes": "2000", "buffer_bytes": 3000,
                "socket_queue_bytes": 4000, "sockets": 5, "operations_per_socket": 6,
                "concurrent_requests": 7, "polls": 8, "concurrent_polls": 9, "waiting_requests": 0, "schema_bytes": 900,
            },
            "retry": {
                "attempts": 0, "first": 10, "longest": "1s", "queries": false,
                "give_up_after": "1m", "stable_after": "1s",
            },
            "circuit": {"failures": 0, "first": "2s", "longest": "3s"},
            "tls": null,
        },
    });
    let read = read(&source).unwrap();
    assert_eq!((&*read.name, &*read.prefix.types), ("reviews", "Reviews_"));
    assert_eq!(read.prefix.root_fields, "reviews_");
    let SourceKind::Service(service) = read.kind else { panic!("no service") };
    let up = &service.upstream;
    assert_eq!(service.schema, SchemaSource::File("/conf/./reviews.graphql".into()));
    assert_eq!((service.refresh, service.read_limits.bytes), (None, 900));
    assert_eq!(up.transport, Transport::LegacyWs);
    assert_eq!(up.subscription_endpoint().to_string(), "https://other/graphql");
    assert_eq!(up.init_payload.as_deref(), Some(&br#"{"token":"t","n":1.5}"#[..]));
    assert_eq!((up.reconnect, up.sharing), (Reconnect::End, Sharing::Latest));
    let names = |list: &[(http::HeaderName, http::HeaderValue)]| {
        list.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    // What is the same for everybody is no part of anybody's identity.
    assert_eq!(names(&up.headers), ["x-gateway"]);
    assert_eq!(names(&service.introspection_headers), ["authorization"]);
    assert_eq!(service.live.fields["price"], Duration::from_millis(500));
    assert_eq!(service.fields.exclude[0].to_string(), "query.internal*");
    let permissions = service.permissions.unwrap();
    assert_eq!(permissions["user"].include.len(), 1);
    assert_eq!(permissions["none"].exclude.len(), 1);
    assert_eq!((up.limits.polls, up.limits.concurrent_polls), (8, 9));
    assert_eq!(up.min_interval, Duration::from_millis(500));
    assert_eq!(up.timeouts.pong_deadline, Duration::from_millis(1500));
    assert_eq!((up.timeouts.ping_interval, up.timeouts.idle), (None, Duration::ZERO));
    assert_eq!(up.timeouts.stream_idle, Some(Duration::from_secs(3600)));
    assert_eq!((up.limits.message_bytes, up.limits.waiting_requests), (2000, 0));
    assert_eq!((up.retry.attempts, up.retry.first), (0, Duration::from_millis(10)));
    assert_eq!((up.circuit.failures, up.circuit.longest), (0, Duration::from_secs(3)));
}

#[test]
fn protocols_have_the_names_that_are_in_use() {
    for (name, transport) in [
        ("auto", Transport::Auto),
        ("graphql-transport-ws", Transport::TransportWs),
        ("graphql-ws", Transport::LegacyWs),
        ("sse", Transport::Sse(Method::Post)),
        ("sse-get", Transport::Sse(Method::Get)),
        ("multipart", Transport::Multipart),
        ("none", Transport::None),
    ] {
        let service = service(&json!({"subscriptions": {"protocol": name}}));
        assert_eq!(service.upstream.transport, transport);
        assert_eq!(name.parse(), Ok(transport), "remote reads the same names");
    }
}

#[test]
fn what_cannot_work_is_said_with_its_place() {
    let rows = [
        (json!({"ulr": 1}), "`graphql.ulr`: unknown key; did you mean `url`?"),
        (json!({"zzzzzz": 1}), "`graphql.zzzzzz`: unknown key (known here: circuit, "),
        (json!({"url": "ws://a"}), "`graphql.url`: the URL must begin with http:// or https://"),
        (json!({"url": "http://u:geheim@a"}), "`graphql.url`: the URL must not contain a user"),
        (json!({"url": 7}), "`graphql.url`: expected a text, found a number"),
        (json!({"refresh": "100ms"}), "`graphql.refresh`: it must be at least 1s"),
        (json!({"refresh": "soon"}), "`graphql.refresh`: write a time like"),
        (json!({"refresh": "99999h"}), "`graphql.refresh`: that is too long"),
        (json!({"subscriptions": []}), "`graphql.subscriptions`: expected an object, found a list"),
        (
            json!({"subscriptions": {"protocol": "graphql-transport"}}),
            "`graphql.subscriptions.protocol`: expected one of auto, graphql-transport-ws, graphql-ws, \
             sse, sse-get, multipart, none; did you mean `graphql-transport-ws`?",
        ),
        (json!({"subscriptions": {"url": "ftp://a"}}), "`graphql.subscriptions.url`: the URL must"),
        (
            json!({"subscriptions": {"protocol": "sse", "connection_init": "extension"}}),
            "`graphql.subscriptions.connection_init`: only WebSockets",
        ),
        (
            json!({"subscriptions": {"protocol": "multipart", "payload": {}}}),
            "`graphql.subscriptions.payload`: only WebSockets",
        ),
        (
            json!({"subscriptions": {"protocol": "none", "init_payload": {}}}),
            "`graphql.subscriptions.init_payload`: only WebSockets",
        ),
        (
            json!({"subscriptions": {"init_payload": {"token": "geheim"}}}),
            "`graphql.subscriptions.init_payload`: with `connection_init: per-client`",
        ),
        (
            json!({"subscriptions": {"connection_init": "none", "payload": {}}}),
            "`graphql.subscriptions.payload`: with `connection_init: none`",
        ),
        (
            json!({"subscriptions": {"payload": {"a": ["{{b}}"]}}}),
            "`graphql.subscriptions.payload`: `b` is unknown in templates",
        ),
        (
            json!({"subscriptions": {"payload": "{{connection_init}}"}}),
            "`graphql.subscriptions.payload`: expected an object, found a text",
        ),
        (json!({"headers": {"forward": ["a b"]}}), "`graphql.headers.forward[0]`: this is no name"),
        (
            json!({"headers": {"forward": ["a", "*"]}}),
            "`graphql.headers.forward[1]`: `*` stands alone",
        ),
        (json!({"headers": {"forward": ["cookie"]}}), "`graphql.headers.forward[0]`: cookies are"),
        (
            json!({"headers": {"forward": [{"from": "a", "to": "Host"}]}}),
            "`graphql.headers.forward[0].to`: this header belongs to the connection",
        ),
        (
            json!({"headers": {"forward": [{"from": "a"}]}}),
            "`graphql.headers.forward[0]`: `to` is missing",
        ),
        (
            json!({"headers": {"forward": ["a"], "set": {"A": "x"}}}),
            "`graphql.headers.set.A`: this header is forwarded too",
        ),
        (json!({"headers": {"set": {"a": "geheim\n"}}}), "`graphql.headers.set.a`: this cannot be"),
        (json!({"headers": {"set": {"a": "{{x"}}}), "`graphql.headers.set.a`: `{{` without `}}`"),
        (
            json!({"headers": {"set": {"a": "x", "A": "y"}}}),
            "`graphql.headers.set.A`: this header is there twice",
        ),
        (
            json!({"headers": {"set": {"a": "{{headers.Cookie}}"}}}),
            "`graphql.headers.set.a`: cookies are passed on by `cookies`",
        ),
        (json!({"headers": {"cookies": ["a=b"]}}), "`graphql.headers.cookies[0]`: this is no name"),
        (
            json!({"live": {"fields": {"Query.a": "100ms"}}}),
            "`graphql.live.fields.Query.a`: it must not be shorter than `min_interval`",
        ),
        (json!({"live": {"fields": {"a": "1s"}}}), "`graphql.live.fields.a`: expected `Query.`"),
        (json!({"live": {"interval": "100ms"}}), "`graphql.live`: `interval` must not be shorter"),
        (
            json!({"live": {"min_interval": 0}}),
            "`graphql.live.min_interval`: it must be more than 0",
        ),
        (
            json!({"fields": {"include": ["a", "b c"]}}),
            "`graphql.fields.include[1]`: expected the name of a root field",
        ),
        (
            json!({"permissions": [{"role": "admin"}]}),
            "`graphql.permissions[0].role`: the administrator",
        ),
        (
            json!({"permissions": [{"role": "a"}, {"role": "a"}]}),
            "`graphql.permissions[1].role`: this role is there twice",
        ),
        (
            json!({"timeouts": {"conect": 1}}),
            "`graphql.timeouts.conect`: unknown key; did you mean `connect`?",
        ),
        (json!({"timeouts": {"ack": 0}}), "`graphql.timeouts.ack`: it must be more than 0"),
        (json!({"limits": {"sockets": 0}}), "`graphql.limits.sockets`: it must be more than 0"),
        (json!({"limits": {"sockets": -1}}), "`graphql.limits.sockets`: expected a whole number"),
        (
            json!({"limits": {"response_bytes": 10, "schema_bytes": 11}}),
            "`graphql.limits.schema_bytes`: it must not be more than `response_bytes`",
        ),
        (json!({"retry": {"first": "1s", "longest": 1}}), "`graphql.retry`: `longest` must not"),
        (
            json!({"circuit": {"failures": 5000}}),
            "`graphql.circuit.failures`: it must be at most 1000",
        ),
        (json!({"tls": {"ca": "absent.pem"}}), "`graphql.tls.ca`: /conf/absent.pem cannot be read"),
    ];
    for (members, expected) in rows {
        let error = read(&with(&members)).unwrap_err();
        assert!(error.starts_with(expected), "{members}: {error}");
        assert!(!error.contains("geheim"), "{error}");
    }
}

#[test]
fn a_source_is_one_thing() {
    let graphql = json!({"url": "http://a"});
    let rows = [
        (json!([]), "expected an object, found a list"),
        (json!({"graphql": graphql}), "`name` is missing"),
        (json!({"name": "a b", "graphql": graphql}), "`name`: expected up to 64 letters"),
        (json!({"name": "a"}), "expected `graphql` or `events`"),
        (json!({"name": "a", "grapql": graphql}), "`grapql`: unknown key; did you mean `graphql`?"),
        (json!({"name": "a", "graphql": {}}), "`graphql`: `url` is missing"),
        (json!({"name": "a", "graphql": graphql, "events": {}}), "`events`: a source has either"),
        (json!({"name": "a", "graphql": graphql, "metadata": "x"}), "`metadata`: unknown key"),
        (
            json!({"name": "a", "graphql": graphql, "prefix": {"types": "1"}}),
            "`prefix.types`: expected letters",
        ),
    ];
    for (value, expected) in rows {
        let error = read(&value).unwrap_err();
        assert!(error.starts_with(expected), "{value}: {error}");
    }
    let events = json!({
        "nats": {"url": "nats://127.0.0.1:4222"},
        "schema": "type Query { _a: Int } type Subscription { a: Int }",
        "fields": {"a": {"topic": "a"}},
    });
    let SourceKind::Events(source) =
        read(&json!({"name": "orders", "events": events})).unwrap().kind
    else {
        panic!("no broker")
    };
    assert!(source.schema.contains("Subscription"));
    let misspelt = read(&json!({"name": "orders", "events": {"natz": {}}})).unwrap_err();
    assert!(misspelt.starts_with("`events"), "{misspelt}");
}

#[test]
fn certificates_are_read_at_once() {
    let directory = std::env::temp_dir().join(format!("artesian-ca-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("ca.pem"), "no certificate").unwrap();
    let value = with(&json!({"tls": {"ca": "ca.pem"}}));
    let error = SourceConfig::from_json(&value, &directory).unwrap_err().to_string();
    assert_eq!(
        error,
        "`graphql.tls.ca`: the file has no certificate in PEM format (-----BEGIN CERTIFICATE-----)"
    );
    let key = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
    std::fs::write(directory.join("ca.pem"), key.cert.pem()).unwrap();
    let read = SourceConfig::from_json(&value, &directory).unwrap();
    let SourceKind::Service(service) = read.kind else { panic!("no service") };
    assert_eq!(service.ca.as_deref(), Some(key.cert.pem().as_bytes()));
    std::fs::remove_dir_all(&directory).unwrap();
}
