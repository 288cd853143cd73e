//! The WebSocket frame decoder.
//!
//! * The events are the same wherever the bytes are cut.
//! * They are those of a second decoder, which is naive and sees all bytes at once (not for
//!   compressed messages).
//! * Limits hold, text is UTF-8, close frames are what may be sent; errors and closes are final.
//! * What our encoder makes of an event, compressed or not, decodes to the same event.

use artesian_protocol::Message;
use artesian_protocol::ws::{
    Decoder, DecoderConfig, Deflated, Event, Opcode, OutFrame, Role, WsError, close_code_is_valid,
};
use bytes::BytesMut;

use crate::reference;

/// The first byte is made of flags ([`CLIENT`], [`SMALL`], [`DEFLATE`]), the second says how the rest
/// is cut.
pub fn run(input: &[u8]) {
    let [flags, cuts, bytes @ ..] = input else {
        return;
    };
    let config = config(*flags);
    let whole = decode(config, std::iter::once(bytes));
    let single = decode(config, bytes.chunks(1));
    assert_eq!(whole, single, "byte by byte");
    assert_eq!(whole, decode(config, chunks(bytes, *cuts)), "in pieces");
    if !config.deflate {
        let (events, error) = reference::decode(config, bytes);
        assert_eq!(whole.0, events);
        assert_eq!(whole.1.map(WsError::close_code), error);
    }
    for event in whole.0 {
        check(config, &event);
        compressed_round_trip(&event, usize::from(*cuts));
        round_trip(event);
    }
}

/// We are the client: the input is not masked.
pub const CLIENT: u8 = 1;
/// With small limits.
pub const SMALL: u8 = 2;
/// With `permessage-deflate`.
pub const DEFLATE: u8 = 4;

fn config(flags: u8) -> DecoderConfig {
    let mut config = DecoderConfig { deflate: flags & DEFLATE != 0, ..DecoderConfig::default() };
    if flags & CLIENT != 0 {
        config.role = Role::Client;
    }
    if flags & SMALL != 0 {
        config.max_message_bytes = 150;
        config.max_fragments = 3;
    }
    config
}

/// Pieces of pseudo-random lengths.
fn chunks(mut bytes: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(seed) | 0x100;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let most = 1usize << (state >> 29);
        let length = 1 + (state >> 8) as usize % most;
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

fn decode<'a>(
    config: DecoderConfig,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<Event>, Option<WsError>) {
    let mut decoder = Decoder::new(config);
    let (mut buffer, mut events) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(event)) => {
                    let closed = matches!(events.last(), Some(Event::Close(_)));
                    assert!(!closed, "nothing follows a close frame: {event:?}");
                    events.push(event);
                }
                Ok(None) => break,
                Err(error) => {
                    buffer.extend_from_slice(b"\x81\x00");
                    assert_eq!(decoder.decode(&mut buffer), Err(error), "errors are final");
                    return (events, Some(error));
                }
            }
        }
    }
    (events, None)
}

fn check(config: DecoderConfig, event: &Event) {
    match event {
        Event::Text(text) => {
            assert!(std::str::from_utf8(text).is_ok());
            assert!(text.len() <= config.max_message_bytes);
        }
        Event::Binary(bytes) => assert!(bytes.len() <= config.max_message_bytes),
        Event::Ping(bytes) | Event::Pong(bytes) => assert!(bytes.len() <= 125),
        Event::Close(None) => {}
        Event::Close(Some(frame)) => {
            assert!(close_code_is_valid(frame.code));
            assert!(frame.reason.len() <= artesian_protocol::ws::MAX_REASON);
        }
    }
}

/// A message in three pieces, of which the middle one was compressed before.
fn compressed_round_trip(event: &Event, cut: usize) {
    let (opcode, bytes) = match event {
        Event::Text(text) => (Opcode::Text, text),
        Event::Binary(bytes) => (Opcode::Binary, bytes),
        _ => return,
    };
    let begin = cut % (bytes.len() + 1);
    let end = begin + cut * 7 % (bytes.len() - begin + 1);
    let body = Message::new(bytes.slice(..begin), bytes.slice(begin..end), bytes.slice(end..));
    // The compressor is slow: now and then will do.
    let compressed = cut.is_multiple_of(4).then(|| Deflated::new(&body.payload));
    for payload in compressed.into_iter().chain([Deflated::stored(&body.payload)]) {
        let frame = OutFrame::deflated(opcode, &body, &payload).to_bytes();
        let config =
            DecoderConfig { role: Role::Client, deflate: true, ..DecoderConfig::default() };
        assert_eq!(decode(config, std::iter::once(&frame[..])), (vec![event.clone()], None));
    }
}

fn round_trip(event: Event) {
    let frame = match &event {
        Event::Text(text) => OutFrame::text(Message::whole(text.clone())),
        Event::Binary(bytes) => {
            let key = [0x12, 0, 0xff, 0x80];
            let frame = OutFrame::masked(Opcode::Binary, &Message::whole(bytes.clone()), key);
            let config = DecoderConfig::default();
            let decoded = decode(config, std::iter::once(&frame.to_bytes()[..]));
            assert_eq!(decoded, (vec![event.clone()], None), "masked");
            OutFrame::binary(Message::whole(bytes.clone()))
        }
        Event::Ping(bytes) => OutFrame::ping(bytes.clone()),
        Event::Pong(bytes) => OutFrame::pong(bytes.clone()),
        Event::Close(None) => OutFrame::close(None, ""),
        Event::Close(Some(frame)) => OutFrame::close(Some(frame.code), &frame.reason),
    };
    let config = DecoderConfig { role: Role::Client, ..DecoderConfig::default() };
    let decoded = decode(config, std::iter::once(&frame.to_bytes()[..]));
    assert_eq!(decoded, (vec![event], None));
}
