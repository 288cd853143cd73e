//! Secrets of authentication, which no message shows.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::{
    auth_tests::{KEY, hs256},
    tests::{error, load},
};

/// Ways in which secrets get into settings that cannot be used.
fn wrong(secret: &str) -> Vec<(Vec<(&'static str, String)>, String)> {
    let json = |value: Value| value.to_string();
    let jwt = [
        secret.to_owned(),
        format!("{{\"type\": \"HS256\", \"key\": \"{secret}"),
        json(json!({"type": "RS256", "key": format!("-----BEGIN PUBLIC KEY-----\n{secret}")})),
        json(json!({"type": "HS256", "key": [secret]})),
        json(json!({"type": "HS256", "key": secret, "clams_map": 1})),
        json(json!({"type": "HS512", "key": secret})),
        json(json!({"jwk_url": format!("ftp://h/?{secret}")})),
        json(json!({"jwk_url": format!("https://u:{secret}@h/")})),
    ];
    let mut rows: Vec<_> =
        jwt.into_iter().map(|text| (vec![("jwt-secret", text)], String::new())).collect();
    for url in [format!("ftp://h/?{secret}"), format!("http://u:{secret}@h/"), secret.to_owned()] {
        rows.push((vec![("auth-hook", url.clone())], String::new()));
        rows.push((vec![], format!("auth:\n  webhook:\n    url: '{url}'\n")));
        rows.push((vec![], format!("auth:\n  webhook:\n    url: ['{url}']\n    mode: GTE\n")));
        rows.push((vec![], format!("auth:\n  webhook:\n    url: {{'{url}': 1}}\n")));
    }
    for text in [secret.to_owned(), format!("[{secret}]"), format!("[\"{secret}\", 1]")] {
        rows.push((vec![("admin-secrets", text)], String::new()));
    }
    let yaml = [
        format!("auth:\n  jwt: \"{secret}\n"),
        format!("auth:\n  jwt: '{{\"key\": \"{secret}\"}}'\n"),
        format!("auth:\n  jwt:\n    type: HS256\n    key: {secret}\n    key: {secret}\n"),
        format!("auth:\n  jwt:\n    type: HS256\n    key: [{secret}]\n"),
        format!("auth:\n  jwt:\n    type: HS999\n    key: {secret}\n"),
        format!("auth:\n  jwt:\n  - type: HS256\n    kye: {secret}\n"),
        format!("auth:\n  jwt:\n    type: HS256\n    key: {secret}\n  jwk: 1\n"),
        format!("auth:\n  jwt_secret: {secret}\n"),
        format!("server:\n  admin_secret: [{secret}\n"),
        format!("server:\n  admin_secret: {{a: {secret}}}\n"),
        format!("server:\n  admin_secrets: {secret}\n  admin_sekret: {secret}\n"),
        format!("server:\n  admin_secret: \"{secret}\\q\"\n"),
        format!("server:\n  admin_secret: *{secret}\n"),
        format!("server:\n  admin_secret: !{secret} {secret}\n  x: 1\n"),
        format!("server:\n\tadmin_secret: {secret}\n"),
    ];
    rows.extend(yaml.into_iter().map(|yaml| (vec![], yaml)));
    rows
}

#[test]
fn no_error_shows_a_secret() {
    for secret in ["hush-hush-hush-hush-hush-hush-hush", "HUSH/HUSH+HUSH=HUSH_HUSH0HUSH1HUSH=="] {
        for (given, yaml) in wrong(secret) {
            let given: Vec<_> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let message = error(&given, &[], &yaml);
            let lower = message.to_ascii_lowercase();
            assert!(!lower.contains("hush"), "{given:?} {yaml}\n{message}");
        }
    }
}

#[test]
fn the_redactor_knows_all_secrets() {
    let query = "code=s3cr%40tcode&tenant=x";
    let hook = load(&[("auth-hook", &format!("https://h/?{query}"))], &[], "").unwrap();
    let message = format!("asked {query}, s3cr%40tcode and s3cr@tcode");
    assert_eq!(hook.redactor().clean(&message), "asked ***, *** and ***");
    let given = [("jwt-secret", &*hs256()), ("admin-secrets", "[\"first-one\", \"second-one\"]")];
    let tokens = load(&given, &[], "").unwrap();
    let message = format!("{KEY}, first-one, second-one");
    assert_eq!(tokens.redactor().clean(&message), "***, ***, ***");
    let debug = format!("{tokens:?} {:?} {:?}", tokens.server, tokens.server.auth);
    assert!(!debug.contains("-one") && !debug.contains("HMAC"), "{debug}");
}
