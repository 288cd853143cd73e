//! The GraphQL schema that a role sees of a model, in Hasura's dialect.

use std::{collections::HashMap, sync::Arc};

use artesian_graphql::{
    Name,
    introspection_types::meta_fields,
    scalar::ScalarKind,
    schema::{Field, InputField, Schema, TypeKind, TypeRef},
};
use indexmap::IndexMap;

use crate::{
    access::{ADMIN_ROLE, Access, RootKind},
    model::{Cardinality, ComputedResult, Model, TableIndex},
};

mod aggregates;
mod comparisons;
mod inputs;

pub use aggregates::{COMPARABLE_FUNCTIONS, NUMERIC_FUNCTIONS};
pub use comparisons::{Operand, operators};

/// A role's schema with what its types and root fields mean.
pub struct RoleSchema {
    /// The schema.
    pub schema: Arc<Schema>,
    /// What it is made of.
    pub model: Arc<Model>,
    /// The role.
    pub role: String,
    /// Meaning of root fields, by name.
    pub roots: HashMap<Name, (RootKind, TableIndex)>,
}

/// The root field of roles that see nothing, since a schema cannot be empty.
pub const NO_QUERIES: &str = "no_queries_available";

impl RoleSchema {
    /// The schema of a role.
    pub fn build(model: &Arc<Model>, role: &str) -> Self {
        let mut builder = Builder { model, role, schema: Schema::new("query_root") };
        let mut roots = HashMap::new();
        let mut query = IndexMap::new();
        let mut subscription = IndexMap::new();
        for index in 0..model.tables.len() {
            let Some(access) = Access::of(model, role, index) else { continue };
            builder.table(access);
            builder.roots(index, access, &mut query, &mut subscription, &mut roots);
        }
        builder.enums();
        let Builder { mut schema, .. } = builder;
        if query.is_empty() {
            query.insert(
                NO_QUERIES.into(),
                Field::new(TypeRef::named("String").non_null())
                    .describe(Some("The role sees no table.")),
            );
        }
        if role == ADMIN_ROLE || !model.introspection_disabled.contains(role) {
            query.extend(meta_fields().into_iter().map(|(name, field)| (name.into(), field)));
        }
        query.sort_keys();
        subscription.sort_keys();
        let name = schema.query.clone();
        schema.add(&name, None, TypeKind::Object(query));
        if !subscription.is_empty() {
            let name = schema.add("subscription_root", None, TypeKind::Object(subscription));
            schema.subscription = Some(name);
        }
        Self { schema: Arc::new(schema), model: Arc::clone(model), role: role.to_owned(), roots }
    }

    /// How this role sees a table.
    pub fn access(&self, index: TableIndex) -> Option<Access<'_>> {
        Access::of(&self.model, &self.role, index)
    }
}

pub(crate) struct Builder<'a> {
    model: &'a Arc<Model>,
    role: &'a str,
    schema: Schema,
}

impl<'a> Builder<'a> {
    fn access(&self, index: TableIndex) -> Option<Access<'a>> {
        Access::of(self.model, self.role, index)
    }

    /// Everything that is derived from one table.
    fn table(&mut self, access: Access<'a>) {
        let name = &access.table.name;
        let fields = self.row_fields(access);
        if !fields.is_empty() {
            let text = match access.table.description.as_deref() {
                Some("") => None,
                Some(text) => Some(text.to_owned()),
                None => Some(format!(
                    "columns and relationships of \"{}\"",
                    access.table.table.name.name
                )),
            };
            self.schema.add(name, text.as_deref(), TypeKind::Object(fields));
        }
        self.bool_exp(access);
        self.order_by(access);
        self.select_column(access);
        if access.aggregates() {
            self.aggregate_types(access);
        }
    }

    /// Fields of a row: columns, relationships, computed fields.
    fn row_fields(&mut self, access: Access<'a>) -> IndexMap<Name, Field> {
        let mut fields = IndexMap::new();
        for column in access.columns() {
            let ty = match &column.enumeration {
                Some(e) => {
                    let named = TypeRef::named(&e.name);
                    if column.nullable { named } else { named.non_null() }
                }
                None => {
                    self.schema.ensure_scalar(&column.scalar.name, column.scalar.kind);
                    column.scalar.output(column.nullable)
                }
            };
            let mut field = Field::new(ty).describe(column.description.as_deref());
            if column.scalar.kind == ScalarKind::Json {
                field = field.arg(
                    "path",
                    InputField::new(TypeRef::named("String")).fixed().describe("JSON select path"),
                );
            }
            fields.insert(column.name.as_str().into(), field);
        }
        for relationship in &access.table.relationships {
            let Some(target) = self.access(relationship.target) else { continue };
            let name = target.table.name.as_str();
            let has_fields = self.has_row_fields(target);
            let description = relationship.description.as_deref();
            match relationship.cardinality {
                Cardinality::One => {
                    if has_fields {
                        let ty = TypeRef::named(name);
                        // A role that does not see every row may find none where the database
                        // has one.
                        let certain = !relationship.nullable
                            && target.permission.is_none_or(|p| {
                                p.filter.as_object().is_none_or(serde_json::Map::is_empty)
                            });
                        let ty = if certain { ty.non_null() } else { ty };
                        let field =
                            Field::new(ty).describe(description.or(Some("An object relationship")));
                        fields.insert(relationship.name.as_str().into(), field);
                    }
                }
                Cardinality::Many => {
                    if has_fields {
                        let mut field = Field::new(TypeRef::named(name).rows())
                            .describe(description.or(Some("An array relationship")));
                        self.select_args(target, &mut field);
                        fields.insert(relationship.name.as_str().into(), field);
                    }
                    if target.aggregates() {
                        let ty = TypeRef::named(&format!("{name}_aggregate")).non_null();
                        let mut field = Field::new(ty).describe(Some("An aggregate relationship"));
                        self.select_args(target, &mut field);
                        fields.insert(format!("{}_aggregate", relationship.name).into(), field);
                    }
                }
            }
        }
        for computed in access.computed(self.model, self.role) {
            let mut field = match &computed.returns {
                ComputedResult::Scalar(scalar) => {
                    self.schema.ensure_scalar(&scalar.name, scalar.kind);
                    Field::new(scalar.output(true))
                }
                ComputedResult::Rows(target) => {
                    let Some(target) = self.access(*target) else { continue };
                    let ty = TypeRef::named(&target.table.name);
                    if computed.function.returns_set {
                        let mut field = Field::new(ty.non_null().list());
                        self.select_args(target, &mut field);
                        field
                    } else {
                        Field::new(ty)
                    }
                }
            };
            field = field.describe(computed.description.as_deref().or(Some("A computed field")));
            if let Some(ty) = self.computed_args(access, computed) {
                field.args.insert("args".into(), InputField::new(ty));
            }
            fields.insert(computed.name.as_str().into(), field);
        }
        // In Hasura's order.
        fields.sort_keys();
        fields
    }

    /// Whether a row of the table has any field for the role, so that its type exists.
    fn has_row_fields(&self, access: Access<'a>) -> bool {
        access.columns().next().is_some()
            || access.computed(self.model, self.role).next().is_some()
            || access.table.relationships.iter().any(|r| {
                self.access(r.target).is_some_and(|t| {
                    t.columns().next().is_some()
                        || (r.cardinality == Cardinality::Many && t.aggregates())
                })
            })
    }

    /// `distinct_on`, `limit`, `offset`, `order_by`, `where`.
    fn select_args(&self, target: Access<'a>, field: &mut Field) {
        let name = &target.table.name;
        let mut add = |arg: &str, input: InputField| {
            field.args.insert(arg.into(), input);
        };
        if target.columns().next().is_some() {
            add(
                "distinct_on",
                InputField::new(TypeRef::named(&format!("{name}_select_column")).non_null().list())
                    .describe("distinct select on columns"),
            );
        }
        add(
            "limit",
            InputField::new(TypeRef::named("Int"))
                .check(ScalarKind::NonNegativeInt)
                .describe("limit the number of rows returned"),
        );
        add(
            "offset",
            InputField::new(TypeRef::named("Int"))
                .check(ScalarKind::NonNegativeBigInt)
                .describe("skip the first n rows. Use only with order_by"),
        );
        if self.has_row_fields(target) {
            add(
                "order_by",
                InputField::new(TypeRef::named(&format!("{name}_order_by")).non_null().list())
                    .describe("sort the rows by one or more columns"),
            );
        }
        add(
            "where",
            InputField::new(TypeRef::named(&format!("{name}_bool_exp")))
                .describe("filter the rows returned"),
        );
    }

    /// Root fields of a table.
    fn roots(
        &mut self,
        index: TableIndex,
        access: Access<'a>,
        query: &mut IndexMap<Name, Field>,
        subscription: &mut IndexMap<Name, Field>,
        meanings: &mut HashMap<Name, (RootKind, TableIndex)>,
    ) {
        let table = access.table;
        let db_name = &table.table.name.name;
        let has_fields = self.has_row_fields(access);
        for kind in [RootKind::Select, RootKind::Aggregate, RootKind::ByPk] {
            let ((name, comment), automatic) = match kind {
                RootKind::Select => {
                    (&table.roots.select, format!("fetch data from the table: \"{db_name}\""))
                }
                RootKind::Aggregate => (
                    &table.roots.aggregate,
                    format!("fetch aggregated fields from the table: \"{db_name}\""),
                ),
                RootKind::ByPk => (
                    &table.roots.by_pk,
                    format!("fetch data from the table: \"{db_name}\" using primary key columns"),
                ),
            };
            if kind != RootKind::Aggregate && !has_fields {
                continue;
            }
            let ty = match kind {
                RootKind::Select => TypeRef::named(&table.name).rows(),
                RootKind::Aggregate => {
                    TypeRef::named(&format!("{}_aggregate", table.name)).non_null()
                }
                RootKind::ByPk => TypeRef::named(&table.name),
            };
            let text = match comment.as_deref() {
                Some("") => None,
                Some(text) => Some(text.to_owned()),
                None => Some(match (&table.description, kind) {
                    (Some(text), RootKind::Select) if !text.is_empty() => text.clone(),
                    _ => automatic,
                }),
            };
            let mut field = Field::new(ty).describe(text.as_deref());
            if kind == RootKind::ByPk {
                for key in table.table.primary_key.iter().flat_map(|k| &k.columns) {
                    let Some(column) = table.columns.iter().find(|c| c.column == *key) else {
                        continue;
                    };
                    let ty = match &column.enumeration {
                        Some(e) => TypeRef::named(&e.name).non_null(),
                        None => column.scalar.output(false),
                    };
                    let check = column.scalar.own_check(self.model.dialect);
                    let mut input = InputField { check, ..InputField::new(ty) };
                    if let Some(text) = &column.description {
                        input = input.describe(text);
                    }
                    field.args.insert(column.name.as_str().into(), input);
                }
            } else {
                self.select_args(access, &mut field);
            }
            let mut offered = false;
            for (subscribed, fields) in [(false, &mut *query), (true, &mut *subscription)] {
                if access.root(kind, subscribed) && !fields.contains_key(name.as_str()) {
                    fields.insert(name.as_str().into(), field.clone());
                    offered = true;
                }
            }
            if offered {
                meanings.insert(name.as_str().into(), (kind, index));
            }
        }
    }

    /// Enums of enum tables that visible columns use, or that are visible themselves.
    fn enums(&mut self) {
        for (index, table) in self.model.tables.iter().enumerate() {
            let own = table.enumeration.as_ref().filter(|_| self.access(index).is_some());
            let used = self.access(index).into_iter().flat_map(|a| {
                a.columns().filter_map(|c| c.enumeration.as_ref()).collect::<Vec<_>>()
            });
            for e in own.into_iter().chain(used) {
                if self.schema.get(&e.name).is_none() {
                    let values = e
                        .values
                        .iter()
                        .map(|(v, d)| (v.as_str().into(), d.as_deref().map(Into::into)))
                        .collect();
                    self.schema.add(&e.name, None, TypeKind::Enum(values));
                }
            }
        }
    }
}
