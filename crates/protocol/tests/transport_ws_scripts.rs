//! `graphql-transport-ws`: one script per rule. See `common` for the language.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use artesian_protocol::Subprotocol;

const SCRIPTS: &[(&str, &str)] = &[
    // Connection
    (
        "init without payload is acknowledged without payload",
        r#"
        > {"type":"connection_init"}
        auth
        ok
        < {"type":"connection_ack"}"#,
    ),
    (
        "init with null payload",
        r#"
        > {"type":"connection_init","payload":null}
        auth
        ok
        < {"type":"connection_ack"}"#,
    ),
    (
        "the init payload is passed on as it was written",
        r#"
        > {"type":"connection_init","payload":{ "n": 1.50, "a":"\u00e9" }}
        auth { "n": 1.50, "a":"\u00e9" }
        ok
        < {"type":"connection_ack"}"#,
    ),
    (
        "an ack payload is sent",
        r#"
        > {"type":"connection_init"}
        auth
        ok {"user":1}
        < {"type":"connection_ack","payload":{"user":1}}"#,
    ),
    (
        "an empty ack payload is left out",
        r#"
        > {"type":"connection_init"}
        auth
        ok { }
        < {"type":"connection_ack"}"#,
    ),
    (
        "unknown members are ignored on both levels",
        r#"
        > {"x":1,"type":"connection_init","y":[{}]}
        auth
        ok
        < {"type":"connection_ack"}
        > {"id":"1","type":"subscribe","z":0,"payload":{"query":"{a}","foo":{}}}
        start A {a}"#,
    ),
    (
        "4403 when init is refused",
        r#"
        > {"type":"connection_init"}
        auth
        refuse
        close 4403 Forbidden"#,
    ),
    (
        "4403 carries the reason of the refusal",
        r#"
        > {"type":"connection_init"}
        auth
        refuse no such tenant
        close 4403 Forbidden: no such tenant"#,
    ),
    (
        "4429 for a second init",
        r#"
        init
        > {"type":"connection_init"}
        close 4429 Too many initialisation requests"#,
    ),
    (
        "4429 for a second init while authentication is pending",
        r#"
        > {"type":"connection_init"}
        auth
        > {"type":"connection_init"}
        close 4429 Too many initialisation requests"#,
    ),
    (
        "a late answer to the authentication does nothing",
        r#"
        > {"type":"connection_init"}
        auth
        > {"type":"connection_init"}
        close 4429 Too many initialisation requests
        ok"#,
    ),
    (
        "4408 when init does not come",
        r#"
        wait 9999
        wait 1
        close 4408 Connection initialisation timeout"#,
    ),
    (
        "pings do not hold off the init timeout",
        r#"
        wait 9000
        > {"type":"ping"}
        < {"type":"pong"}
        wait 1000
        close 4408 Connection initialisation timeout"#,
    ),
    (
        "the clock stops at the receipt of init, not at its acknowledgement",
        r#"
        wait 9999
        > {"type":"connection_init"}
        auth
        wait 60000
        ok
        < {"type":"connection_ack"}"#,
    ),
    (
        "an answer without a question does nothing",
        r#"
        ok
        wait 10000
        close 4408 Connection initialisation timeout"#,
    ),
    (
        "an answer given twice does nothing",
        r#"
        init
        refuse late"#,
    ),
    // Authorisation
    (
        "4401 for subscribe before init",
        r#"
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        close 4401 Unauthorized"#,
    ),
    (
        "4401 for subscribe while authentication is pending",
        r#"
        > {"type":"connection_init"}
        auth
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        close 4401 Unauthorized"#,
    ),
    (
        "a malformed subscribe before init is 4400",
        r#"
        > {"id":"1","type":"subscribe","payload":{}}
        close 4400 Invalid message received: `query` is missing"#,
    ),
    (
        "complete before init is ignored",
        r#"
        > {"id":"1","type":"complete"}
        init"#,
    ),
    // Ping and pong
    (
        "ping before init",
        r#"
        > {"type":"ping"}
        < {"type":"pong"}"#,
    ),
    (
        "a ping's payload is echoed as it was written",
        r#"
        init
        > {"type":"ping","payload":{"n": 1e2 }}
        < {"type":"pong","payload":{"n": 1e2 }}"#,
    ),
    (
        "ping while authentication is pending",
        r#"
        > {"type":"connection_init"}
        auth
        > {"type":"ping","payload":null}
        < {"type":"pong"}
        ok
        < {"type":"connection_ack"}"#,
    ),
    (
        "an unsolicited pong is legal",
        r#"
        > {"type":"pong","payload":{}}
        init
        > {"type":"pong"}"#,
    ),
    // Fresh credentials
    (
        "a ping with headers authenticates, and is answered once that is done",
        r#"
        init
        > {"type":"ping","payload":{"headers":{"a":"b"},"x":[1]}}
        fresh {"headers":{"a":"b"},"x":[1]}
        > {"type":"ping","payload":{"x":1}}
        < {"type":"pong","payload":{"x":1}}
        ok {"ignored":1}
        < {"type":"pong","payload":{"headers":{"a":"b"},"x":[1]}}
        > {"type":"ping","payload":{"connectionParams":{}}}
        fresh {"connectionParams":{}}
        ok
        < {"type":"pong","payload":{"connectionParams":{}}}
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}"#,
    ),
    (
        "a ping with any other payload is only a ping",
        r#"
        init
        > {"type":"ping","payload":{"headers":"x","connectionParams":[],"authorization":"y"}}
        < {"type":"pong","payload":{"headers":"x","connectionParams":[],"authorization":"y"}}"#,
    ),
    (
        "a ping with headers before the acknowledgement is only a ping",
        r#"
        > {"type":"ping","payload":{"headers":{}}}
        < {"type":"pong","payload":{"headers":{}}}
        > {"type":"connection_init"}
        auth
        > {"type":"ping","payload":{"headers":{}}}
        < {"type":"pong","payload":{"headers":{}}}
        ok
        < {"type":"connection_ack"}"#,
    ),
    (
        "while fresh credentials are checked, running operations go on and new ones wait",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        > {"type":"ping","payload":{"headers":{}}}
        fresh {"headers":{}}
        > {"id":"2","type":"subscribe","payload":{"query":"{b}"}}
        > {"id":"3","type":"subscribe","payload":{"query":"{c}"}}
        next A {"data":1}
        < {"id":"1","type":"next","payload":{"data":1}}
        > {"id":"2","type":"complete"}
        ok
        < {"type":"pong","payload":{"headers":{}}}
        start B {c}
        next A {"data":2}
        < {"id":"1","type":"next","payload":{"data":2}}"#,
    ),
    (
        "refused fresh credentials close with 4403, and what waited never runs",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        > {"id":"2","type":"subscribe","payload":{"query":"{b}","extensions":{"connectionInit":{"headers":{}}}}}
        fresh {"headers":{}}
        refuse bad token
        stop A
        close 4403 Forbidden: bad token"#,
    ),
    (
        "a ping with credentials that are refused has no answer but the end",
        r#"
        init
        > {"type":"ping","payload":{"headers":{}}}
        fresh {"headers":{}}
        > {"type":"ping","payload":{"headers":{"n":2}}}
        refuse bad token
        close 4403 Forbidden: bad token"#,
    ),
    (
        "a subscribe with fresh credentials starts after them, without them",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}","extensions":{"connectionInit":{"headers":{"a": "b"}}}}}
        fresh {"headers":{"a": "b"}}
        ok
        start A {a}
        > {"id":"2","type":"subscribe","payload":{"query":"{b}","extensions":{"connectionInit":{"connectionParams":{}}}}}
        fresh {"connectionParams":{}}
        > {"id":"2","type":"complete"}
        ok"#,
    ),
    (
        "what is pending comes first, in order",
        r#"
        init
        > {"type":"ping","payload":{"headers":{"n":1}}}
        fresh {"headers":{"n":1}}
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        > {"id":"2","type":"subscribe","payload":{"query":"{b}","extensions":{"connectionInit":{"headers":{"n":2}}}}}
        > {"type":"ping","payload":{"headers":{"n":3}}}
        > {"id":"3","type":"subscribe","payload":{"query":"{c}"}}
        ok
        < {"type":"pong","payload":{"headers":{"n":1}}}
        start A {a}
        fresh {"headers":{"n":2}}
        ok
        start B {b}
        fresh {"headers":{"n":3}}
        ok
        < {"type":"pong","payload":{"headers":{"n":3}}}
        start C {c}"#,
    ),
    (
        "credentials of another shape are extensions like any other",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}","extensions":{"connectionInit":{"a":"b"}}}}
        start A {a}
        > {"id":"2","type":"subscribe","payload":{"query":"{b}","extensions":{"connectionInit":[{"headers":{}}]}}}
        start B {b}"#,
    ),
    (
        "extensions beside the payload, as Mercurius gateways send them, are no credentials",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}","variables":{}},"extensions":[{"type":"connectionInit","payload":{"headers":{"a":"b"}}}]}
        start A {a}"#,
    ),
    (
        "credentials that stand twice are 4400",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}","extensions":{"connectionInit":{"headers":{}},"connectionInit":{"headers":{}}}}}
        close 4400 Invalid message received: `connectionInit` must stand once in `extensions`"#,
    ),
    (
        "credentials do not help before the acknowledgement",
        r#"
        > {"id":"1","type":"subscribe","payload":{"query":"{a}","extensions":{"connectionInit":{"headers":{}}}}}
        close 4401 Unauthorized"#,
    ),
    (
        "an id in use is 4409 before credentials are looked at",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        > {"id":"1","type":"subscribe","payload":{"query":"{b}","extensions":{"connectionInit":{"headers":{}}}}}
        stop A
        close 4409 Subscriber for 1 already exists"#,
    ),
    (
        "4409 for an id that waits for fresh credentials",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}","extensions":{"connectionInit":{"headers":{}}}}}
        fresh {"headers":{}}
        > {"id":"1","type":"subscribe","payload":{"query":"{b}"}}
        close 4409 Subscriber for 1 already exists"#,
    ),
    (
        "the first that waits may be long, all others are bounded together",
        r#"
        set queue 200
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}","extensions":{"connectionInit":{"headers":{}}}}}
        fresh {"headers":{}}
        > {"type":"ping","payload":{"headers":{}}}
        > {"type":"ping","payload":{"headers":{}}}
        > {"type":"ping","payload":{"headers":{}}}
        close 1008 Too many messages before the fresh credentials were checked"#,
    ),
    // Operations
    (
        "a query: one result, then complete",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        next A {"data":{"a":1}}
        < {"id":"1","type":"next","payload":{"data":{"a":1}}}
        done A
        < {"id":"1","type":"complete"}"#,
    ),
    (
        "many results",
        r#"
        init
        > {"id":"s","type":"subscribe","payload":{"query":"subscription {a}"}}
        start A subscription {a}
        next A {"data":1}
        < {"id":"s","type":"next","payload":{"data":1}}
        next A {"data":2}
        < {"id":"s","type":"next","payload":{"data":2}}"#,
    ),
    (
        "complete without any result",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        done A
        < {"id":"1","type":"complete"}"#,
    ),
    (
        "ids are escaped when echoed",
        r#"
        init
        > {"id":"\"\u0001é\\","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        done A
        < {"id":"\"\u0001é\\","type":"complete"}"#,
    ),
    (
        "ids are equal if their text is, however it is escaped",
        r#"
        init
        > {"id":"a","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        > {"id":"\u0061","type":"complete"}
        stop A"#,
    ),
    (
        "an execution error is a result",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        next A {"data":null,"errors":[{"message":"x"}]}
        < {"id":"1","type":"next","payload":{"data":null,"errors":[{"message":"x"}]}}
        done A
        < {"id":"1","type":"complete"}"#,
    ),
    (
        "a request error is error, and no complete follows",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{"}}
        start A {
        fail A [{"message":"Syntax Error"}]
        < {"id":"1","type":"error","payload":[{"message":"Syntax Error"}]}
        !done A
        !next A {"data":1}
        !error A []"#,
    ),
    (
        "a source error is error, no complete follows, the socket stays open",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        next A {"data":1}
        < {"id":"1","type":"next","payload":{"data":1}}
        error A [{"message":"gone"}]
        < {"id":"1","type":"error","payload":[{"message":"gone"}]}
        !done A
        > {"id":"2","type":"subscribe","payload":{"query":"{b}"}}
        start B {b}"#,
    ),
    (
        "error always has a non-empty list",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        error A []
        < {"id":"1","type":"error","payload":[{"message":"Internal server error"}]}"#,
    ),
    (
        "client complete before any result: nothing is sent",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        > {"id":"1","type":"complete"}
        stop A
        !next A {"data":1}
        !done A"#,
    ),
    (
        "client complete after a result: no complete comes back",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        next A {"data":1}
        < {"id":"1","type":"next","payload":{"data":1}}
        > {"id":"1","type":"complete"}
        stop A
        !error A [{"message":"x"}]
        !fail A [{"message":"x"}]"#,
    ),
    (
        "client complete for an unknown id is ignored",
        r#"
        init
        > {"id":"nope","type":"complete"}"#,
    ),
    (
        "client complete that crosses the server's is ignored",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        done A
        < {"id":"1","type":"complete"}
        > {"id":"1","type":"complete"}"#,
    ),
    (
        "client complete with an unknown payload is fine",
        r#"
        init
        > {"id":"1","type":"complete","payload":null}"#,
    ),
    (
        "an id is free again after complete",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        done A
        < {"id":"1","type":"complete"}
        > {"id":"1","type":"subscribe","payload":{"query":"{b}"}}
        start B {b}
        !next A {"data":"late"}
        next B {"data":"b"}
        < {"id":"1","type":"next","payload":{"data":"b"}}"#,
    ),
    (
        "an id is free again after error",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        fail A [{"message":"x"}]
        < {"id":"1","type":"error","payload":[{"message":"x"}]}
        > {"id":"1","type":"subscribe","payload":{"query":"{b}"}}
        start B {b}"#,
    ),
    (
        "an id is free again after the client's complete, and nothing of the old operation leaks",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        > {"id":"1","type":"complete"}
        stop A
        > {"id":"1","type":"subscribe","payload":{"query":"{b}"}}
        start B {b}
        !next A {"data":"late"}
        !done A
        next B {"data":"b"}
        < {"id":"1","type":"next","payload":{"data":"b"}}"#,
    ),
    (
        "4409 for an id in use, even while it is being prepared",
        r#"
        init
        > {"id":"x","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        > {"id":"x","type":"subscribe","payload":{"query":"{b}"}}
        stop A
        close 4409 Subscriber for x already exists"#,
    ),
    (
        "4409 after a first result",
        r#"
        init
        > {"id":"x","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        next A {"data":1}
        < {"id":"x","type":"next","payload":{"data":1}}
        > {"id":"x","type":"subscribe","payload":{"query":"{b}"}}
        stop A
        close 4409 Subscriber for x already exists"#,
    ),
    (
        "4409: the reason is cut to what a close frame holds, not its end",
        r#"
        init
        > {"id":"éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        > {"id":"éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé","type":"subscribe","payload":{"query":"{a}"}}
        stop A
        close 4409 Subscriber for éééééééééééééééééééééééééééééééééééééééééééééé already exists"#,
    ),
    (
        "operations on one connection are independent",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        > {"id":"2","type":"subscribe","payload":{"query":"{b}"}}
        start B {b}
        next B {"data":2}
        < {"id":"2","type":"next","payload":{"data":2}}
        > {"id":"2","type":"complete"}
        stop B
        next A {"data":1}
        < {"id":"1","type":"next","payload":{"data":1}}"#,
    ),
    (
        "too many operations: an error for that one only",
        r#"
        set max_operations 1
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        > {"id":"2","type":"subscribe","payload":{"query":"{b}"}}
        < {"id":"2","type":"error","payload":[{"message":"too many operations on this connection (limit: 1)","extensions":{"code":"TOO_MANY_OPERATIONS"}}]}
        done A
        < {"id":"1","type":"complete"}
        > {"id":"2","type":"subscribe","payload":{"query":"{b}"}}
        start B {b}"#,
    ),
    (
        "null members of the request are absent",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}","operationName":null,"variables":null,"extensions":null}}
        start A {a}"#,
    ),
    (
        "a persisted query needs no document",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"extensions":{"persistedQuery":{"sha256Hash":"x"}}}}
        start A -"#,
    ),
    // 4400
    ("4400: not JSON", "init\n> {nope\nclose 4400 Invalid message received: not JSON"),
    ("4400: empty", "init\n>\nclose 4400 Invalid message received*"),
    (
        "4400: an array",
        "init\n> [\"ping\"]\nclose 4400 Invalid message received: not a JSON object",
    ),
    ("4400: a string", "init\n> \"ping\"\nclose 4400 Invalid message received*"),
    ("4400: null", "init\n> null\nclose 4400 Invalid message received*"),
    ("4400: no type", "init\n> {}\nclose 4400 Invalid message received*"),
    ("4400: type is no string", "init\n> {\"type\":1}\nclose 4400 Invalid message received*"),
    (
        "4400: unknown type",
        "init\n> {\"type\":\"start\"}\nclose 4400 Invalid message received: unknown `type`",
    ),
    ("4400: before init as well", "> {\"type\":\"x\"}\nclose 4400 Invalid message received*"),
    (
        "4400: text after the message",
        "init\n> {\"type\":\"ping\"} x\nclose 4400 Invalid message received*",
    ),
    (
        "4400: a repeated member",
        "init\n> {\"type\":\"ping\",\"type\":\"pong\"}\nclose 4400 Invalid message received*",
    ),
    ("4400: binary message", "init\nbinary\nclose 4400 Invalid message received*"),
    (
        "4400: init payload is no object",
        "> {\"type\":\"connection_init\",\"payload\":[]}\nclose 4400 Invalid message received*",
    ),
    (
        "4400: ping payload is no object",
        "init\n> {\"type\":\"ping\",\"payload\":\"x\"}\nclose 4400 Invalid message received*",
    ),
    (
        "4400: pong payload is no object",
        "init\n> {\"type\":\"pong\",\"payload\":1}\nclose 4400 Invalid message received*",
    ),
    (
        "4400: subscribe without id",
        "init\n> {\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\"}}\nclose 4400 Invalid message received: `id` must be a non-empty string",
    ),
    (
        "4400: subscribe with empty id",
        "init\n> {\"id\":\"\",\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\"}}\nclose 4400 Invalid message received: `id` must be*",
    ),
    (
        "4400: subscribe with numeric id",
        "init\n> {\"id\":1,\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\"}}\nclose 4400 Invalid message received: `id` must be*",
    ),
    (
        "4400: subscribe with id null",
        "init\n> {\"id\":null,\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\"}}\nclose 4400 Invalid message received: `id` must be*",
    ),
    (
        "4400: subscribe with an object as id",
        "init\n> {\"id\":{},\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\"}}\nclose 4400 Invalid message received: `id` must be*",
    ),
    (
        "4400: complete with numeric id",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        > {"id":1,"type":"complete"}
        stop A
        close 4400 Invalid message received: `id` must be*"#,
    ),
    (
        "4400: while authentication is pending, whose answer is late then",
        r#"
        > {"type":"connection_init"}
        auth
        > {"type":"nope"}
        close 4400 Invalid message received: unknown `type`
        ok"#,
    ),
    (
        "4400: id too long",
        "set max_id_bytes 3\ninit\n> {\"id\":\"1234\",\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\"}}\nclose 4400 Invalid message received: `id` is too long",
    ),
    (
        "4400: subscribe without payload",
        "init\n> {\"id\":\"1\",\"type\":\"subscribe\"}\nclose 4400 Invalid message received: `payload` is missing",
    ),
    (
        "4400: subscribe payload is an array",
        "init\n> {\"id\":\"1\",\"type\":\"subscribe\",\"payload\":[]}\nclose 4400 Invalid message received*",
    ),
    (
        "4400: query is no string",
        "init\n> {\"id\":\"1\",\"type\":\"subscribe\",\"payload\":{\"query\":1}}\nclose 4400 Invalid message received: `query` must be a string",
    ),
    (
        "4400: variables are no object",
        "init\n> {\"id\":\"1\",\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\",\"variables\":[]}}\nclose 4400 Invalid message received: `variables` must be an object or null",
    ),
    (
        "4400: extensions are no object",
        "init\n> {\"id\":\"1\",\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\",\"extensions\":\"\"}}\nclose 4400 Invalid message received: `extensions` must be*",
    ),
    (
        "4400: operationName is no string",
        "init\n> {\"id\":\"1\",\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\",\"operationName\":1}}\nclose 4400 Invalid message received: `operationName` must be*",
    ),
    (
        "4400: complete without id",
        "init\n> {\"type\":\"complete\"}\nclose 4400 Invalid message received*",
    ),
    (
        "4400: connection_ack from a client",
        "init\n> {\"type\":\"connection_ack\"}\nclose 4400 Invalid message received: `connection_ack` is for servers to send",
    ),
    (
        "4400: next from a client",
        "init\n> {\"id\":\"1\",\"type\":\"next\",\"payload\":{}}\nclose 4400 Invalid message received*",
    ),
    (
        "4400: error from a client",
        "init\n> {\"id\":\"1\",\"type\":\"error\",\"payload\":[{\"message\":\"x\"}]}\nclose 4400 Invalid message received*",
    ),
    // The end
    (
        "a bad message stops every operation",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        > {"id":"2","type":"subscribe","payload":{"query":"{b}"}}
        start B {b}
        > x
        stop A
        stop B
        close 4400 Invalid message received*
        !next A {"data":1}
        > {"type":"ping"}
        wait 100000"#,
    ),
    (
        "shutdown: 1001, and no complete",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        shutdown
        stop A
        close 1001 Going away
        !done A"#,
    ),
    (
        "never 1000 with live operations",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        end 1000 bye
        stop A
        close 1001 bye"#,
    ),
    ("1000 without operations", "init\nend 1000 bye\nclose 1000 bye"),
    ("1012 on restart", "init\nend 1012 Restarting\nclose 1012 Restarting"),
    (
        "expired credentials: 4403, which clients try again after",
        "init\nexpire\nclose 4403 Forbidden: token expired",
    ),
    (
        "4500 for a failure of the server's",
        "init\nbroken Internal server error\nclose 4500 Internal server error",
    ),
    ("a close is given once", "init\nshutdown\nclose 1001 Going away\nshutdown\nexpire"),
    (
        "a lost socket stops everything and says nothing",
        r#"
        init
        > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        start A {a}
        lost
        stop A
        !next A {"data":1}
        shutdown"#,
    ),
    (
        "a lost socket while authentication is pending",
        r#"
        > {"type":"connection_init"}
        auth
        lost
        ok"#,
    ),
    // Liveness
    (
        "nothing but pong precedes the acknowledgement",
        r#"
        set ping 1000
        > {"type":"connection_init"}
        auth
        wait 60000
        ok
        < {"type":"connection_ack"}
        wait 1000
        wsping"#,
    ),
    (
        "WebSocket pings, and silence ends the connection",
        r#"
        set ping 15000
        init
        wait 15000
        wsping
        wait 15000
        wsping
        wait 14999
        wait 1
        close 4499 Terminated: no pong received"#,
    ),
    (
        "any sign of life keeps the connection",
        r#"
        set ping 20000
        init
        wait 20000
        wsping
        wait 19999
        pong
        wait 1
        wsping
        wait 20000
        wsping
        > {"type":"pong"}
        wait 20000
        wsping"#,
    ),
];

#[test]
fn scripts() {
    for (rule, script) in SCRIPTS {
        common::run(Subprotocol::TransportWs, rule, script);
    }
}

#[test]
fn there_are_enough_rows_with_different_names() {
    let names: std::collections::HashSet<_> = SCRIPTS.iter().map(|(rule, _)| rule).collect();
    assert_eq!(names.len(), SCRIPTS.len());
    assert!(names.len() >= 80, "{}", names.len());
}
