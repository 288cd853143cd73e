//! Input objects of a table: `T_bool_exp`, `T_order_by`, `T_select_column`, arguments of computed
//! fields.

use artesian_graphql::{
    Name,
    schema::{InputField, TypeKind, TypeRef},
};
use indexmap::IndexMap;

use super::Builder;
use crate::{
    access::Access,
    model::{Cardinality, ComputedField, ComputedResult},
    types::ScalarType,
};

/// Values of the `order_by` enum with their descriptions.
const ORDERS: [(&str, &str); 6] = [
    ("asc", "in ascending order, nulls last"),
    ("asc_nulls_first", "in ascending order, nulls first"),
    ("asc_nulls_last", "in ascending order, nulls last"),
    ("desc", "in descending order, nulls first"),
    ("desc_nulls_first", "in descending order, nulls first"),
    ("desc_nulls_last", "in descending order, nulls last"),
];

impl<'a> Builder<'a> {
    pub(super) fn bool_exp(&mut self, access: Access<'a>) {
        let table = access.table;
        let name = format!("{}_bool_exp", table.name);
        let own = TypeRef::named(&name);
        let mut fields: IndexMap<Name, InputField> = IndexMap::new();
        fields.insert("_and".into(), InputField::new(own.clone().non_null().list()));
        fields.insert("_not".into(), InputField::new(own.clone()));
        fields.insert("_or".into(), InputField::new(own.non_null().list()));
        let mut rest: IndexMap<Name, InputField> = IndexMap::new();
        for column in access.columns() {
            let ty = match &column.enumeration {
                Some(e) => self.enum_comparison(&e.name),
                None => self.comparison(&column.scalar),
            };
            rest.insert(column.name.as_str().into(), InputField::new(ty));
        }
        for relationship in &table.relationships {
            let Some(target) = self.access(relationship.target) else { continue };
            let target_name = &target.table.name;
            rest.insert(
                relationship.name.as_str().into(),
                InputField::new(TypeRef::named(&format!("{target_name}_bool_exp"))),
            );
            if relationship.cardinality == Cardinality::Many && target.aggregates() {
                let ty = TypeRef::named(&format!("{target_name}_aggregate_bool_exp"));
                rest.insert(format!("{}_aggregate", relationship.name).into(), InputField::new(ty));
            }
        }
        for computed in access.computed(self.model, self.role) {
            // Only fields without arguments of their own can be compared.
            if self.has_user_args(computed) {
                continue;
            }
            let ty = match &computed.returns {
                ComputedResult::Scalar(scalar) => self.comparison(scalar),
                ComputedResult::Rows(target) => match self.access(*target) {
                    Some(t) => TypeRef::named(&format!("{}_bool_exp", t.table.name)),
                    None => continue,
                },
            };
            rest.insert(computed.name.as_str().into(), InputField::new(ty));
        }
        rest.sort_keys();
        fields.extend(rest);
        let text = format!(
            "Boolean expression to filter rows from the table \"{}\". All fields are combined with \
             a logical 'AND'.",
            table.table.name.name
        );
        self.schema.add(&name, Some(&text), TypeKind::Input(fields));
    }

    pub(super) fn order_by(&mut self, access: Access<'a>) {
        if !self.has_row_fields(access) {
            return;
        }
        let order = self.order_enum();
        let mut fields: IndexMap<Name, InputField> = IndexMap::new();
        for column in access.columns() {
            fields.insert(column.name.as_str().into(), InputField::new(order.clone()));
        }
        for relationship in &access.table.relationships {
            let Some(target) = self.access(relationship.target) else { continue };
            let name = &target.table.name;
            match relationship.cardinality {
                Cardinality::One if self.has_row_fields(target) => {
                    fields.insert(
                        relationship.name.as_str().into(),
                        InputField::new(TypeRef::named(&format!("{name}_order_by"))),
                    );
                }
                Cardinality::Many if target.aggregates() => {
                    fields.insert(
                        format!("{}_aggregate", relationship.name).into(),
                        InputField::new(TypeRef::named(&format!("{name}_aggregate_order_by"))),
                    );
                }
                _ => {}
            }
        }
        for computed in access.computed(self.model, self.role) {
            if self.has_user_args(computed) {
                continue;
            }
            let ty = match &computed.returns {
                ComputedResult::Scalar(_) => order.clone(),
                ComputedResult::Rows(target) => match self.access(*target) {
                    Some(t) if computed.function.returns_set && t.aggregates() => {
                        let ty = TypeRef::named(&format!("{}_aggregate_order_by", t.table.name));
                        fields.insert(
                            format!("{}_aggregate", computed.name).into(),
                            InputField::new(ty),
                        );
                        continue;
                    }
                    _ => continue,
                },
            };
            fields.insert(computed.name.as_str().into(), InputField::new(ty));
        }
        fields.sort_keys();
        let text = format!("Ordering options when selecting data from \"{}\".", access.table.name);
        let name = format!("{}_order_by", access.table.name);
        self.schema.add(&name, Some(&text), TypeKind::Input(fields));
    }

    /// The `order_by` enum.
    pub(super) fn order_enum(&mut self) -> TypeRef {
        if self.schema.get("order_by").is_none() {
            let values = ORDERS.iter().map(|(v, d)| ((*v).into(), Some((*d).into()))).collect();
            self.schema.add("order_by", Some("column ordering options"), TypeKind::Enum(values));
        }
        TypeRef::named("order_by")
    }

    pub(super) fn select_column(&mut self, access: Access<'a>) {
        let values: IndexMap<Name, Option<Name>> = access
            .columns()
            .map(|c| (c.name.as_str().into(), Some("column name".into())))
            .collect();
        if !values.is_empty() {
            let text = format!("select columns of table \"{}\"", access.table.table.name.name);
            let name = format!("{}_select_column", access.table.name);
            self.schema.add(&name, Some(&text), TypeKind::Enum(values));
        }
    }

    /// Whether a computed field has arguments that clients give.
    pub(super) fn has_user_args(&self, computed: &ComputedField) -> bool {
        computed
            .function
            .args
            .iter()
            .enumerate()
            .any(|(i, _)| i != computed.table_argument && Some(i) != computed.session_argument)
    }

    /// The input type of a computed field's arguments, if clients give any.
    pub(super) fn computed_args(
        &mut self,
        access: Access<'a>,
        computed: &ComputedField,
    ) -> Option<TypeRef> {
        if !self.has_user_args(computed) {
            return None;
        }
        let mut fields: IndexMap<Name, InputField> = IndexMap::new();
        let mut required = false;
        for (i, arg) in computed.function.args.iter().enumerate() {
            if i == computed.table_argument || Some(i) == computed.session_argument {
                continue;
            }
            let scalar = ScalarType::of(self.model.dialect, &arg.ty);
            self.schema.ensure_scalar(&scalar.name, scalar.kind);
            let name = arg.name.clone().unwrap_or_else(|| format!("arg_{}", i + 1));
            required |= !arg.has_default;
            fields.insert(name.into(), InputField::new(scalar.output(true)));
        }
        let name = format!("{}_{}_args", computed.name, access.table.name);
        self.schema.add(&name, None, TypeKind::Input(fields));
        let ty = TypeRef::named(&name);
        Some(if required { ty.non_null() } else { ty })
    }
}
