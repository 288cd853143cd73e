//! Schemas that name types of others.

use apollo_compiler::{
    Name, Node, Schema,
    ast::{FieldDefinition, Type},
    schema::{Component, ComponentOrigin, ExtendedType, ObjectType},
};

use crate::Composed;

/// The scalars of the specification, which need no definition (section 3.5).
const BUILT_IN: [&str; 5] = ["Int", "Float", "String", "Boolean", "ID"];

/// Adds the types of others, save their roots, where the schema has none of the name.
pub(super) fn add(schema: &mut Schema, others: &Composed) {
    for (name, ty) in &others.schema.types {
        if !others.is_root(name) && !schema.types.contains_key(name) {
            schema.types.insert(name.clone(), ty.clone());
        }
    }
}

/// Adds a root for queries if there is none: the specification wants one (section 3.3.1). Nobody answers
/// it.
pub(super) fn add_query_root(schema: &mut Schema) {
    if schema.schema_definition.query.is_some() {
        return;
    }
    let mut text = "Query".to_owned();
    while schema.types.contains_key(text.as_str()) {
        text.push('_');
    }
    let (name, field) = (Name::new_unchecked(&text), Name::new_unchecked("_"));
    let definition = FieldDefinition {
        description: None,
        name: field.clone(),
        arguments: Vec::new(),
        ty: Type::Named(Name::new_unchecked("Boolean")),
        directives: Default::default(),
    };
    let object = ObjectType {
        description: None,
        name: name.clone(),
        implements_interfaces: Default::default(),
        directives: Default::default(),
        fields: [(field, Component::new(definition))].into_iter().collect(),
    };
    schema.types.insert(name.clone(), ExtendedType::Object(Node::new(object)));
    let query = name.to_component(ComponentOrigin::Definition);
    schema.schema_definition.make_mut().query = Some(query);
}

/// Takes away the fields of objects whose types, or whose arguments' types, nobody has; what is left
/// empty by that goes, too. A role that may not see a type has none of it, and keeps the rest. Gives a
/// note for each.
pub(super) fn without_unknown(schema: &mut Schema) -> Vec<String> {
    let mut notes = Vec::new();
    // Each round takes something away, or is the last.
    loop {
        let known: std::collections::HashSet<Name> = schema.types.keys().cloned().collect();
        let missing = |ty: &Type| {
            let name = ty.inner_named_type();
            (!known.contains(name) && !BUILT_IN.contains(&name.as_str())).then(|| name.clone())
        };
        let lacks = |field: &FieldDefinition| {
            missing(&field.ty).or_else(|| field.arguments.iter().find_map(|a| missing(&a.ty)))
        };
        let mut emptied = Vec::new();
        let before = notes.len();
        for (name, ty) in &mut schema.types {
            let ExtendedType::Object(object) = ty else { continue };
            if !object.fields.values().any(|field| lacks(field).is_some()) {
                continue;
            }
            object.make_mut().fields.retain(|field, definition| {
                let Some(lacking) = lacks(definition) else { return true };
                notes.push(format!("{name}.{field} is left out: there is no type {lacking}"));
                false
            });
            if object.fields.is_empty() {
                emptied.push(name.clone());
            }
        }
        for name in emptied {
            schema.types.shift_remove(&name);
            let roots = schema.schema_definition.make_mut();
            for root in [&mut roots.query, &mut roots.mutation, &mut roots.subscription] {
                if root.as_ref().is_some_and(|root| root.name == name) {
                    *root = None;
                }
            }
        }
        if notes.len() == before {
            return notes;
        }
    }
}
