//! Messages, errors, frames, events and parts that a service should not send.

use artesian_upstreams::script::Act;

use super::{Case, Expect, bytes, connection, goes_on, inside, raw};

pub fn junk_messages() -> Vec<Case> {
    let messages = [
        ("an empty message", ""),
        ("HTML", "<html>"),
        ("a message null", "null"),
        ("a message that is an array", "[]"),
        ("a message without type", "{}"),
        ("a type that is a number", "{\"type\":1}"),
        ("an unknown type", "{\"type\":\"unknown\"}"),
        ("half a message", "{\"id\":\"ID\",\"type\":\"next\",\"payload\":{\"data\":"),
        ("no payload", "{\"id\":\"ID\",\"type\":\"next\"}"),
        ("a wrong id", "{\"id\":\"999\",\"type\":\"next\",\"payload\":{\"data\":{\"feed\":9}}}"),
        (
            "a wrong id in the old protocol",
            "{\"id\":\"999\",\"type\":\"data\",\"payload\":{\"data\":{\"feed\":9}}}",
        ),
        ("a wrong id that completes", "{\"id\":\"999\",\"type\":\"complete\"}"),
        (
            "a wrong id with errors",
            "{\"id\":\"999\",\"type\":\"error\",\"payload\":[{\"message\":\"x\"}]}",
        ),
        ("no id", "{\"type\":\"next\",\"payload\":{\"data\":{\"feed\":9}}}"),
        ("an id null", "{\"id\":null,\"type\":\"next\",\"payload\":{\"data\":{\"feed\":9}}}"),
        ("an id that is an object", "{\"id\":{},\"type\":\"complete\"}"),
        ("a second ack", "{\"type\":\"connection_ack\"}"),
        (
            "a late connection_error",
            "{\"type\":\"connection_error\",\"payload\":{\"message\":\"x\"}}",
        ),
        (
            "a client's message",
            "{\"id\":\"ID\",\"type\":\"subscribe\",\"payload\":{\"query\":\"{ x }\"}}",
        ),
        ("a ka", "{\"type\":\"ka\"}"),
        ("a ping", "{\"type\":\"ping\",\"payload\":{\"x\":1}}"),
        ("a pong", "{\"type\":\"pong\"}"),
    ];
    let mut all: Vec<Case> = messages
        .into_iter()
        .map(|(name, message)| {
            let acts = vec![Act::Event(1), raw(message), Act::Event(2), Act::Complete];
            inside(name, acts, goes_on())
        })
        .collect();
    let late = [
        r#"{"id":"ID","type":"next","payload":{"data":{"feed":"late"}}}"#,
        r#"{"id":"ID","type":"data","payload":{"data":{"feed":"late"}}}"#,
        r#"{"id":"ID","type":"complete"}"#,
        r#"{"id":"ID","type":"error","payload":[{"message":"late"}]}"#,
    ];
    let mut after = vec![Act::Event(1), Act::Event(2), Act::Complete];
    after.extend(late.map(raw));
    all.push(inside("more after complete", after, goes_on()));
    let mut after = vec![Act::Event(1), Act::Errors(r#"[{"message":"their own"}]"#.into())];
    after.extend(late.map(raw));
    all.push(inside("more after error", after, Expect::Theirs("their own")));
    all
}

pub fn error_shapes() -> Vec<Case> {
    let theirs = [
        ("errors", r#"[{"message":"their own"}]"#),
        (
            "errors with much in them",
            r#"[{"message":"their own","path":["feed",1],"locations":[{"line":1,"column":2}],"extensions":{"code":"X"}},{"message":"b"}]"#,
        ),
        ("an error", r#"{"message":"their own"}"#),
        ("an error that is a text", r#""their own""#),
    ];
    let odd = [
        ("errors in an object", r#"{"errors":[{"message":"their own"}]}"#),
        ("errors of which there are none", "[]"),
        ("an error null", "null"),
        ("an error that is a number", "1"),
        ("an error without text", "{}"),
        ("an error's payload without text", "[{},null,1]"),
        ("errors whose text is a number", r#"[{"message":1}]"#),
        ("errors with a wrong path", r#"[{"message":"their own","path":"feed","extensions":1}]"#),
    ];
    let case = |(name, payload): (&str, &'static str), expect: Expect| {
        let acts = vec![Act::Event(1), Act::Errors(payload.into())];
        inside(name, acts, expect)
    };
    let theirs = theirs.map(|shape| case(shape, Expect::Theirs("their own")));
    theirs.into_iter().chain(odd.map(|shape| case(shape, Expect::End))).collect()
}

pub fn frames() -> Vec<Case> {
    let against =
        |name, frame: &'static [u8]| connection(name, bytes(frame), Expect::Errors("protocol"));
    vec![
        against("a frame with RSV bits", &[0xf1, 0x00]),
        against("a compressed frame", &[0xc1, 0x02, 0x4b, 0x04]),
        against("a masked frame", &[0x81, 0x81, 0, 0, 0, 0, b'x']),
        against("an unknown opcode", &[0x83, 0x00]),
        against("a lone continuation", &[0x80, 0x00]),
        against("a ping that is too long", &[0x89, 0x7e, 0x00, 0x80]),
        against("a text that is no UTF-8", &[0x81, 0x02, 0xc3, 0x28]),
        against("a close code that there is not", &[0x88, 0x02, 0x03, 0xe7]),
        connection(
            "a length beyond all bounds",
            bytes(&[0x81, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            Expect::Errors("more than"),
        ),
        connection(
            "HTML instead of frames",
            bytes(b"<html><body>gone</body></html>"),
            Expect::Errors(""),
        ),
        inside(
            "a binary frame that is no JSON",
            vec![Act::Event(1), bytes(&[0x82, 0x02, 0xff, 0xfe]), Act::Event(2), Act::Complete],
            goes_on(),
        ),
        connection("a close with 1000", Act::Close(1000), goes_on()),
        connection("a close with 1001", Act::Close(1001), goes_on()),
        connection("a close with 1012", Act::Close(1012), goes_on()),
        connection("a close with 4499", Act::Close(4499), goes_on()),
        connection("a close with 1002", Act::Close(1002), Expect::Errors("protocol")),
        connection("a close with 1011", Act::Close(1011), Expect::Errors("lost")),
        connection("a close with 4401", Act::Close(4401), Expect::Errors("refuses")),
        connection("a close with 4403", Act::Close(4403), Expect::Errors("refuses")),
        connection("a close with 4500", Act::Close(4500), Expect::Errors("lost")),
    ]
}

pub fn junk_events() -> Vec<Case> {
    let junk = |name: &str, text: &'static str| {
        let acts = vec![Act::Event(1), raw(text), Act::Event(2), Act::Complete];
        inside(name, acts, goes_on())
    };
    vec![
        junk("HTML", "<html>\n<body>\n\n"),
        junk("an event of HTML", "event: next\ndata: <html>\n\n"),
        junk("half a JSON", "event: next\ndata: {\"data\":\n\n"),
        junk("an unknown event", "event: other\ndata: {\"data\":{\"feed\":9}}\n\n"),
        junk("an event without data", "event: next\n\n"),
        junk("comments", ":\n:\n: x\n\n:\n\n"),
        junk("fields of the format", "id: 7\nretry: 1\n\n"),
        junk("carriage returns", ":\r\r:\r\n\r\n"),
        inside(
            "bytes that are no UTF-8",
            vec![Act::Event(1), bytes(b": \xff\xfe\n\n"), Act::Event(2), Act::Complete],
            goes_on(),
        ),
        inside(
            "more after complete",
            vec![
                Act::Event(1),
                Act::Event(2),
                raw("event: complete\ndata:\n\nevent: next\ndata: {\"data\":{\"feed\":9}}\n\n"),
                raw("event: complete\n\n"),
            ],
            goes_on(),
        ),
        inside(
            "errors and complete",
            vec![Act::Event(1), Act::Errors(r#"[{"message":"their own"}]"#.into())],
            // Errors alone are a result like any other here.
            Expect::Results(vec![
                Ok(1),
                Err(String::from(
                    r#"{"data":{"feed":null},"errors":[{"message":"their own","extensions":{"source":"service"}}]}"#,
                )),
            ]),
        ),
    ]
}

pub fn junk_parts() -> Vec<Case> {
    const HEAD: &str = "\r\ncontent-type: application/json\r\n\r\n";
    let part = |body: &str| raw(format!("{HEAD}{body}\r\n--graphql"));
    let junk = |name: &str, act: Act| {
        inside(name, vec![Act::Event(1), act, Act::Event(2), Act::Complete], goes_on())
    };
    vec![
        junk("a sign of life", part("{}")),
        junk("HTML", part("<html>")),
        junk("half a JSON", part("{\"payload\":{\"data\":")),
        junk("a part that is an array", part("[]")),
        junk("no payload", part("{\"x\":1}")),
        junk("a part without headers", raw("\r\n\r\n{}\r\n--graphql")),
        junk("an empty part", raw("\r\n\r\n\r\n--graphql")),
        inside(
            "more after the end",
            vec![
                Act::Event(1),
                Act::Event(2),
                raw("--\r\n"),
                raw(format!(
                    "--graphql{HEAD}{{\"payload\":{{\"data\":{{\"feed\":9}}}}}}\r\n--graphql--\r\n"
                )),
            ],
            goes_on(),
        ),
        inside(
            "errors of the transport",
            vec![Act::Event(1), Act::Errors(r#"[{"message":"their own"}]"#.into())],
            Expect::Theirs("their own"),
        ),
    ]
}
