//! Who is asking: role and session variables. Part of every cache, dedupe and connection key.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

/// The role that sees everything.
pub const ADMIN_ROLE: &str = "admin";

/// A client's identity as the authentication of its transport found it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The role whose schema and permissions apply.
    pub role: Arc<str>,
    /// Session variables: `x-hasura-*`, names in lower case. The role is among them.
    pub session: SessionVariables,
    /// What services behind this server are to hear of the client; `None` if nothing.
    pub forwarded: Option<Arc<Forwarded>>,
}

/// What a client said of itself, as far as services behind this server want to hear it.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Forwarded {
    /// Headers of the request or the upgrade, in the order in which they came.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The payload of `connection_init`: a JSON object as the client wrote it.
    pub init_payload: Option<Bytes>,
    /// Claims of the client's token: a JSON object.
    pub claims: Option<Bytes>,
}

impl Forwarded {
    /// Whether there is nothing to hear.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.init_payload.is_none() && self.claims.is_none()
    }
}

/// Whether the payload of a `connection_init` says something: it is an object, and not an empty one. Clients
/// of subscriptions-transport-ws that have nothing to say send an empty one; they are the same clients as
/// those that send none.
pub fn says_something(payload: &[u8]) -> bool {
    let Some(rest) = payload.trim_ascii().strip_prefix(b"{") else { return false };
    rest.trim_ascii() != b"}"
}

/// Names only: the values are secrets.
impl fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Forwarded")
            .field("headers", &names)
            .field("init_payload", &self.init_payload.is_some())
            .field("claims", &self.claims.is_some())
            .finish()
    }
}

/// Session variables by name. Every connection keeps some, so they are kept close together; clones
/// share them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionVariables(Arc<[(Box<str>, Box<str>)]>);

impl SessionVariables {
    /// The value of a variable, by its name in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| &**value)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> std::slice::Iter<'_, (Box<str>, Box<str>)> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same as a list.
    pub fn pairs(&self) -> &[(Box<str>, Box<str>)] {
        &self.0
    }
}

impl From<BTreeMap<String, String>> for SessionVariables {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self(map.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl Identity {
    /// The administrator without further session variables.
    pub fn admin() -> Self {
        Self::new(ADMIN_ROLE, BTreeMap::new())
    }

    /// An identity of a role with session variables (names are lowered).
    pub fn new(role: &str, session: BTreeMap<String, String>) -> Self {
        let mut session: BTreeMap<String, String> =
            session.into_iter().map(|(k, v)| (k.to_ascii_lowercase(), v)).collect();
        session.insert("x-hasura-role".to_owned(), role.to_owned());
        Self { role: role.into(), session: session.into(), forwarded: None }
    }

    /// The same with what services are to hear of the client.
    #[must_use]
    pub fn with_forwarded(mut self, forwarded: Forwarded) -> Self {
        self.forwarded = (!forwarded.is_empty()).then(|| Arc::new(forwarded));
        self
    }

    /// Role and session variables alone: who it is, however it said so.
    #[must_use]
    pub fn who(&self) -> Self {
        Self { role: Arc::clone(&self.role), session: self.session.clone(), forwarded: None }
    }

    /// Whether both have the same role and session variables.
    pub fn is_same(&self, other: &Self) -> bool {
        self.role == other.role && self.session == other.session
    }

    /// Whether this is the administrator.
    pub fn is_admin(&self) -> bool {
        &*self.role == ADMIN_ROLE
    }
}
