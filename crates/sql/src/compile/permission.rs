//! Permission filters: the boolean expressions of metadata.

use serde_json::Value as Literal;

use super::{CompileError, Compiler, Result, and, and_first, conjunction};
use crate::{
    ir::{Alias, Expr, From, Relation},
    metadata::NameRef,
    model::{ComputedResult, TableIndex},
    params::Source,
    types::ScalarType,
};

/// A wrong filter, in words.
type Wrong = String;

/// Scopes of a filter: the table it is of and the row it is at.
#[derive(Clone, Copy)]
struct Scope {
    table: TableIndex,
    alias: Alias,
}

impl Compiler<'_> {
    /// The filter that the role's permission puts on a table.
    pub(super) fn permission_filter(&mut self, table: TableIndex, alias: Alias) -> Result<Expr> {
        let Some(access) = self.schema.access(table) else { return Ok(Expr::Bool(false)) };
        let Some(permission) = access.permission else { return Ok(Expr::Bool(true)) };
        let scope = Scope { table, alias };
        self.expression(scope, scope, &permission.filter).map_err(|why| CompileError::Permission {
            role: self.schema.role.clone(),
            table: access.table.table.name.to_string(),
            why,
        })
    }

    fn expression(
        &mut self,
        root: Scope,
        at: Scope,
        json: &Literal,
    ) -> std::result::Result<Expr, Wrong> {
        let fields = match json {
            Literal::Null => return Ok(Expr::Bool(true)),
            Literal::Object(fields) => fields,
            other => return Err(format!("expected an object, found {other}")),
        };
        let mut all = Vec::with_capacity(fields.len());
        for (key, value) in fields {
            all.push(self.term(root, at, key, value)?);
        }
        Ok(conjunction(all))
    }

    fn term(
        &mut self,
        root: Scope,
        at: Scope,
        key: &str,
        value: &Literal,
    ) -> std::result::Result<Expr, Wrong> {
        match (key.trim_start_matches(['$', '_']), key.starts_with(['$', '_'])) {
            (word @ ("and" | "or"), true) => {
                let Literal::Array(items) = value else {
                    return Err(format!("{key} takes a list"));
                };
                let all = items
                    .iter()
                    .map(|v| self.expression(root, at, v))
                    .collect::<std::result::Result<Vec<_>, _>>()?;
                return Ok(if word == "and" { conjunction(all) } else { Expr::Or(all) });
            }
            ("not", true) => {
                return Ok(Expr::Not(Box::new(self.expression(root, at, value)?)));
            }
            ("exists", true) => {
                let table: NameRef = value
                    .get("_table")
                    .or_else(|| value.get("$table"))
                    .cloned()
                    .and_then(|t| serde_json::from_value(t).ok())
                    .ok_or("_exists needs a _table")?;
                let own_schema = &self.schema.model.tables[at.table].table.name.schema;
                let name = table.qualify(own_schema);
                let index = self
                    .schema
                    .model
                    .index(&name)
                    .ok_or_else(|| format!("table {name} of _exists is not tracked"))?;
                let empty = Literal::Null;
                let filter = value.get("_where").or_else(|| value.get("$where")).unwrap_or(&empty);
                let relation = self.plain_relation(index);
                let inner = Scope { table: index, alias: relation.alias };
                let mut relation = relation;
                relation.filter = self.expression(inner, inner, filter)?;
                return Ok(Expr::Exists(Box::new(relation)));
            }
            _ => {}
        }
        let model = &self.schema.model;
        let owner = &model.tables[at.table];
        // Metadata names columns as the database does.
        if let Some(column) = owner.columns.iter().find(|c| c.column == key) {
            let left = Expr::Column(at.alias, column.column.clone());
            return self.column_term(root, at, &left, &column.scalar, value);
        }
        if let Some(relationship) = owner.relationships.iter().find(|r| r.name == key) {
            let mut relation = self.plain_relation(relationship.target);
            let join = Self::join(&relationship.mapping, at.alias, relation.alias);
            let inner = Scope { table: relationship.target, alias: relation.alias };
            let filter = self.expression(root, inner, value)?;
            and_first(&mut relation.filter, join);
            and(&mut relation.filter, filter);
            return Ok(Expr::Exists(Box::new(relation)));
        }
        if let Some(computed) = owner.computed.iter().find(|c| c.name == key) {
            let args = self.computed_call(computed, at.alias, None);
            let function = computed.function.name.clone();
            return match &computed.returns {
                ComputedResult::Scalar(ty) => {
                    self.column_term(root, at, &Expr::Call(function, args), ty, value)
                }
                ComputedResult::Rows(target) => {
                    let mut rows = self.plain_relation(*target);
                    rows.from = From::Function(function, args);
                    let inner = Scope { table: *target, alias: rows.alias };
                    rows.filter = self.expression(root, inner, value)?;
                    Ok(Expr::Exists(Box::new(rows)))
                }
            };
        }
        Err(format!("{} has no column or relationship \"{key}\"", owner.table.name))
    }

    /// A relation without the permission of its own table: filters see all rows.
    fn plain_relation(&mut self, table: TableIndex) -> Relation {
        let name = self.schema.model.tables[table].table.name.clone();
        self.reads.insert(name.clone());
        let alias = self.alias();
        Relation::table(name, alias)
    }

    fn column_term(
        &mut self,
        root: Scope,
        at: Scope,
        left: &Expr,
        ty: &ScalarType,
        value: &Literal,
    ) -> std::result::Result<Expr, Wrong> {
        let operations = match value {
            Literal::Object(operations) if operations.keys().all(|k| k.starts_with(['_', '$'])) => {
                operations
            }
            // Shorthand for _eq.
            value => return self.operator_term(root, at, left, ty, "_eq", value),
        };
        let mut all = Vec::with_capacity(operations.len());
        for (operator, operand) in operations {
            let name = format!("_{}", operator.trim_start_matches(['$', '_']));
            all.push(self.operator_term(root, at, left, ty, &name, operand)?);
        }
        Ok(conjunction(all))
    }

    fn operator_term(
        &mut self,
        root: Scope,
        at: Scope,
        left: &Expr,
        ty: &ScalarType,
        operator: &str,
        operand: &Literal,
    ) -> std::result::Result<Expr, Wrong> {
        let operator = match operator {
            "_ne" => "_neq",
            "_is_null" | "_isnull" => "_is_null",
            other => other,
        };
        if let Some(op) = Self::column_operator(operator) {
            let (scope, column) = match operand {
                Literal::String(column) => (at, column),
                Literal::Array(parts) => match parts.as_slice() {
                    [Literal::String(column)] => (at, column),
                    [Literal::String(dollar), Literal::String(column)] if dollar == "$" => {
                        (root, column)
                    }
                    _ => return Err(format!("{operator} takes a column")),
                },
                _ => return Err(format!("{operator} takes a column")),
            };
            let table = &self.schema.model.tables[scope.table];
            if table.table.column(column).is_none() {
                return Err(format!("{} has no column \"{column}\"", table.table.name));
            }
            let right = Expr::Column(scope.alias, column.clone());
            return Ok(Expr::Binary(op, Box::new(left.clone()), Box::new(right)));
        }
        let source = source(operand);
        match operator {
            "_is_null" => match operand {
                Literal::Bool(b) => Ok(Expr::IsNull(Box::new(left.clone()), *b)),
                _ => {
                    let bool_type = ScalarType::builtin(self.dialect, "bool");
                    let param = self.scalar_param(source, &bool_type);
                    Ok(Expr::IsNullParam(Box::new(left.clone()), param))
                }
            },
            "_in" | "_nin" => {
                let negated = operator == "_nin";
                // A list with session variables in it is a disjunction.
                if let Literal::Array(items) = operand
                    && items.iter().any(|i| session_variable(i).is_some())
                {
                    let mut any = Vec::new();
                    for item in items {
                        any.push(self.operator_term(root, at, left, ty, "_eq", item)?);
                    }
                    let any = Expr::Or(any);
                    return Ok(if negated { Expr::Not(Box::new(any)) } else { any });
                }
                let (list, cast) = self.list_param(source, ty);
                Ok(Expr::In { value: Box::new(left.clone()), list, negated, cast })
            }
            operator => self
                .binary(left, ty, operator, source)
                .ok_or_else(|| format!("operator {operator} is not known for type {}", ty.name)),
        }
    }
}

/// The session variable that a string names, in lower case.
fn session_variable(value: &Literal) -> Option<String> {
    let name = value.as_str()?.to_ascii_lowercase();
    name.starts_with("x-hasura-").then_some(name)
}

fn source(operand: &Literal) -> Source {
    match session_variable(operand) {
        Some(name) => Source::Session(name),
        None => Source::Constant(operand.clone()),
    }
}
