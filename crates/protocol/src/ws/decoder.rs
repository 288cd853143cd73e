//! Incremental frame decoder (RFC 6455, section 5).

use bytes::{Buf, Bytes, BytesMut};

use super::deflate::{Inflater, longest_compressed};
use super::utf8::Utf8;
use super::{CloseFrame, Opcode, RSV1, Role, close_code_is_valid, mask};

/// What the decoder enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderConfig {
    /// Our own role. Default: server.
    pub role: Role,
    /// The largest message in bytes, all fragments together; of a compressed one, what it inflates to.
    /// Default: 1 MiB.
    pub max_message_bytes: usize,
    /// The largest number of frames that one message may consist of. Default: 1024.
    pub max_fragments: usize,
    /// Whether `permessage-deflate` was negotiated (RFC 7692). Default: no.
    pub deflate: bool,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self {
            role: Role::Server,
            max_message_bytes: 1024 * 1024,
            max_fragments: 1024,
            deflate: false,
        }
    }
}

/// What the peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole text message; its bytes are valid UTF-8.
    Text(Bytes),
    /// A whole binary message.
    Binary(Bytes),
    /// A ping, to be answered with a pong of the same payload (section 5.5.2).
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// A close frame, with or without a body. Nothing is decoded after it (section 5.5.1).
    Close(Option<CloseFrame>),
}

/// Why a connection must be failed (section 7.1.7). [`close_code`](Self::close_code) says with which
/// code, the display text is a suitable reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WsError {
    /// An RSV bit is set that no negotiated extension gives a meaning (section 5.2). With
    /// `permessage-deflate` that is RSV1 in the first frame of a message (RFC 7692, section 6).
    #[error("reserved bits must be zero")]
    ReservedBits,
    /// An opcode that RFC 6455 reserves (section 5.2).
    #[error("unknown opcode")]
    UnknownOpcode,
    /// A client must mask its frames (section 5.1).
    #[error("frame is not masked")]
    Unmasked,
    /// A server must not mask its frames (section 5.1).
    #[error("frame is masked")]
    Masked,
    /// Control frames must not be fragmented (section 5.5).
    #[error("control frame is fragmented")]
    FragmentedControl,
    /// Control frames carry at most 125 bytes (section 5.5).
    #[error("control frame is too long")]
    LongControl,
    /// The length is not in its shortest form, or its top bit is set (section 5.2).
    #[error("payload length is malformed")]
    BadLength,
    /// A continuation without a message to continue (section 5.4).
    #[error("continuation without a message")]
    UnexpectedContinuation,
    /// A new message before the last one was finished (section 5.4).
    #[error("message inside a fragmented message")]
    ExpectedContinuation,
    /// A close frame with a body of one byte (section 5.5.1).
    #[error("close frame is malformed")]
    BadCloseFrame,
    /// A close code that must not be sent (section 7.4).
    #[error("close code is not allowed")]
    BadCloseCode,
    /// Text that is not UTF-8 (section 8.1), in a message or a close reason.
    #[error("text is not valid UTF-8")]
    InvalidUtf8,
    /// A compressed message that cannot be inflated, or that ends too early (RFC 7692, section 7.2.2).
    #[error("compressed message is malformed")]
    BadCompression,
    /// The message exceeds [`DecoderConfig::max_message_bytes`].
    #[error("message is too big")]
    MessageTooBig,
    /// The message exceeds [`DecoderConfig::max_fragments`].
    #[error("message has too many fragments")]
    TooManyFragments,
}

impl WsError {
    /// The close code for this failure (section 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Self::InvalidUtf8 | Self::BadCompression => 1007,
            Self::MessageTooBig | Self::TooManyFragments => 1009,
            _ => 1002,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    mask: Option<[u8; 4]>,
    /// Payload bytes that were taken already.
    taken: usize,
    /// Payload bytes that are still to come.
    left: usize,
}

/// Decodes what a peer sends.
///
/// Feed it a buffer that received bytes are appended to and call
/// [`decode`](Self::decode) until it gives `None`. A message that lies in the buffer whole is handed
/// out without a copy.
#[derive(Debug)]
pub struct Decoder {
    config: DecoderConfig,
    frame: Option<Frame>,
    /// The type of the message whose fragments are being put together.
    message: Option<Opcode>,
    fragments: usize,
    /// Data bytes that have arrived of the current message, and control bytes of the current frame.
    data: BytesMut,
    control: BytesMut,
    /// Takes the place of `data` for a message that is compressed.
    inflater: Option<Box<Inflater>>,
    utf8: Utf8,
    end: Option<Result<(), WsError>>,
}

impl Decoder {
    /// A decoder for a fresh connection.
    pub fn new(config: DecoderConfig) -> Self {
        Self {
            config,
            frame: None,
            message: None,
            fragments: 0,
            data: BytesMut::new(),
            control: BytesMut::new(),
            inflater: None,
            utf8: Utf8::default(),
            end: None,
        }
    }

    /// Takes as much from `src` as is needed for the next event. `None` means that more bytes are
    /// needed, or, after a close frame, that there is nothing more to come. After an error the same
    /// error is given again.
    pub fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, WsError> {
        if let Some(end) = self.end {
            src.clear();
            return end.map(|()| None);
        }
        let result = self.advance(src);
        match &result {
            Ok(Some(Event::Close(_))) => self.stop(Ok(())),
            Err(error) => self.stop(Err(*error)),
            _ => {}
        }
        result
    }

    /// Whether a message or a frame has begun and is not finished.
    pub fn is_mid_message(&self) -> bool {
        self.frame.is_some() || self.message.is_some()
    }

    fn stop(&mut self, end: Result<(), WsError>) {
        self.end = Some(end);
        self.data = BytesMut::new();
        self.control = BytesMut::new();
        self.inflater = None;
    }

    fn advance(&mut self, src: &mut BytesMut) -> Result<Option<Event>, WsError> {
        loop {
            if self.frame.is_none() {
                match self.header(src)? {
                    Some(frame) => self.frame = Some(frame),
                    None => return Ok(None),
                }
            }
            let Some(frame) = self.frame.as_mut() else {
                return Ok(None);
            };
            let mut chunk = src.split_to(frame.left.min(src.len()));
            if let Some(key) = frame.mask {
                mask::apply(key, frame.taken, &mut chunk);
            }
            frame.taken += chunk.len();
            frame.left -= chunk.len();
            let frame = *frame;
            if frame.opcode.is_control() {
                if self.control.is_empty() {
                    self.control = chunk;
                } else {
                    self.control.extend_from_slice(&chunk);
                }
                if frame.left > 0 {
                    return Ok(None);
                }
                self.frame = None;
                return control(frame.opcode, std::mem::take(&mut self.control).freeze()).map(Some);
            }
            let whole = frame.fin && frame.left == 0;
            self.take_data(chunk, whole)?;
            if frame.left > 0 {
                return Ok(None);
            }
            self.frame = None;
            if whole {
                return self.finish_message().map(Some);
            }
        }
    }

    /// Takes in bytes of a message. If they are `whole`, nothing follows them.
    fn take_data(&mut self, chunk: BytesMut, whole: bool) -> Result<(), WsError> {
        let is_text = self.message == Some(Opcode::Text);
        if let Some(inflater) = &mut self.inflater {
            let (text, result) = inflater.feed(&chunk);
            // First what comes first, so that the error does not depend on how the bytes arrive.
            if is_text {
                self.utf8.feed(text).map_err(|_| WsError::InvalidUtf8)?;
            }
            return result;
        }
        if is_text {
            self.utf8.feed(&chunk).map_err(|_| WsError::InvalidUtf8)?;
        }
        if whole && self.data.is_empty() {
            self.data = chunk;
        } else {
            self.data.extend_from_slice(&chunk);
        }
        Ok(())
    }

    fn finish_message(&mut self) -> Result<Event, WsError> {
        self.fragments = 0;
        let data = match self.inflater.take() {
            Some(inflater) => inflater.finish()?,
            None => std::mem::take(&mut self.data).freeze(),
        };
        if self.message.take() == Some(Opcode::Text) {
            self.utf8.finish().map_err(|_| WsError::InvalidUtf8)?;
            return Ok(Event::Text(data));
        }
        Ok(Event::Binary(data))
    }

    /// Reads a frame header, once all of it is there. What is wrong with its first two bytes is
    /// found as soon as they are there.
    fn header(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, WsError> {
        let Some(&first) = src.first() else {
            return Ok(None);
        };
        let opcode = Opcode::from_bits(first & 0x0f).ok_or(WsError::UnknownOpcode);
        // Only the first frame of a message says whether it is compressed.
        let may_compress =
            self.config.deflate && matches!(opcode, Ok(Opcode::Text | Opcode::Binary));
        let allowed = if may_compress { RSV1 } else { 0 };
        if first & 0x70 & !allowed != 0 {
            return Err(WsError::ReservedBits);
        }
        let is_compressed = first & RSV1 != 0;
        let opcode = opcode?;
        let fin = first & 0x80 != 0;
        if opcode.is_control() && !fin {
            return Err(WsError::FragmentedControl);
        }
        match (opcode, self.message) {
            (Opcode::Continuation, None) => return Err(WsError::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(WsError::ExpectedContinuation),
            _ => {}
        }
        let Some(&second) = src.get(1) else {
            return Ok(None);
        };
        let masked = second & 0x80 != 0;
        match (self.config.role, masked) {
            (Role::Server, false) => return Err(WsError::Unmasked),
            (Role::Client, true) => return Err(WsError::Masked),
            _ => {}
        }
        let short = usize::from(second & 0x7f);
        if opcode.is_control() && short > 125 {
            return Err(WsError::LongControl);
        }
        let extra = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(extended) = src.get(2..2 + extra) else {
            return Ok(None);
        };
        let long = extended.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        let length = match short {
            126 if long < 126 => return Err(WsError::BadLength),
            127 if long < 65536 || long >> 63 != 0 => return Err(WsError::BadLength),
            126 | 127 => long,
            _ => short as u64,
        };
        if !opcode.is_control() {
            let max = self.config.max_message_bytes;
            let room = match &self.inflater {
                Some(inflater) => longest_compressed(max).saturating_sub(inflater.taken()),
                None if is_compressed => longest_compressed(max),
                None => max.saturating_sub(self.data.len()),
            };
            if length > room as u64 {
                return Err(WsError::MessageTooBig);
            }
            if self.fragments >= self.config.max_fragments {
                return Err(WsError::TooManyFragments);
            }
        }
        let left = usize::try_from(length).map_err(|_| WsError::MessageTooBig)?;
        let mask_at = 2 + extra;
        let mask = if masked {
            let Some(&key) = src.get(mask_at..).and_then(|rest| rest.first_chunk::<4>()) else {
                return Ok(None);
            };
            Some(key)
        } else {
            None
        };
        src.advance(mask_at + if masked { 4 } else { 0 });
        if !opcode.is_control() {
            self.fragments += 1;
            if opcode != Opcode::Continuation {
                self.message = Some(opcode);
                self.utf8 = Utf8::default();
                let max = self.config.max_message_bytes;
                self.inflater = is_compressed.then(|| Box::new(Inflater::new(max)));
            }
        }
        Ok(Some(Frame { opcode, fin, mask, taken: 0, left }))
    }
}

fn control(opcode: Opcode, payload: Bytes) -> Result<Event, WsError> {
    match opcode {
        Opcode::Ping => Ok(Event::Ping(payload)),
        Opcode::Pong => Ok(Event::Pong(payload)),
        _ => close(&payload).map(Event::Close),
    }
}

/// The body of a close frame (section 5.5.1): nothing, or a code and a reason in UTF-8.
fn close(payload: &[u8]) -> Result<Option<CloseFrame>, WsError> {
    if payload.is_empty() {
        return Ok(None);
    }
    let Some((&code, reason)) = payload.split_first_chunk::<2>() else {
        return Err(WsError::BadCloseFrame);
    };
    let code = u16::from_be_bytes(code);
    if !close_code_is_valid(code) {
        return Err(WsError::BadCloseCode);
    }
    let reason = std::str::from_utf8(reason).map_err(|_| WsError::InvalidUtf8)?;
    Ok(Some(CloseFrame { code, reason: reason.to_owned() }))
}
