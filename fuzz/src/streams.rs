//! What services send over HTTP: event streams and multipart bodies.
//!
//! * The items and the error are the same wherever the bytes are cut.
//! * What is kept between two calls is bounded, and so is every item.
//! * Errors are final, and nothing follows the end of a multipart body.

use std::fmt::Debug;

use artesian_protocol::multipart::{MultipartDecoder, MultipartItem, boundary};
use artesian_protocol::sse::{SseDecoder, SseItem};
use bytes::BytesMut;

/// The input is a multipart body with the boundary `b`; otherwise an event stream.
pub const MULTIPART: u8 = 1;

/// The longest event or part.
const LIMIT: usize = 64;
/// What may be kept beyond it: a boundary that may have begun.
const SLACK: usize = 8;

/// The first byte is a flag ([`MULTIPART`]), the second says how the rest is cut.
pub fn run(input: &[u8]) {
    let [flags, cuts, bytes @ ..] = input else {
        return;
    };
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Some(name) = boundary(text)
    {
        assert!((1..=70).contains(&name.len()));
    }
    let step = usize::from(*cuts).max(1);
    let run: fn(&[u8], usize) -> _ = if flags & MULTIPART != 0 { multipart } else { sse };
    let whole = run(bytes, usize::MAX);
    assert_eq!(whole, run(bytes, 1), "byte by byte");
    assert_eq!(whole, run(bytes, step), "in pieces");
}

fn sse(bytes: &[u8], step: usize) -> (Vec<String>, bool) {
    let mut decoder = SseDecoder::new(LIMIT);
    decode(bytes, step, |src| {
        let item = decoder.decode(src)?;
        if let Some(SseItem::Event { name, data }) = &item {
            assert!(name.len() + data.len() <= LIMIT);
            assert!(!data.contains(&b'\r'));
        }
        Ok::<_, artesian_protocol::sse::SseError>(item)
    })
}

fn multipart(bytes: &[u8], step: usize) -> (Vec<String>, bool) {
    let mut decoder = MultipartDecoder::new(b"b", LIMIT);
    let mut ended = false;
    decode(bytes, step, |src| {
        let item = decoder.decode(src)?;
        assert!(item.is_none() || !ended, "nothing follows the end");
        match &item {
            Some(MultipartItem::Part(part)) => assert!(part.len() <= LIMIT),
            Some(MultipartItem::End) => ended = true,
            None => {}
        }
        assert_eq!(decoder.is_finished(), ended);
        Ok::<_, artesian_protocol::multipart::MultipartError>(item)
    })
}

/// All items of bytes that arrive in pieces, and whether an error ended them.
fn decode<I: Debug, E: Debug + PartialEq>(
    bytes: &[u8],
    step: usize,
    mut next: impl FnMut(&mut BytesMut) -> Result<Option<I>, E>,
) -> (Vec<String>, bool) {
    let mut src = BytesMut::new();
    let mut items = Vec::new();
    for piece in bytes.chunks(step.min(bytes.len().max(1))) {
        src.extend_from_slice(piece);
        loop {
            match next(&mut src) {
                Ok(Some(item)) => items.push(format!("{item:?}")),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(next(&mut src).err(), Some(error), "errors are final");
                    return (items, true);
                }
            }
        }
        assert!(src.len() <= LIMIT + SLACK, "what is kept is bounded");
    }
    (items, false)
}
