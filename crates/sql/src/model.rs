//! The model: catalog and metadata joined into named tables, columns and relationships.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    catalog::{Catalog, Dialect, Function, QualifiedName, Table},
    metadata::{Metadata, SelectPermission, SourceMetadata, TableMetadata},
    types::ScalarType,
};

mod naming;
mod relationships;

pub use naming::is_valid_name;

/// An index into [`Model::tables`].
pub type TableIndex = usize;

/// Choices that shape the schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `bigint`, `numeric` and `float8` as JSON strings (Hasura's `--stringify-numeric-types`).
    pub stringify_numeric_types: bool,
}

/// Everything that is served of one database, before roles.
#[derive(Debug)]
pub struct Model {
    /// The dialect.
    pub dialect: Dialect,
    /// Choices.
    pub options: Options,
    /// Tracked tables.
    pub tables: Vec<ModelTable>,
    /// Roles that have a permission on some table.
    pub roles: HashSet<String>,
    /// Roles that may not introspect.
    pub introspection_disabled: HashSet<String>,
    /// What is wrong or left out, one line each, with what to do about it.
    pub warnings: Vec<String>,
    by_name: HashMap<QualifiedName, TableIndex>,
}

/// A tracked table.
#[derive(Debug)]
pub struct ModelTable {
    /// As the database has it.
    pub table: Arc<Table>,
    /// Its GraphQL type name, base of all names derived from it.
    pub name: String,
    /// Names of its root fields.
    pub roots: RootNames,
    /// Its description.
    pub description: Option<String>,
    /// Columns that have GraphQL names.
    pub columns: Vec<ModelColumn>,
    /// Relationships.
    pub relationships: Vec<Relationship>,
    /// Computed fields.
    pub computed: Vec<ComputedField>,
    /// For enum tables: the name of the enum and its values.
    pub enumeration: Option<Arc<EnumTable>>,
    /// Select permissions by role.
    pub permissions: BTreeMap<String, SelectPermission>,
}

/// Names and descriptions of root fields.
#[derive(Debug, Clone)]
pub struct RootNames {
    /// `T`
    pub select: (String, Option<String>),
    /// `T_by_pk`
    pub by_pk: (String, Option<String>),
    /// `T_aggregate`
    pub aggregate: (String, Option<String>),
}

/// An enum table as a GraphQL enum.
#[derive(Debug)]
pub struct EnumTable {
    /// The enum's name, `T_enum`.
    pub name: String,
    /// Values with descriptions.
    pub values: Vec<(String, Option<String>)>,
}

/// A column with its GraphQL name.
#[derive(Debug)]
pub struct ModelColumn {
    /// The GraphQL name.
    pub name: String,
    /// The column's name.
    pub column: String,
    /// Its type.
    pub scalar: ScalarType,
    /// It refers to an enum table: values of that enum.
    pub enumeration: Option<Arc<EnumTable>>,
    /// NULL can occur.
    pub nullable: bool,
    /// Its description.
    pub description: Option<String>,
}

/// Whether a relationship leads to one row or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    /// An object relationship.
    One,
    /// An array relationship.
    Many,
}

/// A relationship.
#[derive(Debug)]
pub struct Relationship {
    /// Its GraphQL name.
    pub name: String,
    /// To one or many.
    pub cardinality: Cardinality,
    /// The other table.
    pub target: TableIndex,
    /// Own column and other column, paired.
    pub mapping: Vec<(String, String)>,
    /// There may be no such row.
    pub nullable: bool,
    /// Its description.
    pub description: Option<String>,
}

/// A computed field.
#[derive(Debug)]
pub struct ComputedField {
    /// Its name.
    pub name: String,
    /// Its function.
    pub function: Arc<Function>,
    /// The argument that takes the row: its position.
    pub table_argument: usize,
    /// The argument that takes the session: its position.
    pub session_argument: Option<usize>,
    /// What it yields.
    pub returns: ComputedResult,
    /// Its description.
    pub description: Option<String>,
}

/// What a computed field yields.
#[derive(Debug)]
pub enum ComputedResult {
    /// A scalar.
    Scalar(ScalarType),
    /// Rows of a tracked table.
    Rows(TableIndex),
}

impl Model {
    /// Joins a catalog with metadata (of its source); without metadata everything in the default
    /// schema is tracked, and foreign keys become relationships in both directions.
    pub fn build(
        dialect: Dialect,
        catalog: Catalog,
        metadata: Option<(&Metadata, &SourceMetadata)>,
        options: Options,
    ) -> Self {
        let mut model = Self {
            dialect,
            options,
            tables: Vec::new(),
            roles: HashSet::new(),
            introspection_disabled: HashSet::new(),
            warnings: Vec::new(),
            by_name: HashMap::new(),
        };
        let catalog_tables: HashMap<QualifiedName, Arc<Table>> =
            catalog.tables.into_iter().map(|t| (t.name.clone(), Arc::new(t))).collect();
        let default_schema = catalog.default_schema;
        match metadata {
            None => {
                let mut names: Vec<_> =
                    catalog_tables.keys().filter(|n| n.schema == default_schema).collect();
                names.sort();
                for name in names {
                    model.add_table(Arc::clone(&catalog_tables[name]), None, &default_schema);
                }
                model.link_enums();
                model.relationships_of_foreign_keys();
            }
            Some((document, source)) => {
                model.warnings.extend(document.unsupported());
                model.introspection_disabled = document
                    .graphql_schema_introspection
                    .disabled_for_roles
                    .iter()
                    .cloned()
                    .collect();
                let mut tracked = Vec::new();
                for meta in &source.tables {
                    let name = meta.table.qualify(&default_schema);
                    match catalog_tables.get(&name) {
                        Some(table) => {
                            if model.add_table(Arc::clone(table), Some(meta), &default_schema) {
                                tracked.push((name, meta));
                            }
                        }
                        None => model.warnings.push(format!(
                            "the metadata tracks {name}, which the database does not have (or \
                             which its user may not read): it is left out"
                        )),
                    }
                }
                model.link_enums();
                for (name, meta) in &tracked {
                    model.relationships_of_metadata(name, meta, &default_schema);
                }
                let functions: HashMap<QualifiedName, Arc<Function>> =
                    catalog.functions.into_iter().map(|f| (f.name.clone(), Arc::new(f))).collect();
                for (name, meta) in &tracked {
                    model.computed_fields(name, meta, &functions, &default_schema);
                }
            }
        }
        model.drop_clashes();
        model
    }

    /// The index of a tracked table.
    pub fn index(&self, name: &QualifiedName) -> Option<TableIndex> {
        self.by_name.get(name).copied()
    }

    /// Adds a table unless its name cannot be a GraphQL name.
    fn add_table(
        &mut self,
        table: Arc<Table>,
        meta: Option<&TableMetadata>,
        default_schema: &str,
    ) -> bool {
        let config = meta.map(|m| m.configuration.clone()).unwrap_or_default();
        let derived = if table.name.schema == default_schema {
            table.name.name.clone()
        } else {
            format!("{}_{}", table.name.schema, table.name.name)
        };
        let name = config.custom_name.clone().unwrap_or(derived);
        if !is_valid_name(&name) {
            self.warnings.push(format!(
                "table {} is skipped: \"{name}\" is not a valid GraphQL name (letters, digits and \
                 underscores, not starting with a digit or two underscores). Rename it, or give it \
                 a name in the metadata: configuration: {{ custom_name: {} }}",
                table.name,
                naming::suggestion(&name)
            ));
            return false;
        }
        if let Some(other) = self.tables.iter().find(|t| t.name == name) {
            self.warnings.push(format!(
                "table {} is skipped: {} has the same GraphQL name \"{name}\". Give one of them a \
                 custom_name in the metadata",
                table.name, other.table.name
            ));
            return false;
        }
        let root = |key: &str, suffix: &str| {
            let custom = config.custom_root_fields.get(key);
            let custom_name = custom.and_then(|c| c.as_str().or_else(|| c.get("name")?.as_str()));
            let comment = custom.and_then(|c| c.get("comment")?.as_str()).map(str::to_owned);
            (custom_name.map_or_else(|| format!("{name}{suffix}"), str::to_owned), comment)
        };
        let roots = RootNames {
            select: root("select", ""),
            by_pk: root("select_by_pk", "_by_pk"),
            aggregate: root("select_aggregate", "_aggregate"),
        };
        // An empty comment in the metadata asks for none at all.
        let description = match config.comment.as_deref() {
            Some(text) => Some(text.to_owned()),
            None => table.comment.clone(),
        };
        let mut columns = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let custom = config.column_config.get(&column.name);
            let column_name = custom
                .and_then(|c| c.custom_name.clone())
                .or_else(|| config.custom_column_names.get(&column.name).cloned())
                .unwrap_or_else(|| column.name.clone());
            if !is_valid_name(&column_name) {
                self.warnings.push(format!(
                    "column \"{}\" of {} is skipped: it is not a valid GraphQL name. Give it one in \
                     the metadata: configuration: {{ column_config: {{ \"{}\": {{ custom_name: {} }} }} }}",
                    column.name,
                    table.name,
                    column.name,
                    naming::suggestion(&column_name)
                ));
                continue;
            }
            let comment = match custom.and_then(|c| c.comment.as_deref()) {
                Some("") => None,
                Some(text) => Some(text.to_owned()),
                None => column.comment.clone(),
            };
            columns.push(ModelColumn {
                name: column_name,
                column: column.name.clone(),
                scalar: ScalarType::of(self.dialect, &column.ty),
                enumeration: None,
                nullable: column.nullable,
                description: comment,
            });
        }
        let enumeration = meta.filter(|m| m.is_enum).and_then(|_| self.enum_table(&table, &name));
        let permissions: BTreeMap<_, _> = meta
            .map(|m| m.select_permissions.as_slice())
            .unwrap_or_default()
            .iter()
            .map(|p| (p.role.clone(), p.permission.clone()))
            .collect();
        self.roles.extend(permissions.keys().cloned());
        self.by_name.insert(table.name.clone(), self.tables.len());
        self.tables.push(ModelTable {
            table,
            name,
            roots,
            description,
            columns,
            relationships: Vec::new(),
            computed: Vec::new(),
            enumeration: enumeration.map(Arc::new),
            permissions,
        });
        true
    }

    fn enum_table(&mut self, table: &Table, name: &str) -> Option<EnumTable> {
        let values = table.enum_values.as_deref().unwrap_or_default();
        if table.primary_key.as_ref().is_none_or(|k| k.columns.len() != 1) {
            self.warnings.push(format!(
                "table {} cannot be an enum: it needs a primary key of one text column",
                table.name
            ));
            return None;
        }
        let bad: Vec<_> = values.iter().filter(|v| !is_valid_name(&v.value)).collect();
        if values.is_empty() || !bad.is_empty() {
            let why = match bad.first() {
                Some(v) => format!("\"{}\" is not a valid GraphQL name", v.value),
                None => "it is empty".to_owned(),
            };
            self.warnings.push(format!("table {} cannot be an enum: {why}", table.name));
            return None;
        }
        Some(EnumTable {
            name: format!("{name}_enum"),
            values: values.iter().map(|v| (v.value.clone(), v.comment.clone())).collect(),
        })
    }

    /// Columns that refer to an enum table take its values.
    fn link_enums(&mut self) {
        let enums: HashMap<QualifiedName, Arc<EnumTable>> = self
            .tables
            .iter()
            .filter_map(|t| Some((t.table.name.clone(), Arc::clone(t.enumeration.as_ref()?))))
            .collect();
        for table in &mut self.tables {
            for key in &table.table.foreign_keys {
                let ([column], Some(e)) = (key.columns.as_slice(), enums.get(&key.target)) else {
                    continue;
                };
                for c in table.columns.iter_mut().filter(|c| c.column == *column) {
                    c.enumeration = Some(Arc::clone(e));
                }
            }
        }
    }

    fn computed_fields(
        &mut self,
        name: &QualifiedName,
        meta: &TableMetadata,
        functions: &HashMap<QualifiedName, Arc<Function>>,
        default_schema: &str,
    ) {
        let Some(index) = self.index(name) else { return };
        for field in &meta.computed_fields {
            match self.computed_field(name, field, functions, default_schema) {
                Ok(field) => self.tables[index].computed.push(field),
                Err(why) => self
                    .warnings
                    .push(format!("computed field {} of {name} is left out: {why}", field.name)),
            }
        }
    }

    fn computed_field(
        &self,
        table: &QualifiedName,
        field: &crate::metadata::ComputedFieldMetadata,
        functions: &HashMap<QualifiedName, Arc<Function>>,
        default_schema: &str,
    ) -> Result<ComputedField, String> {
        if !is_valid_name(&field.name) {
            return Err("its name is not a valid GraphQL name".to_owned());
        }
        let name = field.definition.function.qualify(default_schema);
        let function =
            functions.get(&name).ok_or_else(|| format!("there is no function {name}"))?;
        let position = |argument: &str| {
            function
                .args
                .iter()
                .position(|a| a.name.as_deref() == Some(argument))
                .ok_or_else(|| format!("function {name} has no argument \"{argument}\""))
        };
        let table_argument = match &field.definition.table_argument {
            Some(argument) => position(argument)?,
            None => 0,
        };
        let takes_row = function
            .args
            .get(table_argument)
            .is_some_and(|a| a.ty.name == table.name && a.ty.schema == table.schema);
        if !takes_row {
            return Err(format!("function {name} does not take a row of {table}"));
        }
        let session_argument =
            field.definition.session_argument.as_deref().map(position).transpose()?;
        let returns = match (&function.returns_table, function.returns_set) {
            (Some(target), _) => ComputedResult::Rows(
                self.index(target).ok_or_else(|| format!("{target} is not tracked"))?,
            ),
            (None, false) => {
                ComputedResult::Scalar(ScalarType::of(self.dialect, &function.returns))
            }
            (None, true) => {
                return Err(format!("function {name} returns a set of scalars"));
            }
        };
        Ok(ComputedField {
            name: field.name.clone(),
            function: Arc::clone(function),
            table_argument,
            session_argument,
            returns,
            description: match field.comment.as_deref() {
                None | Some("") => function.comment.clone(),
                Some(text) => Some(text.to_owned()),
            },
        })
    }

    /// A name that two fields of a table have goes to the first: column, relationship, computed.
    fn drop_clashes(&mut self) {
        for table in &mut self.tables {
            let mut taken: HashSet<String> = HashSet::new();
            let warnings = &mut self.warnings;
            let name = &table.table.name;
            let mut free = |field: &str, extra: bool| {
                let clash = !taken.insert(field.to_owned())
                    || (extra && !taken.insert(format!("{field}_aggregate")));
                if clash {
                    warnings.push(format!(
                        "field {field} of {name} is left out: the table has another field of that \
                         name. Give one of them another name in the metadata"
                    ));
                }
                !clash
            };
            table.columns.retain(|c| free(&c.name, false));
            table.relationships.retain(|r| free(&r.name, r.cardinality == Cardinality::Many));
            table.computed.retain(|c| free(&c.name, false));
        }
    }
}
