//! Deadlines of a connection, and the end of the server.

use std::{future::Future, io, task::Context, time::Instant};

use artesian_protocol::{Session, session::CloseCode};

use super::{Connection, Gone, Purpose, Socket};
use crate::limits::Limit;

impl<S: Socket> Connection<S> {
    /// Notices the end of the server. The task was woken for it: it is among the open sockets, as
    /// [`check_closing`](Self::check_closing) has seen to before.
    pub(super) fn check_shutdown(&mut self, now: Instant) -> bool {
        if !self.state.is_stopping() || std::mem::replace(&mut self.is_stopping, true) {
            return false;
        }
        let at = now + self.state.shutdown_delay();
        self.rare.change(|rare| rare.shutdown_at = Some(at));
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
        if self.rare.time(|rare| rare.shutdown_at).is_some_and(|at| at <= now) {
            self.rare.take(|rare| rare.shutdown_at.take());
            self.close_session(now, CloseCode::GOING_AWAY, "Going away");
            more = true;
        }
        if self.write_deadline().is_some_and(|at| at <= now) {
            return Err(self.lost(&io::ErrorKind::TimedOut.into()));
        }
        if self.rare.time(|rare| rare.close_deadline).is_some_and(|at| at <= now) {
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
        let shutdown = self.rare.time(|rare| rare.shutdown_at);
        let close = self.rare.time(|rare| rare.close_deadline);
        let deadlines = [session, shutdown, write, close, limit, expiry];
        let Some(next) = deadlines.into_iter().flatten().min() else { return false };
        let next = tokio::time::Instant::from_std(next);
        // A timer that is early costs one turn; moving it for every message would cost more.
        if self.timer.is_elapsed() || self.timer.deadline() > next {
            self.timer.as_mut().reset(next);
        }
        self.timer.as_mut().poll(cx).is_ready()
    }
}
