//! What went wrong, and how it came to that.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use parking_lot::Mutex;

/// Lines of a trace that are kept.
const LINES: usize = 80;

/// Violations of the rules.
pub struct Report {
    started: Instant,
    has_failed: AtomicBool,
    texts: Mutex<Vec<String>>,
}

impl Report {
    /// Nothing is wrong.
    pub fn new() -> Self {
        Self {
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
