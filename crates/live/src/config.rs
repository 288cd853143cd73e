//! Settings of the engine.

use std::time::Duration;

/// Settings of a [`LiveEngine`](crate::LiveEngine).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Cohorts of one plan that are re-run by one statement, at most.
    pub batch_size: usize,
    /// Statements that run at the same time, at most.
    pub connections: usize,
    /// How often volatile plans are re-run, and every plan while no change
    /// feed is left.
    pub refetch_interval: Duration,
    /// The least time between the starts of two runs of one cohort. The first
    /// change after a quiet time is never delayed. A cohort whose run is
    /// costly waits longer by itself: twice the time that its last run took,
    /// though never longer than polling it would.
    pub min_interval: Duration,
    /// The pause before the first retry after a failure; each further failure
    /// doubles it.
    pub backoff_min: Duration,
    /// The longest pause between retries.
    pub backoff_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            batch_size: 100,
            connections: 4,
            refetch_interval: Duration::from_secs(1),
            min_interval: Duration::from_millis(10),
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// The same settings with what makes no sense replaced by the nearest
    /// value that does.
    pub(crate) fn sane(mut self) -> Self {
        const TICK: Duration = Duration::from_millis(1);
        self.batch_size = self.batch_size.max(1);
        self.connections = self.connections.max(1);
        self.refetch_interval = self.refetch_interval.max(TICK);
        self.backoff_min = self.backoff_min.max(TICK);
        self.backoff_max = self.backoff_max.max(self.backoff_min);
        self
    }

    /// The time from the start of a run that took `took` to the earliest
    /// start of the next.
    pub(crate) fn spacing(&self, took: Duration) -> Duration {
        let polling = took.saturating_add(self.refetch_interval);
        self.min_interval.max(took.saturating_mul(2).min(polling))
    }

    /// The pause after this many failures in a row.
    pub(crate) fn backoff(&self, failures: u32) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
        self.backoff_min.saturating_mul(doubled).min(self.backoff_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_is_twice_the_cost_but_never_worse_than_polling() {
        let config = Config::default();
        let ms = Duration::from_millis;
        assert_eq!(config.spacing(ms(0)), ms(10));
        assert_eq!(config.spacing(ms(4)), ms(10));
        assert_eq!(config.spacing(ms(300)), ms(600));
        assert_eq!(config.spacing(ms(30_000)), ms(31_000));
    }

    #[test]
    fn backoff_doubles_up_to_its_limit() {
        let config = Config::default();
        let ms = Duration::from_millis;
        assert_eq!(config.backoff(1), ms(200));
        assert_eq!(config.backoff(2), ms(400));
        assert_eq!(config.backoff(8), ms(25_600));
        assert_eq!(config.backoff(9), ms(30_000));
        assert_eq!(config.backoff(u32::MAX), ms(30_000));
    }

    #[test]
    fn nonsense_is_mended() {
        let config = Config {
            batch_size: 0,
            connections: 0,
            refetch_interval: Duration::ZERO,
            min_interval: Duration::ZERO,
            backoff_min: Duration::from_secs(2),
            backoff_max: Duration::ZERO,
        }
        .sane();
        assert_eq!((config.batch_size, config.connections), (1, 1));
        assert!(!config.refetch_interval.is_zero());
        assert_eq!(config.backoff_max, Duration::from_secs(2));
    }
}
