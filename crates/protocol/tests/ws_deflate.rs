//! `permessage-deflate`: round trips against another implementation of DEFLATE (zlib-rs), any
//! fragmentation, bombs, damage.
#![allow(clippy::unwrap_used, missing_docs)]

use artesian_protocol::Message;
use artesian_protocol::ws::{
    Decoder, DecoderConfig, Deflated, Event, Opcode, OutFrame, Role, WsError,
};
use bytes::{Bytes, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use proptest::prelude::*;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// A masked frame with an arbitrary first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let body = Message::whole(payload.to_vec());
    let mut frame = OutFrame::masked(Opcode::Text, &body, [7, 1, 9, 200]).to_bytes().to_vec();
    frame[0] = first;
    frame
}

/// What a client makes of a message (RFC 7692, section 7.2.1): compressed in parts, each flushed.
fn deflate(parts: &[&[u8]], level: u32) -> Vec<u8> {
    let mut state = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(parts.concat().len() * 2 + 100 * (parts.len() + 1));
    for part in parts {
        state.compress_vec(part, &mut out, FlushCompress::Sync).unwrap();
    }
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

/// What a client makes of a compressed message (RFC 7692, section 7.2.2), `room` bytes at most.
fn inflate(message: &[u8], room: usize) -> Vec<u8> {
    let input = [message, &[0, 0, 0xff, 0xff]].concat();
    let mut state = Decompress::new(false);
    let mut out = Vec::with_capacity(room + 64);
    state.decompress_vec(&input, &mut out, FlushDecompress::Sync).unwrap();
    assert_eq!(state.total_in(), input.len() as u64, "all of it is read");
    out
}

fn config(max_message_bytes: usize) -> DecoderConfig {
    DecoderConfig { max_message_bytes, deflate: true, ..DecoderConfig::default() }
}

fn decode<'a>(
    config: DecoderConfig,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Event>, Option<WsError>) {
    let mut decoder = Decoder::new(config);
    let mut buffer = BytesMut::new();
    let mut events = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

fn whole(input: &[u8]) -> (Vec<Event>, Option<WsError>) {
    decode(config(1 << 20), [input])
}

fn text(text: &str) -> Event {
    Event::Text(Bytes::from(text.to_owned()))
}

fn split(input: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(input.len() + 1)).collect();
    at.extend([0, input.len()]);
    at.sort_unstable();
    at.windows(2).map(|w| input[w[0]..w[1]].to_vec()).collect()
}

/// The frames of a message in these fragments, with a ping after the first.
fn fragments(opcode: u8, pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        let first = if n == 0 { RSV1 | opcode } else { 0 };
        let fin = if n + 1 == pieces.len() { FIN } else { 0 };
        out.extend(frame(first | fin, piece));
        if n == 0 {
            out.extend(frame(FIN | 9, b"ping"));
        }
    }
    out
}

#[test]
fn rsv1_is_for_the_first_frame_of_a_message_and_only_if_it_was_negotiated() {
    use WsError::ReservedBits;
    let hello = deflate(&[b"Hello"], 6);
    assert_eq!(whole(&frame(FIN | RSV1 | 1, &hello)), (vec![text("Hello")], None));
    let binary = Event::Binary(Bytes::from_static(b"Hello"));
    assert_eq!(whole(&frame(FIN | RSV1 | 2, &hello)), (vec![binary], None));
    // A message that is not compressed, between two that are.
    let mixed = [frame(FIN | RSV1 | 1, &hello), frame(FIN | 1, b"plain"), frame(0xc1, &hello)];
    assert_eq!(whole(&mixed.concat()).0, [text("Hello"), text("plain"), text("Hello")]);

    let off = DecoderConfig::default();
    assert_eq!(decode(off, [&frame(FIN | RSV1 | 1, &hello)[..]]).1, Some(ReservedBits));
    for first in [FIN | RSV1 | 8, FIN | RSV1 | 9, FIN | RSV1 | 10, FIN | RSV1] {
        assert_eq!(whole(&[first]).1, Some(ReservedBits), "{first:x}");
    }
    for first in [FIN | 0x21, FIN | 0x11, FIN | RSV1 | 0x21, FIN | RSV1 | 0x12, FIN | 0x70 | 1] {
        assert_eq!(whole(&[first]).1, Some(ReservedBits), "{first:x}");
    }
    let repeated = [frame(RSV1 | 1, &hello[..2]), vec![FIN | RSV1]].concat();
    assert_eq!(whole(&repeated).1, Some(ReservedBits));
    assert_eq!(whole(&[FIN | RSV1 | 3]).1, Some(ReservedBits));
}

#[test]
fn close_codes() {
    let bad = whole(&frame(FIN | RSV1 | 1, b"\x07 is no block")).1.unwrap();
    assert_eq!((bad, bad.close_code()), (WsError::BadCompression, 1007));
    let not_text = whole(&frame(FIN | RSV1 | 1, &deflate(&[b"\xff"], 6))).1.unwrap();
    assert_eq!((not_text, not_text.close_code()), (WsError::InvalidUtf8, 1007));
    let unfinished = deflate(&["é".as_bytes().get(..1).unwrap()], 6);
    assert_eq!(whole(&frame(FIN | RSV1 | 1, &unfinished)).1, Some(WsError::InvalidUtf8));
    let bomb = deflate(&[&vec![b' '; 2 << 20]], 9);
    assert!(bomb.len() < 8 << 10);
    let big = whole(&frame(FIN | RSV1 | 1, &bomb)).1.unwrap();
    assert_eq!((big, big.close_code()), (WsError::MessageTooBig, 1009));
}

#[test]
fn a_bomb_is_found_before_it_is_whole() {
    let bomb = frame(FIN | RSV1 | 1, &deflate(&[&vec![b' '; 4 << 20]], 9));
    assert_eq!(whole(&bomb[..bomb.len() / 2]).1, Some(WsError::MessageTooBig));
}

#[test]
fn text_fails_at_the_first_bad_byte_that_was_inflated() {
    // A stored block, so that it is known which byte is which.
    let stored = [&[0x00, 9, 0, !9, 0xff][..], b"ok\xed\xa0\x80 too"].concat();
    let input = frame(FIN | RSV1 | 1, &stored);
    let before = 6 + 5 + 3;
    assert_eq!(whole(&input[..before]).1, None);
    assert_eq!(whole(&input[..before + 1]).1, Some(WsError::InvalidUtf8));
}

/// Found by fuzzing: bad text and damage in one read.
#[test]
fn the_error_does_not_depend_on_how_the_bytes_arrive() {
    // A stored block, then one of a type that does not exist; and a block that is too long.
    let damage = [&[0x00, 5, 0, !5, 0xff][..], b"ok\xff..", b"\x07"].concat();
    let too_long = [&[0x00, 200, 0, !200, 0xff][..], b"\xff", &[b' '; 199]].concat();
    for message in [damage, too_long] {
        let input = frame(FIN | RSV1 | 1, &message);
        let error = decode(config(100), [&input[..]]).1;
        assert_eq!(error, Some(WsError::InvalidUtf8));
        assert_eq!(decode(config(100), input.chunks(1)).1, error);
    }
}

#[test]
fn what_never_inflates_to_anything_is_bounded_too() {
    // Empty stored blocks, five bytes each.
    let nothing = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(100);
    let config = config(1000);
    let bound = 1000 + 125 + 1024;
    let mut input = frame(RSV1 | 1, &nothing);
    for _ in 0..3 {
        input.extend(frame(0, &nothing));
    }
    assert_eq!(decode(config, [&input[..]]).1, None);
    let rest = bound - 4 * nothing.len();
    input.extend(frame(0, &nothing[..rest]));
    assert_eq!(decode(config, [&input[..]]).1, None);
    input.extend([FIN, 0x81, 0, 0, 0, 0]);
    assert_eq!(decode(config, [&input[..]]).1, Some(WsError::MessageTooBig));
    // A header that announces more is refused at once.
    let announced = [&[FIN | RSV1 | 1, 0xff][..], &(bound as u64 + (1 << 20)).to_be_bytes()];
    assert_eq!(decode(config, [&announced.concat()[..]]).1, Some(WsError::MessageTooBig));
}

#[test]
fn messages_of_the_greatest_size_pass_whatever_they_are_made_of() {
    let mut random = 7_u32;
    let mut noise = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    };
    for length in [0, 1, 100, 1023, 1024, 1025, 5000, 70_000] {
        let zeros = vec![0; length];
        let noise: Vec<u8> = (0..length).map(|_| noise()).collect();
        for message in [zeros, noise] {
            for level in [0, 1, 6, 9] {
                let input = frame(FIN | RSV1 | 2, &deflate(&[&message], level));
                let expected = vec![Event::Binary(Bytes::from(message.clone()))];
                assert_eq!(decode(config(length), [&input[..]]), (expected, None));
                if length > 0 {
                    let refused = decode(config(length - 1), [&input[..]]).1;
                    assert_eq!(refused, Some(WsError::MessageTooBig), "{length} {level}");
                }
            }
        }
    }
}

/// Text that can be compressed, or hardly.
fn payloads() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,300}",
        ("[a-z\"{}:, é水]{1,40}", 1..600_usize).prop_map(|(part, times)| part.repeat(times)),
        prop::collection::vec(0..4000_u32, 0..400)
            .prop_map(|rows| format!("{{\"data\":{{\"rows\":{rows:?}}}}}")),
    ]
}

proptest! {
    #[test]
    fn what_a_client_compresses_comes_in_as_it_was(
        messages in prop::collection::vec((payloads(), 0..10_u32, any::<prop::sample::Index>()), 1..4),
        fragment in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let (mut input, mut expected) = (Vec::new(), Vec::new());
        for (message, level, flush) in &messages {
            let bytes = message.as_bytes();
            let parts = bytes.split_at(flush.index(bytes.len() + 1));
            let compressed = deflate(&[parts.0, parts.1], *level);
            let pieces = split(&compressed, &fragment);
            let is_whole = pieces.len() == 1;
            input.extend(fragments(1, &pieces));
            let ping = Event::Ping(Bytes::from_static(b"ping"));
            expected.extend(if is_whole { [text(message), ping] } else { [ping, text(message)] });
        }
        let pieces = split(&input, &cuts);
        let got = decode(config(1 << 20), pieces.iter().map(|p| &p[..]));
        prop_assert_eq!(got, (expected, None));
    }

    #[test]
    fn what_is_sent_is_read_by_another_implementation_and_by_ours(
        prefix in ".{0,80}",
        payload in payloads(),
        suffix in prop::sample::select(vec!["", "}", "]}", "\r\n--graphql"]),
    ) {
        let body = Message::new(prefix.into(), payload.clone().into(), suffix.into());
        let deflated = Deflated::new(payload.as_bytes());
        let bytes = OutFrame::deflated(Opcode::Text, &body, &deflated).to_bytes();
        let header = match bytes[1] { 126 => 4, 127 => 10, _ => 2 };
        prop_assert_eq!(bytes[0], FIN | RSV1 | 1);
        prop_assert_eq!(inflate(&bytes[header..], body.len()), &body.to_bytes()[..]);
        let client = DecoderConfig { role: Role::Client, ..config(1 << 20) };
        prop_assert_eq!(decode(client, [&bytes[..]]), (vec![Event::Text(body.to_bytes())], None));
    }

    #[test]
    fn random_bytes_never_panic_and_splits_do_not_matter(
        input in prop::collection::vec(any::<u8>(), 0..300),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let input = frame(FIN | RSV1 | 2, &input);
        let whole = decode(config(500), [&input[..]]);
        let pieces = split(&input, &cuts);
        prop_assert_eq!(decode(config(500), pieces.iter().map(|p| &p[..])), whole);
    }

    #[test]
    fn truncated_messages_are_refused_and_splits_do_not_matter(
        message in payloads(),
        level in 0..10_u32,
        keep in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let compressed = deflate(&[message.as_bytes()], level);
        let cut = &compressed[..keep.index(compressed.len())];
        let input = frame(FIN | RSV1 | 2, cut);
        let got = decode(config(1 << 20), [&input[..]]);
        // The end of a block may happen to be where it is cut: then it is a shorter message.
        if let [Event::Binary(bytes)] = &got.0[..] {
            prop_assert!(message.as_bytes().starts_with(bytes));
        } else {
            prop_assert_eq!(&got, &(vec![], Some(WsError::BadCompression)));
        }
        let pieces = split(&input, &cuts);
        prop_assert_eq!(decode(config(1 << 20), pieces.iter().map(|p| &p[..])), got);
    }

    #[test]
    fn damage_never_panics_and_the_limit_holds(
        message in payloads(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        max in 0..3000_usize,
    ) {
        let mut compressed = deflate(&[message.as_bytes()], 6);
        for (at, byte) in damage {
            let at = at.index(compressed.len());
            compressed[at] = byte;
        }
        let input = frame(FIN | RSV1 | 2, &compressed);
        if let (events, None) = decode(config(max), [&input[..]]) {
            for event in events {
                prop_assert!(matches!(event, Event::Binary(bytes) if bytes.len() <= max));
            }
        }
    }
}
