//! Deadlines of a connection, and the end of the server.

use std::{future::Future, io, pin::Pin, task::Context, time::Instant};

use artesian_protocol::{Session, session::CloseCode};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{Connection, Gone, Purpose, Socket};
use crate::{limits::Limit, server::State};

/// The signal that the server is to stop.
pub(super) struct StopSignal {
    signal: Pin<Box<WaitForCancellationFutureOwned>>,
    is_registered: bool,
}

impl StopSignal {
    pub(super) fn new(state: &State) -> Self {
        let signal = Box::pin(state.draining.clone().cancelled_owned());
        Self { signal, is_registered: false }
    }

    /// Asks the signal itself, whose lock all connections share, only when there is a reason to.
    fn is_given(&mut self, cx: &mut Context<'_>, state: &State) -> bool {
        let is_new = !std::mem::replace(&mut self.is_registered, true);
        (is_new || state.is_stopping()) && self.signal.as_mut().poll(cx).is_ready()
    }
}

impl<S: Socket> Connection<S> {
    pub(super) fn check_shutdown(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(stop) = &mut self.stop else { return false };
        if !stop.is_given(cx, &self.state) {
            return false;
        }
        self.stop = None;
        self.shutdown_at = Some(now + self.state.shutdown_delay());
        true
    }

    pub(super) fn check_timers(&mut self, now: Instant) -> Result<bool, Gone> {
        let mut more = self.check_limits(now) | self.check_expiry(now);
        if self.session.as_ref().and_then(Session::next_timeout).is_some_and(|at| at <= now) {
            self.excuse_silence(now);
            if let Some(session) = &mut self.session {
                session.handle_timeout(now);
            }
            self.pump(now, Purpose::Answer);
            more = true;
        }
        if self.shutdown_at.is_some_and(|at| at <= now) {
            self.shutdown_at = None;
            self.close_session(now, CloseCode::GOING_AWAY, "Going away");
            more = true;
        }
        if self.write_deadline().is_some_and(|at| at <= now) {
            return Err(self.lost(&io::ErrorKind::TimedOut.into()));
        }
        if self.close_deadline.is_some_and(|at| at <= now) {
            self.state.limits.hit(Limit::CloseTimeout);
            return Err(Gone);
        }
        Ok(more)
    }

    fn write_deadline(&self) -> Option<Instant> {
        self.out.stalled_since().map(|since| since + self.state.config.websocket.write_timeout)
    }

    /// Sees to it that the task is woken at the next deadline. Says whether that is now.
    pub(super) fn arm_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let session = self.session.as_ref().and_then(Session::next_timeout);
        let limit = self.limit_deadline(now);
        let expiry = self.expiry_deadline();
        let write = self.write_deadline();
        let deadlines = [session, self.shutdown_at, write, self.close_deadline, limit, expiry];
        let Some(next) = deadlines.into_iter().flatten().min() else { return false };
        let next = tokio::time::Instant::from_std(next);
        // A timer that is early costs one turn; moving it for every message would cost more.
        if self.timer.is_elapsed() || self.timer.deadline() > next {
            self.timer.as_mut().reset(next);
        }
        self.timer.as_mut().poll(cx).is_ready()
    }
}
