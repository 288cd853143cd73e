//! Limits of one socket: who may come in and when, how fast it is read, how long it may stay.

use std::time::{Duration, Instant};

use artesian_protocol::{Session, session::CloseCode};

use super::{Connection, Purpose, Socket};
use crate::{
    limits::Limit,
    metrics::Transport,
    server::{State, spread},
};

/// When a socket has to go because it is not used, or because of its age.
pub(super) struct Lifetime {
    idle_since: Option<Instant>,
    ends: Option<Instant>,
}

impl Lifetime {
    /// Nothing is kept if neither has a limit.
    pub(super) fn new(state: &State, now: Instant) -> Option<Box<Self>> {
        let limits = &state.limits.config;
        if limits.idle_timeout.is_zero() && limits.max_age.is_zero() {
            return None;
        }
        // Those who came together do not have to go together.
        let early = spread(state.limits.serial(), limits.max_age / 10);
        let ends = (!limits.max_age.is_zero()).then(|| now + limits.max_age - early);
        Some(Box::new(Self { idle_since: None, ends }))
    }

    fn idle_end(&self, timeout: Duration) -> Option<Instant> {
        self.idle_since.filter(|_| !timeout.is_zero()).map(|since| since + timeout)
    }
}

impl<S: Socket> Connection<S> {
    /// Does what is due. Says whether that was anything.
    pub(super) fn check_limits(&mut self, now: Instant) -> bool {
        let acknowledge_at = self.rare.time(|rare| rare.acknowledge_at);
        if acknowledge_at.is_some_and(|at| at <= now) {
            self.acknowledge(now);
            self.pump(now, Purpose::Answer);
            return true;
        }
        let idle_timeout = self.state.limits.config.idle_timeout;
        let Some(lifetime) = &mut self.lifetime else { return false };
        if lifetime.ends.is_some_and(|at| at <= now) {
            self.retire(now, Limit::MaxAge, "Too old");
            return true;
        }
        if lifetime.idle_end(idle_timeout).is_some_and(|at| at <= now) {
            self.retire(now, Limit::Idle, "Idle");
            return true;
        }
        false
    }

    fn retire(&mut self, now: Instant, limit: Limit, reason: &str) {
        self.lifetime = None;
        if self.close.may_send() {
            self.state.limits.hit(limit);
            self.close_session(now, CloseCode::GOING_AWAY, reason);
        }
    }

    /// When there is something to do for a limit.
    pub(super) fn limit_deadline(&mut self, now: Instant) -> Option<Instant> {
        let timeout = self.state.limits.config.idle_timeout;
        let is_idle = self.session.as_ref().is_some_and(|session| session.operation_count() == 0);
        let (ends, idle_end) = match &mut self.lifetime {
            None => (None, None),
            Some(lifetime) => {
                lifetime.idle_since = is_idle.then(|| *lifetime.idle_since.get_or_insert(now));
                (lifetime.ends, lifetime.idle_end(timeout))
            }
        };
        let held = if self.is_held { self.held_until(now) } else { None };
        let acknowledge_at = self.rare.time(|rare| rare.acknowledge_at);
        [acknowledge_at, ends, idle_end, held].into_iter().flatten().min()
    }

    /// Until when nothing more may be read, if there is such a time.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        self.inbound.held_until(&self.state.limits, now)
    }

    /// While we do not listen, the peer cannot prove that it is there.
    pub(super) fn excuse_silence(&mut self, now: Instant) {
        if self.is_held
            && let Some(session) = &mut self.session
        {
            session.handle_activity(now);
        }
    }

    /// Counts operations that the session refused.
    pub(super) fn count_refusals(&mut self) {
        let refused = self.session.as_mut().map_or(0, Session::take_refused_operations);
        for _ in 0..refused {
            self.state.limits.hit(Limit::SocketOperations);
        }
    }

    /// Counts the limit, if it is one, that closes this socket.
    pub(super) fn count_close(&self, code: Option<u16>) {
        let is_legacy = self.transport == Transport::LegacyWs;
        let limit = match code {
            Some(CloseCode::INIT_TIMEOUT) => Limit::InitTimeout,
            Some(CloseCode::UNAUTHORIZED) if is_legacy => Limit::InitTimeout,
            Some(CloseCode::POLICY) if is_legacy => Limit::PreAckQueue,
            Some(CloseCode::TERMINATED) => Limit::PingTimeout,
            Some(1009) => Limit::MessageBytes,
            _ => return,
        };
        self.state.limits.hit(limit);
    }
}
