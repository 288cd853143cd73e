//! What is to be said of a configuration before anybody uses it: which one it is, what is doubtful
//! about it, and what of it must never be seen.

use http::Uri;

use crate::{
    AuthConfig, Mode,
    config::HookMethod,
    jwt::config::{JwtConfig, KeySource},
    place::Place,
};

/// Keys that stand in documentation or in development kits, so that everybody knows them: Hasura's
/// (docs, "Authentication using JWT"), and those of Supabase's command line and self-hosting kit.
const KNOWN_KEYS: [&str; 3] = [
    "3EK6FD+o0+c7tzBNVfjpMkNDi2yARAAKzQlk8O2IKoxQu4nF7EdAh8s3TwpHwrdWT6R",
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
];

/// A secret of 32 random characters has more different ones than this.
const FEW_CHARACTERS: usize = 12;

/// Hosts whose keys sign the tokens of all their customers, and whether `iss` tells those apart. Where
/// it does not, only `aud` does. A path stands for the key sets whose path contains it.
const SHARED: [(&str, &str, bool); 13] = [
    // Firebase: https://firebase.google.com/docs/auth/admin/verify-id-tokens
    ("www.googleapis.com", "securetoken", true),
    // Google's ID tokens: https://developers.google.com/identity/openid-connect/openid-connect
    ("googleapis.com", "", false),
    // https://developer.apple.com/documentation/signinwithapple/verifying-a-user
    ("appleid.apple.com", "", false),
    // https://learn.microsoft.com/entra/identity-platform/access-tokens
    ("login.microsoftonline.com", "", true),
    ("login.windows.net", "", true),
    ("sts.windows.net", "", true),
    // https://clerk.com/docs/backend-requests/manual-jwt: keys belong to an instance, and all its
    // applications and organizations share them.
    ("clerk.accounts.dev", "", true),
    ("clerk.dev", "", true),
    ("clerk.com", "", true),
    // https://docs.github.com/actions/security-for-github-actions/security-hardening-your-deployments
    ("token.actions.githubusercontent.com", "", false),
    ("gitlab.com", "", false),
    ("www.facebook.com", "", false),
    ("id.twitch.tv", "", false),
];

impl AuthConfig {
    /// How clients are authenticated, in a few words and without any secret.
    pub fn summary(&self) -> String {
        let secrets = match self.admin_secrets.len() {
            0 => None,
            1 => Some("admin secret".to_owned()),
            many => Some(format!("{many} admin secrets")),
        };
        let mut parts: Vec<String> = secrets.into_iter().collect();
        match &self.mode {
            Mode::Secrets if parts.is_empty() => {
                return "none: every client is the administrator".to_owned();
            }
            Mode::Secrets => {}
            Mode::Jwt(issuers) => {
                let issuers: Vec<_> = issuers.iter().map(issuer).collect();
                parts.push(format!("tokens ({})", issuers.join("; ")));
            }
            Mode::Webhook(hook) => {
                let method = if hook.method == HookMethod::Post { "POST" } else { "GET" };
                parts.push(format!("webhook ({method} {})", Place(&hook.url)));
            }
        }
        if let Some(role) = &self.unauthorized_role {
            parts.push(format!("others have the role {:?}", role.trim()));
        }
        parts.join(", ")
    }

    /// What is allowed and probably not meant, a sentence each, without any secret.
    pub fn doubts(&self) -> Vec<String> {
        let mut found = Vec::new();
        match &self.mode {
            Mode::Secrets => {}
            Mode::Jwt(issuers) => {
                for (at, issuer) in issuers.iter().enumerate() {
                    let which = if issuers.len() > 1 {
                        format!(" (number {})", at + 1)
                    } else {
                        String::new()
                    };
                    doubts_of_issuer(issuer, &which, &mut found);
                }
            }
            Mode::Webhook(hook) => {
                if is_open_http(&hook.url) {
                    found.push(format!(
                        "the webhook {} is asked without encryption: who is on the way reads the \
                         credentials of every client, and may answer in its place. Use https://",
                        Place(&hook.url)
                    ));
                }
            }
        }
        found
    }

    /// Everything that must not be seen in any message.
    pub fn secrets(&self) -> Vec<String> {
        let mut found = self.admin_secrets.clone();
        match &self.mode {
            Mode::Secrets => {}
            Mode::Jwt(issuers) => {
                for issuer in issuers {
                    match &issuer.keys {
                        KeySource::Static(key) => {
                            let secret = key.secret().and_then(|key| std::str::from_utf8(key).ok());
                            found.extend(secret.map(str::to_owned));
                        }
                        KeySource::Url(url) => secrets_of_url(url, &mut found),
                    }
                }
            }
            Mode::Webhook(hook) => secrets_of_url(&hook.url, &mut found),
        }
        found
    }
}

fn issuer(config: &JwtConfig) -> String {
    match &config.keys {
        KeySource::Static(key) => format!("a key for {:?}", key.algorithm()),
        KeySource::Url(url) => format!("keys of {}", Place(url)),
    }
}

fn doubts_of_issuer(config: &JwtConfig, which: &str, found: &mut Vec<String>) {
    match &config.keys {
        KeySource::Static(key) => {
            let Some(secret) = key.secret() else { return };
            let mut different = secret.to_vec();
            different.sort_unstable();
            different.dedup();
            if KNOWN_KEYS.iter().any(|known| known.as_bytes() == secret) {
                found.push(format!(
                    "the JWT secret{which}: `key` is an example that everybody knows, so everybody can \
                     make tokens. Take 32 random bytes or more (openssl rand -base64 48)"
                ));
            } else if different.len() < FEW_CHARACTERS {
                found.push(format!(
                    "the JWT secret{which}: `key` has few different characters: who guesses it makes \
                     tokens. Take 32 random bytes or more (openssl rand -base64 48)"
                ));
            }
        }
        KeySource::Url(url) => {
            if is_open_http(url) {
                found.push(format!(
                    "the JWT secret{which}: the keys of {} come without encryption: who is on the way \
                     replaces them and makes tokens. Use https://",
                    Place(url)
                ));
            }
            let (has_audience, has_issuer) = (config.audience.is_some(), config.issuer.is_some());
            match shared_keys(url) {
                Some(true) if !has_audience && !has_issuer => found.push(format!(
                    "the JWT secret{which}: {} signs the tokens of other customers with the same keys, \
                     and all of them are accepted. Set `audience` and `issuer`",
                    Place(url)
                )),
                Some(false) if !has_audience => found.push(format!(
                    "the JWT secret{which}: {} signs the tokens of other customers with the same keys, \
                     and all of them are accepted. Set `audience`: the issuer is the same for all",
                    Place(url)
                )),
                _ => {}
            }
        }
    }
}

/// Whether the keys there are those of many customers, and if so, whether their issuers differ.
fn shared_keys(url: &Uri) -> Option<bool> {
    let host = url.host()?.to_ascii_lowercase();
    let is_at = |known: &str| {
        host == known || host.strip_suffix(known).is_some_and(|rest| rest.ends_with('.'))
    };
    let found = SHARED.iter().find(|(known, path, _)| is_at(known) && url.path().contains(path));
    found.map(|(_, _, by_issuer)| *by_issuer)
}

/// Whether what is sent there can be read on the way: HTTP to another machine.
fn is_open_http(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
    let is_local = host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme_str() == Some("http") && !is_local
}

/// The query as a whole, and its values, except for those that are too short to be secrets: `true`
/// must not disappear from all messages.
fn secrets_of_url(url: &Uri, found: &mut Vec<String>) {
    const SHORTEST: usize = 6;
    let Some(query) = url.query() else { return };
    found.push(query.to_owned());
    let values = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
    found.extend(values.filter(|value| value.len() >= SHORTEST).map(str::to_owned));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::config::{WebhookConfig, jwt_secrets};

    const KEY: &str = "an HMAC key of 32 bytes and more, to sign with";

    fn jwt(value: &serde_json::Value) -> AuthConfig {
        AuthConfig { mode: Mode::Jwt(jwt_secrets(value).unwrap()), ..AuthConfig::default() }
    }

    fn hook(url: &str) -> AuthConfig {
        let hook = WebhookConfig::new(url, HookMethod::Post).unwrap();
        AuthConfig { mode: Mode::Webhook(hook), ..AuthConfig::default() }
    }

    #[test]
    fn the_summary_names_the_mode_and_no_secret() {
        let open = AuthConfig::default();
        assert_eq!(open.summary(), "none: every client is the administrator");
        let mut secrets = AuthConfig::with_secrets(vec!["hush".into(), "hush2".into()]);
        secrets.unauthorized_role = Some("anonymous".into());
        assert_eq!(secrets.summary(), "2 admin secrets, others have the role \"anonymous\"");
        let mut tokens = jwt(&json!([{"type": "HS256", "key": KEY},
                                     {"jwk_url": "https://idp.example/jwks?hush=hush"}]));
        let keys = "a key for HS256; keys of https://idp.example/jwks";
        assert_eq!(tokens.summary(), format!("tokens ({keys})"));
        tokens.admin_secrets.push("hush".into());
        assert_eq!(tokens.summary(), format!("admin secret, tokens ({keys})"));
        let summary = hook("http://auth:3000/who?code=hush").summary();
        assert_eq!(summary, "webhook (POST http://auth:3000/who)");
    }

    #[test]
    fn doubts_are_told() {
        let url = |url: &str, more: serde_json::Value| {
            let mut value = more;
            value["jwk_url"] = url.into();
            value
        };
        let firebase = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@x";
        let rows = [
            (jwt(&json!({"type": "HS256", "key": KEY})), None),
            (jwt(&json!({"type": "HS256", "key": KNOWN_KEYS[0]})), Some("everybody knows")),
            (jwt(&json!({"type": "HS256", "key": KNOWN_KEYS[1]})), Some("everybody knows")),
            (jwt(&json!({"type": "HS256", "key": "12".repeat(20)})), Some("few different")),
            (jwt(&url("https://idp.example/jwks", json!({}))), None),
            (jwt(&url("http://localhost:1/jwks", json!({}))), None),
            (jwt(&url("http://127.0.0.2/jwks", json!({}))), None),
            (jwt(&url("http://[::1]:1/jwks", json!({}))), None),
            (jwt(&url("http://keycloak:8080/jwks", json!({}))), Some("without encryption")),
            (jwt(&url("http://127.0.0.1.example/jwks", json!({}))), Some("without encryption")),
            (jwt(&url(firebase, json!({}))), Some("Set `audience` and `issuer`")),
            (jwt(&url(firebase, json!({"issuer": "https://securetoken.google.com/x"}))), None),
            (jwt(&url(firebase, json!({"audience": "x"}))), None),
            (
                jwt(&url("https://www.googleapis.com/oauth2/v3/certs", json!({"issuer": "g"}))),
                Some("the same for all"),
            ),
            (jwt(&url("https://x.clerk.accounts.dev/jwks", json!({}))), Some("other customers")),
            (jwt(&url("https://notclerk.dev/jwks", json!({}))), None),
            (hook("https://auth.example/"), None),
            (hook("http://localhost:3000/"), None),
            (hook("http://auth.example/?code=hush"), Some("without encryption")),
        ];
        for (config, expected) in rows {
            let doubts = config.doubts();
            match expected {
                None => assert!(doubts.is_empty(), "{doubts:?}"),
                Some(text) => {
                    assert_eq!(doubts.len(), 1, "{text}: {doubts:?}");
                    assert!(doubts[0].contains(text), "{text}: {doubts:?}");
                    assert!(!doubts[0].contains("hush") && !doubts[0].contains("(number"));
                }
            }
        }
        let two = jwt(&json!([{"type": "HS256", "key": KEY}, url("http://idp/jwks", json!({}))]));
        assert!(two.doubts()[0].starts_with("the JWT secret (number 2): "), "{:?}", two.doubts());
    }

    #[test]
    fn all_secrets_are_known() {
        let mut config = jwt(&json!([{"type": "HS256", "key": KEY},
                                     {"jwk_url": "https://idp.example/jwks?api_key=hush%21!&v=true"}]));
        config.admin_secrets.push("root".into());
        assert_eq!(config.secrets(), ["root", KEY, "api_key=hush%21!&v=true", "hush%21!"]);
        assert_eq!(hook("http://auth/?code=hush-hush").secrets(), ["code=hush-hush", "hush-hush"]);
        assert!(hook("http://auth/").secrets().is_empty());
    }
}
