//! Which origins may call (the Fetch standard's CORS protocol), and the same rule for upgrades, to
//! which browsers do not apply it themselves.

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
    },
};

use super::body::Body;
use crate::{ConfigError, Cors};

/// The rules, checked and taken apart.
pub(crate) enum CorsRules {
    /// Every origin, without credentials.
    AllowAll,
    /// These, with credentials.
    List(Vec<Pattern>),
    /// None.
    Disabled,
}

/// `scheme://host[:port]`, the host's first label may stand for any one label.
pub(crate) struct Pattern {
    scheme: String,
    /// With the port; without the `*.` of a pattern.
    host: String,
    is_wildcard: bool,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, ConfigError> {
        let bad = || ConfigError::BadOrigin(text.to_owned());
        let lower = text.trim().trim_end_matches('/').to_ascii_lowercase();
        let (scheme, host) = lower.split_once("://").ok_or_else(bad)?;
        let (is_wildcard, host) = match host.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, host),
        };
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        if scheme.is_empty() || host.is_empty() || !host.bytes().all(is_plain) {
            return Err(bad());
        }
        Ok(Self { scheme: scheme.to_owned(), host: host.to_owned(), is_wildcard })
    }

    fn matches(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let Some((scheme, host)) = origin.split_once("://") else { return false };
        if scheme != self.scheme {
            return false;
        }
        if !self.is_wildcard {
            return host == self.host;
        }
        let label = host.strip_suffix(&self.host).and_then(|rest| rest.strip_suffix('.'));
        label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
    }
}

impl CorsRules {
    /// The rules of a setting.
    pub fn new(setting: &Cors) -> Result<Self, ConfigError> {
        Ok(match setting {
            Cors::AllowAll => Self::AllowAll,
            Cors::Disabled => Self::Disabled,
            Cors::List(list) => {
                Self::List(list.iter().map(|p| Pattern::parse(p)).collect::<Result<_, _>>()?)
            }
        })
    }

    fn lists(patterns: &[Pattern], headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
        let Ok(origin) = origin.to_str() else { return false };
        patterns.iter().any(|pattern| pattern.matches(origin)) || is_same_origin(origin, headers)
    }

    /// Whether a WebSocket upgrade may go on. Clients that are no browsers send no `Origin`.
    pub fn admits_upgrade(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::List(patterns) => !headers.contains_key(ORIGIN) || Self::lists(patterns, headers),
            Self::AllowAll | Self::Disabled => true,
        }
    }

    /// The answer to a preflight request for a path with these methods; `None` if the request is
    /// none.
    pub fn preflight<B>(
        &self,
        request: &Request<B>,
        methods: &'static str,
    ) -> Option<Response<Body>> {
        let headers = request.headers();
        let is_preflight = request.method() == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        self.dress(headers, response.headers_mut());
        if response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            let out = response.headers_mut();
            let methods = HeaderValue::from_static(methods);
            out.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            out.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
            if let Some(asked) = asked {
                out.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
                out.append(VARY, HeaderValue::from_static("access-control-request-headers"));
            }
        }
        Some(response)
    }

    /// Adds the headers that let a page of the asking origin read the response.
    pub fn dress(&self, request: &HeaderMap, response: &mut HeaderMap) {
        match self {
            Self::Disabled => {}
            Self::AllowAll => {
                response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Self::List(patterns) => {
                response.append(VARY, HeaderValue::from_static("origin"));
                let Some(origin) = request.get(ORIGIN) else { return };
                if Self::lists(patterns, request) {
                    response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                    let yes = HeaderValue::from_static("true");
                    response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
                }
            }
        }
    }
}

/// Whether the page came from this server: the console, behind whatever proxy.
fn is_same_origin(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let asking = origin.split_once("://").map(|(_, host)| host);
    matches!((host, asking), (Some(host), Some(asking)) if host.eq_ignore_ascii_case(asking))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn origins_are_matched_exactly_or_by_one_label() {
        let rows = [
            ("https://app.example.com", "https://app.example.com", true),
            ("https://app.example.com/", "https://APP.example.com", true),
            ("https://app.example.com", "http://app.example.com", false),
            ("https://app.example.com", "https://app.example.com:8443", false),
            ("https://app.example.com", "https://app.example.com.evil.com", false),
            ("https://app.example.com", "https://app.example.com.", false),
            ("http://localhost:3000", "http://localhost:3000", true),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", false),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://.example.com", false),
            ("https://*.example.com", "https://aexample.com", false),
            ("https://app.example.com", "null", false),
        ];
        for (pattern, origin, expected) in rows {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(origin), expected, "{origin}");
        }
        for bad in
            ["", "*", "example.com", "https://", "https://*.", "https://a.*.com", "https://a b"]
        {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn upgrades_are_checked_against_the_list_only() {
        let list = CorsRules::new(&Cors::List(vec!["https://app.example.com".into()])).unwrap();
        let with = |pairs: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.append(*name, HeaderValue::from_static(value));
            }
            map
        };
        let rows = [
            (with(&[]), true),
            (with(&[("origin", "https://app.example.com")]), true),
            (with(&[("origin", "https://evil.com")]), false),
            (with(&[("origin", "http://here:8080"), ("host", "here:8080")]), true),
            (with(&[("origin", "https://app.example.com"), ("origin", "https://evil.com")]), false),
        ];
        for (headers, expected) in rows {
            assert_eq!(list.admits_upgrade(&headers), expected, "{headers:?}");
            assert!(CorsRules::AllowAll.admits_upgrade(&headers));
        }
    }
}
