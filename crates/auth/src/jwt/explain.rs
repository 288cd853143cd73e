//! Why a token is refused, for who made the settings. Clients never get this: it quotes what the token
//! says of itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{
    config::JwtConfig,
    keys::KeySet,
    token::{Claims, Stated},
};
use crate::{AuthError, error::TokenError};

/// The most characters that are shown of a value, and the most values of a list.
const LONGEST: usize = 100;
const MOST: usize = 10;

/// What more there is to say of an error.
pub(crate) fn detail(
    error: &AuthError,
    token: &str,
    config: &JwtConfig,
    keys: Option<&KeySet>,
) -> Option<String> {
    let Some(Stated { header, claims }) = Stated::of(token) else {
        let shape = "a token consists of three parts of Base64 (URL alphabet) with dots between them, \
                     the first two of which are JSON objects";
        return Some(shape.to_owned());
    };
    let date = |name: &str| claims.get(name).and_then(Value::as_f64).map(date_of_claim);
    match error {
        AuthError::Token(TokenError::Algorithm) => {
            let known: Vec<_> = keys.map(KeySet::summary).unwrap_or_default().into_keys().collect();
            Some(format!(
                "its `alg` is {}; the keys are for {}",
                value_of(&header, "alg"),
                known.join("; ")
            ))
        }
        AuthError::Token(TokenError::UnknownKey) => {
            let known = keys.map(|keys| list(keys.ids().map(quoted))).unwrap_or_default();
            Some(format!("its `kid` is {}; known are {known}", value_of(&header, "kid")))
        }
        AuthError::Token(TokenError::Critical) => {
            Some(format!("its `crit` is {}", value_of(&header, "crit")))
        }
        AuthError::Token(TokenError::Signature) => Some(format!(
            "it was signed with another key, or changed since; its `iss` is {}",
            value_of(&claims, "iss")
        )),
        AuthError::Token(TokenError::Expired) => {
            date("exp").map(|date| format!("it expired {date}"))
        }
        AuthError::Token(TokenError::NotYetValid) => {
            date("nbf").map(|date| format!("it begins {date}. `allowed_skew` allows for clocks"))
        }
        AuthError::Token(TokenError::IssuedInFuture) => {
            date("iat").map(|date| format!("it was made {date}. `allowed_skew` allows for clocks"))
        }
        AuthError::Token(TokenError::Audience) => {
            let wanted = config.audience.iter().flatten().map(|one| quoted(one));
            Some(format!(
                "its `aud` is {}; the settings ask for {}",
                value_of(&claims, "aud"),
                list(wanted)
            ))
        }
        AuthError::Token(TokenError::Issuer) => Some(format!(
            "its `iss` is {}; the settings ask for {}",
            value_of(&claims, "iss"),
            config.issuer.as_deref().map(quoted).unwrap_or_default()
        )),
        AuthError::Token(TokenError::BadClaim) => {
            let names = ["exp", "nbf", "iat"].into_iter().filter(|name| claims.contains_key(*name));
            let stated = names.map(|name| format!("`{name}` is {}", value_of(&claims, name)));
            Some(format!("times are numbers of seconds since 1970; its {}", list(stated)))
        }
        AuthError::Claims(_) | AuthError::RoleClaimMissing(_) => {
            Some(format!("its claims are {}", list(claims.keys().map(|name| quoted(name)))))
        }
        AuthError::RoleNotAllowed => {
            let granted = super::claims::granted(claims, &config.claims).ok()?;
            Some(format!(
                "allowed are {}",
                list(granted.allowed_roles.iter().map(|one| quoted(one)))
            ))
        }
        _ => None,
    }
}

/// Text that a terminal may show: nothing in it moves the cursor, and it is not long.
pub fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

/// A moment, and how far away it is.
pub fn moment(time: SystemTime) -> String {
    /// The year 10000, which the format of dates does not reach.
    const LATEST: Duration = Duration::from_secs(253_402_300_800);
    let is_late = time.duration_since(UNIX_EPOCH).is_ok_and(|since| since >= LATEST);
    let is_early = time < UNIX_EPOCH;
    if is_late || is_early {
        return if is_late { "after the year 9999" } else { "before 1970" }.to_owned();
    }
    let distance = match time.duration_since(SystemTime::now()) {
        Ok(ahead) => format!("in {}", rough(ahead)),
        Err(past) => format!("{} ago", rough(past.duration())),
    };
    format!("{} ({distance})", httpdate::fmt_http_date(time))
}

fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn date_of_claim(seconds: f64) -> String {
    let since = Duration::try_from_secs_f64(seconds).ok();
    let time = since.and_then(|since| UNIX_EPOCH.checked_add(since));
    time.map_or_else(|| "at no real time".to_owned(), moment)
}

fn value_of(object: &Claims, name: &str) -> String {
    match object.get(name) {
        None => "missing".to_owned(),
        Some(Value::String(text)) => quoted(text),
        Some(Value::Array(many)) => list(many.iter().map(|one| match one {
            Value::String(text) => quoted(text),
            other => quoted(&other.to_string()),
        })),
        Some(other) => quoted(&other.to_string()),
    }
}

fn list(values: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = values.take(MOST + 1).collect();
    match all.get(..MOST) {
        _ if all.is_empty() => "none".to_owned(),
        Some(first) if all.len() > MOST => format!("{}, …", first.join(", ")),
        _ => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_moved() {
        assert_eq!(quoted("a\u{1b}[2J\n\"b"), "\"a\\u{1b}[2J\\n\\\"b\"");
        assert_eq!(quoted(&"é".repeat(101)).chars().count(), 103);
    }

    #[test]
    fn moments_far_away_are_told() {
        assert_eq!(date_of_claim(1e12), "after the year 9999");
        assert_eq!(date_of_claim(f64::INFINITY), "at no real time");
        assert_eq!(date_of_claim(-1.0), "at no real time");
        assert_eq!(moment(UNIX_EPOCH - Duration::from_secs(1)), "before 1970");
        assert!(date_of_claim(0.0).starts_with("Thu, 01 Jan 1970 00:00:00 GMT ("));
        let soon = moment(SystemTime::now() + Duration::from_secs(3661));
        assert!(soon.ends_with("(in 61 min)"), "{soon}");
    }
}
