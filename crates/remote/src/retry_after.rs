//! `Retry-After` (RFC 9110, section 10.2.3): how long a service asks to be left alone.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

use crate::RemoteError;

/// What an answer with this status and these headers means if it asks to wait. Other statuses than 429
/// and 503 do not.
pub(crate) fn asked_to_wait(status: u16, headers: &HeaderMap) -> Option<RemoteError> {
    if !matches!(status, 429 | 503) {
        return None;
    }
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let retry_after = read(value, SystemTime::now())?;
    Some(RemoteError::Unavailable { status, retry_after })
}

/// Seconds or a date; one that has passed asks for nothing.
fn read(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn seconds_and_dates() {
        let now = httpdate::parse_http_date("Fri, 31 Dec 1999 23:59:00 GMT").unwrap();
        for (value, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some(59)),
            ("Fri, 31 Dec 1999 23:58:59 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(read(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn of_which_statuses() {
        let mut headers = HeaderMap::new();
        assert_eq!(asked_to_wait(503, &headers), None);
        headers.insert(header::RETRY_AFTER, "7".parse().unwrap());
        let retry_after = Duration::from_secs(7);
        for status in [429, 503] {
            let expected = RemoteError::Unavailable { status, retry_after };
            assert_eq!(asked_to_wait(status, &headers), Some(expected));
        }
        // A redirect may have it as well.
        for status in [200, 301, 500, 502] {
            assert_eq!(asked_to_wait(status, &headers), None);
        }
    }
}
