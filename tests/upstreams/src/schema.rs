//! The service's schema, and what an operation asks of it.

use apollo_compiler::{
    ExecutableDocument, Schema, ast::OperationType, executable::Field, introspection,
    request::coerce_variable_values, response::JsonMap, validation::Valid,
};
use serde_json::{Value, json};

/// What the service offers at first.
pub const SDL: &str = r#"
    scalar JSON
    type Query { who(topic: String!): JSON  extra: JSON }
    type Mutation { change(topic: String!): JSON }
    type Subscription { feed(topic: String!): JSON  other(topic: String!): JSON }
"#;

/// [`SDL`] without one field, with another one, and with an argument of another type.
pub const CHANGED: &str = r#"
    scalar JSON
    type Query { who(topic: String!): JSON  fresh: JSON }
    type Mutation { change(topic: String!): JSON }
    type Subscription { feed(topic: String!): JSON }
"#;

/// Reads a schema.
pub fn parsed(sdl: &str) -> Valid<Schema> {
    Schema::parse_and_validate(sdl, "service").unwrap()
}

/// A root field.
#[derive(Clone, Debug, PartialEq)]
pub struct Root {
    /// Its key in the response.
    pub key: String,
    /// Its name.
    pub name: String,
    /// The argument `topic`.
    pub topic: String,
}

/// What an operation is.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A question about the schema, and its answer.
    Introspection(String),
    /// A query or a mutation.
    Once(Vec<Root>),
    /// A subscription.
    Stream(Root),
}

/// Reads a request's operation.
///
/// # Errors
/// The errors of a response, as a JSON array.
pub fn understand(schema: &Valid<Schema>, request: &Value) -> Result<Asked, Value> {
    let text = request["query"].as_str().unwrap_or_default();
    let document = ExecutableDocument::parse_and_validate(schema, text, "q").map_err(|failed| {
        let errors = failed.errors.iter().map(|e| json!({ "message": e.error.to_string() }));
        Value::Array(errors.collect())
    })?;
    let error = |text: String| json!([{ "message": text }]);
    let name = request["operationName"].as_str();
    let operation = document.operations.get(name).map_err(|e| error(format!("{e:?}")))?;
    let empty = json!({});
    let given = if request["variables"].is_object() { &request["variables"] } else { &empty };
    let given: JsonMap = serde_json::from_value(given.clone()).unwrap();
    let variables =
        coerce_variable_values(schema, operation, &given).map_err(|e| error(format!("{e:?}")))?;
    let fields: Vec<_> = operation.root_fields(&document).collect();
    if fields.iter().any(|field| field.name == "__schema" || field.name == "__type") {
        let map = schema.implementers_map();
        let answer = introspection::partial_execute(schema, &map, &document, operation, &variables);
        return Ok(Asked::Introspection(serde_json::to_string(&answer.unwrap()).unwrap()));
    }
    let roots: Vec<Root> = fields.into_iter().map(|field| root(field, request)).collect();
    match (operation.operation_type, roots.into_iter()) {
        (OperationType::Subscription, mut roots) => Ok(Asked::Stream(roots.next().unwrap())),
        (_, roots) => Ok(Asked::Once(roots.collect())),
    }
}

fn root(field: &Field, request: &Value) -> Root {
    let topic = field.arguments.iter().find(|argument| argument.name == "topic");
    let topic = topic.and_then(|argument| match argument.value.as_variable() {
        Some(name) => request["variables"][name.as_str()].as_str(),
        None => argument.value.as_str(),
    });
    Root {
        key: field.response_key().to_string(),
        name: field.name.to_string(),
        topic: topic.unwrap_or_default().to_owned(),
    }
}

/// The response to a field: it says for whom and for which topic it was made.
pub fn result(key: &str, topic: &str, who: &str, n: u64) -> String {
    let mut data = json!({});
    data[key] = json!({"topic": topic, "who": who, "n": n});
    json!({ "data": data }).to_string()
}
