//! Cryptography for `jsonwebtoken` by `ring`, which TLS uses already. Only verification: this
//! program signs nothing.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
};
use ring::{hmac, signature as sig};
use signature::Verifier;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        if key.family() != family(*algorithm) {
            return Err(Error::from(ErrorKind::InvalidAlgorithm));
        }
        Ok(Box::new(Ring { algorithm: *algorithm, key: key.clone() }))
    },
    // Only for making keys and thumbprints, which is not done here.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` use it. Only the first call does something.
pub(super) fn install() {
    // An error says that it is installed already.
    let _ = PROVIDER.install_default();
}

fn family(algorithm: Algorithm) -> AlgorithmFamily {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => AlgorithmFamily::Hmac,
        Algorithm::ES256 | Algorithm::ES384 => AlgorithmFamily::Ec,
        Algorithm::EdDSA => AlgorithmFamily::Ed,
        _ => AlgorithmFamily::Rsa,
    }
}

struct Ring {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let is_good = match self.algorithm {
            Algorithm::HS256 => self.hmac(hmac::HMAC_SHA256, message, signature),
            Algorithm::HS384 => self.hmac(hmac::HMAC_SHA384, message, signature),
            Algorithm::HS512 => self.hmac(hmac::HMAC_SHA512, message, signature),
            Algorithm::ES256 => self.public(&sig::ECDSA_P256_SHA256_FIXED, message, signature),
            Algorithm::ES384 => self.public(&sig::ECDSA_P384_SHA384_FIXED, message, signature),
            Algorithm::EdDSA => self.public(&sig::ED25519, message, signature),
            Algorithm::RS256 => self.rsa(&sig::RSA_PKCS1_2048_8192_SHA256, message, signature),
            Algorithm::RS384 => self.rsa(&sig::RSA_PKCS1_2048_8192_SHA384, message, signature),
            Algorithm::RS512 => self.rsa(&sig::RSA_PKCS1_2048_8192_SHA512, message, signature),
            Algorithm::PS256 => self.rsa(&sig::RSA_PSS_2048_8192_SHA256, message, signature),
            Algorithm::PS384 => self.rsa(&sig::RSA_PSS_2048_8192_SHA384, message, signature),
            Algorithm::PS512 => self.rsa(&sig::RSA_PSS_2048_8192_SHA512, message, signature),
            // The library may learn further ones; no key of ours is for them.
            _ => false,
        };
        if is_good { Ok(()) } else { Err(signature::Error::new()) }
    }
}

impl Ring {
    fn hmac(&self, algorithm: hmac::Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let DecodingKeyKind::SecretOrDer(secret) = self.key.kind() else { return false };
        hmac::verify(&hmac::Key::new(algorithm, secret), message, signature).is_ok()
    }

    fn public(
        &self,
        algorithm: &'static dyn sig::VerificationAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let DecodingKeyKind::SecretOrDer(key) = self.key.kind() else { return false };
        sig::UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
    }

    fn rsa(
        &self,
        algorithm: &'static sig::RsaParameters,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        match self.key.kind() {
            DecodingKeyKind::SecretOrDer(_) => self.public(algorithm, message, signature),
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                sig::RsaPublicKeyComponents { n, e }.verify(algorithm, message, signature).is_ok()
            }
        }
    }
}
