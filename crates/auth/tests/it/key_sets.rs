//! Keys by URL.

use std::time::Duration;

use artesian_auth::{AuthError, error::TokenError};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::*;

/// The public key of the tests as a JSON Web Key.
pub fn jwk(algorithm: &str, id: &str) -> Value {
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match algorithm {
        "EdDSA" => {
            let key = der(include_str!("keys/ed.pub.pem"));
            json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": b64(&key[key.len() - 32..])})
        }
        "ES256" => {
            let key = der(include_str!("keys/ec-P-256.pub.pem"));
            let (x, y) = key[key.len() - 64..].split_at(32);
            json!({"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "alg": "ES256",
                   "x": b64(x), "y": b64(y)})
        }
        _ => {
            let pair = ring::rsa::KeyPair::from_pkcs8(&der(include_str!("keys/rsa.pem"))).unwrap();
            let public: ring::rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
            json!({"kty": "RSA", "kid": id, "n": b64(&public.n), "e": b64(&public.e)})
        }
    }
}

pub fn signed(algorithm: &str, id: &str) -> String {
    token_with(&json!({"alg": algorithm, "kid": id}), &claims(json!({})))
}

pub fn set(keys: &[Value]) -> Reply {
    Reply::json(&json!({ "keys": keys }))
}

fn auth(service: &Service) -> artesian_auth::Auth {
    with_jwt(&json!({"jwk_url": service.url()}))
}

#[tokio::test]
async fn keys_are_found_by_their_names() {
    let junk = [json!(1), json!({"kty": "oct", "k": "AAAA", "kid": "s"}), json!({"kty": "new"})];
    let keys = [jwk("RS256", "r"), jwk("ES256", "e"), jwk("EdDSA", "d")];
    let service = Service::start(set(&[&junk[..], &keys].concat())).await;
    let auth = auth(&service);
    service.requests(1).await;
    for (algorithm, id) in [("RS256", "r"), ("PS512", "r"), ("ES256", "e"), ("EdDSA", "d")] {
        bearer(&auth, &signed(algorithm, id)).await.unwrap();
        bearer(&auth, &token(algorithm, &claims(json!({})))).await.unwrap();
    }
    let rows = [
        ("RS256", "e", TokenError::Algorithm),
        ("HS256", "r", TokenError::Algorithm),
        ("HS256", "s", TokenError::UnknownKey),
        ("RS256", "x", TokenError::UnknownKey),
    ];
    for (algorithm, id, expected) in rows {
        let error = bearer(&auth, &signed(algorithm, id)).await.unwrap_err();
        assert_eq!(error, AuthError::Token(expected), "{algorithm} {id}");
    }
}

#[tokio::test]
async fn a_key_set_that_is_away_lets_nobody_in_and_joins_later() {
    let bad = [
        Reply::Say(500, vec![], "oops".into()),
        Reply::Say(200, vec![], "<html>".into()),
        set(&[]),
        set(&[json!({"kty": "oct", "k": "AAAA"})]),
        Reply::Say(302, vec![("location", "http://127.0.0.1:1/".into())], String::new()),
        Reply::Say(200, vec![], "x".repeat(2 << 20)),
    ];
    for reply in bad {
        let service = Service::start(reply).await;
        let auth = auth(&service);
        service.requests(1).await;
        let error = bearer(&auth, &signed("RS256", "r")).await.unwrap_err();
        assert_eq!(error, AuthError::KeysUnavailable);
    }
    let service = Service::start(Reply::Say(500, vec![], String::new())).await;
    let auth = auth(&service);
    // This waits for the attempt that is under way.
    let error = bearer(&auth, &signed("RS256", "r")).await.unwrap_err();
    assert_eq!(error, AuthError::KeysUnavailable);
    service.say(set(&[jwk("RS256", "r")]));
    later(2).await;
    bearer(&auth, &signed("RS256", "r")).await.unwrap();
}

#[tokio::test]
async fn unknown_keys_do_not_become_requests() {
    let service = Service::start(set(&[jwk("RS256", "r")])).await;
    let auth = auth(&service);
    service.requests(1).await;
    bearer(&auth, &signed("RS256", "r")).await.unwrap();
    for id in 0..50 {
        let error = bearer(&auth, &signed("RS256", &id.to_string())).await.unwrap_err();
        assert_eq!(error, AuthError::Token(TokenError::UnknownKey));
    }
    assert_eq!(service.count(), 1);
    later(6).await;
    for id in 0..50 {
        bearer(&auth, &signed("RS256", &id.to_string())).await.unwrap_err();
    }
    assert_eq!(service.count(), 2);
}

#[tokio::test]
async fn the_same_keys_once_more_leave_tokens_verified() {
    let service = Service::start(set(&[jwk("RS256", "r")])).await;
    let auth = auth(&service);
    service.requests(1).await;
    let good = signed("RS256", "r");
    bearer(&auth, &good).await.unwrap();
    for (fetched, verified, keys) in [
        (2, 1, vec![jwk("RS256", "r")]),
        (3, 2, vec![jwk("RS256", "r"), jwk("EdDSA", "more")]),
        (4, 2, vec![jwk("RS256", "r"), jwk("EdDSA", "more")]),
    ] {
        service.say(set(&keys));
        later(6).await;
        bearer(&auth, &signed("RS256", "unknown")).await.unwrap_err();
        bearer(&auth, &good).await.unwrap();
        assert_eq!((service.count(), auth.stats().tokens_verified), (fetched, verified));
    }
}

/// Moves the clock of the intervals, and only that.
async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn rotated_keys_are_fetched_once_for_many_tokens() {
    let service = Service::start(set(&[jwk("RS256", "old")])).await;
    let auth = std::sync::Arc::new(auth(&service));
    service.requests(1).await;
    bearer(&auth, &signed("RS256", "old")).await.unwrap();
    service.say(set(&[jwk("RS256", "new")]));
    later(6).await;
    let new = signed("RS256", "new");
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let (auth, new) = (auth.clone(), new.clone());
            tokio::spawn(async move { bearer(&auth, &new).await.map(|_| ()) })
        })
        .collect();
    for one in asked {
        one.await.unwrap().unwrap();
    }
    assert_eq!(service.count(), 2, "one request for all tokens");
    // The old key is gone, and so is the memory of tokens that it signed.
    let old = bearer(&auth, &signed("RS256", "old")).await.unwrap_err();
    assert_eq!(old, AuthError::Token(TokenError::UnknownKey));
}

#[tokio::test]
async fn every_issuer_is_asked_again_for_a_key_that_none_knows() {
    let first = Service::start(set(&[jwk("RS256", "r")])).await;
    let second = Service::start(Reply::Say(500, vec![], String::new())).await;
    let auth = with_jwt(&json!([{"jwk_url": first.url()}, {"jwk_url": second.url()}]));
    first.requests(1).await;
    second.requests(1).await;
    bearer(&auth, &signed("RS256", "r")).await.unwrap();
    // It may be of the one whose keys are not known.
    let error = bearer(&auth, &signed("ES256", "e")).await.unwrap_err();
    assert_eq!(error, AuthError::KeysUnavailable);
    second.say(set(&[jwk("ES256", "e")]));
    later(6).await;
    bearer(&auth, &signed("ES256", "e")).await.unwrap();
    let error = bearer(&auth, &signed("EdDSA", "d")).await.unwrap_err();
    assert_eq!(error, AuthError::Token(TokenError::UnknownKey));
    second.say(set(&[jwk("EdDSA", "d")]));
    later(6).await;
    bearer(&auth, &signed("EdDSA", "d")).await.unwrap();
    // The name of a key that one of them knows, and the signature of nobody.
    let forged = format!("{}AAAA", signed("RS256", "r"));
    let error = bearer(&auth, &forged).await.unwrap_err();
    assert_eq!(error, AuthError::Token(TokenError::Signature));
}
