//! From credentials to an identity.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use artesian_engine::{Identity, identity::ADMIN_ROLE};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

use crate::{
    AdminSecrets, AuthConfig, AuthError, ConfigError, Counters, Credentials, Mode, Proof, Stats,
    config::WebhookConfig,
    credentials::Wanted,
    fetch::Client,
    jwt::{self, Tokens, config::TokenPlace},
    webhook::Webhook,
};

/// Tells who clients are.
pub struct Auth {
    secrets: AdminSecrets,
    method: Method,
    unauthorized_role: Option<Authenticated>,
    /// Shared by all administrators who say nothing more of themselves.
    admin: Identity,
    /// What lets clients in at all.
    proofs: Vec<Proof>,
    wanted: Wanted,
    counters: Arc<Counters>,
}

enum Method {
    Secrets,
    Tokens(Arc<Tokens>),
    Webhook(Arc<Webhook>),
}

/// A client that was told apart.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Who it is.
    pub identity: Identity,
    /// Until when that holds; `None` without end.
    pub expires: Option<SystemTime>,
    /// By what it was let in.
    pub proof: Proof,
    /// Cookies that the response is to set.
    pub set_cookies: Arc<[HeaderValue]>,
    /// Those claims of its token that [`AuthConfig::forward_claims`] names: a JSON object. `None` if it
    /// has none of them.
    pub claims: Option<Bytes>,
}

impl Authenticated {
    /// The same moment as [`expires`](Self::expires) for timers, whose clock is `clock`. Never earlier:
    /// that clock is read last, however long a busy machine lets this wait in between. `None` if that
    /// is without end, or so far away that nobody will see it.
    pub fn deadline(&self, clock: impl FnOnce() -> Instant) -> Option<Instant> {
        let life = self.expires?.duration_since(SystemTime::now()).unwrap_or_default();
        clock().checked_add(life)
    }

    fn new(identity: Identity, proof: Proof) -> Self {
        Self { identity, expires: None, proof, set_cookies: Arc::from([]), claims: None }
    }
}

impl Auth {
    /// Starts to fetch what it needs; within a Tokio runtime.
    pub fn start(config: AuthConfig) -> Result<Self, ConfigError> {
        Self::start_counting(config, Arc::default())
    }

    /// The same with counters that are there already.
    pub fn start_counting(
        config: AuthConfig,
        counters: Arc<Counters>,
    ) -> Result<Self, ConfigError> {
        Self::build(config, counters, None)
    }

    /// The same for other settings; this one stays as it is. What is configured as before is taken
    /// over: key sets by URL with the keys that they have, tokens that were verified, and what the
    /// webhook said. So a change of the admin secret costs no request, and locks nobody out while the
    /// issuer is away.
    pub fn renew(&self, config: AuthConfig) -> Result<Self, ConfigError> {
        Self::build(config, Arc::clone(&self.counters), Some(&self.method))
    }

    fn build(
        config: AuthConfig,
        counters: Arc<Counters>,
        old: Option<&Method>,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let secrets = AdminSecrets::new(&config.admin_secrets)?;
        let client = || Client::new().map_err(|error| ConfigError::Tls(error.to_string()));
        let mut proofs: Vec<_> = secrets.proofs().collect();
        match &config.mode {
            Mode::Secrets if secrets.is_empty() => proofs.push(Proof::open()),
            Mode::Secrets => {}
            Mode::Jwt(issuers) => proofs.extend(issuers.iter().map(|issuer| issuer.proof)),
            Mode::Webhook(hook) => proofs.push(hook.proof()),
        }
        let forward = config.forward_claims;
        let method = match (config.mode, old) {
            (Mode::Secrets, _) => Method::Secrets,
            (Mode::Jwt(configs), Some(Method::Tokens(old))) if old.are_of(&configs, &forward) => {
                Method::Tokens(Arc::clone(old))
            }
            (Mode::Jwt(configs), Some(Method::Tokens(old))) => {
                let client = client()?;
                Method::Tokens(Arc::new(Tokens::start(
                    configs,
                    forward,
                    Some(old),
                    &client,
                    &counters,
                )))
            }
            (Mode::Jwt(configs), _) => {
                let client = client()?;
                Method::Tokens(Arc::new(Tokens::start(configs, forward, None, &client, &counters)))
            }
            (Mode::Webhook(hook), Some(Method::Webhook(old))) if *old.config() == hook => {
                Method::Webhook(Arc::clone(old))
            }
            (Mode::Webhook(hook), _) => {
                Method::Webhook(Webhook::new(hook, client()?, Arc::clone(&counters)))
            }
        };
        let wanted = match &method {
            Method::Secrets => Wanted::Named(Vec::new()),
            Method::Tokens(tokens) => Wanted::Named(headers_of(tokens.places())),
            Method::Webhook(_) => Wanted::Everything,
        };
        let unauthorized_role = config.unauthorized_role.map(|role| {
            let proof = Proof::of("unauthorized role", role.trim());
            Authenticated::new(Identity::new(role.trim(), Default::default()), proof)
        });
        proofs.extend(unauthorized_role.iter().map(|anonymous| anonymous.proof));
        Ok(Self {
            secrets,
            method,
            unauthorized_role,
            admin: Identity::admin(),
            proofs,
            wanted,
            counters,
        })
    }

    /// Whether every client is the administrator.
    pub fn is_open(&self) -> bool {
        self.secrets.is_empty() && matches!(self.method, Method::Secrets)
    }

    /// Whether what let a client in still would.
    pub fn honours(&self, proof: u64) -> bool {
        self.proofs.iter().any(|one| one.get() == proof)
    }

    /// What a 401 names as the way to authenticate (RFC 9110, section 11.6.1).
    pub fn challenge(&self) -> &'static str {
        match &self.method {
            Method::Tokens(_) => "Bearer",
            Method::Secrets | Method::Webhook(_) => "x-hasura-admin-secret",
        }
    }

    /// Which headers it looks at.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Whether a cookie can say who a client is.
    pub fn reads_cookies(&self) -> bool {
        match &self.wanted {
            Wanted::Everything => true,
            Wanted::Named(names) => names.contains(&header::COOKIE),
        }
    }

    /// Whether the webhook looks at GraphQL requests too.
    pub fn reads_requests(&self) -> bool {
        matches!(&self.method, Method::Webhook(hook) if hook.reads_requests())
    }

    /// Who a client is. `request` is its GraphQL request as JSON, where there is one.
    pub async fn authenticate(
        &self,
        credentials: &Credentials,
        request: Option<&Bytes>,
    ) -> Result<Authenticated, AuthError> {
        // The secret comes first: to a stranger nothing else is said.
        if let Some(secret) = credentials.secret().filter(|_| !self.is_open()) {
            let proof = self.secrets.proof(secret).ok_or(AuthError::SecretWrong)?;
            check(credentials)?;
            return self.administrator(credentials, proof);
        }
        match &self.method {
            Method::Secrets if self.secrets.is_empty() => {
                check(credentials)?;
                self.administrator(credentials, Proof::open())
            }
            Method::Secrets => self.anonymous(AuthError::SecretMissing),
            Method::Tokens(tokens) => {
                check(credentials)?;
                match tokens.authenticate(credentials).await? {
                    Some((identity, verified)) => Ok(Authenticated {
                        expires: verified.expires(),
                        claims: verified.forwarded_claims().cloned(),
                        ..Authenticated::new(identity, verified.proof())
                    }),
                    None => self.anonymous(AuthError::TokenMissing),
                }
            }
            Method::Webhook(hook) => {
                check(credentials)?;
                let answer = hook.ask(credentials, request).await?;
                Ok(Authenticated {
                    identity: answer.identity,
                    expires: answer.expires,
                    proof: hook.proof(),
                    set_cookies: answer.set_cookies,
                    claims: None,
                })
            }
        }
    }

    /// The administrator may be anybody.
    fn administrator(
        &self,
        credentials: &Credentials,
        proof: Proof,
    ) -> Result<Authenticated, AuthError> {
        let role = jwt::role(credentials)?.unwrap_or(ADMIN_ROLE);
        let session = credentials.session();
        let identity = if role == ADMIN_ROLE && session.is_empty() {
            self.admin.clone()
        } else {
            Identity::new(role, session)
        };
        Ok(Authenticated::new(identity, proof))
    }

    /// A client without credentials. What it says of itself is not listened to: Hasura takes its
    /// session variables, which anybody can invent.
    fn anonymous(&self, refusal: AuthError) -> Result<Authenticated, AuthError> {
        self.unauthorized_role.clone().ok_or(refusal)
    }

    /// What it did so far.
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    /// Its counters.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}

impl Webhook {
    pub(crate) fn reads_requests(&self) -> bool {
        let config = self.config();
        config.method == crate::config::HookMethod::Post && config.send_request
    }

    /// Its settings.
    pub fn config(&self) -> &WebhookConfig {
        &self.config
    }
}

fn check(credentials: &Credentials) -> Result<(), AuthError> {
    if credentials.is_too_long() {
        return Err(AuthError::TooLong(crate::credentials::MAX_VALUE_BYTES));
    }
    if credentials.is_malformed() { Err(AuthError::BadHeader) } else { Ok(()) }
}

fn headers_of<'a>(places: impl Iterator<Item = &'a TokenPlace>) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for place in places {
        let name = match place {
            TokenPlace::Authorization => header::AUTHORIZATION,
            TokenPlace::Cookie(_) => header::COOKIE,
            TokenPlace::Header(name) => name.clone(),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{thread::sleep, time::Duration};

    use super::*;

    #[test]
    fn a_deadline_is_not_before_the_end_of_the_credentials() {
        let mut client = Authenticated::new(Identity::admin(), Proof::open());
        client.expires = Some(SystemTime::now() + Duration::from_secs(3600));
        // The machine has other things to do after the clock was read.
        let slow_clock = || {
            let now = Instant::now();
            sleep(Duration::from_millis(50));
            now
        };
        let deadline = client.deadline(slow_clock).unwrap();
        // In this order, so that waiting here makes the right side the smaller one.
        let by_timers = deadline - Instant::now();
        let by_the_calendar = client.expires.unwrap().duration_since(SystemTime::now()).unwrap();
        assert!(by_timers >= by_the_calendar, "{by_timers:?}, {by_the_calendar:?}");
    }
}
