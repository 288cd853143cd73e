//! What templates and predicates look at.

use std::borrow::Cow;

use serde_json::Value;

use crate::path::{Path, Root, Segment};

/// A root: gives the value at the end of a path below it.
pub trait Lookup {
    /// The value, if it is there.
    fn look(&self, path: &[Segment]) -> Option<Cow<'_, Value>>;
}

impl Lookup for Value {
    fn look(&self, path: &[Segment]) -> Option<Cow<'_, Value>> {
        path.iter()
            .try_fold(self, |value, segment| match value {
                Value::Object(members) => members.get(segment.name()),
                Value::Array(items) => items.get(segment.index()?),
                _ => None,
            })
            .map(Cow::Borrowed)
    }
}

/// A root whose values are texts with names, such as headers and session variables. The function gets
/// names in lower case.
pub struct Named<F>(pub F);

impl<F: Fn(&str) -> Option<String>> Lookup for Named<F> {
    fn look(&self, path: &[Segment]) -> Option<Cow<'_, Value>> {
        match path {
            [segment] => (self.0)(segment.name()).map(|text| Cow::Owned(Value::String(text))),
            _ => None,
        }
    }
}

/// The roots that are there. Values of others are missing.
#[derive(Clone, Copy, Default)]
pub struct Context<'a> {
    args: Option<&'a dyn Lookup>,
    session: Option<&'a dyn Lookup>,
    claims: Option<&'a dyn Lookup>,
    headers: Option<&'a dyn Lookup>,
    connection_init: Option<&'a dyn Lookup>,
    payload: Option<&'a dyn Lookup>,
}

impl<'a> Context<'a> {
    /// One without any root.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one root more.
    #[must_use]
    pub fn with(mut self, root: Root, lookup: &'a dyn Lookup) -> Self {
        let slot = match root {
            Root::Args => &mut self.args,
            Root::Session => &mut self.session,
            Root::Claims => &mut self.claims,
            Root::Headers => &mut self.headers,
            Root::ConnectionInit => &mut self.connection_init,
            Root::Payload => &mut self.payload,
        };
        *slot = Some(lookup);
        self
    }

    /// The value at the end of a path. `null` is as good as missing.
    pub fn look(&self, path: &Path) -> Option<Cow<'a, Value>> {
        let root = match path.root() {
            Root::Args => self.args,
            Root::Session => self.session,
            Root::Claims => self.claims,
            Root::Headers => self.headers,
            Root::ConnectionInit => self.connection_init,
            Root::Payload => self.payload,
        };
        root?.look(path.segments()).filter(|value| !value.is_null())
    }
}
