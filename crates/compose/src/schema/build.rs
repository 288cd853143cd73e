//! Building a schema from an introspection.

use apollo_compiler::{
    Name, Node, Schema,
    ast::{
        Argument, Directive, DirectiveDefinition, DirectiveList, DirectiveLocation,
        EnumValueDefinition, FieldDefinition, InputValueDefinition, Type, Value,
    },
    schema::{
        Component, ComponentName, ComponentOrigin, EnumType, ExtendedType, InputObjectType,
        InterfaceType, ObjectType, ScalarType, UnionType,
    },
};

use super::{
    ReadLimits, SchemaError,
    introspected::{Named, Raw, RawDirective, RawField, RawInput, RawType, RawTypeRef},
    values, within,
};
use crate::{
    clean,
    rename::{BUILT_IN, Renamer},
};

/// Notes that are kept.
const MAX_NOTES: usize = 20;

struct Builder<'a> {
    limits: &'a ReadLimits,
    members: usize,
    notes: Vec<String>,
}

/// The schema that an introspection describes, not validated yet, with notes of what was read with
/// leniency.
pub(super) fn build(raw: &Raw, limits: &ReadLimits) -> Result<(Schema, Vec<String>), SchemaError> {
    within(raw.types.len(), limits.types, "types")?;
    let mut builder = Builder { limits, members: 0, notes: Vec::new() };
    let mut schema = Schema::new();
    let definition = schema.schema_definition.make_mut();
    definition.description = text(raw.description.as_deref());
    let root = |named: &Option<Named>| named.as_ref().map(component).transpose();
    definition.query = root(&raw.query_type)?;
    definition.mutation = root(&raw.mutation_type)?;
    definition.subscription = root(&raw.subscription_type)?;
    for ty in raw.types.iter().filter(|ty| !is_built_in(&ty.name)) {
        let ty = builder.ty(ty)?;
        if let Some(twice) = schema.types.insert(ty.name().clone(), ty) {
            return Err(malformed(format_args!("type {} is there twice", twice.name())));
        }
    }
    for raw in raw.directives.iter().flatten() {
        let directive = builder.directive(raw)?;
        schema.directive_definitions.entry(directive.name.clone()).or_insert(Node::new(directive));
    }
    Ok((schema, builder.notes))
}

/// What of a schema concerns clients, and nothing else: see [`Renamer`]. Definitions that every schema
/// has are the library's own.
pub(super) fn normal(schema: &Schema) -> Schema {
    let mut normal = Schema::new();
    let of = &schema.schema_definition;
    let definition = normal.schema_definition.make_mut();
    definition.description = of.description.clone();
    let own = |name: &Option<ComponentName>| {
        name.as_ref().map(|n| n.name.to_component(ComponentOrigin::Definition))
    };
    definition.query = own(&of.query);
    definition.mutation = own(&of.mutation);
    definition.subscription = own(&of.subscription);
    let renamer = Renamer(Name::clone);
    let mut uses_one_of = false;
    for ty in schema.types.values().filter(|ty| !is_built_in(ty.name())) {
        let ty = renamer.extended(ty);
        uses_one_of |= ty.directives().has("oneOf");
        normal.types.insert(ty.name().clone(), ty);
    }
    for directive in schema.directive_definitions.values() {
        if let Some(directive) = renamer.directive(directive) {
            // `@skip` and `@include` are everybody's, in the library's words.
            normal
                .directive_definitions
                .entry(directive.name.clone())
                .or_insert(Node::new(directive));
        }
    }
    if uses_one_of {
        add_one_of(&mut normal);
    }
    normal
}

/// The library does not know `@oneOf`.
pub(crate) fn add_one_of(schema: &mut Schema) {
    let name = Name::new_unchecked("oneOf");
    let definition = DirectiveDefinition {
        description: Some(Node::new_str("Exactly one of the fields must be given.")),
        name: name.clone(),
        arguments: Vec::new(),
        repeatable: false,
        locations: vec![DirectiveLocation::InputObject],
    };
    schema.directive_definitions.insert(name, Node::new(definition));
}

/// Fields, arguments, values, members.
pub(super) fn members(schema: &Schema) -> usize {
    let of_fields = |fields: &apollo_compiler::collections::IndexMap<
        Name,
        Component<FieldDefinition>,
    >| fields.values().map(|f| 1 + f.arguments.len()).sum::<usize>();
    let of = |ty: &ExtendedType| match ty {
        ExtendedType::Scalar(_) => 0,
        ExtendedType::Object(ty) => of_fields(&ty.fields) + ty.implements_interfaces.len(),
        ExtendedType::Interface(ty) => of_fields(&ty.fields) + ty.implements_interfaces.len(),
        ExtendedType::Union(ty) => ty.members.len(),
        ExtendedType::Enum(ty) => ty.values.len(),
        ExtendedType::InputObject(ty) => ty.fields.len(),
    };
    schema.types.values().map(of).sum()
}

fn is_built_in(name: &str) -> bool {
    name.starts_with("__") || BUILT_IN.contains(&name)
}

fn malformed(what: impl std::fmt::Display) -> SchemaError {
    SchemaError::Malformed(clean(&what.to_string()))
}

fn name(text: &str) -> Result<Name, SchemaError> {
    Name::new(text).map_err(|_| malformed(format_args!("{text:?} is no name")))
}

fn component(named: &Named) -> Result<ComponentName, SchemaError> {
    Ok(name(&named.name)?.to_component(ComponentOrigin::Definition))
}

fn text(text: Option<&str>) -> Option<Node<str>> {
    text.filter(|text| !text.is_empty()).map(Node::new_str)
}

fn directive(name: &str, argument: Option<(&str, &str)>) -> Directive {
    let argument = argument.map(|(name, value)| {
        let value = Node::new(Value::String(value.to_owned()));
        Node::new(Argument { name: Name::new_unchecked(name), value })
    });
    Directive { name: Name::new_unchecked(name), arguments: argument.into_iter().collect() }
}

fn deprecated(is: Option<bool>, reason: Option<&str>) -> DirectiveList {
    let mut list = DirectiveList::new();
    if is == Some(true) {
        list.push(directive("deprecated", reason.map(|reason| ("reason", reason))));
    }
    list
}

impl Builder<'_> {
    fn count(&mut self, members: usize) -> Result<(), SchemaError> {
        self.members = self.members.saturating_add(members);
        within(self.members, self.limits.members, "fields, arguments and values")
    }

    fn note(&mut self, note: impl std::fmt::Display) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(clean(&note.to_string()));
        }
    }

    fn ty(&mut self, raw: &RawType) -> Result<ExtendedType, SchemaError> {
        let type_name = name(&raw.name)?;
        let description = text(raw.description.as_deref());
        let mut directives = apollo_compiler::schema::DirectiveList::default();
        let names = |list: &Option<Vec<Named>>| {
            list.iter().flatten().map(component).collect::<Result<_, SchemaError>>()
        };
        self.count(raw.possible_types.as_ref().map_or(0, Vec::len))?;
        Ok(match raw.kind.as_str() {
            "SCALAR" => {
                if let Some(url) = &raw.specified_by {
                    directives.push(Component::new(directive("specifiedBy", Some(("url", url)))));
                }
                let ty = ScalarType { description, name: type_name, directives };
                ExtendedType::Scalar(Node::new(ty))
            }
            "OBJECT" => ExtendedType::Object(Node::new(ObjectType {
                description,
                implements_interfaces: names(&raw.interfaces)?,
                directives,
                fields: self.fields(&type_name, raw)?,
                name: type_name,
            })),
            "INTERFACE" => ExtendedType::Interface(Node::new(InterfaceType {
                description,
                implements_interfaces: names(&raw.interfaces)?,
                directives,
                fields: self.fields(&type_name, raw)?,
                name: type_name,
            })),
            "UNION" => ExtendedType::Union(Node::new(UnionType {
                description,
                name: type_name,
                directives,
                members: names(&raw.possible_types)?,
            })),
            "ENUM" => {
                let mut values = apollo_compiler::collections::IndexMap::default();
                for raw in raw.enum_values.iter().flatten() {
                    self.count(1)?;
                    let value = EnumValueDefinition {
                        description: text(raw.description.as_deref()),
                        value: name(&raw.name)?,
                        directives: deprecated(
                            raw.is_deprecated,
                            raw.deprecation_reason.as_deref(),
                        ),
                    };
                    values.insert(value.value.clone(), Component::new(value));
                }
                let ty = EnumType { description, name: type_name, directives, values };
                ExtendedType::Enum(Node::new(ty))
            }
            "INPUT_OBJECT" => {
                if raw.is_one_of == Some(true) {
                    directives.push(Component::new(directive("oneOf", None)));
                }
                let mut fields = apollo_compiler::collections::IndexMap::default();
                for input in raw.input_fields.iter().flatten() {
                    let input = self.input(&type_name, input)?;
                    fields.insert(input.name.clone(), Component::new(input));
                }
                let ty = InputObjectType { description, name: type_name, directives, fields };
                ExtendedType::InputObject(Node::new(ty))
            }
            other => {
                return Err(malformed(format_args!("type {type_name} is of kind {other:?}")));
            }
        })
    }

    fn fields(
        &mut self,
        of: &Name,
        raw: &RawType,
    ) -> Result<apollo_compiler::collections::IndexMap<Name, Component<FieldDefinition>>, SchemaError>
    {
        let mut fields = apollo_compiler::collections::IndexMap::default();
        for raw in raw.fields.iter().flatten() {
            let field = self.field(of, raw)?;
            fields.insert(field.name.clone(), Component::new(field));
        }
        Ok(fields)
    }

    fn field(&mut self, of: &Name, raw: &RawField) -> Result<FieldDefinition, SchemaError> {
        self.count(1)?;
        let arguments = raw.args.iter().flatten().map(|a| self.input(of, a).map(Node::new));
        Ok(FieldDefinition {
            description: text(raw.description.as_deref()),
            name: name(&raw.name)?,
            arguments: arguments.collect::<Result<_, _>>()?,
            ty: self.type_ref(&raw.ty)?,
            directives: deprecated(raw.is_deprecated, raw.deprecation_reason.as_deref()),
        })
    }

    fn input(&mut self, of: &Name, raw: &RawInput) -> Result<InputValueDefinition, SchemaError> {
        self.count(1)?;
        let mut ty = self.type_ref(&raw.ty)?;
        let text_of_default = raw.default_value.as_deref();
        let default_value = text_of_default.and_then(|text| values::parse(text, self.limits.depth));
        if text_of_default.is_some() && default_value.is_none() {
            // Some services print JSON or worse. Without its default, the argument still need not be
            // given; so it must not look as if it had to.
            ty = ty.nullable();
            self.note(format_args!(
                "the default value of {:?} of {of} is not GraphQL; it is left out",
                raw.name
            ));
        }
        Ok(InputValueDefinition {
            description: text(raw.description.as_deref()),
            name: name(&raw.name)?,
            ty: Node::new(ty),
            default_value,
            directives: deprecated(raw.is_deprecated, raw.deprecation_reason.as_deref()),
        })
    }

    fn type_ref(&self, raw: &RawTypeRef) -> Result<Type, SchemaError> {
        // From the outside to the inside, and back.
        let mut wrappers = Vec::new();
        let mut inner = raw;
        while let "LIST" | "NON_NULL" = inner.kind.as_str() {
            wrappers.push(inner.kind == "LIST");
            within(wrappers.len(), self.limits.depth, "lists and non-nulls around a type")?;
            inner = inner.of_type.as_deref().ok_or_else(|| {
                malformed("a type is wrapped in more lists and non-nulls than were asked for")
            })?;
        }
        let named = inner.name.as_deref();
        let named = named.ok_or_else(|| malformed("a type without a name"))?;
        let mut ty = Type::Named(name(named)?);
        for is_list in wrappers.into_iter().rev() {
            ty = if is_list { ty.list() } else { ty.non_null() };
        }
        Ok(ty)
    }

    fn directive(&mut self, raw: &RawDirective) -> Result<DirectiveDefinition, SchemaError> {
        let directive_name = name(&raw.name)?;
        let arguments = raw.args.iter().flatten();
        let arguments = arguments
            .map(|a| self.input(&directive_name, a).map(Node::new))
            .collect::<Result<_, _>>()?;
        // Locations that are unknown are newer than this.
        let locations = raw.locations.iter().flatten().filter_map(|l| location(l)).collect();
        Ok(DirectiveDefinition {
            description: text(raw.description.as_deref()),
            name: directive_name,
            arguments,
            repeatable: raw.is_repeatable == Some(true),
            locations,
        })
    }
}

/// Where a request may have a directive. The other locations concern nobody but the service.
fn location(text: &str) -> Option<DirectiveLocation> {
    use DirectiveLocation as L;
    Some(match text {
        "QUERY" => L::Query,
        "MUTATION" => L::Mutation,
        "SUBSCRIPTION" => L::Subscription,
        "FIELD" => L::Field,
        "FRAGMENT_DEFINITION" => L::FragmentDefinition,
        "FRAGMENT_SPREAD" => L::FragmentSpread,
        "INLINE_FRAGMENT" => L::InlineFragment,
        "VARIABLE_DEFINITION" => L::VariableDefinition,
        _ => return None,
    })
}
