//! Types of aggregates: `T_aggregate` and everything below it, ordering by aggregates, and
//! predicates on aggregates.

use artesian_graphql::{
    Name,
    schema::{Field, InputField, TypeKind, TypeRef},
};
use indexmap::IndexMap;

use super::Builder;
use crate::{
    access::Access,
    model::ModelColumn,
    types::{ScalarType, TypeClass},
};

/// Functions over numbers.
pub const NUMERIC_FUNCTIONS: [&str; 8] =
    ["avg", "stddev", "stddev_pop", "stddev_samp", "sum", "var_pop", "var_samp", "variance"];

/// Functions over everything that has an order.
pub const COMPARABLE_FUNCTIONS: [&str; 2] = ["max", "min"];

impl<'a> Builder<'a> {
    pub(super) fn aggregate_types(&mut self, access: Access<'a>) {
        let name = &access.table.name;
        let mut fields: IndexMap<Name, Field> = IndexMap::new();
        fields.insert(
            "aggregate".into(),
            Field::new(TypeRef::named(&format!("{name}_aggregate_fields"))),
        );
        if self.has_row_fields(access) {
            fields.insert("nodes".into(), Field::new(TypeRef::named(name).rows()));
        }
        let text = format!("aggregated selection of \"{}\"", access.table.table.name.name);
        self.schema.add(&format!("{name}_aggregate"), Some(&text), TypeKind::Object(fields));

        let mut fields: IndexMap<Name, Field> = IndexMap::new();
        let mut count = Field::new(TypeRef::named("Int").non_null());
        if access.columns().next().is_some() {
            let columns = TypeRef::named(&format!("{name}_select_column")).non_null().list();
            count = count
                .arg("columns", InputField::new(columns))
                .arg("distinct", InputField::new(TypeRef::named("Boolean")).fixed());
        }
        fields.insert("count".into(), count);
        let order = self.order_enum();
        let mut ordering: IndexMap<Name, InputField> = IndexMap::new();
        ordering.insert("count".into(), InputField::new(order.clone()));
        for function in NUMERIC_FUNCTIONS.into_iter().chain(COMPARABLE_FUNCTIONS) {
            let columns: Vec<&ModelColumn> =
                access.columns().filter(|c| applies(function, c)).collect();
            if columns.is_empty() {
                continue;
            }
            let mut members: IndexMap<Name, Field> = IndexMap::new();
            let mut orders: IndexMap<Name, InputField> = IndexMap::new();
            for column in columns {
                let ty = match (&column.enumeration, function) {
                    (Some(_), _) => TypeRef::named("String"),
                    (None, "max" | "min" | "sum") => {
                        self.schema.ensure_scalar(&column.scalar.name, column.scalar.kind);
                        column.scalar.output(true)
                    }
                    (None, _) => TypeRef::named("Float"),
                };
                let field = Field::new(ty).describe(column.description.as_deref());
                members.insert(column.name.as_str().into(), field);
                orders.insert(column.name.as_str().into(), InputField::new(order.clone()));
            }
            let text = format!("aggregate {function} on columns");
            let group = format!("{name}_{function}_fields");
            self.schema.add(&group, Some(&text), TypeKind::Object(members));
            fields.insert(function.into(), Field::new(TypeRef::named(&group)));
            let text = format!("order by {function}() on columns of table \"{name}\"");
            let orders_name = format!("{name}_{function}_order_by");
            self.schema.add(&orders_name, Some(&text), TypeKind::Input(orders));
            ordering.insert(function.into(), InputField::new(TypeRef::named(&orders_name)));
        }
        fields.sort_keys();
        ordering.sort_keys();
        let text = format!("aggregate fields of \"{}\"", access.table.table.name.name);
        self.schema.add(&format!("{name}_aggregate_fields"), Some(&text), TypeKind::Object(fields));
        let text =
            format!("order by aggregate values of table \"{}\"", access.table.table.name.name);
        self.schema.add(
            &format!("{name}_aggregate_order_by"),
            Some(&text),
            TypeKind::Input(ordering),
        );
        self.aggregate_bool_exp(access);
    }

    /// `T_aggregate_bool_exp`: predicates on aggregates of related rows.
    fn aggregate_bool_exp(&mut self, access: Access<'a>) {
        let name = access.table.name.clone();
        let filter = InputField::new(TypeRef::named(&format!("{name}_bool_exp")));
        let dialect = self.model.dialect;
        let mut fields: IndexMap<Name, InputField> = IndexMap::new();
        let mut count: IndexMap<Name, InputField> = IndexMap::new();
        if access.columns().next().is_some() {
            let columns = TypeRef::named(&format!("{name}_select_column")).non_null().list();
            count.insert("arguments".into(), InputField::new(columns));
        }
        count.insert("distinct".into(), InputField::new(TypeRef::named("Boolean")).fixed());
        count.insert("filter".into(), filter.clone());
        let int = self.comparison(&ScalarType::builtin(dialect, "int4"));
        count.insert("predicate".into(), InputField::new(int.non_null()));
        let ty = format!("{name}_aggregate_bool_exp_count");
        self.schema.add(&ty, None, TypeKind::Input(count));
        for (function, class, result) in [
            ("bool_and", TypeClass::Boolean, "bool"),
            ("bool_or", TypeClass::Boolean, "bool"),
            ("avg", TypeClass::Number, "float8"),
            ("max", TypeClass::Number, "float8"),
            ("min", TypeClass::Number, "float8"),
            ("stddev_samp", TypeClass::Number, "float8"),
            ("sum", TypeClass::Number, "float8"),
            ("var_samp", TypeClass::Number, "float8"),
        ] {
            let columns: IndexMap<Name, Option<Name>> = access
                .columns()
                // Over numbers these exist for double precision, as in Hasura.
                .filter(|c| {
                    c.scalar.class == class
                        && c.enumeration.is_none()
                        && (class == TypeClass::Boolean || c.scalar.base == "float8")
                })
                .map(|c| (c.name.as_str().into(), Some("column name".into())))
                .collect();
            if columns.is_empty() {
                continue;
            }
            let exp = format!("{name}_aggregate_bool_exp_{function}");
            let columns_type = format!("{name}_select_column_{exp}_arguments_columns");
            self.schema.add(&columns_type, None, TypeKind::Enum(columns));
            let predicate = self.comparison(&ScalarType::builtin(dialect, result));
            let mut inputs: IndexMap<Name, InputField> = IndexMap::new();
            inputs.insert(
                "arguments".into(),
                InputField::new(TypeRef::named(&columns_type).non_null()),
            );
            inputs.insert("distinct".into(), InputField::new(TypeRef::named("Boolean")).fixed());
            inputs.insert("filter".into(), filter.clone());
            inputs.insert("predicate".into(), InputField::new(predicate.non_null()));
            self.schema.add(&exp, None, TypeKind::Input(inputs));
            fields.insert(function.into(), InputField::new(TypeRef::named(&exp)));
        }
        fields.insert("count".into(), InputField::new(TypeRef::named(&ty)));
        fields.sort_keys();
        self.schema.add(&format!("{name}_aggregate_bool_exp"), None, TypeKind::Input(fields));
    }
}

/// Whether an aggregate function is offered for a column.
fn applies(function: &str, column: &ModelColumn) -> bool {
    if COMPARABLE_FUNCTIONS.contains(&function) {
        column.scalar.orderable
    } else {
        column.enumeration.is_none() && column.scalar.is_number()
    }
}
