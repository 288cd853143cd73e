//! What the service sends.

use artesian_protocol::{
    Message,
    session::client::ClientSession,
    ws::{CloseFrame, Event as Frame, Opcode},
};
use tokio::time::Instant;

use super::{
    Task,
    outgoing::{put, put_close},
};
use crate::{RemoteError, stats::Counter};

impl<S> Task<'_, S> {
    /// Takes in the bytes that were read.
    pub(super) fn take_in(&mut self) -> Result<(), RemoteError> {
        let now = Instant::now();
        let std_now = now.into_std();
        self.with_session(|session| session.handle_activity(std_now));
        let limit = self.pool.shared.config.limits.message_bytes;
        loop {
            let frame = match self.decoder.decode(&mut self.received) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    self.is_closing = true;
                    put_close(&mut self.out, Some(error.close_code()), &error.to_string());
                    return Err(RemoteError::of_frames(error, limit));
                }
            };
            self.message_since = None;
            match frame {
                Frame::Text(text) => self.hear(|session| session.handle_text(std_now, text)),
                Frame::Binary(bytes) => self.hear(|session| session.handle_binary(std_now, bytes)),
                Frame::Ping(payload) => {
                    put(&mut self.out, Opcode::Pong, &Message::whole(payload));
                }
                Frame::Pong(_) => {}
                Frame::Close(frame) => {
                    let CloseFrame { code, reason } =
                        frame.clone().unwrap_or(CloseFrame { code: 1005, reason: String::new() });
                    self.is_closing = true;
                    put_close(&mut self.out, frame.map(|frame| frame.code), "");
                    let code = Some(code).filter(|code| *code != 1005);
                    return Err(RemoteError::of_close(code, &reason));
                }
            }
        }
        let is_incomplete = self.decoder.is_mid_message() || !self.received.is_empty();
        self.message_since = is_incomplete.then(|| self.message_since.unwrap_or(now));
        Ok(())
    }

    fn hear(&self, take: impl FnOnce(&mut ClientSession)) {
        let junk = self.with_session(|session| {
            let before = session.ignored_messages();
            take(session);
            session.ignored_messages() - before
        });
        self.pool.shared.counters.add_many(Counter::Junk, junk.unwrap_or_default());
    }
}
