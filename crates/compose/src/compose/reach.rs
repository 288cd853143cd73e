//! Which types of a source the offered root fields lead to.

use std::collections::HashMap;

use apollo_compiler::{
    Name, Schema,
    ast::{FieldDefinition, InputValueDefinition, OperationType},
    collections::IndexSet,
    schema::ExtendedType,
};

use super::{KINDS, Part, roots};

/// The types, in the order of the schema. A root type is among them if a field leads back to it.
pub(super) fn types(part: &Part) -> Vec<Name> {
    let schema = part.schema.valid();
    let mut walk = Walk { schema, part, seen: IndexSet::default(), todo: Vec::new() };
    for kind in KINDS {
        for field in roots::fields(schema, kind).filter(|f| part.offers(kind, &f.name)) {
            walk.field(field);
        }
    }
    for directive in schema.directive_definitions.values() {
        if part.offers_directive(&directive.name) {
            directive.arguments.iter().for_each(|a| walk.input(a));
        }
    }
    let implementers = schema.implementers_map();
    while let Some(name) = walk.todo.pop() {
        if let Some(ty) = schema.types.get(&name) {
            walk.ty(ty, &implementers);
        }
    }
    let order: HashMap<&Name, usize> =
        schema.types.keys().enumerate().map(|(at, name)| (name, at)).collect();
    let mut names: Vec<Name> = walk.seen.into_iter().collect();
    names.sort_by_key(|name| order.get(name).copied());
    names
}

struct Walk<'a> {
    schema: &'a Schema,
    part: &'a Part,
    seen: IndexSet<Name>,
    todo: Vec<Name>,
}

impl Walk<'_> {
    fn name(&mut self, name: &Name) {
        let is_own = self.schema.types.get(name).is_some_and(|ty| !ty.is_built_in());
        if is_own && self.seen.insert(name.clone()) {
            self.todo.push(name.clone());
        }
    }

    fn input(&mut self, input: &InputValueDefinition) {
        self.name(input.ty.inner_named_type());
    }

    fn field(&mut self, field: &FieldDefinition) {
        self.name(field.ty.inner_named_type());
        field.arguments.iter().for_each(|a| self.input(a));
    }

    fn ty(
        &mut self,
        ty: &ExtendedType,
        implementers: &apollo_compiler::collections::HashMap<
            Name,
            apollo_compiler::schema::Implementers,
        >,
    ) {
        match ty {
            ExtendedType::Scalar(_) | ExtendedType::Enum(_) => {}
            ExtendedType::Object(object) => {
                let root = root_kind(self.schema, &object.name);
                for field in object.fields.values() {
                    if root.is_none_or(|kind| self.part.offers(kind, &field.name)) {
                        self.field(field);
                    }
                }
                object.implements_interfaces.iter().for_each(|name| self.name(name));
            }
            ExtendedType::Interface(interface) => {
                interface.fields.values().for_each(|field| self.field(field));
                interface.implements_interfaces.iter().for_each(|name| self.name(name));
                for name in implementers.get(&interface.name).into_iter().flat_map(|i| i.iter()) {
                    self.name(name);
                }
            }
            ExtendedType::Union(union) => union.members.iter().for_each(|name| self.name(name)),
            ExtendedType::InputObject(input) => {
                input.fields.values().for_each(|field| self.input(field));
            }
        }
    }
}

/// Which root a type is, if it is one.
pub(super) fn root_kind(schema: &Schema, name: &Name) -> Option<OperationType> {
    KINDS.into_iter().find(|kind| schema.root_operation(*kind) == Some(name))
}
