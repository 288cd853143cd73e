//! The question of gateways of Apollo Federation 1 for the schema: `query { _service { sdl } }`.
//!
//! It is answered apart from every source, so it works whatever the sources are. A document that asks
//! for anything beside it is none of these.

use std::sync::LazyLock;

use artesian_graphql::{
    bind::{self, BoundField, BoundOperation, Variables},
    document::Document,
    schema::{Field, Schema, TypeKind, TypeRef},
    subgraph::{self, SERVICE},
};
use serde_json::{Map, Value as Json};

use crate::{
    EngineConfig, ErrorCode, GraphQLError, Payload,
    cache::{Answer, Prepared},
};

/// What the question is validated by.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema::new("Query");
    let sdl = Field::new(TypeRef::named("String"));
    let service = Field::new(TypeRef::named("_Service").non_null());
    schema.add("_Service", None, TypeKind::Object([("sdl".into(), sdl)].into_iter().collect()));
    schema.add("Query", None, TypeKind::Object([(SERVICE.into(), service)].into_iter().collect()));
    schema
});

/// Answers the question, if it is that. `sdl` gives the schema that the role sees, `None` if it may
/// not read it.
pub(crate) fn prepare(
    document: &Document,
    operation: Option<&str>,
    variables: &Variables,
    config: &EngineConfig,
    sdl: impl FnOnce() -> Option<String>,
) -> Option<Result<Prepared, GraphQLError>> {
    if !config.federation_subgraph || !subgraph::is_asked(document, operation) {
        return None;
    }
    let sdl = sdl()?;
    Some(answer(document, operation, variables, config, &sdl))
}

fn answer(
    document: &Document,
    operation: Option<&str>,
    variables: &Variables,
    config: &EngineConfig,
    sdl: &str,
) -> Result<Prepared, GraphQLError> {
    let definition = document.operation(operation)?;
    let limits = config.bind_limits();
    let bound = bind::bind(document, definition, &SCHEMA, variables, limits)?;
    check(&bound)?;
    let sdl = subgraph::sdl(sdl)
        .map_err(|error| GraphQLError::new(ErrorCode::Unexpected, error.to_string()))?;
    let data =
        object(&bound.fields, |field| Some(object(&field.selection, |_| Some(sdl.clone().into()))));
    let answer = Payload::data(format!("{{\"data\":{data}}}").into());
    Ok(Prepared {
        kind: bound.kind,
        name: bound.name,
        live: bound.live,
        shape: bound.shape,
        answer: Answer::Known(answer),
    })
}

/// A schema is long, and aliases would give it again and again.
fn check(bound: &BoundOperation) -> Result<(), GraphQLError> {
    let all = bound.fields.iter().flat_map(|field| &field.selection);
    match all.filter(|field| &*field.name == "sdl").nth(1) {
        None => Ok(()),
        Some(again) => Err(GraphQLError::at(
            &*again.path,
            ErrorCode::LimitExceeded,
            "the schema can be asked for once in an operation",
        )),
    }
}

fn object(fields: &[BoundField], mut value: impl FnMut(&BoundField) -> Option<Json>) -> Json {
    let mut all = Map::new();
    for field in fields {
        let value = match &*field.name {
            "__typename" => Some(Json::String(field.parent.to_string())),
            _ => value(field),
        };
        all.insert(field.key.to_string(), value.unwrap_or_default());
    }
    Json::Object(all)
}
