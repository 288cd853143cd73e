//! Which pages of other origins may call, and whether the browser's cookies count when they do
//! (decision 11). Browsers apply the Fetch standard's CORS protocol to HTTP, but not to upgrades, nor
//! to requests that are simple: there the server has to.

mod preflight;
mod sender;

use artesian_auth::origin::OriginPattern;
use artesian_protocol::http::CsrfRule;
use http::{HeaderMap, header::COOKIE, request::Parts};

use self::sender::Sender;
use super::channel::TOKEN_HEADER;
use crate::{ConfigError, Cors, ServerConfig};

/// The rules, checked and taken apart. See [`Cors`].
pub(crate) enum CorsRules {
    /// Every origin, cookies of our own pages only.
    Default,
    /// Every origin, with cookies.
    AllowAll,
    /// These, with cookies.
    List(Vec<OriginPattern>),
    /// None.
    Disabled {
        /// Whether cookies of upgrades count all the same.
        read_cookies: bool,
    },
}

/// An upgrade that is not to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pages of this origin may not connect")]
pub(crate) struct OriginRefused;

impl Sender {
    fn is_among(&self, patterns: &[OriginPattern]) -> bool {
        match self {
            Self::Own => true,
            Self::Other(origin) => patterns.iter().any(|pattern| pattern.matches(origin)),
            Self::Unknown => false,
        }
    }
}

impl CorsRules {
    /// The rules of the settings.
    ///
    /// # Errors
    /// A member of the list is no origin.
    pub fn new(config: &ServerConfig) -> Result<Self, ConfigError> {
        let parse = |text: &String| {
            OriginPattern::parse(text).ok_or_else(|| ConfigError::BadOrigin(text.clone()))
        };
        Ok(match &config.cors {
            Cors::Default => Self::Default,
            Cors::AllowAll => Self::AllowAll,
            Cors::Disabled => Self::Disabled { read_cookies: config.ws_read_cookie },
            Cors::List(list) => Self::List(list.iter().map(parse).collect::<Result<_, _>>()?),
        })
    }

    /// Whether a WebSocket upgrade may go on, and if so whether its cookies count. Clients that are
    /// no browsers send no `Origin`, and their cookies do.
    ///
    /// # Errors
    /// There is a list, and the page is of an origin that is not on it, or of none.
    pub fn upgrade(&self, headers: &HeaderMap) -> Result<bool, OriginRefused> {
        let sender = Sender::of(headers);
        let cookies = match self {
            Self::AllowAll | Self::Disabled { read_cookies: true } => true,
            Self::Default => sender == Sender::Own,
            Self::List(patterns) if sender.is_among(patterns) => true,
            Self::List(_) => return Err(OriginRefused),
            // As Hasura does: with an `Origin`, whichever it is, they do not count.
            Self::Disabled { .. } => sender == Sender::Own && !headers.contains_key("origin"),
        };
        note(cookies, headers);
        Ok(cookies)
    }

    /// Whether the cookies of an HTTP request count. What a page of another origin asks goes on
    /// without them: it may have sent its credentials in headers.
    pub fn cookies(&self, parts: &Parts) -> bool {
        let cookies = match self {
            Self::AllowAll => true,
            Self::Default => Sender::of(&parts.headers) == Sender::Own,
            Self::List(patterns) => Sender::of(&parts.headers).is_among(patterns),
            // Who switches CORS off may have a proxy that does it. What is not simple has passed its
            // preflight.
            Self::Disabled { .. } => Sender::of(&parts.headers) == Sender::Own || !is_simple(parts),
        };
        note(cookies, &parts.headers);
        cookies
    }
}

/// Whether a page of another origin can send a request without a preflight, by the strict rule: even
/// one that is not in force says what is simple.
fn is_simple(parts: &Parts) -> bool {
    let method = parts.method.as_str();
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    matches!(method, "GET" | "HEAD" | "POST")
        && !parts.headers.contains_key(TOKEN_HEADER)
        && CsrfRule::Strict.check(method, headers).is_err()
}

/// Who wonders where the cookie is shall find out.
fn note(cookies: bool, headers: &HeaderMap) {
    if !cookies && headers.contains_key(COOKIE) {
        tracing::debug!("the cookies of a request do not count: it is from another origin");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::{HeaderName, HeaderValue, Request};

    use super::*;

    const APP: &str = "https://app.example.com";
    const EVIL: &str = "https://evil.example.org";

    type Pairs = &'static [(&'static str, &'static str)];

    fn rules(cors: Cors, ws_read_cookie: bool) -> CorsRules {
        CorsRules::new(&ServerConfig { cors, ws_read_cookie, ..ServerConfig::default() }).unwrap()
    }

    /// One of each kind: default, all, list, disabled, disabled with `ws_read_cookie`.
    fn every() -> [CorsRules; 5] {
        [
            rules(Cors::Default, false),
            rules(Cors::AllowAll, false),
            rules(Cors::List(vec![APP.into(), "https://*.shop.example".into()]), false),
            rules(Cors::Disabled, false),
            rules(Cors::Disabled, true),
        ]
    }

    fn parts(method: &str, pairs: Pairs) -> Parts {
        let mut request = Request::builder().method(method).uri("/graphql").body(()).unwrap();
        request.headers_mut().insert("host", HeaderValue::from_static("here:8080"));
        for (name, value) in pairs {
            let name = HeaderName::from_static(name);
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
        request.into_parts().0
    }

    /// What a request says, and what becomes of it by each kind of rule: as an upgrade, as one that
    /// needs no preflight, and as one that does. c: with cookies, -: without, x: refused.
    const ROWS: [(Pairs, &str, &str, &str); 14] = [
        (&[], "ccccc", "ccccc", "ccccc"),
        (&[("origin", "http://here:8080")], "ccc-c", "ccccc", "ccccc"),
        (&[("origin", "http://here")], "-cx-c", "-c---", "-c-cc"),
        (&[("origin", APP)], "-cc-c", "-cc--", "-cccc"),
        (&[("origin", "https://APP.example.com:443")], "-cc-c", "-cc--", "-cccc"),
        (&[("origin", "https://app.example.com:8443")], "-cx-c", "-c---", "-c-cc"),
        (&[("origin", "http://app.example.com")], "-cx-c", "-c---", "-c-cc"),
        (&[("origin", "https://a.shop.example")], "-cc-c", "-cc--", "-cccc"),
        (&[("origin", "https://a.b.shop.example")], "-cx-c", "-c---", "-c-cc"),
        (&[("origin", EVIL)], "-cx-c", "-c---", "-c-cc"),
        (&[("origin", "null")], "-cx-c", "-c---", "-c-cc"),
        (&[("origin", APP), ("origin", APP)], "-cx-c", "-c---", "-c-cc"),
        (&[("sec-fetch-site", "cross-site")], "-cx-c", "-c---", "-c-cc"),
        (&[("sec-fetch-site", "same-origin")], "ccccc", "ccccc", "ccccc"),
    ];

    #[test]
    fn cookies_count_as_the_rules_say() {
        for (row, upgrade, simple, other) in ROWS {
            let headers = parts("GET", row).headers;
            let outcome = |rules: &CorsRules| match rules.upgrade(&headers) {
                Ok(true) => 'c',
                Ok(false) => '-',
                Err(OriginRefused) => 'x',
            };
            assert_eq!(every().iter().map(outcome).collect::<String>(), upgrade, "{row:?}");
            for (method, expected) in [
                ("GET", simple),
                ("HEAD", simple),
                ("POST", simple),
                ("PUT", other),
                ("DELETE", other),
            ] {
                let parts = parts(method, row);
                let outcome = |rules: &CorsRules| if rules.cookies(&parts) { 'c' } else { '-' };
                let got: String = every().iter().map(outcome).collect();
                assert_eq!(got, expected, "{method} {row:?}");
            }
        }
    }

    #[test]
    fn a_preflight_makes_the_difference_if_cors_is_disabled() {
        let rows: [(&str, Pairs, bool); 7] = [
            ("POST", &[("origin", EVIL), ("content-type", "text/plain")], false),
            ("POST", &[("origin", EVIL), ("content-type", "application/json")], true),
            ("GET", &[("origin", EVIL), ("accept", "text/event-stream")], false),
            ("GET", &[("origin", EVIL), ("content-type", "message/http")], false),
            ("GET", &[("origin", EVIL), ("graphql-require-preflight", "1")], true),
            ("GET", &[("origin", EVIL), ("x-graphql-event-stream-token", "t")], true),
            ("GET", &[("origin", "null"), ("graphql-require-preflight", "")], false),
        ];
        for (method, row, expected) in rows {
            let parts = parts(method, row);
            assert_eq!(rules(Cors::Disabled, true).cookies(&parts), expected, "{row:?}");
            assert!(!rules(Cors::Default, false).cookies(&parts));
        }
    }

    #[test]
    fn a_list_must_be_one_of_origins() {
        for bad in ["", "*", "example.com", "https://*", "https://a.*.com", "https://u@a"] {
            let config =
                ServerConfig { cors: Cors::List(vec![bad.into()]), ..ServerConfig::default() };
            let error = CorsRules::new(&config).err();
            assert_eq!(error, Some(ConfigError::BadOrigin(bad.into())));
        }
    }
}
