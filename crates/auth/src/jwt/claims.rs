//! From claims to roles and session variables.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::{
    config::{ALLOWED_ROLES, ClaimsSource, DEFAULT_ROLE, MappedClaim, Namespace},
    token::Claims,
};
use crate::{AuthError, credentials::SESSION_PREFIX};

/// What a token says of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The role if none is asked for.
    pub default_role: String,
    /// Roles that may be asked for.
    pub allowed_roles: Vec<String>,
    /// Session variables, names in lower case, without those about roles.
    pub session: BTreeMap<String, String>,
}

/// These claims as a JSON object; `None` if the token has none of them.
pub fn some_of(claims: &Claims, names: &[Box<str>]) -> Option<Bytes> {
    let found: BTreeMap<&str, &Value> =
        names.iter().filter_map(|name| Some((&**name, claims.get(&**name)?))).collect();
    if found.is_empty() { None } else { serde_json::to_vec(&found).ok().map(Bytes::from) }
}

/// Names and values as the token has them.
type Variables = Vec<(String, Value)>;

/// Takes roles and session variables out of claims.
pub fn granted(claims: Claims, source: &ClaimsSource) -> Result<Granted, AuthError> {
    let variables = match source {
        ClaimsSource::Namespace { at, is_string } => in_namespace(claims, at, *is_string)?,
        ClaimsSource::Map(map) => mapped(&Value::Object(claims), map)?,
    };
    let bad = |name: &str, hint: &str| AuthError::Claims(format!("invalid {name}; {hint}"));
    let mut session = BTreeMap::new();
    let (mut default_role, mut allowed_roles) = (None, None);
    for (name, value) in variables {
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            ALLOWED_ROLES => {
                let hint = "should be a list of roles";
                let roles = roles(&value).ok_or_else(|| bad(ALLOWED_ROLES, hint))?;
                if allowed_roles.replace(roles).is_some() {
                    return Err(bad(ALLOWED_ROLES, "is there twice"));
                }
            }
            DEFAULT_ROLE => {
                let hint = "should be a single role name";
                let role = value.as_str().filter(|role| !role.is_empty());
                let role = role.ok_or_else(|| bad(DEFAULT_ROLE, hint))?.to_owned();
                if default_role.replace(role).is_some() {
                    return Err(bad(DEFAULT_ROLE, "is there twice"));
                }
            }
            _ => {
                let text = text(&value).ok_or_else(|| bad(&lower, "should be a string"))?;
                if session.insert(lower.clone(), text).is_some() {
                    return Err(bad(&lower, "is there twice"));
                }
            }
        }
    }
    Ok(Granted {
        default_role: default_role.ok_or(AuthError::RoleClaimMissing(DEFAULT_ROLE))?,
        allowed_roles: allowed_roles.ok_or(AuthError::RoleClaimMissing(ALLOWED_ROLES))?,
        session,
    })
}

fn in_namespace(
    mut claims: Claims,
    at: &Namespace,
    is_string: bool,
) -> Result<Variables, AuthError> {
    let found = match at {
        Namespace::Name(name) => claims.remove(name),
        Namespace::Path(path) => path.find(&Value::Object(claims)).cloned(),
    };
    let found = found.ok_or_else(|| {
        AuthError::Claims(match at {
            Namespace::Name(name) => format!("claims key: '{name}' not found"),
            Namespace::Path(path) => {
                format!("claims not found at claims_namespace_path: '{}'", path.as_str())
            }
        })
    })?;
    let object = match (is_string, found) {
        (false, Value::Object(object)) => object,
        (false, _) => {
            let message = "expecting a json object when claims_format is json";
            return Err(AuthError::Claims(message.to_owned()));
        }
        (true, Value::String(text)) => serde_json::from_str(&text).map_err(|_| {
            AuthError::Claims("expecting stringified json in the claims namespace".to_owned())
        })?,
        (true, _) => {
            let message = "expecting a string when claims_format is stringified_json";
            return Err(AuthError::Claims(message.to_owned()));
        }
    };
    let is_ours = |name: &str| {
        name.get(..SESSION_PREFIX.len()).is_some_and(|p| p.eq_ignore_ascii_case(SESSION_PREFIX))
    };
    Ok(object.into_iter().filter(|(name, _)| is_ours(name)).collect())
}

fn mapped(claims: &Value, map: &BTreeMap<String, MappedClaim>) -> Result<Variables, AuthError> {
    let mut found = Variables::new();
    for (name, claim) in map {
        let value = match claim {
            MappedClaim::Literal(value) => Some(value),
            MappedClaim::Path { path, default } => path.find(claims).or(default.as_ref()),
        };
        let value = value.ok_or_else(|| match name.as_str() {
            ALLOWED_ROLES => AuthError::RoleClaimMissing(ALLOWED_ROLES),
            DEFAULT_ROLE => AuthError::RoleClaimMissing(DEFAULT_ROLE),
            _ => AuthError::Claims(format!("JWT claim from claims_map, {name} not found")),
        })?;
        found.push((name.clone(), value.clone()));
    }
    Ok(found)
}

/// A list of roles, none of them empty.
pub(super) fn roles(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|role| role.as_str().filter(|role| !role.is_empty()).map(str::to_owned))
        .collect()
}

/// The text of a session variable. Numbers and booleans are taken as they are written, since issuers
/// put them there; anything else is in doubt.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
