//! WebSocket (RFC 6455) without I/O.
//!
//! * [`handshake`] checks the upgrade request and chooses the subprotocol,
//! * [`Decoder`] turns received bytes into [`Event`]s,
//! * [`OutFrame`] turns messages into frames that can be written vectored,
//! * [`CloseState`] keeps track of the closing handshake,
//! * [`Deflated`] is a payload compressed once for all its receivers (RFC 7692).

mod close;
mod decoder;
mod deflate;
mod encode;
pub mod handshake;
mod mask;
mod utf8;

pub use close::{CloseFrame, CloseState, MAX_REASON, close_code_is_valid, truncate_reason};
pub use decoder::{Decoder, DecoderConfig, Event, WsError};
pub use deflate::{Deflate, Deflated};
pub use encode::OutFrame;
pub use handshake::Subprotocol;

/// Marks the first frame of a compressed message (RFC 7692, section 6).
const RSV1: u8 = 0x40;

/// Which end of the connection we are. It decides who masks (RFC 6455, section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// We accept connections: received frames must be masked, sent frames must not be.
    #[default]
    Server,
    /// We open connections: received frames must not be masked, sent frames must be.
    Client,
}

/// Frame types (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation = 0x0,
    /// A text message, or the first fragment of one.
    Text = 0x1,
    /// A binary message, or the first fragment of one.
    Binary = 0x2,
    /// Close.
    Close = 0x8,
    /// Ping.
    Ping = 0x9,
    /// Pong.
    Pong = 0xA,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// Control frames are close, ping and pong (RFC 6455, section 5.5).
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}
