//! The configuration of tokens, in the shape of Hasura's `--jwt-secret`.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderName, Uri};
use serde_json::{Map, Value};

use super::{keys::StaticKey, members::Members, path::ClaimPath};
use crate::{Proof, config::http_url, credentials::SESSION_PREFIX};

/// The claim that lists a client's roles.
pub const ALLOWED_ROLES: &str = "x-hasura-allowed-roles";
/// The claim with the role of clients that ask for none.
pub const DEFAULT_ROLE: &str = "x-hasura-default-role";
/// Where the claims are unless something else is said.
pub const DEFAULT_NAMESPACE: &str = "https://hasura.io/jwt/claims";

/// Tokens of one issuer. Has no `Debug` on purpose: it holds a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct JwtConfig {
    /// What signatures are verified with.
    pub keys: KeySource,
    /// `aud` must be, or contain, one of these.
    pub audience: Option<Vec<String>>,
    /// `iss` must be this.
    pub issuer: Option<String>,
    /// Where session variables come from.
    pub claims: ClaimsSource,
    /// By how much clocks may differ.
    pub allowed_skew: Duration,
    /// Where the token is.
    pub place: TokenPlace,
    /// What lets clients in that have such a token: changes with anything that is configured.
    pub(crate) proof: Proof,
}

/// What signatures are verified with.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// One key.
    Static(StaticKey),
    /// A JSON Web Key Set (RFC 7517) at a URL.
    Url(Uri),
}

impl KeySource {
    /// Where a key set is.
    pub fn url(&self) -> Option<&Uri> {
        match self {
            Self::Static(_) => None,
            Self::Url(url) => Some(url),
        }
    }
}

/// Where the token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization: Bearer …`
    Authorization,
    /// A cookie of this name.
    Cookie(String),
    /// The whole value of another header.
    Header(HeaderName),
}

/// Where session variables come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimsSource {
    /// From an object among the claims.
    Namespace {
        /// Where it is.
        at: Namespace,
        /// Whether it is JSON in a string, as AWS Cognito has it.
        is_string: bool,
    },
    /// Each from its own place, by session variable.
    Map(BTreeMap<String, MappedClaim>),
}

/// Where the object of session variables is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// A claim of this name.
    Name(String),
    /// At the end of a path.
    Path(ClaimPath),
}

/// The value of one session variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappedClaim {
    /// The same for all tokens.
    Literal(Value),
    /// At the end of a path.
    Path {
        /// The path.
        path: ClaimPath,
        /// What is taken if nothing is there.
        default: Option<Value>,
    },
}

impl JwtConfig {
    /// Reads one object. Errors name its members and never quote their values.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let written = Members::of(value)?;
        let keys = match (written.text("key")?, written.text("jwk_url")?) {
            (None, None) => return Err("`key` or `jwk_url` is missing".to_owned()),
            (Some(_), Some(_)) => {
                return Err("`key` and `jwk_url` exclude each other".to_owned());
            }
            (Some(key), None) => {
                let kind = written.text("type")?.ok_or("`type` is missing beside `key`")?;
                KeySource::Static(StaticKey::new(kind, key)?)
            }
            (None, Some(url)) => {
                KeySource::Url(http_url(url).map_err(|error| format!("`jwk_url`: {error}"))?)
            }
        };
        let claims = match written.get("claims_map") {
            Some(Value::Object(map)) => ClaimsSource::Map(mapped(map)?),
            Some(_) => return Err("`claims_map` must be an object".to_owned()),
            None => namespace(
                written.text("claims_namespace")?,
                written.text("claims_namespace_path")?,
                written.text("claims_format")?,
            )?,
        };
        Ok(Self {
            keys,
            audience: written.audience()?,
            issuer: written.text("issuer")?.map(str::to_owned),
            claims,
            allowed_skew: written.seconds("allowed_skew")?,
            place: place(written.get("header"))?,
            proof: Proof::of("issuer", sorted(value).to_string()),
        })
    }
}

/// The same value, whatever order its members were written in.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().collect();
            let sorted = |(name, value): (&String, &Value)| (name.clone(), sorted(value));
            Value::Object(members.into_iter().map(sorted).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

fn namespace(
    name: Option<&str>,
    path: Option<&str>,
    format: Option<&str>,
) -> Result<ClaimsSource, String> {
    let is_string = match format {
        None | Some("json") => false,
        Some("stringified_json") => true,
        Some(_) => return Err("`claims_format` must be json or stringified_json".to_owned()),
    };
    let at = match (name, path) {
        (Some(_), Some(_)) => {
            let both = "`claims_namespace` and `claims_namespace_path` exclude each other";
            return Err(both.to_owned());
        }
        (Some(name), None) => Namespace::Name(name.to_owned()),
        (None, None) => Namespace::Name(DEFAULT_NAMESPACE.to_owned()),
        (None, Some(path)) => Namespace::Path(
            ClaimPath::parse(path).map_err(|error| format!("`claims_namespace_path`: {error}"))?,
        ),
    };
    Ok(ClaimsSource::Namespace { at, is_string })
}

fn mapped(map: &Map<String, Value>) -> Result<BTreeMap<String, MappedClaim>, String> {
    let mut found = BTreeMap::new();
    for (name, value) in map {
        let lower = name.to_ascii_lowercase();
        let bad = |error: &str| format!("`claims_map`, {name}: {error}");
        if !lower.starts_with(SESSION_PREFIX) {
            return Err(bad("session variables begin with x-hasura-"));
        }
        let claim = match value {
            Value::Object(object) => {
                let path = object.get("path").and_then(Value::as_str);
                let path = path.ok_or_else(|| bad("`path` is missing"))?;
                let path = ClaimPath::parse(path).map_err(|error| bad(&error))?;
                MappedClaim::Path { path, default: object.get("default").cloned() }
            }
            literal => MappedClaim::Literal(literal.clone()),
        };
        let literal = match &claim {
            MappedClaim::Literal(value) | MappedClaim::Path { default: Some(value), .. } => {
                Some(value)
            }
            MappedClaim::Path { default: None, .. } => None,
        };
        let fits = literal.is_none_or(|value| match lower.as_str() {
            ALLOWED_ROLES => super::claims::roles(value).is_some(),
            _ => super::claims::text(value).is_some(),
        });
        if !fits {
            return Err(bad("the value must be text, and a list of text for the allowed roles"));
        }
        if found.insert(lower, claim).is_some() {
            return Err(bad("it is there twice"));
        }
    }
    match [ALLOWED_ROLES, DEFAULT_ROLE].into_iter().find(|name| !found.contains_key(*name)) {
        Some(missing) => Err(format!("`claims_map`: {missing} is missing")),
        None => Ok(found),
    }
}

fn place(header: Option<&Value>) -> Result<TokenPlace, String> {
    const SHAPES: &str = "`header` must be {\"type\":\"Authorization\"}, {\"type\":\"Cookie\",\
                          \"name\":…} or {\"type\":\"CustomHeader\",\"name\":…}";
    // Hasura's documentation has it as JSON in a string, its own examples as an object.
    let parsed: Value;
    let header = match header {
        None => return Ok(TokenPlace::Authorization),
        Some(Value::String(text)) => {
            parsed = serde_json::from_str(text).map_err(|_| SHAPES.to_owned())?;
            &parsed
        }
        Some(header) => header,
    };
    let member = |name| header.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (member("type").map(str::to_ascii_lowercase).as_deref(), member("name")) {
        (Some("authorization"), _) => Ok(TokenPlace::Authorization),
        (Some("cookie"), Some(name)) => Ok(TokenPlace::Cookie(name.to_owned())),
        (Some("customheader"), Some(name)) => HeaderName::try_from(name)
            .map(TokenPlace::Header)
            .map_err(|_| "`header`: `name` is no name of a header".to_owned()),
        _ => Err(SHAPES.to_owned()),
    }
}
