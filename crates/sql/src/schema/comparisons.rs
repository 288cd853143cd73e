//! Input objects that compare scalars: `String_comparison_exp` and its kin.

use artesian_graphql::{
    scalar::ScalarKind,
    schema::{InputField, TypeKind, TypeRef},
};
use indexmap::IndexMap;

use super::Builder;
use crate::{
    catalog::Dialect,
    ir::Operator,
    types::{ScalarType, TypeClass},
};

/// What the operand of an operator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A value of the column's type.
    Same,
    /// A value of another built-in type (its name in the catalog).
    Other(&'static str),
    /// An array of another built-in type.
    ArrayOf(&'static str),
}

/// Operators between a column of a class and one operand, besides `_in`, `_nin`, `_is_null` and
/// `_cast`.
pub fn operators(class: TypeClass) -> Vec<(&'static str, Operator, Operand)> {
    let mut out = vec![
        ("_eq", Operator::Eq, Operand::Same),
        ("_gt", Operator::Gt, Operand::Same),
        ("_gte", Operator::Gte, Operand::Same),
        ("_lt", Operator::Lt, Operand::Same),
        ("_lte", Operator::Lte, Operand::Same),
        ("_neq", Operator::Neq, Operand::Same),
    ];
    match class {
        TypeClass::Text => out.extend([
            ("_ilike", Operator::Ilike, Operand::Same),
            ("_iregex", Operator::Iregex, Operand::Same),
            ("_like", Operator::Like, Operand::Same),
            ("_nilike", Operator::Nilike, Operand::Same),
            ("_niregex", Operator::Niregex, Operand::Same),
            ("_nlike", Operator::Nlike, Operand::Same),
            ("_nregex", Operator::Nregex, Operand::Same),
            ("_nsimilar", Operator::Nsimilar, Operand::Same),
            ("_regex", Operator::Regex, Operand::Same),
            ("_similar", Operator::Similar, Operand::Same),
        ]),
        TypeClass::Jsonb => out.extend([
            ("_contained_in", Operator::ContainedIn, Operand::Same),
            ("_contains", Operator::Contains, Operand::Same),
            ("_has_key", Operator::HasKey, Operand::Other("text")),
            ("_has_keys_all", Operator::HasKeysAll, Operand::ArrayOf("text")),
            ("_has_keys_any", Operator::HasKeysAny, Operand::ArrayOf("text")),
        ]),
        TypeClass::Array => out.extend([
            ("_contained_in", Operator::ContainedIn, Operand::Same),
            ("_contains", Operator::Contains, Operand::Same),
        ]),
        TypeClass::Ltree => out.extend([
            ("_ancestor", Operator::Ancestor, Operand::Same),
            ("_ancestor_any", Operator::AncestorAny, Operand::ArrayOf("ltree")),
            ("_descendant", Operator::Descendant, Operand::Same),
            ("_descendant_any", Operator::DescendantAny, Operand::ArrayOf("ltree")),
            ("_matches", Operator::Matches, Operand::Other("lquery")),
            ("_matches_any", Operator::MatchesAny, Operand::ArrayOf("lquery")),
            ("_matches_fulltext", Operator::MatchesFulltext, Operand::Other("ltxtquery")),
        ]),
        // `json` has no equality in PostgreSQL.
        TypeClass::Json => return Vec::new(),
        TypeClass::EnumTable => {
            out.retain(|(name, ..)| matches!(*name, "_eq" | "_neq"));
        }
        TypeClass::Boolean | TypeClass::Number | TypeClass::Other => {}
    }
    out
}

impl Builder<'_> {
    /// The comparison type of a scalar; made when it is first wanted.
    pub(super) fn comparison(&mut self, scalar: &ScalarType) -> TypeRef {
        let name = scalar.comparison();
        if self.schema.get(&name).is_some() {
            return TypeRef::named(&name);
        }
        self.schema.ensure_scalar(&scalar.name, scalar.kind);
        // Reserved first: the type of a cast may refer back to it.
        self.schema.add(&name, None, TypeKind::Input(IndexMap::new()));
        let check = scalar.own_check(self.model.dialect);
        let own = scalar.output(true);
        let mut fields: IndexMap<artesian_graphql::Name, InputField> = IndexMap::new();
        for (op, _, operand) in operators(scalar.class) {
            let ty = match operand {
                Operand::Same => own.clone(),
                Operand::Other(ty) => self.builtin(ty),
                Operand::ArrayOf(ty) => self.builtin(ty).non_null().list(),
            };
            fields.insert(op.into(), InputField { check, ..InputField::new(ty) });
        }
        if scalar.class != TypeClass::Json {
            let list = scalar.output(false).list();
            let list = InputField { check, ..InputField::new(list) };
            fields.insert("_in".into(), list.clone());
            fields.insert("_nin".into(), list);
        }
        fields.insert("_is_null".into(), InputField::new(TypeRef::named("Boolean")));
        if scalar.class == TypeClass::Jsonb && self.model.dialect == Dialect::Postgres {
            let text = self.comparison(&ScalarType::builtin(self.model.dialect, "text"));
            let mut casts = IndexMap::new();
            casts.insert("String".into(), InputField::new(text));
            self.schema.add("jsonb_cast_exp", None, TypeKind::Input(casts));
            fields.insert("_cast".into(), InputField::new(TypeRef::named("jsonb_cast_exp")));
        }
        fields.sort_keys();
        let text = format!(
            "Boolean expression to compare columns of type \"{}\". All fields are combined with \
             logical 'AND'.",
            scalar.name
        );
        self.schema.add(&name, Some(&text), TypeKind::Input(fields));
        TypeRef::named(&name)
    }

    /// The comparison type of an enum table.
    pub(super) fn enum_comparison(&mut self, enumeration: &str) -> TypeRef {
        let name = format!("{enumeration}_comparison_exp");
        if self.schema.get(&name).is_none() {
            let one = TypeRef::named(enumeration);
            let list = one.clone().non_null().list();
            let mut fields = IndexMap::new();
            for (op, ty) in [
                ("_eq", one.clone()),
                ("_in", list.clone()),
                ("_is_null", TypeRef::named("Boolean")),
                ("_neq", one),
                ("_nin", list),
            ] {
                fields.insert(op.into(), InputField::new(ty));
            }
            let text = format!(
                "Boolean expression to compare columns of type \"{enumeration}\". All fields are \
                 combined with logical 'AND'."
            );
            self.schema.add(&name, Some(&text), TypeKind::Input(fields));
        }
        TypeRef::named(&name)
    }

    fn builtin(&mut self, ty: &str) -> TypeRef {
        let scalar = ScalarType::builtin(self.model.dialect, ty);
        let kind = if ty == "text" { ScalarKind::String } else { ScalarKind::Text };
        self.schema.ensure_scalar(&scalar.name, kind);
        TypeRef::Named(scalar.name)
    }
}
