//! The members of one object of `--jwt-secret`, with errors that name them and quote no value.

use std::time::Duration;

use serde_json::{Map, Value};

/// Hasura's names, all of which are understood.
const NAMES: [&str; 11] = [
    "type",
    "key",
    "jwk_url",
    "claims_namespace",
    "claims_namespace_path",
    "claims_format",
    "audience",
    "issuer",
    "claims_map",
    "allowed_skew",
    "header",
];

/// The longest unknown name that is shown. No key is that short, so none that stands in the wrong
/// place is shown.
const LONGEST_NAME: usize = 24;

/// An object all of whose members have known names.
pub(super) struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    pub fn of(value: &'a Value) -> Result<Self, String> {
        let Value::Object(object) = value else {
            return Err("it must be a JSON object".to_owned());
        };
        match object.keys().find(|name| !NAMES.contains(&name.as_str())) {
            None => Ok(Self(object)),
            Some(unknown) => {
                let is_name =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
                let shown = if unknown.len() <= LONGEST_NAME && unknown.bytes().all(is_name) {
                    format!(" `{unknown}`")
                } else {
                    String::new()
                };
                let known = NAMES.join(", ");
                Err(format!("it has an unknown member{shown}; known are {known}"))
            }
        }
    }

    /// A member that is there; `null` is as good as none.
    pub fn get(&self, name: &'static str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub fn text(&self, name: &'static str) -> Result<Option<&'a str>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(_) | Value::Bool(_)) => {
                Err(format!("`{name}` must be text: write it in quotes"))
            }
            Some(_) => Err(format!("`{name}` must be text")),
        }
    }

    /// Seconds as a number, or as text, since that is what a variable in a file gives.
    pub fn seconds(&self, name: &'static str) -> Result<Duration, String> {
        let seconds = match self.get(name) {
            None => Some(0),
            Some(Value::String(text)) => text.trim().parse::<u32>().ok(),
            Some(value) => value.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        let seconds =
            seconds.ok_or_else(|| format!("`{name}` must be a whole number of seconds"))?;
        Ok(Duration::from_secs(seconds.into()))
    }

    /// A text, or a list of them.
    pub fn audience(&self) -> Result<Option<Vec<String>>, String> {
        match self.get("audience") {
            Some(Value::Array(many)) if many.is_empty() => {
                Err("`audience` is an empty list, which no token could satisfy".to_owned())
            }
            Some(Value::Array(many)) => {
                let texts = many.iter().map(|one| one.as_str().map(str::to_owned)).collect();
                let error = || "`audience` must be text or a list of texts".to_owned();
                Option::<Vec<String>>::ok_or_else(texts, error).map(Some)
            }
            _ => Ok(self.text("audience")?.map(|one| vec![one.to_owned()])),
        }
    }
}
