//! Keys that signatures are verified with. The key says which algorithms it is good for, never the
//! token: a public key must not serve as the secret of an HMAC (RFC 8725, section 2.1).

use std::collections::BTreeMap;

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;

/// The most keys of a set, and the most that one token without a `kid` is tried with.
const MAX_KEYS: usize = 100;
const MAX_TRIED: usize = 16;

/// Signatures of shorter ones are not verified (RFC 7518, section 3.3).
const LEAST_RSA_BITS: usize = 2048;

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

/// Not in constant time: only for configurations, which no client chooses.
impl PartialEq for StaticKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm
            && match (self.key.kind(), other.key.kind()) {
                (DecodingKeyKind::SecretOrDer(one), DecodingKeyKind::SecretOrDer(two)) => {
                    one == two
                }
                // Keys of a configuration come from text or PEM.
                _ => false,
            }
    }
}

impl Eq for StaticKey {}

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

    /// The one algorithm that it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The secret of an HMAC; public keys have none.
    pub(crate) fn secret(&self) -> Option<&[u8]> {
        match (self.algorithm, self.key.kind()) {
            (
                Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512,
                DecodingKeyKind::SecretOrDer(secret),
            ) => Some(secret),
            _ => None,
        }
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
    unusable: Vec<UnusableKey>,
    /// As it was fetched.
    text: Box<[u8]>,
}

struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// A member of a key set that no signature is verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableKey {
    /// Its `kid`.
    pub id: Option<String>,
    /// What is wrong.
    pub reason: &'static str,
    /// Whether it is meant for something else, so that nothing is wrong with it.
    pub is_for_other_use: bool,
}

/// The reason of keys that are meant for something else.
const OTHER_USE: &str = "it is not for signatures (`use`)";

#[derive(Deserialize)]
struct Written {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// No keys, which verify nothing.
    pub fn empty() -> Self {
        Self { keys: Vec::new(), unusable: Vec::new(), text: Box::default() }
    }

    /// The one key of a configuration.
    pub fn of(key: &StaticKey) -> Self {
        let StaticKey { algorithm, key } = key.clone();
        let keys = vec![Key { id: None, algorithms: vec![algorithm], key }];
        Self { keys, ..Self::empty() }
    }

    /// Reads a set (RFC 7517, section 5). Keys of unknown kinds and those that are not for signatures
    /// are left out; an error says why none is left.
    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        let written: Written =
            serde_json::from_slice(text).map_err(|_| "it is no JSON Web Key Set".to_owned())?;
        if written.keys.len() > MAX_KEYS {
            return Err("it has more than 100 keys".to_owned());
        }
        let mut set = Self { text: text.into(), ..Self::empty() };
        for value in written.keys {
            let id = value.get("kid").and_then(serde_json::Value::as_str).map(str::to_owned);
            match Key::from_json(value) {
                Ok(key) => set.keys.push(key),
                Err(reason) => {
                    let is_for_other_use = reason == OTHER_USE;
                    set.unusable.push(UnusableKey { id, reason, is_for_other_use });
                }
            }
        }
        match set.unusable.first() {
            Some(first) if set.keys.is_empty() => {
                Err(format!("it has no key that signatures can be verified with: {}", first.reason))
            }
            None if set.keys.is_empty() => Err("it has no keys".to_owned()),
            _ => Ok(set),
        }
    }

    /// Whether both were fetched as the same text.
    pub fn is_as_written(&self, other: &Self) -> bool {
        self.text == other.text
    }

    /// How many keys are good for which algorithms.
    pub fn summary(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for key in &self.keys {
            let names: Vec<_> = key.algorithms.iter().map(|one| format!("{one:?}")).collect();
            *found.entry(names.join(", ")).or_default() += 1;
        }
        found
    }

    /// The `kid` of every key that has one.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.id.as_deref())
    }

    /// The members that were left out.
    pub fn unusable(&self) -> &[UnusableKey] {
        &self.unusable
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
    fn from_json(value: serde_json::Value) -> Result<Self, &'static str> {
        let jwk: Jwk = serde_json::from_value(value)
            .map_err(|_| "it is malformed, or of a kind that is not supported")?;
        if jwk.common.public_key_use.as_ref().is_some_and(|u| *u != PublicKeyUse::Signature) {
            return Err(OTHER_USE);
        }
        let possible: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => RSA,
            AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
                EllipticCurve::P256 => &[Algorithm::ES256],
                EllipticCurve::P384 => &[Algorithm::ES384],
                _ => return Err("its curve is not supported: P-256 and P-384 are"),
            },
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                &[Algorithm::EdDSA]
            }
            AlgorithmParameters::OctetKeyPair(_) => {
                return Err("its curve is not supported: Ed25519 is");
            }
            AlgorithmParameters::OctetKey(_) => {
                return Err("it is symmetric: a secret that everybody can fetch is none");
            }
            _ => return Err("its kind (`kty`) is not supported"),
        };
        let algorithms: Vec<_> = match &jwk.common.key_algorithm {
            None => possible.to_vec(),
            Some(named) => possible.iter().copied().filter(|one| is_named(*one, named)).collect(),
        };
        if algorithms.is_empty() {
            return Err("its algorithm (`alg`) is not supported, or is none of its kind");
        }
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| "it is malformed")?;
        if let DecodingKeyKind::RsaModulusExponent { n, .. } = key.kind()
            && bits(n) < LEAST_RSA_BITS
        {
            return Err("it is an RSA key of less than 2048 bits");
        }
        Ok(Self { id: jwk.common.key_id, algorithms, key })
    }
}

/// The length of a number without its leading zeros.
fn bits(number: &[u8]) -> usize {
    let mut rest = number;
    while let [0, tail @ ..] = rest {
        rest = tail;
    }
    rest.first().map_or(0, |first| rest.len() * 8 - first.leading_zeros() as usize)
}

fn is_named(algorithm: Algorithm, named: &KeyAlgorithm) -> bool {
    format!("{algorithm:?}") == format!("{named:?}")
}
