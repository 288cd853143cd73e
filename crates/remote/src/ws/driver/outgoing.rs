//! What the session asks for, and what it tells.

use artesian_protocol::{
    Message, OperationKey,
    session::client::ClientOutput,
    ws::{Opcode, OutFrame},
};
use bytes::{Bytes, BytesMut};
use tokio::{sync::oneshot, time::Instant};

use super::Task;
use crate::{
    RemoteError,
    subscription::{AttemptEnd, End, Sink},
    ws::socket::Phase,
};

/// What is to be done outside of the lock.
enum News {
    Next { sink: Sink, key: OperationKey, payload: Bytes },
    Ended { done: oneshot::Sender<AttemptEnd>, end: AttemptEnd },
}

impl<S> Task<'_, S> {
    /// Does what the session asks for. Says whether the connection is at its end.
    pub(super) fn drain(&mut self) -> bool {
        let ack = self.pool.shared.config.timeouts.ack;
        let mut news = Vec::new();
        let mut state = self.socket.state.lock();
        let state_ref = &mut *state;
        let Some(session) = state_ref.session.as_mut() else { return true };
        while let Some(output) = session.poll_output() {
            let ended = match output {
                ClientOutput::Send(message) => {
                    put(&mut self.out, Opcode::Text, &message);
                    continue;
                }
                ClientOutput::WsPing => {
                    put(&mut self.out, Opcode::Ping, &Message::default());
                    continue;
                }
                ClientOutput::Acknowledged { .. } => {
                    self.is_acknowledged = true;
                    self.socket.phase.send_replace(Phase::Ready);
                    continue;
                }
                ClientOutput::Next { key, payload } => {
                    if let Some(operation) = state_ref.operations.get(&key) {
                        news.push(News::Next { sink: operation.sink.clone(), key, payload });
                    }
                    continue;
                }
                ClientOutput::Close { code, reason } => {
                    if !self.is_closing {
                        self.is_closing = true;
                        put_close(&mut self.out, Some(code), &reason);
                    }
                    continue;
                }
                ClientOutput::Error { key, errors } => {
                    (key, AttemptEnd::Finished(End::Errors(errors)))
                }
                ClientOutput::Complete { key } => (key, AttemptEnd::Finished(End::Complete)),
                ClientOutput::Lost { key, reason } => {
                    let known = state_ref.cause.clone();
                    let error = known.unwrap_or_else(|| RemoteError::of_connection(&reason, ack));
                    (key, AttemptEnd::Lost(error))
                }
            };
            if let Some(operation) = state_ref.operations.remove(&ended.0) {
                news.push(News::Ended { done: operation.done, end: ended.1 });
            }
        }
        let is_over = session.is_closed();
        state_ref.queued = self.out.len();
        drop(state);
        self.tell(news);
        is_over
    }

    /// Hands on news without the lock, since whoever hears of them may end operations at once.
    fn tell(&self, news: Vec<News>) {
        for one in news {
            match one {
                News::Ended { done, end } => drop(done.send(end)),
                News::Next { sink, key, payload } => {
                    if sink.next(payload) {
                        continue;
                    }
                    // All who wanted it have left or fallen behind.
                    let now = Instant::now().into_std();
                    let mut state = self.socket.state.lock();
                    if let Some(session) = state.session.as_mut() {
                        session.unsubscribe(now, key);
                    }
                    let operation = state.operations.remove(&key);
                    drop(state);
                    if let Some(operation) = operation {
                        let _gone = operation.done.send(AttemptEnd::Abandoned);
                        self.socket.wake.notify_one();
                    }
                }
            }
        }
    }
}

/// Appends a masked frame.
pub(super) fn put(out: &mut BytesMut, opcode: Opcode, message: &Message) {
    // The key only has to keep a caller from choosing the bytes on the wire (RFC 6455, section 10.3).
    // Without randomness there would have been no handshake either.
    let key = getrandom::u32().unwrap_or_default().to_ne_bytes();
    for slice in OutFrame::masked(opcode, message, key).slices() {
        out.extend_from_slice(slice);
    }
}

pub(super) fn put_close(out: &mut BytesMut, code: Option<u16>, reason: &str) {
    let [_, _, body, _] = OutFrame::close(code, reason).into_pieces();
    put(out, Opcode::Close, &Message::whole(body));
}
