//! Decompression of one message, while it arrives.

use bytes::Bytes;
use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        DecompressorOxide, decompress,
        inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF},
    },
};

use super::{super::WsError, TAIL};

/// An empty last block. It tells whether a message ended where a block may begin.
const LAST_BLOCK: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// The least that is made room for at a time.
const STEP: usize = 1024;

/// How many bytes a message may have before it is inflated if it may have `max` afterwards. Text that
/// cannot be compressed grows by an eighth with the worst of the usual encoders.
pub(in super::super) fn longest_compressed(max: usize) -> usize {
    max.saturating_add(max / 8).saturating_add(STEP)
}

/// Inflates one message. Dropped with it.
///
/// The message itself is the window, so there is no other.
pub(in super::super) struct Inflater {
    state: DecompressorOxide,
    /// The message, and room for what is next. Never longer than `max` and one byte, which tells a
    /// message that is too big from one that is just big enough.
    out: Vec<u8>,
    /// How much of `out` is message.
    length: usize,
    /// How many compressed bytes were taken in.
    taken: usize,
    max: usize,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Inflater {
    /// For a message of up to `max` bytes.
    pub(in super::super) fn new(max: usize) -> Self {
        Self { state: DecompressorOxide::new(), out: Vec::new(), length: 0, taken: 0, max }
    }

    /// How many compressed bytes were taken in.
    pub(in super::super) fn taken(&self) -> usize {
        self.taken
    }

    /// Takes in the next bytes of the message and gives what they inflate to; in case of an error,
    /// up to that.
    pub(in super::super) fn feed(&mut self, input: &[u8]) -> (&[u8], Result<(), WsError>) {
        let start = self.length;
        self.taken += input.len();
        let result = self.inflate(input).map(drop);
        (self.out.get(start..self.length).unwrap_or_default(), result)
    }

    /// The whole message (RFC 7692, section 7.2.2). An error if it ends within a block.
    pub(in super::super) fn finish(mut self) -> Result<Bytes, WsError> {
        let length = self.length;
        self.inflate(&TAIL)?;
        let is_last = self.inflate(&LAST_BLOCK)?;
        if !is_last || self.length != length {
            return Err(WsError::BadCompression);
        }
        self.out.truncate(length);
        Ok(self.out.into())
    }

    /// Says whether the input ended with a last block.
    fn inflate(&mut self, mut input: &[u8]) -> Result<bool, WsError> {
        const FLAGS: u32 = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let mut is_last = false;
        let mut status = TINFLStatus::NeedsMoreInput;
        while !input.is_empty() || status == TINFLStatus::HasMoreOutput {
            if self.length == self.out.len() {
                self.grow(input.len());
            }
            let (used, written);
            (status, used, written) =
                decompress(&mut self.state, input, &mut self.out, self.length, FLAGS);
            input = input.get(used..).unwrap_or_default();
            self.length += written;
            if self.length > self.max {
                return Err(WsError::MessageTooBig);
            }
            is_last = status == TINFLStatus::Done;
            match status {
                TINFLStatus::NeedsMoreInput if input.is_empty() => {}
                TINFLStatus::HasMoreOutput => {}
                // More blocks may follow one that says it is the last (RFC 7692, section 7.2.3.4).
                TINFLStatus::Done => self.state.init(),
                _ => return Err(WsError::BadCompression),
            }
        }
        Ok(is_last)
    }

    /// Makes room, in steps that follow what has come so far: a short message that claims to be long
    /// costs no more than it is.
    fn grow(&mut self, input: usize) {
        let step = self.length.max(input.saturating_mul(2)).max(STEP);
        let longest = self.max.saturating_add(1);
        self.out.reserve_exact(step.min(longest - self.length));
        self.out.resize(self.length.saturating_add(step).min(longest), 0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn inflate(max: usize, input: &[u8]) -> Result<Bytes, WsError> {
        let mut inflater = Inflater::new(max);
        inflater.feed(input).1?;
        inflater.finish()
    }

    /// RFC 7692, section 7.2.3.
    #[test]
    fn examples_of_the_rfc() {
        let rows: &[(&[u8], &str)] = &[
            (&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], "Hello"),
            // A stored block.
            (&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], "Hello"),
            // A block that says it is the last.
            (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], "Hello"),
            // Two blocks.
            (
                &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
                "Hello",
            ),
            (&[0x00], ""),
        ];
        for (input, expected) in rows {
            assert_eq!(inflate(100, input).unwrap(), expected, "{input:x?}");
            // And byte by byte.
            let mut inflater = Inflater::new(100);
            let mut got = Vec::new();
            for byte in *input {
                let (text, result) = inflater.feed(&[*byte]);
                result.unwrap();
                got.extend_from_slice(text);
            }
            assert_eq!(got, expected.as_bytes());
            assert_eq!(inflater.taken(), input.len());
            assert_eq!(inflater.finish().unwrap(), expected);
        }
    }

    #[test]
    fn a_block_after_the_last_one_may_refer_to_what_was_before() {
        // "Hello" in a last block of the fixed codes, then a match of length 5 at distance 5.
        let hello = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        let again = [0x02, 0x13, 0x00, 0x00];
        assert_eq!(inflate(100, &[&hello[..], &again].concat()).unwrap(), "HelloHello");
        assert_eq!(inflate(100, &again), Err(WsError::BadCompression));
    }

    #[test]
    fn what_is_not_deflate_or_not_whole_is_an_error() {
        for input in [
            &b""[..],
            // Block type 3.
            &[0x06, 0x00],
            // LEN and NLEN do not fit.
            &[0x00, 0x05, 0x00, 0xfa, 0xfe, 0x48],
            // Cut short: within the table of codes,
            &[0x04],
            // within the fixed codes, within a stored block, before the last empty block.
            &[0xf2, 0x48, 0xcd, 0xc9],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65],
            &[0x00, 0x04, 0x00, 0xfb, 0xff],
            &[0x00, 0x09, 0x00, 0xf6, 0xff],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            // A match that refers to what was before the message.
            &[0xfa, 0x48, 0x05, 0x22, 0x00],
        ] {
            assert_eq!(inflate(100, input), Err(WsError::BadCompression), "{input:x?}");
        }
    }

    #[test]
    fn the_limit_is_exact_and_nothing_is_allocated_beyond_it() {
        let stored = |length: u16| {
            let mut input = vec![0x00];
            input.extend_from_slice(&length.to_le_bytes());
            input.extend_from_slice(&(!length).to_le_bytes());
            input.extend(std::iter::repeat_n(b'a', length.into()));
            input.push(0);
            input
        };
        assert_eq!(inflate(5000, &stored(5000)).unwrap().len(), 5000);
        assert_eq!(inflate(4999, &stored(5000)), Err(WsError::MessageTooBig));
        // 64 MiB of zeros in 64 KiB.
        let bomb = miniz_oxide::deflate::compress_to_vec(&vec![0; 64 << 20], 9);
        let mut inflater = Inflater::new(1 << 20);
        assert_eq!(inflater.feed(&bomb).1, Err(WsError::MessageTooBig));
        assert_eq!(inflater.out.capacity(), (1 << 20) + 1);
    }
}
