//! What a client says of itself: headers, cookies, the payload of `connection_init`.
//!
//! * Names are those that are wanted, in lower case; names and values could be headers again.
//! * Two headers that stand for the identity and differ make it malformed, in one header block or in
//!   one payload; otherwise it is what was sent. The order of headers of different names is the same
//!   to it.
//! * Without leave no cookie gets in. A cookie is found as a naive reader finds it.
//! * A payload replaces headers, and the same payload once more changes nothing.
//! * Only who sent the secret is the administrator.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use artesian_auth::credentials::{MAX_VALUE_BYTES, ROLE_HEADER, SESSION_PREFIX, Wanted};
use artesian_auth::{Auth, AuthConfig, AuthError, Credentials, admin::SECRET_HEADERS, cookie};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::value::RawValue;

/// The header of a webhook's client is all of it.
pub const EVERYTHING: u8 = 1;
/// Cookies do not count.
pub const NO_COOKIES: u8 = 2;

const SECRET: &str = "s3cret";

/// The first byte is made of flags. Then headers, one a line, and after an empty line the payload.
pub fn run(input: &[u8]) {
    let Some((flags, input)) = input.split_first() else { return };
    let at = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
    let (head, payload) = (&input[..at], input.get(at + 2..).unwrap_or_default());
    let wanted = if flags & EVERYTHING != 0 {
        Wanted::Everything
    } else {
        Wanted::Named(vec![header::AUTHORIZATION, header::COOKIE])
    };
    let sent: Vec<(HeaderName, HeaderValue)> =
        head.split(|byte| *byte == b'\n').filter_map(pair).collect();
    let with_cookies = flags & NO_COOKIES == 0;
    let headers = collected(&sent);
    let credentials = Credentials::from_headers(&headers, &wanted, with_cookies);
    valid(&credentials, &wanted);
    of_headers(&credentials, &sent, &wanted, with_cookies);
    administrator(&credentials);
    for (_, value) in sent.iter().filter(|(name, _)| name == header::COOKIE) {
        cookies(&String::from_utf8_lossy(value.as_bytes()));
    }

    let Ok(payload) = std::str::from_utf8(payload) else { return };
    let Ok(payload) = RawValue::from_string(payload.to_owned()) else { return };
    let mut alone = Credentials::default();
    alone.merge_init(Some(&payload), &wanted);
    valid(&alone, &wanted);
    of_payload(&alone, &payload);
    let mut both = credentials.clone();
    both.merge_init(Some(&payload), &wanted);
    valid(&both, &wanted);
    assert_eq!(both.is_malformed(), credentials.is_malformed() || alone.is_malformed());
    for (name, value) in both.iter() {
        assert_eq!(Some(value), alone.get(name).or(credentials.get(name)), "{name}");
    }
    let names =
        |of: &Credentials| of.iter().map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names(&both), names(&credentials).union(&names(&alone)).cloned().collect());
    let mut again = both.clone();
    again.merge_init(Some(&payload), &wanted);
    assert!(again == both);
    administrator(&both);
}

fn pair(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let at = line.windows(2).position(|pair| pair == b": ")?;
    let value = HeaderValue::from_bytes(&line[at + 2..]).ok()?;
    Some((HeaderName::from_bytes(&line[..at]).ok()?, value))
}

fn collected(sent: &[(HeaderName, HeaderValue)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in sent {
        map.append(name.clone(), value.clone());
    }
    map
}

/// Headers that say who somebody is.
fn is_identity(name: &str) -> bool {
    name.starts_with(SESSION_PREFIX) || SECRET_HEADERS.contains(&name) || name == "authorization"
}

fn valid(credentials: &Credentials, wanted: &Wanted) {
    let mut total = 0;
    for (name, value) in credentials.iter() {
        let parsed = HeaderName::try_from(name).expect("a name");
        assert_eq!(parsed.as_str(), name, "in lower case");
        HeaderValue::try_from(value).expect("a value");
        match wanted {
            Wanted::Named(_) => assert!(is_identity(name) || name == "cookie", "{name}"),
            Wanted::Everything => {
                let of_connection =
                    ["sec-websocket-key", "connection", "upgrade", "content-length"];
                assert!(!of_connection.contains(&name), "{name}");
            }
        }
        assert!(credentials.is_too_long() || value.len() <= MAX_VALUE_BYTES);
        total += value.len();
    }
    assert!(credentials.is_too_long() || total <= 64 << 10);
    for (name, value) in credentials.session() {
        assert!(name.starts_with(SESSION_PREFIX) && name != ROLE_HEADER);
        assert!(!SECRET_HEADERS.contains(&name.as_str()));
        assert_eq!(credentials.get(&name), Some(value.as_str()));
    }
    assert!(!credentials.is_empty() || credentials.iter().next().is_none());
}

fn of_headers(
    credentials: &Credentials,
    sent: &[(HeaderName, HeaderValue)],
    wanted: &Wanted,
    with_cookies: bool,
) {
    assert!(with_cookies || credentials.get("cookie").is_none());
    let mut values: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
    for (name, value) in sent {
        values.entry(name.as_str()).or_default().push(value.as_bytes());
    }
    let is_plain = |value: &[u8]| value.iter().all(|b| matches!(b, b'\t' | b' '..=b'~'));
    let mut is_malformed = false;
    for (name, values) in values.iter().filter(|(name, _)| is_identity(name)) {
        is_malformed |= values.iter().any(|value| !is_plain(value) || *value != values[0]);
        if let Some(value) = credentials.get(name) {
            assert!(values.contains(&value.as_bytes()), "{name}");
        }
    }
    assert_eq!(credentials.is_malformed(), is_malformed);
    // By names in another order.
    let mut sorted = sent.to_vec();
    sorted.sort_by(|(one, _), (two, _)| two.as_str().cmp(one.as_str()));
    assert!(Credentials::from_headers(&collected(&sorted), wanted, with_cookies) == *credentials);
}

/// Nothing of it was said in two ways, as a reader of bytes sees it: members of that name in the
/// whole payload, whatever they are in.
fn of_payload(credentials: &Credentials, payload: &RawValue) {
    if credentials.is_malformed() {
        return;
    }
    for (name, value) in credentials.iter().filter(|(name, _)| is_identity(name)) {
        let mut found = Vec::new();
        places(payload, 0, name, &mut found);
        assert!(!found.is_empty() && found.iter().all(|said| said == value), "{name}");
    }
}

/// Every member of this name, with duplicates, on the levels that count.
fn places(object: &RawValue, depth: u8, name: &str, found: &mut Vec<String>) {
    for (key, value) in members(object.get()) {
        let lower = key.to_ascii_lowercase();
        let is_wrapper = lower == "connectionparams" && depth == 0;
        if lower == name {
            let text = serde_json::from_str(value.get());
            found.push(text.unwrap_or_else(|_| value.get().to_owned()));
        } else if key == "token" && name == "authorization" && depth == 1 {
            if let Ok(token) = serde_json::from_str::<String>(value.get()) {
                found.push(format!("Bearer {token}"));
            }
        } else if is_wrapper {
            places(&value, 1, name, found);
        }
        if lower == "headers" && depth < 2 {
            places(&value, 2, name, found);
        }
    }
}

/// The members of an object, in order; by cutting the text, since a map would lose duplicates.
fn members(text: &str) -> Vec<(String, Box<RawValue>)> {
    let Some(mut rest) = text.trim().strip_prefix('{') else { return Vec::new() };
    let mut all = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\n', '\t', '\r', ',']);
        let mut keys = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        let Some(Ok(key)) = keys.next() else { return all };
        rest = &rest[keys.byte_offset()..];
        rest = rest.trim_start_matches([' ', '\n', '\t', '\r', ':']);
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Box<RawValue>>();
        let Some(Ok(value)) = values.next() else { return all };
        rest = &rest[values.byte_offset()..];
        all.push((key, value));
    }
}

fn cookies(header: &str) {
    let naive = |name: &str| -> Vec<String> {
        let mut values = Vec::new();
        for part in header.split(';') {
            let trimmed = part.trim_matches([' ', '\t']);
            let Some(at) = trimmed.find('=') else { continue };
            if trimmed[..at].trim_end_matches([' ', '\t']) == name {
                let value = trimmed[at + 1..].trim_start_matches([' ', '\t']);
                let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
                values.push(inner.unwrap_or(value).to_owned());
            }
        }
        values
    };
    for name in ["session", "a", ""] {
        let values = naive(name);
        match cookie::find(header, name) {
            Ok(None) => assert!(values.is_empty()),
            Ok(Some(found)) => {
                assert!(values.iter().all(|value| value == found) && !values.is_empty())
            }
            Err(error) => {
                assert_eq!(error, AuthError::AmbiguousCookie);
                assert!(values.iter().any(|value| *value != values[0]));
            }
        }
    }
}

/// With a secret and nothing else, who has no secret is refused, and doubt is refused.
fn administrator(credentials: &Credentials) {
    static AUTH: OnceLock<Auth> = OnceLock::new();
    let auth = AUTH.get_or_init(|| {
        Auth::start(AuthConfig::with_secrets(vec![SECRET.to_owned()])).expect("settings")
    });
    let asked = pin!(auth.authenticate(credentials, None));
    let Poll::Ready(answer) = asked.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("a secret needs no waiting");
    };
    match answer {
        Ok(client) => {
            assert_eq!(credentials.secret(), Some(SECRET));
            assert!(!credentials.is_malformed() && !credentials.is_too_long());
            let role = credentials.get(ROLE_HEADER).map_or("admin", str::trim);
            assert_eq!(&*client.identity.role, role);
        }
        Err(AuthError::SecretMissing) => assert_eq!(credentials.secret(), None),
        Err(AuthError::SecretWrong) => assert_ne!(credentials.secret(), Some(SECRET)),
        Err(AuthError::TooLong(_)) => assert!(credentials.is_too_long()),
        Err(AuthError::BadHeader) => assert!(credentials.is_malformed()),
        Err(AuthError::EmptyRole) => {
            assert_eq!(credentials.get(ROLE_HEADER).map(str::trim), Some(""));
        }
        Err(other) => panic!("{other:?}"),
    }
}
