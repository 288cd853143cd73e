//! Settings that change while clients come and go.

use std::sync::Arc;

use artesian_auth::{
    Auth, AuthConfig, AuthError, Mode,
    config::{HookMethod, WebhookConfig, jwt_secrets},
};
use serde_json::{Value, json};

use crate::{
    key_sets::{jwk, set, signed},
    support::*,
};

fn jwt(secret: &str, settings: &Value) -> AuthConfig {
    let mut config = AuthConfig::with_secrets(vec![secret.to_owned()]);
    config.mode = Mode::Jwt(jwt_secrets(settings).unwrap());
    config
}

#[tokio::test]
async fn keys_outlive_a_change_while_their_issuer_is_away() {
    let service = Service::start(set(&[jwk("RS256", "r")])).await;
    let keys = json!({"jwk_url": service.url()});
    let old = Auth::start(jwt("old", &keys)).unwrap();
    bearer(&old, &signed("RS256", "r")).await.unwrap();
    service.say(Reply::Say(500, vec![], String::new()));
    // Another admin secret, then another issuer beside it, then other settings of the first.
    let audience = json!({"jwk_url": service.url(), "audience": "a"});
    let both = json!([keys, {"type": "HS256", "key": LONG_SECRET}]);
    let mut last = old;
    for settings in [&keys, &both] {
        last = last.renew(jwt("new", settings)).unwrap();
        bearer(&last, &signed("RS256", "r")).await.unwrap();
    }
    assert!(ask(&last, &[("x-hasura-admin-secret", "new")]).await.unwrap().identity.is_admin());
    let old_secret = ask(&last, &[("x-hasura-admin-secret", "old")]).await.unwrap_err();
    assert_eq!(old_secret, AuthError::SecretWrong);
    bearer(&last, &token("HS256", &claims(json!({})))).await.unwrap();
    // What was verified by other settings is not good any more.
    let last = last.renew(jwt("new", &audience)).unwrap();
    bearer(&last, &signed("RS256", "r")).await.unwrap_err();
    bearer(&last, &token("HS256", &claims(json!({})))).await.unwrap_err();
    assert_eq!(service.count(), 1, "the keys are still those of the start");
    // A set that nobody had is fetched.
    let other = Service::start(set(&[jwk("ES256", "e")])).await;
    let last = last.renew(jwt("new", &json!({"jwk_url": other.url()}))).unwrap();
    bearer(&last, &signed("ES256", "e")).await.unwrap();
    bearer(&last, &signed("RS256", "r")).await.unwrap_err();
}

#[tokio::test]
async fn the_webhooks_answers_outlive_a_change_of_something_else() {
    let answer = json!({"x-hasura-role": "user", "cache-control": "max-age=600"});
    let service = Service::start(Reply::json(&answer)).await;
    let config = |secret: &str, method| {
        let mut config = AuthConfig::with_secrets(vec![secret.to_owned()]);
        config.mode = Mode::Webhook(WebhookConfig::new(&service.url(), method).unwrap());
        config
    };
    let auth = Auth::start(config("a", HookMethod::Get)).unwrap();
    ask(&auth, &[]).await.unwrap();
    let auth = auth.renew(config("b", HookMethod::Get)).unwrap();
    ask(&auth, &[]).await.unwrap();
    assert_eq!(service.count(), 1);
    let auth = auth.renew(config("b", HookMethod::Post)).unwrap();
    ask(&auth, &[]).await.unwrap();
    assert_eq!(service.count(), 2);
    // Of another mode nothing is left.
    let auth = Arc::new(auth.renew(AuthConfig::with_secrets(vec!["b".into()])).unwrap());
    assert_eq!(ask(&auth, &[]).await.unwrap_err(), AuthError::SecretMissing);
    assert!(auth.renew(AuthConfig::with_secrets(vec![String::new()])).is_err());
}
