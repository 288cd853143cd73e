//! Who is asking: the admin secret, and role and session variables from `X-Hasura-*`.
//!
//! The same rules hold for headers and for the payload of `connection_init`; a value of the payload
//! replaces the header of the same name.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use artesian_engine::{ErrorCode, GraphQLError, Identity, identity::ADMIN_ROLE};
use http::HeaderMap;
use serde_json::value::RawValue;
use subtle::{Choice, ConstantTimeEq};

use artesian_auth::ConfigError;

/// Headers that carry the secret, in the order in which they are looked for.
const SECRET_HEADERS: [&str; 3] =
    ["x-hasura-admin-secret", "x-artesian-admin-secret", "x-hasura-access-key"];
const ROLE_HEADER: &str = "x-hasura-role";
const SESSION_PREFIX: &str = "x-hasura-";

/// Checks credentials.
pub struct Authenticator {
    secrets: ArcSwap<Secrets>,
    /// Shared by all who say nothing more of themselves.
    admin: Identity,
}

/// Secrets that clients can send.
pub(crate) struct Secrets(Vec<Box<[u8]>>);

impl Secrets {
    /// Refuses those that no client could send, or every client.
    pub fn new(secrets: &[String]) -> Result<Self, ConfigError> {
        for secret in secrets {
            if secret.is_empty() {
                return Err(ConfigError::EmptyAdminSecret);
            }
            let visible = secret.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            if !visible || secret.trim() != secret {
                return Err(ConfigError::UnusableAdminSecret);
            }
        }
        Ok(Self(secrets.iter().map(|s| s.as_bytes().into()).collect()))
    }

    /// Compares with every secret, in a time that does not depend on where they differ.
    fn accept(&self, given: &str) -> bool {
        let given = given.as_bytes();
        let found = self
            .0
            .iter()
            .fold(Choice::from(0), |found, secret| found | secret.as_ref().ct_eq(given));
        found.into()
    }
}

/// Why a client is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A secret is configured and the client sent none.
    #[error("x-hasura-admin-secret/x-hasura-access-key required, but not found")]
    Missing,
    /// The secret is wrong.
    #[error("invalid \"x-hasura-admin-secret\"/\"x-hasura-access-key\"")]
    Wrong,
    /// A header that stands for the identity came more than once with different values, or is not
    /// text.
    #[error("an x-hasura-* header is repeated or is not plain text")]
    BadHeader,
    /// `X-Hasura-Role` without a role.
    #[error("x-hasura-role must not be empty")]
    EmptyRole,
}

impl AuthError {
    /// The code that the error carries.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Missing | Self::Wrong => ErrorCode::AccessDenied,
            Self::BadHeader | Self::EmptyRole => ErrorCode::InvalidHeaders,
        }
    }

    /// As a GraphQL error.
    pub fn to_error(self) -> GraphQLError {
        GraphQLError::new(self.code(), self.to_string())
    }
}

/// What a client said of itself: the headers that matter, names in lower case.
///
/// Has no `Debug` on purpose: it holds secrets.
#[derive(Clone, Default)]
pub struct Credentials {
    values: BTreeMap<String, String>,
    malformed: bool,
}

impl Credentials {
    /// The credentials among the headers of a request or an upgrade.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            let name = name.as_str();
            if !matters(name) {
                continue;
            }
            match value.to_str() {
                Ok(value) => {
                    let old = found.values.insert(name.to_owned(), value.to_owned());
                    found.malformed |= old.is_some_and(|old| old != value);
                }
                Err(_) => found.malformed = true,
            }
        }
        found
    }

    /// Whether there are none, so that nothing needs to be kept.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && !self.malformed
    }

    /// Adds the payload of `connection_init`: either `{"headers": {…}}` or the names on its top level.
    /// Its values replace headers of the same name. A value that is neither text, number nor boolean
    /// is malformed.
    pub fn merge_init(&mut self, payload: Option<&RawValue>) {
        let Some(payload) = payload else { return };
        // The session has checked that it is an object or null.
        let Ok(Some(object)) = serde_json::from_str::<Option<Object>>(payload.get()) else {
            return;
        };
        let inner = object
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("headers"))
            .and_then(|(_, value)| value.as_object());
        self.merge(&object);
        if let Some(inner) = inner {
            self.merge(inner);
        }
    }

    fn merge(&mut self, object: &Object) {
        for (name, value) in object {
            let name = name.to_ascii_lowercase();
            if !matters(&name) {
                continue;
            }
            let value = match value {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Number(number) => number.to_string(),
                serde_json::Value::Bool(flag) => flag.to_string(),
                _ => {
                    self.malformed = true;
                    continue;
                }
            };
            self.values.insert(name, value);
        }
    }
}

type Object = serde_json::Map<String, serde_json::Value>;

fn matters(name: &str) -> bool {
    name.starts_with(SESSION_PREFIX) || SECRET_HEADERS.contains(&name)
}

impl Authenticator {
    /// Checks against these secrets; without any, everybody is the administrator.
    pub fn new(secrets: &[String]) -> Result<Self, ConfigError> {
        let secrets = ArcSwap::from_pointee(Secrets::new(secrets)?);
        Ok(Self { secrets, admin: Identity::admin() })
    }

    /// Checks against other secrets from now on.
    pub(crate) fn replace(&self, secrets: Secrets) {
        self.secrets.store(Arc::new(secrets));
    }

    /// Whether no secret is asked for.
    pub fn is_open(&self) -> bool {
        self.secrets.load().0.is_empty()
    }

    /// Who the client is.
    pub fn identify(&self, credentials: Credentials) -> Result<Identity, AuthError> {
        let secrets = self.secrets.load();
        if !secrets.0.is_empty() {
            let given = SECRET_HEADERS.iter().find_map(|name| credentials.values.get(*name));
            let given = given.ok_or(AuthError::Missing)?;
            if !secrets.accept(given) {
                return Err(AuthError::Wrong);
            }
        }
        if credentials.malformed {
            return Err(AuthError::BadHeader);
        }
        let mut session = credentials.values;
        for name in SECRET_HEADERS {
            session.remove(name);
        }
        let role = session.remove(ROLE_HEADER);
        let role = role.as_deref().unwrap_or(ADMIN_ROLE).trim();
        if role.is_empty() {
            return Err(AuthError::EmptyRole);
        }
        if role == ADMIN_ROLE && session.is_empty() {
            return Ok(self.admin.clone());
        }
        Ok(Identity::new(role, session))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> Credentials {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        Credentials::from_headers(&map)
    }

    fn open() -> Authenticator {
        Authenticator::new(&[]).unwrap()
    }

    fn closed() -> Authenticator {
        Authenticator::new(&["s3cret".into(), "next".into()]).unwrap()
    }

    fn init(credentials: Credentials, payload: &str) -> Credentials {
        let raw = RawValue::from_string(payload.to_owned()).unwrap();
        let mut credentials = credentials;
        credentials.merge_init(Some(&raw));
        credentials
    }

    #[test]
    fn without_a_secret_everybody_is_admin_and_may_choose_a_role() {
        assert_eq!(open().identify(headers(&[])).unwrap(), Identity::admin());
        let user = open()
            .identify(headers(&[("x-hasura-role", "user"), ("x-hasura-user-id", "7")]))
            .unwrap();
        assert_eq!(&*user.role, "user");
        assert_eq!(user.session.get("x-hasura-user-id"), Some("7"));
    }

    #[test]
    fn secrets_are_required_and_do_not_become_session_variables() {
        assert_eq!(closed().identify(headers(&[])), Err(AuthError::Missing));
        for name in ["x-hasura-admin-secret", "x-artesian-admin-secret", "x-hasura-access-key"] {
            for secret in ["s3cret", "next"] {
                let identity = closed().identify(headers(&[(name, secret)])).unwrap();
                assert_eq!(identity, Identity::admin());
            }
            for wrong in ["", "s3cre", "s3cret2", "S3cret", "s3cretnext"] {
                let refused = closed().identify(headers(&[(name, wrong)]));
                assert_eq!(refused, Err(AuthError::Wrong), "{wrong}");
            }
        }
    }

    #[test]
    fn doubtful_headers_are_refused() {
        let twice = [("x-hasura-role", "user"), ("x-hasura-role", "admin")];
        assert_eq!(open().identify(headers(&twice)), Err(AuthError::BadHeader));
        let same = [("x-hasura-role", "user"), ("x-hasura-role", "user")];
        assert!(open().identify(headers(&same)).is_ok());
        assert_eq!(open().identify(headers(&[("x-hasura-role", " ")])), Err(AuthError::EmptyRole));
        // A wrong secret is told first: nothing else is said to a stranger.
        let stranger = [("x-hasura-role", "a"), ("x-hasura-role", "b")];
        assert_eq!(closed().identify(headers(&stranger)), Err(AuthError::Missing));
    }

    #[test]
    fn connection_init_adds_and_replaces() {
        let upgrade = headers(&[("x-hasura-role", "user"), ("x-hasura-user-id", "1")]);
        let nested = r#"{"headers":{"X-Hasura-User-Id":2,"X-Hasura-Admin-Secret":"s3cret"}}"#;
        let identity = closed().identify(init(upgrade.clone(), nested)).unwrap();
        assert_eq!(&*identity.role, "user");
        assert_eq!(identity.session.get("x-hasura-user-id"), Some("2"));

        let flat = r#"{"x-hasura-admin-secret":"next","X-HASURA-ROLE":"editor","other":{"a":1}}"#;
        let identity = closed().identify(init(upgrade.clone(), flat)).unwrap();
        assert_eq!(&*identity.role, "editor");

        let wrong = init(
            headers(&[("x-hasura-admin-secret", "s3cret")]),
            r#"{"headers":{"x-hasura-admin-secret":"no"}}"#,
        );
        assert_eq!(closed().identify(wrong), Err(AuthError::Wrong));

        let list = init(Credentials::default(), r#"{"x-hasura-role":["admin"]}"#);
        assert_eq!(open().identify(list), Err(AuthError::BadHeader));
        for nothing in ["{}", "null", r#"{"headers":null}"#, r#"{"headers":"x"}"#] {
            let identity = open().identify(init(Credentials::default(), nothing)).unwrap();
            assert_eq!(identity, Identity::admin());
        }
    }

    #[test]
    fn unusable_secrets_are_refused() {
        let with = |secret: &str| Authenticator::new(&[secret.to_owned()]).err();
        assert_eq!(with(""), Some(ConfigError::EmptyAdminSecret));
        assert_eq!(with(" a"), Some(ConfigError::UnusableAdminSecret));
        assert_eq!(with("a\n"), Some(ConfigError::UnusableAdminSecret));
        assert_eq!(with("é"), Some(ConfigError::UnusableAdminSecret));
        assert_eq!(with("a b"), None);
    }
}
