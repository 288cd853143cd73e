//! Settings: which are equal, and what errors say.

use artesian_auth::{
    AuthConfig, ConfigError, Mode,
    config::{HookMethod, WebhookConfig, jwt_secrets, parse_jwt_secrets},
    jwt::keys::StaticKey,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{LONG_SECRET, public_key};

fn error(settings: &Value) -> String {
    let from_value = jwt_secrets(settings).err().unwrap();
    assert_eq!(parse_jwt_secrets(&settings.to_string()).err().unwrap(), from_value);
    from_value.to_string()
}

#[test]
fn errors_name_the_member() {
    let hs = |more: Value| {
        let mut all = json!({"type": "HS256", "key": LONG_SECRET});
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        all
    };
    let rows = [
        (json!({}), "`key` or `jwk_url` is missing"),
        (json!([]), "the list is empty"),
        (json!("x"), "must be a JSON object"),
        (json!([7]), "number 1: it must be a JSON object"),
        (json!({"key": LONG_SECRET}), "`type` is missing"),
        (json!({"type": "HS256", "key": null}), "`key` or `jwk_url` is missing"),
        (json!({"type": "HS256", "key": 7}), "`key` must be text: write it in quotes"),
        (json!({"type": "HS256", "key": ["hush"]}), "`key` must be text"),
        (hs(json!({"jwk_url": "https://h/"})), "exclude each other"),
        (hs(json!({"jwk_uri": "https://h/"})), "unknown member `jwk_uri`; known are type, key, "),
        (hs(json!({"hushhushhushhushhushhushhush": 1})), "unknown member; known are type, key, "),
        (hs(json!({"hush hush": 1})), "unknown member; known are type, key, "),
        (hs(json!({"audience": 7})), "`audience` must be text: write it in quotes"),
        (hs(json!({"audience": ["a", 7]})), "`audience` must be text or a list of texts"),
        (hs(json!({"audience": []})), "empty list"),
        (hs(json!({"issuer": true})), "`issuer` must be text: write it in quotes"),
        (hs(json!({"allowed_skew": -1})), "`allowed_skew` must be a whole number of seconds"),
        (hs(json!({"allowed_skew": "1m"})), "`allowed_skew` must be a whole number of seconds"),
        (hs(json!({"allowed_skew": 1.5})), "`allowed_skew` must be a whole number of seconds"),
        (hs(json!({"claims_map": []})), "`claims_map` must be an object"),
        (hs(json!({"header": "x"})), "`header` must be"),
        (json!({"jwk_url": ""}), "`jwk_url`: the URL is empty"),
        (json!({"jwk_url": "https://u:hush@h/"}), "user and password in the URL"),
        (json!({"jwk_url": "https://u:hu/hush@h/"}), "the URL is malformed"),
        (json!({"jwk_url": "https://h:/"}), "the URL is malformed"),
        (json!({"jwk_url": "https://h:99999/"}), "the URL is malformed"),
    ];
    for (settings, expected) in rows {
        let message = error(&settings);
        assert!(message.contains(expected), "{settings}: {message}");
        assert!(!message.contains("hush") && !message.contains(LONG_SECRET), "{message}");
    }
    assert_eq!(parse_jwt_secrets(" ").err().unwrap().to_string(), "the JWT secret: it is empty");
    let skew = jwt_secrets(&hs(json!({"allowed_skew": " 60 ", "audience": null}))).unwrap();
    assert_eq!((skew[0].allowed_skew.as_secs(), &skew[0].audience), (60, &None));
}

/// Values that are wrong in every way in which a secret may be put into the settings.
fn wrong(secret: &str) -> Vec<String> {
    let value = |value: Value| value.to_string();
    let private = include_str!("keys/rsa.pem").replace("PRIVATE", secret);
    vec![
        secret.to_owned(),
        format!("\"{secret}"),
        format!("{{\"type\": \"HS256\", \"key\": \"{secret}"),
        format!("{{\"type\": \"HS256\", \"key\": '{secret}'}}"),
        value(json!({"type": "HS256", "key": secret, secret: 1})),
        value(json!({"type": secret, "key": LONG_SECRET})),
        value(json!({"type": "RS256", "key": secret})),
        value(json!({"type": "RS256", "key": format!("-----BEGIN PUBLIC KEY-----\n{secret}")})),
        value(json!({"type": "RS256", "key": private})),
        value(json!({"type": "Ed25519", "key": secret})),
        value(json!({"type": "HS512", "key": secret})),
        value(json!({"type": "HS256", "key": [secret]})),
        value(json!({"type": "HS256", "key": {"secret": secret}})),
        value(json!({"type": "HS256", "key": LONG_SECRET, "audience": {"a": secret}})),
        value(json!({"type": "HS256", "key": LONG_SECRET, "allowed_skew": secret})),
        value(json!({"type": "HS256", "key": LONG_SECRET, "claims_format": secret})),
        value(json!({"type": "HS256", "key": LONG_SECRET, "header": secret})),
        value(json!({"type": "HS256", "key": LONG_SECRET, "header": {"type": secret}})),
        value(json!({"type": "HS256", "key": LONG_SECRET, "jwk_url": secret})),
        value(json!({"jwk_url": secret})),
        value(json!({"jwk_url": format!("ftp://h/?{secret}")})),
        value(json!({"jwk_url": format!("https://u:{}@h/", secret.replace('/', "_"))})),
        value(json!({"jwk_url": format!("https://h h/?{secret}")})),
        value(json!([{"type": "HS256", "key": LONG_SECRET}, {"type": "HS512", "key": secret}])),
        value(json!([secret])),
    ]
}

proptest! {
    #[test]
    fn no_error_shows_a_secret(secret in "[A-Za-z0-9+/=_-]{26,60}") {
        for text in wrong(&secret) {
            let message = parse_jwt_secrets(&text).err().map(|error| error.to_string());
            let message = message.expect(&text);
            prop_assert!(!message.contains(&secret), "{}: {}", text, message);
            prop_assert!(!message.contains(LONG_SECRET));
        }
        for url in [secret.clone(), format!("ftp://h/?{secret}"), format!("http://u@{secret}.h h/")] {
            let error = WebhookConfig::new(&url, HookMethod::Get).err().unwrap();
            prop_assert!(!error.to_string().contains(&secret), "{}", error);
        }
    }
}

fn config(secret: &str, jwt: &Value) -> AuthConfig {
    AuthConfig {
        admin_secrets: vec![secret.to_owned()],
        mode: Mode::Jwt(jwt_secrets(jwt).unwrap()),
        unauthorized_role: None,
        ..AuthConfig::default()
    }
}

#[test]
fn unchanged_settings_are_equal_and_changed_ones_are_not() {
    let base = json!({"type": "HS256", "key": LONG_SECRET, "issuer": "me"});
    let same = json!({"issuer": "me", "key": LONG_SECRET, "type": "HS256"});
    assert!(config("a", &base) == config("a", &same));
    assert!(config("a", &base) != config("b", &base));
    let other_key = format!("{LONG_SECRET}.");
    let changes = [
        ("type", json!("HS384")),
        ("key", json!(other_key)),
        ("issuer", json!("you")),
        ("audience", json!("a")),
        ("allowed_skew", json!(1)),
        ("claims_namespace", json!("c")),
        ("header", json!({"type": "Cookie", "name": "c"})),
    ];
    for (name, value) in changes {
        let mut other = base.clone();
        other[name] = value;
        assert!(config("a", &base) != config("a", &other), "{name}");
    }
    let pem = |algorithm: &str| json!({"type": algorithm, "key": public_key(algorithm)});
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        assert!(config("a", &pem(algorithm)) == config("a", &pem(algorithm)));
    }
    assert!(config("a", &pem("RS256")) != config("a", &pem("PS256")));
    assert!(config("a", &json!([base])) == config("a", &base));
    assert!(config("a", &json!([base, pem("RS256")])) != config("a", &base));
    let key = |key: &str| StaticKey::new("HS256", key).unwrap();
    let same_length = LONG_SECRET.to_uppercase();
    assert!(key(LONG_SECRET) == key(LONG_SECRET) && key(LONG_SECRET) != key(&same_length));
    let hook = |url: &str| Mode::Webhook(WebhookConfig::new(url, HookMethod::Get).unwrap());
    assert!(hook("http://h/") == hook("http://h/"));
    assert!(hook("http://h/") != hook("http://h/?x") && hook("http://h/") != Mode::Secrets);
}

#[test]
fn the_administrator_is_no_role_for_strangers() {
    let mut open = config("a", &json!({"type": "HS256", "key": LONG_SECRET}));
    open.unauthorized_role = Some(" admin ".to_owned());
    assert_eq!(artesian_auth::Auth::start(open).err(), Some(ConfigError::AdminRole));
}
