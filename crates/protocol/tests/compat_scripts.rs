//! Compatibility modes: scripts for each deviation, with and without it. See `common` for the
//! language.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use artesian_protocol::Subprotocol;
use artesian_protocol::session::{Compat, CompatProfile};

const TRANSPORT_WS: &[(&str, &str)] = &[
    (
        "hasura: start and stop are subscribe and complete",
        r#"
        set compat hasura
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        next A {"data":1}
        < {"id":"1","type":"next","payload":{"data":1}}
        > {"type":"stop","id":"1"}
        stop A
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start B {a}
        > {"type":"complete","id":"1"}
        stop B"#,
    ),
    (
        "hasura: connection_terminate stays unknown",
        "set compat hasura\ninit\n> {\"type\":\"connection_terminate\"}\nclose 4400 Invalid message received*",
    ),
    (
        "hasura: a second init replaces the user",
        r#"
        set compat hasura
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"connection_init","payload":{"user":2}}
        again {"user":2}
        next A {"data":1}
        < {"id":"1","type":"next","payload":{"data":1}}
        > {"type":"subscribe","id":"2","payload":{"query":"{b}"}}
        ok
        < {"type":"connection_ack"}
        start B {b}"#,
    ),
    (
        "a second init may be refused",
        r#"
        set compat hasura
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"connection_init"}
        again
        > {"type":"subscribe","id":"2","payload":{"query":"{b}"}}
        refuse
        stop A
        close 4403 Forbidden"#,
    ),
    (
        "an init behind a pending one waits, with what follows it",
        r#"
        set compat mercurius
        init
        > {"type":"connection_init","payload":{"user":2}}
        again {"user":2}
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        > {"type":"connection_init","payload":{"user":3}}
        > {"type":"subscribe","id":"2","payload":{"query":"{b}"}}
        ok
        < {"type":"connection_ack"}
        start A {a}
        again {"user":3}
        ok
        < {"type":"connection_ack"}
        start B {b}"#,
    ),
    (
        "what waits for a second acknowledgement can be taken back",
        r#"
        set compat hasura
        init
        > {"type":"connection_init"}
        again
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        > {"type":"complete","id":"1"}
        ok
        < {"type":"connection_ack"}"#,
    ),
    (
        "and is still completed where that is the custom",
        r#"
        set compat mercurius
        init
        > {"type":"connection_init"}
        again
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        > {"type":"complete","id":"1"}
        ok
        < {"type":"connection_ack"}
        < {"id":"1","type":"complete"}"#,
    ),
    (
        "4409 for an id that waits for a second acknowledgement",
        r#"
        set compat hasura
        init
        > {"type":"connection_init"}
        again
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        > {"type":"subscribe","id":"1","payload":{"query":"{b}"}}
        close 4409 Subscriber for 1 already exists"#,
    ),
    (
        "4409 for an id that is alive while a second init is pending",
        r#"
        set compat hasura
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"connection_init"}
        again
        > {"type":"subscribe","id":"1","payload":{"query":"{b}"}}
        stop A
        close 4409 Subscriber for 1 already exists"#,
    ),
    (
        "what waits for a second acknowledgement is bounded",
        r#"
        set compat hasura
        set queue 200
        init
        > {"type":"connection_init"}
        again
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        > {"type":"subscribe","id":"2","payload":{"query":"{a}"}}
        close 1008 Too many messages before connection_ack"#,
    ),
    (
        "4401 still holds before the first acknowledgement",
        r#"
        set compat hasura,mercurius,tyk
        > {"type":"connection_init"}
        auth
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        close 4401 Unauthorized"#,
    ),
    (
        "tyk: a second init stays 4429",
        "set compat tyk\ninit\n> {\"type\":\"connection_init\"}\nclose 4429 Too many initialisation requests",
    ),
    (
        "hasura: ping messages keep the connection alive, never before the acknowledgement",
        r#"
        set compat hasura
        set ka 5000
        > {"type":"connection_init"}
        auth
        wait 20000
        ok
        < {"type":"connection_ack"}
        < {"type":"ping","payload":{"message":"keepalive"}}
        wait 4999
        > {"type":"pong","payload":{"message":"keepalive"}}
        wait 1
        < {"type":"ping","payload":{"message":"keepalive"}}"#,
    ),
    ("hasura: no ping messages if switched off", "set compat hasura\ninit\nwait 600000"),
    (
        "tyk: pong messages as heartbeat",
        r#"
        set compat tyk
        set ka 15000
        init
        wait 15000
        < {"type":"pong","payload":{"type":"heartbeat"}}
        wait 15000
        < {"type":"pong","payload":{"type":"heartbeat"}}"#,
    ),
    ("by default no messages keep a connection alive", "set ka 15000\ninit\nwait 600000"),
    (
        "hasura: a failed query is error",
        r#"
        set compat hasura
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start A {a}
        result A {"data":null,"errors":[{"message":"x"}]}
        < {"id":"1","type":"error","payload":[{"message":"x"}]}
        !done A
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start B {a}
        result B {"errors":[{"message":"y"}]}
        < {"id":"1","type":"error","payload":[{"message":"y"}]}"#,
    ),
    (
        "hasura: errors beside data, and those of a subscription, are results",
        r#"
        set compat hasura
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start A {a}
        result A {"data":{"a":null},"errors":[{"message":"x"}]}
        < {"id":"1","type":"next","payload":{"data":{"a":null},"errors":[{"message":"x"}]}}
        < {"id":"1","type":"complete"}
        > {"type":"subscribe","id":"2","payload":{"query":"subscription {a}"}}
        start B subscription {a}
        next B {"errors":[{"message":"x"}]}
        < {"id":"2","type":"next","payload":{"errors":[{"message":"x"}]}}"#,
    ),
    (
        "by default a failed query is a result",
        r#"
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start A {a}
        result A {"data":null,"errors":[{"message":"x"}]}
        < {"id":"1","type":"next","payload":{"data":null,"errors":[{"message":"x"}]}}
        < {"id":"1","type":"complete"}
        !result A {"data":1}"#,
    ),
    (
        "a refused operation is error as always",
        r#"
        set compat hasura,tyk
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start A {a}
        fail A [{"message":"x"},{"message":"y"}]
        < {"id":"1","type":"error","payload":[{"message":"x"},{"message":"y"}]}"#,
    ),
    (
        "mercurius: complete is answered, if the operation was alive",
        r#"
        set compat mercurius
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"complete","id":"1","payload":null}
        stop A
        < {"id":"1","type":"complete"}
        !done A
        > {"type":"complete","id":"1","payload":null}"#,
    ),
    (
        "tyk: complete is answered too, but not for an unknown id",
        r#"
        set compat tyk
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"complete","id":"1"}
        stop A
        < {"id":"1","type":"complete"}
        > {"type":"complete","id":"2"}"#,
    ),
    (
        "mercurius: a live result without data has no null that would end it, a query's has",
        r#"
        set compat mercurius
        init
        > {"type":"subscribe","id":"1","payload":{"query":"subscription {a}"}}
        start A subscription {a}
        next A {"data":null,"errors":[{"message":"x"}]}
        < {"id":"1","type":"next","payload":{"errors":[{"message":"x"}]}}
        next A {"data":{"a":null},"errors":[{"message":"x"}]}
        < {"id":"1","type":"next","payload":{"data":{"a":null},"errors":[{"message":"x"}]}}
        > {"type":"subscribe","id":"2","payload":{"query":"{a}"}}
        start B {a}
        result B {"data":null,"errors":[{"message":"x"}]}
        < {"id":"2","type":"next","payload":{"data":null,"errors":[{"message":"x"}]}}
        < {"id":"2","type":"complete"}"#,
    ),
    (
        "mercurius: what its gateway sends by mistake is ignored",
        r#"
        set compat mercurius
        > {"id":null,"type":"connection_init","payload":{}}
        auth {}
        ok
        < {"type":"connection_ack"}
        > {"payload":{}}
        > {"id":"1","type":"error","payload":[{"message":"x"}]}
        > {"id":null,"type":"ka","payload":{}}
        > {"id":null,"type":"ping","payload":{}}
        < {"type":"pong","payload":{}}"#,
    ),
    (
        "mercurius: other mistakes are still 4400",
        "set compat mercurius\ninit\n> {\"type\":\"next\",\"id\":\"1\",\"payload\":{}}\nclose 4400 Invalid message received*",
    ),
    (
        "mercurius: numeric ids",
        r#"
        set compat mercurius
        init
        > {"type":"subscribe","id":7,"payload":{"query":"{a}"}}
        start A {a}
        next A {"data":1}
        < {"id":7,"type":"next","payload":{"data":1}}
        > {"type":"complete","id":7}
        stop A
        < {"id":7,"type":"complete"}"#,
    ),
    (
        "mercurius: connection_terminate closes without a code",
        "set compat mercurius\ninit\n> {\"type\":\"connection_terminate\"}\nclose -",
    ),
    (
        "mercurius, tyk: binary messages are read as text",
        r#"
        set compat tyk
        binary {"type":"connection_init"}
        auth
        ok
        < {"type":"connection_ack"}
        binary {"type":"ping"}
        < {"type":"pong"}"#,
    ),
    (
        "hasura: binary messages are 4400",
        "set compat hasura\ninit\nbinary {\"type\":\"ping\"}\nclose 4400 Invalid message received*",
    ),
    (
        "tyk: a query's result rides in complete too",
        r#"
        set compat tyk
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start A {a}
        result A {"data":{"a":1}}
        < {"id":"1","type":"next","payload":{"data":{"a":1}}}
        < {"id":"1","type":"complete","payload":{"data":{"a":1}}}
        !result A {"data":1}"#,
    ),
    (
        "tyk: a subscription's complete carries nothing",
        r#"
        set compat tyk
        init
        > {"type":"subscribe","id":"1","payload":{"query":"subscription {a}"}}
        start A subscription {a}
        next A {"data":1}
        < {"id":"1","type":"next","payload":{"data":1}}
        done A
        < {"id":"1","type":"complete"}"#,
    ),
    (
        "tyk: nothing runs before init with this protocol",
        "set compat tyk\n> {\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":\"{a}\"}}\nclose 4401 Unauthorized",
    ),
];

const LEGACY: &[(&str, &str)] = &[
    (
        "hasura: subscribe and complete are start and stop",
        r#"
        set compat hasura
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        start A {a}
        next A {"data":1}
        < {"type":"data","id":"1","payload":{"data":1}}
        > {"type":"complete","id":"1"}
        stop A
        < {"type":"complete","id":"1","payload":null}"#,
    ),
    (
        "mercurius: subscribe is unknown",
        r#"
        set compat mercurius
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        < {"type":"error","id":"1","payload":{"message":"Invalid message type!"}}"#,
    ),
    (
        "hasura: a refusal has its reason as a string, and closes with 4400",
        r#"
        set compat hasura
        > {"type":"connection_init"}
        auth
        refuse not "you"
        < {"type":"connection_error","payload":"not \"you\""}
        close 4400 not "you""#,
    ),
    (
        "tyk: connection_error has a string",
        r#"
        set compat tyk
        init
        > {
        < {"type":"connection_error","id":null,"payload":"Invalid message: not JSON"}"#,
    ),
    (
        "hasura: a refused operation is error with a list in errors, then complete",
        r#"
        set compat hasura
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        fail A [{"message":"x"},{"message":"y"}]
        < {"type":"error","id":"1","payload":{"errors":[{"message":"x"},{"message":"y"}]}}
        < {"type":"complete","id":"1","payload":null}
        !done A"#,
    ),
    (
        "hasura: a failed query is data",
        r#"
        set compat hasura
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        result A {"data":null,"errors":[{"message":"x"}]}
        < {"type":"data","id":"1","payload":{"data":null,"errors":[{"message":"x"}]}}
        < {"type":"complete","id":"1","payload":null}"#,
    ),
    (
        "tyk: a refused operation is error with the list, and no complete",
        r#"
        set compat tyk
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        fail A [{"message":"x"},{"message":"y"}]
        < {"type":"error","id":"1","payload":[{"message":"x"},{"message":"y"}]}
        !done A"#,
    ),
    (
        "mercurius: a refused operation is error with the list, and no complete",
        r#"
        set compat mercurius
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        fail A [{"message":"x"},{"message":"y"}]
        < {"type":"error","id":"1","payload":[{"message":"x"},{"message":"y"}]}
        !done A"#,
    ),
    (
        "mercurius, tyk: a failed source is error with the list",
        r#"
        set compat tyk
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        error A [{"message":"x"},{"message":"y"}]
        < {"type":"error","id":"1","payload":[{"message":"x"},{"message":"y"}]}"#,
    ),
    (
        "too many operations are told in the same way",
        r#"
        set compat hasura
        set max_operations 1
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"start","id":"2","payload":{"query":"{b}"}}
        < {"type":"error","id":"2","payload":{"errors":[{"message":"too many operations on this connection (limit: 1)","extensions":{"code":"TOO_MANY_OPERATIONS"}}]}}
        < {"type":"complete","id":"2","payload":null}"#,
    ),
    (
        "where names contradict each other, hasura counts",
        r#"
        set compat tyk,hasura,mercurius
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        fail A [{"message":"x"}]
        < {"type":"error","id":"1","payload":{"errors":[{"message":"x"}]}}
        < {"type":"complete","id":"1","payload":null}"#,
    ),
    (
        "mercurius: what its gateway sends by mistake is ignored",
        r#"
        set compat mercurius
        set ka 15000
        init
        > {"payload":{}}
        > {"id":"1","type":"error","payload":{"message":"x"}}
        > {"id":null,"type":"ka","payload":{}}"#,
    ),
    (
        "tyk: a query's result rides in complete too",
        r#"
        set compat tyk
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        result A {"data":{"a":1}}
        < {"type":"data","id":"1","payload":{"data":{"a":1}}}
        < {"type":"complete","id":"1","payload":{"data":{"a":1}}}"#,
    ),
    (
        "tyk: start without init authenticates by the upgrade, and then runs",
        r#"
        set compat tyk
        set ka 15000
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        auth
        > {"type":"start","id":"2","payload":{"query":"{b}"}}
        ok
        start A {a}
        start B {b}
        wait 15000
        < {"type":"ka"}"#,
    ),
    (
        "tyk: start without init never runs if the upgrade does not do",
        r#"
        set compat tyk
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        auth
        refuse
        < {"type":"connection_error","payload":"Prohibited connection!"}
        close 1011 Prohibited connection!"#,
    ),
    (
        "tyk: an init after that is acknowledged",
        r#"
        set compat tyk
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        auth
        > {"type":"connection_init","payload":{"user":2}}
        > {"type":"start","id":"2","payload":{"query":"{b}"}}
        ok
        start A {a}
        again {"user":2}
        ok
        < {"type":"connection_ack"}
        start B {b}"#,
    ),
    (
        "only tyk: start without init never runs",
        r#"
        set compat hasura,mercurius
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        wait 10000
        < {"type":"connection_error","payload":"Connection initialisation timeout"}
        close 4401 Unauthorized"#,
    ),
    (
        "mercurius, tyk: binary messages are read as text",
        r#"
        set compat mercurius
        binary {"type":"connection_init"}
        auth
        ok
        < {"type":"connection_ack"}"#,
    ),
];

#[test]
fn scripts() {
    for (rule, script) in TRANSPORT_WS {
        common::run(Subprotocol::TransportWs, rule, script);
    }
    for (rule, script) in LEGACY {
        common::run(Subprotocol::Legacy, rule, script);
    }
}

#[test]
fn names() {
    for profile in CompatProfile::ALL {
        assert_eq!(CompatProfile::from_name(profile.as_str()), Some(profile));
        assert_ne!(Compat::of(&[profile]), Compat::default());
    }
    assert_eq!(CompatProfile::from_name("Hasura"), None);
    assert_eq!(Compat::of(&[]), Compat::default());
}
