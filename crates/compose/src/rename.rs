//! Definitions of types, copied with other names of types.

use apollo_compiler::{
    Name, Node,
    ast::{DirectiveLocation, FieldDefinition, InputValueDefinition, Type},
    collections::IndexSet,
    schema::{
        Component, ComponentName, ComponentOrigin, Directive, DirectiveDefinition, DirectiveList,
        EnumType, EnumValueDefinition, ExtendedType, InputObjectType, InterfaceType, ObjectType,
        ScalarType, UnionType,
    },
};

/// The scalars that every schema has.
pub(crate) const BUILT_IN: [&str; 5] = ["Int", "Float", "String", "Boolean", "ID"];

/// Directives applied to definitions that mean something to a client (they appear in introspection).
/// All others are the service's own business, and many SDL files apply some that they do not define.
const MEANINGFUL: [&str; 3] = ["deprecated", "specifiedBy", "oneOf"];

/// Copies definitions. What came from `extend` becomes part of the definition.
pub(crate) struct Renamer<F>(pub F);

impl<F: Fn(&Name) -> Name> Renamer<F> {
    pub(crate) fn ty(&self, ty: &Type) -> Type {
        match ty {
            Type::Named(name) => Type::Named((self.0)(name)),
            Type::NonNullNamed(name) => Type::NonNullNamed((self.0)(name)),
            Type::List(inner) => Type::List(Box::new(self.ty(inner))),
            Type::NonNullList(inner) => Type::NonNullList(Box::new(self.ty(inner))),
        }
    }

    pub(crate) fn input(&self, input: &InputValueDefinition) -> InputValueDefinition {
        InputValueDefinition {
            description: input.description.clone(),
            name: input.name.clone(),
            ty: Node::new(self.ty(&input.ty)),
            default_value: input.default_value.clone(),
            directives: directives(&input.directives),
        }
    }

    pub(crate) fn field(&self, field: &FieldDefinition, name: Name) -> FieldDefinition {
        FieldDefinition {
            description: field.description.clone(),
            name,
            arguments: field.arguments.iter().map(|a| Node::new(self.input(a))).collect(),
            ty: self.ty(&field.ty),
            directives: directives(&field.directives),
        }
    }

    fn names(&self, names: &IndexSet<ComponentName>) -> IndexSet<ComponentName> {
        let renamed = |n: &ComponentName| (self.0)(n).to_component(ComponentOrigin::Definition);
        names.iter().map(renamed).collect()
    }

    pub(crate) fn extended(&self, ty: &ExtendedType) -> ExtendedType {
        let name = (self.0)(ty.name());
        let description = ty.description().cloned();
        let directives = of_type(ty.directives());
        let keep = |f: &Component<FieldDefinition>| {
            (f.name.clone(), Component::new(self.field(f, f.name.clone())))
        };
        match ty {
            ExtendedType::Scalar(_) => {
                ExtendedType::Scalar(Node::new(ScalarType { description, name, directives }))
            }
            ExtendedType::Object(ty) => ExtendedType::Object(Node::new(ObjectType {
                description,
                name,
                implements_interfaces: self.names(&ty.implements_interfaces),
                directives,
                fields: ty.fields.values().map(keep).collect(),
            })),
            ExtendedType::Interface(ty) => ExtendedType::Interface(Node::new(InterfaceType {
                description,
                name,
                implements_interfaces: self.names(&ty.implements_interfaces),
                directives,
                fields: ty.fields.values().map(keep).collect(),
            })),
            ExtendedType::Union(ty) => ExtendedType::Union(Node::new(UnionType {
                description,
                name,
                directives,
                members: self.names(&ty.members),
            })),
            ExtendedType::Enum(ty) => {
                let value = |v: &Component<EnumValueDefinition>| {
                    let definition = EnumValueDefinition {
                        description: v.description.clone(),
                        value: v.value.clone(),
                        directives: self::directives(&v.directives),
                    };
                    (v.value.clone(), Component::new(definition))
                };
                let values = ty.values.values().map(value).collect();
                ExtendedType::Enum(Node::new(EnumType { description, name, directives, values }))
            }
            ExtendedType::InputObject(ty) => {
                let input = |f: &Component<InputValueDefinition>| {
                    (f.name.clone(), Component::new(self.input(f)))
                };
                let fields = ty.fields.values().map(input).collect();
                ExtendedType::InputObject(Node::new(InputObjectType {
                    description,
                    name,
                    directives,
                    fields,
                }))
            }
        }
    }

    /// What of a directive's definition concerns clients: `None` if it cannot be in a request.
    pub(crate) fn directive(&self, d: &DirectiveDefinition) -> Option<DirectiveDefinition> {
        let locations: Vec<_> = d.locations.iter().copied().filter(is_executable).collect();
        (!locations.is_empty()).then(|| DirectiveDefinition {
            description: d.description.clone(),
            name: d.name.clone(),
            arguments: d.arguments.iter().map(|a| Node::new(self.input(a))).collect(),
            repeatable: d.repeatable,
            locations,
        })
    }
}

fn is_executable(location: &DirectiveLocation) -> bool {
    use DirectiveLocation as L;
    matches!(
        location,
        L::Query
            | L::Mutation
            | L::Subscription
            | L::Field
            | L::FragmentDefinition
            | L::FragmentSpread
            | L::InlineFragment
            | L::VariableDefinition
    )
}

fn is_meaningful(name: &Name) -> bool {
    MEANINGFUL.contains(&name.as_str())
}

fn directives(list: &apollo_compiler::ast::DirectiveList) -> apollo_compiler::ast::DirectiveList {
    let kept = list.0.iter().filter(|d| is_meaningful(&d.name)).cloned().collect();
    apollo_compiler::ast::DirectiveList(kept)
}

fn of_type(list: &DirectiveList) -> DirectiveList {
    let copy = |d: &Component<Directive>| Component::new(Directive::clone(d));
    DirectiveList(list.0.iter().filter(|d| is_meaningful(&d.name)).map(copy).collect())
}
