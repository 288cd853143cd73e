//! Who is asking: role and session variables. Part of every cache, dedupe and connection key.

use std::{collections::BTreeMap, sync::Arc};

/// The role that sees everything.
pub const ADMIN_ROLE: &str = "admin";

/// A client's identity as the authentication of its transport found it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The role whose schema and permissions apply.
    pub role: Arc<str>,
    /// Session variables: `x-hasura-*`, names in lower case. The role is among them.
    pub session: Arc<BTreeMap<String, String>>,
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
        Self { role: role.into(), session: Arc::new(session) }
    }

    /// Whether this is the administrator.
    pub fn is_admin(&self) -> bool {
        &*self.role == ADMIN_ROLE
    }
}
