//! What services do wrong with subscriptions.

mod junk;

use artesian_upstreams::{
    script::{Act, Door, Reply, Then},
    wire::response,
};
use bytes::Bytes;

/// What the client must get.
#[derive(Clone, Debug)]
pub enum Expect {
    /// These results, numbers of ours or payloads, and then the end without errors.
    Results(Vec<Result<u64, String>>),
    /// Errors of the gateway's with this text in the first.
    Errors(&'static str),
    /// The service's errors, with this as the text of the first.
    Theirs(&'static str),
    /// An end of any kind.
    End,
}

/// What becomes of another operation of the same client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mate {
    /// There is none.
    None,
    /// It goes on where it is.
    Lives,
}

/// A fault.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub door: Option<Door>,
    pub plays: Vec<Vec<Act>>,
    pub expect: Expect,
    pub mate: Mate,
}

/// The results that a client gets after what harms nobody.
fn goes_on() -> Expect {
    Expect::Results(vec![Ok(1), Ok(2)])
}

/// A client that is not let in as it should be.
fn door(name: &str, door: Door, expect: Expect) -> Case {
    let plays = vec![vec![Act::Event(1), Act::Event(2), Act::Complete]];
    Case { name: name.to_owned(), door: Some(door), plays, expect, mate: Mate::None }
}

/// What happens to an operation and harms no other.
fn inside(name: &str, acts: Vec<Act>, expect: Expect) -> Case {
    Case { name: name.to_owned(), door: None, plays: vec![acts], expect, mate: Mate::Lives }
}

/// What happens to a connection while an operation is alive; the operation begins again if it can.
fn connection(name: &str, act: Act, expect: Expect) -> Case {
    let plays = vec![vec![Act::Event(1), act], vec![Act::Event(2), Act::Complete]];
    Case { name: name.to_owned(), door: None, plays, expect, mate: Mate::None }
}

fn raw(text: impl Into<std::borrow::Cow<'static, str>>) -> Act {
    Act::Raw(text.into())
}

fn bytes(bytes: &'static [u8]) -> Act {
    Act::Bytes(Bytes::from_static(bytes))
}

/// A result of 50 MB.
pub fn big() -> Case {
    connection("50 MB", Act::Big(50 << 20), Expect::Errors("more than 4194304 bytes"))
}

/// All that can happen over an upstream transport.
pub fn cases(protocol: &str) -> Vec<Case> {
    let mut all = doors();
    all.extend(payloads());
    all.extend(connections());
    match protocol {
        "graphql-transport-ws" | "graphql-ws" => {
            all.extend(socket_doors(protocol));
            all.extend(junk::junk_messages());
            all.extend(junk::error_shapes());
            all.extend(junk::frames());
        }
        "multipart" => {
            all.extend(stream_doors("multipart/mixed;boundary=graphql"));
            all.extend(junk::junk_parts());
        }
        _ => {
            all.extend(stream_doors("text/event-stream"));
            all.extend(junk::junk_events());
        }
    }
    all
}

fn doors() -> Vec<Case> {
    let html = "<!doctype html><html><body>Bad Gateway</body></html>";
    let reply = |name, reply, text| door(name, Door::Reply(reply), Expect::Errors(text));
    vec![
        reply("401", Reply::whole(401, "text/plain", "no"), "refuses"),
        reply("403", Reply::whole(403, "text/html", html), "refuses"),
        reply("HTML with 502", Reply::whole(502, "text/html", html), "status 502"),
        reply("HTML with 404", Reply::whole(404, "text/html", html), "status 404"),
        reply("HTML with 200", Reply::whole(200, "text/html", html), ""),
        reply(
            "a redirect",
            Reply::new(
                "HTTP/1.1 302 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
                Then::GoOn,
            ),
            "redirect",
        ),
        reply("no answer", Reply::new("", Then::Stay), "took longer"),
        reply("no answer and an end", Reply::new("", Then::Cut), ""),
        reply("half an answer", Reply::new("HTTP/1.1 101 Sw", Then::Cut), ""),
        reply("another protocol", Reply::new("SSH-2.0-OpenSSH_9.2\r\n", Then::Cut), ""),
        reply(
            "an answer of one byte a second",
            Reply::slow("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"),
            "took longer",
        ),
        reply(
            "an endless head",
            Reply::new(format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(4 << 20)), Then::Stay),
            "",
        ),
    ]
}

fn socket_doors(protocol: &str) -> Vec<Case> {
    let other = match protocol {
        "graphql-ws" => "graphql-transport-ws",
        _ => "graphql-ws",
    };
    let init = |name, messages, end, expect| door(name, Door::Init(messages, end), expect);
    const ACK: &str = r#"{"type":"connection_ack"}"#;
    vec![
        door("no subprotocol", Door::Protocol(None), goes_on()),
        // It says what it is going to speak.
        door("the other subprotocol", Door::Protocol(Some(other)), goes_on()),
        door("an unknown subprotocol", Door::Protocol(Some("mqtt")), Expect::Errors("protocol")),
        init("no ack", vec![], None, Expect::Errors("took longer")),
        init("a ka before the ack", vec![r#"{"type":"ka"}"#, ACK], None, goes_on()),
        init("a ping before the ack", vec![r#"{"type":"ping"}"#, ACK], None, goes_on()),
        init("two acks", vec![ACK, ACK], None, goes_on()),
        init(
            "results before the ack",
            vec![
                r#"{"type":"next","id":"1","payload":{"data":{"feed":"early"}}}"#,
                r#"{"type":"data","id":"1","payload":{"data":{"feed":"early"}}}"#,
                r#"{"type":"complete","id":"1"}"#,
                ACK,
            ],
            None,
            goes_on(),
        ),
        init("junk before the ack", vec!["<html>", "null", "{", ACK], None, goes_on()),
        init(
            "connection_error",
            vec![r#"{"type":"connection_error","payload":{"message":"Forbidden"}}"#],
            None,
            Expect::Errors("Forbidden"),
        ),
        init(
            "connection_error and a close",
            vec![r#"{"type":"connection_error","payload":"no"}"#],
            Some(Some(1011)),
            Expect::Errors("no"),
        ),
        init("a close instead of the ack", vec![], Some(Some(1000)), Expect::Errors("lost")),
        init("an end instead of the ack", vec![], Some(None), Expect::Errors("lost")),
        init("4401 instead of the ack", vec![], Some(Some(4401)), Expect::Errors("refuses")),
        init("4403 instead of the ack", vec![], Some(Some(4403)), Expect::Errors("refuses")),
        init("4400 instead of the ack", vec![], Some(Some(4400)), Expect::Errors("protocol")),
    ]
}

fn stream_doors(kind: &str) -> Vec<Case> {
    let reply = |name, status, body, expect| {
        door(name, Door::Reply(Reply::whole(status, "application/json", body)), expect)
    };
    let errors = r#"{"errors":[{"message":"their own"}]}"#;
    vec![
        reply("errors with 400", 400, errors, Expect::Theirs("their own")),
        reply("errors with 200", 200, errors, Expect::Theirs("their own")),
        reply("half a JSON instead of a stream", 200, "{\"errors\":[{\"mess", Expect::Errors("")),
        door(
            "an empty stream",
            Door::Reply(Reply::new(response(200, kind, ""), Then::Cut)),
            Expect::End,
        ),
    ]
}

/// Payloads of results, the same in all transports.
fn payloads() -> Vec<Case> {
    let passes = |name: &str, payload: &str| {
        let acts = vec![
            Act::Event(1),
            Act::Payload(payload.to_owned().into()),
            Act::Event(2),
            Act::Complete,
        ];
        let expected = vec![Ok(1), Err(payload.to_owned()), Ok(2)];
        inside(name, acts, Expect::Results(expected))
    };
    let any = |name: &str, payload: String| {
        let acts = vec![Act::Event(1), Act::Payload(payload.into()), Act::Event(2), Act::Complete];
        inside(name, acts, Expect::End)
    };
    vec![
        passes(
            "data and errors",
            r#"{"data":{"feed":null},"errors":[{"message":"m","path":["feed"]}]}"#,
        ),
        passes("escapes", r#"{"data":{"feed":"\u0000\ud83d\ude00 \"\\ \u2028"}}"#),
        passes(
            "large numbers",
            r#"{"data":{"feed":12345678901234567890.123456789012345678901e99}}"#,
        ),
        passes("100 KB", &format!(r#"{{"data":{{"feed":"{}"}}}}"#, "x".repeat(100_000))),
        any("no data", String::from(r#"{"data":null}"#)),
        any("no data, and errors", String::from(r#"{"data":null,"errors":[{"message":"m"}]}"#)),
        any("errors alone", String::from(r#"{"errors":[{"message":"m"}]}"#)),
        any("an empty object", String::from("{}")),
        any("an array", String::from("[]")),
        any("a string", String::from("\"data\"")),
        any("a number", String::from("1")),
        any("null", String::from("null")),
        any("data that is an array", String::from(r#"{"data":[]}"#)),
        any("data that is a text", String::from(r#"{"data":"x"}"#)),
        any("data of another operation", String::from(r#"{"data":{"other":1}}"#)),
        any("data with more than was asked for", String::from(r#"{"data":{"feed":1,"x":2}}"#)),
        any(
            "the same key twice",
            String::from(r#"{"data":{"feed":1,"feed":2},"data":{"feed":3}}"#),
        ),
        any("errors that are none", String::from(r#"{"data":{"feed":1},"errors":[]}"#)),
        any("errors that are an object", String::from(r#"{"data":{"feed":1},"errors":{}}"#)),
        any("errors without text", String::from(r#"{"errors":[{},null,1,[]]}"#)),
        any("a lone surrogate", String::from(r#"{"data":{"feed":"\ud800"}}"#)),
        any(
            "20,000 levels",
            format!(r#"{{"data":{{"feed":{}{}}}}}"#, "[".repeat(20_000), "]".repeat(20_000)),
        ),
        any("20,000 open levels", format!(r#"{{"data":{{"feed":{}"#, "{\"a\":".repeat(20_000))),
    ]
}

fn connections() -> Vec<Case> {
    vec![
        connection("a broken connection", Act::Cut, goes_on()),
        connection("a connection that breaks inside a result", Act::CutInside, goes_on()),
        connection("a result of one byte a second", Act::Trickle(5), Expect::End),
    ]
}
