//! The legacy `graphql-ws`: what differs.

use artesian_protocol::Subprotocol;

use crate::runner::run_all;

#[test]
fn scripts() {
    run_all(Subprotocol::Legacy, SCRIPTS);
}

const SCRIPTS: &[(&str, &str)] = &[
    (
        "an operation",
        r#"
        set payload {"token":"x"}
        < {"type":"connection_init","payload":{"token":"x"}}
        sub A {"query":"{a}"}
        > {"type":"connection_ack"}
        acked
        < {"id":"1","type":"start","payload":{"query":"{a}"}}
        > {"type":"data","id":"1","payload":{"data":{"a":1}}}
        next A {"data":{"a":1}}
        > {"type":"complete","id":"1","payload":null}
        complete A"#,
    ),
    (
        "validation errors as a result and the end",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"start","payload":{"query":"{a}"}}
        > {"type":"data","id":"1","payload":{"errors":[{"message":"x"}]}}
        next A {"errors":[{"message":"x"}]}
        > {"type":"complete","id":"1","payload":null}
        complete A"#,
    ),
    (
        "errors as one object and as a list (Apollo, Tyk)",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"start","payload":{"query":"{a}"}}
        sub B {"query":"{b}"}
        < {"id":"2","type":"start","payload":{"query":"{b}"}}
        > {"type":"error","id":"1","payload":{"message":"x"}}
        error A [{"message":"x"}]
        > {"type":"error","id":"2","payload":[{"message":"x"}]}
        error B [{"message":"x"}]
        > {"type":"complete","id":"2","payload":null}"#,
    ),
    (
        "cancelled by us; the `complete` that servers send for it is not news",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"start","payload":{"query":"{a}"}}
        unsub A
        < {"id":"1","type":"stop"}
        > {"type":"data","id":"1","payload":{"data":{}}}
        > {"type":"complete","id":"1","payload":null}
        ignored 2"#,
    ),
    (
        "fresh credentials go with a further init, whose acknowledgement is no news",
        r#"
        init
        fresh {"headers":{"a":"b"}}
        < {"type":"connection_init","payload":{"headers":{"a":"b"}}}
        > {"type":"connection_ack"}
        ignored 0
        > {"type":"connection_ack"}
        ignored 1"#,
    ),
    (
        "cancelled again",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"start","payload":{"query":"{a}"}}
        unsub A
        < {"id":"1","type":"stop"}
        wait 1000
        > {"type":"data","id":"1","payload":{"data":{}}}
        < {"id":"1","type":"stop"}"#,
    ),
    (
        "refused",
        r#"
        < {"type":"connection_init"}
        sub A {"query":"{a}"}
        > {"type":"connection_error","payload":{"message":"Prohibited connection!"}}
        lost A the server refused the connection
        close 1000
        gone 1011 Prohibited connection!"#,
    ),
    (
        "a refusal without id and payload",
        r#"
        < {"type":"connection_init"}
        > {"type":"connection_error"}
        close 1000"#,
    ),
    (
        "an error of the connection later on",
        r#"
        init
        > {"type":"connection_error","id":null,"payload":{"message":"x"}}
        > {"type":"error","payload":{"message":"x"}}
        ignored 2"#,
    ),
    (
        "`ka` before the acknowledgement (Tyk's upstreams)",
        r#"
        < {"type":"connection_init"}
        > {"type":"ka"}
        > {"type":"connection_ack"}
        acked
        ignored 0"#,
    ),
    (
        "no watchdog without `ka`",
        r#"
        init
        wait 1000000"#,
    ),
    (
        "the watchdog after the first `ka`",
        r#"
        init
        sub A {"query":"{a}"}
        < {"id":"1","type":"start","payload":{"query":"{a}"}}
        wait 100000
        > {"type":"ka"}
        wait 59999
        > {"type":"ka"}
        wait 59999
        > {"type":"data","id":"1","payload":{}}
        next A {}
        wait 59999
        pong
        wait 1
        lost A the server fell silent
        close 4499 Terminated: no sign of life"#,
    ),
    (
        "`ping` is not a message of this protocol",
        r#"
        init
        > {"type":"ping"}
        ignored 1"#,
    ),
    (
        "we close",
        r#"
        init
        end 1000 done
        < {"type":"connection_terminate"}
        close 1000 done"#,
    ),
];
