//! Signatures, verified by `ring`, which TLS uses already. (`jsonwebtoken` would have it wrapped as a
//! provider, at the cost of a copy of the key and of an allocation for each token; it reads keys.)

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::{hmac, signature as sig};

/// Whether this is the signature of `message` by this algorithm and key. A key of another family than
/// the algorithm's never fits.
pub(super) fn is_good(
    algorithm: Algorithm,
    key: &DecodingKey,
    message: &[u8],
    signature: &[u8],
) -> bool {
    if key.family() != family(algorithm) {
        return false;
    }
    let check = Check { key: key.kind(), message, signature };
    match algorithm {
        Algorithm::HS256 => check.hmac(hmac::HMAC_SHA256),
        Algorithm::HS384 => check.hmac(hmac::HMAC_SHA384),
        Algorithm::HS512 => check.hmac(hmac::HMAC_SHA512),
        Algorithm::ES256 => check.public(&sig::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => check.public(&sig::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => check.public(&sig::ED25519),
        Algorithm::RS256 => check.rsa(&sig::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => check.rsa(&sig::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => check.rsa(&sig::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => check.rsa(&sig::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => check.rsa(&sig::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => check.rsa(&sig::RSA_PSS_2048_8192_SHA512),
        // The library may learn further ones; no key of ours is for them.
        _ => false,
    }
}

fn family(algorithm: Algorithm) -> AlgorithmFamily {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => AlgorithmFamily::Hmac,
        Algorithm::ES256 | Algorithm::ES384 => AlgorithmFamily::Ec,
        Algorithm::EdDSA => AlgorithmFamily::Ed,
        _ => AlgorithmFamily::Rsa,
    }
}

struct Check<'a> {
    key: &'a DecodingKeyKind,
    message: &'a [u8],
    signature: &'a [u8],
}

impl Check<'_> {
    fn hmac(&self, algorithm: hmac::Algorithm) -> bool {
        let DecodingKeyKind::SecretOrDer(secret) = self.key else { return false };
        hmac::verify(&hmac::Key::new(algorithm, secret), self.message, self.signature).is_ok()
    }

    fn public(&self, algorithm: &'static dyn sig::VerificationAlgorithm) -> bool {
        let DecodingKeyKind::SecretOrDer(key) = self.key else { return false };
        sig::UnparsedPublicKey::new(algorithm, key).verify(self.message, self.signature).is_ok()
    }

    fn rsa(&self, algorithm: &'static sig::RsaParameters) -> bool {
        match self.key {
            DecodingKeyKind::SecretOrDer(_) => self.public(algorithm),
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                let key = sig::RsaPublicKeyComponents { n, e };
                key.verify(algorithm, self.message, self.signature).is_ok()
            }
        }
    }
}
