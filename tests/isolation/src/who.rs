//! Identities as the rows know them.

use std::fmt;

/// How many users there are.
pub const USERS: u8 = 4;
/// How many tenants there are.
pub const TENANTS: u8 = 2;

/// A role of the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Sees everything.
    Admin,
    /// Sees the rows of one user.
    User,
    /// By the same rules as [`User`](Self::User), so that its live queries are shared with those.
    Reader,
    /// Sees the rows of a tenant, and a column of them that nobody else sees.
    Editor,
    /// Sees what is published.
    Anonymous,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Admin, Self::User, Self::Reader, Self::Editor, Self::Anonymous];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
            Self::Reader => "reader",
            Self::Editor => "editor",
            Self::Anonymous => "anonymous",
        }
    }

    /// The role of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Who is asking: all that decides over what is seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Who {
    /// The role.
    pub role: Role,
    /// `x-hasura-user-id`, if it is there.
    pub user: Option<u8>,
    /// `x-hasura-tenant-id`, if it is there.
    pub tenant: Option<u8>,
}

impl Who {
    /// Everybody that there can be.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for role in Role::ALL {
            for user in 0..USERS {
                for tenant in 0..TENANTS {
                    all.push(Self { role, user: Some(user), tenant: Some(tenant) });
                }
            }
        }
        all
    }

    /// The value of `x-hasura-user-id`.
    pub fn user_name(user: u8) -> String {
        format!("u{user}")
    }

    /// The value of `x-hasura-tenant-id`.
    pub fn tenant_name(tenant: u8) -> String {
        format!("t{tenant}")
    }

    /// The user of such a name.
    pub fn user_of(name: &str) -> Option<u8> {
        name.strip_prefix('u')?.parse().ok()
    }

    /// The tenant of such a name.
    pub fn tenant_of(name: &str) -> Option<u8> {
        name.strip_prefix('t')?.parse().ok()
    }
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.role.name())?;
        if let Some(user) = self.user {
            write!(f, "/{}", Self::user_name(user))?;
        }
        if let Some(tenant) = self.tenant {
            write!(f, "/{}", Self::tenant_name(tenant))?;
        }
        Ok(())
    }
}
