//! Where documents come from: the request itself, a document that a client registered before
//! (automatic persisted queries), or a trusted document.

mod store;
mod trusted;

use std::sync::Arc;

use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

pub(crate) use store::Store;
pub use store::StoreStats;
pub use trusted::{Scope, Trusted, TrustedError, TrustedMode};

use crate::{EngineConfig, ErrorCode, GraphQLError, Identity, Request};

/// SHA-256 of a document.
pub(crate) type Hash = [u8; 32];

/// A document to run.
pub(crate) struct Found {
    pub(crate) text: Arc<str>,
    /// The client wants to ask for it by this hash, which is the right one.
    pub(crate) register: Option<Hash>,
}

/// Finds the document of a request.
///
/// The protocol of `extensions.persistedQuery` is Apollo's ("Automatic persisted queries"): its
/// clients know the messages and the codes.
pub(crate) fn find(
    request: &Request,
    identity: &Identity,
    config: &EngineConfig,
    store: &Store,
) -> Result<Found, GraphQLError> {
    let persisted = PersistedQuery::of(&request.extensions)?;
    if !request.query.is_empty() {
        let text = Arc::clone(&request.query);
        let register = match persisted {
            Some(PersistedQuery { hash }) => {
                let right: Hash = Sha256::digest(&*text).into();
                if !hash.eq_ignore_ascii_case(&hex(&right)) {
                    return Err(bad_request("provided sha does not match query"));
                }
                config.persisted_queries.then_some(right)
            }
            None => None,
        };
        return Ok(Found { text, register });
    }
    let is_trusted = config.trusted_mode != TrustedMode::Off;
    let trusted = |id: &str| config.trusted.find(id).filter(|_| is_trusted).cloned();
    // Where only trusted documents run, what others have registered is of no use.
    let is_open = config.trusted_mode != TrustedMode::Only || identity.is_admin();
    let registered = |hash: &str| {
        let is_looked_at = config.persisted_queries && is_open;
        is_looked_at.then(|| store.get(&parse(hash)?)).flatten()
    };
    if let Some(id) = &request.document_id {
        let text = trusted(id).or_else(|| registered(id.strip_prefix("sha256:")?));
        let text = text.ok_or_else(|| {
            GraphQLError::new(ErrorCode::NotFound, "there is no document of that name here")
        })?;
        return Ok(Found { text, register: None });
    }
    let Some(PersistedQuery { hash }) = persisted else {
        // The parser says that it is no document.
        return Ok(Found { text: Arc::clone(&request.query), register: None });
    };
    if let Some(text) = trusted(hash).or_else(|| registered(hash)) {
        return Ok(Found { text, register: None });
    }
    Err(if config.persisted_queries && is_open {
        GraphQLError::new(ErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound")
    } else {
        GraphQLError::new(ErrorCode::PersistedQueryNotSupported, "PersistedQueryNotSupported")
    })
}

/// `extensions.persistedQuery`.
struct PersistedQuery<'a> {
    hash: &'a str,
}

impl<'a> PersistedQuery<'a> {
    fn of(extensions: &'a Map<String, Json>) -> Result<Option<Self>, GraphQLError> {
        let Some(value) = extensions.get("persistedQuery").filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        let Some(hash) = value.get("sha256Hash").and_then(Json::as_str) else {
            return Err(bad_request("persistedQuery must have a sha256Hash"));
        };
        if value.get("version").and_then(Json::as_u64) != Some(1) {
            return Err(bad_request("Unsupported persisted query version"));
        }
        Ok(Some(Self { hash }))
    }
}

fn bad_request(message: &str) -> GraphQLError {
    GraphQLError::at("$.extensions.persistedQuery", ErrorCode::BadRequest, message)
}

/// The hexadecimal form in lower case.
pub(crate) fn hex(hash: &Hash) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    hash.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A hash from its hexadecimal form.
fn parse(text: &str) -> Option<Hash> {
    let bytes = text.as_bytes();
    if bytes.len() != 64 {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
        let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(hash)
}
