//! Compression of a payload once for all its receivers, and the frames that contain it.

use std::{cell::RefCell, fmt};

use bytes::{BufMut, Bytes, BytesMut};
use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress, create_comp_flags_from_zip_params,
};

use super::{
    super::{Opcode, OutFrame},
    TAIL,
};
use crate::Message;

/// The longest stored block (RFC 1951, section 3.2.4).
const LONGEST_STORED: usize = 65535;

/// How hard to try, from 1 to 9. With results of 4 KiB and more, 6 takes three to six times as long for
/// a fifth fewer bytes.
const LEVEL: i32 = 1;

struct Compressor {
    state: Box<CompressorOxide>,
    scratch: Box<[u8]>,
}

thread_local! {
    /// One for each thread that ever compresses, since it is a quarter of a megabyte.
    static COMPRESSOR: RefCell<Option<Compressor>> = const { RefCell::new(None) };
}

/// A payload compressed by itself: blocks of DEFLATE, the last of which is empty and stored, without
/// its `00 00 FF FF` (RFC 7692, section 7.2.1). Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Deflated(Bytes);

impl fmt::Debug for Deflated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deflated({} bytes)", self.0.len())
    }
}

impl Deflated {
    /// Compresses a payload, which may make it longer.
    pub fn new(payload: &[u8]) -> Self {
        COMPRESSOR.with_borrow_mut(|slot| {
            let compressor = slot.get_or_insert_with(|| Compressor {
                // No zlib header: the window's size is negative.
                state: Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(
                    LEVEL, -15, 0,
                ))),
                scratch: vec![0; 16 << 10].into(),
            });
            let deflated = compressor.run(payload);
            compressor.state.reset();
            // The compressor has no reason to fail.
            deflated.unwrap_or_else(|| Self::stored(payload))
        })
    }

    /// A payload as it is, in stored blocks.
    pub fn stored(payload: &[u8]) -> Self {
        let mut out = BytesMut::with_capacity(payload.len() + payload.len() / 8192 + 8);
        store(&mut out, payload, true);
        out.put_u8(0);
        Self(out.freeze())
    }

    /// Its length in bytes, never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Compressor {
    fn run(&mut self, mut payload: &[u8]) -> Option<Deflated> {
        let mut out = Vec::new();
        loop {
            let (status, used, written) =
                compress(&mut self.state, payload, &mut self.scratch, TDEFLFlush::Sync);
            out.extend_from_slice(self.scratch.get(..written)?);
            payload = payload.get(used..)?;
            if status != TDEFLStatus::Okay {
                return None;
            }
            // What did not fit is still to come.
            if payload.is_empty() && written < self.scratch.len() {
                break;
            }
        }
        let body = out.strip_suffix(&TAIL)?;
        // A copy of the right size: it may be kept for a while.
        Some(Deflated(Bytes::copy_from_slice(body)))
    }
}

impl OutFrame {
    /// A message of which the payload was compressed before, which shares it. The caller vouches that
    /// the extension was negotiated, that `payload` is `body.payload`, compressed, and that it is a
    /// data message.
    pub fn deflated(opcode: Opcode, body: &Message, payload: &Deflated) -> Self {
        let mut lead = [0; 5];
        let (lead, prefix) = match body.prefix.len() {
            0 => (&lead[..0], Bytes::new()),
            length @ ..=LONGEST_STORED => {
                lead[1..].copy_from_slice(&stored(length));
                (&lead[..], body.prefix.clone())
            }
            length => {
                let mut prefix =
                    BytesMut::with_capacity(length + 5 * (length / LONGEST_STORED + 1));
                store(&mut prefix, &body.prefix, true);
                (&lead[..0], prefix.freeze())
            }
        };
        let suffix = match &body.suffix[..] {
            b"" => Bytes::new(),
            // The one that results have.
            b"}" => Bytes::from_static(b"\x01\x00\xfe\xff}\x00"),
            other => {
                let mut suffix = BytesMut::with_capacity(other.len() + 16);
                // Its first block has its type already: the empty one at the payload's end.
                store(&mut suffix, other, false);
                suffix.put_u8(0);
                suffix.freeze()
            }
        };
        let composed = Message::new(prefix, payload.0.clone(), suffix);
        Self::compressed(opcode, lead, composed)
    }
}

/// `LEN` and `NLEN` of a stored block.
fn stored(length: usize) -> [u8; 4] {
    let [a, b] = (length as u16).to_le_bytes();
    [a, b, !a, !b]
}

/// Appends stored blocks; the first without its type unless it `is_typed`.
fn store(out: &mut BytesMut, text: &[u8], is_typed: bool) {
    for (n, chunk) in text.chunks(LONGEST_STORED).enumerate() {
        if n > 0 || is_typed {
            out.put_u8(0);
        }
        out.extend_from_slice(&stored(chunk.len()));
        out.extend_from_slice(chunk);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::Inflater, *};

    fn inflate(frame: &OutFrame) -> Bytes {
        let mut inflater = Inflater::new(1 << 24);
        for piece in frame.slices().into_iter().enumerate().map(|(n, slice)| match n {
            // The frame's header, then the header of the prefix's block.
            0 => &slice[head_length(slice)..],
            _ => slice,
        }) {
            inflater.feed(piece).1.unwrap();
        }
        inflater.finish().unwrap()
    }

    fn head_length(head: &[u8]) -> usize {
        match head[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    #[test]
    fn a_message_of_three_pieces_comes_back_whole() {
        let text: String =
            (0..500).map(|n| format!("{{\"id\":{n},\"name\":\"row {n}\"}},")).collect();
        let payload = Bytes::from(text);
        let deflated = Deflated::new(&payload);
        assert!(deflated.len() < payload.len() / 3);
        let long = "p".repeat(200_000);
        for prefix in ["", "<", "{\"id\":\"1\",\"type\":\"next\",\"payload\":", &long] {
            for suffix in ["", "}", "]}", &long] {
                let [prefix, suffix] = [prefix, suffix].map(|s| Bytes::from(s.to_owned()));
                let body = Message::new(prefix, payload.clone(), suffix);
                let frame = OutFrame::deflated(Opcode::Text, &body, &deflated);
                assert_eq!(frame.slices()[0][0], 0xc1);
                assert_eq!(inflate(&frame), body.to_bytes());
                // The payload is shared.
                assert_eq!(frame.slices()[2].as_ptr(), deflated.0.as_ptr());
            }
        }
    }

    #[test]
    fn the_cost_of_a_private_prefix_is_its_length_and_a_few_bytes() {
        let payload = Bytes::from("abcdefgh".repeat(100));
        let deflated = Deflated::new(&payload);
        let body = Message::new("prefix".into(), payload, "}".into());
        let frame = OutFrame::deflated(Opcode::Text, &body, &deflated);
        let header = 2;
        assert_eq!(frame.len(), header + 5 + 6 + deflated.len() + 4 + 1 + 1);
        // The prefix is there as it is.
        assert_eq!(&frame.to_bytes()[header + 5..header + 11], b"prefix");
    }

    #[test]
    fn what_cannot_be_compressed_and_what_is_stored_come_back_too() {
        let mut random = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            random as u8
        })
        .take(100_000)
        .collect();
        for payload in [&b""[..], b"a", b"abcdefg", &noise] {
            for deflated in [Deflated::new(payload), Deflated::stored(payload)] {
                assert!(deflated.len() <= payload.len() + payload.len() / 1000 + 10);
                let body = Message::new("<".into(), payload.to_vec().into(), ">".into());
                let frame = OutFrame::deflated(Opcode::Binary, &body, &deflated);
                assert_eq!(frame.slices()[0][0], 0xc2);
                assert_eq!(inflate(&frame), body.to_bytes());
            }
        }
    }

    #[test]
    fn one_payload_leaves_nothing_for_the_next() {
        let payload = Bytes::from("a sentence that comes again. ".repeat(40));
        let first = Deflated::new(&payload);
        Deflated::new("another text of some length, of some length".as_bytes());
        assert_eq!(Deflated::new(&payload), first);
    }
}
