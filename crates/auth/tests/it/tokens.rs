//! Tokens with keys that stand in the configuration.

use std::time::{Duration, SystemTime};

use artesian_auth::{AuthError, config::parse_jwt_secrets, error::TokenError};
use serde_json::json;

use crate::support::*;

const ALGORITHMS: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "EdDSA",
];

fn refused(error: TokenError) -> AuthError {
    AuthError::Token(error)
}

#[tokio::test]
async fn every_algorithm_is_verified_and_no_other_is_taken() {
    for algorithm in ALGORITHMS {
        let auth = with_jwt(&json!({"type": algorithm, "key": public_key(algorithm)}));
        let good = token(algorithm, &claims(json!({})));
        let user = bearer(&auth, &good).await.unwrap();
        assert_eq!(&*user.identity.role, "user", "{algorithm}");
        let id = user.identity.session.get("x-hasura-user-id");
        assert_eq!((id, user.expires), (Some("7"), None));

        for other in ALGORITHMS.into_iter().filter(|other| *other != algorithm) {
            let forged = bearer(&auth, &token(other, &claims(json!({})))).await.unwrap_err();
            assert_eq!(forged, refused(TokenError::Algorithm), "{other} for {algorithm}");
        }
        // Each part changed in one place.
        for at in [good.find('.').unwrap() + 3, good.rfind('.').unwrap() + 3] {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let error = bearer(&auth, std::str::from_utf8(&bytes).unwrap()).await.unwrap_err();
            assert_eq!(error, refused(TokenError::Signature), "{algorithm}");
        }
    }
}

#[tokio::test]
async fn certificates_and_escaped_line_breaks_are_keys_too() {
    let certificate = include_str!("keys/rsa.crt.pem");
    let escaped = include_str!("keys/rsa.pub.pem").replace('\n', "\\n");
    for key in [certificate, &escaped] {
        let auth = with_jwt(&json!({"type": "RS256", "key": key}));
        assert!(bearer(&auth, &token("RS256", &claims(json!({})))).await.is_ok());
    }
}

#[tokio::test]
async fn forged_headers_let_nobody_in() {
    let auth = with_jwt(&json!({"type": "RS256", "key": public_key("RS256")}));
    let part = |text: &str| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    let body = part(&claims(json!({})).to_string());
    // The public key as the secret of an HMAC.
    let message = format!("{}.{body}", part(r#"{"alg":"HS256"}"#));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, public_key("RS256").as_bytes());
    use base64::Engine;
    let mac = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .encode(ring::hmac::sign(&key, message.as_bytes()));
    let rows = [
        (format!("{message}.{mac}"), TokenError::Algorithm),
        (format!("{}.{body}.", part(r#"{"alg":"none"}"#)), TokenError::Algorithm),
        (format!("{}.{body}.", part(r#"{"alg":"NONE"}"#)), TokenError::Algorithm),
        (format!("{}.{body}.", part(r#"{"alg":"RS256"}"#)), TokenError::Signature),
        (format!("{}.{body}.AAAA", part(r#"{"alg":"RS256"}"#)), TokenError::Signature),
        (format!("{}.{body}.?", part(r#"{"alg":"RS256"}"#)), TokenError::Signature),
        (format!("{}.{body}.A", part(r#"{"alg":"RS256","crit":["b64"]}"#)), TokenError::Critical),
        (format!("{}.{body}.A", part("{}")), TokenError::Malformed),
        (format!("{}.{body}.A", part("null")), TokenError::Malformed),
        (format!("{}.{body}.A", part("[\"RS256\"]")), TokenError::Malformed),
        (format!("{}.{body}", part(r#"{"alg":"RS256"}"#)), TokenError::Malformed),
        (format!("a.{body}.c.d"), TokenError::Malformed),
        ("...".to_owned(), TokenError::Malformed),
        (".".to_owned(), TokenError::Malformed),
        ("x".to_owned(), TokenError::Malformed),
    ];
    for (forged, expected) in rows {
        let error = bearer(&auth, &forged).await.unwrap_err();
        assert_eq!(error, refused(expected), "{forged}");
        assert!(!error.to_string().contains(&forged) || forged.len() < 4);
    }
    let long = "x".repeat(100 << 10);
    assert!(matches!(bearer(&auth, &long).await.unwrap_err(), AuthError::TooLong(_)));
}

#[tokio::test]
async fn times_audience_and_issuer() {
    let auth = with_jwt(&json!({
        "type": "HS256", "key": LONG_SECRET, "audience": ["a", "b"], "issuer": "me",
        "allowed_skew": 5,
    }));
    let good = json!({"aud": "a", "iss": "me"});
    let with = |more: serde_json::Value| {
        let mut all = good.clone();
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        token("HS256", &claims(all))
    };
    let soon = seconds_from_now(600);
    let rows = [
        (json!({}), None),
        (json!({"aud": ["x", "b"]}), None),
        (json!({"aud": "x"}), Some(TokenError::Audience)),
        (json!({"aud": []}), Some(TokenError::Audience)),
        (json!({"aud": null}), Some(TokenError::Audience)),
        (json!({"aud": {"a": 1}}), Some(TokenError::Audience)),
        (json!({"iss": "Me"}), Some(TokenError::Issuer)),
        (json!({"iss": null}), Some(TokenError::Issuer)),
        (json!({"iss": ["me"]}), Some(TokenError::Issuer)),
        (json!({"exp": soon}), None),
        (json!({"exp": soon as f64 + 0.5}), None),
        (json!({"exp": 1e300}), None),
        (json!({"exp": seconds_from_now(-3)}), None),
        (json!({"exp": seconds_from_now(-60)}), Some(TokenError::Expired)),
        (json!({"exp": 0}), Some(TokenError::Expired)),
        (json!({"exp": -1}), Some(TokenError::BadClaim)),
        (json!({"exp": "tomorrow"}), Some(TokenError::BadClaim)),
        (json!({"exp": soon.to_string()}), Some(TokenError::BadClaim)),
        (json!({"nbf": seconds_from_now(3)}), None),
        (json!({"nbf": soon}), Some(TokenError::NotYetValid)),
        (json!({"nbf": {}}), Some(TokenError::BadClaim)),
        (json!({"iat": seconds_from_now(-60)}), None),
        (json!({"iat": soon}), Some(TokenError::IssuedInFuture)),
    ];
    for (more, expected) in rows {
        let found = bearer(&auth, &with(more.clone())).await.err();
        assert_eq!(found, expected.map(refused), "{more}");
    }
    let until = bearer(&auth, &with(json!({"exp": soon}))).await.unwrap().expires.unwrap();
    let left = until.duration_since(SystemTime::now()).unwrap();
    assert!(left > Duration::from_secs(590) && left <= Duration::from_secs(605));
    let without = token("HS256", &claims(json!({"iss": "me"})));
    assert_eq!(bearer(&auth, &without).await.unwrap_err(), refused(TokenError::Audience));
}

#[tokio::test]
async fn roles_are_those_of_the_token() {
    let auth = with_jwt(&json!({"type": "HS256", "key": LONG_SECRET}));
    let bearer = format!("Bearer {}", token("HS256", &claims(json!({}))));
    let with = async |more: &[(&str, &str)]| {
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(more);
        ask(&auth, &headers).await
    };
    assert_eq!(&*with(&[]).await.unwrap().identity.role, "user");
    // Twice, since the second time comes from the memory.
    for _ in 0..2 {
        let editor = with(&[("x-hasura-role", "editor")]).await.unwrap().identity;
        assert_eq!(&*editor.role, "editor");
        assert_eq!(editor.session.get("x-hasura-role"), Some("editor"));
        for role in ["admin", "User", "editor,user", "x"] {
            let error = with(&[("x-hasura-role", role)]).await.unwrap_err();
            assert_eq!(error, AuthError::RoleNotAllowed, "{role}");
        }
        assert_eq!(with(&[("x-hasura-role", " ")]).await.unwrap_err(), AuthError::EmptyRole);
    }
    // What the client says of itself beside a token counts for nothing.
    let forged = with(&[("x-hasura-user-id", "8"), ("x-hasura-org", "1")]).await.unwrap();
    let session: Vec<_> =
        forged.identity.session.pairs().iter().map(|(n, v)| (&**n, &**v)).collect();
    assert_eq!(session, [("x-hasura-role", "user"), ("x-hasura-user-id", "7")]);
    // The administrator's secret comes first, and a wrong one is refused whatever else is there.
    let admin = with(&[("x-hasura-admin-secret", "root")]).await.unwrap();
    assert!(admin.identity.is_admin());
    let wrong = with(&[("x-hasura-admin-secret", "toor")]).await.unwrap_err();
    assert_eq!(wrong, AuthError::SecretWrong);
    assert_eq!(ask(&auth, &[]).await.unwrap_err(), AuthError::TokenMissing);
    for odd in ["Basic eA==", "Bearer", "token", ""] {
        let error = ask(&auth, &[("authorization", odd)]).await.unwrap_err();
        assert_eq!(error, AuthError::MalformedAuthorization, "{odd}");
    }
}

#[tokio::test]
async fn claims_are_found_where_the_settings_say() {
    let inner = json!({"x-hasura-allowed-roles": ["a"], "x-hasura-default-role": "a", "y": 1,
                       "x-hasura-n": 1.50, "x-hasura-b": true});
    let rows = [
        (json!({}), json!({"https://hasura.io/jwt/claims": inner})),
        (json!({"claims_namespace": "c"}), json!({"c": inner})),
        (json!({"claims_namespace_path": "$"}), inner.clone()),
        (json!({"claims_namespace_path": "$.a['b.c']"}), json!({"a": {"b.c": inner}})),
        (
            json!({"claims_namespace": "c", "claims_format": "stringified_json"}),
            json!({"c": inner.to_string()}),
        ),
        (
            json!({"claims_map": {
                "x-hasura-allowed-roles": {"path": "$.roles"},
                "x-hasura-default-role": {"path": "$.roles[0]"},
                "X-Hasura-N": {"path": "$.none", "default": "1.50"},
                "x-hasura-b": "true",
            }}),
            json!({"roles": ["a"]}),
        ),
    ];
    for (more, body) in rows {
        let mut settings = json!({"type": "HS256", "key": LONG_SECRET});
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let auth = with_jwt(&settings);
        let found = bearer(&auth, &token("HS256", &body)).await.unwrap().identity;
        let session: Vec<_> = found.session.pairs().iter().map(|(n, v)| (&**n, &**v)).collect();
        // serde_json's arbitrary precision keeps 1.5 as it was written.
        let expected = [("x-hasura-b", "true"), ("x-hasura-role", "a")];
        assert_eq!([session[0], session[2]], expected, "{more}");
        assert!(session[1].1.starts_with("1.5"), "{more}");
    }
}

#[tokio::test]
async fn claims_that_do_not_fit_are_refused() {
    let auth = with_jwt(&json!({"type": "HS256", "key": LONG_SECRET, "claims_namespace": "c"}));
    let ok = json!({"x-hasura-allowed-roles": ["a"], "x-hasura-default-role": "a"});
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = ok.clone();
        claims[name] = value;
        json!({"c": claims})
    };
    let claims_error = |error: &AuthError| matches!(error, AuthError::Claims(_));
    let role_error = |error: &AuthError| matches!(error, AuthError::RoleClaimMissing(_));
    type Check = fn(&AuthError) -> bool;
    let rows: [(serde_json::Value, Check); 13] = [
        (json!({}), claims_error),
        (json!({"c": "text"}), claims_error),
        (json!({"c": null}), claims_error),
        (json!({"c": []}), claims_error),
        (json!({"c": {}}), role_error),
        (json!({"c": {"x-hasura-default-role": "a"}}), role_error),
        (json!({"c": {"x-hasura-allowed-roles": ["a"]}}), role_error),
        (with("x-hasura-allowed-roles", json!("a")), claims_error),
        (with("x-hasura-allowed-roles", json!(["a", 1])), claims_error),
        (with("x-hasura-default-role", json!(["a"])), claims_error),
        (with("x-hasura-list", json!(["1"])), claims_error),
        // Two spellings of one claim say two things.
        (with("X-Hasura-Default-Role", json!("a")), claims_error),
        (with("X-Hasura-Allowed-Roles", json!(["a"])), claims_error),
    ];
    for (body, is_expected) in rows {
        let Err(error) = bearer(&auth, &token("HS256", &body)).await else {
            panic!("{body} was accepted");
        };
        assert!(is_expected(&error), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn tokens_come_in_cookies_and_other_headers() {
    let key = json!({"type": "HS256", "key": LONG_SECRET});
    let with = |header: serde_json::Value| {
        let mut settings = key.clone();
        settings["header"] = header;
        with_jwt(&settings)
    };
    let good = token("HS256", &claims(json!({})));
    let cookie = format!("other=1; session={good}");
    for auth in [
        with(json!({"type": "Cookie", "name": "session"})),
        with(json!(r#"{"type": "cookie", "name": "session"}"#)),
    ] {
        assert!(ask(&auth, &[("cookie", &cookie)]).await.is_ok());
        let none = ask(&auth, &[("cookie", "other=1")]).await.unwrap_err();
        assert_eq!(none, AuthError::TokenMissing);
        let twice = format!("{cookie}; session=x");
        let error = ask(&auth, &[("cookie", &twice)]).await.unwrap_err();
        assert_eq!(error, AuthError::AmbiguousCookie);
        assert_eq!(bearer(&auth, &good).await.unwrap_err(), AuthError::TokenMissing);
    }
    let auth = with(json!({"type": "CustomHeader", "name": "X-Token"}));
    assert!(ask(&auth, &[("x-token", &good)]).await.is_ok());
}

#[tokio::test]
async fn several_issuers() {
    let auth = with_jwt(&json!([
        {"type": "HS256", "key": LONG_SECRET, "issuer": "one"},
        {"type": "RS256", "key": public_key("RS256"), "issuer": "two", "claims_namespace": "c"},
        {"type": "EdDSA", "key": public_key("EdDSA"), "header": {"type": "Cookie", "name": "t"}},
    ]));
    let one = token("HS256", &claims(json!({"iss": "one"})));
    assert!(bearer(&auth, &one).await.is_ok());
    let roles = json!({"x-hasura-allowed-roles": ["b"], "x-hasura-default-role": "b"});
    let two = token("RS256", &json!({"iss": "two", "c": roles}));
    assert_eq!(&*bearer(&auth, &two).await.unwrap().identity.role, "b");
    // One issuer's key does not make another's tokens.
    let crossed = token("HS256", &json!({"iss": "two", "c": roles}));
    assert_eq!(bearer(&auth, &crossed).await.unwrap_err(), refused(TokenError::Issuer));
    let expired = token("RS256", &json!({"iss": "two", "c": roles, "exp": 1}));
    assert_eq!(bearer(&auth, &expired).await.unwrap_err(), refused(TokenError::Expired));
    let cookie = format!("t={}", token("EdDSA", &claims(json!({}))));
    assert!(ask(&auth, &[("cookie", &cookie)]).await.is_ok());
    // A header is taken before a cookie, and what is refused is refused.
    let bad = ask(&auth, &[("cookie", &cookie), ("authorization", "Bearer x")]).await.unwrap_err();
    assert_eq!(bad, refused(TokenError::Malformed));
}

#[test]
fn settings_that_cannot_work_are_refused_without_quoting_keys() {
    let rows = [
        "",
        "null",
        "[]",
        "\"HS256\"",
        "{}",
        r#"{"type":"HS256"}"#,
        r#"{"key":"SECRETSECRETSECRETSECRETSECRETSECRET"}"#,
        r#"{"type":"HS256","key":"SECRET"}"#,
        r#"{"type":"HS512","key":"SECRETSECRETSECRETSECRETSECRETSECRET"}"#,
        r#"{"type":"none","key":"SECRET"}"#,
        r#"{"type":"ES512","key":"SECRET"}"#,
        r#"{"type":"RS256","key":"SECRET"}"#,
        r#"{"type":"HS256","key":{"a":"SECRET"}}"#,
        r#"{"type":"HS256","key":"SECRETSECRETSECRETSECRETSECRETSECRET","jwk_url":"http://x/"}"#,
        r#"{"jwk_url":"ftp://x/"}"#,
        r#"{"jwk_url":"SECRET"}"#,
        r#"{"jwk_url":"http://x/","audience":[]}"#,
        r#"{"jwk_url":"http://x/","claims_namespace":"a","claims_namespace_path":"$.a"}"#,
        r#"{"jwk_url":"http://x/","claims_namespace_path":"$."}"#,
        r#"{"jwk_url":"http://x/","claims_format":"xml"}"#,
        r#"{"jwk_url":"http://x/","claims_map":{}}"#,
        r#"{"jwk_url":"http://x/","claims_map":{"sub":"x"}}"#,
        r#"{"jwk_url":"http://x/","claims_map":{"x-hasura-default-role":"a"}}"#,
        r#"{"jwk_url":"http://x/","claims_map":{"x-hasura-default-role":"a","x-hasura-allowed-roles":"a"}}"#,
        r#"{"jwk_url":"http://x/","header":{"type":"Cookie"}}"#,
        r#"{"jwk_url":"http://x/","header":"Cookie"}"#,
        r#"{"jwk_url":"http://x/","allowed_skew":-1}"#,
        r#"{"jwk_url":"http://x/","audiance":"SECRET"}"#,
    ];
    for row in rows {
        let Err(error) = parse_jwt_secrets(row) else { panic!("{row} was accepted") };
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}

#[tokio::test]
async fn chosen_claims_are_kept_beside_the_identity() {
    let settings = json!({"type": "RS256", "key": public_key("RS256")});
    let config = |names: &[&str]| artesian_auth::AuthConfig {
        admin_secrets: vec!["root".to_owned()],
        mode: artesian_auth::Mode::Jwt(artesian_auth::config::jwt_secrets(&settings).unwrap()),
        forward_claims: names.iter().map(|name| Box::from(*name)).collect(),
        ..artesian_auth::AuthConfig::default()
    };
    let auth = artesian_auth::Auth::start(config(&["tenant", "sub", "absent"])).unwrap();
    let claims = claims(json!({"tenant": {"id": 1.50, "b": [null]}, "secret": "s"}));
    let token = token("RS256", &claims);
    // The second comes from memory.
    for _ in 0..2 {
        let found = bearer(&auth, &token).await.unwrap().claims.unwrap();
        assert_eq!(found, r#"{"sub":"7","tenant":{"id":1.5,"b":[null]}}"#);
    }
    assert_eq!(ask(&auth, &[("x-hasura-admin-secret", "root")]).await.unwrap().claims, None);
    // What is kept of a token changes with the settings, and so must what was remembered.
    let other = auth.renew(config(&["absent"])).unwrap();
    assert_eq!(bearer(&other, &token).await.unwrap().claims, None);
    let none = other.renew(config(&[])).unwrap();
    assert_eq!(bearer(&none, &token).await.unwrap().claims, None);
}
