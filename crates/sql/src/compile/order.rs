//! `order_by` and `distinct_on`.

use artesian_graphql::bind::Value;

use super::{CompileError, Compiler, Result, and_first};
use crate::{
    ir::{Aggregate, Alias, Expr, From, Order, Relation},
    model::{Cardinality, ComputedResult, TableIndex},
};

impl Compiler<'_> {
    /// A list of `T_order_by`.
    pub(super) fn order_by(
        &mut self,
        table: TableIndex,
        alias: Alias,
        value: &Value,
        path: &str,
    ) -> Result<Vec<Order>> {
        let Value::List(items) = value else { return Ok(Vec::new()) };
        let mut out = Vec::new();
        for (i, item) in items.iter().enumerate() {
            self.order_item(table, alias, item, &format!("{path}[{i}]"), &mut out)?;
        }
        Ok(out)
    }

    fn order_item(
        &mut self,
        table: TableIndex,
        alias: Alias,
        value: &Value,
        path: &str,
        out: &mut Vec<Order>,
    ) -> Result<()> {
        let Value::Object(fields) = value else { return Ok(()) };
        for (name, value) in fields {
            if matches!(value, Value::Null) {
                continue;
            }
            let path = format!("{path}.{name}");
            let owner = self.access(table, &path)?.table;
            if let Some(column) = owner.columns.iter().find(|c| c.name == **name) {
                out.push(order(Expr::Column(alias, column.column.clone()), value));
                continue;
            }
            if let Some(computed) = owner.computed.iter().find(|c| {
                c.name == **name || name.strip_suffix("_aggregate") == Some(c.name.as_str())
            }) {
                let args = self.computed_call(computed, alias, None);
                let function = computed.function.name.clone();
                match &computed.returns {
                    ComputedResult::Scalar(_) => {
                        out.push(order(Expr::Call(function, args), value));
                    }
                    ComputedResult::Rows(target) => {
                        let mut rows = self.relation(*target, &path)?;
                        rows.from = From::Function(function, args);
                        self.order_aggregate(*target, &rows, value, &path, out)?;
                    }
                }
                continue;
            }
            let found = owner.relationships.iter().find(|r| {
                r.name == **name
                    || (r.cardinality == Cardinality::Many
                        && name.strip_suffix("_aggregate") == Some(r.name.as_str()))
            });
            let Some(relationship) = found else {
                return Err(CompileError::invalid(path, format!("field '{name}' not found")));
            };
            let target = relationship.target;
            let mut related = self.relation(target, &path)?;
            let join = Self::join(&relationship.mapping, alias, related.alias);
            and_first(&mut related.filter, join);
            if relationship.cardinality == Cardinality::Many {
                self.order_aggregate(target, &related, value, &path, out)?;
                continue;
            }
            let mut inner = Vec::new();
            self.order_item(target, related.alias, value, &path, &mut inner)?;
            out.extend(inner.into_iter().map(|o| Order {
                by: Expr::First(Box::new(related.clone()), Box::new(o.by)),
                ..o
            }));
        }
        Ok(())
    }

    /// `{count: desc, max: {id: asc}}` over related rows.
    fn order_aggregate(
        &mut self,
        target: TableIndex,
        related: &Relation,
        value: &Value,
        path: &str,
        out: &mut Vec<Order>,
    ) -> Result<()> {
        let Value::Object(functions) = value else { return Ok(()) };
        let columns = &self.access(target, path)?.table.columns;
        for (function, value) in functions {
            match value {
                Value::Enum(_) => {
                    let count =
                        Aggregate { function: "count".to_owned(), distinct: false, args: vec![] };
                    out.push(order(Expr::Aggregate(Box::new(related.clone()), count), value));
                }
                Value::Object(members) => {
                    for (name, value) in members {
                        let Some(column) = columns.iter().find(|c| c.name == **name) else {
                            continue;
                        };
                        if matches!(value, Value::Null) {
                            continue;
                        }
                        let aggregate = Aggregate {
                            function: aggregate_function(function, &column.scalar.base),
                            distinct: false,
                            args: vec![Expr::Column(related.alias, column.column.clone())],
                        };
                        out.push(order(
                            Expr::Aggregate(Box::new(related.clone()), aggregate),
                            value,
                        ));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `distinct_on`, which must agree with the beginning of `order_by`.
    pub(super) fn distinct_on(
        &mut self,
        relation: &mut Relation,
        table: TableIndex,
        value: &Value,
        path: &str,
    ) -> Result<()> {
        let Value::List(items) = value else { return Ok(()) };
        let columns = &self.access(table, path)?.table.columns;
        let mut on: Vec<Expr> = Vec::new();
        for item in items {
            let Value::Enum(name) = item else { continue };
            let Some(column) = columns.iter().find(|c| c.name == **name) else { continue };
            let column = Expr::Column(relation.alias, column.column.clone());
            if !on.contains(&column) {
                on.push(column);
            }
        }
        let leading = relation.order_by.iter().take(on.len());
        let mut seen: Vec<&Expr> = Vec::new();
        for order in leading {
            // A key that stands twice says nothing new.
            if seen.contains(&&order.by) {
                continue;
            }
            if !on.contains(&order.by) {
                return Err(CompileError::invalid(
                    format!("{path}.args"),
                    "\"distinct_on\" columns must match initial \"order_by\" columns",
                ));
            }
            seen.push(&order.by);
        }
        // Rows are sorted by the distinct columns first, which is what DISTINCT ON wants; where
        // order_by is shorter, all of it is among them.
        for column in &on {
            if !relation.order_by.iter().any(|o| o.by == *column) {
                relation.order_by.push(Order {
                    by: column.clone(),
                    descending: false,
                    nulls_first: None,
                });
            }
        }
        relation.distinct_on = on;
        Ok(())
    }
}

/// The name by which printers know an aggregate function on a type.
pub(super) fn aggregate_function(function: &str, base: &str) -> String {
    match (function, base) {
        ("min" | "max", "uuid") => format!("{function} uuid"),
        _ => function.to_owned(),
    }
}

fn order(by: Expr, direction: &Value) -> Order {
    let word = if let Value::Enum(name) = direction { &**name } else { "asc" };
    Order {
        by,
        descending: word.starts_with("desc"),
        nulls_first: match word {
            w if w.ends_with("_nulls_first") => Some(true),
            w if w.ends_with("_nulls_last") => Some(false),
            _ => None,
        },
    }
}
