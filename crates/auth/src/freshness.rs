//! For how long an answer may be kept: `Cache-Control` (RFC 9111, section 5.2.2) and `Expires`
//! (section 5.3).

use std::time::{Duration, SystemTime};

/// What an answer says of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// It says nothing that can be read.
    Unknown,
    /// It is good for so long.
    For(Duration),
}

/// Reads both values; `Cache-Control` wins where it says something. Forbidding to keep the answer is
/// a life of nothing.
pub(crate) fn read(
    cache_control: Option<&str>,
    expires: Option<&str>,
    now: SystemTime,
) -> Freshness {
    match (cache_control.and_then(directives), expires) {
        (Some(life), _) => Freshness::For(life),
        (None, Some(date)) => match httpdate::parse_http_date(date.trim()) {
            Ok(date) => Freshness::For(date.duration_since(now).unwrap_or_default()),
            Err(_) => Freshness::Unknown,
        },
        (None, None) => Freshness::Unknown,
    }
}

fn directives(value: &str) -> Option<Duration> {
    let mut life = None;
    for directive in value.split(',') {
        let (name, argument) = match directive.split_once('=') {
            Some((name, argument)) => (name.trim(), argument.trim().trim_matches('"')),
            None => (directive.trim(), ""),
        };
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        let is_age = name.eq_ignore_ascii_case("max-age") || name.eq_ignore_ascii_case("s-maxage");
        if let (true, Ok(seconds)) = (is_age, argument.parse::<u64>()) {
            // The shorter of the two, if there are both.
            let found = Duration::from_secs(seconds);
            life = Some(life.map_or(found, |other: Duration| other.min(found)));
        }
    }
    life
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |n| Freshness::For(Duration::from_secs(n));
        let rows = [
            (None, None, Freshness::Unknown),
            (Some("max-age=600"), None, seconds(600)),
            (Some("public, Max-Age=\"5\""), None, seconds(5)),
            (Some("s-maxage=9, max-age=3"), None, seconds(3)),
            (Some("max-age=9, no-cache"), None, seconds(0)),
            (Some("no-store"), Some("Sun, 06 Nov 1994 08:50:37 GMT"), seconds(0)),
            (Some("must-revalidate"), Some("Sun, 06 Nov 1994 08:50:37 GMT"), seconds(60)),
            (Some("max-age=-1"), None, Freshness::Unknown),
            (Some("max-age=99999999999999999999999"), None, Freshness::Unknown),
            (None, Some("Sun, 06 Nov 1994 08:50:37 GMT"), seconds(60)),
            (None, Some("Sun, 06 Nov 1994 08:00:00 GMT"), seconds(0)),
            (None, Some("tomorrow"), Freshness::Unknown),
        ];
        for (cache_control, expires, expected) in rows {
            assert_eq!(
                read(cache_control, expires, now),
                expected,
                "{cache_control:?} {expires:?}"
            );
        }
    }
}
