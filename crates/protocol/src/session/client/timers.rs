//! The deadlines of a client's connection.

use std::time::Instant;

use super::ClientConfig;
use crate::session::timers::after;

#[derive(Debug)]
pub(super) struct Timers {
    ack: Option<Instant>,
    ping: Option<Instant>,
    /// Until when the server must be heard of; set by the first ping that nothing followed.
    dead: Option<Instant>,
    /// Until when the next message must come; set by the first `ka`.
    keep_alive: Option<Instant>,
}

impl Timers {
    pub(super) fn new(now: Instant, config: &ClientConfig) -> Self {
        Self { ack: now.checked_add(config.ack_timeout), ping: None, dead: None, keep_alive: None }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        [self.ack, self.ping, self.dead, self.keep_alive].into_iter().flatten().min()
    }

    pub(super) fn acknowledged(&mut self, now: Instant, config: &ClientConfig) {
        self.ack = None;
        self.ping = after(now, config.ping_interval);
    }

    pub(super) fn ack_expired(&self, now: Instant) -> bool {
        self.ack.is_some_and(|at| at <= now)
    }

    /// Any sign of life.
    pub(super) fn heard(&mut self) {
        self.dead = None;
    }

    /// A message. Pongs do not count for the `ka` watchdog: a proxy may answer pings for a server
    /// that is stuck.
    pub(super) fn message(&mut self, now: Instant, config: &ClientConfig) {
        self.heard();
        if self.keep_alive.is_some() {
            self.keep_alive_received(now, config);
        }
    }

    pub(super) fn keep_alive_received(&mut self, now: Instant, config: &ClientConfig) {
        self.keep_alive = after(now, config.keep_alive_timeout);
    }

    pub(super) fn server_is_silent(&self, now: Instant) -> bool {
        self.dead.is_some_and(|at| at <= now) || self.keep_alive.is_some_and(|at| at <= now)
    }

    pub(super) fn ping_due(&mut self, now: Instant, config: &ClientConfig) -> bool {
        if self.ping.is_none_or(|at| at > now) {
            return false;
        }
        self.ping = after(now, config.ping_interval);
        if self.dead.is_none() {
            self.dead = now.checked_add(config.pong_deadline);
        }
        true
    }
}
