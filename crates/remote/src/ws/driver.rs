//! The task of one socket: it owns the connection, moves frames and keeps the time.
//!
//! It never waits for a client: results go into fans, which take everything at once.

mod incoming;
mod outgoing;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use artesian_protocol::{
    session::client::ClientSession,
    ws::{Decoder, DecoderConfig, Role},
};
use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    time::Instant,
};

use super::{
    opening::{self, Opened},
    pool::Pool,
    socket::{Phase, Socket},
};
use crate::{Credentials, RemoteError, Transport, circuit::Permit, error::Step, stats::Counter};

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
    let offers = shared.config.transport.offers();
    let first = pool.agreed.load(Ordering::Relaxed);
    let mut error = RemoteError::lost();
    for at in (0..offers.len()).map(|n| (first + n) % offers.len()) {
        error = attempt(pool, socket, credentials, at, &mut permit).await;
        if permit.is_none() || !error.is_disagreement() {
            break;
        }
    }
    if let Some(permit) = permit {
        shared.counters.add(Counter::SocketsFailed);
        let is_auto = shared.config.transport == Transport::Auto;
        if is_auto && error.is_unacknowledged() && shared.negotiation.unacknowledged() {
            // It did answer the upgrade. What it answers to the request for a stream, which comes next,
            // counts: else as many clients as may fail in a row would keep that from being asked.
            drop(permit);
        } else {
            permit.failed(&error);
        }
    }
    tracing::debug!(error = error.in_detail(), "a WebSocket to a service has ended");
    socket.phase.send_replace(Phase::Over(error));
}

/// One connection, with one of the transport's offers; `permit` is gone if it was acknowledged.
async fn attempt(
    pool: &Arc<Pool>,
    socket: &Arc<Socket>,
    credentials: &Credentials,
    offer: usize,
    permit: &mut Option<Permit>,
) -> RemoteError {
    let shared = &pool.shared;
    let offered = shared.config.transport.offers().get(offer).copied().unwrap_or_default();
    let opened = tokio::select! {
        opened = opening::open(&shared.config, &shared.dial, credentials, offered) => opened,
        () = shared.stop.cancelled() => Err(RemoteError::ShutDown),
    };
    let init = match credentials.init_payload() {
        Some(own) => Ok(Some(own.clone())),
        None => shared.config.own_init_payload(),
    };
    match opened.and_then(|opened| Ok((opened, init?))) {
        Ok((opened, init)) => drive(pool, socket, credentials, opened, init, (offer, permit)).await,
        Err(error) => error,
    }
}

/// Speaks the protocol until the connection ends; says why it did.
async fn drive(
    pool: &Arc<Pool>,
    socket: &Arc<Socket>,
    credentials: &Credentials,
    opened: Opened,
    init: Option<Bytes>,
    (offer, permit): (usize, &mut Option<Permit>),
) -> RemoteError {
    let config = &pool.shared.config;
    let now = Instant::now().into_std();
    let session = ClientSession::new(opened.protocol, Arc::clone(&pool.session), init, now);
    socket.state.lock().session = Some(session);
    let decoder = Decoder::new(DecoderConfig {
        role: Role::Client,
        max_message_bytes: config.limits.message_bytes,
        ..DecoderConfig::default()
    });
    let (read, write) = tokio::io::split(opened.io);
    let mut task = Task {
        pool,
        socket,
        read,
        write,
        decoder,
        received: BytesMut::new(),
        out: BytesMut::new(),
        is_acknowledged: false,
        is_closing: false,
        idle_since: None,
        message_since: None,
        stuck_since: None,
        deaf_since: None,
    };
    loop {
        let is_over = task.drain();
        if task.is_acknowledged
            && let Some(permit) = permit.take()
        {
            pool.agreed.store(offer, Ordering::Relaxed);
            permit.succeeded();
        }
        if is_over {
            break;
        }
        if let Err(error) = task.step(credentials).await {
            task.lose(error);
        }
    }
    let error = {
        let mut state = socket.state.lock();
        let session = state.session.take();
        state.operations.clear();
        let end = session.as_ref().and_then(ClientSession::ended_by);
        let end = end.map(|end| RemoteError::of_connection(end, config.timeouts.ack));
        state.cause.take().or(end).unwrap_or_else(RemoteError::lost)
    };
    if permit.is_none() {
        // Nobody is to come to it while it says farewell.
        socket.phase.send_replace(Phase::Over(error.clone()));
    }
    task.say_farewell().await;
    error
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
    is_acknowledged: bool,
    /// A close frame is among the frames to be sent.
    is_closing: bool,
    /// Since when there has been no operation.
    idle_since: Option<Instant>,
    /// Since when a message has been incomplete.
    message_since: Option<Instant>,
    /// Since when nothing of what is to be sent was taken.
    stuck_since: Option<Instant>,
    /// Since when nothing can be sent any more. What has arrived by then may say why.
    deaf_since: Option<Instant>,
}

impl<S> Task<'_, S> {
    fn with_session<T>(&self, work: impl FnOnce(&mut ClientSession) -> T) -> Option<T> {
        self.socket.state.lock().session.as_mut().map(work)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<'_, S> {
    /// Waits for what comes next and takes it in.
    async fn step(&mut self, credentials: &Credentials) -> Result<(), RemoteError> {
        let timeouts = &self.pool.shared.config.timeouts;
        let now = Instant::now();
        let is_idle = self.socket.reserved() == 0 && self.socket.is_ready();
        self.idle_since = is_idle.then(|| self.idle_since.unwrap_or(now));
        let is_stuck = !self.out.is_empty() && self.deaf_since.is_none();
        self.stuck_since = is_stuck.then(|| self.stuck_since.unwrap_or(now));
        let session_due = self.with_session(|session| session.next_timeout()).flatten();
        let idle_due = self.idle_since.map(|since| since + timeouts.idle);
        let reads = self.out.len() < MOST_QUEUED || self.deaf_since.is_some();
        let message_since = self.message_since.filter(|_| reads);
        let message_due = message_since.map(|since| since + timeouts.message);
        let stuck_due = self.stuck_since.map(|since| since + timeouts.message);
        let deaf_due = self.deaf_since.map(|since| since + FAREWELL);
        let session_due = session_due.map(Instant::from_std);
        let due = [session_due, idle_due, message_due, stuck_due, deaf_due];
        let due = due.into_iter().flatten().min();

        self.received.reserve(READ);
        tokio::select! {
            read = self.read.read_buf(&mut self.received), if reads => match read {
                Ok(0) | Err(_) => return Err(RemoteError::lost()),
                Ok(_) => return self.take_in(),
            },
            wrote = self.write.write(&self.out), if is_stuck => match wrote {
                Ok(0) | Err(_) => self.deaf_since = Some(now),
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
                if has_passed(deaf_due) {
                    return Err(RemoteError::lost());
                }
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

    /// The connection is of no use any more.
    fn lose(&self, error: RemoteError) {
        self.finish(error, |session| session.connection_lost(None, ""));
    }

    /// Ends the connection from our side.
    fn close(&self, cause: RemoteError) {
        self.finish(cause, |session| session.close(1000, ""));
    }

    /// What ended the session first is the cause.
    fn finish(&self, cause: RemoteError, finish: impl FnOnce(&mut ClientSession)) {
        let mut state = self.socket.state.lock();
        let state = &mut *state;
        if let Some(session) = state.session.as_mut().filter(|session| !session.is_closed()) {
            finish(session);
            state.cause = Some(cause);
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

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
