//! Which timers an endpoint may have, as its documentation has it. An endpoint that has others, or
//! forgets one, is found out at once.

/// How long each timer runs, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    /// Until `connection_init` (server) or `connection_ack` (client).
    pub setup: u64,
    pub ping: Option<u64>,
    pub pong: u64,
    /// Server: from `ka` to `ka`. Client: from the last message to the end.
    pub keep_alive: Option<u64>,
}

#[derive(Debug)]
pub struct Timers {
    intervals: Intervals,
    setup: Option<u64>,
    ping: Option<u64>,
    dead: Option<u64>,
    keep_alive: Option<u64>,
}

impl Timers {
    pub fn new(now: u64, intervals: Intervals) -> Self {
        let setup = Some(now + intervals.setup);
        Self { intervals, setup, ping: None, dead: None, keep_alive: None }
    }

    pub fn next(&self) -> Option<u64> {
        [self.setup, self.ping, self.dead, self.keep_alive].into_iter().flatten().min()
    }

    pub fn heard(&mut self) {
        self.dead = None;
    }

    pub fn setup_done(&mut self) {
        self.setup = None;
    }

    pub fn acknowledged(&mut self, now: u64) {
        self.ping = self.intervals.ping.map(|ms| now + ms);
    }

    pub fn arm_keep_alive(&mut self, now: u64) {
        self.keep_alive = self.intervals.keep_alive.map(|ms| now + ms);
    }

    /// A message came: whoever waits for `ka` waits anew.
    pub fn message(&mut self, now: u64) {
        if self.keep_alive.is_some() {
            self.arm_keep_alive(now);
        }
    }

    /// Handles what is due. Says whether the connection must end now.
    pub fn expire(&mut self, now: u64, sends_keep_alive: bool) -> bool {
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        let silent = !sends_keep_alive && due(self.keep_alive);
        if due(self.setup) || due(self.dead) || silent {
            return true;
        }
        if due(self.ping) {
            self.acknowledged(now);
            self.dead = self.dead.or(Some(now + self.intervals.pong));
        }
        if due(self.keep_alive) {
            self.arm_keep_alive(now);
        }
        false
    }
}
