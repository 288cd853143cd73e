//! One WebSocket connection, driven by one task: socket, decoder, session, operations, queue.
//!
//! Everything is polled by hand, so that nothing but the state itself stays in memory between two
//! events, and so that a slow operation or a slow reader holds up nothing else.

mod client;
mod limits;
mod rare;
mod session;
mod timers;

use std::{
    cell::RefCell,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use crate::clients::Said;
use artesian_engine::Identity;
use artesian_protocol::{
    OperationKey, Session, Subprotocol,
    session::CloseCode,
    ws::{CloseState, Decoder, DecoderConfig, Deflate, Event, OutFrame, handshake::Negotiated},
};
use bytes::BytesMut;
use tokio::time::Sleep;

use self::{limits::Lifetime, rare::Rarely};
use super::{
    Agreed, Client,
    operations::Operations,
    outgoing::{Outgoing, Purpose},
    socket::Socket,
};
use crate::{
    limits::{Inbound, LegacyVisit, Limit, SocketGuard},
    metrics::{ConnectionMetrics, Transport},
    run::Item,
    server::State,
    sockets::Entry,
};

/// Turns that one poll of the task may take before others get theirs.
const TURNS: usize = 64;

thread_local! {
    /// Where bytes are read to before they are copied, exactly as many as came, to the connection.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 << 10].into());
}

/// A connection as a future that ends with it.
pub(super) struct Connection<S> {
    state: Arc<State>,
    stream: S,
    decoder: Decoder,
    /// The compression that was agreed on.
    deflate: Option<Deflate>,
    /// Bytes that do not make a whole frame yet; without memory of its own when there are none.
    input: BytesMut,
    /// None if the client speaks no subprotocol that we do.
    session: Option<Session>,
    transport: Transport,
    /// What the upgrade said of the client. Counts also when it says again who it is.
    said: Option<Box<Said>>,
    /// Its place among the open sockets.
    entry: Entry,
    identity: Option<Identity>,
    rare: Rarely,
    guard: SocketGuard,
    /// Only of legacy clients.
    visit: Option<Box<LegacyVisit>>,
    inbound: Inbound,
    /// Whether reading had to stop since the client sends too quickly.
    is_held: bool,
    lifetime: Option<Box<Lifetime>>,
    operations: Operations<OperationKey, Item>,
    out: Outgoing,
    close: CloseState,
    /// Whether the end of the server was noticed.
    is_stopping: bool,
    timer: Pin<Box<Sleep>>,
    metrics: ConnectionMetrics,
}

/// The socket is to be dropped.
struct Gone;

impl<S: Socket> Connection<S> {
    /// A connection that was just upgraded; `early` came with the upgrade.
    pub fn new(
        state: Arc<State>,
        stream: S,
        early: &[u8],
        agreed: Agreed,
        client: Client,
        guard: SocketGuard,
    ) -> Self {
        let now = now();
        let config = &state.config.websocket;
        let subprotocol = match agreed.protocol {
            Negotiated::Selected(subprotocol) => Some(subprotocol),
            Negotiated::NoneOffered => config.default_subprotocol,
            Negotiated::NoneAcceptable => None,
        };
        let transport = match subprotocol {
            Some(Subprotocol::TransportWs) => Transport::ModernWs,
            Some(Subprotocol::Legacy) => Transport::LegacyWs,
            None => Transport::OtherWs,
        };
        let decoder = Decoder::new(DecoderConfig {
            max_message_bytes: config.max_message_bytes,
            deflate: agreed.deflate.is_some(),
            ..DecoderConfig::default()
        });
        let mut connection = Self {
            decoder,
            deflate: agreed.deflate,
            input: BytesMut::from(early),
            session: subprotocol.map(|p| Session::new(p, state.session_config.clone(), now)),
            transport,
            entry: state.sockets.open(transport, client.address),
            said: Some(client.said).filter(|said| !said.is_empty()).map(Box::new),
            identity: None,
            rare: Rarely::default(),
            guard,
            visit: None,
            inbound: Inbound::default(),
            is_held: false,
            lifetime: Lifetime::new(&state, now),
            operations: Operations::new(),
            out: Outgoing::new(config.max_queue_bytes, state.metrics.queue_bytes()),
            close: CloseState::new(),
            is_stopping: false,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            metrics: ConnectionMetrics::open(state.metrics.clone(), transport),
            stream,
            state,
        };
        if connection.session.is_none() {
            let code = CloseCode::SUBPROTOCOL_NOT_ACCEPTABLE;
            connection.begin_close(now, Some(code), "Subprotocol not acceptable");
        }
        connection.decode(now);
        connection
    }

    /// One turn. Says whether another is worth while.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        let now = now();
        let mut more = self.check_closing(cx, now) | self.check_shutdown(now);
        more |= self.check_timers(now)?;
        more |= self.read(cx, now)?;
        if self.poll_authentication(cx, now) {
            self.pump(now, Purpose::Answer);
            more = true;
        }
        more |= self.take_results(cx, now);
        more |= self.write(cx, now)?;
        if self.close.is_finished() && self.out.is_empty() {
            return Err(Gone);
        }
        Ok(more || self.arm_timer(cx, now))
    }

    /// For who lists the open sockets.
    fn tell_counts(&self) {
        let operations = self.session.as_ref().map_or(0, Session::operation_count);
        self.entry.update(operations, self.out.queued_bytes());
    }

    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Gone> {
        if self.out.is_flooded() {
            // Writing wakes the task again.
            return Ok(false);
        }
        if self.is_held {
            if self.held_until(now).is_some() {
                return Ok(false);
            }
            self.is_held = false;
            self.decode(now);
            return Ok(true);
        }
        let Self { stream, input, .. } = self;
        let read = SCRATCH.with_borrow_mut(|scratch| {
            stream.poll_read(cx, scratch).map_ok(|count| {
                input.extend_from_slice(scratch.get(..count).unwrap_or_default());
                count
            })
        });
        let Poll::Ready(read) = read else { return Ok(false) };
        match read {
            Ok(0) => Err(self.lost(&io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                self.inbound.bytes(&self.state.limits, now, count);
                if let Some(session) = &mut self.session {
                    session.handle_activity(now);
                }
                self.decode(now);
                Ok(true)
            }
            // The readiness was stale; asking again registers for the next.
            Err(error) if is_transient(&error) => Ok(true),
            Err(error) => Err(self.lost(&error)),
        }
    }

    fn decode(&mut self, now: Instant) {
        loop {
            if self.held_until(now).is_some() {
                self.is_held = true;
                return;
            }
            match self.decoder.decode(&mut self.input) {
                Ok(Some(event)) => {
                    self.inbound.message(&self.state.limits, now);
                    self.handle(now, event);
                }
                Ok(None) => break,
                Err(error) => {
                    // Told once; what still comes is dropped until the peer has gone.
                    if self.close.may_send() {
                        self.close_session(now, error.close_code(), &error.to_string());
                    }
                    break;
                }
            }
        }
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Text(text) => {
                if let Some(session) = &mut self.session {
                    session.handle_text(now, &text);
                }
                self.pump(now, Purpose::Answer);
            }
            Event::Binary(bytes) => {
                if let Some(session) = &mut self.session {
                    session.handle_binary(now, &bytes);
                }
                self.pump(now, Purpose::Answer);
            }
            Event::Ping(payload) => {
                if self.close.may_send() {
                    self.out.push(OutFrame::pong(payload), Purpose::Answer);
                }
            }
            Event::Pong(_) => {}
            Event::Close(frame) => {
                if self.close.may_send() {
                    self.metrics.closing(frame.as_ref().map_or(1005, |frame| frame.code));
                    if let Some(visit) = &mut self.visit {
                        visit.done();
                    }
                }
                if let Some(answer) = self.close.received(frame.as_ref()) {
                    self.out.push(answer, Purpose::Answer);
                }
                self.await_close(now);
                self.end_session();
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Gone> {
        if self.out.is_empty() {
            return Ok(false);
        }
        let held_back = !self.out.has_room() || self.out.is_flooded();
        loop {
            let stream = &mut self.stream;
            match self.out.flush(now, |slices| stream.try_write(cx, slices)) {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => return Err(self.lost(&error)),
            }
            match self.stream.poll_writable(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(self.lost(&error)),
            }
        }
        let is_free = held_back && self.out.has_room() && !self.out.is_flooded();
        if is_free {
            self.state.limits.hit(Limit::QueueBytes);
        }
        Ok(is_free)
    }

    fn lost(&mut self, error: &io::Error) -> Gone {
        if error.kind() == io::ErrorKind::TimedOut {
            self.state.limits.hit(Limit::WriteTimeout);
            tracing::info!(
                transport = self.transport.as_str(),
                "socket dropped: it took nothing for too long"
            );
        } else if self.close.may_send() {
            tracing::debug!(transport = self.transport.as_str(), %error, "socket lost");
        }
        Gone
    }
}

impl<S: Socket> Future for Connection<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        for _ in 0..TURNS {
            match this.turn(cx) {
                Ok(true) => {}
                Ok(false) => {
                    this.tell_counts();
                    return Poll::Pending;
                }
                Err(Gone) => {
                    this.end_session();
                    return Poll::Ready(());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        tracing::debug!(
            transport = self.transport.as_str(),
            code = self.metrics.code(),
            "connection closed"
        );
    }
}

/// The clock of the timers, which tests may stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
#[cfg(test)]
mod tests {
    use super::*;

    /// With what tokio keeps beside it, a task takes a multiple of 128 bytes.
    #[test]
    fn a_connection_is_small() {
        let size = size_of::<Connection<tokio::net::TcpStream>>();
        assert!(size <= 760, "{size}");
    }
}
