//! What a document selects, with the values of its variables.

use std::collections::HashMap;

use apollo_compiler::{
    ExecutableDocument, Name, Node,
    ast::{Argument, Value as Ast},
    executable::{Field, Selection, SelectionSet},
    response::JsonMap,
};
use serde_json::{Map, Value as Json};

pub(super) fn variables_in(value: &Ast, used: &mut Vec<Name>) {
    match value {
        Ast::Variable(name) if !used.contains(name) => used.push(name.clone()),
        Ast::List(items) => items.iter().for_each(|item| variables_in(item, used)),
        Ast::Object(fields) => fields.iter().for_each(|(_, value)| variables_in(value, used)),
        _ => {}
    }
}

/// CollectFields (section 6.3.2).
pub(super) fn collect<'a>(
    document: &'a ExecutableDocument,
    sets: &[&'a SelectionSet],
    variables: &JsonMap,
    applies: &mut dyn FnMut(&Name) -> bool,
) -> Vec<(&'a Name, Vec<&'a Node<Field>>)> {
    let mut fields: Vec<(&Name, Vec<&Node<Field>>)> = Vec::new();
    let mut at: HashMap<&Name, usize> = HashMap::new();
    let mut selections: Vec<&Selection> =
        sets.iter().rev().flat_map(|set| set.selections.iter().rev()).collect();
    let mut spread: Vec<&Name> = Vec::new();
    while let Some(selection) = selections.pop() {
        let directives = selection.directives();
        let is_left_out = [("skip", true), ("include", false)].into_iter().any(|(name, when)| {
            let value = directives.get(name).and_then(|d| d.specified_argument_by_name("if"));
            match value.map(|v| &**v) {
                Some(Ast::Boolean(value)) => *value == when,
                Some(Ast::Variable(variable)) => {
                    variables.get(variable.as_str()).and_then(|v| v.as_bool()) == Some(when)
                }
                _ => false,
            }
        });
        if is_left_out {
            continue;
        }
        match selection {
            Selection::Field(field) => {
                let key = field.response_key();
                let index = *at.entry(key).or_insert_with(|| {
                    fields.push((key, Vec::new()));
                    fields.len() - 1
                });
                if let Some((_, found)) = fields.get_mut(index) {
                    found.push(field);
                }
            }
            Selection::InlineFragment(inline) => {
                if inline.type_condition.as_ref().is_none_or(&mut *applies) {
                    selections.extend(inline.selection_set.selections.iter().rev());
                }
            }
            Selection::FragmentSpread(fragment) => {
                let name = &fragment.fragment_name;
                if let Some(fragment) = document.fragments.get(name)
                    && !spread.contains(&name)
                {
                    spread.push(name);
                    if applies(fragment.type_condition()) {
                        selections.extend(fragment.selection_set.selections.iter().rev());
                    }
                }
            }
        }
    }
    fields
}

/// The values of a field's arguments, defaults included.
pub(super) fn arguments(field: &Field, variables: &JsonMap) -> Map<String, Json> {
    let mut values = Map::new();
    for definition in &field.definition.arguments {
        let is_it = |argument: &&Node<Argument>| argument.name == definition.name;
        let given = field.arguments.iter().find(is_it).and_then(|a| constant(&a.value, variables));
        let default = || constant(definition.default_value.as_ref()?, variables);
        if let Some(value) = given.or_else(default) {
            values.insert(definition.name.to_string(), value);
        }
    }
    values
}

/// A value in JSON; `None` for a variable that was not given.
fn constant(value: &Ast, variables: &JsonMap) -> Option<Json> {
    Some(match value {
        Ast::Null => Json::Null,
        Ast::Enum(name) => Json::String(name.to_string()),
        Ast::Variable(name) => json(variables.get(name.as_str())?),
        Ast::String(text) => Json::String(text.clone()),
        Ast::Float(number) => serde_json::from_str(number.as_str()).ok()?,
        Ast::Int(number) => serde_json::from_str(number.as_str()).ok()?,
        Ast::Boolean(value) => Json::Bool(*value),
        Ast::List(items) => {
            Json::Array(items.iter().filter_map(|item| constant(item, variables)).collect())
        }
        Ast::Object(fields) => {
            let member = |(name, value): &(Name, Node<Ast>)| {
                Some((name.to_string(), constant(value, variables)?))
            };
            Json::Object(fields.iter().filter_map(member).collect())
        }
    })
}

pub(super) fn json(value: &apollo_compiler::response::JsonValue) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}
