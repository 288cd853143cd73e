//! URLs of services.

use std::{fmt, str::FromStr};

use http::{HeaderValue, Uri, uri};

/// Why a URL cannot be used. Does not quote it, since it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No URL at all.
    #[error("the URL is malformed")]
    Malformed,
    /// Neither HTTP nor WebSocket.
    #[error("the URL must begin with http://, https://, ws:// or wss://")]
    Scheme,
    /// No host.
    #[error("the URL names no host")]
    Host,
    /// Credentials belong into headers: in a URL they end up in logs.
    #[error("the URL must not contain a user or a password; use headers")]
    Credentials,
}

/// Where a service is: host, port, whether TLS is spoken, path and query.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: Box<str>,
    port: u16,
    tls: bool,
    path_and_query: uri::PathAndQuery,
}

impl Endpoint {
    /// The host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether TLS is spoken.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Path and query, never empty.
    pub fn path_and_query(&self) -> &uri::PathAndQuery {
        &self.path_and_query
    }

    /// The value of `Host` and `:authority`; the scheme's own port is left out.
    pub(crate) fn authority(&self) -> String {
        let host = &self.host;
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// The same as the value of a `Host` header.
    pub(crate) fn host_header(&self) -> Result<HeaderValue, EndpointError> {
        HeaderValue::try_from(self.authority()).map_err(|_| EndpointError::Malformed)
    }

    /// A URL for an HTTP request, with another query if one is given.
    pub(crate) fn http_uri(&self, query: Option<&str>) -> Result<Uri, EndpointError> {
        let path = self.path_and_query.path();
        let path_and_query = match query {
            None => self.path_and_query.clone(),
            Some(query) => {
                let own = self.path_and_query.query().map(|own| format!("{own}&"));
                let text = format!("{path}?{}{query}", own.unwrap_or_default());
                text.parse().map_err(|_| EndpointError::Malformed)?
            }
        };
        Uri::builder()
            .scheme(if self.tls { "https" } else { "http" })
            .authority(self.authority())
            .path_and_query(path_and_query)
            .build()
            .map_err(|_| EndpointError::Malformed)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let uri: Uri = text.trim().parse().map_err(|_| EndpointError::Malformed)?;
        let parts = uri.into_parts();
        let tls = match parts.scheme.as_ref().map(uri::Scheme::as_str) {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(EndpointError::Scheme),
        };
        let authority = parts.authority.ok_or(EndpointError::Host)?;
        if authority.as_str().contains('@') {
            return Err(EndpointError::Credentials);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(EndpointError::Host);
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if tls => 443,
            None => 80,
        };
        let path_and_query =
            parts.path_and_query.unwrap_or_else(|| uri::PathAndQuery::from_static("/"));
        Ok(Self { host: host.into(), port, tls, path_and_query })
    }
}

/// Without the query, which may hold a token.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path_and_query.path())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn urls() {
        for (text, shown, port, tls) in [
            ("http://a", "http://a/", 80, false),
            ("https://a/graphql?x=1", "https://a/graphql", 443, true),
            ("ws://a:4000/graphql", "http://a:4000/graphql", 4000, false),
            ("wss://a:443", "https://a/", 443, true),
            (" http://[::1]:80/x ", "http://[::1]/x", 80, false),
            ("http://[::1]:81/x", "http://[::1]:81/x", 81, false),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown, "{text}");
            assert_eq!((endpoint.port(), endpoint.tls()), (port, tls), "{text}");
            assert!(!endpoint.host().contains('['));
        }
    }

    #[test]
    fn refused() {
        for (text, error) in [
            ("", EndpointError::Malformed),
            ("ftp://a/", EndpointError::Scheme),
            ("/graphql", EndpointError::Scheme),
            ("http://user:secret@a/", EndpointError::Credentials),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
        }
    }

    #[test]
    fn queries_are_added() {
        let endpoint: Endpoint = "ws://a/g?x=1".parse().unwrap();
        assert_eq!(endpoint.http_uri(None).unwrap(), "http://a/g?x=1");
        assert_eq!(endpoint.http_uri(Some("query=%7B")).unwrap(), "http://a/g?x=1&query=%7B");
        let bare: Endpoint = "http://a".parse().unwrap();
        assert_eq!(bare.http_uri(Some("query=1")).unwrap(), "http://a/?query=1");
    }
}
