//! Token buckets of eight bytes.
//!
//! A bucket is the time at which it will be full again (the generic cell rate algorithm, ITU-T
//! I.371): one number says all that a count of tokens and a time of the last refill would.

use std::time::Duration;

use super::config::RateLimit;

/// Nanoseconds since some moment that does not matter.
pub(crate) type Ticks = u64;

/// What buckets of one kind have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// How long one token takes to come back.
    interval: Ticks,
    /// How long an empty bucket takes to be full.
    depth: Ticks,
}

impl Rate {
    /// `None` if there is no limit.
    pub fn new(limit: RateLimit) -> Option<Self> {
        if limit.per_second == 0 {
            return None;
        }
        let interval = 1_000_000_000 / u64::from(limit.per_second).min(1_000_000_000);
        Some(Self { interval, depth: interval * u64::from(limit.burst.max(1)) })
    }

    /// One token comes back after `interval`, and `burst` fit.
    pub fn every(interval: Duration, burst: u32) -> Self {
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX >> 32).max(1);
        Self { interval, depth: interval.saturating_mul(u64::from(burst.max(1))) }
    }
}

/// When the bucket is full again; a new bucket is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bucket(pub Ticks);

impl Bucket {
    /// Takes a token, or says how long it will take until there is one.
    pub fn try_take(&mut self, rate: Rate, now: Ticks) -> Result<(), Duration> {
        let full_at = self.0.max(now) + rate.interval;
        match full_at.checked_sub(now + rate.depth) {
            None | Some(0) => {
                self.0 = full_at;
                Ok(())
            }
            Some(wait) => Err(Duration::from_nanos(wait)),
        }
    }

    /// Takes tokens whether they are there or not, and says how long it will take until the debt is
    /// paid. A debt of more than `most` is forgiven.
    pub fn take(&mut self, rate: Rate, now: Ticks, tokens: u64, most: Duration) -> Duration {
        let cost = rate.interval.saturating_mul(tokens);
        let empty_at = now.saturating_add(rate.depth);
        let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        self.0 = self.0.max(now).saturating_add(cost).min(empty_at.saturating_add(most));
        Duration::from_nanos(self.0.saturating_sub(empty_at))
    }

    /// How many tokens there are.
    pub fn left(self, rate: Rate, now: Ticks) -> u64 {
        let missing = self.0.saturating_sub(now);
        rate.depth.saturating_sub(missing) / rate.interval
    }

    /// How long it will take until a debt is paid.
    pub fn debt(self, rate: Rate, now: Ticks) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(now.saturating_add(rate.depth)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const SECOND: Ticks = 1_000_000_000;

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate::new(RateLimit { per_second, burst }).unwrap()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let rate = rate(10, 3);
        let mut bucket = Bucket::default();
        let now = 5 * SECOND;
        for _ in 0..3 {
            assert_eq!(bucket.try_take(rate, now), Ok(()));
        }
        assert_eq!(bucket.try_take(rate, now), Err(Duration::from_millis(100)));
        // A refusal costs nothing.
        assert_eq!(bucket.try_take(rate, now), Err(Duration::from_millis(100)));
        assert_eq!(bucket.try_take(rate, now + SECOND / 10), Ok(()));
        assert!(bucket.try_take(rate, now + SECOND / 10).is_err());
    }

    #[test]
    fn debts_are_paid_with_time_and_bounded() {
        let rate = rate(1000, 10);
        let mut bucket = Bucket::default();
        let most = Duration::from_secs(1);
        assert_eq!(bucket.take(rate, SECOND, 10, most), Duration::ZERO);
        assert_eq!(bucket.take(rate, SECOND, 500, most), Duration::from_millis(500));
        assert_eq!(bucket.debt(rate, SECOND + SECOND / 4), Duration::from_millis(250));
        assert_eq!(bucket.take(rate, SECOND, u64::MAX, most), most);
        assert_eq!(bucket.debt(rate, 2 * SECOND), Duration::ZERO);
    }

    #[test]
    fn no_rate_is_no_limit_and_no_burst_is_one() {
        assert!(Rate::new(RateLimit::NONE).is_none());
        let rate = rate(1, 0);
        let mut bucket = Bucket::default();
        assert!(bucket.try_take(rate, 0).is_ok());
        assert!(bucket.try_take(rate, 0).is_err());
    }

    proptest! {
        /// Against a bucket that counts tokens in the plain way: in every window no more than the
        /// burst and what the window brings, never a refusal while a whole token is there, and after
        /// the time that a refusal names there is one.
        #[test]
        fn it_is_a_token_bucket(
            per_second in 1u32..2000,
            burst in 1u32..50,
            steps in proptest::collection::vec(0u64..50_000_000, 1..400),
        ) {
            let rate = rate(per_second, burst);
            let interval = u128::from(SECOND / u64::from(per_second));
            let full = interval * u128::from(burst);
            let mut bucket = Bucket::default();
            // Tokens, counted in the nanoseconds that they take to come back.
            let mut level = full;
            let mut now: Ticks = 7 * SECOND;
            for step in steps {
                now += step;
                level = (level + u128::from(step)).min(full);
                let expected = level >= interval;
                let got = bucket.try_take(rate, now);
                prop_assert_eq!(got.is_ok(), expected);
                match got {
                    Ok(()) => level -= interval,
                    Err(wait) => {
                        let wait = u64::try_from(wait.as_nanos()).unwrap();
                        prop_assert_eq!(u128::from(wait), interval - level);
                        let mut later = bucket;
                        prop_assert!(later.try_take(rate, now + wait).is_ok());
                        let mut early = bucket;
                        prop_assert!(early.try_take(rate, now + wait - 1).is_err());
                    }
                }
            }
        }
    }
}
