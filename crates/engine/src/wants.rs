//! What services behind this server want to hear of its clients.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Which of a client's words are kept with its identity. What nobody wants is not kept, and does not
/// tell clients apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Headers.
    pub headers: WantedHeaders,
    /// The header `Cookie`, where the rules for origins let it count.
    pub cookies: bool,
    /// The payload of `connection_init`.
    pub init_payload: bool,
    /// Claims of a token.
    pub claims: bool,
}

/// Which headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedHeaders {
    /// These.
    Named(Vec<HeaderName>),
    /// All but cookies, and those that belong to one connection, message or handshake.
    All,
}

impl Default for WantedHeaders {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

/// Headers of one hop (RFC 9110, section 7.6.1), one message, or one event stream.
const OF_CONNECTION: [&str; 17] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-graphql-event-stream-token",
    "x-hasura-admin-secret",
];

impl Wants {
    /// Whether it is nothing at all.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What two services want.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.headers = match (self.headers, &other.headers) {
            (WantedHeaders::Named(mut names), WantedHeaders::Named(more)) => {
                names.extend(more.iter().cloned());
                names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
                names.dedup();
                WantedHeaders::Named(names)
            }
            _ => WantedHeaders::All,
        };
        self.cookies |= other.cookies;
        self.init_payload |= other.init_payload;
        self.claims |= other.claims;
        self
    }

    /// The headers that are wanted, in their order. Without `cookies`, the header `Cookie` is left
    /// out: it is the browser's, and who made it send is in doubt.
    pub fn headers(&self, headers: &HeaderMap, cookies: bool) -> Vec<(HeaderName, HeaderValue)> {
        let is_wanted = |name: &HeaderName| {
            if *name == header::COOKIE {
                return cookies && self.cookies;
            }
            match &self.headers {
                WantedHeaders::Named(names) => names.contains(name),
                WantedHeaders::All => {
                    !OF_CONNECTION.contains(&name.as_str())
                        && !name.as_str().starts_with("sec-websocket-")
                }
            }
        };
        let wanted = headers.iter().filter(|(name, _)| is_wanted(name));
        wanted.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "a"),
            ("cookie", "a=b"),
            ("authorization", "Bearer x"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("sec-websocket-key", "k"),
            ("x-hasura-admin-secret", "s"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn names(wants: &Wants, cookies: bool) -> Vec<String> {
        let found = wants.headers(&headers(), cookies);
        found
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap_or("")))
            .collect()
    }

    #[test]
    fn only_what_is_wanted() {
        let named = |names: &[&'static str]| Wants {
            headers: WantedHeaders::Named(
                names.iter().map(|name| HeaderName::from_static(name)).collect(),
            ),
            ..Wants::default()
        };
        assert!(names(&Wants::default(), true).is_empty());
        assert_eq!(names(&named(&["x-a"]), true), ["x-a=1", "x-a=2"]);
        let all = Wants { headers: WantedHeaders::All, ..Wants::default() };
        assert_eq!(names(&all, true), ["authorization=Bearer x", "x-a=1", "x-a=2"]);
        let cookies = Wants { cookies: true, ..Wants::default() };
        assert_eq!(names(&cookies, true), ["cookie=a=b"]);
        assert!(names(&cookies, false).is_empty());
        let both = named(&["x-a"]).and(&named(&["authorization", "x-a"])).and(&cookies);
        assert_eq!(names(&both, true).len(), 4);
        assert_eq!(named(&["x-a"]).and(&all).headers, WantedHeaders::All);
    }
}
