//! The compiler: a bound operation becomes one statement.

use std::{collections::BTreeSet, sync::Arc};

use artesian_graphql::{
    bind::{BoundField, BoundOperation, Scalar, ScalarSource, Value},
    introspection::is_meta_field,
};
use serde_json::Value as Literal;

use crate::{
    access::{Access, RootKind},
    catalog::{Dialect, QualifiedName, Volatility},
    ir::{Alias, CallArg, Expr, Form, From, Json, Operator, Order, ParamIndex, Relation},
    json_path,
    model::{Cardinality, ComputedField, ComputedResult, ModelColumn, TableIndex},
    params::{Binding, Codec, Compiled, Source},
    print,
    schema::{NO_QUERIES, RoleSchema},
    statement::{ParamType, Statement},
    types::{ScalarType, TypeClass},
};

mod aggregate;
mod filter;
mod order;
mod permission;

/// Why an operation cannot be compiled, or its parameters cannot be bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// It does not fit the schema in a way only the compiler sees.
    #[error(transparent)]
    Invalid(#[from] artesian_graphql::Error),
    /// A session variable that a permission needs is missing.
    #[error("missing session variable: \"{0}\"")]
    MissingSession(String),
    /// A permission filter in the metadata is wrong.
    #[error("the permission of role \"{role}\" on {table} is wrong: {why}")]
    Permission {
        /// The role.
        role: String,
        /// The table.
        table: String,
        /// What is wrong.
        why: String,
    },
}

impl CompileError {
    fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(artesian_graphql::Error::validation(path, message))
    }

    pub(crate) fn not_found(session_variable: &str) -> Self {
        Self::MissingSession(session_variable.to_owned())
    }
}

type Result<T> = std::result::Result<T, CompileError>;

/// Compiles a query or subscription for a role.
pub fn compile(schema: &RoleSchema, operation: &BoundOperation) -> Result<Compiled> {
    let mut compiler = Compiler {
        schema,
        dialect: schema.model.dialect,
        bindings: Vec::new(),
        types: Vec::new(),
        reads: BTreeSet::new(),
        volatile: false,
        next_alias: 0,
    };
    let mut members = Vec::with_capacity(operation.fields.len());
    for field in &operation.fields {
        members.push((field.key.to_string(), compiler.root(field)?));
    }
    let root = Json::Object(members);
    let Compiler { bindings, types, reads, volatile, dialect, .. } = compiler;
    let statement = Statement {
        dialect,
        sql: print::single(dialect, &root, &types).into(),
        batch_sql: print::batch(dialect, &root, &types).into(),
        param_types: types.into(),
        reads: reads.into_iter().collect(),
        volatile,
    };
    Ok(Compiled { statement: Arc::new(statement), bindings, schema: Arc::clone(&schema.schema) })
}

struct Compiler<'a> {
    schema: &'a RoleSchema,
    dialect: Dialect,
    bindings: Vec<Binding>,
    types: Vec<ParamType>,
    reads: BTreeSet<QualifiedName>,
    volatile: bool,
    next_alias: Alias,
}

impl<'a> Compiler<'a> {
    fn alias(&mut self) -> Alias {
        let alias = self.next_alias;
        self.next_alias += 1;
        alias
    }

    fn access(&self, table: TableIndex, path: &str) -> Result<Access<'a>> {
        // The schema has no field that leads to a table the role does not see.
        self.schema
            .access(table)
            .ok_or_else(|| CompileError::invalid(path, "the role does not see this table"))
    }

    // -- parameters ----------------------------------------------------------------------------

    /// Adds a parameter; a variable or session variable of the same type is used again.
    fn param(&mut self, source: Source, codec: Codec, cast: &str) -> ParamIndex {
        let same = |b: &Binding| match (&b.source, &source) {
            (Source::Scalar(a), Source::Scalar(b)) => match (&a.source, &b.source) {
                (ScalarSource::Variable(x), ScalarSource::Variable(y)) => {
                    x == y && a.kind == b.kind && a.list == b.list
                }
                _ => false,
            },
            (Source::Session(a), Source::Session(b)) => a == b,
            _ => false,
        };
        // Literals are never the same: looking for them would take quadratic time.
        let is_shared = match &source {
            Source::Scalar(scalar) => matches!(scalar.source, ScalarSource::Variable(_)),
            other => matches!(other, Source::Session(_)),
        };
        if is_shared {
            for (i, b) in self.bindings.iter().enumerate() {
                if same(b) && b.codec == codec && self.types[i].name == cast {
                    return i;
                }
            }
        }
        self.bindings.push(Binding { source, codec });
        // unnest would take arrays of arrays apart.
        let batch_element = if cast.ends_with("[]") { "text" } else { cast };
        self.types
            .push(ParamType { name: cast.to_owned(), batch_element: batch_element.to_owned() });
        self.types.len() - 1
    }

    /// A parameter of a scalar type.
    fn scalar_param(&mut self, source: Source, ty: &ScalarType) -> ParamIndex {
        let codec = match ty.class {
            TypeClass::Json | TypeClass::Jsonb => Codec::Json,
            TypeClass::Array if is_json(ty.element_cast.as_deref()) => Codec::ArrayOfJson,
            TypeClass::Array => Codec::Array,
            _ => Codec::Text,
        };
        self.param(source, codec, &ty.cast.clone())
    }

    /// A parameter that is a list of values of a scalar type; with the cast of its elements if
    /// these are arrays.
    fn list_param(&mut self, source: Source, ty: &ScalarType) -> (ParamIndex, Option<String>) {
        let sqlite = self.dialect == Dialect::Sqlite;
        match ty.class {
            _ if sqlite => (self.param(source, Codec::Array, "TEXT"), None),
            TypeClass::Json | TypeClass::Jsonb => {
                (self.param(source, Codec::ArrayOfJson, &format!("{}[]", ty.cast)), None)
            }
            TypeClass::Array => {
                let text = format!("{}[]", ScalarType::builtin(self.dialect, "text").cast);
                (self.param(source, Codec::ArrayOfArrays, &text), Some(ty.cast.clone()))
            }
            _ => (self.param(source, Codec::Array, &format!("{}[]", ty.cast)), None),
        }
    }

    fn builtin_param(&mut self, value: &Scalar, ty: &str) -> ParamIndex {
        let ty = ScalarType::builtin(self.dialect, ty);
        self.scalar_param(Source::Scalar(value.clone()), &ty)
    }

    // -- relations -----------------------------------------------------------------------------

    /// A relation over a table with the role's permission as its filter.
    fn relation(&mut self, table: TableIndex, path: &str) -> Result<Relation> {
        let access = self.access(table, path)?;
        let name = access.table.table.name.clone();
        self.reads.insert(name.clone());
        let alias = self.alias();
        let mut relation = Relation::table(name, alias);
        relation.filter = self.permission_filter(table, alias)?;
        Ok(relation)
    }

    /// The condition that joins a relationship's target to its owner.
    fn join(mapping: &[(String, String)], owner: Alias, target: Alias) -> Expr {
        conjunction(
            mapping
                .iter()
                .map(|(own, other)| {
                    Expr::Binary(
                        Operator::Eq,
                        Box::new(Expr::Column(target, other.clone())),
                        Box::new(Expr::Column(owner, own.clone())),
                    )
                })
                .collect(),
        )
    }

    /// Applies `where`, `order_by`, `distinct_on`, `limit`, `offset` of a field.
    fn arguments(
        &mut self,
        relation: &mut Relation,
        table: TableIndex,
        field: &BoundField,
    ) -> Result<()> {
        if let Some(value) = field.arg("where") {
            let path = format!("{}.args.where", field.path);
            let filter = self.bool_exp(table, relation.alias, value, &path)?;
            and(&mut relation.filter, filter);
        }
        if let Some(value) = field.arg("order_by") {
            let path = format!("{}.args.order_by", field.path);
            relation.order_by = self.order_by(table, relation.alias, value, &path)?;
        }
        if let Some(value) = field.arg("distinct_on") {
            self.distinct_on(relation, table, value, &field.path)?;
        }
        for (name, slot) in [("limit", &mut relation.limit), ("offset", &mut relation.offset)] {
            if let Some(Value::Scalar(value)) = field.arg(name) {
                *slot = Some(self.builtin_param(value, "int8"));
            }
        }
        Ok(())
    }

    // -- fields --------------------------------------------------------------------------------

    fn root(&mut self, field: &BoundField) -> Result<Json> {
        if &*field.name == "__typename" {
            return Ok(Json::Text(field.parent.to_string()));
        }
        if is_meta_field(&field.name) {
            let source = Source::Introspection(Box::new(field.clone()));
            let json = ScalarType::builtin(self.dialect, "json").cast;
            return Ok(Json::Param(self.param(source, Codec::Json, &json)));
        }
        if &*field.name == NO_QUERIES {
            return Ok(Json::Text(
                "the role sees no table: track tables and give it select permissions".to_owned(),
            ));
        }
        let (kind, table) = *self.schema.roots.get(&field.name).ok_or_else(|| {
            CompileError::invalid(
                &*field.path,
                format!("field '{}' not found in type: '{}'", field.name, field.parent),
            )
        })?;
        let mut relation = self.relation(table, &field.path)?;
        match kind {
            RootKind::Select => {
                self.arguments(&mut relation, table, field)?;
                self.list(relation, table, field)
            }
            RootKind::ByPk => {
                let access = self.access(table, &field.path)?;
                for (name, value) in &field.args {
                    let Some(column) = access.columns().find(|c| c.name == **name) else {
                        continue;
                    };
                    let path = format!("{}.args.{name}", field.path);
                    let left = Expr::Column(relation.alias, column.column.clone());
                    let right = self.column_value(column, value, &path)?;
                    and(
                        &mut relation.filter,
                        Expr::Binary(Operator::Eq, Box::new(left), Box::new(right)),
                    );
                }
                let row = self.row(table, relation.alias, &field.selection)?;
                Ok(Json::One(Box::new(relation), row))
            }
            RootKind::Aggregate => {
                self.arguments(&mut relation, table, field)?;
                self.aggregates(relation, table, field)
            }
        }
    }

    /// A list of rows, the permission's limit applied.
    fn list(
        &mut self,
        mut relation: Relation,
        table: TableIndex,
        field: &BoundField,
    ) -> Result<Json> {
        relation.max_rows = self.access(table, &field.path)?.limit();
        self.make_order_total(&mut relation, table);
        let row = self.row(table, relation.alias, &field.selection)?;
        Ok(Json::List(Box::new(relation), row))
    }

    /// Orders rows that compare equal by primary key, so that the same rows always make the same
    /// result: else an update that moves a row in the heap would look like a change to every live
    /// query that shows it (`docs/decisions/0003-total-order.md`).
    fn make_order_total(&self, relation: &mut Relation, table: TableIndex) {
        let table = &self.schema.model.tables[table].table;
        for column in table.primary_key.iter().flat_map(|k| &k.columns) {
            let by = Expr::Column(relation.alias, column.clone());
            if !relation.order_by.iter().any(|o| o.by == by) {
                relation.order_by.push(Order { by, descending: false, nulls_first: None });
            }
        }
    }

    /// The members of a row's object.
    fn row(
        &mut self,
        table: TableIndex,
        alias: Alias,
        selection: &[BoundField],
    ) -> Result<Vec<(String, Json)>> {
        selection
            .iter()
            .map(|f| Ok((f.key.to_string(), self.row_field(table, alias, f)?)))
            .collect()
    }

    fn row_field(&mut self, table: TableIndex, alias: Alias, field: &BoundField) -> Result<Json> {
        let name = &*field.name;
        if name == "__typename" {
            return Ok(Json::Text(field.parent.to_string()));
        }
        let model = &self.schema.model;
        let owner = self.access(table, &field.path)?.table;
        if let Some(column) = owner.columns.iter().find(|c| c.name == name) {
            return self.column(column, alias, field);
        }
        for relationship in &owner.relationships {
            let aggregate = relationship.cardinality == Cardinality::Many
                && name.strip_suffix("_aggregate") == Some(relationship.name.as_str());
            if relationship.name != name && !aggregate {
                continue;
            }
            let target = relationship.target;
            let mut relation = self.relation(target, &field.path)?;
            let join = Self::join(&relationship.mapping, alias, relation.alias);
            and_first(&mut relation.filter, join);
            if aggregate {
                self.arguments(&mut relation, target, field)?;
                return self.aggregates(relation, target, field);
            }
            return match relationship.cardinality {
                Cardinality::Many => {
                    self.arguments(&mut relation, target, field)?;
                    self.list(relation, target, field)
                }
                Cardinality::One => {
                    let row = self.row(target, relation.alias, &field.selection)?;
                    Ok(Json::One(Box::new(relation), row))
                }
            };
        }
        if let Some(computed) = model.tables[table].computed.iter().find(|c| c.name == name) {
            return self.computed(computed, alias, field);
        }
        Err(CompileError::invalid(
            &*field.path,
            format!("field '{name}' not found in type: '{}'", field.parent),
        ))
    }

    fn column(&mut self, column: &ModelColumn, alias: Alias, field: &BoundField) -> Result<Json> {
        let mut value = Expr::Column(alias, column.column.clone());
        if let Some(Value::Scalar(path)) = field.arg("path") {
            // The path's steps are part of the statement's values, not of its text; a variable is
            // not possible here, since its steps must be known.
            let ScalarSource::Literal(Literal::String(text)) = &path.source else {
                return Err(CompileError::invalid(
                    &*path.path,
                    "a JSON path must be written in the document, not in a variable",
                ));
            };
            let steps =
                json_path::parse(text).map_err(|e| CompileError::invalid(&*path.path, e))?;
            if !steps.is_empty() {
                value = self.json_step(value, &steps);
            }
        }
        Ok(Json::Value(value, self.form(&column.scalar)))
    }

    fn json_step(&mut self, value: Expr, steps: &[String]) -> Expr {
        let param = match self.dialect {
            Dialect::Postgres => {
                let steps = steps.iter().map(|s| Literal::String(s.clone())).collect();
                let text = ScalarType::builtin(self.dialect, "text").cast;
                self.param(
                    Source::Constant(Literal::Array(steps)),
                    Codec::Array,
                    &format!("{text}[]"),
                )
            }
            Dialect::Sqlite => {
                let mut path = String::from("$");
                for step in steps {
                    if step.bytes().all(|b| b.is_ascii_digit()) {
                        path.push_str(&format!("[{step}]"));
                    } else {
                        path.push_str(&format!(".\"{step}\""));
                    }
                }
                self.param(Source::Constant(Literal::String(path)), Codec::Text, "TEXT")
            }
        };
        Expr::Binary(Operator::JsonStep, Box::new(value), Box::new(Expr::Param(param)))
    }

    /// How values of a type become JSON.
    fn form(&self, ty: &ScalarType) -> Form {
        if self.schema.model.options.stringify_numeric_types && ty.is_big_number() {
            return if ty.class == TypeClass::Array { Form::TextArray } else { Form::Text };
        }
        match (ty.class, ty.base.as_str()) {
            (TypeClass::Boolean, _) => Form::Boolean,
            (TypeClass::Json | TypeClass::Jsonb, _) => Form::Json,
            (TypeClass::Other, "bytea") => Form::Bytes,
            _ => Form::Plain,
        }
    }

    /// The call of a computed field's function on a row.
    fn computed_call(
        &mut self,
        computed: &ComputedField,
        alias: Alias,
        args: Option<&Value>,
    ) -> Vec<CallArg> {
        // What the function reads besides its row is not known.
        if computed.function.volatility != Volatility::Immutable {
            self.volatile = true;
        }
        let mut out = Vec::new();
        for (i, arg) in computed.function.args.iter().enumerate() {
            if i == computed.table_argument {
                out.push(CallArg::Row(alias, arg.name.clone()));
                continue;
            }
            let ty = ScalarType::of(self.dialect, &arg.ty);
            let value = if Some(i) == computed.session_argument {
                Expr::Param(self.param(Source::WholeSession, Codec::Json, &ty.cast))
            } else {
                let name = arg.name.clone().unwrap_or_else(|| format!("arg_{}", i + 1));
                let given = match args {
                    Some(Value::Object(given)) => given.iter().find(|(n, _)| **n == *name),
                    _ => None,
                };
                match given {
                    Some((_, Value::Scalar(s))) => {
                        Expr::Param(self.scalar_param(Source::Scalar(s.clone()), &ty))
                    }
                    Some(_) => Expr::Param(self.scalar_param(Source::Constant(Literal::Null), &ty)),
                    // The function's default applies.
                    None => continue,
                }
            };
            out.push(match &arg.name {
                Some(name) => CallArg::Named(name.clone(), value),
                None => CallArg::Positional(value),
            });
        }
        // Named arguments follow positional ones; a row without a name is positional.
        out.sort_by_key(|a| matches!(a, CallArg::Named(..) | CallArg::Row(_, Some(_))));
        out
    }

    fn computed(
        &mut self,
        computed: &ComputedField,
        alias: Alias,
        field: &BoundField,
    ) -> Result<Json> {
        let args = self.computed_call(computed, alias, field.arg("args"));
        match &computed.returns {
            ComputedResult::Scalar(ty) => {
                Ok(Json::Value(Expr::Call(computed.function.name.clone(), args), self.form(ty)))
            }
            ComputedResult::Rows(target) => {
                let mut relation = self.relation(*target, &field.path)?;
                relation.from = From::Function(computed.function.name.clone(), args);
                if computed.function.returns_set {
                    self.arguments(&mut relation, *target, field)?;
                    self.list(relation, *target, field)
                } else {
                    let row = self.row(*target, relation.alias, &field.selection)?;
                    Ok(Json::One(Box::new(relation), row))
                }
            }
        }
    }

    /// A value for a column as a parameter.
    fn column_value(&mut self, column: &ModelColumn, value: &Value, path: &str) -> Result<Expr> {
        let source = match value {
            Value::Scalar(s) => Source::Scalar(s.clone()),
            Value::Enum(name) => Source::Constant(Literal::String(name.to_string())),
            Value::Null => {
                let ty = column.enumeration.as_ref().map_or(&*column.scalar.name, |e| &e.name);
                return Err(CompileError::invalid(
                    path,
                    format!("unexpected null value for type '{ty}'"),
                ));
            }
            Value::List(_) | Value::Object(_) => {
                return Err(CompileError::invalid(path, "expected a single value"));
            }
        };
        Ok(Expr::Param(self.scalar_param(source, &column.scalar)))
    }
}

fn is_json(cast: Option<&str>) -> bool {
    cast.is_some_and(|c| c.ends_with("\"json\"") || c.ends_with("\"jsonb\""))
}

/// All of them, without needless nesting.
fn conjunction(mut all: Vec<Expr>) -> Expr {
    all.retain(|e| *e != Expr::Bool(true));
    match all.len() {
        0 => Expr::Bool(true),
        1 => all.swap_remove(0),
        _ => Expr::And(all),
    }
}

/// Adds a condition.
fn and(filter: &mut Expr, more: Expr) {
    let old = std::mem::replace(filter, Expr::Bool(true));
    *filter = conjunction(vec![old, more]);
}

/// Adds a condition in front, where a reader of the SQL looks for a join.
fn and_first(filter: &mut Expr, more: Expr) {
    let old = std::mem::replace(filter, Expr::Bool(true));
    *filter = conjunction(vec![more, old]);
}
