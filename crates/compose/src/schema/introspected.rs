//! The response to an introspection query, as JSON has it.
//!
//! Everything that a service may leave out is optional; unknown members are ignored.

use serde::Deserialize;

use super::SchemaError;
use crate::clean;

#[derive(Deserialize)]
struct Body {
    data: Option<Data>,
    #[serde(rename = "__schema")]
    schema: Option<Raw>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "__schema")]
    schema: Option<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Raw {
    pub(super) description: Option<String>,
    pub(super) query_type: Option<Named>,
    pub(super) mutation_type: Option<Named>,
    pub(super) subscription_type: Option<Named>,
    pub(super) types: Vec<RawType>,
    pub(super) directives: Option<Vec<RawDirective>>,
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawType {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    #[serde(rename = "specifiedByURL", alias = "specifiedByUrl")]
    pub(super) specified_by: Option<String>,
    pub(super) is_one_of: Option<bool>,
    pub(super) fields: Option<Vec<RawField>>,
    pub(super) input_fields: Option<Vec<RawInput>>,
    pub(super) interfaces: Option<Vec<Named>>,
    pub(super) enum_values: Option<Vec<RawValue>>,
    pub(super) possible_types: Option<Vec<Named>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawField {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) args: Option<Vec<RawInput>>,
    #[serde(rename = "type")]
    pub(super) ty: RawTypeRef,
    pub(super) is_deprecated: Option<bool>,
    pub(super) deprecation_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawInput {
    pub(super) name: String,
    pub(super) description: Option<String>,
    #[serde(rename = "type")]
    pub(super) ty: RawTypeRef,
    pub(super) default_value: Option<String>,
    pub(super) is_deprecated: Option<bool>,
    pub(super) deprecation_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawValue {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) is_deprecated: Option<bool>,
    pub(super) deprecation_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawTypeRef {
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) of_type: Option<Box<RawTypeRef>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawDirective {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) is_repeatable: Option<bool>,
    pub(super) locations: Option<Vec<String>>,
    pub(super) args: Option<Vec<RawInput>>,
}

/// Reads it. `__schema` may be within `data` or at the top, as in files that tools write.
pub(super) fn read(body: &[u8]) -> Result<Raw, SchemaError> {
    let body: Body = serde_json::from_slice(body)
        .map_err(|error| SchemaError::Malformed(clean(&error.to_string())))?;
    let schema = body.data.and_then(|data| data.schema).or(body.schema);
    schema.ok_or_else(|| SchemaError::Malformed("there is no __schema in it".to_owned()))
}
