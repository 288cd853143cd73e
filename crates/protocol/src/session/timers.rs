//! The deadlines of a connection.

use std::time::{Duration, Instant};

use super::SessionConfig;

/// Clients give up 30 s after the last `ka`; half of that is the longest sensible interval.
const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Timers {
    init: Option<Instant>,
    ping: Option<Instant>,
    /// Until when the peer must be heard of; set by the first ping that nothing followed.
    dead: Option<Instant>,
    keep_alive: Option<Instant>,
}

impl Timers {
    pub(super) fn new(now: Instant, init_timeout: Duration) -> Self {
        Self { init: now.checked_add(init_timeout), ping: None, dead: None, keep_alive: None }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        [self.init, self.ping, self.dead, self.keep_alive].into_iter().flatten().min()
    }

    /// The clock stops when init is received, not when authentication is done.
    pub(super) fn init_received(&mut self) {
        self.init = None;
    }

    pub(super) fn init_expired(&self, now: Instant) -> bool {
        self.init.is_some_and(|at| at <= now)
    }

    pub(super) fn heard(&mut self) {
        self.dead = None;
    }

    pub(super) fn peer_is_dead(&self, now: Instant) -> bool {
        self.dead.is_some_and(|at| at <= now)
    }

    pub(super) fn start_pings(&mut self, now: Instant, config: &SessionConfig) {
        self.ping = after(now, config.ping_interval);
    }

    pub(super) fn start_keep_alive(&mut self, now: Instant, config: &SessionConfig) {
        let interval = config.keep_alive_interval;
        self.keep_alive = after(now, interval.map(|i| i.min(LONGEST_KEEP_ALIVE)));
    }

    pub(super) fn ping_due(&mut self, now: Instant, config: &SessionConfig) -> bool {
        if self.ping.is_none_or(|at| at > now) {
            return false;
        }
        self.ping = after(now, config.ping_interval);
        if self.dead.is_none() {
            self.dead = now.checked_add(config.pong_deadline);
        }
        true
    }

    pub(super) fn keep_alive_due(&mut self, now: Instant, config: &SessionConfig) -> bool {
        if self.keep_alive.is_none_or(|at| at > now) {
            return false;
        }
        self.start_keep_alive(now, config);
        true
    }
}

/// An interval of zero would never let the driver sleep.
pub(super) fn after(now: Instant, interval: Option<Duration>) -> Option<Instant> {
    now.checked_add(interval?.max(Duration::from_millis(1)))
}
