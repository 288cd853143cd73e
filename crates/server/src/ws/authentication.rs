//! From what a socket's client says of itself to who it is.

use std::{future::Future, pin::Pin};

use artesian_auth::{AuthError, Authenticated};
use serde_json::value::RawValue;

use crate::{clients::Said, server::State};

/// Finding out who a client is. Its drop gives that up.
pub(super) type Authentication =
    Pin<Box<dyn Future<Output = Result<Authenticated, AuthError>> + Send>>;

/// Begins to find out who a client is, by the headers of its upgrade and the payload of a
/// `connection_init`: the socket's own, or that of an operation alone.
pub(super) fn authenticate(
    state: &State,
    upgrade: Option<&Said>,
    payload: Option<&RawValue>,
) -> Authentication {
    let (auth, wants) = (state.auth.load_full(), state.service.wants());
    let said = upgrade.cloned().unwrap_or_default();
    Box::pin(said.authenticate(auth, wants, payload.map(ToOwned::to_owned), None))
}
