//! A subscription that messages answer: JSON is cut to what was selected, and what a message lacks is
//! asked for elsewhere.

mod project;
mod select;

use apollo_compiler::{
    ExecutableDocument, Name, Node, Schema,
    executable::{Field, Selection, SelectionSet},
    request::coerce_variable_values,
    response::JsonMap,
    schema::ExtendedType,
    validation::Valid,
};
use bytes::Bytes;
use serde_json::{Map, Value as Json};

use crate::{PlanError, ServiceSchema, clean, schema::first};

use project::{Projector, Void};
use select::{arguments, collect, json, variables_in};

/// The only field of a subscription, with the values of a request.
#[derive(Debug)]
pub struct EventField {
    schema: ServiceSchema,
    document: Valid<ExecutableDocument>,
    variables: JsonMap,
    field: Node<Field>,
    key: Name,
    arguments: Map<String, Json>,
}

/// What became of a message.
#[derive(Debug)]
pub struct Projected {
    /// A response: `{"data":…}`, with `errors` if there are any.
    pub response: Bytes,
    /// Whether there are errors.
    pub has_errors: bool,
}

/// Fields of the message's value that it has not, to be asked for elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Response keys of the fields.
    pub keys: Vec<String>,
    /// The document: a query of one field, whose response key is `value`.
    pub query: String,
    /// Variables of the document.
    pub variables: Map<String, Json>,
}

impl EventField {
    /// Reads a document that is valid for this schema, with the values of its variables.
    ///
    /// # Errors
    /// It is no subscription of one field.
    pub fn read(
        schema: &ServiceSchema,
        text: &str,
        variables: &Map<String, Json>,
    ) -> Result<Self, PlanError> {
        let invalid = |message: String| PlanError::Invalid(clean(&message));
        let document =
            ExecutableDocument::parse_and_validate(schema.valid(), text, "query.graphql")
                .map_err(|failed| invalid(first(&failed.errors)))?;
        let operation = document.operations.get(None);
        let operation = operation.map_err(|error| invalid(error.message().to_string()))?.clone();
        let given: JsonMap =
            variables.iter().map(|(k, v)| (k.as_str().into(), v.clone().into())).collect();
        let variables = coerce_variable_values(schema.valid(), &operation, &given)
            .map_err(|error| invalid(error.message().to_string()))?
            .into_inner();
        let fields = collect(&document, &[&operation.selection_set], &variables, &mut |_| true);
        let mut fields = fields.into_iter();
        let (Some((key, found)), None) = (fields.next(), fields.next()) else {
            return Err(invalid("a subscription must select exactly one field".to_owned()));
        };
        let Some(field) = found.into_iter().next().cloned() else {
            return Err(invalid("a subscription must select exactly one field".to_owned()));
        };
        let arguments = arguments(&field, &variables);
        Ok(Self { schema: schema.clone(), key: key.clone(), field, document, variables, arguments })
    }

    /// Whether both, read of one document, select the same: their variables are equal.
    pub fn selects_like(&self, other: &Self) -> bool {
        self.field.name == other.field.name && self.variables == other.variables
    }

    /// The field's name.
    pub fn name(&self) -> &str {
        &self.field.name
    }

    /// Its arguments, defaults included.
    pub fn arguments(&self) -> &Map<String, Json> {
        &self.arguments
    }

    /// What a message's value lacks of what was selected, as a query of `field` with `arguments`, which
    /// have these names and types. `None` if it lacks nothing, or is no object.
    pub fn missing(
        &self,
        value: &Json,
        field: &str,
        arguments: &[(String, String, Json)],
    ) -> Option<Missing> {
        let object = value.as_object()?;
        let ty = self.type_of(&self.field, object)?;
        let selected = self.selected(std::iter::once(&self.field), &ty);
        let lacking: Vec<_> = selected
            .iter()
            .filter(|(_, fields)| {
                fields.first().is_some_and(|f| {
                    f.name != "__typename" && !object.contains_key(f.name.as_str())
                })
            })
            .collect();
        if lacking.is_empty() {
            return None;
        }
        let (mut used, mut fragments) = (Vec::new(), Vec::new());
        let mut selection = String::new();
        for (_, fields) in &lacking {
            for found in fields {
                selection.push_str(&found.serialize().no_indent().to_string());
                selection.push(' ');
                self.look(found, &mut used, &mut fragments);
            }
        }
        let mut declared: Vec<String> = Vec::new();
        let mut passed = Vec::new();
        let mut variables = Map::new();
        for (name, ty, value) in arguments {
            declared.push(format!("$_{name}: {ty}"));
            passed.push(format!("{name}: $_{name}"));
            variables.insert(format!("_{name}"), value.clone());
        }
        let operation = self.document.operations.get(None).ok()?;
        for variable in operation.variables.iter().filter(|v| used.contains(&v.name)) {
            declared.push(format!("${}: {}", variable.name, variable.ty));
            if let Some(value) = self.variables.get(variable.name.as_str()) {
                variables.insert(variable.name.to_string(), json(value));
            }
        }
        let list = |items: &[String]| match items {
            [] => String::new(),
            items => format!("({})", items.join(", ")),
        };
        let mut query = format!(
            "query {} {{ value: {field}{} {{ {selection}}} }}",
            list(&declared),
            list(&passed)
        );
        for name in fragments {
            if let Some(fragment) = self.document.fragments.get(&name) {
                query.push(' ');
                query.push_str(&fragment.serialize().no_indent().to_string());
            }
        }
        let keys = lacking.iter().map(|(key, _)| key.to_string()).collect();
        Some(Missing { keys, query, variables })
    }

    /// Cuts a message's value to what was selected. `more` are fields by response key that were asked for
    /// elsewhere, as they are to be.
    pub fn project(&self, value: &Json, more: &Map<String, Json>, errors: Vec<Json>) -> Projected {
        let mut projector = Projector { of: self, errors, path: vec![self.key.as_str().into()] };
        let data = projector.value(&[&self.field], value, Some(more), 0);
        let data = match data {
            Ok(value) => Json::Object(Map::from_iter([(self.key.to_string(), value)])),
            Err(Void) => Json::Null,
        };
        let errors = projector.errors;
        let has_errors = !errors.is_empty();
        let mut response = Map::from_iter([("data".to_owned(), data)]);
        if has_errors {
            response.insert("errors".to_owned(), Json::Array(errors));
        }
        Projected { response: Json::Object(response).to_string().into(), has_errors }
    }

    /// The object type of a value; `None` if the message does not say which of several it is.
    fn type_of(&self, field: &Field, object: &Map<String, Json>) -> Option<Name> {
        let declared = field.definition.ty.inner_named_type();
        let schema: &Schema = self.schema.valid();
        match schema.types.get(declared)? {
            ExtendedType::Object(_) => Some(declared.clone()),
            _ => {
                let said = object.get("__typename")?.as_str()?;
                let (name, _) = schema.types.get_key_value(said)?;
                let is_it = schema.is_subtype(declared, name);
                is_it.then(|| name.clone())
            }
        }
    }

    /// The fields that are selected below these, for an object of a type, by response key.
    fn selected<'a>(
        &'a self,
        fields: impl Iterator<Item = &'a Node<Field>>,
        ty: &Name,
    ) -> Vec<(&'a Name, Vec<&'a Node<Field>>)> {
        let schema: &Schema = self.schema.valid();
        let sets: Vec<&SelectionSet> = fields.map(|field| &field.selection_set).collect();
        let mut applies = |on: &Name| on == ty || schema.is_subtype(on, ty);
        collect(&self.document, &sets, &self.variables, &mut applies)
    }

    /// The variables and fragments that a field uses.
    fn look(&self, field: &Field, used: &mut Vec<Name>, fragments: &mut Vec<Name>) {
        for argument in &field.arguments {
            variables_in(&argument.value, used);
        }
        for directive in &field.directives.0 {
            directive.arguments.iter().for_each(|a| variables_in(&a.value, used));
        }
        self.look_below(&field.selection_set, used, fragments);
    }

    fn look_below(&self, set: &SelectionSet, used: &mut Vec<Name>, fragments: &mut Vec<Name>) {
        for selection in &set.selections {
            let directives = match selection {
                Selection::Field(field) => {
                    self.look(field, used, fragments);
                    continue;
                }
                Selection::InlineFragment(inline) => {
                    self.look_below(&inline.selection_set, used, fragments);
                    &inline.directives
                }
                Selection::FragmentSpread(spread) => {
                    if !fragments.contains(&spread.fragment_name) {
                        fragments.push(spread.fragment_name.clone());
                        if let Some(fragment) = self.document.fragments.get(&spread.fragment_name) {
                            self.look_below(&fragment.selection_set, used, fragments);
                        }
                    }
                    &spread.directives
                }
            };
            for directive in &directives.0 {
                directive.arguments.iter().for_each(|a| variables_in(&a.value, used));
            }
        }
    }
}

#[cfg(test)]
mod tests;
