//! JSON Web Tokens, against keys that do not change.
//!
//! * Nothing is accepted but what the key has signed: an HMAC is computed anew, and for the others,
//!   whose private keys nobody uses here but to make [`signed`], the signed text is that one.
//! * The algorithm is the key's, whatever the token says: a public key is no secret of an HMAC.
//! * A token that was made by the book is accepted.
//! * A token that is good has not expired, is for the audience and from the issuer; its roles are
//!   texts, and session variables have their names in lower case.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use artesian_auth::config::jwt_secrets;
use artesian_auth::credentials::SESSION_PREFIX;
use artesian_auth::error::TokenError;
use artesian_auth::jwt::claims::granted;
use artesian_auth::jwt::config::{JwtConfig, KeySource};
use artesian_auth::jwt::keys::KeySet;
use artesian_auth::jwt::token::{Claims, Token, Validity};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::{hmac, rsa, signature};
use serde_json::{Value, json};

/// A token is given.
pub const RAW: u8 = 0;
/// It is made of a header and claims, each on a line, and signed with the secret.
pub const MADE: u8 = 1;

/// The algorithms of the keys, by the first byte of the input.
pub const ALGORITHMS: [&str; 6] = ["HS256", "RS256", "PS256", "ES256", "EdDSA", "set"];

const SECRET: &str = "a secret that is long enough for all three algorithms, 64 bytes and some";

/// When the tokens are looked at: in the year 2026.
const NOW: Duration = Duration::from_secs(1_780_000_000);

/// The only text that the private keys have signed, after the header.
const CLAIMS: &str = r#"{"aud":"shop","iss":"us","exp":1780000100,"https://hasura.io/jwt/claims":{"x-hasura-default-role":"user","x-hasura-allowed-roles":["user"],"X-Hasura-User-Id":"7"}}"#;

struct Keys {
    config: JwtConfig,
    set: KeySet,
}

/// The first byte names the keys, the second says whether the rest is a token or what to make one of.
pub fn run(input: &[u8]) {
    let [keys, kind, rest @ ..] = input else { return };
    let keys = usize::from(*keys) % ALGORITHMS.len();
    let Ok(text) = std::str::from_utf8(rest) else { return };
    if *kind & 1 == RAW {
        let _ = check(keys, text);
    } else {
        let mut lines = text.splitn(3, '\n');
        let mut line = || lines.next().unwrap_or_default();
        made(keys, line(), line(), line());
    }
}

fn keys(at: usize) -> &'static Keys {
    static KEYS: OnceLock<Vec<Keys>> = OnceLock::new();
    &KEYS.get_or_init(|| ALGORITHMS.iter().map(|name| read_keys(name)).collect())[at]
}

fn read_keys(name: &str) -> Keys {
    let pem = match name {
        "HS256" => SECRET,
        "ES256" => include_str!("../../crates/auth/tests/it/keys/ec-P-256.pub.pem"),
        "EdDSA" => include_str!("../../crates/auth/tests/it/keys/ed.pub.pem"),
        _ => include_str!("../../crates/auth/tests/it/keys/rsa.pub.pem"),
    };
    let kind = if name == "set" { "RS256" } else { name };
    let settings = json!({
        "type": kind, "key": pem, "audience": ["shop", "bar"], "issuer": "us", "allowed_skew": 10,
    });
    let config = jwt_secrets(&settings).expect("settings").swap_remove(0);
    let set = match &config.keys {
        _ if name == "set" => KeySet::from_json(key_set().as_bytes()).expect("a key set"),
        KeySource::Static(key) => KeySet::of(key),
        KeySource::Url(_) => unreachable!("none of the settings has one"),
    };
    Keys { config, set }
}

/// The key of ES256 and of EdDSA by their names, and a secret, which is none since everybody can
/// read it.
fn key_set() -> String {
    let public = |pem: &str, length: usize| {
        let der = der(pem);
        URL_SAFE_NO_PAD.encode(&der[der.len() - length..])
    };
    let ec = der(include_str!("../../crates/auth/tests/it/keys/ec-P-256.pub.pem"));
    let point = &ec[ec.len() - 64..];
    json!({"keys": [
        {"kty": "EC", "crv": "P-256", "kid": "ES256", "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(&point[..32]), "y": URL_SAFE_NO_PAD.encode(&point[32..])},
        {"kty": "OKP", "crv": "Ed25519", "kid": "EdDSA", "alg": "EdDSA",
            "x": public(include_str!("../../crates/auth/tests/it/keys/ed.pub.pem"), 32)},
        {"kty": "oct", "kid": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET)},
    ]})
    .to_string()
}

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).expect("PEM")
}

/// What has been signed with the keys of an algorithm.
fn signed_text(algorithm: &str) -> String {
    let header = json!({"alg": algorithm, "kid": algorithm}).to_string();
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(CLAIMS))
}

/// The token of an algorithm, for the first inputs. Some signatures are different each time.
pub fn signed(algorithm: &str) -> String {
    let text = signed_text(algorithm);
    let random = SystemRandom::new();
    let rsa = |padding: &'static dyn signature::RsaEncoding| {
        let pem = include_str!("../../crates/auth/tests/it/keys/rsa.pem");
        let pair = rsa::KeyPair::from_pkcs8(&der(pem)).expect("a key");
        let mut out = vec![0; pair.public().modulus_len()];
        pair.sign(padding, &random, text.as_bytes(), &mut out).expect("a signature");
        out
    };
    let signature = match algorithm {
        "HS256" => hmac_of(&text),
        "RS256" => rsa(&signature::RSA_PKCS1_SHA256),
        "PS256" => rsa(&signature::RSA_PSS_SHA256),
        "ES256" => {
            let pem = der(include_str!("../../crates/auth/tests/it/keys/ec-P-256.pem"));
            let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, &pem, &random);
            pair.expect("a key")
                .sign(&random, text.as_bytes())
                .expect("a signature")
                .as_ref()
                .to_vec()
        }
        _ => {
            let pem = der(include_str!("../../crates/auth/tests/it/keys/ed.pem"));
            let pair = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pem);
            pair.expect("a key").sign(text.as_bytes()).as_ref().to_vec()
        }
    };
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn hmac_of(text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// Looks at a token; whether the signature was accepted.
fn check(at: usize, text: &str) -> Result<(), TokenError> {
    let keys = keys(at);
    let claims = Token::parse(text)?.verify(&keys.set)?;
    let parts: Vec<&str> = text.split('.').collect();
    let [header, body, signature] = parts[..] else {
        panic!("accepted with {} parts", parts.len())
    };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("Base64");
    let header: Value = serde_json::from_slice(&decoded(header)).expect("JSON");
    let message = &text[..text.len() - signature.len() - 1];
    let algorithm = header["alg"].as_str().expect("an algorithm");
    assert!(header.get("crit").is_none());
    match ALGORITHMS[at] {
        "set" => assert!(["ES256", "EdDSA"].contains(&algorithm), "{algorithm}"),
        own => assert_eq!(algorithm, own),
    }
    if algorithm == "HS256" {
        assert_eq!(decoded(signature), hmac_of(message), "a forged HMAC");
    } else {
        assert_eq!(message, signed_text(algorithm), "a forged signature");
    }
    assert_eq!(serde_json::from_slice::<Claims>(&decoded(body)).expect("claims"), claims);
    good(&keys.config, claims);
    Ok(())
}

/// The claims of a token whose signature is that of the issuer.
fn good(config: &JwtConfig, claims: Claims) {
    let now = UNIX_EPOCH + NOW;
    let Ok(validity) = Validity::of(&claims, config, now) else { return };
    assert_eq!(claims["iss"], "us");
    let audience = match &claims["aud"] {
        Value::Array(many) => many.clone(),
        one => vec![one.clone()],
    };
    assert!(audience.iter().any(|one| one == "shop" || one == "bar"));
    assert_eq!(validity.check(now), Ok(()));
    if let Some(end) = validity.expires() {
        assert!(end > now);
        assert_eq!(validity.check(end), Err(TokenError::Expired));
    }
    let start = SystemTime::UNIX_EPOCH;
    assert_eq!(validity.check(start).is_ok(), claims.get("nbf").is_none_or(is_before_1970));
    let Ok(granted) = granted(claims, &config.claims) else { return };
    assert!(!granted.default_role.is_empty());
    assert!(granted.allowed_roles.iter().all(|role| !role.is_empty()));
    for name in granted.session.keys() {
        assert!(name.starts_with(SESSION_PREFIX) && *name == name.to_ascii_lowercase());
        assert!(!name.ends_with("-role") || name != "x-hasura-default-role");
    }
}

/// Not later than the allowed skew after 1970.
fn is_before_1970(time: &Value) -> bool {
    time.is_null() || time.as_f64().is_some_and(|seconds| seconds <= 10.0)
}

/// Signs header and claims as they are, and then changes bytes of the token: pairs of a place and
/// what it is changed by, in hexadecimal.
fn made(at: usize, header: &str, claims: &str, changes: &str) {
    let header = if header.is_empty() { r#"{"typ":"JWT","alg":"HS256"}"# } else { header };
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(hmac_of(&text)));
    let result = check(at, &token);
    if header == r#"{"typ":"JWT","alg":"HS256"}"# && ALGORITHMS[at] == "HS256" {
        let is_object = serde_json::from_str::<Claims>(claims).is_ok();
        assert_eq!(result.is_ok(), is_object, "{result:?}");
    }
    let mut bytes = token.into_bytes();
    let length = bytes.len();
    for change in changes.split(' ') {
        if let Ok(change) = u32::from_str_radix(change, 16) {
            bytes[(change >> 8) as usize % length] ^= (change & 0x7f) as u8;
        }
    }
    if let Ok(changed) = String::from_utf8(bytes) {
        let _ = check(at, &changed);
    }
}
