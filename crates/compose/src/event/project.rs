//! JSON is cut to what was selected (section 6.4, "Executing Fields", without resolvers).

use apollo_compiler::{Name, Node, Schema, executable::Field, schema::ExtendedType};
use serde_json::{Map, Value as Json};

use super::EventField;

/// Deepest nesting of a message.
const MAX_DEPTH: usize = 100;

/// A value that may not be null is: what it is part of is null (section 6.4.4).
pub(super) struct Void;

pub(super) struct Projector<'a> {
    pub of: &'a EventField,
    pub errors: Vec<Json>,
    pub path: Vec<Json>,
}

impl Projector<'_> {
    fn error(&mut self, message: &str) {
        self.errors.push(serde_json::json!({
            "message": message,
            "path": self.path.clone(),
            "extensions": {"code": "no-value"},
        }));
    }

    /// The value of fields with one response key. `more` are members of its object that came otherwise.
    pub fn value(
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
