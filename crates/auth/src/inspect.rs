//! Tries a configuration out, for `artesian check`: asks each service once and keeps nothing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::Uri;

use crate::{
    AdminSecrets, AuthConfig, AuthError, ConfigError, Mode,
    error::TokenError,
    fetch::Client,
    jwt::{
        Tokens,
        config::KeySource,
        explain,
        jwks::{self, FetchKeysError},
        keys::{KeySet, UnusableKey},
    },
    place::Place,
    webhook::{self, Webhook},
};

/// A configuration whose key sets were fetched.
pub struct Inspection {
    key_sets: Vec<FoundKeys>,
    tokens: Option<Tokens>,
    /// By issuer, whether its keys could not be fetched.
    are_away: Vec<bool>,
    webhook: Option<Arc<Webhook>>,
}

/// What came of fetching a key set.
pub struct FoundKeys {
    /// Where it is, without the query.
    pub url: String,
    /// What is there.
    pub keys: Result<Keys, FetchKeysError>,
}

/// What is in a key set.
pub struct Keys {
    /// How many keys are good for which algorithms.
    pub usable: BTreeMap<String, usize>,
    /// The others.
    pub unusable: Vec<UnusableKey>,
    /// For how long the set is good.
    pub life: Duration,
}

/// Whom a token or the webhook takes a client for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The role.
    pub role: String,
    /// Roles that may be asked for; `None` where the webhook decides.
    pub allowed_roles: Option<Vec<String>>,
    /// Session variables, without the role.
    pub session: BTreeMap<String, String>,
    /// Until when that holds; `None` without end.
    pub expires: Option<SystemTime>,
}

/// Why one issuer's settings do not accept a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the client would get.
    pub error: AuthError,
    /// What more there is to say to who made the settings. May quote what the token says of itself.
    pub detail: Option<String>,
}

/// What the webhook says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookFound {
    /// It refuses the client: 401.
    Refuses,
    /// It takes the client for this.
    Takes(Who),
    /// It answers what it must not. Never quotes the answer.
    Bad {
        /// The status of the answer.
        status: u16,
        /// What is wrong.
        reason: &'static str,
    },
    /// It does not answer.
    Away(String),
}

impl Inspection {
    /// Checks the settings and fetches the key sets, each once.
    ///
    /// # Errors
    /// If the settings cannot be used. Services that are away are none.
    pub async fn start(config: AuthConfig) -> Result<Self, ConfigError> {
        config.check()?;
        AdminSecrets::new(&config.admin_secrets)?;
        let client = || Client::new().map_err(|error| ConfigError::Tls(error.to_string()));
        let mut found =
            Self { key_sets: Vec::new(), tokens: None, are_away: Vec::new(), webhook: None };
        match config.mode {
            Mode::Secrets => {}
            Mode::Webhook(hook) => {
                found.webhook = Some(Webhook::new(hook, client()?, Arc::default()))
            }
            Mode::Jwt(configs) => {
                let client = client()?;
                let mut fetched: HashMap<Uri, Arc<KeySet>> = HashMap::new();
                let mut asked: Vec<&Uri> = Vec::new();
                for url in configs.iter().filter_map(|config| config.keys.url()) {
                    if asked.contains(&url) {
                        continue;
                    }
                    asked.push(url);
                    let keys = jwks::fetch(url, &client).await.map(|(keys, life)| {
                        let keys = Arc::new(keys);
                        fetched.insert(url.clone(), Arc::clone(&keys));
                        let unusable = keys.unusable().to_vec();
                        Keys { usable: keys.summary(), unusable, life }
                    });
                    found.key_sets.push(FoundKeys { url: Place(url).to_string(), keys });
                }
                let is_away =
                    |source: &KeySource| source.url().is_some_and(|url| !fetched.contains_key(url));
                found.are_away = configs.iter().map(|config| is_away(&config.keys)).collect();
                found.tokens = Some(Tokens::fixed(configs, &fetched));
            }
        }
        Ok(found)
    }

    /// What came of the key sets.
    pub fn key_sets(&self) -> &[FoundKeys] {
        &self.key_sets
    }

    /// What becomes of a token, by issuer, in the order of the settings; empty without tokens. `role`
    /// is the role that is asked for.
    pub async fn token(&self, token: &str, role: Option<&str>) -> Vec<Result<Who, Refusal>> {
        let Some(tokens) = &self.tokens else { return Vec::new() };
        let mut found = Vec::new();
        for (at, config) in tokens.configs().enumerate() {
            let verified = tokens.verify(token, &[at]).await.and_then(|verified| {
                let role = verified.identity(role)?.role.to_string();
                Ok((role, verified))
            });
            found.push(match verified {
                Ok((role, verified)) => {
                    let granted = verified.granted();
                    Ok(Who {
                        role,
                        allowed_roles: Some(granted.allowed_roles.clone()),
                        session: granted.session.clone(),
                        expires: verified.expires(),
                    })
                }
                Err(AuthError::Token(TokenError::UnknownKey))
                    if self.are_away.get(at) == Some(&true) =>
                {
                    Err(Refusal { error: AuthError::KeysUnavailable, detail: None })
                }
                Err(error) => {
                    let keys = tokens.keys(at);
                    let detail = explain::detail(&error, token, config, keys.as_deref());
                    Err(Refusal { error, detail })
                }
            });
        }
        found
    }

    /// What the webhook says of a client with this token in `Authorization`, or of one without any
    /// credentials; `None` if there is no webhook. `role` is the role that is asked for.
    pub async fn webhook(&self, token: Option<&str>, role: Option<&str>) -> Option<HookFound> {
        let mut headers = Vec::new();
        headers
            .extend(token.map(|token| ("authorization".into(), format!("Bearer {token}").into())));
        headers.extend(role.map(|role| (crate::credentials::ROLE_HEADER.into(), role.into())));
        let hook = self.webhook.as_ref()?;
        let answer = match hook.look(&headers).await {
            Ok(answer) => answer,
            Err(reason) => return Some(HookFound::Away(reason)),
        };
        Some(match webhook::read(&answer, SystemTime::now()) {
            Ok(answer) => {
                let session = answer.identity.session.pairs();
                let session = session.iter().map(|(name, value)| (&**name, &**value));
                let is_role = |name: &str| name == crate::credentials::ROLE_HEADER;
                HookFound::Takes(Who {
                    role: answer.identity.role.to_string(),
                    allowed_roles: None,
                    session: session
                        .filter(|(name, _)| !is_role(name))
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .collect(),
                    expires: answer.expires,
                })
            }
            Err(AuthError::HookRefused) => HookFound::Refuses,
            Err(AuthError::HookAnswer(reason)) => {
                HookFound::Bad { status: answer.status().as_u16(), reason }
            }
            Err(_) => HookFound::Bad { status: answer.status().as_u16(), reason: "it is unusable" },
        })
    }
}
