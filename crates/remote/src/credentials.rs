//! What a service is told of the client.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

use crate::{RemoteError, operation::object};

/// What a service is told of one client: headers, and the payload of `connection_init`, for the socket
/// or for each operation.
///
/// It is part of every key under which something is shared: two clients with different credentials
/// share no operation, nor a socket, unless they differ only in what travels with each operation. Credentials that are equal are equal in every byte.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Credentials {
    headers: Arc<[(HeaderName, HeaderValue)]>,
    init_payload: Option<Bytes>,
    operation_payload: Option<Bytes>,
}

impl Credentials {
    /// A client of whom nothing is told.
    pub fn none() -> Self {
        Self::default()
    }

    /// Headers to send with every request, upgrade and stream of this client. Those that belong to the
    /// connection or the message and not to the client are left out.
    pub fn new(headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        let mut headers: Vec<_> =
            headers.into_iter().filter(|(name, _)| is_of_client(name)).collect();
        // The order of different headers means nothing (RFC 9110, section 5.3).
        headers.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        for (_, value) in &mut headers {
            value.set_sensitive(true);
        }
        Self { headers: headers.into(), ..Self::default() }
    }

    /// Adds a payload of `connection_init`: a JSON object as text.
    ///
    /// # Errors
    /// [`RemoteError::Request`] if it is none.
    pub fn with_init_payload(mut self, payload: Bytes) -> Result<Self, RemoteError> {
        self.init_payload = Some(object(payload, "the payload of connection_init")?);
        Ok(self)
    }

    /// Adds what a client said in its `connection_init`, to travel with each of its operations on a
    /// socket that it shares with others (Mercurius' extension `connectionInit`): a JSON object as
    /// text. Clients that differ in it alone share a socket, and no operation.
    ///
    /// # Errors
    /// [`RemoteError::Request`] if it is none.
    pub fn with_operation_payload(mut self, payload: Bytes) -> Result<Self, RemoteError> {
        self.operation_payload = Some(object(payload, "the payload of connection_init")?);
        Ok(self)
    }

    /// What a socket is told: all but what travels with each operation.
    pub(crate) fn of_socket(&self) -> Self {
        Self { operation_payload: None, ..self.clone() }
    }

    /// The headers, sorted by name.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// The payload of `connection_init`.
    pub fn init_payload(&self) -> Option<&Bytes> {
        self.init_payload.as_ref()
    }

    /// The payload that travels with each operation.
    pub fn operation_payload(&self) -> Option<&Bytes> {
        self.operation_payload.as_ref()
    }

    /// These headers, and those of `defaults` whose names are not among them.
    pub(crate) fn headers_over<'a>(
        &'a self,
        defaults: &'a [(HeaderName, HeaderValue)],
    ) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
        let is_missing = |name: &HeaderName| !self.headers.iter().any(|(own, _)| own == name);
        let defaults =
            defaults.iter().filter(move |(name, _)| is_missing(name) && is_of_client(name));
        self.headers.iter().chain(defaults).map(|(name, value)| (name, value))
    }
}

/// Whether a header can be a client's own. Those of one hop (RFC 9110, section 7.6.1), of the message itself,
/// and of the WebSocket handshake are ours to set.
pub fn is_of_client(name: &HeaderName) -> bool {
    const OURS: [HeaderName; 15] = [
        header::HOST,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::ACCEPT,
        header::ACCEPT_ENCODING,
        header::EXPECT,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        HeaderName::from_static("keep-alive"),
    ];
    !OURS.contains(name) && !name.as_str().starts_with("sec-websocket-")
}

/// Names only.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Credentials")
            .field("headers", &names)
            .field("init_payload", &self.init_payload.is_some())
            .field("operation_payload", &self.operation_payload.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pairs(list: &[(&'static str, &'static str)]) -> Vec<(HeaderName, HeaderValue)> {
        list.iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn order_does_not_matter_and_values_do() {
        let a = Credentials::new(pairs(&[("authorization", "x"), ("a", "1")]));
        assert_eq!(a, Credentials::new(pairs(&[("a", "1"), ("authorization", "x")])));
        assert_ne!(a, Credentials::new(pairs(&[("a", "1"), ("authorization", "y")])));
        assert_ne!(a, Credentials::none());
        let with = a.clone().with_init_payload(Bytes::from_static(b"{}")).unwrap();
        assert_ne!(a, with);
        assert!(a.clone().with_init_payload(Bytes::from_static(b"1")).is_err());
        assert!(!format!("{with:?}").contains('x'));
    }

    #[test]
    fn headers_of_the_connection_stay_here() {
        let list = [("host", "a"), ("sec-websocket-protocol", "x"), ("content-length", "1")];
        assert!(Credentials::new(pairs(&list)).headers().is_empty());
    }

    #[test]
    fn defaults_give_way() {
        let own = Credentials::new(pairs(&[("authorization", "mine")]));
        let defaults = pairs(&[("authorization", "gateway"), ("x-gateway", "1"), ("host", "b")]);
        let sent: Vec<_> =
            own.headers_over(&defaults).map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        assert_eq!(sent, [("authorization", "mine"), ("x-gateway", "1")]);
    }
}
