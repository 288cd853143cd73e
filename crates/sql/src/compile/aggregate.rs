//! `T_aggregate`: aggregates and the rows they are made of.

use artesian_graphql::bind::{BoundField, Value};

use super::{Compiler, Result, order::aggregate_function};
use crate::{
    ir::{
        Aggregate, AggregateColumn, AggregateField, AggregatePart, Alias, Expr, Form, Json,
        Relation,
    },
    model::{ModelColumn, TableIndex},
};

impl Compiler<'_> {
    /// An object of aggregates over a relation.
    pub(super) fn aggregates(
        &mut self,
        mut relation: Relation,
        table: TableIndex,
        field: &BoundField,
    ) -> Result<Json> {
        // Sums need no order; rows that are shown or cut off do.
        let shows_rows = field.selection.iter().any(|f| &*f.name == "nodes");
        let cuts_rows = relation.limit.is_some()
            || relation.offset.is_some()
            || !relation.distinct_on.is_empty();
        if shows_rows || cuts_rows {
            self.make_order_total(&mut relation, table);
        }
        // A permission's limit is for rows that are shown; aggregates run over all that may be
        // seen.
        let max_rows = self.access(table, &field.path)?.limit();
        let alias = relation.alias;
        let mut parts = Vec::with_capacity(field.selection.len());
        for member in &field.selection {
            let part = match &*member.name {
                "nodes" => AggregatePart::Nodes {
                    row: self.row(table, alias, &member.selection)?,
                    max_rows,
                },
                "aggregate" => {
                    let fields = member
                        .selection
                        .iter()
                        .map(|f| Ok((f.key.to_string(), self.aggregate_field(table, alias, f)?)))
                        .collect::<Result<_>>()?;
                    AggregatePart::Fields(fields)
                }
                _ => AggregatePart::Text(member.parent.to_string()),
            };
            parts.push((member.key.to_string(), part));
        }
        Ok(Json::Aggregates(Box::new(relation), parts))
    }

    fn aggregate_field(
        &mut self,
        table: TableIndex,
        alias: Alias,
        field: &BoundField,
    ) -> Result<AggregateField> {
        let columns = &self.access(table, &field.path)?.table.columns;
        let find = |name: &str| columns.iter().find(|c| c.name == name);
        Ok(match &*field.name {
            "__typename" => AggregateField::Text(field.parent.to_string()),
            "count" => {
                let args: Vec<Expr> = match field.arg("columns") {
                    Some(Value::List(items)) => items
                        .iter()
                        .filter_map(|v| if let Value::Enum(n) = v { find(n) } else { None })
                        .map(|c| Expr::Column(alias, c.column.clone()))
                        .collect(),
                    _ => Vec::new(),
                };
                let distinct = match field.arg("distinct") {
                    Some(Value::Scalar(s)) => self.literal_bool(s)?,
                    _ => false,
                };
                AggregateField::One(Aggregate {
                    function: "count".to_owned(),
                    distinct: distinct && !args.is_empty(),
                    args,
                })
            }
            function => AggregateField::Group(
                field
                    .selection
                    .iter()
                    .map(|member| {
                        let value = match find(&member.name) {
                            Some(column) => AggregateColumn::Value(
                                Aggregate {
                                    function: aggregate_function(function, &column.scalar.base),
                                    distinct: false,
                                    args: vec![Expr::Column(alias, column.column.clone())],
                                },
                                self.aggregate_form(function, column),
                            ),
                            None => AggregateColumn::Text(member.parent.to_string()),
                        };
                        (member.key.to_string(), value)
                    })
                    .collect(),
            ),
        })
    }

    /// `min`, `max` and `sum` are values of the column's type; the rest are numbers, which are
    /// strings if the column's are (as in Hasura).
    fn aggregate_form(&self, function: &str, column: &ModelColumn) -> Form {
        match (function, self.form(&column.scalar)) {
            ("min" | "max" | "sum", form) => form,
            (_, Form::Text) => Form::Text,
            _ => Form::Plain,
        }
    }
}
