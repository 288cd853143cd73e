//! Who clients are: settings, what of them has no effect, and what is doubtful about them.

use artesian_auth::{
    AuthConfig, Mode,
    config::{HookMethod, WebhookConfig, parse_jwt_secrets},
    jwt::config::TokenPlace,
};
use artesian_server::{Cors, ServerConfig};

use super::{Origin, Resolver, SettingsError};

/// How clients are authenticated. Whether the parts go together is for the server to say.
pub fn auth(from: &Resolver) -> Result<AuthConfig, SettingsError> {
    let webhook = webhook(from)?;
    let mode = match (from.raw("jwt-secret"), webhook) {
        (None, None) => Mode::Secrets,
        (None, Some(hook)) => Mode::Webhook(hook),
        (Some(raw), None) => {
            Mode::Jwt(parse_jwt_secrets(raw.one()).map_err(|error| raw.error(error))?)
        }
        (Some(raw), Some(_)) => {
            return Err(
                raw.error("tokens and a webhook (auth-hook) exclude each other: choose one")
            );
        }
    };
    Ok(AuthConfig {
        admin_secrets: admin_secrets(from)?,
        mode,
        unauthorized_role: from.text("unauthorized-role"),
        ..AuthConfig::default()
    })
}

/// As with Hasura, the list alone counts where it is given: a secret that was taken out of it is not
/// good any more.
fn admin_secrets(from: &Resolver) -> Result<Vec<String>, SettingsError> {
    let (many, one) = (from.secrets("admin-secrets")?, from.text("admin-secret"));
    Ok(if many.is_empty() { one.into_iter().collect() } else { many })
}

fn webhook(from: &Resolver) -> Result<Option<WebhookConfig>, SettingsError> {
    let method = match from.word("auth-hook-mode")?.as_str() {
        "POST" => HookMethod::Post,
        _ => HookMethod::Get,
    };
    let send_request = from.switch("auth-hook-send-request-body")?;
    let timeout = from.positive_time("auth-hook-timeout")?;
    let Some(raw) = from.raw("auth-hook") else { return Ok(None) };
    let hook = WebhookConfig::new(raw.one(), method).map_err(|error| raw.error(error))?;
    Ok(Some(WebhookConfig { send_request, timeout, ..hook }))
}

/// What was set and has no effect, one line each.
pub fn warnings(from: &Resolver, server: &ServerConfig) -> Vec<String> {
    let mut found = Vec::new();
    let origin_of = |name| from.raw(name).map(|raw| raw.origin).filter(|o| *o != Origin::Default);
    let mut idle = |name: &'static str, why: &str| {
        if let Some(origin) = origin_of(name) {
            found.push(format!("{origin}: it has no effect, since {why}"));
        }
    };
    if from.raw("admin-secrets").is_some() {
        idle("admin-secret", "`admin-secrets` is set");
    }
    if !matches!(server.auth.mode, Mode::Webhook(_)) {
        for name in ["auth-hook-mode", "auth-hook-send-request-body", "auth-hook-timeout"] {
            idle(name, "`auth-hook` is not set");
        }
    }
    if server.ws_read_cookie && server.cors != Cors::Disabled {
        idle("ws-read-cookie", "`disable-cors` is off: the rules of `cors-domain` hold");
    }
    found
}

/// What is allowed and probably not meant, a sentence each.
pub fn doubts(server: &ServerConfig) -> Vec<String> {
    let mut found = server.auth.doubts();
    let cookies = match &server.auth.mode {
        Mode::Secrets => None,
        Mode::Jwt(issuers) => issuers
            .iter()
            .any(|issuer| matches!(issuer.place, TokenPlace::Cookie(_)))
            .then_some("tokens come in cookies"),
        Mode::Webhook(_) => Some("the webhook gets cookies, and may go by them"),
    };
    let setting = match server.cors {
        Cors::AllowAll => Some("cors-domain is *"),
        Cors::Disabled if server.ws_read_cookie => Some("ws-read-cookie is on"),
        _ => None,
    };
    if let (Some(cookies), Some(setting)) = (cookies, setting) {
        found.push(format!(
            "{cookies}, and {setting}: every page of the web can act as the user who visits it. Name \
             the origins of your own pages in cors-domain; without it cookies count from pages of the \
             server's own origin"
        ));
    }
    found
}
