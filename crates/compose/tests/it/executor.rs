//! A reference executor (section 6 of the specification) over data that is a function of the path, the
//! arguments and the type: whoever answers a field gives the same for it.

use std::collections::HashMap;

use apollo_compiler::{
    ExecutableDocument, Name, Node, Schema,
    ast::{DirectiveList, InputValueDefinition, Type},
    collections::IndexMap,
    executable::{Field, Operation, Selection, SelectionSet},
    schema::ExtendedType,
    validation::Valid,
};
use serde_json::{Map, Value, json};

use crate::values::{hash, literal};

/// How a schema is seen by the one who answers: which source a root field is of, and what the source calls
/// a type.
pub trait View {
    fn source(&self, root_field: &str) -> usize;
    /// `None`: the source has no such type.
    fn own_name(&self, source: usize, ty: &str) -> Option<String>;
}

/// The view of a source itself.
pub struct Itself(pub usize);

impl View for Itself {
    fn source(&self, _: &str) -> usize {
        self.0
    }

    fn own_name(&self, _: usize, ty: &str) -> Option<String> {
        Some(ty.to_owned())
    }
}

/// What an operation gave.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// As text, since the order of keys counts.
    pub data: String,
    /// Paths of errors, sorted.
    pub errors: Vec<String>,
}

impl Outcome {
    pub fn of_response(text: &[u8]) -> Self {
        let response: Value = serde_json::from_slice(text)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(text)));
        let errors = response["errors"].as_array().cloned().unwrap_or_default();
        let mut errors: Vec<String> = errors.iter().map(|e| e["path"].to_string()).collect();
        errors.sort();
        Self { data: response["data"].to_string(), errors }
    }
}

struct Executor<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    view: &'a dyn View,
    variables: Map<String, Value>,
    /// How many results came before this one.
    round: usize,
    errors: Vec<Value>,
}

/// A field may not be null and is: what it is in becomes null.
struct Void;

/// Executes an operation; the response as text.
pub fn execute(
    schema: &Valid<Schema>,
    view: &dyn View,
    text: &str,
    name: Option<&str>,
    variables: &Map<String, Value>,
    round: usize,
) -> String {
    let document = match ExecutableDocument::parse_and_validate(schema, text, "q") {
        Ok(document) => document,
        Err(failed) => {
            let errors: Vec<Value> = failed
                .errors
                .iter()
                .map(|e| json!({ "message": format!("{}: {text}", e.error) }))
                .collect();
            return json!({ "errors": errors }).to_string();
        }
    };
    let operation = document.operations.get(name).unwrap().clone();
    let mut values = Map::new();
    for variable in &operation.variables {
        let name = variable.name.as_str();
        match (variables.get(name), &variable.default_value) {
            (Some(value), _) => drop(values.insert(name.to_owned(), value.clone())),
            (None, Some(default)) => {
                let value = literal(default, &Map::new());
                drop(values.insert(name.to_owned(), value.unwrap()));
            }
            (None, None) => assert!(!variable.ty.is_non_null(), "${name} is missing: {text}"),
        }
    }
    // Nothing is sent that is not declared.
    for name in variables.keys() {
        assert!(operation.variables.iter().any(|v| v.name == name.as_str()), "${name}: {text}");
    }
    let mut executor = Executor {
        schema,
        document: &document,
        view,
        variables: values,
        round,
        errors: Vec::new(),
    };
    let data = executor.operation(&operation);
    let mut response = json!({ "data": data });
    if !executor.errors.is_empty() {
        response["errors"] = Value::Array(executor.errors);
    }
    response.to_string()
}

type Grouped<'a> = IndexMap<&'a Name, Vec<&'a Node<Field>>>;

impl<'a> Executor<'a> {
    fn operation(&mut self, operation: &'a Operation) -> Value {
        let root = operation.selection_set.ty.clone();
        let mut grouped = Grouped::default();
        self.collect(&root, &operation.selection_set, &mut grouped);
        let is_mutation = operation.is_mutation();
        let mut data = Map::new();
        let mut is_void = false;
        for (key, fields) in grouped {
            let source = self.view.source(&fields[0].name);
            match self.field(source, &root, &[json!(key.as_str())], &fields) {
                Ok(value) => drop(data.insert(key.to_string(), value)),
                Err(Void) => is_void = true,
            }
            // The rest of a mutation need not be executed.
            if is_void && is_mutation {
                break;
            }
        }
        if is_void { Value::Null } else { Value::Object(data) }
    }

    fn collect(&self, ty: &Name, set: &'a SelectionSet, grouped: &mut Grouped<'a>) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) if self.included(&field.directives) => {
                    grouped.entry(field.response_key()).or_default().push(field);
                }
                Selection::InlineFragment(inline)
                    if self.included(&inline.directives)
                        && inline.type_condition.as_ref().is_none_or(|c| self.applies(c, ty)) =>
                {
                    self.collect(ty, &inline.selection_set, grouped);
                }
                Selection::FragmentSpread(spread) if self.included(&spread.directives) => {
                    let fragment = &self.document.fragments[&spread.fragment_name];
                    if self.applies(fragment.type_condition(), ty) {
                        self.collect(ty, &fragment.selection_set, grouped);
                    }
                }
                _ => {}
            }
        }
    }

    fn applies(&self, condition: &Name, ty: &Name) -> bool {
        condition == ty || self.schema.is_subtype(condition, ty)
    }

    fn included(&self, directives: &DirectiveList) -> bool {
        let test = |name: &str| {
            let value = directives.get(name)?.specified_argument_by_name("if")?;
            literal(value, &self.variables)?.as_bool()
        };
        test("skip") != Some(true) && test("include") != Some(false)
    }

    fn field(
        &mut self,
        source: usize,
        parent: &Name,
        path: &[Value],
        fields: &[&'a Node<Field>],
    ) -> Result<Value, Void> {
        let field = fields[0];
        if field.name == "__typename" {
            return Ok(json!(parent.as_str()));
        }
        let arguments: Map<String, Value> = field
            .definition
            .arguments
            .iter()
            .filter_map(|definition| {
                Some((definition.name.to_string(), self.argument(field, definition)?))
            })
            .collect();
        let arguments = Value::Object(arguments).to_string();
        let ty = field.ty().clone();
        self.complete(source, &ty, path, &arguments, fields)
    }

    fn argument(&self, field: &Field, definition: &InputValueDefinition) -> Option<Value> {
        let given = field.specified_argument_by_name(&definition.name);
        let given = given.and_then(|value| literal(value, &self.variables));
        given.or_else(|| literal(definition.default_value.as_ref()?, &Map::new()))
    }

    fn fail(&mut self, path: &[Value], ty: &Type) -> Result<Value, Void> {
        self.errors.push(json!({ "message": "an error", "path": path }));
        if ty.is_non_null() { Err(Void) } else { Ok(Value::Null) }
    }

    fn complete(
        &mut self,
        source: usize,
        ty: &Type,
        path: &[Value],
        arguments: &str,
        fields: &[&'a Node<Field>],
    ) -> Result<Value, Void> {
        let place = format!("{source} {} {arguments} {}", Value::from(path.to_vec()), self.round);
        let draw = hash(&["fate", &place]) % 40;
        if draw == 0 {
            return self.fail(path, ty);
        }
        if draw < 4 && !ty.is_non_null() {
            return Ok(Value::Null);
        }
        let result = match ty {
            Type::List(inner) | Type::NonNullList(inner) => {
                let length = hash(&["length", &place]) % 4;
                let mut list = Vec::new();
                let mut is_void = false;
                for i in 0..length {
                    let path = [path, &[json!(i)]].concat();
                    match self.complete(source, inner, &path, arguments, fields) {
                        Ok(value) => list.push(value),
                        Err(Void) => is_void = true,
                    }
                }
                if is_void { Err(Void) } else { Ok(Value::Array(list)) }
            }
            Type::Named(name) | Type::NonNullNamed(name) => {
                self.named(source, name, &place, path, fields)
            }
        };
        match result {
            Err(Void) if !ty.is_non_null() => Ok(Value::Null),
            result => result,
        }
    }

    fn named(
        &mut self,
        source: usize,
        name: &Name,
        place: &str,
        path: &[Value],
        fields: &[&'a Node<Field>],
    ) -> Result<Value, Void> {
        let schema = self.schema;
        let draw = hash(&["value", place]);
        let ty = schema.types.get(name);
        Ok(match ty.unwrap_or_else(|| panic!("{name}")) {
            ExtendedType::Enum(ty) => {
                let mut values: Vec<&str> = ty.values.keys().map(Name::as_str).collect();
                values.sort_unstable();
                json!(values[usize::try_from(draw).unwrap() % values.len()])
            }
            ExtendedType::Scalar(_) => match name.as_str() {
                "Int" => json!(draw % 1000),
                "Float" => serde_json::from_str(&format!("{}.50", draw % 100)).unwrap(),
                "Boolean" => json!(draw.is_multiple_of(2)),
                // Some texts look like names of types, or like ends of strings.
                "String" | "ID" => {
                    json!(
                        ["Own0", "é\\\"}", "]", "Shared", "\n", "Own1"]
                            [usize::try_from(draw % 6).unwrap()]
                    )
                }
                _ => json!({ "__typename": "Own0", "t": ["Own1", draw % 7] }),
            },
            ExtendedType::InputObject(_) => unreachable!(),
            composite => {
                let ty = self.concrete(source, composite, draw);
                let mut grouped = Grouped::default();
                for field in fields {
                    self.collect(&ty, &field.selection_set, &mut grouped);
                }
                let mut object = Map::new();
                let mut is_void = false;
                for (key, fields) in grouped {
                    let path = [path, &[json!(key.as_str())]].concat();
                    match self.field(source, &ty, &path, &fields) {
                        Ok(value) => drop(object.insert(key.to_string(), value)),
                        Err(Void) => is_void = true,
                    }
                }
                return if is_void { Err(Void) } else { Ok(Value::Object(object)) };
            }
        })
    }

    /// One of the object types that the source has, in the order of its own names.
    fn concrete(&self, source: usize, ty: &ExtendedType, draw: u64) -> Name {
        if ty.is_object() {
            return ty.name().clone();
        }
        let is_one = |name: &&Name| {
            self.schema.get_object(name).is_some() && self.schema.is_subtype(ty.name(), name)
        };
        let names = self.schema.types.keys().filter(is_one);
        let own: HashMap<String, &Name> =
            names.filter_map(|n| Some((self.view.own_name(source, n)?, n))).collect();
        let mut sorted: Vec<_> = own.into_iter().collect();
        sorted.sort();
        sorted[usize::try_from(draw).unwrap() % sorted.len()].1.clone()
    }
}
