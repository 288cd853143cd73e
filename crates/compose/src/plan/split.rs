//! The document for one source: what of an operation is its business, in its own words.

use std::collections::HashSet;

use apollo_compiler::{
    ExecutableDocument, Name, Node,
    ast::{self, Argument, Directive, DirectiveList, Type, Value},
    collections::IndexMap,
    executable::{Field, Operation, Selection, SelectionSet},
};

use super::{PlanError, root::Occurrence};
use crate::{compose::SourceNames, rename::Renamer};

pub(super) struct Splitter<'a> {
    names: &'a SourceNames,
    document: &'a ExecutableDocument,
    selections: Vec<ast::Selection>,
    /// Fragments that are used; `None` while one is being made.
    fragments: IndexMap<Name, Option<ast::FragmentDefinition>>,
    variables: HashSet<Name>,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(names: &'a SourceNames, document: &'a ExecutableDocument) -> Self {
        Self {
            names,
            document,
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

    /// The text, and the variables that it declares.
    pub(super) fn finish(
        mut self,
        operation: &Operation,
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
            operation_type: operation.operation_type,
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

    fn field(&mut self, field: &Field) -> Result<ast::Field, PlanError> {
        self.arguments(&field.arguments);
        let is_leaf = field.selection_set.selections.is_empty();
        let selection_set =
            if is_leaf { Vec::new() } else { self.selections(&field.selection_set)? };
        Ok(ast::Field {
            alias: field.alias.clone(),
            name: field.name.clone(),
            arguments: field.arguments.clone(),
            directives: self.directives(&field.directives)?,
            selection_set,
        })
    }

    fn selections(&mut self, set: &SelectionSet) -> Result<Vec<ast::Selection>, PlanError> {
        let mut selections = Vec::new();
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    let field = self.field(field)?;
                    selections.push(ast::Selection::Field(Node::new(field)));
                }
                Selection::InlineFragment(inline) => {
                    let Some(type_condition) =
                        self.condition(&set.ty, inline.type_condition.as_ref())
                    else {
                        continue;
                    };
                    let inline = ast::InlineFragment {
                        type_condition,
                        directives: self.directives(&inline.directives)?,
                        selection_set: self.selections(&inline.selection_set)?,
                    };
                    selections.push(ast::Selection::InlineFragment(Node::new(inline)));
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.fragment_name;
                    let Some(fragment) = self.document.fragments.get(name) else { continue };
                    if self.condition(&set.ty, Some(fragment.type_condition())).is_none() {
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

    /// A type condition in the source's words, within a type. `None`: it never holds there. A type that
    /// several sources share may be something at another that it never is at this one, which may not even
    /// know the word; it would refuse the whole document.
    fn condition(&self, within: &Name, condition: Option<&Name>) -> Option<Option<Name>> {
        let Some(condition) = condition else { return Some(None) };
        let condition = self.names.to_source.get(condition)?;
        let within = self.names.to_source.get(within)?;
        self.names.overlap(within, condition).then(|| Some(condition.clone()))
    }

    fn fragment(&mut self, name: &Name) -> Result<(), PlanError> {
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(()) };
        if self.fragments.contains_key(name) {
            return Ok(());
        }
        self.fragments.insert(name.clone(), None);
        let condition = fragment.type_condition();
        let made = ast::FragmentDefinition {
            name: name.clone(),
            type_condition: self.names.to_source.get(condition).unwrap_or(condition).clone(),
            directives: self.known_directives(&fragment.directives),
            selection_set: self.selections(&fragment.selection_set)?,
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
