//! A client for any GraphQL server: HTTP, both WebSocket subprotocols, event streams.

pub mod http;
pub mod results;
pub mod sse;
pub mod stream;
pub mod ws;

use ::http::Uri;

use crate::error::CliError;

/// How this client calls itself.
pub const USER_AGENT: &str = concat!("artesian/", env!("CARGO_PKG_VERSION"));

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL cannot be used.
    #[error("--endpoint: {0}")]
    Url(String),
    /// The server cannot be reached.
    #[error("{endpoint} cannot be reached: {why}")]
    Unreachable {
        /// The server.
        endpoint: String,
        /// Why.
        why: String,
    },
    /// The server answered something else than expected.
    #[error("{endpoint} answered {what}")]
    Answer {
        /// The server.
        endpoint: String,
        /// What it answered.
        what: String,
        /// Whether there is just no WebSocket, or no event stream.
        is_refusal: bool,
    },
    /// The connection ended before the operation did.
    #[error("{endpoint} closed the connection: {why}")]
    Closed {
        /// The server.
        endpoint: String,
        /// Why.
        why: String,
    },
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Url(_) => Self::Usage(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Where a server is. Shown without what a query string may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether TLS is spoken.
    pub is_secure: bool,
    /// The name or the address, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// `host` or `host:port`, as headers say it.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

impl Endpoint {
    /// Understands `http`, `https`, `ws` and `wss` URLs.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let bad = |why: &str| Err(ClientError::Url(format!("{why}: write https://host/graphql")));
        let Ok(uri) = text.parse::<Uri>() else {
            return bad("this is no URL");
        };
        let is_secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return bad("the URL must begin with http, https, ws or wss"),
        };
        let Some(authority) = uri.authority() else {
            return bad("the URL names no host");
        };
        if authority.as_str().contains('@') {
            return Err(ClientError::Url(
                "user and password in the URL are not sent; use --header 'Authorization: …'"
                    .to_owned(),
            ));
        }
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        Ok(Self {
            is_secure,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: path.to_owned(),
        })
    }

    /// The URL for people, with one of these schemes.
    fn shown(&self, plain: &str, secure: &str) -> String {
        let scheme = if self.is_secure { secure } else { plain };
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{scheme}://{}{path}", self.authority)
    }

    /// The URL for messages about HTTP.
    pub fn http(&self) -> String {
        self.shown("http", "https")
    }

    /// The URL for messages about WebSockets.
    pub fn ws(&self) -> String {
        self.shown("ws", "wss")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn urls_are_understood() {
        let of = |text| Endpoint::parse(text).unwrap();
        let local = of("ws://127.0.0.1:8080/graphql?token=hush");
        assert_eq!((local.port, local.is_secure), (8080, false));
        assert_eq!(local.path, "/graphql?token=hush");
        assert_eq!(local.http(), "http://127.0.0.1:8080/graphql");
        let far = of("https://api.example.com");
        assert_eq!((far.port, far.path.as_str()), (443, "/"));
        assert_eq!(far.ws(), "wss://api.example.com/");
        let v6 = of("http://[::1]:4000/");
        assert_eq!((v6.host.as_str(), v6.authority.as_str()), ("::1", "[::1]:4000"));
    }

    #[test]
    fn bad_urls_say_what_to_write() {
        for bad in ["localhost:8080", "/graphql", "ftp://h/", "http://", "http://u:hush@h/"] {
            let message = Endpoint::parse(bad).unwrap_err().to_string();
            assert!(message.starts_with("--endpoint: "), "{message}");
            assert!(!message.contains("hush"), "{message}");
        }
    }
}
