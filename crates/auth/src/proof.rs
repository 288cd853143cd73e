//! By what a client was let in, so that those can be found whose secret, issuer or webhook is no
//! longer configured.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::OnceLock,
};

/// The piece of the configuration that let a client in. Equal pieces give equal proofs within one
/// process, so a proof can outlive the [`Auth`](crate::Auth) that gave it; it tells nothing about
/// the secret itself, since the hash is keyed with a number that only this process knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Proof(u64);

impl Proof {
    /// The proof of a piece of the configuration; `kind` keeps pieces of different kinds apart.
    pub(crate) fn of(kind: &str, piece: impl Hash) -> Self {
        static KEY: OnceLock<RandomState> = OnceLock::new();
        Self(KEY.get_or_init(RandomState::new).hash_one((kind, piece)))
    }

    /// Everybody is the administrator.
    pub(crate) fn open() -> Self {
        Self::of("open", ())
    }

    /// As a number.
    pub fn get(self) -> u64 {
        self.0
    }
}
