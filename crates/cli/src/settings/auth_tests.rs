//! Settings of authentication from their places.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use artesian_auth::{
    Mode,
    config::{HookMethod, WebhookConfig, parse_jwt_secrets},
    jwt::config::{JwtConfig, TokenPlace},
};
use artesian_server::AuthConfig;
use serde_json::json;

use super::{
    auth::doubts,
    tests::{error, load},
};

pub(super) const KEY: &str = "an HMAC key of 32 bytes and more, to sign with";

pub(super) fn hs256() -> String {
    json!({"type": "HS256", "key": KEY}).to_string()
}

fn auth(given: &[(&'static str, &str)], variables: &[(&str, &str)], yaml: &str) -> AuthConfig {
    load(given, variables, yaml).unwrap().server.auth
}

fn jwt(config: AuthConfig) -> Vec<JwtConfig> {
    match config.mode {
        Mode::Jwt(issuers) => issuers,
        _ => panic!("tokens"),
    }
}

fn webhook(config: AuthConfig) -> WebhookConfig {
    match config.mode {
        Mode::Webhook(hook) => hook,
        _ => panic!("a webhook"),
    }
}

#[test]
fn tokens_come_from_every_place_alike() {
    let url = r#"{"jwk_url": "https://idp.example/jwks", "audience": ["a", "b"], "issuer": "me",
        "claims_namespace_path": "$.hasura", "allowed_skew": 60,
        "header": {"type": "Cookie", "name": "token"},
        "claims_format": "stringified_json"}"#;
    let yaml = "auth:
  jwt:
    jwk_url: https://idp.example/jwks
    audience: [a, '${B:-b}']
    issuer: ${ISSUER}
    claims_namespace_path: $$.hasura
    allowed_skew: 60
    header: {type: Cookie, name: token}
    claims_format: stringified_json
";
    let wanted = Mode::Jwt(parse_jwt_secrets(url).unwrap());
    for name in ["ARTESIAN_JWT_SECRET", "HASURA_GRAPHQL_JWT_SECRET", "HASURA_GRAPHQL_JWT_SECRETS"] {
        assert!(auth(&[], &[(name, url)], "").mode == wanted, "{name}");
        let list = format!("[{url}]");
        assert!(auth(&[], &[(name, &list)], "").mode == wanted, "{name}");
    }
    assert!(auth(&[("jwt-secret", url)], &[], "").mode == wanted);
    assert!(auth(&[], &[("ISSUER", "me")], yaml).mode == wanted);
    // As text in the file, and as a list there.
    let text = format!("auth:\n  jwt: '{}'\n", url.replace('\n', " "));
    assert!(auth(&[], &[], &text).mode == wanted);
    let variable = [("JWT", url)];
    assert!(auth(&[], &variable, "auth:\n  jwt: ${JWT}\n").mode == wanted);
    let list = yaml.replace("    ", "      ").replace("  jwt:\n      jwk", "  jwt:\n    - jwk");
    assert!(auth(&[], &[("ISSUER", "me")], &list).mode == wanted, "{list}");
}

#[test]
fn values_of_a_file_keep_their_types_and_variables_are_text() {
    let yaml = format!(
        "auth:
  jwt:
    type: HS256
    key: {KEY}
    allowed_skew: ${{SKEW}}
    claims_map:
      x-hasura-allowed-roles: [user, editor]
      x-hasura-default-role: {{path: '$.roles[0]', default: user}}
      x-hasura-user-id: {{path: $$.sub}}
      x-hasura-level: 7
      x-hasura-vip: true
"
    );
    let from_file = auth(&[], &[("SKEW", "5")], &yaml);
    let json = json!({"type": "HS256", "key": KEY, "allowed_skew": "5", "claims_map": {
        "x-hasura-allowed-roles": ["user", "editor"],
        "x-hasura-default-role": {"path": "$.roles[0]", "default": "user"},
        "x-hasura-user-id": {"path": "$.sub"},
        "x-hasura-level": 7,
        "x-hasura-vip": true,
    }});
    assert!(from_file == auth(&[("jwt-secret", &json.to_string())], &[], ""));
    let issuers = jwt(from_file);
    assert_eq!(issuers[0].allowed_skew, Duration::from_secs(5));
    assert_eq!(issuers[0].place, TokenPlace::Authorization);
    // A multi-line PEM, as people write it.
    let pem = include_str!("../../../auth/tests/it/keys/rsa.pub.pem");
    let lines = pem.lines().map(|line| format!("      {line}\n")).collect::<String>();
    let yaml = format!("auth:\n  jwt:\n    type: RS256\n    key: |\n{lines}");
    let json = json!({"type": "RS256", "key": pem}).to_string();
    assert!(auth(&[], &[], &yaml).mode == auth(&[("jwt-secret", &json)], &[], "").mode);
}

#[test]
fn the_list_counts_before_the_single_secret() {
    let other = hs256().replace("HS256", "HS384").replace("sign", "sign with, longer");
    let variables = [
        ("HASURA_GRAPHQL_JWT_SECRET", hs256()),
        ("HASURA_GRAPHQL_JWT_SECRETS", format!("[{other}]")),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let wanted = auth(&[("jwt-secret", &other)], &[], "");
    assert!(auth(&[], &variables, "") == wanted);
    // An empty one beside it is not set, as in compose files.
    let empty = [("HASURA_GRAPHQL_JWT_SECRETS", ""), ("HASURA_GRAPHQL_JWT_SECRET", &other)];
    assert!(auth(&[], &empty, "") == wanted);

    let secrets = [
        ("HASURA_GRAPHQL_ADMIN_SECRET", "single"),
        ("HASURA_GRAPHQL_ADMIN_SECRETS", "[\"a\", \"b\"]"),
    ];
    let settings = load(&[], &secrets, "").unwrap();
    assert_eq!(settings.server.auth.admin_secrets, ["a", "b"]);
    let expected = "environment variable HASURA_GRAPHQL_ADMIN_SECRET: it has no effect, since \
                    `admin-secrets` is set";
    assert_eq!(settings.warnings, [expected]);
    assert_eq!(settings.redactor().clean("the single one"), "the *** one");
    assert_eq!(auth(&[], &secrets[..1], "").admin_secrets, ["single"]);
}

#[test]
fn a_webhook_has_hasuras_defaults_and_names() {
    let url = "https://auth.example/who?code=1";
    let hook = webhook(auth(&[("auth-hook", url)], &[], ""));
    assert!(hook == WebhookConfig::new(url, HookMethod::Get).unwrap());
    assert_eq!((hook.timeout, hook.send_request), (Duration::from_secs(10), true));
    let variables = [
        ("HASURA_GRAPHQL_AUTH_HOOK", url),
        ("HASURA_GRAPHQL_AUTH_HOOK_MODE", "POST"),
        ("HASURA_GRAPHQL_AUTH_HOOK_SEND_REQUEST_BODY", "false"),
        ("ARTESIAN_AUTH_HOOK_TIMEOUT", "500ms"),
    ];
    let from_environment = auth(&[], &variables, "");
    let yaml = "auth:\n  webhook:\n    url: https://auth.example/who?code=1\n    mode: POST\n    \
                send_request_body: false\n    timeout: 0.5s\n";
    assert!(auth(&[], &[], yaml) == from_environment);
    let hook = webhook(from_environment);
    assert_eq!((hook.method, hook.send_request), (HookMethod::Post, false));
    assert_eq!(hook.timeout, Duration::from_millis(500));
    let old = [("HASURA_GRAPHQL_AUTH_HOOK", url), ("HASURA_GRAPHQL_AUTH_HOOK_TYPE", "POST")];
    assert_eq!(webhook(auth(&[], &old, "")).method, HookMethod::Post);
    for (name, value, expected) in [
        ("auth-hook-mode", "post", "it is one of GET, POST"),
        ("auth-hook-timeout", "0", "must be more than 0"),
    ] {
        let message = error(&[("auth-hook", url), (name, value)], &[], "");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn the_rest_reaches_the_server() {
    let yaml = "auth:\n  unauthorized_role: anonymous\n  ws_read_cookie: true\n  expiry_grace: 0\n";
    let server = load(&[("disable-cors", "true")], &[], yaml).unwrap().server;
    assert_eq!(server.auth.unauthorized_role.as_deref(), Some("anonymous"));
    assert_eq!((server.ws_read_cookie, server.expiry_grace), (true, Duration::ZERO));
    let empty = auth(&[], &[("HASURA_GRAPHQL_UNAUTHORIZED_ROLE", "")], "");
    assert_eq!(empty.unauthorized_role, None);
}

#[test]
fn nobody_becomes_administrator_since_something_is_missing() {
    // All of these are how templates write a value that they do not have.
    let variables = [
        ("HASURA_GRAPHQL_ADMIN_SECRETS", ""),
        ("HASURA_GRAPHQL_ADMIN_SECRETS", "[]"),
        ("HASURA_GRAPHQL_JWT_SECRET", ""),
        ("HASURA_GRAPHQL_JWT_SECRETS", "[]"),
        ("HASURA_GRAPHQL_JWT_SECRET", "{}"),
        ("HASURA_GRAPHQL_JWT_SECRET", "null"),
        ("HASURA_GRAPHQL_AUTH_HOOK", ""),
    ];
    for (name, value) in variables {
        let message = error(&[], &[(name, value)], "");
        assert!(message.starts_with(&format!("environment variable {name}: ")), "{message}");
    }
    let files = [
        "server:\n  admin_secret:\n",
        "server:\n  admin_secret: ~\n",
        "server:\n  admin_secrets:\n",
        "server:\n  admin_secrets: []\n",
        "server:\n  admin_secrets: [null]\n",
        "auth:\n  jwt:\n",
        "auth:\n  jwt: {}\n",
        "auth:\n  jwt: []\n",
        "auth:\n  jwt: [~]\n",
        "auth:\n  jwt: ''\n",
        "auth:\n  webhook:\n    url:\n",
        "auth:\n  webhook:\n    url: ${HOOK:-}\n",
    ];
    for yaml in files {
        let message = error(&[], &[], yaml);
        assert!(message.starts_with("conf/artesian.yaml:"), "{yaml}: {message}");
    }
    // These the server refuses.
    for settings in [
        auth(&[], &[("ARTESIAN_ADMIN_SECRET", "")], ""),
        auth(&[], &[], "server:\n  admin_secret: ''\n"),
        auth(&[], &[], "server:\n  admin_secrets: ['', a]\n"),
        auth(&[("unauthorized-role", "admin"), ("admin-secret", "x")], &[], ""),
        auth(&[("unauthorized-role", "anonymous")], &[], ""),
        auth(&[("unauthorized-role", "anonymous"), ("auth-hook", "http://h/")], &[], ""),
    ] {
        assert!(artesian_auth::Auth::start(settings).is_err());
    }
    // What is there is not open, with and without an admin secret.
    for given in
        [("jwt-secret", hs256().as_str()), ("auth-hook", "http://h/"), ("admin-secret", "x")]
    {
        assert!(!auth(&[given], &[], "").is_open(), "{}", given.0);
    }
    assert!(auth(&[], &[], "").is_open());
}

#[test]
fn secrets_in_a_file_are_text() {
    for yaml in [
        "server:\n  admin_secret: 0123\n",
        "server:\n  admin_secrets: [a, 1e5]\n",
        "server:\n  admin_secret: true\n",
        "auth:\n  jwt: {type: HS256, key: 12345678901234567890123456789012}\n",
    ] {
        let message = error(&[], &[], yaml);
        assert!(message.contains("must be text: write it in quotes"), "{yaml}: {message}");
        assert!(!message.contains("123"), "{message}");
    }
    assert_eq!(auth(&[], &[], "server:\n  admin_secret: '0123'\n").admin_secrets, ["0123"]);
    let variable = [("SECRET", "0123")];
    assert_eq!(
        auth(&[], &variable, "server:\n  admin_secret: ${SECRET}\n").admin_secrets,
        ["0123"]
    );
}

#[test]
fn tokens_and_a_webhook_exclude_each_other() {
    let given = [("jwt-secret", &*hs256()), ("auth-hook", "http://h/")];
    let message = error(&given, &[], "");
    let expected = "--jwt-secret: tokens and a webhook (auth-hook) exclude each other: choose one";
    assert_eq!(message, expected);
}

#[test]
fn what_has_no_effect_is_told() {
    let warnings = |given: &[_]| load(given, &[], "").unwrap().warnings;
    assert!(warnings(&[("auth-hook", "http://h/"), ("auth-hook-mode", "POST")]).is_empty());
    let expected = "--auth-hook-mode: it has no effect, since `auth-hook` is not set";
    assert_eq!(warnings(&[("auth-hook-mode", "POST")]), [expected]);
    let told = warnings(&[("ws-read-cookie", "true")]);
    assert!(told[0].contains("since `disable-cors` is off"), "{told:?}");
    assert!(warnings(&[("ws-read-cookie", "true"), ("disable-cors", "true")]).is_empty());
    assert!(warnings(&[("ws-read-cookie", "false")]).is_empty());
}

#[test]
fn cookies_and_every_page_are_doubtful() {
    let cookie = json!({"type": "HS256", "key": KEY, "header": {"type": "Cookie", "name": "t"}});
    let (cookie, header) = (cookie.to_string(), hs256());
    let (tokens, cookies) = (("jwt-secret", &*header), ("jwt-secret", &*cookie));
    let hook = ("auth-hook", "http://localhost/");
    let (list, off) = (("cors-domain", "https://a.example"), ("disable-cors", "true"));
    let (all, read) = (("cors-domain", "*"), ("ws-read-cookie", "true"));
    let rows: [(&[_], Option<&str>); 12] = [
        (&[tokens, all], None),
        (&[tokens, off, read], None),
        (&[cookies], None),
        (&[cookies, all], Some("tokens come in cookies, and cors-domain is *")),
        (&[cookies, list], None),
        (&[cookies, off], None),
        (&[cookies, off, read], Some("ws-read-cookie is on")),
        (&[hook], None),
        (&[hook, off], None),
        (&[hook, all], Some("the webhook gets cookies, and may go by them, and cors-domain is *")),
        (&[hook, off, read], Some("ws-read-cookie is on")),
        (&[("admin-secret", "x"), all], None),
    ];
    for (given, expected) in rows {
        let found = doubts(&load(given, &[], "").unwrap().server);
        assert_eq!(found.len(), usize::from(expected.is_some()), "{given:?}: {found:?}");
        assert!(expected.is_none_or(|text| found[0].contains(text)), "{found:?}");
    }
}
