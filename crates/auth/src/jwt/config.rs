//! The configuration of tokens, in the shape of Hasura's `--jwt-secret`.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderName, Uri};
use serde::Deserialize;
use serde_json::Value;

use super::{keys::StaticKey, path::ClaimPath};
use crate::{Proof, config::http_url, credentials::SESSION_PREFIX};

/// The claim that lists a client's roles.
pub const ALLOWED_ROLES: &str = "x-hasura-allowed-roles";
/// The claim with the role of clients that ask for none.
pub const DEFAULT_ROLE: &str = "x-hasura-default-role";
/// Where the claims are unless something else is said.
pub const DEFAULT_NAMESPACE: &str = "https://hasura.io/jwt/claims";

/// Tokens of one issuer. Has no `Debug` on purpose: it holds a secret.
#[derive(Clone)]
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
#[derive(Clone)]
pub enum KeySource {
    /// One key.
    Static(StaticKey),
    /// A JSON Web Key Set (RFC 7517) at a URL.
    Url(Uri),
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

/// The JSON as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "type")]
    kind: Option<String>,
    key: Option<String>,
    jwk_url: Option<String>,
    claims_namespace: Option<String>,
    claims_namespace_path: Option<String>,
    claims_format: Option<String>,
    audience: Option<OneOrMany>,
    issuer: Option<String>,
    claims_map: Option<BTreeMap<String, Value>>,
    allowed_skew: Option<u32>,
    header: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl JwtConfig {
    /// Reads one object. Errors never quote the key.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let written = Written::deserialize(value).map_err(|error| shape_error(value, &error))?;
        let keys = match (written.key, written.jwk_url) {
            (None, None) => return Err("`key` or `jwk_url` is missing".to_owned()),
            (Some(_), Some(_)) => {
                return Err("`key` and `jwk_url` exclude each other".to_owned());
            }
            (Some(key), None) => {
                let kind = written.kind.ok_or("`type` is missing beside `key`")?;
                KeySource::Static(StaticKey::new(&kind, &key)?)
            }
            (None, Some(url)) => {
                KeySource::Url(http_url(&url).map_err(|error| format!("`jwk_url`: {error}"))?)
            }
        };
        let audience = match written.audience {
            None => None,
            Some(OneOrMany::One(one)) => Some(vec![one]),
            Some(OneOrMany::Many(many)) if many.is_empty() => {
                return Err("`audience` is an empty list, which no token could satisfy".to_owned());
            }
            Some(OneOrMany::Many(many)) => Some(many),
        };
        let claims = match written.claims_map {
            Some(map) => ClaimsSource::Map(mapped(map)?),
            None => namespace(
                written.claims_namespace,
                written.claims_namespace_path.as_deref(),
                written.claims_format.as_deref(),
            )?,
        };
        Ok(Self {
            keys,
            audience,
            issuer: written.issuer,
            claims,
            allowed_skew: Duration::from_secs(written.allowed_skew.unwrap_or(0).into()),
            place: place(written.header)?,
            proof: Proof::of("issuer", value.to_string()),
        })
    }
}

fn shape_error(value: &Value, error: &serde_json::Error) -> String {
    let text = error.to_string();
    match value {
        // Messages about types quote the value that has the wrong one.
        Value::Object(_) if text.starts_with("unknown field") => text,
        Value::Object(_) => "a member has the wrong type".to_owned(),
        _ => "it must be a JSON object".to_owned(),
    }
}

fn namespace(
    name: Option<String>,
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
        (Some(name), None) => Namespace::Name(name),
        (None, None) => Namespace::Name(DEFAULT_NAMESPACE.to_owned()),
        (None, Some(path)) => Namespace::Path(
            ClaimPath::parse(path).map_err(|error| format!("`claims_namespace_path`: {error}"))?,
        ),
    };
    Ok(ClaimsSource::Namespace { at, is_string })
}

fn mapped(map: BTreeMap<String, Value>) -> Result<BTreeMap<String, MappedClaim>, String> {
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
            literal => MappedClaim::Literal(literal),
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

fn place(header: Option<Value>) -> Result<TokenPlace, String> {
    const SHAPES: &str = "`header` must be {\"type\":\"Authorization\"}, {\"type\":\"Cookie\",\
                          \"name\":…} or {\"type\":\"CustomHeader\",\"name\":…}";
    // Hasura's documentation has it as JSON in a string, its own examples as an object.
    let header = match header {
        None => return Ok(TokenPlace::Authorization),
        Some(Value::String(text)) => serde_json::from_str(&text).map_err(|_| SHAPES.to_owned())?,
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
