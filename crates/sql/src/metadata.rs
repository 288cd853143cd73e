//! Hasura's metadata, version 3, as far as it is understood here.
//!
//! A folder of YAML files is read into one JSON document by the caller (the files have the same
//! structure as the export); this module takes it from there. What is not supported is listed by
//! [`Metadata::unsupported`], never dropped in silence.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use crate::catalog::QualifiedName;

/// The whole document.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// `3`.
    pub version: u32,
    /// Databases.
    pub sources: Vec<SourceMetadata>,
    /// Roles that unite the permissions of others.
    pub inherited_roles: Vec<InheritedRole>,
    /// Roles that may not introspect.
    pub graphql_schema_introspection: IntrospectionOptions,
    actions: Vec<Json>,
    remote_schemas: Vec<Json>,
    cron_triggers: Vec<Json>,
    rest_endpoints: Vec<Json>,
    allowlist: Vec<AllowlistEntry>,
    query_collections: Vec<QueryCollection>,
}

/// A collection of documents that may be run where nothing else may.
#[derive(Clone, Debug, Deserialize)]
struct AllowlistEntry {
    collection: String,
    #[serde(default)]
    scope: AllowlistScope,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
struct AllowlistScope {
    global: bool,
    roles: Vec<String>,
}

impl Default for AllowlistScope {
    fn default() -> Self {
        Self { global: true, roles: Vec::new() }
    }
}

#[derive(Clone, Debug, Deserialize)]
struct QueryCollection {
    name: String,
    definition: CollectionDefinition,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct CollectionDefinition {
    queries: Vec<CollectedQuery>,
}

#[derive(Clone, Debug, Deserialize)]
struct CollectedQuery {
    name: String,
    query: String,
}

/// A document of the allow list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedDocument<'a> {
    /// The collection and its own name, for messages.
    pub name: String,
    /// Its text.
    pub text: &'a str,
    /// The roles that may run it; `None` for all.
    pub roles: Option<&'a [String]>,
}

/// `graphql_schema_introspection`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct IntrospectionOptions {
    /// Roles without introspection.
    pub disabled_for_roles: Vec<String>,
}

/// An inherited role.
#[derive(Clone, Debug, Deserialize)]
pub struct InheritedRole {
    /// Its name.
    pub role_name: String,
    /// The roles it unites.
    pub role_set: Vec<String>,
}

/// One database.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SourceMetadata {
    /// Name; `default` usually.
    pub name: String,
    /// `postgres`, `sqlite` …
    pub kind: Option<String>,
    /// Tracked tables and views.
    pub tables: Vec<TableMetadata>,
    /// Tracked functions.
    pub functions: Vec<FunctionMetadata>,
    customization: Option<Json>,
    native_queries: Vec<Json>,
    logical_models: Vec<Json>,
}

/// A name as metadata writes it: a string (default schema) or `{schema, name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRef {
    /// The schema if given.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
}

impl NameRef {
    /// With the default schema filled in.
    pub fn qualify(&self, default_schema: &str) -> QualifiedName {
        QualifiedName::new(self.schema.as_deref().unwrap_or(default_schema), &self.name)
    }
}

impl<'de> Deserialize<'de> for NameRef {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match Json::deserialize(d)? {
            Json::String(name) => Ok(Self { schema: None, name }),
            Json::Object(o) => {
                let text = |k: &str| o.get(k).and_then(Json::as_str).map(str::to_owned);
                let name =
                    text("name").ok_or_else(|| serde::de::Error::custom("a table needs a name"))?;
                Ok(Self { schema: text("schema"), name })
            }
            _ => Err(serde::de::Error::custom("expected a name or {schema, name}")),
        }
    }
}

/// A tracked table.
#[derive(Clone, Debug, Deserialize)]
pub struct TableMetadata {
    /// Which.
    pub table: NameRef,
    /// Its rows are the values of a GraphQL enum.
    #[serde(default)]
    pub is_enum: bool,
    /// Custom names.
    #[serde(default)]
    pub configuration: TableConfiguration,
    /// Relationships to one row.
    #[serde(default)]
    pub object_relationships: Vec<RelationshipMetadata>,
    /// Relationships to many rows.
    #[serde(default)]
    pub array_relationships: Vec<RelationshipMetadata>,
    /// Computed fields.
    #[serde(default)]
    pub computed_fields: Vec<ComputedFieldMetadata>,
    /// Who may read what.
    #[serde(default)]
    pub select_permissions: Vec<PermissionEntry>,
    #[serde(default)]
    insert_permissions: Vec<Json>,
    #[serde(default)]
    update_permissions: Vec<Json>,
    #[serde(default)]
    delete_permissions: Vec<Json>,
    #[serde(default)]
    event_triggers: Vec<Json>,
    #[serde(default)]
    remote_relationships: Vec<Json>,
}

/// `configuration` of a table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TableConfiguration {
    /// The GraphQL name in place of the table's.
    pub custom_name: Option<String>,
    /// Names of root fields: `select`, `select_by_pk`, `select_aggregate`, …; a string, null, or
    /// `{name, comment}`.
    pub custom_root_fields: BTreeMap<String, Json>,
    /// GraphQL names of columns.
    pub custom_column_names: BTreeMap<String, String>,
    /// GraphQL names and comments of columns.
    pub column_config: BTreeMap<String, ColumnConfiguration>,
    /// A description in place of the table's comment; the empty string for none.
    pub comment: Option<String>,
}

/// `column_config` of a column.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ColumnConfiguration {
    /// The GraphQL name.
    pub custom_name: Option<String>,
    /// The description.
    pub comment: Option<String>,
}

/// A relationship.
#[derive(Clone, Debug, Deserialize)]
pub struct RelationshipMetadata {
    /// Its field's name.
    pub name: String,
    /// How it joins.
    pub using: RelationshipUsing,
    /// Its description.
    #[serde(default)]
    pub comment: Option<String>,
}

/// `using` of a relationship.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RelationshipUsing {
    /// A column, several, or `{table, column(s)}` of the other side.
    pub foreign_key_constraint_on: Option<Json>,
    /// Columns mapped by hand.
    pub manual_configuration: Option<ManualConfiguration>,
}

/// A relationship mapped by hand.
#[derive(Clone, Debug, Deserialize)]
pub struct ManualConfiguration {
    /// The other table.
    pub remote_table: NameRef,
    /// Own column → other column.
    pub column_mapping: BTreeMap<String, String>,
}

/// A computed field.
#[derive(Clone, Debug, Deserialize)]
pub struct ComputedFieldMetadata {
    /// Its name.
    pub name: String,
    /// Its function.
    pub definition: ComputedFieldDefinition,
    /// Its description.
    #[serde(default)]
    pub comment: Option<String>,
}

/// `definition` of a computed field.
#[derive(Clone, Debug, Deserialize)]
pub struct ComputedFieldDefinition {
    /// The function.
    pub function: NameRef,
    /// The argument that takes the row; the first if not given.
    #[serde(default)]
    pub table_argument: Option<String>,
    /// The argument that takes the session variables as JSON.
    #[serde(default)]
    pub session_argument: Option<String>,
}

/// A tracked function.
#[derive(Clone, Debug, Deserialize)]
pub struct FunctionMetadata {
    /// Which.
    pub function: NameRef,
    /// Custom names, session argument, exposed as.
    #[serde(default)]
    pub configuration: Json,
    /// Roles that may call it.
    #[serde(default)]
    pub permissions: Vec<FunctionPermission>,
}

/// A permission to call a function.
#[derive(Clone, Debug, Deserialize)]
pub struct FunctionPermission {
    /// The role.
    pub role: String,
}

/// A select permission with its role.
#[derive(Clone, Debug, Deserialize)]
pub struct PermissionEntry {
    /// The role.
    pub role: String,
    /// What it may read.
    pub permission: SelectPermission,
}

/// What a role may read of a table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SelectPermission {
    /// Columns.
    pub columns: Columns,
    /// Computed fields with scalar results.
    pub computed_fields: Vec<String>,
    /// Which rows.
    pub filter: Json,
    /// At most so many rows.
    pub limit: Option<u32>,
    /// Aggregates as well.
    pub allow_aggregations: bool,
    /// Which of `select`, `select_by_pk`, `select_aggregate` are root fields of queries; all if
    /// not given.
    pub query_root_fields: Option<Vec<String>>,
    /// The same for subscriptions (and `select_stream`).
    pub subscription_root_fields: Option<Vec<String>>,
}

/// The columns of a permission.
#[derive(Clone, Debug, Default)]
pub enum Columns {
    /// `"*"`
    All,
    /// These.
    These(Vec<String>),
    /// Not given.
    #[default]
    None,
}

impl Columns {
    /// Whether the column is among them.
    pub fn contains(&self, column: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.iter().any(|n| n == column),
            Self::None => false,
        }
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match Json::deserialize(d)? {
            Json::String(s) if s == "*" => Ok(Self::All),
            Json::Array(items) => items
                .into_iter()
                .map(|v| match v {
                    Json::String(s) => Ok(s),
                    _ => Err(serde::de::Error::custom("expected column names")),
                })
                .collect::<Result<_, _>>()
                .map(Self::These),
            _ => Err(serde::de::Error::custom("expected \"*\" or a list of columns")),
        }
    }
}

impl Metadata {
    /// Reads metadata: the document itself, or an export that holds it under `metadata`.
    pub fn parse(json: Json) -> Result<Self, String> {
        let document = match json {
            Json::Object(mut o) if o.contains_key("metadata") => {
                o.remove("metadata").unwrap_or(Json::Null)
            }
            other => other,
        };
        let metadata: Self = serde_json::from_value(document)
            .map_err(|e| format!("the metadata does not have the form of version 3: {e}"))?;
        if metadata.version != 3 {
            return Err(format!(
                "the metadata has version {}, only version 3 is understood: export it with a \
                 Hasura CLI of version 2 (`hasura metadata export`)",
                metadata.version
            ));
        }
        Ok(metadata)
    }

    /// The source of that name, or the only one.
    pub fn source(&self, name: &str) -> Option<&SourceMetadata> {
        self.sources.iter().find(|s| s.name == name).or(match self.sources.as_slice() {
            [one] => Some(one),
            _ => None,
        })
    }

    /// The documents that the allow list names (Hasura's "allow list"): those of its collections.
    ///
    /// # Errors
    /// The name of a collection that is not there.
    pub fn allowed_documents(&self) -> Result<Vec<AllowedDocument<'_>>, &str> {
        let mut out = Vec::new();
        for AllowlistEntry { collection, scope } in &self.allowlist {
            let found = self.query_collections.iter().find(|c| c.name == *collection);
            let found = found.ok_or(collection.as_str())?;
            out.extend(found.definition.queries.iter().map(|query| AllowedDocument {
                name: format!("{collection}.{}", query.name),
                text: &query.query,
                roles: (!scope.global).then_some(&*scope.roles),
            }));
        }
        Ok(out)
    }

    /// What the metadata has that is not supported, one line each.
    pub fn unsupported(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut note = |what: &str, count: usize| {
            if count > 0 {
                out.push(format!("{what} ({count}) are not supported and are left out"));
            }
        };
        note("actions", self.actions.len());
        note("remote schemas", self.remote_schemas.len());
        note("cron triggers", self.cron_triggers.len());
        note("REST endpoints", self.rest_endpoints.len());
        note("inherited roles", self.inherited_roles.len());
        for source in &self.sources {
            let mut note = |what: &str, count: usize| {
                if count > 0 {
                    out.push(format!(
                        "source {}: {what} ({count}) are not supported and are left out",
                        source.name
                    ));
                }
            };
            note("native queries", source.native_queries.len());
            note("logical models", source.logical_models.len());
            note("customization", usize::from(source.customization.is_some()));
            note("functions as root fields", source.functions.len());
            let sum = |f: fn(&TableMetadata) -> usize| source.tables.iter().map(f).sum();
            note("insert permissions", sum(|t| t.insert_permissions.len()));
            note("update permissions", sum(|t| t.update_permissions.len()));
            note("delete permissions", sum(|t| t.delete_permissions.len()));
            note("event triggers", sum(|t| t.event_triggers.len()));
            note("remote relationships", sum(|t| t.remote_relationships.len()));
        }
        out
    }
}
