//! Random input for everything that reads or writes HTTP: nothing panics, and what is written can be
//! read again by a parser that knows only the rules.
#![allow(clippy::unwrap_used, missing_docs)]

use artesian_protocol::{
    GraphQLRequest, Message,
    http::{
        Accepts, Posted, RequestError, accepts, check_content_type, decode_get, query_parameter,
    },
    multipart::Encoder,
    sse,
};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

/// JSON with line breaks as white space and whatever in its texts, boundaries included.
fn payload() -> impl Strategy<Value = Bytes> {
    let text = prop_oneof![any::<String>(), Just("\r\n--graphql--\r\n".to_owned())];
    (text, any::<bool>()).prop_map(|(text, is_pretty)| {
        let value = json!({ "data": { "text": text, "list": [1, {}] } });
        let text = if is_pretty {
            serde_json::to_string_pretty(&value).unwrap().replace('\n', "\r\n")
        } else {
            value.to_string()
        };
        Bytes::from(text)
    })
}

#[derive(Clone, Debug)]
enum Step {
    Next(Bytes),
    Refused,
    Heartbeat,
    Fatal,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => payload().prop_map(Step::Next),
        1 => Just(Step::Refused),
        2 => Just(Step::Heartbeat),
        1 => Just(Step::Fatal),
    ]
}

/// The parts that a client has seen the end of, and whether the closing boundary was among it.
fn parts(body: &str) -> (Vec<Value>, bool) {
    let mut pieces: Vec<&str> = body.split("\r\n--graphql").collect();
    let rest = pieces.pop().unwrap();
    let part = |piece: &&str| {
        let (head, json) = piece.split_once("\r\n\r\n").unwrap();
        assert_eq!(head, "\r\ncontent-type: application/json");
        serde_json::from_str(json).unwrap()
    };
    assert!(pieces.is_empty() || pieces.remove(0).is_empty());
    assert!(rest.is_empty() || rest == "--\r\n", "{rest:?}");
    (pieces.iter().map(part).collect(), rest == "--\r\n")
}

/// The events of a stream; each is its name and the lines of its data.
fn events(body: &str) -> Vec<(String, Vec<String>)> {
    let blocks = body.strip_suffix("\n\n").unwrap().split("\n\n");
    let event = |block: &str| {
        let (mut name, mut data) = (String::new(), Vec::new());
        for line in block.split(['\n', '\r']).filter(|line| !line.starts_with(':')) {
            match line.split_once(':').unwrap() {
                ("event", value) => name = value.trim_start().to_owned(),
                ("data", value) => {
                    data.push(value.strip_prefix(' ').unwrap_or(value).to_owned());
                }
                other => panic!("{other:?}"),
            }
        }
        (name, data)
    };
    blocks.map(event).collect()
}

fn text(message: &Message) -> String {
    String::from_utf8(message.to_bytes().to_vec()).unwrap()
}

proptest! {
    #[test]
    fn a_multipart_body_can_be_read_after_every_message(steps in prop::collection::vec(step(), 0..12)) {
        let mut encoder = Encoder::new();
        let (mut body, mut expected) = (String::new(), Vec::new());
        for step in steps {
            let message = match step {
                Step::Next(payload) => {
                    let value: Value = serde_json::from_slice(&payload).unwrap();
                    expected.push(json!({ "payload": value }));
                    encoder.next(payload)
                }
                Step::Refused => {
                    expected.push(json!({ "payload": { "errors": [{ "message": "x" }] } }));
                    encoder.next_errors(Bytes::from_static(b"[{\"message\":\"x\"}]"))
                }
                Step::Fatal => {
                    expected.push(json!({ "payload": null, "errors": [{ "message": "x" }] }));
                    encoder.fatal(Bytes::from_static(b"[{\"message\":\"x\"}]"))
                }
                Step::Heartbeat => {
                    let heartbeat = encoder.heartbeat();
                    prop_assert_eq!(heartbeat.is_none(), expected.is_empty());
                    let Some(heartbeat) = heartbeat else { continue };
                    expected.push(json!({}));
                    heartbeat
                }
            };
            body.push_str(&text(&message));
            let (seen, is_over) = parts(&body);
            prop_assert_eq!(&seen, &expected);
            prop_assert!(!is_over);
        }
        body.push_str(&text(&encoder.complete()));
        prop_assert_eq!(parts(&body), (expected, true));
    }

    #[test]
    fn events_can_be_read_whatever_they_carry(id in any::<String>(), payload in payload()) {
        let value: Value = serde_json::from_slice(&payload).unwrap();
        let body = [
            sse::heartbeat(),
            sse::next(payload.clone()),
            sse::next_for(&id, payload),
            sse::complete_for(&id),
            sse::complete(),
        ];
        let body: String = body.iter().map(text).collect();
        let seen = events(&body);
        prop_assert_eq!(seen.len(), 5);
        let json = |at: usize| {
            assert_eq!(seen[at].1.len(), 1, "one line of data");
            serde_json::from_str::<Value>(&seen[at].1[0]).unwrap()
        };
        prop_assert_eq!(json(1), value.clone());
        prop_assert_eq!(json(2), json!({ "id": id, "payload": value }));
        prop_assert_eq!(json(3), json!({ "id": id }));
        prop_assert_eq!(&seen[4], &("complete".to_owned(), vec![String::new()]));
    }

    #[test]
    fn a_batch_is_its_requests(
        bodies in prop::collection::vec(prop_oneof![
            "[a-z]{1,3}".prop_map(|query| json!({ "query": query })),
            "[a-z]{1,3}".prop_map(|query| json!({ "query": query, "variables": { "a": 1 }, "x": 0 })),
            Just(json!({})),
            Just(json!(null)),
            Just(json!({ "query": 1 })),
        ], 0..6),
        max in 1_usize..6,
    ) {
        let text = serde_json::to_vec(&bodies).unwrap();
        let got = Posted::from_json(&text, max);
        let one = |body: &Value| GraphQLRequest::from_json(body.to_string().as_bytes());
        let first_bad = bodies.iter().position(|body| one(body).is_err());
        let expected = match first_bad {
            _ if bodies.is_empty() => Err(RequestError::EmptyBatch),
            _ if bodies.len() > max => Err(RequestError::BatchTooLong(max)),
            Some(at) => Err(RequestError::InBatch(at + 1, Box::new(one(&bodies[at]).unwrap_err()))),
            None => Ok(Posted::Batch(bodies.iter().map(|body| one(body).unwrap()).collect())),
        };
        prop_assert_eq!(got, expected);
        prop_assert_eq!(Posted::from_json(&text, 0), Err(RequestError::Batch));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>(), text in any::<String>(), max in 0_usize..3) {
        let _ = Posted::from_json(&bytes, max);
        let _ = Posted::from_json(format!("[{text}").as_bytes(), max);
        let _ = decode_get(&text);
        let _ = query_parameter(&text, "token");
        let _ = check_content_type(Some(&text));
        let _ = accepts([text.as_str()], "text", "plain");
        // A stream is there only if it was asked for by name.
        let stream = Accepts::parse([text.as_str()]).for_subscription();
        let lower = text.to_ascii_lowercase();
        let is_named = lower.contains("text/event-stream") || lower.contains("multipart/mixed");
        prop_assert!(stream.is_none() || is_named);
    }

    #[test]
    fn parameters_are_found_again(name in "[a-zA-Z]{1,8}", value in "[^&=%+]{1,20}", noise in "[a-z=&]{0,20}") {
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let query = format!("{}={}&{noise}", encode(&name), encode(&value));
        prop_assert_eq!(query_parameter(&query, &name), Some(value));
    }
}
