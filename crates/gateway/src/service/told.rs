//! The log of what clients are not told: why a service cannot be reached.

use std::time::Duration;

use artesian_remote::RemoteError;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How often the log warns of one service at most, however many clients ask; the rest is of the level
/// `debug`.
const EVERY: Duration = Duration::from_secs(10);

/// When the log last warned.
#[derive(Default)]
pub(super) struct Told(Mutex<Option<Instant>>);

impl Told {
    /// Logs an error in detail.
    pub fn log(&self, service: &str, error: &RemoteError) {
        let error = error.in_detail();
        if self.is_due() {
            tracing::warn!(service, error, "a request of a client failed");
        } else {
            tracing::debug!(service, error, "a request of a client failed");
        }
    }

    /// Whether the last warning is long enough ago; then there is one now.
    fn is_due(&self) -> bool {
        let now = Instant::now();
        let mut told = self.0.lock();
        let is_due = told.is_none_or(|last| now.saturating_duration_since(last) >= EVERY);
        if is_due {
            *told = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_warning_now_and_then() {
        let told = Told::default();
        for _ in 0..2 {
            assert!(told.is_due());
            assert!(!told.is_due());
            tokio::time::advance(EVERY - Duration::from_millis(1)).await;
            assert!(!told.is_due());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
    }
}
