//! Whose page sends a request, by what browsers say of it.
//!
//! | header | who sends it | source |
//! |---|---|---|
//! | `Origin` | browsers, with every upgrade, and with every request that a script sends to another origin; not with `GET` of the same origin, nor with what a page merely embeds or links to | Fetch, section 3.2 |
//! | `Sec-Fetch-Site` | browsers, to `https` and to `localhost`; Chromium not with upgrades | Fetch Metadata, section 2.3 |
//!
//! No page can set either of them.

use artesian_auth::origin::Origin;
use http::{
    HeaderMap, HeaderName,
    header::{AsHeaderName, HOST, ORIGIN},
};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whose page sends a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// Nobody's, or one of this server: no sign of another origin.
    Own,
    /// One of this origin, which is not ours.
    Other(Origin),
    /// One of an origin that the browser does not name (`null`), or that is malformed.
    Unknown,
}

impl Sender {
    /// Tells by the headers of a request. With HTTP/2 `Host` must have been put there.
    pub fn of(headers: &HeaderMap) -> Self {
        let site = headers.get_all(SITE).iter().map(|value| value.as_bytes());
        let site = Site::of(site);
        let mut origins = headers.get_all(ORIGIN).iter();
        let origin = match (origins.next(), origins.next()) {
            (None, _) if site == Site::Other => return Self::Unknown,
            (None, _) => return Self::Own,
            (Some(one), None) => one.to_str().ok().and_then(Origin::parse),
            (Some(_), Some(_)) => None,
        };
        match origin {
            None => Self::Unknown,
            // The browser has compared what it sent; a proxy may have changed what arrives.
            Some(_) if site == Site::Same => Self::Own,
            Some(origin) if site == Site::Unsaid && is_here(&origin, headers) => Self::Own,
            Some(origin) => Self::Other(origin),
        }
    }
}

/// What `Sec-Fetch-Site` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Site {
    Unsaid,
    /// The same scheme, host and port.
    Same,
    /// Anything else, another origin of the same site included.
    Other,
}

impl Site {
    fn of<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Self {
        match (values.next(), values.next()) {
            (None, _) => Self::Unsaid,
            (Some(b"same-origin"), None) => Self::Same,
            // The user, not a page: the address bar.
            (Some(b"none"), None) => Self::Unsaid,
            _ => Self::Other,
        }
    }
}

/// Whether a page of this origin is one of the server that was asked: the console, or an application
/// behind the same proxy. The names under which the proxy was asked count if it tells them: no page
/// can, unless a preflight has allowed it.
fn is_here(origin: &Origin, headers: &HeaderMap) -> bool {
    let host = match forwarded(headers, &FORWARDED_HOST) {
        Ok(Some(host)) => Some(host),
        Ok(None) => only(headers, HOST),
        Err(()) => None,
    };
    // Who is on the way can put a page into `http`, which must not act for the user at `https`. The
    // other way round is left alone: proxies in a row often say `http` of what came by `https`.
    // Some name the schemes of WebSockets.
    let is_plain = |scheme: &str| ["http", "ws"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
    let is_downgraded = origin.scheme() == "http"
        && !forwarded(headers, &FORWARDED_PROTO).is_ok_and(|said| said.is_none_or(is_plain));
    !is_downgraded && host.is_some_and(|host| origin.is_at(host))
}

/// The value of a header that must be there once.
fn only(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(one), None) => one.to_str().ok(),
        _ => None,
    }
}

/// What the outermost proxy said; an error if that cannot be told.
fn forwarded<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let value = only(headers, name).ok_or(())?;
    Ok(value.split(',').next().map(str::trim))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::HeaderValue;

    use super::*;

    /// `own`, `unknown`, or `other`.
    fn sender(pairs: &[(&'static str, &'static str)]) -> &'static str {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        match Sender::of(&headers) {
            Sender::Own => "own",
            Sender::Other(_) => "other",
            Sender::Unknown => "unknown",
        }
    }

    #[test]
    fn by_host() {
        let rows: [(&str, &str, &str); 22] = [
            ("http://here", "here", "own"),
            ("https://here", "here", "own"),
            ("http://here:8080", "here:8080", "own"),
            ("https://here:443", "here", "own"),
            ("https://here", "here:443", "own"),
            ("http://HERE:8080", "Here:8080", "own"),
            ("http://[::1]:8080", "[::1]:8080", "own"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "own"),
            ("http://here:8081", "here:8080", "other"),
            ("http://here", "here:8080", "other"),
            ("http://here:8080", "here", "other"),
            ("http://sub.here", "here", "other"),
            ("http://here.evil.com", "here", "other"),
            ("http://127.0.0.1:8080", "localhost:8080", "other"),
            ("http://here.", "here.", "unknown"),
            ("http://user@here", "here", "unknown"),
            ("http://here/", "here", "unknown"),
            ("http://here, http://here", "here", "unknown"),
            ("null", "null", "unknown"),
            ("", "here", "unknown"),
            ("here", "here", "unknown"),
            ("http://hér", "hér", "unknown"),
        ];
        for (origin, host, expected) in rows {
            assert_eq!(sender(&[("origin", origin), ("host", host)]), expected, "{origin} {host}");
        }
        assert_eq!(sender(&[("host", "here")]), "own");
        assert_eq!(sender(&[("origin", "http://here")]), "other");
        let twice = [("origin", "http://here"), ("origin", "http://here"), ("host", "here")];
        assert_eq!(sender(&twice), "unknown");
        let hosts = [("origin", "http://here"), ("host", "here"), ("host", "here")];
        assert_eq!(sender(&hosts), "other");
    }

    #[test]
    fn by_fetch_metadata() {
        let rows = [
            // Without an origin: a GET of the same origin, or something embedded.
            ("", "same-origin", "own"),
            ("", "none", "own"),
            ("", "same-site", "unknown"),
            ("", "cross-site", "unknown"),
            ("", "", "unknown"),
            ("", "Same-Origin", "unknown"),
            ("", "same-origin, same-origin", "unknown"),
            // The proxy has changed the host.
            ("https://app.example.com", "same-origin", "own"),
            ("https://app.example.com", "same-site", "other"),
            ("https://app.example.com", "none", "other"),
            // A page of `http` that somebody on the way made.
            ("http://here", "cross-site", "other"),
            ("http://here", "none", "own"),
            // A frame that the page has put into a sandbox.
            ("null", "same-origin", "unknown"),
        ];
        for (origin, site, expected) in rows {
            let mut headers = vec![("host", "here"), ("sec-fetch-site", site)];
            if !origin.is_empty() {
                headers.push(("origin", origin));
            }
            assert_eq!(sender(&headers), expected, "{origin} {site}");
        }
        let twice = [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")];
        assert_eq!(sender(&twice), "unknown");
    }

    #[test]
    fn behind_proxies() {
        type Pairs = &'static [(&'static str, &'static str)];
        let rows: [(&str, Pairs, &str); 14] = [
            ("https://app.example.com", &[("x-forwarded-host", "app.example.com")], "own"),
            ("https://app.example.com", &[("x-forwarded-host", "app.example.com, inner")], "own"),
            ("https://app.example.com", &[("x-forwarded-host", "inner, app.example.com")], "other"),
            // The name that only the proxy knows is not that of the page.
            ("http://here", &[("x-forwarded-host", "app.example.com")], "other"),
            ("http://here", &[("x-forwarded-host", "")], "other"),
            ("http://here", &[("x-forwarded-host", "here"), ("x-forwarded-host", "here")], "other"),
            ("http://here", &[("x-forwarded-proto", "http")], "own"),
            ("http://here", &[("x-forwarded-proto", "WS")], "own"),
            ("http://here", &[("x-forwarded-proto", "wss")], "other"),
            ("http://here", &[("x-forwarded-proto", "")], "other"),
            ("https://here", &[("x-forwarded-proto", "https")], "own"),
            ("https://here", &[("x-forwarded-proto", "http")], "own"),
            ("http://here", &[("x-forwarded-proto", "https")], "other"),
            ("http://here", &[("x-forwarded-proto", "https, http")], "other"),
        ];
        for (origin, more, expected) in rows {
            let headers = [&[("host", "here"), ("origin", origin)], more].concat();
            assert_eq!(sender(&headers), expected, "{origin} {more:?}");
        }
    }
}
