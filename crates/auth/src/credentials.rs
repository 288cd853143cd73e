//! What a client says of itself: headers, and the payload of `connection_init`.
//!
//! A name of the payload replaces the header of that name: it is the same client that sent both, and
//! browsers cannot set headers of an upgrade. Within one source a name that says two different
//! things says nothing, and the client is refused.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    hash::{Hash, Hasher},
};

use http::{HeaderMap, HeaderName};
use serde_json::value::RawValue;

use crate::{
    admin::SECRET_HEADERS,
    members::{Object, text},
};

/// Prefix of session variables.
pub const SESSION_PREFIX: &str = "x-hasura-";
/// The role that a client asks for.
pub const ROLE_HEADER: &str = "x-hasura-role";

/// The longest value, and the longest of all together, in bytes. Real tokens have 1 to 8 KiB.
pub const MAX_VALUE_BYTES: usize = 16 << 10;
const MAX_TOTAL_BYTES: usize = 64 << 10;

/// Headers that differ between requests of one client, or belong to one connection or event stream.
const NEVER: [&str; 15] = [
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "upgrade",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
    "content-type",
    "expect",
    "x-graphql-event-stream-token",
];

/// Which headers matter, which depends on how clients are authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Session variables, secrets, and these.
    Named(Vec<HeaderName>),
    /// Everything that is not about the connection: a webhook gets it.
    Everything,
}

impl Wanted {
    fn wants(&self, name: &str) -> bool {
        if name.starts_with(SESSION_PREFIX) || SECRET_HEADERS.contains(&name) {
            return true;
        }
        match self {
            Self::Named(names) => names.iter().any(|wanted| wanted == name),
            Self::Everything => !NEVER.contains(&name) && !name.starts_with(':'),
        }
    }

    /// Whether a header may not say two things. A token's own header is one of them; cookies have
    /// names of their own.
    fn identifies(&self, name: &str) -> bool {
        let is_known = name.starts_with(SESSION_PREFIX)
            || SECRET_HEADERS.contains(&name)
            || name == "authorization";
        is_known
            || matches!(self, Self::Named(names) if name != "cookie" && names.iter().any(|n| n == name))
    }
}

/// The headers that matter, names in lower case.
///
/// Has no `Debug` on purpose: it holds secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    values: BTreeMap<Box<str>, Box<str>>,
    is_malformed: bool,
    is_too_long: bool,
}

impl Hash for Credentials {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.values.hash(state);
    }
}

impl Credentials {
    /// The credentials among headers. Without `cookies`, the `Cookie` header is left out: its sender
    /// is the browser, and who made it send is in doubt.
    pub fn from_headers(headers: &HeaderMap, wanted: &Wanted, cookies: bool) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            let name = name.as_str();
            if !wanted.wants(name) || (name == "cookie" && !cookies) {
                continue;
            }
            let value = match value.to_str() {
                Ok(text) => Cow::Borrowed(text),
                // Pages may put anything into a cookie; that one is not ours.
                Err(_) if name == "cookie" => String::from_utf8_lossy(value.as_bytes()),
                Err(_) => {
                    found.is_malformed |= wanted.identifies(name);
                    continue;
                }
            };
            let Some(old) = found.values.get(name) else {
                found.values.insert(name.into(), (*value).into());
                continue;
            };
            if name == "cookie" {
                // HTTP/2 may split it (RFC 9113, section 8.2.3).
                let joined = format!("{old}; {value}");
                found.values.insert(name.into(), joined.into());
            } else if wanted.identifies(name) {
                found.is_malformed |= **old != *value;
            } else {
                let joined = format!("{old}, {value}");
                found.values.insert(name.into(), joined.into());
            }
        }
        found.measure();
        found
    }

    /// Whether there are none, so that nothing needs to be kept.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && !self.is_malformed && !self.is_too_long
    }

    /// Whether a header that stands for the identity is doubtful.
    pub fn is_malformed(&self) -> bool {
        self.is_malformed
    }

    /// Whether a value is longer than any real one.
    pub fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// The value of a header; the name in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| &**value)
    }

    /// The admin secret that was sent.
    pub fn secret(&self) -> Option<&str> {
        SECRET_HEADERS.iter().find_map(|name| self.get(name))
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.values.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Session variables as the client states them; worth something only beside an admin secret.
    pub fn session(&self) -> BTreeMap<String, String> {
        self.iter()
            .filter(|(name, _)| name.starts_with(SESSION_PREFIX))
            .filter(|(name, _)| *name != ROLE_HEADER && !SECRET_HEADERS.contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Adds the payload of `connection_init`: names on its top level, in `headers`, in
    /// `connectionParams` (as Apollo Router wraps them) or in `connectionParams.headers`. Values are
    /// text, numbers or booleans. A `token` in `connectionParams` stands for
    /// `Authorization: Bearer`.
    pub fn merge_init(&mut self, payload: Option<&RawValue>, wanted: &Wanted) {
        let Some(payload) = payload else { return };
        // The session has checked that it is an object or null.
        let Ok(Some(object)) = serde_json::from_str::<Option<Object>>(payload.get()) else {
            return;
        };
        let mut init = Self::default();
        init.take(&object, wanted);
        for inner in object.children("headers") {
            init.take(&inner, wanted);
        }
        for wrapper in object.children("connectionParams") {
            init.take(&wrapper, wanted);
            for inner in wrapper.children("headers") {
                init.take(&inner, wanted);
            }
            let tokens = wrapper.0.iter().filter(|(name, _)| name == "token");
            for token in tokens.filter_map(|(_, value)| text(value)) {
                if wanted.wants("authorization") {
                    init.put("authorization", &format!("Bearer {token}"), wanted);
                }
            }
        }
        self.is_malformed |= init.is_malformed;
        self.values.extend(init.values);
        self.measure();
    }

    fn take(&mut self, object: &Object<'_>, wanted: &Wanted) {
        for (name, value) in &object.0 {
            let name = name.to_ascii_lowercase();
            // Only what a header could be: `headers` and other members are not credentials.
            if !wanted.wants(&name) || HeaderName::try_from(&*name).is_err() {
                continue;
            }
            match value.get().as_bytes() {
                [b'"', ..] => match text(value) {
                    Some(text) => self.put(&name, &text, wanted),
                    None => self.is_malformed |= wanted.identifies(&name),
                },
                // Numbers and booleans, as they are written.
                [b'-' | b'0'..=b'9' | b't' | b'f', ..] => self.put(&name, value.get(), wanted),
                _ => self.is_malformed |= wanted.identifies(&name),
            }
        }
    }

    fn put(&mut self, name: &str, value: &str, wanted: &Wanted) {
        // What could not be a header cannot be passed on as one.
        if value.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            self.is_malformed |= wanted.identifies(name);
            return;
        }
        let old = self.values.insert(name.into(), value.into());
        self.is_malformed |= wanted.identifies(name) && old.is_some_and(|old| &*old != value);
    }

    fn measure(&mut self) {
        let mut total = 0;
        for (name, value) in self.iter() {
            total += name.len() + value.len();
            if value.len() > MAX_VALUE_BYTES {
                total = usize::MAX;
                break;
            }
        }
        self.is_too_long = total > MAX_TOTAL_BYTES;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn named() -> Wanted {
        Wanted::Named(vec![http::header::AUTHORIZATION, http::header::COOKIE])
    }

    fn headers(pairs: &[(&str, &str)], wanted: &Wanted, cookies: bool) -> Credentials {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        Credentials::from_headers(&map, wanted, cookies)
    }

    fn init(mut credentials: Credentials, payload: &str) -> Credentials {
        let raw = RawValue::from_string(payload.to_owned()).unwrap();
        credentials.merge_init(Some(&raw), &named());
        credentials
    }

    fn pairs(credentials: &Credentials) -> Vec<(&str, &str)> {
        credentials.iter().collect()
    }

    #[test]
    fn keeps_what_matters() {
        let sent = [
            ("authorization", "Bearer t"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("x-hasura-role", "user"),
            ("x-request-id", "7"),
            ("sec-websocket-key", "k"),
            ("x-graphql-event-stream-token", "t"),
            ("accept", "a"),
            ("accept", "b"),
        ];
        let some = headers(&sent, &named(), true);
        let expected =
            [("authorization", "Bearer t"), ("cookie", "a=1; b=2"), ("x-hasura-role", "user")];
        assert_eq!(pairs(&some), expected);
        let none = headers(&sent, &Wanted::Named(Vec::new()), true);
        assert_eq!(pairs(&none), [("x-hasura-role", "user")]);
        let all = headers(&sent, &Wanted::Everything, false);
        assert_eq!(all.get("accept"), Some("a, b"));
        assert_eq!(all.get("x-request-id"), Some("7"));
        assert_eq!((all.get("sec-websocket-key"), all.get("cookie")), (None, None));
        assert_eq!(all.get("x-graphql-event-stream-token"), None);
    }

    #[test]
    fn what_says_two_things_says_nothing() {
        for name in ["x-hasura-role", "authorization", "x-hasura-admin-secret"] {
            assert!(headers(&[(name, "a"), (name, "b")], &named(), true).is_malformed());
            assert!(!headers(&[(name, "a"), (name, "a")], &named(), true).is_malformed());
            let twice = format!(r#"{{"{name}":"a","headers":{{"{name}":"b"}}}}"#);
            assert!(init(Credentials::default(), &twice).is_malformed());
            for odd in ["[]", "{}", "null", "\"a\\nb\""] {
                let odd = format!(r#"{{"headers":{{"{name}":{odd}}}}}"#);
                assert!(init(Credentials::default(), &odd).is_malformed(), "{odd}");
            }
        }
        // Members may be there twice, too.
        for twice in [
            r#"{"authorization":"a","authorization":"b"}"#,
            r#"{"headers":{"authorization":"a"},"headers":{"authorization":"b"}}"#,
            r#"{"connectionParams":{"token":"a","token":"b"}}"#,
        ] {
            assert!(init(Credentials::default(), twice).is_malformed(), "{twice}");
            let same = twice.replace("\"b\"", "\"a\"");
            assert!(!init(Credentials::default(), &same).is_malformed(), "{same}");
        }
        // The two cases of a name are one name.
        let cases = r#"{"Authorization":"a","authorization":"b"}"#;
        assert!(init(Credentials::default(), cases).is_malformed());
    }

    #[test]
    fn a_header_of_the_token_says_one_thing_too() {
        let own = Wanted::Named(vec![HeaderName::from_static("x-token")]);
        assert!(headers(&[("x-token", "a"), ("x-token", "b")], &own, true).is_malformed());
        assert!(!headers(&[("x-token", "a"), ("x-token", "a")], &own, true).is_malformed());
        assert!(!headers(&[("x-token", "a"), ("x-token", "b")], &named(), true).is_malformed());
        let raw = r#"{"x-token":"a","headers":{"X-Token":"b"}}"#.to_owned();
        let mut found = Credentials::default();
        found.merge_init(Some(&RawValue::from_string(raw).unwrap()), &own);
        assert!(found.is_malformed());
    }

    #[test]
    fn the_payload_comes_in_many_shapes() {
        let rows = [
            (r#"{"Authorization":"Bearer t"}"#, "Bearer t"),
            (r#"{"headers":{"authorization":"Bearer t"}}"#, "Bearer t"),
            (r#"{"Headers":{"AUTHORIZATION":"Bearer t"},"lazy":true}"#, "Bearer t"),
            (r#"{"connectionParams":{"authorization":"Bearer t"}}"#, "Bearer t"),
            (r#"{"connectionParams":{"headers":{"authorization":"Bearer t"}}}"#, "Bearer t"),
            (r#"{"connectionParams":{"token":"t"}}"#, "Bearer t"),
        ];
        for (payload, expected) in rows {
            let found = init(headers(&[("authorization", "old")], &named(), true), payload);
            assert_eq!(found.get("authorization"), Some(expected), "{payload}");
            assert!(!found.is_malformed());
        }
        for nothing in ["{}", "null", r#"{"headers":null}"#, r#"{"headers":"x","token":"t"}"#] {
            assert!(init(Credentials::default(), nothing).is_empty(), "{nothing}");
        }
        let number = init(Credentials::default(), r#"{"x-hasura-user-id":7,"x-hasura-vip":true}"#);
        assert_eq!(pairs(&number), [("x-hasura-user-id", "7"), ("x-hasura-vip", "true")]);
    }

    #[test]
    fn a_cookie_that_is_not_ascii_is_not_in_the_way_of_others() {
        let mut map = HeaderMap::new();
        for cookie in ["name=Jürgen; session=t".as_bytes(), b"odd=\xff"] {
            map.append("cookie", http::HeaderValue::from_bytes(cookie).unwrap());
        }
        map.append("x-hasura-user-id", http::HeaderValue::from_bytes("ü".as_bytes()).unwrap());
        let found = Credentials::from_headers(&map, &named(), true);
        let cookie = found.get("cookie").unwrap();
        assert_eq!(crate::cookie::find(cookie, "session"), Ok(Some("t")));
        // What stands for the identity is plain text or nothing.
        assert!(found.is_malformed());
    }

    #[test]
    fn length_is_bounded() {
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        assert!(headers(&[("authorization", &long)], &named(), true).is_too_long());
        assert!(!headers(&[("user-agent", &long)], &named(), true).is_too_long());
        let payload = format!(r#"{{"authorization":"{long}"}}"#);
        assert!(init(Credentials::default(), &payload).is_too_long());
        let longest = "x".repeat(MAX_VALUE_BYTES);
        assert!(!headers(&[("authorization", &longest)], &named(), true).is_too_long());
    }

    #[test]
    fn secrets_are_no_session_variables() {
        let sent = [
            ("x-hasura-admin-secret", "s"),
            ("x-hasura-access-key", "s"),
            ("x-hasura-role", "r"),
            ("x-hasura-user-id", "1"),
        ];
        let session = headers(&sent, &named(), true).session();
        assert_eq!(
            session.into_iter().collect::<Vec<_>>(),
            [("x-hasura-user-id".to_owned(), "1".to_owned())]
        );
    }

    proptest! {
        #[test]
        fn any_payload_is_read(payload in "[\\[\\]{}\":,a-z0-9 x-]{0,120}") {
            if let Ok(raw) = RawValue::from_string(payload) {
                let mut credentials = Credentials::default();
                credentials.merge_init(Some(&raw), &Wanted::Everything);
                for (name, value) in credentials.iter() {
                    prop_assert!(HeaderName::try_from(name).is_ok());
                    prop_assert!(http::HeaderValue::try_from(value).is_ok());
                }
            }
        }
    }
}
