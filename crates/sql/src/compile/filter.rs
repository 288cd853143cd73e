//! `where`: boolean expressions over columns, relationships, aggregates and computed fields.

use artesian_graphql::{
    Name,
    bind::{Scalar, ScalarSource, Value},
};
use serde_json::Value as Literal;

use super::{CompileError, Compiler, Result, and, and_first, conjunction};
use crate::{
    catalog::Dialect,
    ir::{Aggregate, Alias, Expr, From, Operator},
    model::{Cardinality, ComputedResult, EnumTable, Relationship, TableIndex},
    params::{Codec, Source},
    schema::operators,
    types::{ScalarType, TypeClass},
};

impl Compiler<'_> {
    /// A `T_bool_exp`.
    pub(super) fn bool_exp(
        &mut self,
        table: TableIndex,
        alias: Alias,
        value: &Value,
        path: &str,
    ) -> Result<Expr> {
        let Value::Object(fields) = value else { return Ok(Expr::Bool(true)) };
        let mut all = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let path = format!("{path}.{name}");
            if let Some(e) = self.bool_field(table, alias, name, value, &path)? {
                all.push(e);
            }
        }
        Ok(conjunction(all))
    }

    fn bool_field(
        &mut self,
        table: TableIndex,
        alias: Alias,
        name: &str,
        value: &Value,
        path: &str,
    ) -> Result<Option<Expr>> {
        if matches!(value, Value::Null) {
            // A null condition is no condition.
            return Ok(None);
        }
        match (name, value) {
            ("_and" | "_or", Value::List(items)) => {
                let all = items
                    .iter()
                    .enumerate()
                    .map(|(i, v)| self.bool_exp(table, alias, v, &format!("{path}[{i}]")))
                    .collect::<Result<Vec<_>>>()?;
                return Ok(Some(if name == "_and" { conjunction(all) } else { Expr::Or(all) }));
            }
            ("_not", value) => {
                let inner = self.bool_exp(table, alias, value, path)?;
                return Ok(Some(Expr::Not(Box::new(inner))));
            }
            _ => {}
        }
        let owner = self.access(table, path)?.table;
        if let Some(column) = owner.columns.iter().find(|c| c.name == name) {
            let left = Expr::Column(alias, column.column.clone());
            let e =
                self.comparison(&left, &column.scalar, column.enumeration.as_deref(), value, path)?;
            return Ok(Some(e));
        }
        for relationship in &owner.relationships {
            if relationship.name == name {
                let mut related = self.relation(relationship.target, path)?;
                let join = Self::join(&relationship.mapping, alias, related.alias);
                and_first(&mut related.filter, join);
                let inner = self.bool_exp(relationship.target, related.alias, value, path)?;
                and(&mut related.filter, inner);
                return Ok(Some(Expr::Exists(Box::new(related))));
            }
            if relationship.cardinality == Cardinality::Many
                && name.strip_suffix("_aggregate") == Some(relationship.name.as_str())
            {
                return self.aggregate_bool_exp(relationship, alias, value, path).map(Some);
            }
        }
        if let Some(computed) = owner.computed.iter().find(|c| c.name == name) {
            let args = self.computed_call(computed, alias, None);
            let function = computed.function.name.clone();
            return match &computed.returns {
                ComputedResult::Scalar(ty) => {
                    let left = Expr::Call(function, args);
                    self.comparison(&left, ty, None, value, path).map(Some)
                }
                ComputedResult::Rows(target) => {
                    let mut rows = self.relation(*target, path)?;
                    rows.from = From::Function(function, args);
                    let inner = self.bool_exp(*target, rows.alias, value, path)?;
                    and(&mut rows.filter, inner);
                    Ok(Some(Expr::Exists(Box::new(rows))))
                }
            };
        }
        Err(CompileError::invalid(path, format!("field '{name}' not found")))
    }

    /// A `…_comparison_exp` on an expression.
    pub(super) fn comparison(
        &mut self,
        left: &Expr,
        ty: &ScalarType,
        enumeration: Option<&EnumTable>,
        value: &Value,
        path: &str,
    ) -> Result<Expr> {
        let Value::Object(operations) = value else { return Ok(Expr::Bool(true)) };
        let mut all = Vec::with_capacity(operations.len());
        for (name, operand) in operations {
            let path = format!("{path}.{name}");
            all.push(self.operation(left, ty, enumeration, name, operand, &path)?);
        }
        Ok(conjunction(all))
    }

    fn operation(
        &mut self,
        left: &Expr,
        ty: &ScalarType,
        enumeration: Option<&EnumTable>,
        name: &Name,
        operand: &Value,
        path: &str,
    ) -> Result<Expr> {
        let boxed = || Box::new(left.clone());
        let type_name = enumeration.map_or(&*ty.name, |e| &e.name);
        match (&**name, operand) {
            ("_cast", Value::Object(casts)) => {
                let text = ScalarType::builtin(self.dialect, "text");
                let cast = Expr::Cast(boxed(), text.cast.clone());
                let mut all = Vec::new();
                for (to, inner) in casts {
                    let path = format!("{path}.{to}");
                    all.push(self.comparison(&cast, &text, None, inner, &path)?);
                }
                Ok(conjunction(all))
            }
            ("_cast", Value::Null) => Ok(Expr::Bool(true)),
            (_, Value::Null) => Err(CompileError::invalid(
                path,
                format!("unexpected null value for type '{type_name}'"),
            )),
            ("_is_null", Value::Scalar(s)) => Ok(match &s.source {
                ScalarSource::Literal(Literal::Bool(b)) => Expr::IsNull(boxed(), *b),
                _ => {
                    let param = self.builtin_param(s, "bool");
                    Expr::IsNullParam(boxed(), param)
                }
            }),
            ("_in" | "_nin", operand) => {
                let source = match operand {
                    Value::Scalar(s) => Source::Scalar(s.clone()),
                    Value::List(items) => Source::Constant(
                        items
                            .iter()
                            .map(|v| match v {
                                Value::Enum(name) => Literal::String(name.to_string()),
                                _ => Literal::Null,
                            })
                            .collect(),
                    ),
                    _ => return Err(CompileError::invalid(path, "expected a list")),
                };
                let (list, cast) = self.list_param(source, ty);
                let negated = &**name == "_nin";
                Ok(Expr::In { value: boxed(), list, negated, cast })
            }
            (name, operand) => {
                let source = match operand {
                    Value::Scalar(s) => Source::Scalar(s.clone()),
                    Value::Enum(v) => Source::Constant(Literal::String(v.to_string())),
                    _ => return Err(CompileError::invalid(path, "expected a value")),
                };
                self.binary(left, ty, name, source)
                    .ok_or_else(|| CompileError::invalid(path, format!("field '{name}' not found")))
            }
        }
    }

    /// An operator of a comparison with its operand; `None` if the class has no such operator.
    pub(super) fn binary(
        &mut self,
        left: &Expr,
        ty: &ScalarType,
        name: &str,
        source: Source,
    ) -> Option<Expr> {
        use crate::schema::Operand;
        let (_, operator, operand) =
            operators(ty.class).into_iter().find(|(op, ..)| *op == name)?;
        let param = match operand {
            Operand::Same => self.scalar_param(source, ty),
            Operand::Other(other) => {
                let other = self.sibling_type(ty, other);
                self.scalar_param(source, &other)
            }
            Operand::ArrayOf(other) => {
                let other = self.sibling_type(ty, other);
                match self.dialect {
                    Dialect::Sqlite => self.param(source, Codec::Array, "TEXT"),
                    Dialect::Postgres => {
                        self.param(source, Codec::Array, &format!("{}[]", other.cast))
                    }
                }
            }
        };
        Some(Expr::Binary(operator, Box::new(left.clone()), Box::new(Expr::Param(param))))
    }

    /// A type that comes with another one: `lquery` is in the schema that `ltree` is in.
    fn sibling_type(&self, ty: &ScalarType, name: &str) -> ScalarType {
        let mut sibling = ScalarType::builtin(self.dialect, name);
        if ty.class == TypeClass::Ltree {
            sibling.cast = ty.cast.replace("\"ltree\"", &format!("\"{name}\""));
        }
        sibling
    }

    /// A predicate on an aggregate of related rows.
    fn aggregate_bool_exp(
        &mut self,
        relationship: &Relationship,
        alias: Alias,
        value: &Value,
        path: &str,
    ) -> Result<Expr> {
        let Value::Object(functions) = value else { return Ok(Expr::Bool(true)) };
        let target = relationship.target;
        let mut all = Vec::new();
        for (function, value) in functions {
            let path = format!("{path}.{function}");
            let Value::Object(parts) = value else { continue };
            let part = |name: &str| {
                parts
                    .iter()
                    .find(|(n, _)| &**n == name)
                    .map(|(_, v)| v)
                    .filter(|v| **v != Value::Null)
            };
            let mut related = self.relation(target, &path)?;
            let join = Self::join(&relationship.mapping, alias, related.alias);
            and_first(&mut related.filter, join);
            if let Some(filter) = part("filter") {
                let inner =
                    self.bool_exp(target, related.alias, filter, &format!("{path}.filter"))?;
                and(&mut related.filter, inner);
            }
            let names: Vec<&Name> = match part("arguments") {
                Some(Value::Enum(name)) => vec![name],
                Some(Value::List(items)) => items
                    .iter()
                    .filter_map(|v| if let Value::Enum(n) = v { Some(n) } else { None })
                    .collect(),
                _ => Vec::new(),
            };
            let columns = &self.access(target, &path)?.table.columns;
            let args: Vec<Expr> = names
                .iter()
                .filter_map(|n| columns.iter().find(|c| c.name == ***n))
                .map(|c| Expr::Column(related.alias, c.column.clone()))
                .collect();
            let distinct = match part("distinct") {
                Some(Value::Scalar(s)) => self.literal_bool(s)?,
                _ => false,
            };
            let result = match &**function {
                "count" => "int4",
                "bool_and" | "bool_or" => "bool",
                _ => "float8",
            };
            let aggregate = Aggregate {
                function: function.to_string(),
                distinct: distinct && !args.is_empty(),
                args,
            };
            let left = Expr::Aggregate(Box::new(related), aggregate);
            let ty = ScalarType::builtin(self.dialect, result);
            if let Some(predicate) = part("predicate") {
                let path = format!("{path}.predicate");
                all.push(self.comparison(&left, &ty, None, predicate, &path)?);
            }
        }
        Ok(conjunction(all))
    }

    /// A truth value that shapes the statement, so that it cannot be a variable's.
    pub(super) fn literal_bool(&self, scalar: &Scalar) -> Result<bool> {
        match &scalar.source {
            ScalarSource::Literal(Literal::Bool(b)) => Ok(*b),
            _ => Err(CompileError::invalid(
                &*scalar.path,
                "this argument must be written in the document, not in a variable",
            )),
        }
    }

    /// The column operator of a name in metadata: `_ceq`, `_cgt`, ….
    pub(super) fn column_operator(name: &str) -> Option<Operator> {
        Some(match name {
            "_ceq" => Operator::Eq,
            "_cne" | "_cneq" => Operator::Neq,
            "_cgt" => Operator::Gt,
            "_clt" => Operator::Lt,
            "_cgte" => Operator::Gte,
            "_clte" => Operator::Lte,
            _ => return None,
        })
    }
}
