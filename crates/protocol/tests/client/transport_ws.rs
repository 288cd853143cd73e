//! `graphql-transport-ws`: one script per rule, and those that hold for both protocols.

use artesian_protocol::Subprotocol;

use crate::runner::run_all;

#[test]
fn scripts() {
    run_all(Subprotocol::TransportWs, SCRIPTS);
}

const SCRIPTS: &[(&str, &str)] = &[
    // Connection
    (
        "init comes first, with the payload",
        r#"
        set payload {"token":"x"}
        < {"type":"connection_init","payload":{"token":"x"}}
        > {"type":"connection_ack","payload":{"user":1}}
        acked {"user":1}"#,
    ),
    (
        "an acknowledgement with null payload, and with any other",
        r#"
        < {"type":"connection_init"}
        > {"type":"connection_ack","payload":null}
        acked"#,
    ),
    (
        "a second acknowledgement is ignored",
        r#"
        init
        > {"type":"connection_ack"}
        ignored 1"#,
    ),
    (
        "`ka` and `ping` before the acknowledgement (Hasura)",
        r#"
        < {"type":"connection_init"}
        > {"type":"ka"}
        > {"type":"ping"}
        < {"type":"pong"}
        > {"type":"connection_ack"}
        acked"#,
    ),
    (
        "no acknowledgement",
        r#"
        < {"type":"connection_init"}
        sub A {"query":"{a}"}
        wait 9999
        > {"type":"ping"}
        < {"type":"pong"}
        wait 1
        lost A the server did not acknowledge the connection in time
        close 4504 Connection acknowledgement timeout"#,
    ),
    (
        "the acknowledgement stops its clock",
        r#"
        < {"type":"connection_init"}
        wait 9999
        > {"type":"connection_ack"}
        acked
        wait 100000"#,
    ),
    (
        "`connection_error` before the acknowledgement (Mercurius)",
        r#"
        < {"type":"connection_init"}
        sub A {"query":"{a}"}
        > {"type":"connection_error","payload":{"message":"Forbidden"}}
        lost A the server refused the connection
        close 1000
        > {"type":"connection_ack"}"#,
    ),
    (
        "`connection_error` after the acknowledgement",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        > {"type":"connection_error","payload":"x"}
        ignored 1
        > {"id":"1","type":"next","payload":{"data":{}}}
        next A {"data":{}}"#,
    ),
    (
        "the server closes",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        sub B {"query":"{b}"}
        < {"id":"2","type":"subscribe","payload":{"query":"{b}"}}
        gone 1001 Going away
        lost A the server closed the connection (1001: Going away)
        lost B the server closed the connection (1001: Going away)
        !unsub A
        !sub {"query":"{a}"}
        end 1000 x
        gone 1000"#,
    ),
    (
        "the socket breaks before the acknowledgement",
        r#"
        < {"type":"connection_init"}
        sub A {"query":"{a}"}
        gone -
        lost A the server closed the connection"#,
    ),
    (
        "we close",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        end 1000 Normal Closure
        lost A the connection was closed on this side
        close 1000 Normal Closure
        > {"id":"1","type":"next","payload":{"data":{}}}
        wait 100000"#,
    ),
    (
        "fresh credentials go with a ping, ahead of what is sent later",
        r#"
        init
        fresh {"headers":{"a":"b"}}
        < {"type":"ping","payload":{"headers":{"a":"b"}}}
        > {"type":"pong","payload":{"headers":{"a":"b"}}}
        ignored 0"#,
    ),
    (
        "before the acknowledgement the last fresh credentials wait, ahead of the operations",
        r#"
        < {"type":"connection_init"}
        sub A {"query":"{a}"}
        fresh {"headers":{"n":1}}
        fresh {"headers":{"n":2}}
        > {"type":"connection_ack"}
        acked
        < {"type":"ping","payload":{"headers":{"n":2}}}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        end 1000 done
        lost A the connection was closed on this side
        close 1000 done
        fresh {"headers":{}}"#,
    ),
    // Operations
    (
        "results are passed on as they were written",
        r#"
        init
        sub A {"query":"{a}","variables":{"n":1.50}}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}","variables":{"n":1.50}}}
        > {"id":"1","type":"next","payload":{ "data" : {"n":1.50,"n":12345678901234567890} , "x":[]}}
        next A { "data" : {"n":1.50,"n":12345678901234567890} , "x":[]}
        > {"payload":{"errors":[]},"type":"next","id":"1"}
        next A {"errors":[]}
        > {"id":"1","type":"complete"}
        complete A
        !unsub A"#,
    ),
    (
        "requests wait for the acknowledgement, in order",
        r#"
        < {"type":"connection_init"}
        sub A {"query":"{a}"}
        sub B {"query":"{b}"}
        sub C {"query":"{c}"}
        unsub B
        !unsub B
        > {"type":"connection_ack"}
        acked
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        < {"id":"3","type":"subscribe","payload":{"query":"{c}"}}"#,
    ),
    (
        "what waits is bounded",
        r#"
        set queue 110
        < {"type":"connection_init"}
        sub A {"query":"{a}"}
        !sub {"query":"{bbbbbbbbbb}"}
        unsub A
        sub B {"query":"{bbbbbbbbbb}"}
        > {"type":"connection_ack"}
        acked
        < {"id":"2","type":"subscribe","payload":{"query":"{bbbbbbbbbb}"}}
        sub C {"query":"{c}"}
        < {"id":"3","type":"subscribe","payload":{"query":"{c}"}}"#,
    ),
    (
        "operations are bounded",
        r#"
        set max_operations 1
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        !sub {"query":"{b}"}
        unsub A
        < {"id":"1","type":"complete"}
        sub B {"query":"{b}"}
        < {"id":"2","type":"subscribe","payload":{"query":"{b}"}}"#,
    ),
    (
        "nothing of an operation is known before the acknowledgement",
        r#"
        < {"type":"connection_init"}
        sub A {"query":"{a}"}
        > {"id":"1","type":"next","payload":{"data":{}}}
        > {"id":"1","type":"error","payload":[{"message":"x"}]}
        > {"id":"1","type":"complete"}
        ignored 3
        > {"type":"connection_ack"}
        acked
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}"#,
    ),
    (
        "cancelled by us, and results that cross",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        unsub A
        < {"id":"1","type":"complete"}
        > {"id":"1","type":"next","payload":{"data":{}}}
        > {"id":"1","type":"error","payload":[{"message":"x"}]}
        > {"id":"1","type":"complete"}
        ignored 3"#,
    ),
    (
        "cancelled again when the server has missed it (Mercurius)",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        unsub A
        < {"id":"1","type":"complete"}
        wait 999
        > {"id":"1","type":"next","payload":{"data":{}}}
        wait 1
        > {"id":"1","type":"next","payload":{"data":{}}}
        < {"id":"1","type":"complete"}
        > {"id":"1","type":"next","payload":{"data":{}}}
        wait 1000
        > {"id":"1","type":"next","payload":{"data":{}}}
        < {"id":"1","type":"complete"}
        > {"id":"1","type":"complete","payload":null}
        wait 1000
        > {"id":"1","type":"next","payload":{"data":{}}}"#,
    ),
    (
        "what the server ended is not cancelled",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        > {"id":"1","type":"complete"}
        complete A
        wait 5000
        > {"id":"1","type":"next","payload":{"data":{}}}
        ignored 1"#,
    ),
    (
        "one end: complete after complete, error after complete",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        > {"id":"1","type":"complete"}
        complete A
        > {"id":"1","type":"complete"}
        > {"id":"1","type":"error","payload":[{"message":"x"}]}
        gone -"#,
    ),
    (
        "one end: complete after error",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        > {"id":"1","type":"error","payload":[{"message":"x"}]}
        error A [{"message":"x"}]
        > {"id":"1","type":"complete"}"#,
    ),
    (
        "errors of any shape",
        r#"
        init
        sub A {}
        < {"id":"1","type":"subscribe","payload":{}}
        sub B {}
        < {"id":"2","type":"subscribe","payload":{}}
        sub C {}
        < {"id":"3","type":"subscribe","payload":{}}
        sub D {}
        < {"id":"4","type":"subscribe","payload":{}}
        sub E {}
        < {"id":"5","type":"subscribe","payload":{}}
        sub F {}
        < {"id":"6","type":"subscribe","payload":{}}
        sub G {}
        < {"id":"7","type":"subscribe","payload":{}}
        > {"id":"1","type":"error","payload":{"message":"x","extensions":{"code":"y"}}}
        error A [{"message":"x","extensions":{"code":"y"}}]
        > {"id":"2","type":"error","payload":"Invalid \"operation\""}
        error B [{"message":"Invalid \"operation\""}]
        > {"id":"3","type":"error"}
        error C [{"message":"Internal server error"}]
        > {"id":"4","type":"error","payload":[]}
        error D [{"message":"Internal server error"}]
        > {"id":"5","type":"error","payload":["x",{"message":"y"},7]}
        error E [{"message":"x"},{"message":"y"},{"message":"Internal server error"}]
        > {"id":"6","type":"error","payload":false}
        error F [{"message":"Internal server error"}]
        > {"id":"7","type":"error","payload":[ {"message":"a"}, {"message":"b"} ]}
        error G [ {"message":"a"}, {"message":"b"} ]"#,
    ),
    (
        "unknown ids",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        > {"id":"2","type":"next","payload":{"data":{}}}
        > {"id":"01","type":"next","payload":{"data":{}}}
        > {"id":"+1","type":"next","payload":{"data":{}}}
        > {"id":" 1","type":"next","payload":{"data":{}}}
        > {"id":"","type":"next","payload":{"data":{}}}
        > {"id":1.0,"type":"next","payload":{"data":{}}}
        > {"id":-1,"type":"next","payload":{"data":{}}}
        > {"id":null,"type":"error","payload":{}}
        > {"id":["1"],"type":"complete"}
        > {"id":"18446744073709551617","type":"complete"}
        > {"type":"complete"}
        ignored 11"#,
    ),
    (
        "ids that became numbers",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        > {"id":1,"type":"next","payload":{"data":{}}}
        next A {"data":{}}
        > {"id":1,"type":"complete"}
        complete A"#,
    ),
    (
        "results that are none",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        > {"id":"1","type":"next"}
        > {"id":"1","type":"next","payload":null}
        > {"id":"1","type":"next","payload":[]}
        > {"id":"1","type":"next","payload":"x"}
        ignored 4
        > {"id":"1","type":"next","payload":{}}
        next A {}"#,
    ),
    (
        "the result of a query may ride in its `complete` (Tyk's documentation)",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        > {"id":"1","type":"complete","payload":{"data":{"a":1}}}
        next A {"data":{"a":1}}
        complete A"#,
    ),
    (
        "but not a second time, and only if it is one",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        sub B {"query":"{b}"}
        < {"id":"2","type":"subscribe","payload":{"query":"{b}"}}
        > {"id":"1","type":"next","payload":{"data":{"a":1}}}
        next A {"data":{"a":1}}
        > {"id":"1","type":"complete","payload":{"data":{"a":1}}}
        complete A
        > {"id":"2","type":"complete","payload":{"x":{"a":1}}}
        complete B"#,
    ),
    (
        "the other protocol's name for results",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        > {"id":"1","type":"data","payload":{"data":{}}}
        next A {"data":{}}"#,
    ),
    // Messages that make no sense
    (
        "nothing that a server sends is fatal",
        r#"
        init
        > nope
        > []
        > "x"
        > {
        > {}
        > {"payload":{}}
        > {"type":null}
        > {"type":7}
        > {"type":"x"}
        > {"type":"x","type":"y"}
        > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        > {"type":"connection_init"}
        ignored 12"#,
    ),
    (
        "JSON in a binary message",
        r#"
        < {"type":"connection_init"}
        binary {"type":"connection_ack"}
        acked"#,
    ),
    // Liveness
    (
        "pings are answered with their payload, if it is an object",
        r#"
        init
        > {"type":"ping","payload":{ "a":1 }}
        < {"type":"pong","payload":{ "a":1 }}
        > {"type":"ping","payload":7}
        < {"type":"pong"}
        > {"type":"ping","payload":null}
        < {"type":"pong"}
        > {"type":"pong","payload":{"type":"heartbeat"}}
        > {"type":"pong","payload":3}
        ignored 0"#,
    ),
    (
        "pings, and a server that is dead",
        r#"
        set ping 20000
        < {"type":"connection_init"}
        wait 9000
        > {"type":"connection_ack"}
        acked
        sub A {"query":"{a}"}
        < {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        wait 20000
        wsping
        wait 20000
        wsping
        wait 10000
        lost A the server fell silent
        close 4499 Terminated: no sign of life"#,
    ),
    (
        "any sign of life will do",
        r#"
        set ping 20000
        init
        wait 20000
        wsping
        wait 19000
        pong
        wait 1000
        wsping
        wait 19000
        > junk
        wait 1000
        wsping
        wait 20000
        wsping
        wait 9999
        wait 1
        close 4499 Terminated: no sign of life"#,
    ),
    (
        "`ka` arms nothing here",
        r#"
        init
        > {"type":"ka"}
        wait 1000000"#,
    ),
];
