//! Random operations over a schema. Most are valid.

use std::fmt::Write;

use apollo_compiler::{
    Name, Schema,
    ast::{FieldDefinition, OperationType, Type},
    schema::ExtendedType,
};
use serde_json::{Map, Value, json};

use crate::choices::Choices;

pub struct Request {
    pub text: String,
    pub variables: Map<String, Value>,
}

struct Writer<'a, 'b> {
    choices: &'a mut Choices<'b>,
    schema: &'a Schema,
    definitions: Vec<String>,
    variables: Map<String, Value>,
    fragments: Vec<String>,
    serial: usize,
}

/// `None` if the schema has no such root.
pub fn operation(
    choices: &mut Choices<'_>,
    schema: &Schema,
    kind: OperationType,
) -> Option<Request> {
    let root = schema.root_operation(kind)?.clone();
    let mut writer = Writer {
        choices,
        schema,
        definitions: Vec::new(),
        variables: Map::new(),
        fragments: Vec::new(),
        serial: 0,
    };
    let selections = if kind == OperationType::Subscription {
        let fields: Vec<_> = writer.fields(&root);
        let field = writer.choices.of(&fields).clone();
        format!("{{ {} }}", writer.field(&field, 3))
    } else {
        writer.set(&root, 4, true)
    };
    let name = if writer.choices.one_in(2) { "Op" } else { "" };
    let definitions = if writer.definitions.is_empty() {
        String::new()
    } else {
        format!("({})", writer.definitions.join(", "))
    };
    let mut text = format!("{kind} {name}{definitions} {selections}");
    for fragment in &writer.fragments {
        let _ = write!(text, " {fragment}");
    }
    Some(Request { text, variables: writer.variables })
}

impl Writer<'_, '_> {
    fn fields(&self, ty: &Name) -> Vec<FieldDefinition> {
        let fields = match &self.schema.types[ty] {
            ExtendedType::Object(ty) => &ty.fields,
            ExtendedType::Interface(ty) => &ty.fields,
            _ => return Vec::new(),
        };
        fields.values().map(|f| FieldDefinition::clone(f)).collect()
    }

    fn next(&mut self) -> usize {
        self.serial += 1;
        self.serial
    }

    fn set(&mut self, ty: &Name, depth: usize, is_root: bool) -> String {
        let fields = self.fields(ty);
        let mut parts: Vec<String> = Vec::new();
        let count = if is_root { 1 + self.choices.below(6) } else { 1 + self.choices.below(4) };
        for _ in 0..count {
            match self.choices.below(10) {
                0 => parts.push("__typename".to_owned()),
                1 => {
                    let serial = self.next();
                    parts.push(format!("t{serial}: __typename"));
                }
                2 | 3 if depth > 0 => {
                    let condition = self.condition(ty);
                    let directive = self.directive();
                    if self.choices.one_in(2) {
                        let set = self.set(&condition, depth - 1, is_root);
                        let serial = self.next();
                        self.fragments.push(format!("fragment F{serial} on {condition} {set}"));
                        parts.push(format!("...F{serial}{directive}"));
                        if self.choices.one_in(3) {
                            parts.push(format!("...F{serial}"));
                        }
                    } else {
                        let set = self.set(&condition, depth - 1, is_root);
                        let on = if condition == *ty && self.choices.one_in(2) {
                            String::new()
                        } else {
                            format!(" on {condition}")
                        };
                        parts.push(format!("...{on}{directive} {set}"));
                    }
                }
                // The same once more, which is merged.
                4 if !parts.is_empty() => {
                    let part = self.choices.of(&parts).clone();
                    parts.push(part);
                }
                _ => {
                    if let Some(field) =
                        (!fields.is_empty()).then(|| self.choices.of(&fields).clone())
                        && (depth > 0 || self.is_leaf(&field.ty))
                    {
                        parts.push(self.field(&field, depth.saturating_sub(1)));
                        continue;
                    }
                    parts.push("__typename".to_owned());
                }
            }
        }
        format!("{{ {} }}", parts.join(" "))
    }

    fn is_leaf(&self, ty: &Type) -> bool {
        self.schema.types[ty.inner_named_type()].is_leaf()
    }

    /// A type that objects of this one can have.
    fn condition(&mut self, ty: &Name) -> Name {
        let objects = |ty: &Name| -> Vec<&Name> {
            let is_one = |n: &&Name| {
                self.schema.get_object(n).is_some() && (*n == ty || self.schema.is_subtype(ty, n))
            };
            self.schema.types.keys().filter(is_one).collect()
        };
        let own = objects(ty);
        let is_composite = |n: &&Name| {
            self.schema.types[*n].is_object()
                || self.schema.types[*n].is_interface()
                || self.schema.types[*n].is_union()
        };
        let all: Vec<Name> = self
            .schema
            .types
            .keys()
            .filter(is_composite)
            .filter(|n| objects(n).iter().any(|o| own.contains(o)))
            .cloned()
            .collect();
        if all.is_empty() { ty.clone() } else { self.choices.of(&all).clone() }
    }

    fn directive(&mut self) -> String {
        if !self.choices.one_in(4) {
            return String::new();
        }
        let word = *self.choices.of(&["skip", "include"]);
        let value = self.choices.one_in(2);
        if self.choices.one_in(2) {
            return format!(" @{word}(if: {value})");
        }
        let serial = self.next();
        if self.choices.one_in(2) {
            self.definitions.push(format!("$c{serial}: Boolean = {value}"));
        } else {
            self.definitions.push(format!("$c{serial}: Boolean!"));
            self.variables.insert(format!("c{serial}"), json!(value));
        }
        format!(" @{word}(if: $c{serial})")
    }

    fn field(&mut self, field: &FieldDefinition, depth: usize) -> String {
        let alias = if field.arguments.is_empty() && self.choices.one_in(3) {
            String::new()
        } else {
            format!("k{}: ", self.next())
        };
        let mut args = Vec::new();
        for argument in &field.arguments {
            if argument.is_required() || self.choices.one_in(2) {
                let value = self.argument(&argument.ty);
                args.push(format!("{}: {value}", argument.name));
            }
        }
        let args = if args.is_empty() { String::new() } else { format!("({})", args.join(", ")) };
        let directive = self.directive();
        let set = if self.is_leaf(&field.ty) {
            String::new()
        } else {
            let ty = field.ty.inner_named_type().clone();
            format!(" {}", self.set(&ty, depth, false))
        };
        format!("{alias}{}{args}{directive}{set}", field.name)
    }

    fn argument(&mut self, ty: &Type) -> String {
        let (text, value) = self.value(ty);
        if !self.choices.one_in(2) {
            return text;
        }
        let serial = self.next();
        if self.choices.one_in(3) {
            self.definitions.push(format!("$v{serial}: {ty} = {text}"));
            if self.choices.one_in(2) {
                return format!("$v{serial}");
            }
        } else {
            self.definitions.push(format!("$v{serial}: {ty}"));
        }
        self.variables.insert(format!("v{serial}"), value);
        format!("$v{serial}")
    }

    fn value(&mut self, ty: &Type) -> (String, Value) {
        let draw = self.choices.below(5);
        match ty {
            Type::List(inner) | Type::NonNullList(inner) => {
                let (text, value) = self.value(inner);
                (format!("[{text}]"), json!([value]))
            }
            Type::Named(name) | Type::NonNullNamed(name) => match name.as_str() {
                "Int" => (draw.to_string(), json!(draw)),
                "ID" => (format!("\"{draw}\""), json!(draw.to_string())),
                "String" => ("\"x\\\"$y\"".to_owned(), json!("x\"$y")),
                name if name.ends_with("Day") => ("TUE".to_owned(), json!("TUE")),
                name if name.ends_with("Json") => {
                    ("{a: [1, X]}".to_owned(), json!({ "a": [1, "X"] }))
                }
                name if name.ends_with("Range") => (
                    format!("{{from: {draw}, list: [\"a\"]}}"),
                    json!({ "from": draw, "list": ["a"] }),
                ),
                other => panic!("{other}"),
            },
        }
    }
}
