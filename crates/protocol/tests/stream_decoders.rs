//! Event streams and multipart bodies: the same items wherever the bytes are cut.
#![allow(clippy::unwrap_used, missing_docs)]

use artesian_protocol::{
    multipart::{MultipartDecoder, MultipartItem},
    sse::{SseDecoder, SseItem},
};
use bytes::BytesMut;
use proptest::prelude::*;

const LIMIT: usize = 48;

/// Decodes a text that arrives in pieces.
fn sse(pieces: &[&[u8]]) -> (Vec<SseItem>, bool) {
    let mut decoder = SseDecoder::new(LIMIT);
    let mut src = BytesMut::new();
    let mut items = Vec::new();
    for piece in pieces {
        src.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut src) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(_) => return (items, true),
            }
        }
        assert!(src.len() <= LIMIT, "what is kept is bounded");
    }
    (items, false)
}

fn multipart(pieces: &[&[u8]]) -> (Vec<MultipartItem>, bool) {
    let mut decoder = MultipartDecoder::new(b"b", LIMIT);
    let mut src = BytesMut::new();
    let mut items = Vec::new();
    for piece in pieces {
        src.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut src) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(_) => return (items, true),
            }
        }
        assert!(src.len() <= LIMIT + 8, "what is kept is bounded");
    }
    (items, false)
}

/// Cuts a text at these places.
fn cut<'a>(text: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

/// A naive reading of the standard: all lines at once.
fn naive(text: &str) -> Vec<SseItem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop();
    let (mut name, mut data, mut has_data) = (String::new(), Vec::new(), false);
    let mut items = Vec::new();
    for line in lines {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                if has_data || !name.is_empty() {
                    let data = data.join("\n").into();
                    items.push(SseItem::Event { name: name.into(), data });
                }
                (name, data, has_data) = (String::new(), Vec::new(), false);
            }
            "" => items.push(SseItem::Comment),
            "event" => name = value.to_owned(),
            "data" => {
                has_data = true;
                data.push(value.to_owned());
            }
            "retry" => items.extend(value.parse().ok().map(SseItem::Retry)),
            _ => {}
        }
    }
    items
}

fn tokens(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(of), 0..24).prop_map(|tokens| tokens.concat())
}

const SSE: &[&str] =
    &["data", "event", "retry", ":", " ", "\n", "\r", "\r\n", "1", "{}", "\u{feff}", "\n\n", "é"];
const MULTIPART: &[&str] = &[
    "--b",
    "\r\n",
    "\n",
    "--",
    "\r\n--b",
    "\r\n\r\n",
    "{\"a\":1}",
    "{",
    "}",
    "\"",
    "\\",
    "x",
    " ",
    "\r\n--b\r\n\r\n",
    "\r\n--b--",
    "a: b\r\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn event_streams(text in tokens(SSE), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let whole = sse(&[text.as_bytes()]);
        prop_assert_eq!(&sse(&cut(text.as_bytes(), &cuts)), &whole);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(&sse(&bytes), &whole);
        if !whole.1 {
            prop_assert_eq!(whole.0, naive(&text));
        }
    }

    #[test]
    fn multipart_bodies(
        text in tokens(MULTIPART),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let whole = multipart(&[text.as_bytes()]);
        prop_assert_eq!(&multipart(&cut(text.as_bytes(), &cuts)), &whole);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(&multipart(&bytes), &whole);
    }

    #[test]
    fn well_formed_multipart_bodies(
        values in prop::collection::vec("[a-z\"\\\\{}\n-]{0,8}", 0..6),
        crlf in any::<bool>(),
        trailing in any::<bool>(),
    ) {
        let line = if crlf { "\r\n" } else { "\n" };
        let objects: Vec<String> =
            values.iter().map(|v| serde_json::json!({ "a": v }).to_string()).collect();
        let mut body = String::new();
        for object in &objects {
            body += &if trailing {
                format!("--b{line}t: j{line}{line}{object}{line}")
            } else {
                format!("{line}--b{line}{line}{object}")
            };
        }
        body += &if trailing { "--b--".to_owned() } else { format!("{line}--b--") };
        let (items, failed) = multipart(&[body.as_bytes()]);
        let expected: Vec<MultipartItem> = objects
            .into_iter()
            .map(|object| MultipartItem::Part(object.into()))
            .chain([MultipartItem::End])
            .collect();
        prop_assert!(!failed);
        prop_assert_eq!(items, expected);
    }
}
