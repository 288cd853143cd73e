//! The extension `connectionInit` of an operation, in the mode `mercurius` and without it. See
//! `common` for the language.
#![allow(missing_docs)]

mod common;

use artesian_protocol::Subprotocol;

const TRANSPORT_WS: &[(&str, &str)] = &[
    (
        "two operations of one socket never have each other's payload, nor the socket's",
        r#"
        set compat mercurius
        > {"id":null,"type":"connection_init","payload":{"gateway":1}}
        auth {"gateway":1}
        ok
        < {"type":"connection_ack"}
        > {"id":"1","type":"subscribe","payload":{"query":"{a}","variables":{}},"extensions":[{"type":"connectionInit","payload":{"user":1}}]}
        start A {a} as {"user":1}
        > {"id":"2","type":"subscribe","payload":{"query":"{a}","variables":{}},"extensions":[{"type":"connectionInit","payload":{"user":2}}]}
        start B {a} as {"user":2}
        > {"id":"3","type":"subscribe","payload":{"query":"{a}","variables":{}},"extensions":[{"type":"connectionInit","payload":{}}]}
        start C {a} as {}
        > {"id":"4","type":"subscribe","payload":{"query":"{a}","variables":{}}}
        start D {a}
        next B {"data":2}
        < {"id":"2","type":"next","payload":{"data":2}}"#,
    ),
    (
        "one that is refused is an error of that operation, and one that is stopped meanwhile is completed",
        r#"
        set compat mercurius
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"},"extensions":[{"type":"connectionInit","payload":{"user":1}}]}
        start A {a} as {"user":1}
        > {"id":"2","type":"subscribe","payload":{"query":"{b}"},"extensions":[{"type":"connectionInit","payload":{"user":2}}]}
        start B {b} as {"user":2}
        > {"id":"2","type":"complete","payload":null}
        stop B
        < {"id":"2","type":"complete"}
        fail A [{"message":"Forbidden"}]
        < {"id":"1","type":"error","payload":[{"message":"Forbidden"}]}
        > {"id":"1","type":"error","payload":[{"message":"Forbidden"}]}
        > {"id":"1","type":"complete","payload":null}
        > {"id":"3","type":"subscribe","payload":{"query":"{c}"}}
        start C {c}"#,
    ),
    (
        "what cannot be followed refuses the operation, and nothing but that",
        r#"
        set compat mercurius
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"},"extensions":[{"type":"other"}]}
        < {"id":"1","type":"error","payload":[{"message":"Unknown extension other","extensions":{"code":"BAD_REQUEST"}}]}
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"},"extensions":[{"type":"connectionInit","payload":{}},{"type":"connectionInit","payload":{}}]}
        < {"id":"1","type":"error","payload":[{"message":"`connectionInit` must stand once in `extensions`","extensions":{"code":"BAD_REQUEST"}}]}
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"},"extensions":[]}
        start A {a}"#,
    ),
    (
        "an operation that brings credentials for the socket as well is refused, and the socket keeps its own",
        r#"
        set compat mercurius
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}","extensions":{"connectionInit":{"headers":{}}}},"extensions":[{"type":"connectionInit","payload":{"user":1}}]}
        < {"id":"1","type":"error","payload":[{"message":"an operation can bring one `connectionInit`, not two","extensions":{"code":"BAD_REQUEST"}}]}
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}"#,
    ),
    (
        "it waits behind fresh credentials of the socket, and keeps its payload",
        r#"
        set compat mercurius
        init
        > {"type":"ping","payload":{"headers":{"a":"b"}}}
        fresh {"headers":{"a":"b"}}
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"},"extensions":[{"type":"connectionInit","payload":{"user":1}}]}
        > {"id":"2","type":"subscribe","payload":{"query":"{b}"},"extensions":[{"type":"other"}]}
        > {"id":"3","type":"subscribe","payload":{"query":"{c}"},"extensions":[{"type":"connectionInit","payload":{"user":3}}]}
        > {"id":"3","type":"complete","payload":null}
        ok
        < {"type":"pong","payload":{"headers":{"a":"b"}}}
        start A {a} as {"user":1}
        < {"id":"2","type":"error","payload":[{"message":"Unknown extension other","extensions":{"code":"BAD_REQUEST"}}]}
        < {"id":"3","type":"complete"}"#,
    ),
    (
        "without the mode the list means nothing",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"},"extensions":[{"type":"connectionInit","payload":{"user":1}}]}
        start A {a}
        > {"id":"2","type":"subscribe","payload":{"query":"{b}"},"extensions":[{"type":"other"}]}
        start B {b}"#,
    ),
    (
        "nor with the modes of others",
        r#"
        set compat hasura,tyk
        init
        > {"id":"1","type":"start","payload":{"query":"{a}"},"extensions":[{"type":"connectionInit","payload":{"user":1}}]}
        start A {a}"#,
    ),
    (
        "it is no way around connection_init",
        r#"
        set compat mercurius
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"},"extensions":[{"type":"connectionInit","payload":{"user":1}}]}
        close 4401 Unauthorized"#,
    ),
];

const LEGACY: &[(&str, &str)] = &[
    (
        "each operation has its own payload, also those that came before the acknowledgement",
        r#"
        set compat mercurius
        > {"id":"1","type":"start","payload":{"query":"{a}"},"extensions":[{"type":"connectionInit","payload":{"user":1}}]}
        > {"id":null,"type":"connection_init","payload":{"gateway":1}}
        auth {"gateway":1}
        > {"id":"2","type":"start","payload":{"query":"{b}"}}
        > {"id":"3","type":"start","payload":{"query":"{c}"},"extensions":[{"type":"connectionInit","payload":{"user":3}}]}
        ok
        < {"type":"connection_ack"}
        start A {a} as {"user":1}
        start B {b}
        start C {c} as {"user":3}
        > {"id":"1","type":"stop","payload":null}
        stop A
        < {"type":"complete","id":"1","payload":null}"#,
    ),
    (
        "errors are those of the operation, as a list",
        r#"
        set compat mercurius
        init
        > {"id":"1","type":"start","payload":{"query":"{a}"},"extensions":[{"type":"other"}]}
        < {"type":"error","id":"1","payload":[{"message":"Unknown extension other","extensions":{"code":"BAD_REQUEST"}}]}
        > {"id":"1","type":"start","payload":{"query":"{a}"},"extensions":[{"type":"connectionInit","payload":{"user":1}}]}
        start A {a} as {"user":1}
        fail A [{"message":"Forbidden"}]
        < {"type":"error","id":"1","payload":[{"message":"Forbidden"}]}"#,
    ),
    (
        "without the mode the list means nothing",
        r#"
        init
        > {"id":"1","type":"start","payload":{"query":"{a}"},"extensions":[{"type":"connectionInit","payload":{"user":1}}]}
        start A {a}"#,
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
