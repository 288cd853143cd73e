//! Keys that signatures are verified with. The key says which algorithms it is good for, never the
//! token: a public key must not serve as the secret of an HMAC (RFC 8725, section 2.1).

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;

use super::provider;

/// The most keys of a set, and the most that one token without a `kid` is tried with.
const MAX_KEYS: usize = 100;
const MAX_TRIED: usize = 16;

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// A key that stands in the configuration. Has no `Debug` on purpose.
#[derive(Clone)]
pub struct StaticKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl StaticKey {
    /// A key for `type`: the secret itself for `HS*`, PEM of a public key or of a certificate for
    /// all others. Errors never quote the key.
    pub fn new(kind: &str, key: &str) -> Result<Self, String> {
        let algorithm = algorithm(kind)?;
        // In environment variables line breaks are often written as \n.
        let pem = || key.trim().replace("\\n", "\n").into_bytes();
        let no_pem = |_| {
            format!(
                "`key` must be the public key for {kind} as PEM (BEGIN PUBLIC KEY or BEGIN \
                 CERTIFICATE)"
            )
        };
        let key = match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                let least = match algorithm {
                    Algorithm::HS256 => 32,
                    Algorithm::HS384 => 48,
                    _ => 64,
                };
                // RFC 7518, section 3.2.
                if key.len() < least {
                    return Err(format!("`key` must have at least {least} bytes for {kind}"));
                }
                DecodingKey::from_secret(key.as_bytes())
            }
            Algorithm::ES256 | Algorithm::ES384 => {
                DecodingKey::from_ec_pem(&pem()).map_err(no_pem)?
            }
            Algorithm::EdDSA => DecodingKey::from_ed_pem(&pem()).map_err(no_pem)?,
            _ => DecodingKey::from_rsa_pem(&pem()).map_err(no_pem)?,
        };
        Ok(Self { algorithm, key })
    }
}

fn algorithm(kind: &str) -> Result<Algorithm, String> {
    Ok(match kind {
        "HS256" => Algorithm::HS256,
        "HS384" => Algorithm::HS384,
        "HS512" => Algorithm::HS512,
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        // Hasura's name, and that of RFC 8037.
        "Ed25519" | "EdDSA" => Algorithm::EdDSA,
        "ES512" => return Err("`type` ES512 is not supported: use ES256 or ES384".to_owned()),
        _ => {
            return Err("`type` must be one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, \
                        PS384, PS512, ES256, ES384, Ed25519"
                .to_owned());
        }
    })
}

/// Keys of one issuer at one time.
pub struct KeySet {
    keys: Vec<Key>,
}

struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Written {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// No keys, which verify nothing.
    pub fn empty() -> Self {
        Self { keys: Vec::new() }
    }

    /// The one key of a configuration.
    pub fn of(key: &StaticKey) -> Self {
        provider::install();
        let StaticKey { algorithm, key } = key.clone();
        Self { keys: vec![Key { id: None, algorithms: vec![algorithm], key }] }
    }

    /// Reads a set (RFC 7517, section 5). Keys of unknown kinds and those that are not for signatures
    /// are left out; an error says why none is left.
    pub fn from_json(text: &[u8]) -> Result<Self, &'static str> {
        provider::install();
        let written: Written =
            serde_json::from_slice(text).map_err(|_| "it is no JSON Web Key Set")?;
        if written.keys.len() > MAX_KEYS {
            return Err("it has more than 100 keys");
        }
        let keys: Vec<_> = written.keys.into_iter().filter_map(Key::from_json).collect();
        if keys.is_empty() {
            return Err("it has no key that signatures can be verified with");
        }
        Ok(Self { keys })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Keys that may have signed a token with this header.
    pub fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        self.keys
            .iter()
            .filter(move |key| key.id.is_none() || id.is_none() || key.id.as_deref() == id)
            .filter(move |key| key.algorithms.contains(&algorithm))
            .map(|key| &key.key)
            .take(MAX_TRIED)
    }

    /// Whether there is a key of that id, whatever it is good for.
    pub fn knows(&self, id: Option<&str>) -> bool {
        self.keys.iter().any(|key| key.id.is_none() || id.is_none() || key.id.as_deref() == id)
    }
}

impl Key {
    fn from_json(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        if jwk.common.public_key_use.as_ref().is_some_and(|u| *u != PublicKeyUse::Signature) {
            return None;
        }
        let possible: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => RSA,
            AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
                EllipticCurve::P256 => &[Algorithm::ES256],
                EllipticCurve::P384 => &[Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                &[Algorithm::EdDSA]
            }
            // A secret that everybody can fetch is none.
            _ => return None,
        };
        let algorithms: Vec<_> = match &jwk.common.key_algorithm {
            None => possible.to_vec(),
            Some(named) => possible.iter().copied().filter(|one| is_named(*one, named)).collect(),
        };
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        (!algorithms.is_empty()).then_some(Self { id: jwk.common.key_id, algorithms, key })
    }
}

fn is_named(algorithm: Algorithm, named: &KeyAlgorithm) -> bool {
    format!("{algorithm:?}") == format!("{named:?}")
}
