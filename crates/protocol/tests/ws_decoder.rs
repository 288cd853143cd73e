//! The frame decoder: rules of RFC 6455 one by one, every split of the input, random input.
#![allow(clippy::unwrap_used, missing_docs)]

use artesian_protocol::Message;
use artesian_protocol::ws::{
    CloseFrame, Decoder, DecoderConfig, Event, Opcode, OutFrame, Role, WsError,
};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One masked frame with an arbitrary first byte.
fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    let body = Message::whole(payload.to_vec());
    let mut frame = OutFrame::masked(Opcode::Text, &body, KEY).to_bytes().to_vec();
    frame[0] = first;
    frame
}

const FIN: u8 = 0x80;

fn decode_chunks<'a>(
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
                Err(error) => {
                    assert_eq!(decoder.decode(&mut buffer), Err(error), "errors are final");
                    return (events, Some(error));
                }
            }
        }
    }
    (events, None)
}

fn decode(bytes: &[u8]) -> (Vec<Event>, Option<WsError>) {
    decode_chunks(DecoderConfig::default(), [bytes])
}

fn text(t: &str) -> Event {
    Event::Text(Bytes::from(t.to_owned()))
}

#[test]
fn frames_of_every_kind() {
    let rows: Vec<(Vec<u8>, Event)> = vec![
        (raw(FIN | 1, b"Hello"), text("Hello")),
        (raw(FIN | 1, b""), text("")),
        (raw(FIN | 2, b"\xff"), Event::Binary(Bytes::from_static(b"\xff"))),
        (raw(FIN | 9, b"p"), Event::Ping(Bytes::from_static(b"p"))),
        (raw(FIN | 10, &[7; 125]), Event::Pong(Bytes::from(vec![7; 125]))),
        (raw(FIN | 8, b""), Event::Close(None)),
        (
            raw(FIN | 8, b"\x03\xe8bye"),
            Event::Close(Some(CloseFrame { code: 1000, reason: "bye".into() })),
        ),
    ];
    for (bytes, event) in rows {
        assert_eq!(decode(&bytes), (vec![event], None), "{bytes:x?}");
    }
}

#[test]
fn violations() {
    use WsError::*;
    let unmasked = OutFrame::text(Message::whole("a")).to_bytes().to_vec();
    let head = |bytes: &[u8]| bytes.to_vec();
    // (input, error, close code). The shortest input that shows the violation is given.
    let rows: Vec<(Vec<u8>, WsError, u16)> = vec![
        (head(&[FIN | 0x41]), ReservedBits, 1002),
        (head(&[FIN | 0x21]), ReservedBits, 1002),
        (head(&[FIN | 0x11]), ReservedBits, 1002),
        (head(&[FIN | 0x49]), ReservedBits, 1002),
        (head(&[FIN | 3]), UnknownOpcode, 1002),
        (head(&[7]), UnknownOpcode, 1002),
        (head(&[FIN | 11]), UnknownOpcode, 1002),
        (head(&[FIN | 15]), UnknownOpcode, 1002),
        (unmasked, Unmasked, 1002),
        (head(&[9]), FragmentedControl, 1002),
        (head(&[8]), FragmentedControl, 1002),
        (head(&[FIN | 9, 0x80 | 126]), LongControl, 1002),
        (head(&[FIN | 8, 0x80 | 127]), LongControl, 1002),
        (head(&[FIN | 1, 0x80 | 126, 0, 125]), BadLength, 1002),
        (head(&[FIN | 1, 0x80 | 127, 0, 0, 0, 0, 0, 0, 255, 255]), BadLength, 1002),
        (head(&[FIN | 2, 0x80 | 127, 128, 0, 0, 0, 0, 0, 0, 0]), BadLength, 1002),
        (head(&[FIN]), UnexpectedContinuation, 1002),
        (head(&[0]), UnexpectedContinuation, 1002),
        ([raw(1, b"a"), vec![FIN | 1]].concat(), ExpectedContinuation, 1002),
        ([raw(2, b"a"), vec![FIN | 1]].concat(), ExpectedContinuation, 1002),
        ([raw(FIN | 1, b"a"), vec![FIN]].concat(), UnexpectedContinuation, 1002),
        (raw(FIN | 8, b"x"), BadCloseFrame, 1002),
        (raw(FIN | 8, &1005u16.to_be_bytes()), BadCloseCode, 1002),
        (raw(FIN | 8, &999u16.to_be_bytes()), BadCloseCode, 1002),
        (raw(FIN | 8, &2999u16.to_be_bytes()), BadCloseCode, 1002),
        (raw(FIN | 8, b"\x03\xe8\xff"), InvalidUtf8, 1007),
        (raw(FIN | 1, b"\xff"), InvalidUtf8, 1007),
        (raw(FIN | 1, "水".as_bytes().get(..2).unwrap()), InvalidUtf8, 1007),
        ([raw(1, b"\xe6\xb0"), raw(FIN, b"a")].concat(), InvalidUtf8, 1007),
        (head(&[FIN | 1, 0x80 | 127, 0, 0, 0, 0, 0, 16, 0, 1]), MessageTooBig, 1009),
        (head(&[FIN | 2, 0xff, 127, 255, 255, 255, 255, 255, 255, 255]), MessageTooBig, 1009),
    ];
    for (bytes, error, code) in rows {
        let (_, got) = decode(&bytes);
        assert_eq!(got, Some(error), "{bytes:x?}");
        assert_eq!(error.close_code(), code);
        // Byte by byte it fails in the same way.
        let (_, got) = decode_chunks(DecoderConfig::default(), bytes.chunks(1));
        assert_eq!(got, Some(error), "{bytes:x?}");
    }
}

#[test]
fn a_client_refuses_masked_frames_and_reads_unmasked_ones() {
    let config = DecoderConfig { role: Role::Client, ..DecoderConfig::default() };
    let masked = raw(FIN | 1, b"a");
    assert_eq!(decode_chunks(config, [&masked[..]]).1, Some(WsError::Masked));
    let unmasked = OutFrame::text(Message::whole("a")).to_bytes();
    assert_eq!(decode_chunks(config, [&unmasked[..]]), (vec![text("a")], None));
}

#[test]
fn text_fails_at_the_first_bad_byte_of_an_unfinished_frame() {
    let frame = raw(FIN | 1, b"ok\xed\xa0\x80 and much more to come");
    let header = 6;
    let (_, early) = decode_chunks(DecoderConfig::default(), [&frame[..header + 3]]);
    assert_eq!(early, None);
    let (_, at) = decode_chunks(DecoderConfig::default(), [&frame[..header + 4]]);
    assert_eq!(at, Some(WsError::InvalidUtf8));
}

#[test]
fn binary_messages_need_not_be_utf8_even_in_fragments() {
    let bytes = [raw(2, b"\xff"), raw(FIN, b"\xfe")].concat();
    assert_eq!(decode(&bytes).0, [Event::Binary(Bytes::from_static(b"\xff\xfe"))]);
}

#[test]
fn every_fragmentation_with_control_frames_between() {
    let message = "aß水𝄞z";
    let bytes = message.as_bytes();
    for a in 0..=bytes.len() {
        for b in a..=bytes.len() {
            let input = [
                raw(1, &bytes[..a]),
                raw(FIN | 9, b"1"),
                raw(0, &bytes[a..b]),
                raw(FIN | 10, b"2"),
                raw(FIN, &bytes[b..]),
                raw(FIN | 2, b"next"),
            ]
            .concat();
            let expected = vec![
                Event::Ping(Bytes::from_static(b"1")),
                Event::Pong(Bytes::from_static(b"2")),
                text(message),
                Event::Binary(Bytes::from_static(b"next")),
            ];
            assert_eq!(decode(&input), (expected.clone(), None));
            assert_eq!(decode_chunks(DecoderConfig::default(), input.chunks(1)).0, expected);
        }
    }
}

#[test]
fn every_split_in_three() {
    let input = [
        raw(1, "é水".as_bytes()),
        raw(FIN | 9, b"ping"),
        raw(FIN, &[b'x'; 130]),
        raw(FIN | 8, b"\x0f\xa0"),
    ]
    .concat();
    let expected = decode(&input);
    assert_eq!(expected.0.len(), 3);
    for a in 0..=input.len() {
        for b in a..=input.len() {
            let chunks = [&input[..a], &input[a..b], &input[b..]];
            assert_eq!(decode_chunks(DecoderConfig::default(), chunks), expected);
        }
    }
}

#[test]
fn limits() {
    let config =
        DecoderConfig { max_message_bytes: 10, max_fragments: 3, ..DecoderConfig::default() };
    let run = |input: Vec<u8>| decode_chunks(config, [&input[..]]);
    assert_eq!(run(raw(FIN | 1, &[b'a'; 10])).1, None);
    assert_eq!(run(raw(FIN | 1, &[b'a'; 11])).1, Some(WsError::MessageTooBig));
    // All fragments together, found with the header of the one that is too much.
    let together = [raw(1, &[b'a'; 6]), vec![FIN, 0x80 | 5, 0, 0, 0, 0]].concat();
    assert_eq!(run(together).1, Some(WsError::MessageTooBig));
    let three = [raw(1, b""), raw(0, b""), raw(FIN, b"")].concat();
    assert_eq!(run([three.clone(), three].concat()), (vec![text(""), text("")], None));
    let four = [raw(1, b""), raw(0, b""), raw(0, b""), raw(FIN, b"")].concat();
    assert_eq!(run(four).1, Some(WsError::TooManyFragments));
    // Control frames do not count.
    let pings = [raw(1, b"a"), raw(FIN | 9, b"0123456789a"), raw(FIN, b"b")].concat();
    assert_eq!(run(pings).0.len(), 2);
}

#[test]
fn nothing_is_decoded_after_close() {
    let input = [raw(FIN | 8, b""), raw(FIN | 1, b"late"), vec![0xff; 9]].concat();
    assert_eq!(decode(&input), (vec![Event::Close(None)], None));
}

#[test]
fn a_whole_message_is_handed_out_without_a_copy() {
    let mut buffer = BytesMut::from(&raw(FIN | 1, &[b'a'; 500])[..]);
    let start = buffer.as_ptr() as usize;
    let mut decoder = Decoder::new(DecoderConfig::default());
    let Ok(Some(Event::Text(bytes))) = decoder.decode(&mut buffer) else { unreachable!() };
    assert_eq!(bytes.as_ptr() as usize, start + 8);
    assert!(!decoder.is_mid_message());
}

fn split(input: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|c| c.index(input.len() + 1)).collect();
    at.extend([0, input.len()]);
    at.sort_unstable();
    at.windows(2).map(|w| input[w[0]..w[1]].to_vec()).collect()
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_splits_do_not_matter(
        input in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        role in prop::sample::select(vec![Role::Server, Role::Client]),
        deflate in any::<bool>(),
    ) {
        let config = DecoderConfig { role, max_message_bytes: 64, max_fragments: 4, deflate };
        let whole = decode_chunks(config, [&input[..]]);
        let pieces = split(&input, &cuts);
        prop_assert_eq!(decode_chunks(config, pieces.iter().map(|p| &p[..])), whole);
    }

    #[test]
    fn damaged_frames_never_panic_and_splits_do_not_matter(
        messages in prop::collection::vec((0u8..16, any::<bool>(), prop::collection::vec(any::<u8>(), 0..140)), 0..6),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut input: Vec<u8> = messages
            .iter()
            .flat_map(|(op, fin, payload)| raw(if *fin { FIN | op } else { *op }, payload))
            .collect();
        if let Some((at, byte)) = damage && !input.is_empty() {
            let at = at.index(input.len());
            input[at] = byte;
        }
        let config = DecoderConfig { max_message_bytes: 300, max_fragments: 4, ..DecoderConfig::default() };
        let whole = decode_chunks(config, [&input[..]]);
        let pieces = split(&input, &cuts);
        prop_assert_eq!(decode_chunks(config, pieces.iter().map(|p| &p[..])), whole);
    }

    #[test]
    fn round_trip(
        messages in prop::collection::vec((any::<bool>(), ".{0,60}", prop::collection::vec(any::<u8>(), 0..300)), 1..6),
        key in any::<[u8; 4]>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut expected = Vec::new();
        let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
        for (is_text, t, binary) in &messages {
            let (opcode, payload) = if *is_text {
                expected.push(text(t));
                (Opcode::Text, Bytes::from(t.clone()))
            } else {
                expected.push(Event::Binary(Bytes::from(binary.clone())));
                (Opcode::Binary, Bytes::from(binary.clone()))
            };
            // Cut anywhere: the pieces of a message need not end between characters.
            let (a, b) = (payload.len() / 3, payload.len() / 2);
            let body = Message::new(payload.slice(..a), payload.slice(a..b), payload.slice(b..));
            to_client.extend_from_slice(&OutFrame::unmasked(opcode, body.clone()).to_bytes());
            to_server.extend_from_slice(&OutFrame::masked(opcode, &body, key).to_bytes());
        }
        for (role, input) in [(Role::Client, to_client), (Role::Server, to_server)] {
            let config = DecoderConfig { role, ..DecoderConfig::default() };
            let pieces = split(&input, &cuts);
            let got = decode_chunks(config, pieces.iter().map(|p| &p[..]));
            prop_assert_eq!(got, (expected.clone(), None));
        }
    }
}
