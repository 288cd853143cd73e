//! `check`, on authentication.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    service::{Reply, Service},
    support::{Ended, Scratch},
    tokens::{LONG_SECRET, claims, der, seconds_from_now, token, token_with},
};

/// The RSA key of the tests as a member of a key set.
pub fn jwk(id: &str) -> Value {
    let key = include_str!("../../../auth/tests/it/keys/rsa.pem");
    let pair = ring::rsa::KeyPair::from_pkcs8(&der(key)).unwrap();
    let public: ring::rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({"kty": "RSA", "kid": id, "alg": "RS256", "n": b64(&public.n), "e": b64(&public.e)})
}

/// A token of that key.
pub fn signed(id: &str, more: Value) -> String {
    token_with(&json!({"alg": "RS256", "kid": id}), &claims(more))
}

fn hs256() -> String {
    json!({"type": "HS256", "key": LONG_SECRET}).to_string()
}

fn check(args: &[&str], input: Option<&str>) -> Ended {
    let shop = Scratch::with_shop();
    let args = [&["check", "--database-url", "sqlite:shop.db"], args].concat();
    let ended = match input {
        Some(input) => shop.run_with(&args, input),
        None => shop.run(&args),
    };
    assert!(!ended.out.contains(LONG_SECRET), "{}", ended.out);
    assert!(!format!("{ended:?}").contains("hush"), "{ended:?}");
    // Whatever is wrong with authentication, the rest is looked at.
    assert!(ended.out.contains("2 of 2 tables and views can be read"), "{ended:?}");
    ended
}

#[track_caller]
fn has(ended: &Ended, code: i32, lines: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    for line in lines {
        assert!(ended.out.contains(line), "no {line:?} in\n{}", ended.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_and_told() {
    let mut encrypts = jwk("enc");
    encrypts["use"] = "enc".into();
    let keys = [jwk("r"), jwk("s"), encrypts, json!({"kty": "oct", "kid": "o", "k": "AAAA"})];
    let service = Service::start(Reply::json(&json!({ "keys": keys }))).await;
    let jwt = json!({"jwk_url": format!("{}jwks?code=hush", service.url())}).to_string();
    let ended = check(&["--jwt-secret", &jwt], None);
    let keys = format!("keys: 2 usable keys at {}jwks: 2 for RS256; fetched again", service.url());
    let mode = format!(
        "ok      authentication: tokens (keys of {}jwks). There is no admin secret: the \
                        administrator is who has a token",
        service.url()
    );
    has(
        &ended,
        0,
        &[
            &mode,
            &keys,
            "ok      keys: the key \"enc\" is not used: it is not for signatures",
            "warning keys: the key \"o\" is not used: it is symmetric",
            "0 errors, 1 warning",
        ],
    );
    for (reply, expected) in [
        (Reply::Say(503, vec![], "hush".into()), "the answer was 503"),
        (Reply::Say(200, vec![], "<hush>".into()), "it is no JSON Web Key Set"),
        (Reply::json(&json!({"keys": []})), "it has no keys"),
    ] {
        service.say(reply);
        let ended = check(&["--jwt-secret", &jwt, "--token", "a.b.c"], None);
        has(
            &ended,
            1,
            &[
                expected,
                "error   keys: the key set at ",
                "token: the JWT secret refuses it: ",
                "2 errors",
            ],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_explained() {
    let service = Service::start(Reply::json(&json!({"keys": [jwk("r")]}))).await;
    let jwt = json!({"jwk_url": service.url(), "audience": "shop"}).to_string();
    let with = |token: &str, more: &[&str]| {
        check(&[&["--jwt-secret", &jwt, "--token", token], more].concat(), None)
    };
    let soon = seconds_from_now(3600 * 3 + 600);
    let good = signed("r", json!({"aud": "shop", "exp": soon}));
    has(
        &with(&good, &[]),
        0,
        &[
            "ok      token: the JWT secret accepts it; clients send it as `Authorization: Bearer …`\n",
            "ok      token: the role is \"user\"; allowed are \"user\", \"editor\"\n",
            "ok      token: x-hasura-user-id is \"7\"\n",
            " GMT (in 3 h)\n",
        ],
    );
    has(&with(&good, &["--role", "editor"]), 0, &["the role is \"editor\"; allowed are \"user\""]);
    let expected = "error   token: the JWT secret refuses it: Your requested role is not in allowed \
                    roles; allowed are \"user\", \"editor\"\n";
    has(&with(&good, &["--role", "admin"]), 1, &[expected]);
    for (token, expected) in [
        (
            signed("r", json!({"aud": "x"})),
            "JWTNotInAudience; its `aud` is \"x\"; the settings ask for \"shop\"",
        ),
        (signed("x", json!({"aud": "shop"})), "its `kid` is \"x\"; known are \"r\""),
        (token("HS256", &claims(json!({}))), "its `alg` is \"HS256\"; the keys are for RS256"),
        (format!("{good}x"), "it was signed with another key"),
        ("nonsense\u{1b}[2J".to_owned(), "it is malformed; a token consists of three parts"),
        (
            signed("r", json!({"aud": "shop", "exp": 1})),
            "JWTExpired; it expired Thu, 01 Jan 1970 00:00:01 GMT (",
        ),
    ] {
        let ended = with(&token, &[]);
        has(&ended, 1, &[expected, "1 error, "]);
        assert!(!ended.out.contains(&token) && !ended.out.contains('\u{1b}'), "{}", ended.out);
    }
    let claims = json!({"aud": "shop", "https://hasura.io/jwt/claims": {
        "x-hasura-allowed-roles": ["user"], "x-hasura-default-role": "user", "x-hasura-\u{1b}": []}});
    let odd = token_with(&json!({"alg": "RS256"}), &claims);
    let ended = with(&odd, &[]);
    has(&ended, 1, &["invalid x-hasura-\\u{1b}; should be a string"]);
    // From standard input, with what is copied along.
    let args = ["--jwt-secret", &jwt, "--token", "-", "--role", "editor"];
    for input in [format!("{good}\n"), format!(" Bearer {good}")] {
        has(&check(&args, Some(&input)), 0, &["the role is \"editor\""]);
    }
    has(&check(&args, Some("\n")), 1, &["error   token: there is none"]);
}

#[test]
fn of_several_issuers_the_one_that_accepts_is_named() {
    let other =
        json!({"type": "HS384", "key": LONG_SECRET, "header": {"type": "Cookie", "name": "t"}});
    let hs256: Value = serde_json::from_str(&hs256()).unwrap();
    let both = json!([hs256, other]).to_string();
    let args = |token: &str| check(&["--jwt-secret", &both, "--token", token], None);
    let good = args(&token("HS384", &claims(json!({}))));
    has(
        &good,
        0,
        &[
            "token: the JWT secret number 2 accepts it; clients send it as the cookie \"t\"",
            "token: it holds without end",
        ],
    );
    let bad = args(&token("HS512", &claims(json!({}))));
    has(&bad, 1, &["number 1 refuses it: ", "number 2 refuses it: ", "1 error, "]);
    let none = check(&["--admin-secret", "x", "--token", "a.b.c"], None);
    has(&none, 1, &["error   token: no tokens are configured, so nobody looks at it"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_is_probed() {
    let service = Service::start(Reply::Silence).await;
    let url = format!("{}who?code=hush-hush", service.url());
    let role = |role: &str| Reply::json(&json!({"x-hasura-role": role, "x-hasura-a": "1"}));
    let refuses = || Reply::Say(401, vec![], "hush".into());
    for (reply, code, expected) in [
        (refuses(), 0, "ok      webhook: it refuses a client without credentials (401)"),
        (
            role("anonymous"),
            0,
            "ok      webhook: it gives a client without credentials the role \"anonymous\"",
        ),
        (
            role("admin"),
            1,
            "error   webhook: it makes a client without credentials the administrator",
        ),
        (
            Reply::Say(403, vec![], "hush".into()),
            1,
            "it answers 403 to a client without credentials",
        ),
        (Reply::Say(200, vec![], "<hush>".into()), 1, "it is no JSON object. It must answer 401"),
        (Reply::Silence, 1, "it does not answer: no answer within 300 ms"),
    ] {
        service.say(reply);
        let ended = check(&["--auth-hook", &url, "--auth-hook-timeout", "300ms"], None);
        let mode =
            format!("authentication: webhook (GET {}who). There is no admin secret", service.url());
        has(&ended, code, &[expected, &mode]);
        assert_eq!(service.last().0.uri.query(), Some("code=hush-hush"));
    }
    // With a token, as a client would send it.
    for (reply, code, expected) in [
        (role("user"), 0, "token: the role is \"user\"\nok      token: x-hasura-a is \"1\"\n"),
        (refuses(), 1, "error   token: the webhook refuses it (401)"),
    ] {
        service.say(reply);
        let args = ["--auth-hook", &url, "--auth-hook-mode", "POST", "--admin-secret", "x"];
        let ended = check(&[&args[..], &["--token", "t", "--role", "editor"]].concat(), None);
        has(&ended, code, &[expected, "authentication: admin secret, webhook (POST "]);
        let sent: Value = serde_json::from_slice(&service.last().1).unwrap();
        let headers = json!({"authorization": "Bearer t", "x-hasura-role": "editor"});
        assert_eq!(sent, json!({"headers": headers, "request": null}));
    }
}

#[test]
fn what_is_doubtful_is_a_warning_and_what_is_wrong_an_error() {
    let known =
        hs256().replace(LONG_SECRET, "super-secret-jwt-token-with-at-least-32-characters-long");
    let cookie =
        json!({"type": "HS256", "key": LONG_SECRET, "header": {"type": "Cookie", "name": "t"}});
    let rows: [(&[&str], i32, &str); 7] = [
        (
            &["--jwt-secret", &known],
            0,
            "warning the JWT secret: `key` is an example that everybody knows",
        ),
        (
            &["--jwt-secret", &cookie.to_string(), "--cors-domain", "*"],
            0,
            "warning tokens come in cookies, and cors-domain is *",
        ),
        (&["--auth-hook-mode", "POST"], 0, "warning --auth-hook-mode: it has no effect"),
        (
            &["--unauthorized-role", "anonymous"],
            1,
            "error   authentication: an unauthorized role needs an admin secret",
        ),
        (
            &["--admin-secret", "x", "--unauthorized-role", "admin"],
            1,
            "error   authentication: the unauthorized role must not be admin",
        ),
        (
            &["--auth-hook", "http://127.0.0.1:1/?hush", "--unauthorized-role", "anonymous"],
            1,
            "error   authentication: an unauthorized role and a webhook exclude each other",
        ),
        (&["--admin-secret", " x"], 1, "error   authentication: an admin secret must consist of"),
    ];
    for (args, code, expected) in rows {
        let ended = check(args, None);
        has(&ended, code, &[expected, if code == 1 { "1 error, " } else { "0 errors, 1 warning" }]);
    }
    let ended = check(&["--jwt-secret", &hs256(), "--listen", "0.0.0.0:1"], None);
    has(&ended, 0, &["0 errors, 0 warnings"]);
}

#[test]
fn settings_that_cannot_be_read_are_told_without_secrets() {
    let shop = Scratch::with_shop();
    for (secret, expected) in [
        (
            "{\"type\": \"HS256\", \"key\": \"hush",
            "--jwt-secret: the JWT secret: no JSON (line 1, ",
        ),
        (
            "{\"type\": \"RS256\", \"key\": \"hush\"}",
            "`key` must be the public key for RS256 as PEM",
        ),
        ("{\"type\": \"HS256\", \"key\": \"hush\"}", "`key` must have at least 32 bytes"),
    ] {
        for command in ["check", "serve"] {
            let args = [command, "--database-url", "sqlite:shop.db", "--jwt-secret", secret];
            let ended = shop.run(&args);
            let all = format!("{}{}", ended.out, ended.err);
            assert!(all.contains(expected) && !all.contains("hush"), "{all}");
            assert_eq!(ended.code, Some(if command == "serve" { 2 } else { 1 }));
        }
    }
}
