//! Values of settings that may be written in several ways.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// The longest time that makes sense.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Milliseconds, or a text such as `500ms`, `30s`, `5m`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let read = match &value {
        Value::Number(number) => number.as_u64().map(Duration::from_millis),
        Value::String(text) => read_duration(text),
        _ => None,
    };
    let read = read
        .ok_or_else(|| D::Error::custom("expected milliseconds, or `500ms`, `30s`, `5m`, `1h`"))?;
    if read > A_DAY {
        return Err(D::Error::custom("expected at most a day"));
    }
    Ok(read)
}

fn read_duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let number: u64 = number.parse().ok()?;
    let scale = match unit.trim_start() {
        "" | "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return None,
    };
    number.checked_mul(scale).map(Duration::from_millis)
}

/// A text, or a list of texts.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(vec![text]),
        list @ Value::Array(_) => {
            Vec::deserialize(list).map_err(|_| D::Error::custom("expected a list of texts"))
        }
        _ => Err(D::Error::custom("expected a text or a list of texts")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let cases = [
            ("0", 0),
            ("7", 7),
            ("500ms", 500),
            ("30s", 30_000),
            ("5 m", 300_000),
            ("1h", 3_600_000),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(read_duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "-1s", "1.5s", "5d", "99999999999999999999s", "9999999999999999999h"]
        {
            assert_eq!(read_duration(text), None, "{text}");
        }
    }
}
