//! Reading only those claims that somebody looks at: most tokens have many more.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

use super::{
    config::{ClaimsSource, MappedClaim, Namespace},
    path::ClaimPath,
    token::Claims,
};

/// Claims that the checks of each token need.
const ALWAYS: [&str; 5] = ["exp", "nbf", "iat", "aud", "iss"];

/// Which claims are kept, by their names on the top level; `None` for all.
pub struct WantedClaims(Option<Vec<Box<str>>>);

impl WantedClaims {
    /// All of them.
    pub const ALL: Self = Self(None);

    /// Those that roles and session variables are taken from, those that are checked, and `more`.
    pub fn of(source: &ClaimsSource, more: &[Box<str>]) -> Self {
        let first = |path: &ClaimPath| path.first().map(str::to_owned);
        let found: Option<Vec<String>> = match source {
            ClaimsSource::Namespace { at: Namespace::Name(name), .. } => Some(vec![name.clone()]),
            ClaimsSource::Namespace { at: Namespace::Path(path), .. } => {
                first(path).map(|name| vec![name])
            }
            ClaimsSource::Map(map) => map
                .values()
                .filter_map(|claim| match claim {
                    MappedClaim::Literal(_) => None,
                    MappedClaim::Path { path, .. } => Some(first(path)),
                })
                .collect(),
        };
        let Some(found) = found else { return Self::ALL };
        let names = ALWAYS.into_iter().chain(found.iter().map(String::as_str)).map(Box::from);
        Self(Some(names.chain(more.iter().cloned()).collect()))
    }

    fn wants(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.iter().any(|wanted| **wanted == *name))
    }
}

impl<'de> DeserializeSeed<'de> for &WantedClaims {
    type Value = Claims;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Claims, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &WantedClaims {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
        let mut claims = Claims::new();
        while let Some(name) = map.next_key_seed(Name(self))? {
            match name {
                Some(name) => {
                    claims.insert(name, map.next_value()?);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(claims)
    }
}

/// The name of a claim; `None` if it is not wanted.
struct Name<'a>(&'a WantedClaims);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<String>, E> {
        Ok(self.0.wants(name).then(|| name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::{super::config::JwtConfig, *};

    const KEY: &str = "a secret that is long enough for HS256";

    fn read(settings: Value, text: &str) -> Result<Value, serde_json::Error> {
        let mut all = json!({"type": "HS256", "key": KEY});
        for (name, value) in settings.as_object().unwrap() {
            all[name] = value.clone();
        }
        let wanted = WantedClaims::of(&JwtConfig::from_json(&all).unwrap().claims, &[]);
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let claims = wanted.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(Value::Object(claims))
    }

    #[test]
    fn only_what_is_looked_at_is_kept() {
        let text = r#"{"sub": "7", "exp": 1, "app": {"a": {"b": 1}}, "roles": ["x"], "more": [{}],
                       "https://hasura.io/jwt/claims": {"a": 1}, "iss": "i", "\u0061ud": ["a"]}"#;
        let always = json!({"exp": 1, "iss": "i", "aud": ["a"]});
        let with = |more: Value| {
            let mut all = always.clone();
            for (name, value) in more.as_object().unwrap() {
                all[name] = value.clone();
            }
            all
        };
        let map = json!({"claims_map": {
            "x-hasura-allowed-roles": {"path": "$.roles"},
            "x-hasura-default-role": "x",
            "x-hasura-user-id": {"path": "$['sub']"},
        }});
        let rows = [
            (json!({}), json!({"https://hasura.io/jwt/claims": {"a": 1}})),
            (json!({"claims_namespace": "app"}), json!({"app": {"a": {"b": 1}}})),
            (json!({"claims_namespace_path": "$.app.a"}), json!({"app": {"a": {"b": 1}}})),
            (map, json!({"roles": ["x"], "sub": "7"})),
        ];
        for (settings, more) in rows {
            assert_eq!(read(settings.clone(), text).unwrap(), with(more), "{settings}");
        }
        let all: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read(json!({"claims_namespace_path": "$"}), text).unwrap(), all);
    }

    #[test]
    fn what_is_left_out_must_be_json_all_the_same() {
        for bad in ["", "[]", "null", "7", r#"{"x": }"#, r#"{"x": 1"#, r#"{"x": 1} x"#, "{1: 2}"] {
            assert!(read(json!({}), bad).is_err(), "{bad}");
        }
        // The last of two counts, as with any object.
        assert_eq!(read(json!({}), r#"{"exp": 1, "exp": 2}"#).unwrap(), json!({"exp": 2}));
    }
}
