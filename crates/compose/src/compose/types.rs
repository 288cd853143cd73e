//! Types.

use std::collections::{HashMap, HashSet};

use apollo_compiler::{Name, Node, Schema, schema::ExtendedType};

use super::{
    Conflicts, Part, RootNames, SourceNames,
    reach::{self, root_kind},
};
use crate::{
    clean,
    rename::Renamer,
    schema::{Fact, Facts},
};

/// The schema as far as it is made.
pub(super) struct Merged<'a> {
    pub(super) parts: &'a [Part],
    pub(super) names: &'a RootNames,
    pub(super) schema: &'a mut Schema,
    /// The sources that the types in it came from.
    pub(super) origins: HashMap<Name, usize>,
}

/// Adds a source's types to the schema.
pub(super) fn merge(
    part: &Part,
    index: usize,
    merged: &mut Merged<'_>,
    conflicts: &mut Conflicts,
) -> SourceNames {
    let own = part.schema.valid();
    let reached = reach::types(part);
    let mut renamed = HashMap::new();
    let mut to_source: HashMap<Name, Name> = HashMap::new();
    for name in &reached {
        let new = composed_name(part, own, name);
        if new != *name {
            renamed.insert(name.clone(), new.clone());
        }
        if let Some(other) = to_source.insert(new.clone(), name.clone()) {
            conflicts.add(format!(
                "types \"{other}\" and \"{name}\" of \"{}\" would both be called \"{new}\": \
                 choose another prefix (prefix.types)",
                part.name
            ));
        }
    }
    // The scalars that every schema has are called the same everywhere.
    for name in crate::rename::BUILT_IN {
        to_source.insert(Name::new_unchecked(name), Name::new_unchecked(name));
    }
    let renamer = Renamer(|n: &Name| renamed.get(n).unwrap_or(n).clone());
    for name in &reached {
        let Some(ty) = own.types.get(name) else { continue };
        let mut ty = renamer.extended(ty);
        if let (Some(kind), ExtendedType::Object(object)) = (root_kind(own, name), &mut ty) {
            // What is not offered at the root is not offered by a way round either.
            Node::make_mut(object).fields.retain(|field, _| part.offers(kind, field));
        }
        add(ty, index, merged, conflicts);
    }
    let possible = possible(own);
    let directives = own.directive_definitions.keys();
    let directives = directives.filter(|name| part.offers_directive(name)).cloned().collect();
    SourceNames { name: part.name.clone(), to_source, renamed, possible, directives }
}

fn composed_name(part: &Part, own: &Schema, name: &Name) -> Name {
    let prefix = if !part.type_prefix.is_empty() {
        part.type_prefix.clone()
    } else if root_kind(own, name).is_some() {
        // A field leads back to the source's root: it has its own name beside the composed root, which
        // has the fields of others too.
        let fit = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let mut prefix: String = part.name.chars().map(fit).collect();
        if !prefix.starts_with(|c: char| c.is_ascii_alphabetic()) {
            prefix.insert(0, 'S');
        }
        prefix.push('_');
        prefix
    } else {
        return name.clone();
    };
    Name::new(&format!("{prefix}{name}")).unwrap_or_else(|_| name.clone())
}

fn add(ty: ExtendedType, index: usize, merged: &mut Merged<'_>, conflicts: &mut Conflicts) {
    let Merged { parts, names, schema, origins } = merged;
    let name = ty.name().clone();
    let part = parts.get(index).map(|p| &*p.name).unwrap_or_default();
    let Some(there) = schema.types.get(&name) else {
        origins.insert(name.clone(), index);
        schema.types.insert(name, ty);
        return;
    };
    let Some(other) = origins.get(&name).and_then(|at| parts.get(*at)) else {
        let of =
            if names.contains(&name) { "a root of the composed schema" } else { "a built-in type" };
        conflicts.add(format!(
            "type \"{name}\" of \"{part}\" has the name of {of}: give its types a prefix (prefix.types)"
        ));
        return;
    };
    let (mine, theirs) = (Facts::of_type(&ty), Facts::of_type(there));
    if let Some((at, mine, theirs)) = mine.first_difference(&theirs) {
        let said = |fact: Option<&Fact>| match fact {
            Some(fact) => format!("has it as {}", clean(&fact.is)),
            None => "does not have it".to_owned(),
        };
        conflicts.add(format!(
            "type \"{name}\" differs between \"{}\" and \"{part}\": {at}: \"{}\" {}, \"{part}\" {}; \
             make them equal, or give the types of one a prefix (prefix.types)",
            other.name,
            other.name,
            said(theirs),
            said(mine)
        ));
    }
}

/// Which objects each composite type may be.
fn possible(schema: &Schema) -> HashMap<Name, HashSet<Name>> {
    let implementers = schema.implementers_map();
    let of = |ty: &ExtendedType| -> Option<HashSet<Name>> {
        match ty {
            ExtendedType::Object(object) => Some([object.name.clone()].into()),
            ExtendedType::Interface(interface) => {
                let objects = implementers.get(&interface.name).map(|i| &i.objects);
                Some(objects.into_iter().flatten().cloned().collect())
            }
            ExtendedType::Union(union) => {
                Some(union.members.iter().map(|m| m.name.clone()).collect())
            }
            _ => None,
        }
    };
    schema.types.iter().filter_map(|(name, ty)| Some((name.clone(), of(ty)?))).collect()
}
