//! Pauses between attempts.

use std::time::Duration;

/// So that times stay times.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A random pause between nothing and `first * 2^attempt`, at most `longest`: full jitter, so that
/// those who failed together do not come back together.
pub fn pause(first: Duration, longest: Duration, attempt: u32) -> Duration {
    ceiling(first, longest, attempt).mul_f64(fraction())
}

/// The same where the other side asks to wait for at least `least`, of which no more than `longest` is
/// respected. All who were asked to wait so long do not come back at once.
pub fn pause_of_at_least(
    least: Duration,
    first: Duration,
    longest: Duration,
    attempt: u32,
) -> Duration {
    least.min(longest).min(A_DAY) + pause(first, longest, attempt)
}

/// An interval and up to a tenth of it: what runs at equal intervals does not march in step.
pub fn spread(interval: Duration) -> Duration {
    let interval = interval.min(A_DAY);
    interval + interval.mul_f64(fraction() / 10.0)
}

/// The longest pause that [`pause`] may give: never more than a day.
pub fn ceiling(first: Duration, longest: Duration, attempt: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(attempt.min(31))).min(longest).min(A_DAY)
}

/// A random number from 0 to 1.
fn fraction() -> f64 {
    // Without randomness there is no jitter, and nothing else is lost.
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(10));
        let ceilings: Vec<u128> =
            [0, 1, 2, 6, 7, 40, u32::MAX].map(|n| ceiling(first, longest, n).as_millis()).into();
        assert_eq!(ceilings, [100, 200, 400, 6400, 10_000, 10_000, 10_000]);
        let huge = ceiling(Duration::MAX, Duration::MAX, 9);
        assert_eq!(huge, A_DAY);
    }

    #[test]
    fn what_the_other_side_asks_for_is_the_least() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(10));
        for (least, from, to) in [(0, 0, 100), (3000, 3000, 3100), (60_000, 10_000, 10_100)] {
            let least = Duration::from_millis(least);
            let pause = pause_of_at_least(least, first, longest, 0).as_millis();
            assert!((from..=to).contains(&pause), "{least:?} {pause}");
        }
        let _no_overflow = pause_of_at_least(Duration::MAX, Duration::MAX, Duration::MAX, 9);
    }

    #[test]
    fn intervals_differ_and_are_not_cut() {
        let all: Vec<Duration> = (0..64).map(|_| spread(Duration::from_secs(10))).collect();
        assert!(all.iter().all(|one| (10_000..=11_000).contains(&one.as_millis())), "{all:?}");
        assert!(all.iter().any(|one| *one < Duration::from_millis(10_500)));
        assert!(all.iter().any(|one| *one > Duration::from_millis(10_500)));
        assert!(spread(Duration::MAX) <= 2 * A_DAY);
    }

    #[test]
    fn pauses_differ() {
        let all: Vec<Duration> =
            (0..64).map(|_| pause(Duration::from_secs(8), Duration::from_secs(8), 0)).collect();
        assert!(all.iter().all(|pause| *pause <= Duration::from_secs(8)));
        assert!(all.iter().any(|pause| *pause < Duration::from_secs(4)));
        assert!(all.iter().any(|pause| *pause > Duration::from_secs(4)));
    }
}
