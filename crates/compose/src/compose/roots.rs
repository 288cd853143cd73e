//! Root fields.

use std::collections::HashMap;

use apollo_compiler::{
    Name, Node, Schema,
    ast::{FieldDefinition, OperationType},
    collections::IndexMap,
    schema::{Component, ExtendedType},
};

use super::{Conflicts, KINDS, Part, RootField, RootNames, SourceNames, component, object};
use crate::rename::Renamer;

pub(super) type Roots = HashMap<OperationType, IndexMap<Name, RootField>>;

/// The fields of a root.
pub(super) fn fields(
    schema: &Schema,
    kind: OperationType,
) -> impl Iterator<Item = &Component<FieldDefinition>> {
    let root = schema.root_operation(kind).and_then(|name| schema.get_object(name));
    root.into_iter().flat_map(|root| root.fields.values())
}

/// What a source adds to a root: its own fields of that kind and, among the subscriptions, live queries.
fn offered(part: &Part, kind: OperationType) -> impl Iterator<Item = (OperationType, &Name)> {
    let schema = part.schema.valid();
    let own = fields(schema, kind).filter(move |f| part.offers(kind, &f.name));
    let is_free = move |name: &Name| {
        kind == OperationType::Subscription
            && part.offers_live(name)
            && !fields(schema, kind).any(|f| f.name == *name && part.offers(kind, name))
    };
    let live = fields(schema, OperationType::Query).filter(move |f| is_free(&f.name));
    let live = live.map(|f| (OperationType::Query, &f.name));
    own.map(move |f| (kind, &f.name)).chain(live)
}

/// Who answers what. The schema gets its roots, whose fields come when the names of all types are known.
pub(super) fn merge(
    parts: &[Part],
    names: &RootNames,
    schema: &mut Schema,
    conflicts: &mut Conflicts,
) -> Roots {
    let mut roots = Roots::new();
    for kind in KINDS {
        let mut merged: IndexMap<Name, RootField> = IndexMap::default();
        for (source, part) in parts.iter().enumerate() {
            for (own_kind, field) in offered(part, kind) {
                let Ok(name) = Name::new(&format!("{}{field}", part.field_prefix)) else {
                    continue;
                };
                if let Some(other) = merged.get(&name) {
                    let other = parts.get(other.source).map(|p| &*p.name).unwrap_or_default();
                    conflicts.add(format!(
                        "{} field \"{name}\" is offered by \"{other}\" and by \"{}\": give one of \
                         them a prefix (prefix.root_fields), or leave the field out of one \
                         (exclude: [\"{}.{}\"])",
                        kind.name(),
                        part.name,
                        kind.name(),
                        field
                    ));
                    continue;
                }
                merged.insert(name, RootField { source, name: field.clone(), kind: own_kind });
            }
        }
        if !merged.is_empty() {
            let name = names.of_kind(kind).clone();
            let definition = schema.schema_definition.make_mut();
            match kind {
                OperationType::Query => definition.query = Some(component(&name)),
                OperationType::Mutation => definition.mutation = Some(component(&name)),
                OperationType::Subscription => definition.subscription = Some(component(&name)),
            }
            let root = object(&name);
            schema.types.insert(name, root);
        }
        roots.insert(kind, merged);
    }
    roots
}

/// Gives the roots their fields.
pub(super) fn add_fields(
    parts: &[Part],
    roots: &Roots,
    names: &RootNames,
    sources: &[SourceNames],
    schema: &mut Schema,
) {
    for kind in KINDS {
        for (name, field) in roots.get(&kind).into_iter().flatten() {
            let (Some(part), Some(source)) = (parts.get(field.source), sources.get(field.source))
            else {
                continue;
            };
            let mut own = fields(part.schema.valid(), field.kind);
            let Some(definition) = own.find(|f| f.name == field.name) else { continue };
            let renamer = Renamer(|n: &Name| source.renamed.get(n).unwrap_or(n).clone());
            let renamed = renamer.field(definition, name.clone());
            if let Some(ExtendedType::Object(root)) = schema.types.get_mut(names.of_kind(kind)) {
                Node::make_mut(root).fields.insert(name.clone(), Component::new(renamed));
            }
        }
    }
}
