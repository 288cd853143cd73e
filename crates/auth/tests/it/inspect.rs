//! What `artesian check` finds out.

use artesian_auth::{
    AuthConfig, AuthError, ConfigError, Mode,
    config::{HookMethod, WebhookConfig, jwt_secrets},
    error::TokenError,
    inspect::{HookFound, Inspection, Refusal, Who},
};
use serde_json::{Value, json};

use crate::{
    key_sets::{jwk, set, signed},
    support::*,
};

async fn inspect(settings: &Value) -> Inspection {
    let mode = Mode::Jwt(jwt_secrets(settings).unwrap());
    Inspection::start(AuthConfig { mode, ..AuthConfig::default() }).await.unwrap()
}

#[tokio::test]
async fn key_sets_are_fetched_once_and_told() {
    let mut encrypts = jwk("RS256", "enc");
    encrypts["use"] = "enc".into();
    let mut small = jwk("RS256", "small");
    small["n"] = "q".repeat(100).into();
    let unusable = [
        (encrypts, "not for signatures"),
        (json!({"kty": "oct", "kid": "shared", "k": "AAAA"}), "symmetric"),
        (json!({"kty": "EC", "crv": "P-521", "kid": "p", "x": "AA", "y": "AA"}), "P-256 and P-384"),
        (json!({"kty": "OKP", "crv": "X25519", "kid": "x", "x": "AA"}), ""),
        (json!({"kty": "new", "kid": "n"}), "not supported"),
        (json!(7), "malformed"),
        (small, "2048"),
    ];
    let mut keys = vec![jwk("RS256", "r"), jwk("ES256", "e"), jwk("EdDSA", "d")];
    keys.push(jwk("ES256", "e2"));
    keys.extend(unusable.iter().map(|(key, _)| key.clone()));
    let service = Service::start(set(&keys)).await;
    let url = service.url();
    // Two issuers with one set of keys.
    let found = inspect(&json!([{"jwk_url": format!("{url}?hush=hush"), "issuer": "a"},
                                {"jwk_url": format!("{url}?hush=hush"), "issuer": "b"}]))
    .await;
    assert_eq!(service.count(), 1);
    let [one] = found.key_sets() else { panic!("one set of keys") };
    assert_eq!(one.url, url, "without the query");
    let keys = one.keys.as_ref().unwrap();
    let all_rsa = "RS256, RS384, RS512, PS256, PS384, PS512";
    let expected = [("ES256", 2), ("EdDSA", 1), (all_rsa, 1)];
    let usable: Vec<_> =
        keys.usable.iter().map(|(names, count)| (names.as_str(), *count)).collect();
    assert_eq!(usable, expected);
    assert_eq!(keys.life.as_secs(), 600);
    assert_eq!(keys.unusable.len(), unusable.len());
    for (found, (key, reason)) in keys.unusable.iter().zip(&unusable) {
        assert_eq!(found.id.as_deref(), key.get("kid").and_then(Value::as_str));
        assert!(found.reason.contains(reason), "{found:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_key_set_is_told() {
    let rows = [
        (Reply::Say(500, vec![], "hush".into()), "the answer was 500"),
        (Reply::Say(302, vec![("location", "/hush".into())], String::new()), "it redirects"),
        (Reply::Say(200, vec![], "<hush>".into()), "no JSON Web Key Set"),
        (set(&[]), "it has no keys"),
        (set(&[json!({"kty": "oct", "k": "hush"})]), "symmetric"),
        (Reply::Say(200, vec![], "x".repeat(2 << 20)), "exceeds"),
    ];
    for (reply, expected) in rows {
        let service = Service::start(reply).await;
        let found = inspect(&json!({"jwk_url": format!("{}?hush", service.url())})).await;
        let error = found.key_sets()[0].keys.as_ref().err().unwrap().to_string();
        assert!(error.contains(expected) && !error.contains("hush"), "{expected}: {error}");
        let token = found.token(&signed("RS256", "r"), None).await;
        assert_eq!(token, [Err(Refusal { error: AuthError::KeysUnavailable, detail: None })]);
    }
}

fn who(role: &str) -> Who {
    let session = [("x-hasura-user-id".to_owned(), "7".to_owned())].into();
    let allowed_roles = Some(vec!["user".to_owned(), "editor".to_owned()]);
    Who { role: role.to_owned(), allowed_roles, session, expires: None }
}

#[tokio::test]
async fn a_token_is_explained() {
    let service = Service::start(set(&[jwk("RS256", "r")])).await;
    let found = inspect(&json!([
        {"type": "HS256", "key": LONG_SECRET, "audience": ["a", "b"], "issuer": "me"},
        {"jwk_url": service.url()},
        {"type": "HS256", "key": format!("{LONG_SECRET}, another")},
    ]))
    .await;
    assert_eq!(service.count(), 1);
    let good = token("HS256", &claims(json!({"aud": "b", "iss": "me"})));
    let results = found.token(&good, Some("editor")).await;
    assert_eq!(results[0], Ok(who("editor")));
    let errors: Vec<_> = results[1..].iter().map(|one| one.clone().unwrap_err().error).collect();
    assert_eq!(
        errors,
        [AuthError::Token(TokenError::Algorithm), AuthError::Token(TokenError::Signature)]
    );
    assert_eq!(found.token(&signed("RS256", "r"), None).await[1], Ok(who("user")));

    let hs = |more: Value| token("HS256", &claims(more));
    let mut with_none = json!({"alg": "none"}).to_string();
    with_none = format!("{}.{}.", b64(&with_none), b64(claims(json!({})).to_string()));
    let first = 0;
    let keys = 1;
    let rows = [
        (
            first,
            hs(json!({"aud": "c", "iss": "me"})),
            "its `aud` is \"c\"; the settings ask for \"a\", \"b\"",
        ),
        (first, hs(json!({"iss": "me"})), "its `aud` is missing"),
        (
            first,
            hs(json!({"aud": "a", "iss": "you\u{1b}"})),
            "its `iss` is \"you\\u{1b}\"; the settings ask for \"me\"",
        ),
        (first, hs(json!({"aud": "a", "iss": "me", "exp": seconds_from_now(-7500)})), "(2 h ago)"),
        (first, hs(json!({"aud": "a", "iss": "me", "nbf": seconds_from_now(7500)})), "it begins "),
        (first, hs(json!({"iat": seconds_from_now(500)})), "it was made "),
        (first, hs(json!({"aud": "a", "iss": "me", "exp": "soon"})), "times are numbers"),
        (keys, signed("RS256", "x"), "its `kid` is \"x\"; known are \"r\""),
        (keys, signed("ES256", "r"), "its `alg` is \"ES256\"; the keys are for RS256, "),
        (first, with_none, "its `alg` is \"none\"; the keys are for HS256"),
        (first, "a.b".to_owned(), "three parts of Base64"),
        (first, String::new(), "three parts of Base64"),
        (
            first,
            token("HS256", &json!({"aud": "a", "iss": "me"})),
            "its claims are \"aud\", \"iss\"",
        ),
    ];
    for (at, token, expected) in rows {
        let refusal = found.token(&token, None).await[at].clone().unwrap_err();
        let detail = refusal.detail.unwrap_or_default();
        assert!(detail.contains(expected), "{expected}: {} {detail}", refusal.error);
        assert!(!detail.contains(LONG_SECRET) && !detail.contains('\u{1b}'), "{detail}");
    }
    let refusal = found.token(&good, Some("root")).await[0].clone().unwrap_err();
    assert_eq!(refusal.error, AuthError::RoleNotAllowed);
    assert_eq!(refusal.detail.as_deref(), Some("allowed are \"user\", \"editor\""));
}

async fn hook(url: &str, method: HookMethod) -> Inspection {
    let hook = WebhookConfig::new(url, method).unwrap();
    let config = AuthConfig { mode: Mode::Webhook(hook), ..AuthConfig::default() };
    Inspection::start(config).await.unwrap()
}

#[tokio::test]
async fn a_webhook_is_probed() {
    let role = json!({"x-hasura-role": "anonymous", "x-hasura-a": "1"});
    let takes = Who {
        role: "anonymous".to_owned(),
        allowed_roles: None,
        session: [("x-hasura-a".to_owned(), "1".to_owned())].into(),
        expires: None,
    };
    let bad = |status, reason| HookFound::Bad { status, reason };
    let rows = [
        (Reply::Say(401, vec![], "hush".into()), HookFound::Refuses),
        (Reply::json(&role), HookFound::Takes(takes)),
        (Reply::Say(403, vec![], "hush".into()), bad(403, "its status is neither 200 nor 401")),
        (
            Reply::Say(302, vec![("location", "/".into())], String::new()),
            bad(302, "it redirects; configure where it leads"),
        ),
        (Reply::Say(200, vec![], "<hush>".into()), bad(200, "it is no JSON object")),
    ];
    for (reply, expected) in rows {
        for method in [HookMethod::Get, HookMethod::Post] {
            let service = Service::start(reply.clone()).await;
            let found = hook(&service.url(), method).await;
            assert_eq!(service.count(), 0, "nobody is asked before it is wanted");
            assert_eq!(found.webhook(None, None).await, Some(expected.clone()));
            assert!(!service.last().0.headers.contains_key("authorization"));
            found.webhook(Some("t"), Some("editor")).await.unwrap();
            let (head, body) = service.last();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let sent = |name: &str| match method {
                HookMethod::Get => head.headers[name].to_str().unwrap().to_owned(),
                HookMethod::Post => body["headers"][name].as_str().unwrap().to_owned(),
            };
            assert_eq!(
                (sent("authorization"), sent("x-hasura-role")),
                ("Bearer t".into(), "editor".into())
            );
            assert!(found.token("t", None).await.is_empty());
        }
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/?code=hush", free.local_addr().unwrap());
    drop(free);
    let Some(HookFound::Away(reason)) = hook(&url, HookMethod::Get).await.webhook(None, None).await
    else {
        panic!("nobody answers")
    };
    assert!(!reason.contains("hush"), "{reason}");
}

#[tokio::test]
async fn unusable_settings_are_errors() {
    let with = |secret: &str, role: Option<&str>| AuthConfig {
        admin_secrets: vec![secret.to_owned()],
        unauthorized_role: role.map(str::to_owned),
        ..AuthConfig::default()
    };
    let rows = [
        (with("", None), ConfigError::EmptyAdminSecret),
        (with("a", Some("")), ConfigError::EmptyRole),
        (with("a", Some("admin")), ConfigError::AdminRole),
    ];
    for (config, expected) in rows {
        assert_eq!(Inspection::start(config).await.err(), Some(expected));
    }
}
