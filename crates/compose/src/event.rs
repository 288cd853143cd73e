//! A subscription that messages answer: JSON is cut to what was selected, and what a message lacks is
//! asked for elsewhere.

use std::collections::HashMap;

use apollo_compiler::{
    ExecutableDocument, Name, Node, Schema,
    ast::{Argument, Value as Ast},
    executable::{Field, Selection, SelectionSet},
    request::coerce_variable_values,
    response::JsonMap,
    schema::ExtendedType,
    validation::Valid,
};
use bytes::Bytes;
use serde_json::{Map, Value as Json};

use crate::{PlanError, ServiceSchema, clean, schema::first};

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

/// Deepest nesting of a message.
const MAX_DEPTH: usize = 100;

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

fn variables_in(value: &Ast, used: &mut Vec<Name>) {
    match value {
        Ast::Variable(name) if !used.contains(name) => used.push(name.clone()),
        Ast::List(items) => items.iter().for_each(|item| variables_in(item, used)),
        Ast::Object(fields) => fields.iter().for_each(|(_, value)| variables_in(value, used)),
        _ => {}
    }
}

/// CollectFields (section 6.3.2).
fn collect<'a>(
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
fn arguments(field: &Field, variables: &JsonMap) -> Map<String, Json> {
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

fn json(value: &apollo_compiler::response::JsonValue) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

/// A value that may not be null is: what it is part of is null (section 6.4.4).
struct Void;

struct Projector<'a> {
    of: &'a EventField,
    errors: Vec<Json>,
    path: Vec<Json>,
}

impl Projector<'_> {
    fn error(&mut self, message: &str) {
        self.errors.push(serde_json::json!({
            "message": message,
            "path": self.path.clone(),
            "extensions": {"code": "no-value"},
        }));
    }

    /// The value of fields with one response key.
    fn value(
        &mut self,
        fields: &[&Node<Field>],
        value: &Json,
        more: Option<&Map<String, Json>>,
        depth: usize,
    ) -> Result<Json, Void> {
        let Some(field) = fields.first() else { return Ok(Json::Null) };
        let ty = field.definition.ty.clone();
        self.of_type(fields, &ty, value, more, depth)
    }

    fn of_type(
        &mut self,
        fields: &[&Node<Field>],
        ty: &apollo_compiler::ast::Type,
        value: &Json,
        more: Option<&Map<String, Json>>,
        depth: usize,
    ) -> Result<Json, Void> {
        if depth > MAX_DEPTH {
            self.error("the message is nested too deeply");
            return if ty.is_non_null() { Err(Void) } else { Ok(Json::Null) };
        }
        if ty.is_non_null() {
            let nullable = ty.clone().nullable();
            let known = self.errors.len();
            return match self.of_type(fields, &nullable, value, more, depth + 1)? {
                Json::Null => {
                    if self.errors.len() == known {
                        self.error("the message has no value for this field");
                    }
                    Err(Void)
                }
                value => Ok(value),
            };
        }
        if value.is_null() {
            return Ok(Json::Null);
        }
        if ty.is_list() {
            let Json::Array(items) = value else {
                self.error("the message has no list here");
                return Ok(Json::Null);
            };
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                self.path.push(index.into());
                let item = self.of_type(fields, ty.item_type(), item, None, depth + 1);
                self.path.pop();
                match item {
                    Ok(item) => list.push(item),
                    Err(Void) => return Ok(Json::Null),
                }
            }
            return Ok(Json::Array(list));
        }
        let is_composite = fields.iter().any(|field| !field.selection_set.selections.is_empty());
        if !is_composite {
            return Ok(self.leaf(ty.inner_named_type(), value));
        }
        Ok(self.object(fields, value, more, depth).unwrap_or(Json::Null))
    }

    /// Scalars are passed on, if they are what their type is.
    fn leaf(&mut self, ty: &Name, value: &Json) -> Json {
        let schema: &Schema = self.of.schema.valid();
        let is_fit = match ty.as_str() {
            "Int" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            "Float" => value.is_number(),
            "String" => value.is_string(),
            "Boolean" => value.is_boolean(),
            "ID" => value.is_string() || value.is_i64() || value.is_u64(),
            _ => match schema.types.get(ty) {
                Some(ExtendedType::Enum(of)) => {
                    value.as_str().is_some_and(|name| of.values.contains_key(name))
                }
                _ => true,
            },
        };
        match value {
            _ if !is_fit => {
                self.error(&format!("the message's value is no {ty}"));
                Json::Null
            }
            Json::Number(number) if ty == "ID" => Json::String(number.to_string()),
            value => value.clone(),
        }
    }

    fn object(
        &mut self,
        fields: &[&Node<Field>],
        value: &Json,
        more: Option<&Map<String, Json>>,
        depth: usize,
    ) -> Result<Json, Void> {
        let Json::Object(object) = value else {
            self.error("the message has no object here");
            return Ok(Json::Null);
        };
        let of = self.of;
        let ty = fields.first().and_then(|field| of.type_of(field, object));
        let Some(ty) = ty else {
            self.error("the message does not say with __typename of which type it is");
            return Ok(Json::Null);
        };
        let mut out = Map::new();
        for (key, found) in of.selected(fields.iter().copied(), &ty) {
            let Some(field) = found.first() else { continue };
            let value = if field.name == "__typename" {
                Json::String(ty.to_string())
            } else if let Some(value) = more.and_then(|more| more.get(key.as_str())) {
                value.clone()
            } else {
                self.path.push(key.as_str().into());
                let value = object.get(field.name.as_str()).unwrap_or(&Json::Null);
                let value = self.value(&found, value, None, depth + 1);
                self.path.pop();
                value?
            };
            out.insert(key.to_string(), value);
        }
        Ok(Json::Object(out))
    }
}

#[cfg(test)]
mod tests;
