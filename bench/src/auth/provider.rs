//! Cryptography for `jsonwebtoken` by `ring`, as its documentation has it: the library brings none
//! that everybody gets.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::ErrorKind,
};
use ring::{hmac, signature as sig};
use signature::Verifier;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        Ok(Box::new(Ring { algorithm: *algorithm, key: key.clone() }))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` use it. Only the first call does something.
pub fn install() {
    // An error says that it is installed already.
    let _ = PROVIDER.install_default();
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
        let key = self.key.try_get_as_bytes().map_err(|_| signature::Error::new())?;
        let public =
            |algorithm| sig::UnparsedPublicKey::new(algorithm, key).verify(message, signature);
        let result = match self.algorithm {
            Algorithm::HS256 => {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), message, signature)
            }
            Algorithm::RS256 => public(&sig::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::ES256 => public(&sig::ECDSA_P256_SHA256_FIXED),
            _ => public(&sig::ED25519),
        };
        result.map_err(|_| signature::Error::new())
    }
}
