//! Legacy `graphql-ws`: one script per rule. See `common` for the language.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use artesian_protocol::Subprotocol;

const SCRIPTS: &[(&str, &str)] = &[
    // Connection
    (
        "ack first, then ka",
        r#"
        set ka 15000
        > {"type":"connection_init","payload":{"a":1}}
        auth {"a":1}
        ok
        < {"type":"connection_ack"}
        < {"type":"ka"}"#,
    ),
    (
        "ack with payload",
        r#"
        > {"type":"connection_init"}
        auth
        ok {"a":1}
        < {"type":"connection_ack","payload":{"a":1}}"#,
    ),
    (
        "nothing precedes the acknowledgement",
        r#"
        set ka 1000
        set ping 1000
        wait 5000
        > {"type":"connection_init"}
        auth
        wait 60000
        ok
        < {"type":"connection_ack"}
        < {"type":"ka"}"#,
    ),
    (
        "ka comes again and again",
        r#"
        set ka 5000
        init
        wait 4999
        wait 1
        < {"type":"ka"}
        wait 5000
        < {"type":"ka"}"#,
    ),
    (
        "ka comes at least every 15 s",
        r#"
        set ka 60000
        init
        wait 15000
        < {"type":"ka"}
        wait 14999"#,
    ),
    ("no ka if switched off", "init\nwait 600000"),
    (
        "refused: connection_error, then close 1011",
        r#"
        > {"type":"connection_init"}
        auth
        refuse
        < {"type":"connection_error","payload":{"message":"Prohibited connection!"}}
        close 1011 Prohibited connection!"#,
    ),
    (
        "refused with a reason",
        r#"
        > {"type":"connection_init"}
        auth
        refuse no "entry"
        < {"type":"connection_error","payload":{"message":"no \"entry\""}}
        close 1011 no "entry""#,
    ),
    (
        "a repeated init authenticates and acknowledges again, without a second first ka",
        r#"
        set ka 15000
        init
        > {"type":"connection_init","payload":{"b":2}}
        again {"b":2}
        ok
        < {"type":"connection_ack"}"#,
    ),
    (
        "a repeated init may be refused",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"connection_init"}
        again
        refuse
        < {"type":"connection_error","payload":{"message":"Prohibited connection!"}}
        stop A
        close 1011 Prohibited connection!"#,
    ),
    (
        "operations go on while a repeated init is pending",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"connection_init"}
        again
        next A {"data":1}
        < {"type":"data","id":"1","payload":{"data":1}}
        > {"type":"stop","id":"1"}
        stop A
        < {"type":"complete","id":"1","payload":null}
        ok
        < {"type":"connection_ack"}"#,
    ),
    (
        "a start behind a repeated init belongs to the new identity",
        r#"
        init
        > {"type":"connection_init","payload":{"user":2}}
        again {"user":2}
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        ok
        < {"type":"connection_ack"}
        start A {a}"#,
    ),
    (
        "inits and starts keep their order while one is pending",
        r#"
        > {"type":"connection_init","payload":{"user":1}}
        auth {"user":1}
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        > {"type":"connection_init","payload":{"user":2}}
        > {"type":"start","id":"2","payload":{"query":"{b}"}}
        ok
        < {"type":"connection_ack"}
        start A {a}
        again {"user":2}
        ok
        < {"type":"connection_ack"}
        start B {b}"#,
    ),
    (
        "a start behind a repeated init stops the operation it replaces at once",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"connection_init"}
        again
        > {"type":"start","id":"1","payload":{"query":"{b}"}}
        stop A
        !next A {"data":1}
        ok
        < {"type":"connection_ack"}
        start B {b}"#,
    ),
    (
        "init timeout: connection_error and 4401",
        r#"
        wait 9999
        wait 1
        < {"type":"connection_error","payload":{"message":"Connection initialisation timeout"}}
        close 4401 Unauthorized"#,
    ),
    (
        "the clock stops at the receipt of init",
        r#"
        wait 9999
        > {"type":"connection_init"}
        auth
        wait 60000
        ok
        < {"type":"connection_ack"}"#,
    ),
    (
        "an init payload that is no object is refused, the socket stays open",
        r#"
        > {"type":"connection_init","payload":"x"}
        < {"type":"connection_error","id":null,"payload":{"message":"`payload` must be an object or null"}}
        init"#,
    ),
    (
        "connection_terminate closes without a code",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"connection_terminate"}
        stop A
        close -"#,
    ),
    ("connection_terminate before init", "> {\"type\":\"connection_terminate\"}\nclose -"),
    // Before the acknowledgement
    (
        "start without init never runs (CVE-2026-35523)",
        r#"
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        wait 10000
        < {"type":"connection_error","payload":{"message":"Connection initialisation timeout"}}
        close 4401 Unauthorized"#,
    ),
    (
        "a client whose parameters failed says so and starts anyway: nothing runs",
        r#"
        > {"type":"connection_error","payload":{"message":"no token"}}
        < {"type":"error","payload":{"message":"Invalid message type!"}}
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        wait 10000
        < {"type":"connection_error","payload":{"message":"Connection initialisation timeout"}}
        close 4401 Unauthorized"#,
    ),
    (
        "start behind init waits for the acknowledgement",
        r#"
        set ka 1000
        > {"type":"connection_init"}
        auth
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        > {"type":"start","id":"2","payload":{"query":"{b}"}}
        ok
        < {"type":"connection_ack"}
        < {"type":"ka"}
        start A {a}
        start B {b}"#,
    ),
    (
        "start ahead of init waits too",
        r#"
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        > {"type":"connection_init"}
        auth
        ok
        < {"type":"connection_ack"}
        start A {a}"#,
    ),
    (
        "what waits does not run when init is refused",
        r#"
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        > {"type":"connection_init"}
        auth
        refuse
        < {"type":"connection_error","payload":{"message":"Prohibited connection!"}}
        close 1011 Prohibited connection!"#,
    ),
    (
        "a start stopped while it waits never runs, but is completed",
        r#"
        > {"type":"connection_init"}
        auth
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        > {"type":"stop","id":"1"}
        ok
        < {"type":"connection_ack"}
        < {"type":"complete","id":"1","payload":null}"#,
    ),
    (
        "a start may follow its stop while both wait",
        r#"
        > {"type":"connection_init"}
        auth
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        > {"type":"stop","id":"1"}
        > {"type":"start","id":"1","payload":{"query":"{b}"}}
        ok
        < {"type":"connection_ack"}
        < {"type":"complete","id":"1","payload":null}
        start B {b}"#,
    ),
    (
        "of two waiting starts with one id only the last runs",
        r#"
        > {"type":"connection_init"}
        auth
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        > {"type":"start","id":"1","payload":{"query":"{b}"}}
        ok
        < {"type":"connection_ack"}
        start B {b}"#,
    ),
    (
        "the queue is bounded",
        r#"
        set queue 200
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        > {"type":"start","id":"2","payload":{"query":"{a}"}}
        < {"type":"connection_error","payload":{"message":"Too many messages before connection_ack"}}
        close 1008 Too many messages before connection_ack"#,
    ),
    (
        "a malformed start that waits is answered after the acknowledgement",
        r#"
        > {"type":"connection_init"}
        auth
        > {"type":"start","id":"1","payload":{}}
        ok
        < {"type":"connection_ack"}
        < {"type":"error","id":"1","payload":{"message":"`query` is missing"}}"#,
    ),
    (
        "stop for nothing before the acknowledgement is ignored",
        r#"
        > {"type":"stop","id":"1"}
        init"#,
    ),
    (
        "the driver may acknowledge at once: then nothing waits",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}"#,
    ),
    // Operations
    (
        "a query: data, then complete with null payload",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}","variables":{},"operationName":null}}
        start A {a}
        next A {"data":{"a":1}}
        < {"type":"data","id":"1","payload":{"data":{"a":1}}}
        done A
        < {"type":"complete","id":"1","payload":null}"#,
    ),
    (
        "a numeric id is echoed as a number",
        r#"
        init
        > {"type":"start","id":7,"payload":{"query":"{a}"}}
        start A {a}
        next A {"data":1}
        < {"type":"data","id":7,"payload":{"data":1}}
        > {"type":"stop","id":7}
        stop A
        < {"type":"complete","id":7,"payload":null}"#,
    ),
    (
        "a large numeric id keeps its digits",
        r#"
        init
        > {"type":"start","id":12345678901234567890123,"payload":{"query":"{a}"}}
        start A {a}
        done A
        < {"type":"complete","id":12345678901234567890123,"payload":null}"#,
    ),
    (
        "a number and its digits name the same operation",
        r#"
        init
        > {"type":"start","id":7,"payload":{"query":"{a}"}}
        start A {a}
        > {"type":"stop","id":"7"}
        stop A
        < {"type":"complete","id":7,"payload":null}"#,
    ),
    (
        "stop: complete always follows, at once",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"stop","id":"1"}
        stop A
        < {"type":"complete","id":"1","payload":null}
        !next A {"data":1}
        !done A"#,
    ),
    ("stop for an unknown id is ignored", "init\n> {\"type\":\"stop\",\"id\":\"1\"}"),
    ("stop without id is ignored", "init\n> {\"type\":\"stop\"}"),
    (
        "stop after complete is ignored",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        done A
        < {"type":"complete","id":"1","payload":null}
        > {"type":"stop","id":"1"}"#,
    ),
    (
        "a request error is data with errors, then complete",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        fail A [{"message":"x"},{"message":"y"}]
        < {"type":"data","id":"1","payload":{"errors":[{"message":"x"},{"message":"y"}]}}
        < {"type":"complete","id":"1","payload":null}
        !done A"#,
    ),
    (
        "a source error is error with one object, and no complete",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        error A [{"message":"x","extensions":{"code":"X"}},{"message":"y"}]
        < {"type":"error","id":"1","payload":{"message":"x","extensions":{"code":"X"}}}
        !done A
        > {"type":"stop","id":"1"}"#,
    ),
    (
        "an error is never without a message",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        error A []
        < {"type":"error","id":"1","payload":{"message":"Internal server error"}}"#,
    ),
    (
        "an id in use: the new operation replaces the old, nothing stale leaks",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"start","id":"1","payload":{"query":"{b}"}}
        stop A
        start B {b}
        !next A {"data":"old"}
        !done A
        next B {"data":"new"}
        < {"type":"data","id":"1","payload":{"data":"new"}}
        done B
        < {"type":"complete","id":"1","payload":null}"#,
    ),
    (
        "an id in use by another kind is replaced as well",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"start","id":1,"payload":{"query":"{b}"}}
        stop A
        start B {b}
        done B
        < {"type":"complete","id":1,"payload":null}"#,
    ),
    (
        "an id is free again after its end",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        done A
        < {"type":"complete","id":"1","payload":null}
        > {"type":"start","id":"1","payload":{"query":"{b}"}}
        start B {b}"#,
    ),
    (
        "an id is free again after stop, and nothing of the old operation leaks",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"stop","id":"1"}
        stop A
        < {"type":"complete","id":"1","payload":null}
        > {"type":"start","id":"1","payload":{"query":"{b}"}}
        start B {b}
        !next A {"data":"late"}
        !error A [{"message":"late"}]
        !done A
        next B {"data":"b"}
        < {"type":"data","id":"1","payload":{"data":"b"}}"#,
    ),
    (
        "an id is free again after error",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        error A [{"message":"x"}]
        < {"type":"error","id":"1","payload":{"message":"x"}}
        > {"type":"start","id":"1","payload":{"query":"{b}"}}
        start B {b}"#,
    ),
    (
        "too many operations: data with errors and complete for that one",
        r#"
        set max_operations 1
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"start","id":"2","payload":{"query":"{b}"}}
        < {"type":"data","id":"2","payload":{"errors":[{"message":"too many operations on this connection (limit: 1)","extensions":{"code":"TOO_MANY_OPERATIONS"}}]}}
        < {"type":"complete","id":"2","payload":null}"#,
    ),
    (
        "the limit holds for what waited, too",
        r#"
        set max_operations 1
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        > {"type":"start","id":"2","payload":{"query":"{b}"}}
        > {"type":"connection_init"}
        auth
        ok
        < {"type":"connection_ack"}
        start A {a}
        < {"type":"data","id":"2","payload":{"errors":[{"message":"too many operations on this connection (limit: 1)","extensions":{"code":"TOO_MANY_OPERATIONS"}}]}}
        < {"type":"complete","id":"2","payload":null}"#,
    ),
    (
        "a replacement is no further operation",
        r#"
        set max_operations 1
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"start","id":"1","payload":{"query":"{b}"}}
        stop A
        start B {b}"#,
    ),
    // Malformed messages
    (
        "unparsable: connection_error with null id, the socket stays open",
        r#"
        init
        > {nope
        < {"type":"connection_error","id":null,"payload":{"message":"Invalid message: not JSON"}}
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}"#,
    ),
    (
        "unparsable before init",
        r#"
        > [1]
        < {"type":"connection_error","id":null,"payload":{"message":"Invalid message: not a JSON object"}}
        init"#,
    ),
    (
        "binary: connection_error",
        r#"
        init
        binary
        < {"type":"connection_error","id":null,"payload":{"message":"Message must be JSON text"}}"#,
    ),
    (
        "unknown type: error",
        r#"
        init
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        < {"type":"error","id":"1","payload":{"message":"Invalid message type!"}}"#,
    ),
    (
        "unknown type without id",
        r#"
        init
        > {"type":"connection_error","payload":{"message":"client side"}}
        < {"type":"error","payload":{"message":"Invalid message type!"}}"#,
    ),
    (
        "no type is an unknown one",
        r#"
        init
        > {"id":"1"}
        < {"type":"error","id":"1","payload":{"message":"Invalid message type!"}}"#,
    ),
    (
        "a type that is no string: connection_error",
        r#"
        init
        > {"id":"1","type":7}
        < {"type":"connection_error","id":null,"payload":{"message":"Invalid message: `type` must be a string, and no member may be repeated"}}"#,
    ),
    (
        "unknown type does not end an operation of that id",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"x","id":"1"}
        < {"type":"error","id":"1","payload":{"message":"Invalid message type!"}}
        next A {"data":1}
        < {"type":"data","id":"1","payload":{"data":1}}"#,
    ),
    (
        "start without payload",
        r#"
        init
        > {"type":"start","id":"1"}
        < {"type":"error","id":"1","payload":{"message":"`payload` is missing"}}"#,
    ),
    (
        "start with a query that is no string",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":1}}
        < {"type":"error","id":"1","payload":{"message":"`query` must be a string"}}"#,
    ),
    (
        "start with variables that are no object",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}","variables":"{}"}}
        < {"type":"error","id":"1","payload":{"message":"`variables` must be an object or null"}}"#,
    ),
    (
        "start without id",
        r#"
        init
        > {"type":"start","payload":{"query":"{a}"}}
        < {"type":"error","payload":{"message":"`id` must be a non-empty string"}}"#,
    ),
    (
        "start with ids of other kinds",
        r#"
        init
        > {"type":"start","id":null,"payload":{"query":"{a}"}}
        < {"type":"error","payload":{"message":"`id` must be a non-empty string"}}
        > {"type":"start","id":"","payload":{"query":"{a}"}}
        < {"type":"error","id":null,"payload":{"message":"`id` must be a non-empty string"}}
        > {"type":"start","id":{},"payload":{"query":"{a}"}}
        < {"type":"error","id":null,"payload":{"message":"`id` must be a non-empty string"}}"#,
    ),
    (
        "start with an id that is too long",
        r#"
        set max_id_bytes 3
        init
        > {"type":"start","id":"1234","payload":{"query":"{a}"}}
        < {"type":"error","id":null,"payload":{"message":"`id` is too long"}}"#,
    ),
    // The end
    (
        "shutdown: 1001 and no complete",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        shutdown
        stop A
        close 1001 Going away"#,
    ),
    ("a failure of the server's: 1011", "init\nbroken oops\nclose 1011 oops"),
    (
        "expired credentials end operations without complete",
        r#"
        init
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        start A {a}
        expire
        stop A
        close 4403 Forbidden: token expired"#,
    ),
    ("expired credentials: 4403", "init\nexpire\nclose 4403 Forbidden: token expired"),
    (
        "a lost socket discards what waits",
        r#"
        > {"type":"start","id":"1","payload":{"query":"{a}"}}
        > {"type":"connection_init"}
        auth
        lost
        ok"#,
    ),
    (
        "WebSocket pings find dead peers",
        r#"
        set ping 30000
        init
        wait 30000
        wsping
        wait 29999
        wait 1
        close 4499 Terminated: no pong received"#,
    ),
];

#[test]
fn scripts() {
    for (rule, script) in SCRIPTS {
        common::run(Subprotocol::Legacy, rule, script);
    }
}

#[test]
fn names_are_different() {
    let names: std::collections::HashSet<_> = SCRIPTS.iter().map(|(rule, _)| rule).collect();
    assert_eq!(names.len(), SCRIPTS.len());
    assert!(names.len() >= 55, "{}", names.len());
}
