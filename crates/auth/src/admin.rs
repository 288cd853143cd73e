//! Admin secrets: several at a time, so that they can be rotated.

use subtle::{Choice, ConstantTimeEq};

use crate::{ConfigError, Proof};

/// Names of the header, in the order in which they are looked for: Hasura's, our own, Hasura's old
/// one.
pub const SECRET_HEADERS: [&str; 3] =
    ["x-hasura-admin-secret", "x-artesian-admin-secret", "x-hasura-access-key"];

/// The secrets, any of which is good. Has no `Debug` on purpose.
#[derive(Clone, Default)]
pub struct AdminSecrets(Vec<Box<[u8]>>);

impl AdminSecrets {
    /// Takes secrets that a header can carry.
    pub fn new(secrets: &[String]) -> Result<Self, ConfigError> {
        for secret in secrets {
            if secret.is_empty() {
                return Err(ConfigError::EmptyAdminSecret);
            }
            let visible = secret.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            if !visible || secret.trim() != secret {
                return Err(ConfigError::UnusableAdminSecret);
            }
        }
        Ok(Self(secrets.iter().map(|secret| secret.as_bytes().into()).collect()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The proof of each.
    pub(crate) fn proofs(&self) -> impl Iterator<Item = Proof> {
        self.0.iter().map(|secret| Proof::of("secret", secret))
    }

    /// The proof of a secret that is accepted; whether there is one takes the time of `accepts`.
    pub(crate) fn proof(&self, given: &str) -> Option<Proof> {
        self.accepts(given).then(|| Proof::of("secret", Box::<[u8]>::from(given.as_bytes())))
    }

    /// Compares with every secret, in a time that does not depend on where they differ.
    pub fn accepts(&self, given: &str) -> bool {
        let given = given.as_bytes();
        let found = self
            .0
            .iter()
            .fold(Choice::from(0), |found, secret| found | secret.as_ref().ct_eq(given));
        found.into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn any_secret_is_good_and_nothing_else() {
        let secrets = AdminSecrets::new(&["s3cret".into(), "next".into()]).unwrap();
        for good in ["s3cret", "next"] {
            assert!(secrets.accepts(good));
        }
        for bad in ["", "s3cre", "s3cret2", "S3cret", "s3cretnext", " next"] {
            assert!(!secrets.accepts(bad), "{bad}");
        }
        assert!(!AdminSecrets::default().accepts(""));
    }

    #[test]
    fn unusable_secrets_are_refused() {
        let with = |secret: &str| AdminSecrets::new(&[secret.to_owned()]).err();
        assert_eq!(with(""), Some(ConfigError::EmptyAdminSecret));
        for bad in [" a", "a\n", "é"] {
            assert_eq!(with(bad), Some(ConfigError::UnusableAdminSecret));
        }
        assert_eq!(with("a b"), None);
    }
}
