//! Limits of one identity, over all its connections.

use std::{sync::Arc, time::Duration};

use artesian_engine::Identity;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{ClientKey, IdentityGuard, Limit, Limits, OperationGuard, Refused};

/// What these limits tell apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum IdentityKey {
    /// A role with session variables.
    Named(Identity),
    /// A role without any, e.g. that of all who are not authenticated. One of them must not be able
    /// to lock the others out, so they are told apart by their addresses.
    Nameless(Arc<str>, ClientKey),
}

impl IdentityKey {
    /// None for the administrator, who is not limited: a backend with the secret speaks for many.
    pub fn new(identity: &Identity, client: ClientKey) -> Option<Self> {
        if identity.is_admin() {
            return None;
        }
        // The role is among the session variables.
        if identity.session.iter().all(|(name, _)| is_about_roles(name)) {
            return Some(Self::Nameless(identity.role.clone(), client));
        }
        Some(Self::Named(identity.who()))
    }
}

/// These say what somebody may do, and not who it is.
fn is_about_roles(name: &str) -> bool {
    matches!(name, "x-hasura-role" | "x-hasura-allowed-roles" | "x-hasura-default-role")
}

impl Limits {
    /// A socket turns out to be this identity's. Nothing is kept if that has no limit.
    pub fn open_identity(
        &self,
        identity: &Identity,
        client: ClientKey,
    ) -> Result<Option<Box<IdentityGuard>>, Refused> {
        let most = self.config.max_sockets_per_identity;
        let key = if most == 0 { None } else { IdentityKey::new(identity, client) };
        let Some(key) = key else { return Ok(None) };
        if !self.counted.per_identity.try_add(key.clone(), most) {
            return Err(self.refuse(Limit::SocketsPerIdentity, Duration::ZERO));
        }
        Ok(Some(Box::new(IdentityGuard { counted: self.counted.clone(), key })))
    }

    /// This identity asks for an operation, which counts as running as long as the guard is kept.
    /// Nothing is kept if that has no limit. A refusal costs nothing of the rate.
    pub fn begin_operation(
        &self,
        identity: &Identity,
        client: ClientKey,
    ) -> Result<Option<OperationGuard>, Refused> {
        let most = self.config.operations_per_identity;
        if most == 0 && self.requests.is_none() {
            return Ok(None);
        }
        let Some(key) = IdentityKey::new(identity, client) else { return Ok(None) };
        let guard = if most == 0 {
            None
        } else if self.counted.operations.try_add(key.clone(), most) {
            Some(OperationGuard::new(self.counted.clone(), client, key.clone()))
        } else {
            return Err(self.refuse_identity(Limit::OperationsPerIdentity, Duration::ZERO));
        };
        if let Some(requests) = &self.requests
            && let Err(wait) = requests.try_take(&key, self.now())
        {
            return Err(self.refuse_identity(Limit::RequestRate, wait));
        }
        Ok(guard)
    }

    /// Nobody else waits for the same moment, so the time is not spread.
    fn refuse_identity(&self, limit: Limit, wait: Duration) -> Refused {
        self.hit(limit);
        tracing::debug!(limit = limit.as_str(), "operation refused: a limit is reached");
        Refused { limit, retry_after: whole_seconds(wait) }
    }

    /// Tells a client over HTTP how many operations it may still start
    /// (draft-ietf-httpapi-ratelimit-headers-11). The window is the time in which as many tokens come
    /// back as there are left, so that whoever uses them up in it keeps to the rate.
    pub fn tell_rate(&self, headers: &mut HeaderMap, identity: &Identity, client: ClientKey) {
        let Some(requests) = &self.requests else { return };
        let Some(key) = IdentityKey::new(identity, client) else { return };
        let rate = self.config.request_rate_per_identity;
        let (quota, left) = (rate.burst.max(1), requests.left(&key, self.now()));
        let window = |tokens: u64| tokens.div_ceil(u64::from(rate.per_second.max(1))).max(1);
        let policy = format!("\"operations\";q={quota};w={}", window(u64::from(quota)));
        let now = format!("\"operations\";r={left};t={}", window(left));
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", now)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// As `Retry-After` says it: nobody is told to come back at once.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{LimitsConfig, Metrics, RateLimit};

    fn limits(config: LimitsConfig) -> Limits {
        Limits::new(config, Duration::from_secs(1), Arc::new(Metrics::new("test")))
    }

    fn at(address: [u8; 4]) -> ClientKey {
        ClientKey::new(address.into())
    }

    fn who(role: &str, variables: &[(&str, &str)]) -> Identity {
        let pairs = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Identity::new(role, pairs.collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn users_are_told_apart_by_their_variables_and_strangers_by_their_addresses() {
        let (here, there) = (at([10, 0, 0, 1]), at([10, 0, 0, 2]));
        let key = |role, variables: &[_], client| IdentityKey::new(&who(role, variables), client);
        let user = [("x-hasura-user-id", "1")];
        assert_eq!(key("user", &user, here), key("user", &user, there));
        assert_ne!(key("user", &user, here), key("user", &[("x-hasura-user-id", "2")], here));
        assert_ne!(key("user", &user, here), key("editor", &user, here));
        assert_eq!(key("anonymous", &[], here), key("anonymous", &[], here));
        assert_ne!(key("anonymous", &[], here), key("anonymous", &[], there));
        assert_ne!(key("anonymous", &[], here), key("guest", &[], here));
        let roles = [("x-hasura-allowed-roles", "{guest}"), ("x-hasura-default-role", "guest")];
        assert_eq!(key("guest", &roles, here), key("guest", &[], here));
        assert_eq!(key("admin", &[], here), None);
        assert_eq!(key("admin", &user, here), None);
    }

    #[test]
    fn a_refused_operation_leaves_nothing_behind() {
        let limits = limits(LimitsConfig {
            operations_per_identity: 2,
            request_rate_per_identity: RateLimit { per_second: 1, burst: 3 },
            ..LimitsConfig::default()
        });
        let (user, here) = (who("user", &[("x-hasura-user-id", "1")]), at([1, 1, 1, 1]));
        let begin = || limits.begin_operation(&user, here);
        let refused = |limit| Err(Refused { limit, retry_after: 1 });
        let result = |begun: Result<Option<OperationGuard>, Refused>| begun.map(|g| g.is_some());
        let first = begin();
        let second = begin();
        assert!(matches!((&first, &second), (Ok(Some(_)), Ok(Some(_)))));
        for _ in 0..5 {
            assert_eq!(result(begin()), refused(Limit::OperationsPerIdentity));
        }
        drop((first, second));
        // The refusals above took nothing of the rate: there is one left.
        assert_eq!(result(begin()), Ok(true));
        for _ in 0..5 {
            assert_eq!(result(begin()), refused(Limit::RequestRate));
        }
        assert_eq!(limits.counted.operations.keys(), 0);
        assert_eq!(result(limits.begin_operation(&Identity::admin(), here)), Ok(false));
    }

    #[test]
    fn headers_tell_what_is_left() {
        let rate = RateLimit { per_second: 10, burst: 25 };
        let limits =
            limits(LimitsConfig { request_rate_per_identity: rate, ..LimitsConfig::default() });
        let (user, here) = (who("user", &[("x-hasura-user-id", "1")]), at([1, 1, 1, 1]));
        let told = || {
            let mut headers = HeaderMap::new();
            limits.tell_rate(&mut headers, &user, here);
            let text = |name| {
                let value = headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
                value.unwrap_or_default().to_owned()
            };
            assert_eq!(text("ratelimit-policy"), "\"operations\";q=25;w=3");
            text("ratelimit")
        };
        assert_eq!(told(), "\"operations\";r=25;t=3");
        // No more than one comes back meanwhile.
        for _ in 0..20 {
            assert!(limits.begin_operation(&user, here).is_ok());
        }
        assert!(["\"operations\";r=5;t=1", "\"operations\";r=6;t=1"].contains(&told().as_str()));
        let mut none = HeaderMap::new();
        limits.tell_rate(&mut none, &Identity::admin(), here);
        assert!(none.is_empty());
    }

    #[test]
    fn seconds_are_rounded_up() {
        let seconds =
            [0, 1, 999, 1000, 1001, 60_000].map(|ms| whole_seconds(Duration::from_millis(ms)));
        assert_eq!(seconds, [1, 1, 1, 1, 2, 60]);
    }
}
