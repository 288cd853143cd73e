//! Root fields: collected, and handed out to the sources.

use std::sync::Arc;

use apollo_compiler::{
    ExecutableDocument, Name, Node,
    ast::{DirectiveList, OperationType},
    collections::IndexMap,
    executable::{Field, Operation, Selection, SelectionSet},
};

use super::{
    Conditions, Owner, PlanError, PlanLimits, Root, SubRequest, conditions::Way, measure, shared,
    split::Splitter, typenames,
};
use crate::Composed;

/// A field where it stands in the document.
pub(super) struct Occurrence<'a> {
    pub(super) field: &'a Node<Field>,
    /// `@skip` and `@include` of the fragments that it stands in, from the outside.
    pub(super) around: Vec<&'a DirectiveList>,
    place: usize,
    way: Way,
}

/// The root fields by response key, in the order of the response (section 6.3.2, CollectFields): those of
/// fragments are where the fragments are.
#[derive(Default)]
struct Fields<'a> {
    by_key: IndexMap<&'a Name, Vec<Occurrence<'a>>>,
    count: usize,
}

pub(super) fn plan(
    composed: &Composed,
    document: &ExecutableDocument,
    operation: &Operation,
    limits: &PlanLimits,
) -> Result<(Vec<Root>, Vec<SubRequest>), PlanError> {
    let mut fields = Fields::default();
    collect(document, &operation.selection_set, &Way::default(), &[], &mut fields)?;
    let fields = fields.by_key;
    PlanError::within(fields.len(), limits.root_fields, "root fields")?;
    let of_schema = fields.iter().filter(|(_, o)| o.iter().any(|o| o.field.name.starts_with("__")));
    let sets = of_schema.flat_map(|(_, list)| list.iter().map(|o| &o.field.selection_set));
    let introspected = measure::below(document, sets);
    PlanError::within(introspected, limits.introspected, "fields that read the schema")?;
    let kind = operation.operation_type;
    let mut roots: Vec<Root> = Vec::new();
    // Sources with the fields that they answer.
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    for (key, occurrences) in &fields {
        let Some(first) = occurrences.first() else { continue };
        let name = &first.field.name;
        let at = roots.len();
        let owner = if name.starts_with("__") {
            Owner::Schema
        } else {
            let field = composed.roots.get(&kind).and_then(|fields| fields.get(name));
            // The schema is made of the same fields.
            let field = field.ok_or_else(|| {
                PlanError::Invalid(format!("nobody answers the field \"{name}\""))
            })?;
            Owner::Request(group(&mut groups, field.source, kind, at))
        };
        roots.push(Root {
            key: shared(key),
            name: shared(name),
            quoted: format!("\"{key}\"").into(),
            is_non_null: first.field.definition.ty.is_non_null(),
            owner,
            when: Conditions(occurrences.iter().map(|o| (o.place, o.way.clone())).collect()),
        });
    }
    if groups.len() > 1
        && kind == OperationType::Mutation
        && let Some(root) = roots.iter().find(|root| root.when.may_move())
    {
        // Its turn among the others would depend on variables, and the requests must not.
        return Err(PlanError::Unsupported(format!(
            "\"{}\" is selected several times in a mutation, the first time on a condition: select \
             it once",
            root.key
        )));
    }
    let mut requests = Vec::new();
    for (source, members) in groups {
        let chosen: Vec<&[Occurrence<'_>]> = members
            .iter()
            .filter_map(|at| fields.get_index(*at).map(|(_, list)| list.as_slice()))
            .collect();
        requests
            .push(sub_request(composed, document, operation, limits, source, &chosen, members)?);
    }
    if kind == OperationType::Subscription && requests.len() != 1 {
        return Err(PlanError::Unsupported(
            "a subscription must select exactly one field of one source".to_owned(),
        ));
    }
    Ok((roots, requests))
}

/// Which group a field joins. Mutations run one after the other, whoever answers them (section 6.2.2): only
/// neighbours share a request.
fn group(
    groups: &mut Vec<(usize, Vec<usize>)>,
    source: usize,
    kind: OperationType,
    root: usize,
) -> usize {
    let there = if kind == OperationType::Mutation {
        groups.len().checked_sub(1).filter(|at| groups.get(*at).is_some_and(|g| g.0 == source))
    } else {
        groups.iter().position(|g| g.0 == source)
    };
    let at = there.unwrap_or_else(|| {
        groups.push((source, Vec::new()));
        groups.len() - 1
    });
    if let Some((_, members)) = groups.get_mut(at) {
        members.push(root);
    }
    at
}

fn collect<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    way: &Way,
    around: &[&'a DirectiveList],
    fields: &mut Fields<'a>,
) -> Result<(), PlanError> {
    for selection in &set.selections {
        let (directives, inner) = match selection {
            Selection::Field(field) => {
                let way = way.through(&field.directives);
                let place = fields.count;
                fields.count += 1;
                let occurrence = Occurrence { field, around: around.to_vec(), place, way };
                fields.by_key.entry(field.response_key()).or_default().push(occurrence);
                continue;
            }
            Selection::InlineFragment(inline) => (&inline.directives, &inline.selection_set),
            Selection::FragmentSpread(spread) => {
                let Some(fragment) = document.fragments.get(&spread.fragment_name) else {
                    continue;
                };
                (&spread.directives, &fragment.selection_set)
            }
        };
        let other = directives.0.iter().find(|d| !matches!(d.name.as_str(), "skip" | "include"));
        if let Some(other) = other {
            return Err(PlanError::Unsupported(format!(
                "directive \"@{}\" on a fragment of root fields cannot be passed on: put it on the \
                 fields",
                other.name
            )));
        }
        let mut around = around.to_vec();
        if !directives.0.is_empty() {
            around.push(directives);
        }
        collect(document, inner, &way.through(directives), &around, fields)?;
    }
    Ok(())
}

fn sub_request(
    composed: &Composed,
    document: &ExecutableDocument,
    operation: &Operation,
    limits: &PlanLimits,
    source: usize,
    fields: &[&[Occurrence<'_>]],
    roots: Vec<usize>,
) -> Result<SubRequest, PlanError> {
    let names = composed.sources.get(source);
    let names = names.ok_or_else(|| PlanError::Invalid("a source is missing".to_owned()))?;
    let kind = operation.operation_type;
    let mut splitter = Splitter::new(composed, names, document, limits);
    let mut asked: Vec<Arc<str>> = Vec::new();
    let mut kind_there = kind;
    for occurrence in fields.iter().copied().flatten() {
        let own = composed.roots.get(&kind).and_then(|f| f.get(&occurrence.field.name));
        let name = own.map_or(&occurrence.field.name, |field| &field.name);
        // A subscription has one field only, and the others keep their kind.
        kind_there = own.map_or(kind, |field| field.kind);
        splitter.root(occurrence, name)?;
        asked.push(shared(name));
    }
    let (text, variables) = splitter.finish(operation, kind_there)?;
    let typenames = if names.renamed.is_empty() {
        None
    } else {
        let fields = fields.iter().copied().flatten().map(|o| o.field);
        typenames::collect(document, fields, names)?
    };
    Ok(SubRequest {
        source,
        kind: kind_there,
        text: text.into(),
        operation_name: operation.name.as_ref().map(shared),
        fields: asked,
        variables: variables.iter().map(shared).collect::<Vec<Arc<str>>>(),
        roots,
        typenames,
    })
}
