//! Closing handshake (RFC 6455, sections 5.5.1 and 7).

use super::OutFrame;

/// The longest close reason in bytes: a control frame carries 125, the code takes two
/// (RFC 6455, section 5.5).
pub const MAX_REASON: usize = 123;

/// The body of a close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The status code.
    pub code: u16,
    /// The reason, often empty.
    pub reason: String,
}

/// Whether `code` may stand in a close frame (RFC 6455, section 7.4; IANA registry for
/// 1012-1014).
pub fn close_code_is_valid(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Cuts `reason` to at most [`MAX_REASON`] bytes without splitting a character.
pub fn truncate_reason(reason: &str) -> &str {
    if reason.len() <= MAX_REASON {
        return reason;
    }
    let mut end = MAX_REASON;
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.get(..end).unwrap_or_default()
}

/// Where the closing handshake stands. The driver ends the TCP connection when
/// [`is_finished`](Self::is_finished), or after a deadline of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloseState {
    sent: bool,
    received: bool,
}

impl CloseState {
    /// A connection that is open in both directions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the handshake from our side. Gives the frame to send, or nothing if a close frame was
    /// sent already (section 5.5.1: no frame may follow a close frame).
    pub fn close(&mut self, code: Option<u16>, reason: &str) -> Option<OutFrame> {
        if std::mem::replace(&mut self.sent, true) {
            return None;
        }
        Some(OutFrame::close(code, reason))
    }

    /// Notes a close frame of the peer. Gives the answer to send, which echoes the code
    /// (section 5.5.1), or nothing if we had sent ours before.
    pub fn received(&mut self, frame: Option<&CloseFrame>) -> Option<OutFrame> {
        self.received = true;
        self.close(frame.map(|f| f.code), "")
    }

    /// Whether frames may still be sent.
    pub fn may_send(&self) -> bool {
        !self.sent
    }

    /// Whether both sides have sent a close frame.
    pub fn is_finished(&self) -> bool {
        self.sent && self.received
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codes() {
        for code in [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
            4000, 4999,
        ] {
            assert!(close_code_is_valid(code), "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            assert!(!close_code_is_valid(code), "{code}");
        }
    }

    #[test]
    fn reasons_are_cut_between_characters() {
        assert_eq!(truncate_reason("short"), "short");
        let exact = "x".repeat(123);
        assert_eq!(truncate_reason(&exact), exact);
        assert_eq!(truncate_reason(&"x".repeat(124)).len(), 123);
        assert_eq!(truncate_reason(&"水".repeat(60)).len(), 123);
        assert_eq!(truncate_reason(&format!("x{}", "水".repeat(60))).len(), 121);
        assert_eq!(truncate_reason(&"𝄞".repeat(60)).len(), 120);
    }

    #[test]
    fn handshake_from_either_side() {
        let mut ours = CloseState::new();
        assert!(ours.close(Some(1001), "Going away").is_some());
        assert!(!ours.may_send() && !ours.is_finished());
        assert!(ours.close(Some(1000), "").is_none());
        assert!(ours.received(None).is_none());
        assert!(ours.is_finished());

        let mut theirs = CloseState::new();
        let frame = CloseFrame { code: 4000, reason: "bye".into() };
        let answer = theirs.received(Some(&frame)).unwrap();
        assert_eq!(&answer.to_bytes()[..], &[0x88, 2, 0x0f, 0xa0]);
        assert!(theirs.is_finished());
        let mut empty = CloseState::new();
        assert_eq!(&empty.received(None).unwrap().to_bytes()[..], &[0x88, 0]);
    }
}
