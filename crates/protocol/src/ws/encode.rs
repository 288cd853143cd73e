//! Encoding of frames (RFC 6455, section 5.2) so that shared payloads are not copied.

use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Opcode, mask, truncate_reason};
use crate::Message;

/// One frame ready to be written: a header of its own and a [`Message`].
///
/// It is a [`Buf`] with up to four chunks, so it works with vectored writes and may be written in
/// several goes. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct OutFrame {
    head: [u8; 14],
    head_start: u8,
    head_end: u8,
    body: Message,
}

impl OutFrame {
    /// An unmasked frame (server role) that is a whole message.
    pub fn unmasked(opcode: Opcode, body: Message) -> Self {
        let mut frame = Self::header(opcode, body.len(), false);
        frame.body = body;
        frame
    }

    /// A masked frame (client role) that is a whole message. Copies the body once. The key must be
    /// unpredictable (RFC 6455, section 5.3).
    pub fn masked(opcode: Opcode, body: &Message, key: [u8; 4]) -> Self {
        let mut frame = Self::header(opcode, body.len(), true);
        let start = usize::from(frame.head_end);
        if let Some(slot) = frame.head.get_mut(start..start + 4) {
            slot.copy_from_slice(&key);
            frame.head_end += 4;
        }
        let mut bytes = BytesMut::with_capacity(body.len());
        bytes.extend_from_slice(&body.prefix);
        bytes.extend_from_slice(&body.payload);
        bytes.extend_from_slice(&body.suffix);
        mask::apply(key, 0, &mut bytes);
        frame.body = Message::whole(bytes.freeze());
        frame
    }

    /// A text message. The caller vouches that its bytes are UTF-8.
    pub fn text(body: Message) -> Self {
        Self::unmasked(Opcode::Text, body)
    }

    /// A message that is compressed (RFC 7692, section 6.1). It begins with up to five bytes that may
    /// find room beside the header.
    pub(super) fn compressed(opcode: Opcode, lead: &[u8], mut body: Message) -> Self {
        let mut frame = Self::header(opcode, lead.len() + body.len(), false);
        frame.head[0] |= super::RSV1;
        let start = usize::from(frame.head_end);
        if let Some(slot) = frame.head.get_mut(start..start + lead.len()) {
            slot.copy_from_slice(lead);
            frame.head_end += lead.len() as u8;
        } else {
            body.prefix = [lead, &body.prefix].concat().into();
        }
        frame.body = body;
        frame
    }

    /// A binary message.
    pub fn binary(body: Message) -> Self {
        Self::unmasked(Opcode::Binary, body)
    }

    /// A ping; what exceeds 125 bytes is cut off.
    pub fn ping(mut payload: Bytes) -> Self {
        payload.truncate(125);
        Self::unmasked(Opcode::Ping, Message::whole(payload))
    }

    /// A pong; what exceeds 125 bytes is cut off.
    pub fn pong(mut payload: Bytes) -> Self {
        payload.truncate(125);
        Self::unmasked(Opcode::Pong, Message::whole(payload))
    }

    /// A close frame. Without a code the peer sees 1005. The reason is cut to
    /// [`MAX_REASON`](super::MAX_REASON) bytes.
    pub fn close(code: Option<u16>, reason: &str) -> Self {
        let body = match code {
            None => Message::default(),
            Some(code) => {
                let reason = truncate_reason(reason);
                let mut body = BytesMut::with_capacity(2 + reason.len());
                body.put_u16(code);
                body.extend_from_slice(reason.as_bytes());
                Message::whole(body.freeze())
            }
        };
        Self::unmasked(Opcode::Close, body)
    }

    fn header(opcode: Opcode, len: usize, masked: bool) -> Self {
        let mut head = [0u8; 14];
        let mask_bit = if masked { 0x80 } else { 0 };
        let mut rest: &mut [u8] = &mut head;
        rest.put_u8(0x80 | opcode as u8);
        // The shortest form must be used (section 5.2).
        if len < 126 {
            rest.put_u8(mask_bit | len as u8);
        } else if let Ok(short) = u16::try_from(len) {
            rest.put_u8(mask_bit | 126);
            rest.put_u16(short);
        } else {
            rest.put_u8(mask_bit | 127);
            rest.put_u64(len as u64);
        }
        let head_end = (14 - rest.len()) as u8;
        Self { head, head_start: 0, head_end, body: Message::default() }
    }

    fn head_bytes(&self) -> &[u8] {
        self.head.get(usize::from(self.head_start)..usize::from(self.head_end)).unwrap_or_default()
    }

    /// What is still to be written, in order; empty pieces included.
    pub fn slices(&self) -> [&[u8]; 4] {
        [self.head_bytes(), &self.body.prefix, &self.body.payload, &self.body.suffix]
    }

    /// What is still to be written as owned pieces. Copies the header only (at most 14 bytes).
    pub fn into_pieces(self) -> [Bytes; 4] {
        let head = Bytes::copy_from_slice(self.head_bytes());
        let [prefix, payload, suffix] = self.body.pieces();
        [head, prefix, payload, suffix]
    }

    /// What is still to be written in one buffer. This copies.
    pub fn to_bytes(&self) -> Bytes {
        Bytes::from(self.slices().concat())
    }

    /// How many bytes are still to be written.
    pub fn len(&self) -> usize {
        self.remaining()
    }

    /// Whether everything was written.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }
}

impl Buf for OutFrame {
    fn remaining(&self) -> usize {
        usize::from(self.head_end - self.head_start) + self.body.len()
    }

    fn chunk(&self) -> &[u8] {
        self.slices().into_iter().find(|s| !s.is_empty()).unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for slice in self.slices().into_iter().filter(|s| !s.is_empty()) {
            let Some(slot) = dst.get_mut(filled) else {
                break;
            };
            *slot = IoSlice::new(slice);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        let head = count.min(usize::from(self.head_end - self.head_start));
        self.head_start += head as u8;
        count -= head;
        for piece in [&mut self.body.prefix, &mut self.body.payload, &mut self.body.suffix] {
            let step = count.min(piece.len());
            piece.advance(step);
            count -= step;
        }
        debug_assert_eq!(count, 0, "advanced past the end of a frame");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn examples_of_the_rfc() {
        // RFC 6455, section 5.7.
        let hello = Message::whole("Hello");
        assert_eq!(
            &OutFrame::text(hello.clone()).to_bytes()[..],
            [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
        );
        assert_eq!(
            &OutFrame::masked(Opcode::Text, &hello, [0x37, 0xfa, 0x21, 0x3d]).to_bytes()[..],
            [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]
        );
        let b256 = OutFrame::binary(Message::whole(vec![0; 256]));
        assert_eq!(&b256.to_bytes()[..4], [0x82, 0x7e, 0x01, 0x00]);
        let b64k = OutFrame::binary(Message::whole(vec![0; 65536]));
        assert_eq!(&b64k.to_bytes()[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn length_forms_change_at_126_and_65536() {
        for (len, head) in [(125, 2), (126, 4), (65535, 4), (65536, 10)] {
            let frame = OutFrame::text(Message::whole(vec![b'a'; len]));
            assert_eq!(frame.len(), head + len);
        }
    }

    #[test]
    fn payload_is_shared_and_partial_writes_work() {
        let payload = Bytes::from(vec![b'x'; 300]);
        let frame = OutFrame::text(Message::new("pre".into(), payload.clone(), "}".into()));
        assert_eq!(frame.slices()[2].as_ptr(), payload.as_ptr());
        let whole = frame.to_bytes();
        for step in 1..20 {
            let mut rest = frame.clone();
            let mut written = Vec::new();
            while rest.has_remaining() {
                let mut slots = [IoSlice::new(&[]); 4];
                let n = rest.chunks_vectored(&mut slots);
                let available: Vec<u8> = slots[..n].iter().flat_map(|s| s.to_vec()).collect();
                assert_eq!(available.len(), rest.remaining());
                let take = step.min(available.len());
                written.extend_from_slice(&available[..take]);
                rest.advance(take);
            }
            assert_eq!(written, whole);
        }
        let pieces = frame.into_pieces();
        assert_eq!(pieces[2].as_ptr(), payload.as_ptr());
        assert_eq!(pieces.concat(), whole);
    }

    #[test]
    fn close_reason_is_cut() {
        let frame = OutFrame::close(Some(4400), &"é".repeat(100)).to_bytes();
        assert_eq!(frame[1], 2 + 122);
        assert_eq!(OutFrame::ping(Bytes::from(vec![0; 200])).len(), 127);
    }
}
