//! What templates look at.

use std::{borrow::Cow, cell::OnceCell};

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::{
    Subject, names,
    template::{Path, Root},
};

/// A client with its JSON taken apart, where somebody looks.
pub(super) struct Scope<'a> {
    pub subject: &'a Subject<'a>,
    claims: OnceCell<Value>,
    init: OnceCell<Value>,
}

impl<'a> Scope<'a> {
    pub fn new(subject: &'a Subject<'a>) -> Self {
        Self { subject, claims: OnceCell::new(), init: OnceCell::new() }
    }

    /// The payload of `connection_init`; `null` if there is none.
    pub fn init(&self) -> &Value {
        self.init.get_or_init(|| parsed(self.subject.init_payload.map(|bytes| &**bytes)))
    }

    fn claims(&self) -> &Value {
        self.claims.get_or_init(|| parsed(self.subject.claims.map(|bytes| &**bytes)))
    }

    /// The values of a header in the order in which they came.
    pub fn header<'s>(&'s self, name: &'s HeaderName) -> impl Iterator<Item = &'s HeaderValue> {
        self.subject.headers.iter().filter(move |(own, _)| own == name).map(|(_, value)| value)
    }

    /// What is at a path; `None` if there is nothing or `null`. A header that came several times with
    /// different values is nothing.
    pub fn find(&self, path: &Path) -> Option<Cow<'_, Value>> {
        let text = |text: &str| Some(Cow::Owned(Value::String(text.to_owned())));
        let first = path.segments().first().map(|name| name.to_ascii_lowercase());
        match path.root() {
            Root::Session => {
                let name = first?;
                let found = self.subject.session.iter().find(|(own, _)| **own == *name);
                found.and_then(|(_, value)| text(value))
            }
            Root::Headers => {
                let name: HeaderName = first?.parse().ok()?;
                let mut values = self.header(&name);
                let value = values.next()?;
                if values.any(|other| other != value) {
                    return None;
                }
                std::str::from_utf8(value.as_bytes()).ok().and_then(text)
            }
            Root::Claims => within(self.claims(), path),
            Root::ConnectionInit => within(self.init(), path).map(|found| match found {
                // Nobody who writes down a whole payload means these.
                Cow::Borrowed(Value::Object(members)) => {
                    Cow::Owned(Value::Object(without_secrets(members, names::LEVELS)))
                }
                other => other,
            }),
        }
    }
}

fn parsed(text: Option<&[u8]>) -> Value {
    text.and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default()
}

/// An object without the secrets of Artesian's administrators.
fn without_secrets(members: &Map<String, Value>, levels: usize) -> Map<String, Value> {
    let public = members.iter().filter(|(name, _)| names::secret(name).is_none());
    let cleaned = public.map(|(name, value)| {
        let value = match value {
            Value::Object(inner) if levels > 1 => Value::Object(without_secrets(inner, levels - 1)),
            other => other.clone(),
        };
        (name.clone(), value)
    });
    cleaned.collect()
}

fn within<'v>(mut value: &'v Value, path: &Path) -> Option<Cow<'v, Value>> {
    for name in path.segments() {
        value = match value {
            Value::Object(members) => members.get(&**name)?,
            Value::Array(items) => items.get(name.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value).filter(|value| !value.is_null()).map(Cow::Borrowed)
}
