//! What is counted: work that is done once for many is counted once.

use std::{sync::Arc, time::Duration};

use artesian_auth::{
    Auth, AuthConfig, AuthError, Counters, Mode, Stats,
    config::{HookMethod, WebhookConfig, jwt_secrets},
};
use futures_util::future::join_all;
use serde_json::json;

use crate::{service::*, support::*};

const MANY: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_with_one_token_verifies_it_once() {
    let auth = Arc::new(with_jwt(&json!({"type": "RS256", "key": public_key("RS256")})));
    let good = token("RS256", &claims(json!({})));
    let clients = (0..MANY).map(|_| {
        let (auth, good) = (auth.clone(), good.clone());
        tokio::spawn(async move { bearer(&auth, &good).await.unwrap() })
    });
    let found = join_all(clients).await;
    assert!(found.iter().all(|one| &*one.as_ref().unwrap().identity.role == "user"));
    let known = u64::try_from(MANY).unwrap() - 1;
    let stats = Stats { tokens_verified: 1, tokens_cached: known, ..Stats::default() };
    assert_eq!(auth.stats(), stats);

    let forged = good.replace('.', ".e");
    assert!(bearer(&auth, &forged).await.is_err());
    assert!(bearer(&auth, &forged).await.is_err());
    assert_eq!(auth.stats(), Stats { tokens_refused: 2, ..stats });
    // No token is none that is refused.
    assert_eq!(ask(&auth, &[]).await.unwrap_err(), AuthError::TokenMissing);
    assert_eq!(auth.stats(), Stats { tokens_refused: 2, ..stats });
}

#[tokio::test]
async fn what_the_webhook_says_is_counted_by_its_sense() {
    let service = Service::start(Reply::json(&json!({
        "x-hasura-role": "user", "cache-control": "max-age=600",
    })))
    .await;
    let mut hook = WebhookConfig::new(&service.url(), HookMethod::Get).unwrap();
    hook.timeout = Duration::from_millis(300);
    let config = || AuthConfig {
        admin_secrets: Vec::new(),
        mode: Mode::Webhook(hook.clone()),
        unauthorized_role: None,
        ..AuthConfig::default()
    };
    let auth = Auth::start(config()).unwrap();
    let client = |name: &str| [("authorization", format!("Bearer {name}"))];
    let asks = async |auth: &Auth, name: &str| {
        let headers = client(name);
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        ask(auth, &headers).await.is_ok()
    };
    let gate = service.hold();
    let burst = join_all((0..MANY).map(|_| asks(&auth, "a")));
    let open = async {
        service.requests(1).await;
        gate.notify_one();
    };
    let (all, ()) = tokio::join!(burst, open);
    assert!(all.into_iter().all(|let_in| let_in));
    let shared = u64::try_from(MANY).unwrap() - 1;
    let stats = Stats { webhook_allowed: 1, webhook_shared: shared, ..Stats::default() };
    assert_eq!(auth.stats(), stats);
    assert!(asks(&auth, "a").await);
    let stats = Stats { webhook_cached: 1, ..stats };
    assert_eq!((auth.stats(), service.count()), (stats, 1));

    service.say(Reply::Say(401, vec![], String::new()));
    assert!(!asks(&auth, "b").await);
    service.say(Reply::Say(500, vec![], String::new()));
    assert!(!asks(&auth, "b").await);
    let stats = Stats { webhook_refused: 1, webhook_failed: 1, ..stats };
    assert_eq!(auth.stats(), stats);

    // A successor goes on counting.
    let counters: &Arc<Counters> = auth.counters();
    let next = Auth::start_counting(config(), counters.clone()).unwrap();
    service.say(Reply::json(&json!({"x-hasura-role": "user"})));
    assert!(asks(&next, "c").await);
    assert_eq!(next.stats(), Stats { webhook_allowed: 2, ..stats });
}

#[tokio::test]
async fn key_sets_are_counted() {
    let service = Service::start(Reply::Say(500, vec![], String::new())).await;
    let settings = jwt_secrets(&json!({"jwk_url": service.url()})).unwrap();
    let auth = Auth::start(AuthConfig {
        admin_secrets: Vec::new(),
        mode: Mode::Jwt(settings),
        unauthorized_role: None,
        ..AuthConfig::default()
    })
    .unwrap();
    service.requests(1).await;
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]});
    service.say(Reply::json(&set));
    // The next attempt finds it.
    service.requests(2).await;
    while auth.stats().key_sets_fetched == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((auth.stats().key_sets_failed, auth.stats().key_sets_fetched), (1, 1));
}
