//! The document for one source: what of an operation is its business, in its own words.

use std::collections::HashSet;

use apollo_compiler::{
    ExecutableDocument, Name, Node,
    ast::{self, Argument, Directive, DirectiveList, Type, Value},
    collections::IndexMap,
    executable::{Field, Operation, Selection, SelectionSet},
};

use super::{PlanError, PlanLimits, root::Occurrence};
use crate::{Composed, compose::SourceNames, rename::Renamer};

pub(super) struct Splitter<'a> {
    composed: &'a Composed,
    names: &'a SourceNames,
    document: &'a ExecutableDocument,
    selections: Vec<ast::Selection>,
    /// Fragments that are used; `None` while one is being made.
    fragments: IndexMap<Name, Option<ast::FragmentDefinition>>,
    variables: HashSet<Name>,
    /// Fields that were written, which conditions on unions may multiply.
    fields: usize,
    limits: &'a PlanLimits,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(
        composed: &'a Composed,
        names: &'a SourceNames,
        document: &'a ExecutableDocument,
        limits: &'a PlanLimits,
    ) -> Self {
        Self {
            composed,
            names,
            document,
            fields: 0,
            limits,
            selections: Vec::new(),
            fragments: IndexMap::default(),
            variables: HashSet::new(),
        }
    }

    /// Adds a root field, which the source calls `name`. Its key in the response stays as it is.
    pub(super) fn root(&mut self, at: &Occurrence<'_>, name: &Name) -> Result<(), PlanError> {
        let mut field = self.field(at.field)?;
        if field.name != *name {
            field.alias.get_or_insert_with(|| at.field.name.clone());
            if field.alias.as_ref() == Some(name) {
                field.alias = None;
            }
            field.name = name.clone();
        }
        let mut selection = ast::Selection::Field(Node::new(field));
        for directives in at.around.iter().rev() {
            let directives = self.directives(directives)?;
            selection = ast::Selection::InlineFragment(Node::new(ast::InlineFragment {
                type_condition: None,
                directives,
                selection_set: vec![selection],
            }));
        }
        self.selections.push(selection);
        Ok(())
    }

    /// The text of an operation of that kind, and the variables that it declares.
    pub(super) fn finish(
        mut self,
        operation: &Operation,
        kind: ast::OperationType,
    ) -> Result<(String, Vec<Name>), PlanError> {
        let directives = self.known_directives(&operation.directives);
        let used: Vec<_> =
            operation.variables.iter().filter(|v| self.variables.contains(&v.name)).collect();
        let mut variables = Vec::new();
        for variable in &used {
            variables.push(Node::new(ast::VariableDefinition {
                name: variable.name.clone(),
                ty: Node::new(self.input_type(&variable.ty)),
                default_value: variable.default_value.clone(),
                directives: self.known_directives(&variable.directives),
            }));
        }
        let names = used.iter().map(|v| v.name.clone()).collect();
        let mut document = ast::Document::new();
        let operation = ast::OperationDefinition {
            operation_type: kind,
            name: operation.name.clone(),
            variables,
            directives,
            selection_set: self.selections,
        };
        document.definitions.push(ast::Definition::OperationDefinition(Node::new(operation)));
        for fragment in self.fragments.into_values().flatten() {
            document.definitions.push(ast::Definition::FragmentDefinition(Node::new(fragment)));
        }
        Ok((document.serialize().no_indent().to_string(), names))
    }

    fn input_type(&self, ty: &Type) -> Type {
        let names = &self.names.to_source;
        Renamer(|name: &Name| names.get(name).unwrap_or(name).clone()).ty(ty)
    }

    /// What the source calls a type. All types that its fields lead to are there.
    fn own<'n>(&'n self, name: &'n Name) -> &'n Name {
        self.names.to_source.get(name).unwrap_or(name)
    }

    fn field(&mut self, field: &Field) -> Result<ast::Field, PlanError> {
        self.fields += 1;
        PlanError::within(self.fields, self.limits.fields, "fields")?;
        self.arguments(&field.arguments);
        let is_leaf = field.selection_set.selections.is_empty();
        let selection_set = if is_leaf {
            Vec::new()
        } else {
            let within = self.own(&field.selection_set.ty).clone();
            self.selections(&field.selection_set, &within)?
        };
        Ok(ast::Field {
            alias: field.alias.clone(),
            name: field.name.clone(),
            arguments: field.arguments.clone(),
            directives: self.directives(&field.directives)?,
            selection_set,
        })
    }

    /// Selections within a type of the source's.
    fn selections(
        &mut self,
        set: &SelectionSet,
        within: &Name,
    ) -> Result<Vec<ast::Selection>, PlanError> {
        let mut selections = Vec::new();
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    let field = self.field(field)?;
                    selections.push(ast::Selection::Field(Node::new(field)));
                }
                Selection::InlineFragment(inline) => {
                    let conditions = match &inline.type_condition {
                        Some(condition) => self.conditions(within, condition),
                        None => vec![None],
                    };
                    self.inline(
                        conditions,
                        &inline.directives,
                        &inline.selection_set,
                        within,
                        &mut selections,
                    )?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.fragment_name;
                    let Some(fragment) = self.document.fragments.get(name) else { continue };
                    let condition = fragment.type_condition();
                    let conditions = self.conditions(within, condition);
                    if conditions.is_empty() {
                        continue;
                    }
                    if !self.names.to_source.contains_key(condition) {
                        let (directives, set) = (&spread.directives, &fragment.selection_set);
                        self.inline(conditions, directives, set, within, &mut selections)?;
                        continue;
                    }
                    self.fragment(name)?;
                    let spread = ast::FragmentSpread {
                        fragment_name: name.clone(),
                        directives: self.directives(&spread.directives)?,
                    };
                    selections.push(ast::Selection::FragmentSpread(Node::new(spread)));
                }
            }
        }
        if selections.is_empty() {
            selections.push(nothing());
        }
        Ok(selections)
    }

    /// Inline fragments with each of the conditions.
    fn inline(
        &mut self,
        conditions: Vec<Option<Name>>,
        directives: &DirectiveList,
        set: &SelectionSet,
        within: &Name,
        selections: &mut Vec<ast::Selection>,
    ) -> Result<(), PlanError> {
        for type_condition in conditions {
            let selection_set = self.selections(set, type_condition.as_ref().unwrap_or(within))?;
            let inline = ast::InlineFragment {
                type_condition,
                directives: self.directives(directives)?,
                selection_set,
            };
            selections.push(ast::Selection::InlineFragment(Node::new(inline)));
        }
        Ok(())
    }

    /// A type condition in the source's words, within a type of its own: `None` where it always holds; no
    /// condition at all where it never does. A type that several sources share may be something at another
    /// that it never is at this one, which may not even know the word; it would refuse the whole document.
    ///
    /// Only a union can be unknown and hold nevertheless: objects name their interfaces, but not the unions
    /// that they are members of.
    fn conditions(&self, within: &Name, condition: &Name) -> Vec<Option<Name>> {
        let names = self.names;
        if let Some(condition) = names.to_source.get(condition) {
            let holds = names.overlap(within, condition);
            return if holds { vec![Some(condition.clone())] } else { Vec::new() };
        }
        let Some(union) = self.composed.schema.get_union(condition) else { return Vec::new() };
        let members: Vec<&Name> =
            union.members.iter().filter_map(|m| names.to_source.get(&m.name)).collect();
        let possible = names.possible.get(within);
        if possible.is_some_and(|objects| objects.iter().all(|object| members.contains(&object))) {
            return vec![None];
        }
        let members = members.into_iter().filter(|member| names.overlap(within, member));
        members.map(|member| Some(member.clone())).collect()
    }

    fn fragment(&mut self, name: &Name) -> Result<(), PlanError> {
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(()) };
        if self.fragments.contains_key(name) {
            return Ok(());
        }
        self.fragments.insert(name.clone(), None);
        let type_condition = self.own(fragment.type_condition()).clone();
        let made = ast::FragmentDefinition {
            name: name.clone(),
            directives: self.known_directives(&fragment.directives),
            selection_set: self.selections(&fragment.selection_set, &type_condition)?,
            type_condition,
        };
        self.fragments.insert(name.clone(), Some(made));
        Ok(())
    }

    /// Directives of a selection. What the source does not know would change the result if it did: it is
    /// refused, not dropped.
    fn directives(&mut self, list: &DirectiveList) -> Result<DirectiveList, PlanError> {
        let names = self.names;
        if let Some(unknown) = list.0.iter().find(|d| !names.knows_directive(&d.name)) {
            return Err(PlanError::Unsupported(format!(
                "directive \"@{}\" is not known to \"{}\", which answers the field that it is on",
                unknown.name, names.name
            )));
        }
        Ok(self.known_directives(list))
    }

    /// Directives of an operation, of a variable, of a fragment's definition: each source gets those that
    /// it knows, since they are said to all of them at once.
    fn known_directives(&mut self, list: &DirectiveList) -> DirectiveList {
        let names = self.names;
        let known: Vec<Node<Directive>> =
            list.0.iter().filter(|d| names.knows_directive(&d.name)).cloned().collect();
        known.iter().for_each(|directive| self.arguments(&directive.arguments));
        DirectiveList(known)
    }

    fn arguments(&mut self, arguments: &[Node<Argument>]) {
        arguments.iter().for_each(|argument| self.value(&argument.value));
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Variable(name) => {
                self.variables.insert(name.clone());
            }
            Value::List(items) => items.iter().for_each(|v| self.value(v)),
            Value::Object(fields) => fields.iter().for_each(|(_, v)| self.value(v)),
            _ => {}
        }
    }
}

/// A selection that selects nothing: a selection set must not be empty, and the response must not have
/// what nobody asked for.
fn nothing() -> ast::Selection {
    let name = Name::new_unchecked;
    let argument = Argument { name: name("if"), value: Node::new(Value::Boolean(true)) };
    let skip = Directive { name: name("skip"), arguments: vec![Node::new(argument)] };
    ast::Selection::Field(Node::new(ast::Field {
        alias: None,
        name: name("__typename"),
        arguments: Vec::new(),
        directives: DirectiveList(vec![Node::new(skip)]),
        selection_set: Vec::new(),
    }))
}
