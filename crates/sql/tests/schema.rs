//! What a model makes of catalogs and metadata: names, relationships, permissions, warnings.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use artesian_graphql::schema::{Schema, TypeKind};
use artesian_sql::{
    Catalog, Dialect, QualifiedName,
    catalog::{Column, ColumnType, EnumTableValue, ForeignKey, Key, Table, TableKind},
    metadata::Metadata,
    model::{Model, Options},
    schema::RoleSchema,
};
use serde_json::{Value as Json, json};

fn column(name: &str, ty: &str) -> Column {
    Column {
        name: name.into(),
        ty: ColumnType::base(ty),
        nullable: true,
        comment: None,
        has_default: false,
        generated: false,
    }
}

fn table(name: &str, columns: &[(&str, &str)]) -> Table {
    let mut all: Vec<Column> = columns.iter().map(|(n, t)| column(n, t)).collect();
    all[0].nullable = false;
    Table {
        name: QualifiedName::new("public", name),
        kind: TableKind::Table,
        comment: None,
        primary_key: Some(Key { name: format!("{name}_pkey"), columns: vec![all[0].name.clone()] }),
        columns: all,
        unique_keys: Vec::new(),
        foreign_keys: Vec::new(),
        reads: Vec::new(),
        volatile: false,
        enum_values: None,
    }
}

fn references(mut table: Table, column: &str, target: &str, target_column: &str) -> Table {
    table.foreign_keys.push(ForeignKey {
        name: format!("{}_{column}_fkey", table.name.name),
        columns: vec![column.into()],
        target: QualifiedName::new("public", target),
        target_columns: vec![target_column.into()],
    });
    table
}

fn catalog(tables: Vec<Table>) -> Catalog {
    Catalog { default_schema: "public".into(), tables, ..Catalog::default() }
}

fn town() -> Catalog {
    let mut orders = table(
        "orders",
        &[("id", "int4"), ("courier_id", "int4"), ("note", "text"), ("extra", "jsonb")],
    );
    orders = references(orders, "courier_id", "couriers", "id");
    let matches = references(
        table("matches", &[("id", "int4"), ("home_id", "int4"), ("away_id", "int4")]),
        "home_id",
        "couriers",
        "id",
    );
    let matches = references(matches, "away_id", "couriers", "id");
    let mut profile = references(
        table("profiles", &[("id", "int4"), ("courier_id", "int4")]),
        "courier_id",
        "couriers",
        "id",
    );
    profile.unique_keys.push(Key { name: "u".into(), columns: vec!["courier_id".into()] });
    catalog(vec![table("couriers", &[("id", "int4"), ("name", "text")]), orders, matches, profile])
}

fn build(catalog: Catalog, metadata: Option<Json>) -> Arc<Model> {
    let metadata = metadata.map(|m| Metadata::parse(m).unwrap());
    let pair = metadata.as_ref().map(|m| (m, m.source("default").unwrap()));
    Arc::new(Model::build(Dialect::Postgres, catalog, pair, Options::default()))
}

fn field_names(schema: &Schema, ty: &str) -> Vec<String> {
    match &schema.get(ty).unwrap_or_else(|| panic!("no type {ty}")).kind {
        TypeKind::Object(fields) => fields.keys().map(ToString::to_string).collect(),
        TypeKind::Input(fields) => fields.keys().map(ToString::to_string).collect(),
        TypeKind::Enum(values) => values.keys().map(ToString::to_string).collect(),
        TypeKind::Scalar(_) => Vec::new(),
    }
}

#[test]
fn foreign_keys_become_relationships_in_both_directions() {
    let model = build(town(), None);
    let schema = RoleSchema::build(&model, "admin").schema;
    assert_eq!(field_names(&schema, "orders"), ["courier", "courier_id", "extra", "id", "note"]);
    assert_eq!(
        field_names(&schema, "couriers"),
        [
            "id",
            "matches",
            "matches_aggregate",
            "matches_by_away_id",
            "matches_by_away_id_aggregate",
            "name",
            "orders",
            "orders_aggregate",
            "profile"
        ]
    );
    assert_eq!(field_names(&schema, "matches"), ["away", "away_id", "home", "home_id", "id"]);
    assert!(model.warnings.is_empty(), "{:?}", model.warnings);
    let text = artesian_graphql::sdl::print(&schema);
    for line in [
        "orders_by_pk(id: Int!): orders\n",
        "_eq: String",
        "extra(",
        "input orders_bool_exp {",
        "enum orders_select_column {",
        "orders_aggregate: orders_aggregate_order_by",
        "courier: couriers_bool_exp",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn every_type_that_is_named_exists() {
    for role in ["admin", "user", "nobody"] {
        let model = build(town(), Some(permissions()));
        let schema = RoleSchema::build(&model, role).schema;
        let known = |ty: &artesian_graphql::schema::TypeRef| {
            assert!(schema.get(ty.base()).is_some(), "{role}: no type {ty}");
        };
        for ty in schema.types.values() {
            match &ty.kind {
                TypeKind::Object(fields) => {
                    assert!(!fields.is_empty(), "{role}: {} is empty", ty.name);
                    for f in fields.values() {
                        known(&f.ty);
                        f.args.values().for_each(|a| known(&a.ty));
                    }
                }
                TypeKind::Input(fields) => {
                    assert!(!fields.is_empty(), "{role}: {} is empty", ty.name);
                    fields.values().for_each(|f| known(&f.ty));
                }
                TypeKind::Enum(values) => assert!(!values.is_empty()),
                TypeKind::Scalar(_) => {}
            }
        }
    }
}

fn permissions() -> Json {
    json!({"version": 3, "sources": [{"name": "default", "tables": [
        {"table": {"schema": "public", "name": "couriers"},
         "array_relationships": [{"name": "orders", "using": {"foreign_key_constraint_on":
            {"table": {"schema": "public", "name": "orders"}, "column": "courier_id"}}}],
         "select_permissions": [{"role": "user", "permission": {"columns": ["name"], "filter": {}}}]},
        {"table": "orders",
         "object_relationships": [{"name": "courier", "using": {"foreign_key_constraint_on": "courier_id"}}],
         "select_permissions": [{"role": "user", "permission": {"columns": "*", "filter":
            {"courier": {"name": {"_eq": "X-Hasura-Name"}}}, "allow_aggregations": true}}]},
    ]}]})
}

#[test]
fn a_role_sees_what_its_permissions_name() {
    let model = build(town(), Some(permissions()));
    let user = RoleSchema::build(&model, "user").schema;
    assert_eq!(field_names(&user, "couriers"), ["name", "orders", "orders_aggregate"]);
    let roots = field_names(&user, "query_root");
    // No key, no `_by_pk`; no aggregates where they are not allowed.
    assert_eq!(
        roots,
        ["__schema", "__type", "couriers", "orders", "orders_aggregate", "orders_by_pk"]
    );
    let nobody = RoleSchema::build(&model, "nobody").schema;
    assert_eq!(field_names(&nobody, "query_root"), ["__schema", "__type", "no_queries_available"]);
    assert!(nobody.subscription.is_none());
    assert!(nobody.get("orders").is_none());
}

#[test]
fn what_cannot_be_served_is_said() {
    let mut odd = table("odd name", &[("id", "int4"), ("a-b", "text")]);
    odd.columns[1].name = "a-b".into();
    let model = build(catalog(vec![odd.clone()]), None);
    assert!(model.tables.is_empty());
    assert!(model.warnings[0].contains("custom_name: odd_name"), "{:?}", model.warnings);

    let metadata = json!({"version": 3, "actions": [{}], "sources": [{"name": "default", "tables": [
        {"table": "odd name", "configuration": {"custom_name": "odd"},
         "object_relationships": [{"name": "x", "using": {"foreign_key_constraint_on": "a-b"}}],
         "insert_permissions": [{"role": "u", "permission": {}}]},
        {"table": "missing"}]}]});
    let model = build(catalog(vec![odd]), Some(metadata));
    assert_eq!(model.tables[0].name, "odd");
    let all = model.warnings.join("\n");
    for part in [
        "actions (1)",
        "insert permissions (1)",
        "column \"a-b\"",
        "custom_name: a_b",
        "there is no foreign key on (a-b)",
        "tracks public.missing",
    ] {
        assert!(all.contains(part), "{part}\n{all}");
    }
}

#[test]
fn two_tables_of_one_name_do_not_mix() {
    let mut other = table("public_orders", &[("id", "int4")]);
    other.name = QualifiedName::new("shop", "orders");
    let clash = table("shop_orders", &[("id", "int4")]);
    let metadata = json!({"version": 3, "sources": [{"name": "default", "tables": [
        {"table": {"schema": "shop", "name": "orders"}}, {"table": "shop_orders"}]}]});
    let model = build(catalog(vec![other, clash]), Some(metadata));
    assert_eq!(model.tables.len(), 1);
    assert!(model.warnings[0].contains("has the same GraphQL name"), "{:?}", model.warnings);
}

#[test]
fn enum_tables_become_enums() {
    let mut colours = table("colours", &[("value", "text"), ("comment", "text")]);
    colours.enum_values = Some(vec![
        EnumTableValue { value: "red".into(), comment: Some("like fire".into()) },
        EnumTableValue { value: "blue".into(), comment: None },
    ]);
    let users = references(
        table("users", &[("id", "int4"), ("colour", "text")]),
        "colour",
        "colours",
        "value",
    );
    let metadata = json!({"version": 3, "sources": [{"name": "default", "tables": [
        {"table": "colours", "is_enum": true}, {"table": "users"}]}]});
    let model = build(catalog(vec![colours, users]), Some(metadata));
    let schema = RoleSchema::build(&model, "admin").schema;
    assert_eq!(field_names(&schema, "colours_enum"), ["red", "blue"]);
    assert_eq!(
        field_names(&schema, "colours_enum_comparison_exp"),
        ["_eq", "_in", "_is_null", "_neq", "_nin"]
    );
    assert_eq!(schema.fields("users").unwrap()["colour"].ty.to_string(), "colours_enum");
}

#[test]
fn metadata_of_another_version_is_refused() {
    let error = Metadata::parse(json!({"version": 2, "tables": []})).unwrap_err();
    assert!(error.contains("only version 3"), "{error}");
    assert!(Metadata::parse(json!({"version": 3, "sources": [{"name": 1}]})).is_err());
    assert!(Metadata::parse(json!({"resource_version": 1, "metadata": {"version": 3}})).is_ok());
}
