//! Directives that requests may have.

use std::collections::HashMap;

use apollo_compiler::{
    Name, Node, Schema,
    ast::{DirectiveDefinition, DirectiveLocation, InputValueDefinition, Type},
};

use super::{Conflicts, LIVE, Part, SourceNames};
use crate::{rename::Renamer, schema::Facts};

/// Adds the definitions of all sources.
pub(super) fn merge(
    parts: &[Part],
    sources: &[SourceNames],
    schema: &mut Schema,
    conflicts: &mut Conflicts,
) {
    let live = live();
    schema.directive_definitions.insert(live.name.clone(), Node::new(live));
    let built_in: Vec<Name> = schema.directive_definitions.keys().cloned().collect();
    let mut origins: HashMap<Name, &Part> = HashMap::new();
    for (part, source) in parts.iter().zip(sources) {
        let renamer = Renamer(|n: &Name| source.renamed.get(n).unwrap_or(n).clone());
        for directive in part.schema.valid().directive_definitions.values() {
            let name = &directive.name;
            if built_in.contains(name) || !part.offers_directive(name) {
                continue;
            }
            let Some(definition) = renamer.directive(directive) else { continue };
            match (schema.directive_definitions.get(name), origins.get(name)) {
                (Some(there), Some(other)) => {
                    let (there, mine) =
                        (Facts::of_directive(there), Facts::of_directive(&definition));
                    if let Some((at, ..)) = mine.first_difference(&there) {
                        conflicts.add(format!(
                            "directive \"@{name}\" differs between \"{}\" and \"{}\", at {at}: \
                             leave it out of one (exclude: [\"@{name}\"])",
                            other.name, part.name
                        ));
                    }
                }
                _ => {
                    origins.insert(name.clone(), part);
                    schema.directive_definitions.insert(name.clone(), Node::new(definition));
                }
            }
        }
    }
}

/// `directive @live(interval: Int) on QUERY`
fn live() -> DirectiveDefinition {
    let interval = InputValueDefinition {
        description: Some(
            "milliseconds between two questions to services that have to be asked".into(),
        ),
        name: Name::new_unchecked("interval"),
        ty: Node::new(Type::Named(Name::new_unchecked("Int"))),
        default_value: None,
        directives: Default::default(),
    };
    DirectiveDefinition {
        description: Some("results are pushed whenever they change".into()),
        name: Name::new_unchecked(LIVE),
        arguments: vec![Node::new(interval)],
        repeatable: false,
        locations: vec![DirectiveLocation::Query],
    }
}
