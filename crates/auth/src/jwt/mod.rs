//! JSON Web Tokens (RFC 7519): verified, remembered, and turned into roles and session variables.

pub mod claims;
pub mod config;
pub mod explain;
pub mod jwks;
pub mod keys;
mod members;
pub mod path;
mod signature;
pub mod token;
pub mod wanted;

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use artesian_engine::Identity;
use bytes::Bytes;
use futures_util::future::join_all;
use http::Uri;
use parking_lot::Mutex;
use quick_cache::{Equivalent, Weighter, sync::Cache};

use self::{
    claims::Granted,
    config::{JwtConfig, KeySource, TokenPlace},
    jwks::Jwks,
    keys::KeySet,
    token::{Token, Validity},
    wanted::WantedClaims,
};
use crate::{
    AuthError, Counters, Credentials, Proof, cookie,
    credentials::{MAX_VALUE_BYTES, ROLE_HEADER},
    error::TokenError,
    fetch::Client,
};

/// Bytes of tokens that are remembered, about twice as many in memory.
const CACHE_BYTES: u64 = 16 << 20;

/// Verifies tokens of one or several issuers.
pub struct Tokens {
    issuers: Vec<Issuer>,
    /// Claims that are kept beside the identity.
    forward: Vec<Box<str>>,
    verified: Cache<CacheKey, Arc<Verified>, ByLength>,
    counters: Arc<Counters>,
}

struct Issuer {
    config: JwtConfig,
    wanted: WantedClaims,
    keys: Keys,
}

enum Keys {
    Fixed(Arc<KeySet>),
    Url(Arc<Jwks>),
}

impl Keys {
    fn now(&self) -> Arc<KeySet> {
        match self {
            Self::Fixed(keys) => Arc::clone(keys),
            Self::Url(jwks) => jwks.keys(),
        }
    }

    fn jwks(&self) -> Option<&Arc<Jwks>> {
        match self {
            Self::Fixed(_) => None,
            Self::Url(jwks) => Some(jwks),
        }
    }
}

/// A token and the configuration that it was verified for.
type CacheKey = (usize, Box<str>);

/// The same before it is kept.
#[derive(Hash)]
struct Asked<'a>(usize, &'a str);

impl Equivalent<CacheKey> for Asked<'_> {
    fn equivalent(&self, key: &CacheKey) -> bool {
        self.0 == key.0 && *self.1 == *key.1
    }
}

#[derive(Clone)]
struct ByLength;

impl Weighter<CacheKey, Arc<Verified>> for ByLength {
    fn weight(&self, key: &CacheKey, verified: &Arc<Verified>) -> u64 {
        (key.1.len() + verified.claims.as_ref().map_or(0, Bytes::len)) as u64 + 256
    }
}

/// A token whose signature and claims are good.
pub struct Verified {
    granted: Granted,
    validity: Validity,
    /// The keys that it was verified with: others may not know its key any more.
    keys: Arc<KeySet>,
    proof: Proof,
    /// Claims that are kept beside the identity: a JSON object, none if it were empty.
    claims: Option<Bytes>,
    /// Identities in the roles that were asked for, mostly one.
    identities: Mutex<Vec<Identity>>,
}

impl Verified {
    /// The identity in a role, or in the default one.
    pub fn identity(&self, role: Option<&str>) -> Result<Identity, AuthError> {
        let role = role.unwrap_or(&self.granted.default_role);
        if let Some(identity) = self.identities.lock().iter().find(|one| *one.role == *role) {
            return Ok(identity.clone());
        }
        if !self.granted.allowed_roles.iter().any(|allowed| allowed == role) {
            return Err(AuthError::RoleNotAllowed);
        }
        let identity = Identity::new(role, self.granted.session.clone());
        let mut identities = self.identities.lock();
        if !identities.contains(&identity) {
            identities.push(identity.clone());
        }
        Ok(identity)
    }

    /// What the token says.
    pub fn granted(&self) -> &Granted {
        &self.granted
    }

    /// Claims that are kept beside the identity: a JSON object.
    pub fn forwarded_claims(&self) -> Option<&Bytes> {
        self.claims.as_ref()
    }

    /// By what it was let in.
    pub(crate) fn proof(&self) -> Proof {
        self.proof
    }

    /// Until when it is good.
    pub fn expires(&self) -> Option<SystemTime> {
        self.validity.expires()
    }
}

/// Whether a token was verified just now.
struct IsNew(bool);

/// What became of a token without waiting for anything.
enum Attempt {
    Done(Result<(Arc<Verified>, IsNew), AuthError>),
    /// Its key is unknown among these of those issuers, which may have new ones; and what is wrong
    /// if they have not.
    LookAgain(Vec<(usize, Arc<KeySet>)>, AuthError),
}

impl Tokens {
    /// Verifies tokens of these issuers. Key sets that `old` does not have are fetched from now on.
    pub(crate) fn start(
        configs: Vec<JwtConfig>,
        forward: Vec<Box<str>>,
        old: Option<&Self>,
        client: &Client,
        counters: &Arc<Counters>,
    ) -> Self {
        let mut sets: HashMap<Uri, Arc<Jwks>> = HashMap::new();
        for jwks in old.iter().flat_map(|old| &old.issuers).filter_map(|one| one.keys.jwks()) {
            sets.insert(jwks.url().clone(), Arc::clone(jwks));
        }
        Self::with(configs, forward, counters, |url| {
            let start = || Jwks::start(url.clone(), client.clone(), Arc::clone(counters));
            Keys::Url(Arc::clone(sets.entry(url.clone()).or_insert_with(start)))
        })
    }

    /// Verifies tokens by these keys, which stay as they are: those of `fetched` by URL, and no others.
    pub(crate) fn fixed(configs: Vec<JwtConfig>, fetched: &HashMap<Uri, Arc<KeySet>>) -> Self {
        Self::with(configs, Vec::new(), &Arc::default(), |url| {
            Keys::Fixed(fetched.get(url).cloned().unwrap_or_else(|| Arc::new(KeySet::empty())))
        })
    }

    fn with(
        configs: Vec<JwtConfig>,
        forward: Vec<Box<str>>,
        counters: &Arc<Counters>,
        mut at_url: impl FnMut(&Uri) -> Keys,
    ) -> Self {
        let issuers = configs
            .into_iter()
            .map(|config| {
                let keys = match &config.keys {
                    KeySource::Static(key) => Keys::Fixed(Arc::new(KeySet::of(key))),
                    KeySource::Url(url) => at_url(url),
                };
                Issuer { wanted: WantedClaims::of(&config.claims, &forward), config, keys }
            })
            .collect();
        Self {
            issuers,
            forward,
            verified: Cache::with_weighter(4096, CACHE_BYTES, ByLength),
            counters: Arc::clone(counters),
        }
    }

    /// Whether these are its settings.
    pub(crate) fn are_of(&self, configs: &[JwtConfig], forward: &[Box<str>]) -> bool {
        self.configs().eq(configs) && *self.forward == *forward
    }

    /// The settings of each issuer.
    pub(crate) fn configs(&self) -> impl Iterator<Item = &JwtConfig> {
        self.issuers.iter().map(|issuer| &issuer.config)
    }

    /// The keys of an issuer as they are known.
    pub(crate) fn keys(&self, at: usize) -> Option<Arc<KeySet>> {
        self.issuers.get(at).map(|issuer| issuer.keys.now())
    }

    /// The places in which tokens are looked for.
    pub(crate) fn places(&self) -> impl Iterator<Item = &TokenPlace> {
        self.issuers.iter().map(|issuer| &issuer.config.place)
    }

    /// The identity by the client's token; `None` if there is no token. A token in a header is taken
    /// before one in a cookie: the page chose to send it, the browser sends cookies by itself. What
    /// is refused is refused, whatever else the client sent.
    pub(crate) async fn authenticate(
        &self,
        credentials: &Credentials,
    ) -> Result<Option<(Identity, Arc<Verified>)>, AuthError> {
        let Some((token, candidates)) = self.find(credentials)? else { return Ok(None) };
        let verified = self.verify(token, &candidates).await?;
        let identity = verified.identity(role(credentials)?)?;
        Ok(Some((identity, verified)))
    }

    /// A token and the issuers that may have made it.
    fn find<'a>(
        &self,
        credentials: &'a Credentials,
    ) -> Result<Option<(&'a str, Vec<usize>)>, AuthError> {
        let mut found: Option<(&str, &TokenPlace)> = None;
        for place in self.places() {
            let is_better = match (found, place) {
                (None, _) => true,
                (Some((_, TokenPlace::Cookie(_))), place) => {
                    !matches!(place, TokenPlace::Cookie(_))
                }
                (Some(_), _) => false,
            };
            if is_better && let Some(token) = at(place, credentials)? {
                found = Some((token, place));
            }
        }
        let Some((token, place)) = found else { return Ok(None) };
        if token.len() > MAX_VALUE_BYTES {
            return Err(AuthError::TooLong(MAX_VALUE_BYTES));
        }
        let here = (0..self.issuers.len())
            .filter(|at| self.issuers.get(*at).is_some_and(|one| one.config.place == *place));
        Ok(Some((token, here.collect())))
    }

    /// Verifies a token against issuers that may have made it.
    pub async fn verify(
        &self,
        token: &str,
        candidates: &[usize],
    ) -> Result<Arc<Verified>, AuthError> {
        let result = self.find_verified(token, candidates).await;
        match &result {
            Ok((_, IsNew(true))) => self.counters.tokens_verified.add(),
            Ok((_, IsNew(false))) => self.counters.tokens_cached.add(),
            Err(_) => self.counters.tokens_refused.add(),
        }
        result.map(|(verified, _)| verified)
    }

    async fn find_verified(
        &self,
        token: &str,
        candidates: &[usize],
    ) -> Result<(Arc<Verified>, IsNew), AuthError> {
        for _ in 0..2 {
            match self.attempt(token, candidates) {
                Attempt::Done(result) => return result,
                Attempt::LookAgain(issuers, _) => {
                    let looking = issuers.iter().filter_map(|(at, seen)| {
                        Some(self.issuers.get(*at)?.keys.jwks()?.look_again(seen))
                    });
                    join_all(looking).await;
                }
            }
        }
        match self.attempt(token, candidates) {
            Attempt::Done(result) => result,
            Attempt::LookAgain(issuers, _) if issuers.iter().any(|(_, keys)| keys.is_empty()) => {
                Err(AuthError::KeysUnavailable)
            }
            Attempt::LookAgain(_, error) => Err(error),
        }
    }

    fn attempt(&self, token: &str, candidates: &[usize]) -> Attempt {
        let mut best = AuthError::TokenMissing;
        let mut unknown_to = Vec::new();
        for &at in candidates {
            let Some(issuer) = self.issuers.get(at) else { continue };
            let error = match self.by_issuer(at, issuer, token) {
                Ok(verified) => return Attempt::Done(Ok(verified)),
                Err(error) => error,
            };
            let is_unknown = error == AuthError::Token(TokenError::UnknownKey);
            if is_unknown && issuer.keys.jwks().is_some() {
                unknown_to.push((at, issuer.keys.now()));
            }
            if certainty(&error) > certainty(&best) {
                best = error;
            }
        }
        // The issuer who made the token knows best what is wrong.
        if unknown_to.is_empty() || certainty(&best) == CERTAIN {
            Attempt::Done(Err(best))
        } else {
            Attempt::LookAgain(unknown_to, best)
        }
    }

    fn by_issuer(
        &self,
        at: usize,
        issuer: &Issuer,
        token: &str,
    ) -> Result<(Arc<Verified>, IsNew), AuthError> {
        let keys = issuer.keys.now();
        let now = SystemTime::now();
        if let Some(known) = self.verified.get(&Asked(at, token)) {
            if Arc::ptr_eq(&known.keys, &keys) {
                known.validity.check(now)?;
                return Ok((known, IsNew(false)));
            }
            self.verified.remove(&Asked(at, token));
        }
        let key = (at, Box::from(token));
        // Equal tokens that come at once are verified once.
        let mut is_new = IsNew(false);
        let verified = self.verified.get_or_insert_with(&key, || {
            is_new = IsNew(true);
            let claims = Token::parse(token)?.verify_some(&keys, &issuer.wanted)?;
            let validity = Validity::of(&claims, &issuer.config, now)?;
            let forwarded = claims::some_of(&claims, &self.forward);
            let granted = claims::granted(claims, &issuer.config.claims)?;
            let identities = Mutex::default();
            let keys = Arc::clone(&keys);
            let proof = issuer.config.proof;
            Ok::<_, AuthError>(Arc::new(Verified {
                granted,
                validity,
                keys,
                proof,
                claims: forwarded,
                identities,
            }))
        })?;
        verified.validity.check(now)?;
        Ok((verified, is_new))
    }
}

/// The certainty of an error of the issuer who made the token.
const CERTAIN: u8 = 5;

/// How much an error of one of several issuers tells. Several may share a key.
fn certainty(error: &AuthError) -> u8 {
    match error {
        AuthError::TokenMissing => 0,
        AuthError::Token(TokenError::UnknownKey) => 1,
        AuthError::Token(TokenError::Algorithm) => 2,
        AuthError::Token(TokenError::Signature) => 3,
        AuthError::Token(TokenError::Issuer) => 4,
        _ => CERTAIN,
    }
}

/// The token in its place.
fn at<'a>(place: &TokenPlace, credentials: &'a Credentials) -> Result<Option<&'a str>, AuthError> {
    let (value, is_whole) = match place {
        TokenPlace::Cookie(name) => {
            let header = credentials.get("cookie");
            return header.map_or(Ok(None), |header| cookie::find(header, name));
        }
        TokenPlace::Header(name) => (credentials.get(name.as_str()), true),
        TokenPlace::Authorization => (credentials.get("authorization"), false),
    };
    let Some(value) = value.map(str::trim) else { return Ok(None) };
    if is_whole {
        return Ok(Some(value));
    }
    match value.split_once(char::is_whitespace) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(AuthError::MalformedAuthorization),
    }
}

/// The role that the client asks for.
pub(crate) fn role(credentials: &Credentials) -> Result<Option<&str>, AuthError> {
    match credentials.get(ROLE_HEADER).map(str::trim) {
        Some("") => Err(AuthError::EmptyRole),
        role => Ok(role),
    }
}
