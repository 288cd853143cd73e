//! A token in its compact form (RFC 7515, section 7.1), and what it claims.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::{
    Deserialize,
    de::{DeserializeSeed, IgnoredAny},
};
use serde_json::{Map, Value};

use super::{config::JwtConfig, keys::KeySet, signature, wanted::WantedClaims};
use crate::error::TokenError;

/// Claims by name.
pub type Claims = Map<String, Value>;

/// A token that was taken apart and not yet trusted.
pub struct Token<'a> {
    /// What is signed.
    message: &'a str,
    signature: &'a str,
    claims: &'a str,
    algorithm: Algorithm,
    id: Option<String>,
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        let (message, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let header = bytes(header)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let algorithm = header.alg.parse().map_err(|_| TokenError::Algorithm)?;
        Ok(Self { message, signature, claims, algorithm, id: header.kid })
    }

    /// Whether its key may be among those that are known.
    pub fn is_known_to(&self, keys: &KeySet) -> bool {
        keys.knows(self.id.as_deref())
    }

    /// The issuer as the token states it; not to be trusted.
    pub fn stated_issuer(&self) -> Option<String> {
        let claims: Claims = decode(self.claims).ok()?;
        claims.get("iss").and_then(Value::as_str).map(str::to_owned)
    }

    /// Verifies the signature; the claims are those of the issuer then.
    pub fn verify(&self, keys: &KeySet) -> Result<Claims, TokenError> {
        self.verify_some(keys, &WantedClaims::ALL)
    }

    /// The same with some of the claims.
    pub fn verify_some(&self, keys: &KeySet, wanted: &WantedClaims) -> Result<Claims, TokenError> {
        let mut candidates = keys.find(self.id.as_deref(), self.algorithm).peekable();
        if candidates.peek().is_none() {
            let is_known = self.is_known_to(keys);
            return Err(if is_known { TokenError::Algorithm } else { TokenError::UnknownKey });
        }
        let Ok(signature) = bytes(self.signature) else { return Err(TokenError::Signature) };
        let message = self.message.as_bytes();
        if !candidates.any(|key| signature::is_good(self.algorithm, key, message, &signature)) {
            return Err(TokenError::Signature);
        }
        let claims = bytes(self.claims)?;
        let mut deserializer = serde_json::Deserializer::from_slice(&claims);
        let claims = wanted.deserialize(&mut deserializer);
        claims
            .and_then(|claims| deserializer.end().map(|()| claims))
            .map_err(|_| TokenError::Malformed)
    }
}

/// What a token says of itself. Nothing of it is to be trusted.
pub(crate) struct Stated {
    /// Its header.
    pub header: Claims,
    /// Its claims.
    pub claims: Claims,
}

impl Stated {
    /// Reads a token whose shape is good.
    pub fn of(text: &str) -> Option<Self> {
        let (message, _) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        Some(Self { header: decode(header).ok()?, claims: decode(claims).ok()? })
    }
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    serde_json::from_slice(&bytes(part)?).map_err(|_| TokenError::Malformed)
}

fn bytes(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

/// When a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    from: Option<SystemTime>,
    until: Option<SystemTime>,
    skew: Duration,
}

impl Validity {
    /// Reads the times (RFC 7519, sections 4.1.4 to 4.1.6) and checks audience and issuer. A token
    /// without the claim that the configuration asks for is refused: Hasura accepts it.
    pub fn of(claims: &Claims, config: &JwtConfig, now: SystemTime) -> Result<Self, TokenError> {
        let skew = config.allowed_skew;
        let issued = time(claims, "iat")?;
        if issued.is_some_and(|issued| issued > now + skew) {
            return Err(TokenError::IssuedInFuture);
        }
        if let Some(wanted) = &config.audience {
            let is_wanted = |value: &Value| {
                value.as_str().is_some_and(|name| wanted.iter().any(|wanted| wanted == name))
            };
            let is_good = match claims.get("aud") {
                Some(Value::Array(many)) => many.iter().any(is_wanted),
                Some(one) => is_wanted(one),
                None => false,
            };
            if !is_good {
                return Err(TokenError::Audience);
            }
        }
        if let Some(wanted) = &config.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(wanted)
        {
            return Err(TokenError::Issuer);
        }
        let validity = Self { from: time(claims, "nbf")?, until: time(claims, "exp")?, skew };
        validity.check(now)?;
        Ok(validity)
    }

    /// Whether it is good now.
    pub fn check(&self, now: SystemTime) -> Result<(), TokenError> {
        if self.expires().is_some_and(|until| until <= now) {
            return Err(TokenError::Expired);
        }
        if self.from.is_some_and(|from| from > now + self.skew) {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }

    /// Until when it is good, the allowed difference of clocks included.
    pub fn expires(&self) -> Option<SystemTime> {
        self.until.map(|until| until + self.skew)
    }
}

/// A NumericDate (RFC 7519, section 2): seconds since 1970, maybe with a fraction.
fn time(claims: &Claims, name: &str) -> Result<Option<SystemTime>, TokenError> {
    /// The year 10000, so that sums cannot overflow.
    const LATEST: f64 = 253_402_300_800.0;
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => match number.as_f64() {
            Some(seconds) if (0.0..=LATEST).contains(&seconds) => {
                Ok(Some(UNIX_EPOCH + Duration::from_secs_f64(seconds)))
            }
            Some(seconds) if seconds > LATEST => {
                Ok(Some(UNIX_EPOCH + Duration::from_secs_f64(LATEST)))
            }
            _ => Err(TokenError::BadClaim),
        },
        Some(_) => Err(TokenError::BadClaim),
    }
}
