//! `{{root.path}}`: texts and JSON with places for what a client said.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::scope::Scope;

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("`{{{{` without `}}}}`")]
    Open,
    /// Nothing that could be a path.
    #[error("expected a path like `{{{{session.x-hasura-user-id}}}}`")]
    Path,
    /// Something else at the beginning than the known roots.
    #[error(
        "`{0}` is unknown in templates; known are session, claims, headers and connection_init"
    )]
    Root(String),
    /// The header that has all cookies.
    #[error("cookies are passed on by `cookies`, by their names")]
    Cookie,
    /// Values within values.
    #[error("more than {MAX_DEPTH} levels")]
    Depth,
}

/// Levels of a JSON template.
const MAX_DEPTH: usize = 20;

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// Session variables.
    Session,
    /// Claims of the verified token.
    Claims,
    /// The client's headers.
    Headers,
    /// The payload of the client's `connection_init`.
    ConnectionInit,
}

/// A place among what a client said: `claims.tenant.id`, `claims["https://a.b/c"].id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    root: Root,
    segments: Vec<Box<str>>,
}

impl Path {
    /// Where it begins.
    pub fn root(&self) -> Root {
        self.root
    }

    /// The names on the way.
    pub fn segments(&self) -> &[Box<str>] {
        &self.segments
    }

    /// Reads a path without braces.
    fn parse(text: &str) -> Result<Self, TemplateError> {
        let text = text.trim();
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (root, mut rest) = text.split_at_checked(end).unwrap_or_default();
        let root = match root.trim() {
            "session" => Root::Session,
            "claims" => Root::Claims,
            "headers" => Root::Headers,
            "connection_init" => Root::ConnectionInit,
            "" => return Err(TemplateError::Path),
            other => return Err(TemplateError::Root(other.chars().take(40).collect())),
        };
        let mut segments: Vec<Box<str>> = Vec::new();
        while !rest.is_empty() {
            let (segment, after) = if let Some(quoted) = rest.strip_prefix("[\"") {
                quoted.split_once("\"]").ok_or(TemplateError::Path)?
            } else {
                let plain = rest.strip_prefix('.').ok_or(TemplateError::Path)?;
                plain
                    .split_at_checked(plain.find(['.', '[']).unwrap_or(plain.len()))
                    .unwrap_or_default()
            };
            let is_odd = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | '"' | ']');
            if segment.is_empty() || rest.starts_with('.') && segment.contains(is_odd) {
                return Err(TemplateError::Path);
            }
            segments.push(segment.into());
            rest = after;
        }
        // Session variables and headers are flat; their names have no dots.
        let is_fit = match root {
            Root::Session | Root::Headers => segments.len() == 1,
            Root::Claims => !segments.is_empty(),
            Root::ConnectionInit => true,
        };
        let is =
            |name: &str| segments.first().is_some_and(|first| first.eq_ignore_ascii_case(name));
        if root == Root::Headers && is("cookie") {
            return Err(TemplateError::Cookie);
        }
        if is_fit { Ok(Self { root, segments }) } else { Err(TemplateError::Path) }
    }
}

/// A text with places for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Value(Path),
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            let (path, after) = after.split_once("}}").ok_or(TemplateError::Open)?;
            parts.push(Part::Value(Path::parse(path)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self(parts))
    }
}

impl Template {
    /// The text, if there is no place in it.
    pub fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The paths of its places.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(path) => Some(path),
        })
    }

    /// The text; `None` if a value is missing. What is no text is written as JSON.
    pub(super) fn text(&self, scope: &Scope<'_>) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Value(path) => match &*scope.find(path)? {
                    Value::String(value) => text.push_str(value),
                    other => text.push_str(&other.to_string()),
                },
            }
        }
        Some(text)
    }

    /// The same as JSON: a template that is nothing but one place keeps the type of what is there.
    fn json(&self, scope: &Scope<'_>) -> Option<Value> {
        match self.0.as_slice() {
            [Part::Value(path)] => scope.find(path).map(std::borrow::Cow::into_owned),
            _ => self.text(scope).map(Value::String),
        }
    }
}

/// JSON whose texts are templates. Members whose value is missing are left out.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonTemplate {
    /// As it is.
    Constant(Value),
    /// A text.
    Text(Template),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(Box<str>, Self)>),
}

impl JsonTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// A text in it is no template, or it is too deep.
    pub fn new(value: &Value) -> Result<Self, TemplateError> {
        Self::read(value, 0)
    }

    fn read(value: &Value, depth: usize) -> Result<Self, TemplateError> {
        if depth > MAX_DEPTH {
            return Err(TemplateError::Depth);
        }
        Ok(match value {
            Value::String(text) => Self::Text(text.parse()?),
            Value::Array(items) => {
                let items = items.iter().map(|item| Self::read(item, depth + 1));
                Self::List(items.collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, value)| Ok((name.as_str().into(), Self::read(value, depth + 1)?)));
                Self::Object(members.collect::<Result<_, _>>()?)
            }
            other => Self::Constant(other.clone()),
        })
    }

    /// All paths in it.
    pub fn paths(&self) -> Box<dyn Iterator<Item = &Path> + '_> {
        match self {
            Self::Constant(_) => Box::new(std::iter::empty()),
            Self::Text(template) => Box::new(template.paths()),
            Self::List(items) => Box::new(items.iter().flat_map(Self::paths)),
            Self::Object(members) => Box::new(members.iter().flat_map(|(_, value)| value.paths())),
        }
    }

    /// The value; `None` if it is missing.
    pub(super) fn json(&self, scope: &Scope<'_>) -> Option<Value> {
        Some(match self {
            Self::Constant(value) => value.clone(),
            Self::Text(template) => template.json(scope)?,
            Self::List(items) => items.iter().filter_map(|item| item.json(scope)).collect(),
            Self::Object(members) => {
                let found =
                    |(name, value): &(Box<str>, Self)| Some((name.to_string(), value.json(scope)?));
                Value::Object(members.iter().filter_map(found).collect::<Map<_, _>>())
            }
        })
    }
}
