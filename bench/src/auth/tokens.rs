//! Tokens of a realistic size, signed with the keys of the tests of `artesian-auth`.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{hmac, rand::SystemRandom, rsa, signature};
use serde_json::{Value, json};

/// The secret of HMACs.
pub const SECRET: &str = "a secret of the benchmark's that is long enough for HS256";
/// The issuer and the audience of all tokens.
pub const ISSUER: &str = "https://issuer.example.com/";
/// What tokens are meant for.
pub const AUDIENCE: &str = "https://api.example.com";

/// Gives the signature of a message.
type Signer = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// Keys of one algorithm.
#[derive(Clone, Copy)]
pub struct Keys {
    /// Its name.
    pub algorithm: &'static str,
    /// What verifies: a secret, or PEM.
    pub public: &'static str,
    private: &'static str,
}

macro_rules! keys {
    ($algorithm:literal, $name:literal) => {
        Keys {
            algorithm: $algorithm,
            public: include_str!(concat!("../../../crates/auth/tests/it/keys/", $name, ".pub.pem")),
            private: include_str!(concat!("../../../crates/auth/tests/it/keys/", $name, ".pem")),
        }
    };
}

/// The algorithms that are measured.
pub const ALL: [Keys; 4] = [
    Keys { algorithm: "HS256", public: SECRET, private: SECRET },
    keys!("RS256", "rsa"),
    keys!("ES256", "ec-P-256"),
    keys!("EdDSA", "ed"),
];

/// The bytes within PEM.
pub fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).unwrap()
}

impl Keys {
    /// Tokens of `count` different users, good for an hour.
    pub fn tokens(&self, count: usize) -> Vec<String> {
        let sign = self.signer();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let header = json!({"alg": self.algorithm, "typ": "JWT", "kid": "key-1"});
        (0..count).map(|user| compact(&header, &claims(user, now), &*sign)).collect()
    }

    fn signer(&self) -> Signer {
        let random = SystemRandom::new();
        match self.algorithm {
            "HS256" => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, self.private.as_bytes());
                Box::new(move |message| hmac::sign(&key, message).as_ref().to_vec())
            }
            "RS256" => {
                let pair = rsa::KeyPair::from_pkcs8(&der(self.private)).unwrap();
                Box::new(move |message| {
                    let mut out = vec![0; pair.public().modulus_len()];
                    pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut out).unwrap();
                    out
                })
            }
            "ES256" => {
                let kind = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let key = der(self.private);
                let pair = signature::EcdsaKeyPair::from_pkcs8(kind, &key, &random).unwrap();
                Box::new(move |message| pair.sign(&random, message).unwrap().as_ref().to_vec())
            }
            _ => {
                let key = der(self.private);
                let pair = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key).unwrap();
                Box::new(move |message| pair.sign(message).as_ref().to_vec())
            }
        }
    }
}

/// The public RSA key as the only member of a JSON Web Key Set.
pub fn key_set() -> Value {
    let pair = rsa::KeyPair::from_pkcs8(&der(ALL[1].private)).unwrap();
    let public: rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
    let (n, e) = (URL_SAFE_NO_PAD.encode(public.n), URL_SAFE_NO_PAD.encode(public.e));
    json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "key-1", "n": n, "e": e}]})
}

/// What identity services put into tokens for people.
fn claims(user: usize, now: u64) -> Value {
    json!({
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "sub": format!("auth0|{user:024}"),
        "azp": "my_client_id",
        "scope": "openid profile email",
        "email": format!("user{user}@example.com"),
        "email_verified": true,
        "iat": now,
        "exp": now + 3600,
        "https://hasura.io/jwt/claims": {
            "x-hasura-allowed-roles": ["user", "editor"],
            "x-hasura-default-role": "user",
            "x-hasura-user-id": format!("auth0|{user:024}"),
            "x-hasura-org-id": "42",
        },
    })
}

fn compact(header: &Value, claims: &Value, sign: &dyn Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}
