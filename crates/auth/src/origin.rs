//! Origins (RFC 6454): what browsers say of the page that sends a request, and the patterns that
//! stand for them in the settings.
//!
//! Browsers write an origin in one way only (RFC 6454, section 6.2), so everything else is refused
//! here rather than understood.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest label and the longest name of a host (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 253;

/// Schemes that no page has an origin of: browsers say `null` for files, and the others are for what
/// pages talk to.
const NOT_OF_PAGES: [&str; 4] = ["file", "ftp", "ws", "wss"];

/// Scheme, host and port. Two are equal if they are the same origin: neither the case of letters nor
/// a default port that is spelt out makes a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: Host,
    /// `None` for the default port of the scheme.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// In lower case.
    Name(String),
    Address(IpAddr),
}

impl Origin {
    /// Reads the value of an `Origin` header: `scheme://host` or `scheme://host:port`. `None` for
    /// `null`, and for whatever is more or less than that.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        if !is_scheme(&scheme) || NOT_OF_PAGES.contains(&&*scheme) {
            return None;
        }
        let (host, port) = split(authority)?;
        Some(Self { host: Host::parse(host)?, port: effective(&scheme, port), scheme })
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether the authority that a request was sent to (its `Host`) is that of this origin. It does
    /// not say the scheme: the port, if there is none, is the default one of ours.
    pub fn is_at(&self, authority: &str) -> bool {
        let Some((host, port)) = split(authority) else { return false };
        effective(&self.scheme, port) == self.port && Host::parse(host).as_ref() == Some(&self.host)
    }
}

/// An origin, or all those that have one more label in front: `https://*.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    /// Without the `*.` of a pattern.
    origin: Origin,
    is_wildcard: bool,
}

impl OriginPattern {
    /// Reads a setting; a slash at its end is forgiven. `None` if it is no origin. Addresses have no
    /// labels, so that they cannot have one more.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_suffix('/').unwrap_or(text);
        let Some((scheme, rest)) = text.split_once("://*.") else {
            return Some(Self { origin: Origin::parse(text)?, is_wildcard: false });
        };
        let origin = Origin::parse(&format!("{scheme}://{rest}"))?;
        matches!(origin.host, Host::Name(_)).then_some(Self { origin, is_wildcard: true })
    }

    /// Whether it stands for this origin.
    pub fn matches(&self, origin: &Origin) -> bool {
        if !self.is_wildcard {
            return *origin == self.origin;
        }
        let (Host::Name(base), Host::Name(name)) = (&self.origin.host, &origin.host) else {
            return false;
        };
        // No label is empty, so what is before the first point is exactly one.
        let rest = name.split_once('.').map(|(_, rest)| rest);
        origin.scheme == self.origin.scheme
            && origin.port == self.origin.port
            && rest == Some(base.as_str())
    }
}

/// RFC 3986, section 3.1; in lower case. Some apps have pages of a scheme of their own
/// (`capacitor://localhost`).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
}

/// Host and port.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    // The colons of an IPv6 address stand in brackets.
    let end = authority.rfind(']').map_or(0, |at| at + 1);
    let (rest, port) = match authority.get(end..)?.rsplit_once(':') {
        Some((rest, port)) => (rest, Some(number(port)?)),
        None => (authority.get(end..)?, None),
    };
    Some((authority.get(..end + rest.len())?, port))
}

/// A port as browsers write it: without zeros in front.
fn number(text: &str) -> Option<u16> {
    let is_plain =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

fn effective(scheme: &str, port: Option<u16>) -> Option<u16> {
    match (scheme, port) {
        ("http", Some(80)) | ("https", Some(443)) => None,
        _ => port,
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into()));
        }
        let is_label = |label: &str| {
            (1..=MAX_LABEL).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        // An empty label at the end is another host to browsers, and nobody's intention.
        if text.len() > MAX_NAME || !text.split('.').all(is_label) {
            return None;
        }
        // What ends in a number is an address (URL Standard, section 3.5), of which only the usual
        // form is known here.
        let last = text.rsplit('.').next()?.to_ascii_lowercase();
        let is_number = last.bytes().all(|b| b.is_ascii_digit())
            || last.strip_prefix("0x").is_some_and(|n| n.bytes().all(|b| b.is_ascii_hexdigit()));
        if is_number {
            return text.parse::<Ipv4Addr>().ok().map(|address| Self::Address(address.into()));
        }
        Some(Self::Name(text.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, origin: &str) -> bool {
        let pattern = OriginPattern::parse(pattern).unwrap();
        Origin::parse(origin).is_some_and(|origin| pattern.matches(&origin))
    }

    #[test]
    fn origins_are_matched_exactly_or_by_one_label() {
        let app = "https://app.example.com";
        let any = "https://*.example.com";
        let rows = [
            (app, app, true),
            ("https://app.example.com/", "https://APP.example.com", true),
            (" HTTPS://App.Example.com ", app, true),
            (app, "https://app.example.com:443", true),
            ("https://app.example.com:443", app, true),
            (app, "https://app.example.com:8443", false),
            (app, "https://app.example.com:80", false),
            ("https://app.example.com:8443", "https://app.example.com:8443", true),
            ("https://app.example.com:8443", app, false),
            (app, "http://app.example.com", false),
            (app, "http://app.example.com:443", false),
            (app, "https://app.example.com.", false),
            (app, "https://app.example.com.evil.com", false),
            (app, "https://evil.com/https://app.example.com", false),
            (app, "https://app.example.com@evil.com", false),
            (app, "https://evil.com:x@app.example.com", false),
            (app, "https://xapp.example.com", false),
            (app, "https://example.com", false),
            (app, "https://app.example.com https://app.example.com", false),
            (app, "null", false),
            (app, "", false),
            ("http://localhost:3000", "http://localhost:3000", true),
            ("http://localhost:3000", "http://localhost", false),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000", true),
            ("http://127.0.0.1", "http://127.0.0.2", false),
            ("http://127.0.0.0x1-x", "http://127.0.0.0x1-x", true),
            ("http://[::1]:3000", "http://[::1]:3000", true),
            ("http://[0:0::1]:3000", "http://[::1]:3000", true),
            ("http://[::1]", "http://[::2]", false),
            ("http://[::ffff:7f00:1]", "http://127.0.0.1", false),
            ("capacitor://localhost", "capacitor://localhost", true),
            ("capacitor://localhost", "http://localhost", false),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example", true),
            ("https://xn--bcher-kva.example", "https://bücher.example", false),
            (any, "https://a.example.com", true),
            (any, "https://a.example.com:443", true),
            (any, "https://A.Example.com", true),
            (any, "https://a-b_c.example.com", true),
            (any, "https://a.b.example.com", false),
            (any, "https://example.com", false),
            (any, "https://.example.com", false),
            (any, "https://*.example.com", false),
            (any, "https://aexample.com", false),
            (any, "https://a.example.com:8443", false),
            (any, "http://a.example.com", false),
            (any, "https://a.example.com.evil.com", false),
            (any, "https://a.example.com.", false),
            (any, "https://evil.com?.example.com", false),
            (any, "https://evil.com#.example.com", false),
            ("https://*.example.com:8443", "https://a.example.com:8443", true),
            ("http://*.localhost:3000", "http://a.localhost:3000", true),
        ];
        for (pattern, origin, expected) in rows {
            assert_eq!(matches(pattern, origin), expected, "{pattern} {origin}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for bad in [
            "",
            "null",
            "*",
            "example.com",
            "//example.com",
            "file://localhost:3000",
            "ftp://example.com",
            "ws://example.com:80",
            "wss://example.com",
            "://example.com",
            "https:example.com",
            "https:/example.com",
            "https://",
            "https://.",
            "https://a..b",
            "https://.a",
            "https://a.",
            "https://a b",
            "https://a,b",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://a\\b",
            "https://u@a",
            "https://u:p@a",
            "https://a%2eb",
            "https://a:",
            "https://a:x",
            "https://a:+1",
            "https://a:01",
            "https://a:65536",
            "https://a:1:2",
            "https://:443",
            "https://[::1",
            "https://::1",
            "https://[::1]x",
            "https://[::1%25eth0]",
            "https://[1.2.3.4]",
            "https://127.1",
            "https://1.2.3.256",
            "https://1.2.3.04",
            "https://0x7f000001",
            "https://a.0X1",
            "https://bücher.example",
            "1https://a",
            "ht tp://a",
            "https://a.*.com",
            "https://*",
            "https://a*.com",
        ] {
            assert_eq!(Origin::parse(bad), None, "{bad}");
            assert_eq!(OriginPattern::parse(bad), None, "{bad}");
        }
        for bad in
            ["https://*.", "https://*.*.com", "https://*.1.2.3.4", "https://*.[::1]", "*.a.com"]
        {
            assert_eq!(OriginPattern::parse(bad), None, "{bad}");
        }
        // The setting may have a slash, the header may not.
        assert_eq!(Origin::parse("https://a/"), None);
        assert_eq!(Origin::parse(" https://a"), None);
        assert_eq!(OriginPattern::parse("https://a//"), None);
        let long = "a".repeat(MAX_LABEL);
        assert!(Origin::parse(&format!("https://{long}.com")).is_some());
        assert_eq!(Origin::parse(&format!("https://{long}a.com")), None);
        assert_eq!(Origin::parse(&format!("https://{}", "a.".repeat(127) + "a")), None);
    }

    #[test]
    fn authorities_have_no_scheme() {
        let rows = [
            ("http://here", "here", true),
            ("https://here", "here", true),
            ("https://here", "HERE", true),
            ("https://here", "here:443", true),
            ("https://here:443", "here", true),
            ("http://here", "here:443", false),
            ("http://here:8080", "here:8080", true),
            ("http://here:8080", "here", false),
            ("http://here", "here:8080", false),
            ("http://here", "there", false),
            ("http://here", "here.", false),
            ("http://here", "", false),
            ("http://here", "user@here", false),
            ("http://here", "here, here", false),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("http://[::1]:8080", "[0::1]:8080", true),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("http://127.0.0.1:8080", "localhost:8080", false),
        ];
        for (origin, authority, expected) in rows {
            assert_eq!(Origin::parse(origin).unwrap().is_at(authority), expected, "{authority}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,40}", rest in "[a-z0-9.:*@/\\[\\]-]{0,30}") {
            for text in [text, format!("https://{rest}"), format!("https://*.{rest}")] {
                let pattern = OriginPattern::parse(&text);
                if let Some(origin) = Origin::parse(&text) {
                    prop_assert!(pattern.is_some_and(|pattern| pattern.matches(&origin)));
                }
            }
        }

        #[test]
        fn one_label_and_no_more(
            labels in proptest::collection::vec("[a-z][a-z0-9-]{0,8}", 1..5),
            base in proptest::collection::vec("[a-z][a-z0-9-]{0,8}", 1..4),
        ) {
            let base = base.join(".");
            let origin = format!("https://{}.{base}", labels.join("."));
            prop_assert_eq!(matches(&format!("https://*.{base}"), &origin), labels.len() == 1);
            let exact = format!("https://{base}");
            prop_assert!(!matches(&exact, &origin));
        }
    }
}
