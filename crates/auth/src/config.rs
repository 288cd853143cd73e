//! Settings, Hasura's among them.

use std::{fmt, time::Duration};

use artesian_engine::identity::ADMIN_ROLE;
use http::{Uri, uri::Authority};
use serde_json::Value;

use crate::{Proof, jwt::config::JwtConfig};

/// How clients are authenticated. Equal configurations let in the same clients.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AuthConfig {
    /// Admin secrets, any of which is good.
    pub admin_secrets: Vec<String>,
    /// How everybody else is.
    pub mode: Mode,
    /// The role of clients without any credentials. Without it they are refused.
    pub unauthorized_role: Option<String>,
    /// Claims of a token that are kept beside the identity, by their names on its top level: what a
    /// gateway tells services of. Webhooks and secrets have none.
    pub forward_claims: Vec<Box<str>>,
}

/// How clients without the admin secret are authenticated.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Mode {
    /// Not at all: without admin secrets everybody is the administrator.
    #[default]
    Secrets,
    /// By tokens, of any of these issuers.
    Jwt(Vec<JwtConfig>),
    /// By a service of the user's.
    Webhook(WebhookConfig),
}

/// A service that says who a client is. Has no `Debug` on purpose: the query of its URL may hold a
/// secret.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Its URL.
    pub url: Uri,
    /// How it is asked.
    pub method: HookMethod,
    /// Whether it is told the GraphQL request too, where it is asked with POST.
    pub send_request: bool,
    /// How long its whole answer may take.
    pub timeout: Duration,
}

/// How a webhook is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookMethod {
    /// With the client's headers as headers.
    #[default]
    Get,
    /// With the client's headers and the request as JSON.
    Post,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An empty secret would let everybody in who sends an empty header.
    #[error("an admin secret must not be empty")]
    EmptyAdminSecret,
    /// A value that no header can carry, so no client could ever send it.
    #[error("an admin secret must consist of visible ASCII characters, without spaces at its ends")]
    UnusableAdminSecret,
    /// The JSON of `--jwt-secret`.
    #[error("the JWT secret: {0}")]
    Jwt(String),
    /// The webhook's URL.
    #[error("the webhook: {0}")]
    Webhook(String),
    /// A role for clients without credentials where the webhook is asked about all clients.
    #[error(
        "an unauthorized role and a webhook exclude each other: the webhook is asked about clients without credentials too"
    )]
    RoleBesideWebhook,
    /// A role for clients without credentials where all clients are administrators.
    #[error(
        "an unauthorized role needs an admin secret: without one every client is the administrator"
    )]
    RoleWithoutSecret,
    /// An empty role.
    #[error("the unauthorized role must not be empty")]
    EmptyRole,
    /// The administrator as the role of clients without credentials.
    #[error("the unauthorized role must not be admin: everybody would be the administrator")]
    AdminRole,
    /// The machine's certificate authorities cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
}

/// Says how clients are authenticated, and nothing secret.
impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match &self.mode {
            Mode::Secrets => "secrets",
            Mode::Jwt(_) => "jwt",
            Mode::Webhook(_) => "webhook",
        };
        f.debug_struct("AuthConfig")
            .field("admin_secrets", &self.admin_secrets.len())
            .field("mode", &mode)
            .field("unauthorized_role", &self.unauthorized_role)
            .field("forward_claims", &self.forward_claims)
            .finish()
    }
}

impl AuthConfig {
    /// Admin secrets and nothing else.
    pub fn with_secrets(admin_secrets: Vec<String>) -> Self {
        Self { admin_secrets, ..Self::default() }
    }

    /// Whether every client is the administrator.
    pub fn is_open(&self) -> bool {
        self.admin_secrets.is_empty() && matches!(self.mode, Mode::Secrets)
    }

    /// Refuses combinations that mean nothing.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match &self.unauthorized_role {
            None => Ok(()),
            Some(role) if role.trim().is_empty() => Err(ConfigError::EmptyRole),
            Some(role) if role.trim() == ADMIN_ROLE => Err(ConfigError::AdminRole),
            Some(_) if matches!(self.mode, Mode::Webhook(_)) => Err(ConfigError::RoleBesideWebhook),
            Some(_) if self.is_open() => Err(ConfigError::RoleWithoutSecret),
            Some(_) => Ok(()),
        }
    }
}

impl WebhookConfig {
    /// What lets clients in that it vouches for.
    pub(crate) fn proof(&self) -> Proof {
        Proof::of("webhook", (&self.url, self.method == HookMethod::Post))
    }

    /// A webhook with Hasura's defaults. Hasura waits for the answer as long as it takes; here it is
    /// 10 s.
    pub fn new(url: &str, method: HookMethod) -> Result<Self, ConfigError> {
        let url = http_url(url).map_err(ConfigError::Webhook)?;
        Ok(Self { url, method, send_request: true, timeout: Duration::from_secs(10) })
    }
}

/// A URL of HTTP with a host. Errors never quote it: its query may hold a secret.
pub(crate) fn http_url(text: &str) -> Result<Uri, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the URL is empty".to_owned());
    }
    let url: Uri = text.parse().map_err(|_| "the URL is malformed".to_owned())?;
    match url.scheme_str() {
        // They would not be sent, and HTTP/2 forbids them (RFC 9113, section 8.3.1).
        _ if url.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            Err("user and password in the URL are not supported".to_owned())
        }
        // A password with a slash looks like a port and a path, and paths are shown.
        _ if url.authority().is_some_and(|authority| !has_real_port(authority)) => {
            Err("the URL is malformed".to_owned())
        }
        Some("http" | "https") if url.host().is_some_and(|host| !host.is_empty()) => Ok(url),
        _ => Err("the URL must begin with http:// or https:// and name a host".to_owned()),
    }
}

/// Whether there is a port that is one, or none.
fn has_real_port(authority: &Authority) -> bool {
    let rest = authority.as_str().strip_prefix(authority.host());
    rest.is_some_and(str::is_empty) || authority.port_u16().is_some()
}

/// The configurations in the value of `--jwt-secret`: a JSON object, or an array of them for tokens
/// of several issuers.
pub fn parse_jwt_secrets(text: &str) -> Result<Vec<JwtConfig>, ConfigError> {
    if text.trim().is_empty() {
        return Err(ConfigError::Jwt("it is empty".to_owned()));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        // The message of the parser could quote the key.
        ConfigError::Jwt(format!("no JSON (line {}, column {})", error.line(), error.column()))
    })?;
    jwt_secrets(&value)
}

/// The same from a value of a configuration file.
pub fn jwt_secrets(value: &Value) -> Result<Vec<JwtConfig>, ConfigError> {
    match value {
        Value::Array(many) if many.is_empty() => {
            Err(ConfigError::Jwt("the list is empty".to_owned()))
        }
        Value::Array(many) => many
            .iter()
            .enumerate()
            .map(|(at, one)| {
                let numbered = |error| ConfigError::Jwt(format!("number {}: {error}", at + 1));
                JwtConfig::from_json(one).map_err(numbered)
            })
            .collect(),
        one => JwtConfig::from_json(one).map(|one| vec![one]).map_err(ConfigError::Jwt),
    }
}
