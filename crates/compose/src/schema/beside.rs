//! Schemas that name types of others.

use apollo_compiler::{
    Name, Schema,
    ast::{FieldDefinition, Type},
    schema::ExtendedType,
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
