//! What went wrong, and how it came to that.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use parking_lot::Mutex;

/// Lines of a trace that are kept.
const LINES: usize = 40;

/// How often what is to be tested has happened.
#[derive(Debug, Default)]
pub struct Tally {
    /// Results that were checked.
    pub results: AtomicU64,
    /// Fresh credentials that were acknowledged.
    pub refreshed: AtomicU64,
    /// Operations that an identity may not run, or may not any more.
    pub ended: AtomicU64,
    /// Connections of which the credentials were refused.
    pub refused: AtomicU64,
    /// Connections that ended since credentials had expired.
    pub expired: AtomicU64,
    /// Connections that the administrator closed.
    pub revoked: AtomicU64,
    /// Connections whose secret, key or webhook was replaced.
    pub rotated: AtomicU64,
}

impl Tally {
    /// Counts one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A run of some length in which nothing happens proves nothing.
    pub fn check(&self, what: &str, steps: u64) {
        let Self { results, refreshed, ended, refused, expired, revoked, rotated } = self;
        let count = |counters: &[&AtomicU64]| -> u64 {
            counters.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
        };
        // Each by itself may be missing once in many runs.
        let losses = count(&[refused, expired, revoked, rotated]);
        let is_enough = count(&[results]) >= 5 * steps
            && count(&[refreshed, ended]) >= steps / 10
            && losses >= steps / 20;
        assert!(is_enough, "{what}: too little has happened: {self:?}");
    }
}

/// Violations of the rules.
pub struct Report {
    /// What has happened.
    pub tally: Tally,
    started: Instant,
    has_failed: AtomicBool,
    texts: Mutex<Vec<String>>,
}

impl Report {
    /// Nothing is wrong.
    pub fn new() -> Self {
        Self {
            tally: Tally::default(),
            started: Instant::now(),
            has_failed: AtomicBool::new(false),
            texts: Mutex::default(),
        }
    }

    /// Notes a violation.
    pub fn fail(&self, text: String) {
        self.has_failed.store(true, Ordering::Release);
        self.texts.lock().push(text);
    }

    /// Whether there is a reason to stop.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Panics with what was noted.
    pub fn check(&self, what: &str) {
        let texts = self.texts.lock();
        assert!(texts.is_empty(), "{what}: {} violations\n\n{}", texts.len(), texts[0]);
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

/// The last events of one connection.
#[derive(Default)]
pub struct Trace(VecDeque<String>);

impl Trace {
    /// Adds a line.
    pub fn line(&mut self, report: &Report, text: impl Into<String>) {
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        let mut text = text.into();
        if let Some((at, _)) = text.char_indices().nth(400) {
            text.truncate(at);
            text.push('…');
        }
        let at = report.started.elapsed().as_secs_f64();
        self.0.push_back(format!("{at:9.4} {text}"));
    }

    /// All of them.
    pub fn text(&self) -> String {
        self.0.iter().map(|line| format!("  {line}\n")).collect()
    }
}
