//! Templates: `{{root.path}}` in texts, and texts in JSON values.
//!
//! There is no escape: `{{` always begins a value. A template that is exactly one `{{…}}` gives the value
//! as it is; in a longer text, strings stand as they are, and other values as JSON.

use std::{borrow::Cow, fmt::Write as _};

use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    context::Context,
    path::{Path, PathError, Root},
};

/// Why a text is no template.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
    /// `{{` without its end.
    #[error("`{{{{` without `}}}}`")]
    Unclosed,
    /// What stands between is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A JSON value has more than 64 levels.
    #[error("nested too deeply")]
    TooDeep,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Value(Path),
}

/// A text with values in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A `{{` is not closed, or what stands in it is no path.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (path, after) = after.split_once("}}").ok_or(TemplateError::Unclosed)?;
            parts.push(Part::Value(Path::parse(path.trim())?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether there is a value of this root in it.
    pub fn uses(&self, root: Root) -> bool {
        let is_it = |part: &Part| matches!(part, Part::Value(path) if path.root() == root);
        self.parts.iter().any(is_it)
    }

    /// The text if there is no value in it.
    pub fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The value; `None` if something is missing or `null`.
    pub fn expand<'a>(&'a self, context: &Context<'a>) -> Option<Cow<'a, Value>> {
        if let [Part::Value(path)] = self.parts.as_slice() {
            return context.look(path);
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Value(path) => match &*context.look(path)? {
                    Value::String(value) => text.push_str(value),
                    other => write!(text, "{other}").ok()?,
                },
            }
        }
        Some(Cow::Owned(Value::String(text)))
    }
}

/// A JSON value whose strings are templates. Names of members are taken as they are.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueTemplate {
    /// A value without templates.
    Constant(Value),
    /// A template.
    Template(Template),
    /// A list. An item whose value is missing is `null`.
    List(Vec<ValueTemplate>),
    /// An object. A member whose value is missing is left out.
    Object(Vec<(String, ValueTemplate)>),
}

const DEEPEST: usize = 64;

impl ValueTemplate {
    /// Reads the templates of a value.
    ///
    /// # Errors
    /// A string is no template, or the value is nested too deeply.
    pub fn compile(value: &Value) -> Result<Self, TemplateError> {
        Self::compile_at(value, 0)
    }

    fn compile_at(value: &Value, depth: usize) -> Result<Self, TemplateError> {
        if depth == DEEPEST {
            return Err(TemplateError::TooDeep);
        }
        let is_constant = |item: &Self| matches!(item, Self::Constant(_));
        match value {
            Value::String(text) => {
                let template = Template::parse(text)?;
                let constant = template.constant().map(|text| Value::String(text.to_owned()));
                Ok(constant.map_or(Self::Template(template), Self::Constant))
            }
            Value::Array(items) => {
                let items = items.iter().map(|item| Self::compile_at(item, depth + 1));
                let items: Vec<Self> = items.collect::<Result<_, _>>()?;
                let all = items.iter().all(is_constant);
                Ok(if all { Self::Constant(value.clone()) } else { Self::List(items) })
            }
            Value::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, item)| Ok((name.clone(), Self::compile_at(item, depth + 1)?)));
                let members: Vec<(String, Self)> = members.collect::<Result<_, TemplateError>>()?;
                let all = members.iter().all(|(_, item)| is_constant(item));
                Ok(if all { Self::Constant(value.clone()) } else { Self::Object(members) })
            }
            other => Ok(Self::Constant(other.clone())),
        }
    }

    /// Whether there is a value of this root in it.
    pub fn uses(&self, root: Root) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Template(template) => template.uses(root),
            Self::List(items) => items.iter().any(|item| item.uses(root)),
            Self::Object(members) => members.iter().any(|(_, item)| item.uses(root)),
        }
    }

    /// The value; `None` if it is a template whose value is missing.
    pub fn expand<'a>(&'a self, context: &Context<'a>) -> Option<Cow<'a, Value>> {
        match self {
            Self::Constant(value) => Some(Cow::Borrowed(value)),
            Self::Template(template) => template.expand(context),
            Self::List(items) => {
                let items = items.iter().map(|item| item.expand(context));
                let items = items.map(|item| item.map_or(Value::Null, Cow::into_owned));
                Some(Cow::Owned(Value::Array(items.collect())))
            }
            Self::Object(members) => {
                let members = members.iter().filter_map(|(name, item)| {
                    item.expand(context).map(|value| (name.clone(), value.into_owned()))
                });
                Some(Cow::Owned(Value::Object(members.collect::<Map<_, _>>())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::context::Named;

    fn expand(template: &Value) -> Option<Value> {
        let args = json!({ "id": 7, "big": 12345678901234567890123_u128, "name": "n", "none": null, "list": [1, "two"] });
        let session = Named(|name: &str| (name == "x-hasura-role").then(|| "user".to_owned()));
        let template = ValueTemplate::compile(template).unwrap();
        let context = Context::new().with(Root::Args, &args).with(Root::Session, &session);
        template.expand(&context).map(Cow::into_owned)
    }

    #[test]
    fn a_single_value_keeps_its_type() {
        assert_eq!(expand(&json!("{{args.id}}")), Some(json!(7)));
        assert_eq!(expand(&json!("{{ args.list }}")), Some(json!([1, "two"])));
        assert_eq!(expand(&json!("{{args.list.1}}")), Some(json!("two")));
        assert_eq!(expand(&json!("{{args.big}}")).unwrap().to_string(), "12345678901234567890123");
        assert_eq!(expand(&json!("{{session.X-Hasura-Role}}")), Some(json!("user")));
    }

    #[test]
    fn texts_are_joined() {
        assert_eq!(expand(&json!("a-{{args.id}}{{args.name}}-z")), Some(json!("a-7n-z")));
        assert_eq!(expand(&json!("{{args.list}} }}")), Some(json!("[1,\"two\"] }}")));
        assert_eq!(expand(&json!("")), Some(json!("")));
    }

    #[test]
    fn what_is_missing_is_left_out() {
        for missing in
            ["{{args.none}}", "x{{args.none}}", "{{args.id.x}}", "{{claims.a}}", "{{args.list.2}}"]
        {
            assert_eq!(expand(&json!(missing)), None, "{missing}");
        }
        let value =
            json!({ "a": "{{args.none}}", "b": ["{{args.none}}", 1], "c": { "d": "{{args.id}}" } });
        assert_eq!(expand(&value), Some(json!({ "b": [null, 1], "c": { "d": 7 } })));
    }

    #[test]
    fn what_is_no_template_is_refused() {
        assert_eq!(Template::parse("a{{b"), Err(TemplateError::Unclosed));
        assert!(matches!(Template::parse("{{}}"), Err(TemplateError::Path(_))));
        assert!(matches!(Template::parse("{{a{{b}}"), Err(TemplateError::Path(_))));
        let mut deep = json!("{{args.id}}");
        for _ in 0..100 {
            deep = json!([deep]);
        }
        assert_eq!(ValueTemplate::compile(&deep), Err(TemplateError::TooDeep));
    }

    proptest! {
        #[test]
        fn texts_without_braces_are_themselves(text in "[^{]{0,40}") {
            let template = Template::parse(&text).unwrap();
            prop_assert_eq!(template.constant(), Some(text.as_str()));
        }

        #[test]
        fn any_text_is_a_template_or_an_error(text in "[a-c{}. \\[\\]\"]{0,40}") {
            let _ = Template::parse(&text);
        }

        /// What is put in is never read as a template again.
        #[test]
        fn values_are_not_templates(before in "[^{]{0,8}", value in ".{0,20}", after in "[^{]{0,8}") {
            let args = json!({ "v": value });
            let template = Template::parse(&format!("{before}x{{{{args.v}}}}{after}")).unwrap();
            let context = Context::new().with(Root::Args, &args);
            let expanded = template.expand(&context).map(Cow::into_owned);
            prop_assert_eq!(expanded, Some(json!(format!("{before}x{value}{after}"))));
        }
    }
}
