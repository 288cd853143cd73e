//! The task of one socket: it owns the connection, moves frames and keeps the time.
//!
//! It never waits for a client: results go into fans, which take everything at once.

use std::{sync::Arc, time::Duration};

use artesian_protocol::{
    Message, Subprotocol,
    session::client::{ClientOutput, ClientSession},
    ws::{CloseFrame, Decoder, DecoderConfig, Event as Frame, Opcode, OutFrame, Role},
};
use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::oneshot,
    time::Instant,
};

use super::{
    opening,
    pool::Pool,
    socket::{Phase, Socket},
};
use crate::{
    Credentials, RemoteError,
    circuit::Permit,
    error::Step,
    stats::Counter,
    subscription::{AttemptEnd, End, Sink},
};

/// How much is read at once.
const READ: usize = 16 << 10;
/// Bytes that wait to be sent beyond which nothing is read, since what is read may be pings.
const MOST_QUEUED: usize = 4 << 20;
/// How long the last bytes may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Opens a socket and keeps it until its end.
pub(super) async fn run(
    pool: &Arc<Pool>,
    socket: &Arc<Socket>,
    credentials: &Credentials,
    permit: Permit,
) {
    let shared = &pool.shared;
    let mut permit = Some(permit);
    let opened = tokio::select! {
        opened = opening::open(&shared.config, &shared.dial, credentials) => opened,
        () = shared.stop.cancelled() => Err(RemoteError::ShutDown),
    };
    let error = match opened {
        Ok(opened) => {
            let init = credentials.init_payload().or(shared.config.init_payload.as_ref()).cloned();
            drive(pool, socket, credentials, opened.io, opened.protocol, init, &mut permit).await
        }
        Err(error) => error,
    };
    if let Some(permit) = permit {
        shared.counters.add(Counter::SocketsFailed);
        permit.failed(&error);
    }
    tracing::debug!(%error, "a WebSocket to a service has ended");
    socket.phase.send_replace(Phase::Over(error));
}

/// Speaks the protocol until the connection ends; says why it did.
async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    pool: &Arc<Pool>,
    socket: &Arc<Socket>,
    credentials: &Credentials,
    io: S,
    protocol: Subprotocol,
    init: Option<Bytes>,
    permit: &mut Option<Permit>,
) -> RemoteError {
    let config = &pool.shared.config;
    let now = Instant::now().into_std();
    let session = ClientSession::new(protocol, Arc::clone(&pool.session), init, now);
    socket.state.lock().session = Some(session);
    let decoder = Decoder::new(DecoderConfig {
        role: Role::Client,
        max_message_bytes: config.limits.message_bytes,
        ..DecoderConfig::default()
    });
    let (read, write) = tokio::io::split(io);
    let mut task = Task {
        pool,
        socket,
        read,
        write,
        decoder,
        received: BytesMut::new(),
        out: BytesMut::new(),
        is_closing: false,
        idle_since: None,
        message_since: None,
        stuck_since: None,
    };
    loop {
        if task.drain(permit) {
            break;
        }
        if let Err(error) = task.step(credentials).await {
            task.lose(error);
        }
    }
    task.say_farewell().await;
    let mut state = socket.state.lock();
    let session = state.session.take();
    state.operations.clear();
    let end = session.as_ref().and_then(ClientSession::ended_by);
    let cause = state
        .cause
        .take()
        .or_else(|| end.map(|end| RemoteError::of_connection(end, config.timeouts.ack)));
    cause.unwrap_or_else(RemoteError::lost)
}

struct Task<'a, S> {
    pool: &'a Arc<Pool>,
    socket: &'a Arc<Socket>,
    read: ReadHalf<S>,
    write: WriteHalf<S>,
    decoder: Decoder,
    received: BytesMut,
    /// Frames to be sent.
    out: BytesMut,
    /// A close frame is among them.
    is_closing: bool,
    /// Since when there has been no operation.
    idle_since: Option<Instant>,
    /// Since when a message has been incomplete.
    message_since: Option<Instant>,
    /// Since when nothing of what is to be sent was taken.
    stuck_since: Option<Instant>,
}

/// What is to be done outside of the lock.
enum News {
    Next { sink: Sink, key: artesian_protocol::OperationKey, payload: Bytes },
    Ended { done: oneshot::Sender<AttemptEnd>, end: AttemptEnd },
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<'_, S> {
    /// Does what the session asks for. Says whether the connection is at its end.
    fn drain(&mut self, permit: &mut Option<Permit>) -> bool {
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
                    if let Some(permit) = permit.take() {
                        permit.succeeded();
                    }
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

    /// Waits for what comes next and takes it in.
    async fn step(&mut self, credentials: &Credentials) -> Result<(), RemoteError> {
        let timeouts = &self.pool.shared.config.timeouts;
        let now = Instant::now();
        let is_idle = self.socket.reserved() == 0 && permit_idle(self.socket);
        self.idle_since = is_idle.then(|| self.idle_since.unwrap_or(now));
        let is_stuck = !self.out.is_empty();
        self.stuck_since = is_stuck.then(|| self.stuck_since.unwrap_or(now));
        let session_due = self.with_session(|session| session.next_timeout()).flatten();
        let idle_due = self.idle_since.map(|since| since + timeouts.idle);
        let message_due = self.message_since.map(|since| since + timeouts.message);
        let stuck_due = self.stuck_since.map(|since| since + timeouts.message);
        let due = [session_due.map(Instant::from_std), idle_due, message_due, stuck_due];
        let due = due.into_iter().flatten().min();

        self.received.reserve(READ);
        let reads = self.out.len() < MOST_QUEUED;
        tokio::select! {
            read = self.read.read_buf(&mut self.received), if reads => match read {
                Ok(0) | Err(_) => return Err(RemoteError::lost()),
                Ok(_) => return self.take_in(),
            },
            wrote = self.write.write(&self.out), if !self.out.is_empty() => match wrote {
                Ok(0) | Err(_) => return Err(RemoteError::lost()),
                Ok(count) => {
                    self.out.advance(count);
                    self.stuck_since = None;
                }
            },
            () = self.socket.wake.notified() => {}
            () = self.pool.shared.stop.cancelled() => {
                self.close(RemoteError::ShutDown);
            }
            () = sleep_until(due) => {
                let now = Instant::now();
                let has_passed = |due: Option<Instant>| due.is_some_and(|due| due <= now);
                let limit = timeouts.message;
                if has_passed(message_due) {
                    return Err(RemoteError::Timeout { what: Step::FinishMessage, limit });
                }
                if has_passed(stuck_due) {
                    return Err(RemoteError::Timeout { what: Step::Read, limit });
                }
                if has_passed(idle_due) && self.pool.retire(self.socket, credentials) {
                    self.close(RemoteError::ShutDown);
                }
                self.with_session(|session| session.handle_timeout(now.into_std()));
            }
        }
        Ok(())
    }

    fn with_session<T>(&self, work: impl FnOnce(&mut ClientSession) -> T) -> Option<T> {
        self.socket.state.lock().session.as_mut().map(work)
    }

    /// Takes in the bytes that were read.
    fn take_in(&mut self) -> Result<(), RemoteError> {
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

    /// The connection is of no use any more.
    fn lose(&self, error: RemoteError) {
        let mut state = self.socket.state.lock();
        state.cause.get_or_insert(error);
        if let Some(session) = state.session.as_mut() {
            session.connection_lost(None, "");
        }
    }

    /// Ends the connection from our side.
    fn close(&self, cause: RemoteError) {
        let mut state = self.socket.state.lock();
        state.cause.get_or_insert(cause);
        if let Some(session) = state.session.as_mut() {
            session.close(1000, "");
        }
    }

    /// Sends what is left, a close frame above all, and waits for nothing.
    async fn say_farewell(&mut self) {
        if !self.is_closing {
            return;
        }
        let farewell = async {
            let _sent = self.write.write_all(&self.out).await;
            let _closed = self.write.shutdown().await;
        };
        let _in_time = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

/// A socket that is being opened is not idle.
fn permit_idle(socket: &Socket) -> bool {
    matches!(*socket.phase.borrow(), Phase::Ready)
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Appends a masked frame.
fn put(out: &mut BytesMut, opcode: Opcode, message: &Message) {
    // The key only has to keep a caller from choosing the bytes on the wire (RFC 6455, section 10.3).
    // Without randomness there would have been no handshake either.
    let key = getrandom::u32().unwrap_or_default().to_ne_bytes();
    for slice in OutFrame::masked(opcode, message, key).slices() {
        out.extend_from_slice(slice);
    }
}

fn put_close(out: &mut BytesMut, code: Option<u16>, reason: &str) {
    let [_, _, body, _] = OutFrame::close(code, reason).into_pieces();
    put(out, Opcode::Close, &Message::whole(body));
}
