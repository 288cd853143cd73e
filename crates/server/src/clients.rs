//! Finding out who a client is, with what services are to hear of it.

use std::sync::Arc;

use artesian_auth::{Auth, AuthError, Authenticated, Credentials};
use artesian_engine::{Forwarded, Wants, identity::says_something};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;

use crate::server::State;

/// What a client says of itself with a request or an upgrade.
#[derive(Clone, Default)]
pub(crate) struct Said {
    /// For us.
    pub credentials: Credentials,
    /// For services.
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Said {
    /// What headers say. `cookies`: whether they count.
    pub fn new(state: &State, headers: &HeaderMap, cookies: bool) -> Self {
        let credentials = Credentials::from_headers(headers, state.auth.load().wanted(), cookies);
        Self { credentials, headers: state.service.wants().headers(headers, cookies) }
    }

    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty() && self.headers.is_empty()
    }

    /// Who the client is. `payload` is that of `connection_init`, and counts for the credentials too;
    /// `request` is its GraphQL request as JSON, where there is one.
    pub async fn authenticate(
        mut self,
        auth: Arc<Auth>,
        wants: Arc<dyn Wants>,
        payload: Option<Box<RawValue>>,
        request: Option<Bytes>,
    ) -> Result<Authenticated, AuthError> {
        if payload.is_some() {
            self.credentials.merge_init(payload.as_deref(), auth.wanted());
        }
        let mut client = auth.authenticate(&self.credentials, request.as_ref()).await?;
        if !wants.is_nothing() {
            let payload = payload.as_deref().filter(|_| wants.init_payload());
            let payload = payload.filter(|payload| says_something(payload.get().as_bytes()));
            let forwarded = Forwarded {
                headers: self.headers,
                init_payload: payload.map(|p| Bytes::copy_from_slice(p.get().as_bytes())),
                claims: client.claims.take().filter(|_| !wants.claims().is_empty()),
            };
            client.identity = client.identity.with_forwarded(forwarded);
        }
        Ok(client)
    }
}
