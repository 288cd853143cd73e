//! Parameters: where their values come from, and how they become the database's text.

use std::sync::Arc;

use artesian_graphql::{
    bind::{BoundField, Scalar, ScalarSource, Variables},
    introspection,
    schema::Schema,
};
use serde_json::Value as Json;

use crate::{
    catalog::Dialect,
    compile::CompileError,
    statement::{ParamValue, Statement},
};

/// Session variables, sorted by their names in lower case.
pub type Session = [(Box<str>, Box<str>)];

/// A compiled operation: the statement and where its parameters come from.
pub struct Compiled {
    /// The statement.
    pub statement: Arc<Statement>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) schema: Arc<Schema>,
}

/// Where a parameter comes from and how it is written.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) source: Source,
    pub(crate) codec: Codec,
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A literal or a variable.
    Scalar(Scalar),
    /// A JSON value that is known when compiling (permission filters, enum values).
    Constant(Json),
    /// A session variable, lower case.
    Session(String),
    /// All session variables as a JSON object.
    WholeSession,
    /// The answer of an introspection field.
    Introspection(Box<BoundField>),
}

/// How a JSON value becomes text of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// A scalar.
    Text,
    /// JSON text.
    Json,
    /// A list as an array; text that is an array literal already stays as it is.
    Array,
    /// A list whose elements are arrays in their text form.
    ArrayOfArrays,
    /// A list of JSON documents as an array.
    ArrayOfJson,
}

impl Compiled {
    /// The values of the parameters for one request.
    ///
    /// # Errors
    /// A variable that does not fit its place, or a session variable that is missing.
    pub fn values(
        &self,
        variables: &Variables,
        session: &Session,
    ) -> Result<Arc<[ParamValue]>, CompileError> {
        let budget = introspection::Budget::default();
        self.bindings.iter().map(|b| self.value(b, variables, session, &budget)).collect()
    }

    fn value(
        &self,
        binding: &Binding,
        variables: &Variables,
        session: &Session,
        budget: &introspection::Budget,
    ) -> Result<ParamValue, CompileError> {
        let dialect = self.statement.dialect;
        match &binding.source {
            Source::Scalar(scalar) => match &scalar.source {
                ScalarSource::Literal(json) => Ok(encode(dialect, binding.codec, json)),
                ScalarSource::Variable(name) => {
                    let json = variables.get(&**name).unwrap_or(&Json::Null);
                    if json.is_null() {
                        return Ok(None);
                    }
                    scalar.check(json)?;
                    Ok(encode(dialect, binding.codec, json))
                }
            },
            Source::Constant(json) => Ok(encode(dialect, binding.codec, json)),
            Source::Session(name) => {
                let place = session.binary_search_by(|(other, _)| (**other).cmp(name));
                let (_, text) = place
                    .ok()
                    .and_then(|at| session.get(at))
                    .ok_or_else(|| CompileError::not_found(name))?;
                match (dialect, binding.codec) {
                    (Dialect::Sqlite, Codec::Array) => Ok(Some(array_literal_to_json(text).into())),
                    _ => Ok(Some((**text).into())),
                }
            }
            Source::WholeSession => {
                let object: serde_json::Map<_, _> = session
                    .iter()
                    .map(|(name, text)| (name.to_string(), Json::String(text.to_string())))
                    .collect();
                Ok(Some(Json::Object(object).to_string().into()))
            }
            Source::Introspection(field) => {
                let json = introspection::resolve(&self.schema, field, variables, budget)?;
                Ok(Some(json.to_string().into()))
            }
        }
    }
}

fn encode(dialect: Dialect, codec: Codec, json: &Json) -> ParamValue {
    match (codec, json) {
        (Codec::Json, json) => Some(json.to_string().into()),
        (_, Json::Null) => None,
        (Codec::Text, json) => Some(text(json).into()),
        (_, Json::String(s)) if dialect == Dialect::Postgres && s.starts_with('{') => {
            Some(s.as_str().into())
        }
        (_, json) if dialect == Dialect::Sqlite => {
            let list = match json {
                list @ Json::Array(_) => list.clone(),
                one => Json::Array(vec![one.clone()]),
            };
            Some(list.to_string().into())
        }
        (codec, Json::Array(items)) => Some(array_literal(codec, items).into()),
        (codec, one) => Some(array_literal(codec, std::slice::from_ref(one)).into()),
    }
}

/// The text of a scalar: strings without quotes.
fn text(json: &Json) -> String {
    match json {
        Json::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// PostgreSQL's text form of an array (documentation, §8.15.6). Every element is quoted, so that
/// nothing in it can be taken for syntax.
fn array_literal(codec: Codec, items: &[Json]) -> String {
    let mut out = String::from("{");
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        match (codec, item) {
            (Codec::ArrayOfJson, item) => quoted(&mut out, &item.to_string()),
            (_, Json::Null) => out.push_str("NULL"),
            (Codec::ArrayOfArrays, Json::Array(inner)) => {
                quoted(&mut out, &array_literal(Codec::Array, inner));
            }
            (_, Json::Array(inner)) => out.push_str(&array_literal(codec, inner)),
            (_, item) => quoted(&mut out, &text(item)),
        }
    }
    out.push('}');
    out
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// `{1,"a b"}` as a JSON array of strings, for session variables that hold lists.
fn array_literal_to_json(text: &str) -> String {
    let Some(inner) = text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
        return Json::Array(vec![Json::String(text.to_owned())]).to_string();
    };
    let mut items: Vec<Json> = Vec::new();
    let mut current = String::new();
    let mut in_quotes = false;
    let mut was_quoted = false;
    let mut chars = inner.chars();
    let mut finish = |current: &mut String, was_quoted: &mut bool| {
        let word = std::mem::take(current);
        items.push(if !*was_quoted && word.eq_ignore_ascii_case("null") {
            Json::Null
        } else if let (false, Ok(n)) = (*was_quoted, word.trim().parse::<i64>()) {
            Json::from(n)
        } else {
            Json::String(word)
        });
        *was_quoted = false;
    };
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                in_quotes = !in_quotes;
                was_quoted = true;
            }
            '\\' => current.extend(chars.next()),
            ',' if !in_quotes => finish(&mut current, &mut was_quoted),
            c => current.push(c),
        }
    }
    if !current.is_empty() || was_quoted || inner.ends_with(',') {
        finish(&mut current, &mut was_quoted);
    }
    Json::Array(items).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn array_literals_quote_everything() {
        let text = |j: Json| encode(Dialect::Postgres, Codec::Array, &j);
        assert_eq!(
            text(json!([1, null, "a\"b\\c,{}"])).as_deref(),
            Some(r#"{"1",NULL,"a\"b\\c,{}"}"#)
        );
        assert_eq!(text(json!([[1, 2], [3, 4]])).as_deref(), Some(r#"{{"1","2"},{"3","4"}}"#));
        assert_eq!(text(json!("{1,2}")).as_deref(), Some("{1,2}"));
        assert_eq!(text(json!([])).as_deref(), Some("{}"));
        assert_eq!(
            encode(Dialect::Postgres, Codec::ArrayOfJson, &json!([{"a": 1}])).as_deref(),
            Some(r#"{"{\"a\":1}"}"#)
        );
    }

    #[test]
    fn session_lists() {
        assert_eq!(array_literal_to_json("{1,2}"), "[1,2]");
        assert_eq!(array_literal_to_json("{}"), "[]");
        assert_eq!(
            array_literal_to_json(r#"{"a b",NULL,"null","x\"y"}"#),
            r#"["a b",null,"null","x\"y"]"#
        );
        assert_eq!(array_literal_to_json("7"), r#"["7"]"#);
    }
}
