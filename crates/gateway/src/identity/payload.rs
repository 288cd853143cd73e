//! The payload of `connection_init`, as a service gets it.

use std::{borrow::Cow, fmt};

use artesian_engine::identity::says_something;
use bytes::Bytes;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, value::RawValue};

use super::{
    IdentityError, IdentityRules,
    names::{LEVELS, secret},
    scope::Scope,
};

impl IdentityRules {
    /// What takes the place of the client's payload; else the client's own; else, if it has none, the
    /// headers that are sent on, if there are any.
    pub(super) fn init_payload(&self, scope: &Scope<'_>) -> Result<Option<Bytes>, IdentityError> {
        if let Some(template) = &self.payload {
            let object = template.json(scope).ok_or(IdentityError::Payload)?;
            return Ok(Some(object.to_string().into()));
        }
        if let Some(own) = scope.subject.init_payload.filter(|own| says_something(own)) {
            return without_secrets(own, self).map(Some);
        }
        let mut object = Map::new();
        for (name, value) in self.forwarded(scope, false)? {
            let text = std::str::from_utf8(value.as_bytes());
            let text = text.map_err(|_| IdentityError::IllegalValue(name.clone()))?;
            object.insert(name.as_str().to_owned(), Value::String(text.to_owned()));
        }
        Ok((!object.is_empty()).then(|| Value::Object(object).to_string().into()))
    }
}

/// A payload without the secrets of Artesian's administrators; in exactly its own bytes if there are
/// none.
fn without_secrets(payload: &Bytes, rules: &IdentityRules) -> Result<Bytes, IdentityError> {
    let text = std::str::from_utf8(payload).map_err(|_| IdentityError::Payload)?;
    let is_secret = |name: &str| secret(name).is_some_and(|secret| !rules.names_header(secret));
    let mut cleaned = String::new();
    let found =
        clean(text, &is_secret, LEVELS, &mut cleaned).map_err(|_| IdentityError::Payload)?;
    Ok(if found { cleaned.into() } else { payload.clone() })
}

impl IdentityRules {
    fn names_header(&self, name: &str) -> bool {
        match &self.forward {
            super::Forward::Named(renames) => renames.iter().any(|rename| rename.from == name),
            super::Forward::All => false,
        }
    }
}

/// Writes an object without the members that are secret; whether there were any.
fn clean(
    object: &str,
    is_secret: &impl Fn(&str) -> bool,
    levels: usize,
    into: &mut String,
) -> Result<bool, serde_json::Error> {
    let mut found = false;
    let mut between = "{";
    for (name, value) in members(object)? {
        if is_secret(&name) {
            found = true;
            continue;
        }
        into.push_str(between);
        between = ",";
        into.push_str(&Value::from(&*name).to_string());
        into.push(':');
        if value.get().starts_with('{') && levels > 1 {
            found |= clean(value.get(), is_secret, levels - 1, into)?;
        } else {
            into.push_str(value.get());
        }
    }
    into.push_str(if between == "{" { "{}" } else { "}" });
    Ok(found)
}

/// All members of an object, those with equal names too.
fn members(object: &str) -> Result<Vec<(Cow<'_, str>, &RawValue)>, serde_json::Error> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                members.push((name, map.next_value()?));
            }
            Ok(members)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(object);
    let members = deserializer.deserialize_map(Members)?;
    deserializer.end().map(|()| members)
}
