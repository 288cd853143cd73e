//! Makes tokens.

use artesian_auth::{Auth, AuthConfig, AuthError, Authenticated, Credentials, Mode, config};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName};
use ring::{rand::SystemRandom, rsa, signature};
use serde_json::{Value, json};

pub use crate::service::{Reply, Service};

pub const LONG_SECRET: &str =
    "a secret that is long enough for all three algorithms, 64 bytes and some";

pub fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The public key of an algorithm, for `key`.
pub fn public_key(algorithm: &str) -> &'static str {
    match &algorithm[..2] {
        "HS" => LONG_SECRET,
        "RS" | "PS" => include_str!("keys/rsa.pub.pem"),
        "Ed" => include_str!("keys/ed.pub.pem"),
        _ if algorithm == "ES256" => include_str!("keys/ec-P-256.pub.pem"),
        _ => include_str!("keys/ec-P-384.pub.pem"),
    }
}

/// A signature of `message`.
pub fn sign(algorithm: &str, message: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let rsa = |padding: &'static dyn signature::RsaEncoding| {
        let pair = rsa::KeyPair::from_pkcs8(&der(include_str!("keys/rsa.pem"))).unwrap();
        let mut out = vec![0; pair.public().modulus_len()];
        pair.sign(padding, &random, message, &mut out).unwrap();
        out
    };
    let hmac = |algorithm| {
        let key = ring::hmac::Key::new(algorithm, LONG_SECRET.as_bytes());
        ring::hmac::sign(&key, message).as_ref().to_vec()
    };
    let ec = |algorithm, pem| {
        let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, &der(pem), &random).unwrap();
        pair.sign(&random, message).unwrap().as_ref().to_vec()
    };
    match algorithm {
        "HS256" => hmac(ring::hmac::HMAC_SHA256),
        "HS384" => hmac(ring::hmac::HMAC_SHA384),
        "HS512" => hmac(ring::hmac::HMAC_SHA512),
        "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
        "RS384" => rsa(&signature::RSA_PKCS1_SHA384),
        "RS512" => rsa(&signature::RSA_PKCS1_SHA512),
        "PS256" => rsa(&signature::RSA_PSS_SHA256),
        "PS384" => rsa(&signature::RSA_PSS_SHA384),
        "PS512" => rsa(&signature::RSA_PSS_SHA512),
        "ES256" => {
            ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, include_str!("keys/ec-P-256.pem"))
        }
        "ES384" => {
            ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, include_str!("keys/ec-P-384.pem"))
        }
        "EdDSA" => {
            let pair = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der(include_str!(
                "keys/ed.pem"
            )));
            pair.unwrap().sign(message).as_ref().to_vec()
        }
        _ => panic!("{algorithm}"),
    }
}

/// A token with this header and these claims.
pub fn token_with(header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let algorithm = header["alg"].as_str().unwrap();
    let signature = b64(sign(algorithm, message.as_bytes()));
    format!("{message}.{signature}")
}

pub fn token(algorithm: &str, claims: &Value) -> String {
    token_with(&json!({"alg": algorithm, "typ": "JWT"}), claims)
}

/// Claims of a user with two roles, and more.
pub fn claims(more: Value) -> Value {
    let mut claims = json!({
        "sub": "7",
        "https://hasura.io/jwt/claims": {
            "x-hasura-allowed-roles": ["user", "editor"],
            "x-hasura-default-role": "user",
            "X-Hasura-User-Id": "7",
        },
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

pub fn seconds_from_now(seconds: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs() as i64 + seconds
}

/// Authentication with an admin secret `root` and these token settings.
pub fn with_jwt(settings: &Value) -> Auth {
    Auth::start(AuthConfig {
        admin_secrets: vec!["root".to_owned()],
        mode: Mode::Jwt(config::jwt_secrets(settings).unwrap()),
        unauthorized_role: None,
        ..AuthConfig::default()
    })
    .unwrap()
}

pub fn credentials(auth: &Auth, headers: &[(&str, &str)]) -> Credentials {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    Credentials::from_headers(&map, auth.wanted(), true)
}

pub async fn ask(auth: &Auth, headers: &[(&str, &str)]) -> Result<Authenticated, AuthError> {
    auth.authenticate(&credentials(auth, headers), None).await
}

pub async fn bearer(auth: &Auth, token: &str) -> Result<Authenticated, AuthError> {
    ask(auth, &[("authorization", &format!("Bearer {token}"))]).await
}
