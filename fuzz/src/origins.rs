//! Origins of pages and patterns for them, against the crate `url`, which reads them as browsers do.
//!
//! * Whatever is read as an origin is one to browsers too: the same, and nothing else beside it. (A
//!   name in Punycode is not decoded, so that one which no browser would write may be read.)
//! * Whatever a browser writes as an origin is read, unless its host has no place in the DNS.
//! * A pattern stands for itself, or for exactly one label more, and for no other scheme or port.
//! * `Host` is compared as browsers would make an origin of it.

use artesian_auth::origin::{Origin, OriginPattern};
use url::{Host, Url};

/// A pattern, an origin, and a `Host`, each on a line.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (pattern, origin, host) = (line(), line(), line());
    if [pattern, origin].iter().any(|text| text.to_ascii_lowercase().contains("xn--")) {
        return compared(origin, host);
    }
    for text in [pattern, origin] {
        read(text);
    }
    matched(pattern, origin);
    compared(origin, host);
}

/// Scheme, host and port as browsers see them. `None` if there is more, or less.
fn reference(text: &str) -> Option<(String, String, Option<u16>)> {
    let url = Url::parse(text).ok()?;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    let host = url.host_str().filter(|host| !host.is_empty())?;
    // Of a scheme that it does not know, it leaves the case alone.
    is_bare.then(|| (url.scheme().to_owned(), host.to_ascii_lowercase(), url.port()))
}

/// Schemes whose hosts are those of the DNS to browsers.
fn is_special(scheme: &str) -> bool {
    matches!(scheme, "http" | "https")
}

fn read(text: &str) {
    let ours = Origin::parse(text);
    let theirs = reference(text);
    if let Some(origin) = &ours {
        let (scheme, host, port) = theirs.clone().expect("an origin to browsers");
        assert_eq!(origin.scheme(), scheme);
        assert!(text.is_ascii() && !text.ends_with('/'));
        let authority = match port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        };
        assert!(origin.is_at(&authority), "{authority}");
        assert_eq!(Origin::parse(&format!("{scheme}://{authority}")).as_ref(), ours.as_ref());
        let pattern = OriginPattern::parse(text).expect("a pattern");
        assert!(pattern.matches(origin));
    }
    let Some((scheme, host, _)) = theirs else { return };
    let written = Url::parse(text).expect("a URL").origin().ascii_serialization();
    if is_special(&scheme) && written == text {
        assert_eq!(ours.is_some(), is_name(&host), "{text}");
    }
}

/// What may be a host in the DNS, or an address.
fn is_name(host: &str) -> bool {
    let is_plain = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.starts_with('[') || (host.len() <= 253 && host.split('.').all(is_plain))
}

fn matched(pattern: &str, origin: &str) {
    let (Some(parsed), Some(page)) = (OriginPattern::parse(pattern), Origin::parse(origin)) else {
        return;
    };
    let page_parts = reference(origin).expect("an origin");
    let pattern = pattern.trim();
    let expected = match pattern.split_once("://*.") {
        None => reference(pattern).expect("an origin") == page_parts,
        Some((scheme, rest)) => {
            let (scheme, base, port) = reference(&format!("{scheme}://{rest}")).expect("an origin");
            let more = page_parts.1.strip_suffix(&base).and_then(|more| more.strip_suffix('.'));
            let is_address = !matches!(
                Url::parse(origin).map(|url| url.host().map(|h| h.to_owned())),
                Ok(Some(Host::Domain(_)))
            );
            !(is_special(&page_parts.0) && is_address)
                && (scheme, port) == (page_parts.0, page_parts.2)
                && more.is_some_and(|label| !label.is_empty() && !label.contains('.'))
        }
    };
    assert_eq!(parsed.matches(&page), expected);
}

fn compared(origin: &str, host: &str) {
    let Some(parsed) = Origin::parse(origin) else { return };
    let made = format!("{}://{host}", parsed.scheme());
    let expected = Origin::parse(&made).is_some_and(|made| made == parsed);
    assert_eq!(parsed.is_at(host), expected, "{host}");
}
