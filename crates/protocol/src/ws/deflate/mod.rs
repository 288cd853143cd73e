//! Compression of messages: the extension `permessage-deflate` (RFC 7692), server role.
//!
//! Both sides always work without context takeover: each message is compressed by itself, so an idle
//! connection keeps no memory for it, and a payload that many receivers get is compressed once.
//!
//! A compressed message is composed of blocks of DEFLATE (RFC 1951, section 3.2):
//!
//! ```text
//! prefix: stored     payload: compressed by itself, shared     suffix: stored     0x00
//! ```
//!
//! What is private to a receiver stands in stored blocks, to which nothing refers and which refer to
//! nothing. So a text that a client chooses, such as the id of an operation, and the payload never
//! share a compression context: the length of a message tells nothing about whether they are alike.

mod compress;
mod inflate;
mod offer;

pub use compress::Deflated;
pub(super) use inflate::{Inflater, longest_compressed};
pub use offer::Deflate;
pub(super) use offer::{Malformed, Offers};

/// The end of a flushed stream, which is not sent (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
