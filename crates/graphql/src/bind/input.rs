//! Input values: arguments are matched with their types.

use std::sync::Arc;

use apollo_compiler::ast;
use serde_json::Value as Json;

use super::{Binder, Scalar, ScalarSource, Use, VALUE_BYTES, Value};
use crate::{
    Error, Name,
    scalar::{ScalarKind, describe},
    schema::{Field, InputField, TypeKind, TypeRef},
};

/// What an argument or field says of the scalars in it.
#[derive(Clone, Copy)]
struct Rule {
    check: Option<ScalarKind>,
    fixed: bool,
}

impl Rule {
    fn of(input: &InputField) -> Self {
        Self { check: input.check, fixed: input.fixed }
    }
}

impl<'a> Binder<'a> {
    /// The arguments of a field.
    pub(super) fn arguments(
        &mut self,
        field: &'a ast::Field,
        definition: &Field,
        path: &str,
    ) -> Result<Vec<(Name, Value)>, Error> {
        let mut out: Vec<(Name, Value)> = Vec::with_capacity(field.arguments.len());
        for argument in &field.arguments {
            let Some((name, input)) = definition.args.get_key_value(argument.name.as_str()) else {
                return Err(Error::validation(
                    path,
                    format!("'{}' has no argument named '{}'", field.name, argument.name),
                ));
            };
            if out.iter().any(|(n, _)| n == name) {
                return Err(Error::validation(
                    path,
                    format!("argument '{name}' of field '{}' is given more than once", field.name),
                ));
            }
            let path = format!("{path}.args.{name}");
            let value = self.value(&argument.value, &input.ty, Rule::of(input), &path, 1)?;
            out.push((name.clone(), value));
        }
        for (name, input) in &definition.args {
            if input.ty.is_non_null()
                && input.default.is_none()
                && !out.iter().any(|(n, _)| n == name)
            {
                return Err(Error::validation(
                    format!("{path}.args.{name}"),
                    format!("missing required field '{name}'"),
                ));
            }
        }
        Ok(out)
    }

    /// A value in the document, for a type.
    fn value(
        &mut self,
        value: &'a ast::Value,
        ty: &TypeRef,
        rule: Rule,
        path: &str,
        depth: usize,
    ) -> Result<Value, Error> {
        self.check_depth(depth, path)?;
        if let ast::Value::Variable(name) = value {
            return self.variable(name, ty, rule, path);
        }
        if matches!(value, ast::Value::Null) {
            return null(ty, path);
        }
        match ty {
            TypeRef::NonNull(inner) => self.value(value, inner, rule, path, depth),
            TypeRef::List(item) => self.list(value, item, rule, path, depth),
            TypeRef::Named(name) => match self.kind_of(name, path)? {
                Kind::Scalar(kind) => {
                    let kind = rule.check.unwrap_or(kind);
                    let json = self.literal(value, path)?;
                    if matches!(value, ast::Value::Enum(_)) && kind != ScalarKind::Json {
                        // JSON would make a string of it.
                        return Err(Error::validation(
                            path,
                            format!(
                                "expected {} for type '{name}', but found an enum value",
                                kind.expected()
                            ),
                        ));
                    }
                    kind.check(name, &json).map_err(|m| Error::validation(path, m))?;
                    Ok(scalar(ScalarSource::Literal(json), name, kind, None, path))
                }
                Kind::Enum => match value {
                    ast::Value::Enum(v) => self.enum_value(name, v.as_str(), path),
                    other => Err(Error::validation(
                        path,
                        format!(
                            "expected an enum value for type '{name}', but found {}",
                            ast_description(other)
                        ),
                    )),
                },
                Kind::Input => {
                    let ast::Value::Object(given) = value else {
                        return Err(Error::validation(
                            path,
                            format!(
                                "expected an object for type '{name}', but found {}",
                                ast_description(value)
                            ),
                        ));
                    };
                    let mut out: Vec<(Name, Value)> = Vec::with_capacity(given.len());
                    for (key, inner) in given {
                        let path = format!("{path}.{key}");
                        let (key, input) = self.input_field(name, key.as_str(), &path)?;
                        if out.iter().any(|(k, _)| *k == key) {
                            return Err(Error::validation(
                                path,
                                format!("field '{key}' is given more than once"),
                            ));
                        }
                        let inner =
                            self.value(inner, &input.ty, Rule::of(&input), &path, depth + 1)?;
                        out.push((key, inner));
                    }
                    self.check_required(name, &out, path)?;
                    Ok(Value::Object(out))
                }
            },
        }
    }

    fn list(
        &mut self,
        value: &'a ast::Value,
        item: &TypeRef,
        rule: Rule,
        path: &str,
        depth: usize,
    ) -> Result<Value, Error> {
        if let Kind::Scalar(kind) = self.kind_of(item.base(), path)? {
            let json = match self.literal(value, path)? {
                list @ Json::Array(_) => list,
                one => Json::Array(vec![one]),
            };
            let kind = rule.check.unwrap_or(kind);
            let ty = item.base();
            let result = scalar(
                ScalarSource::Literal(json.clone()),
                ty,
                kind,
                Some(!item.is_non_null()),
                path,
            );
            if let Value::Scalar(s) = &result {
                s.check(&json)?;
            }
            return Ok(result);
        }
        let ast::Value::List(items) = value else {
            return Ok(Value::List(vec![self.value(value, item, rule, path, depth)?]));
        };
        let mut out = Vec::with_capacity(items.len());
        for (i, inner) in items.iter().enumerate() {
            out.push(self.value(inner, item, rule, &format!("{path}[{i}]"), depth + 1)?);
        }
        Ok(Value::List(out))
    }

    /// A variable where a value of a type is wanted.
    fn variable(
        &mut self,
        name: &'a apollo_compiler::Name,
        ty: &TypeRef,
        rule: Rule,
        path: &str,
    ) -> Result<Value, Error> {
        let definition = self.definition(name, path)?;
        // A nullable variable with a default that is not null may stand for a non-null type
        // (GraphQL §5.8.5).
        let has_default =
            definition.default_value.as_ref().is_some_and(|v| !matches!(**v, ast::Value::Null));
        if !compatible(&definition.ty, ty, has_default) {
            return Err(Error::validation(
                path,
                format!(
                    "variable '{name}' is declared as '{}', but used where '{ty}' is expected",
                    definition.ty
                ),
            ));
        }
        let leaf = match ty.nullable() {
            TypeRef::List(item) => (item.base(), Some(!item.is_non_null())),
            other => (other.base(), None),
        };
        if let (false, Kind::Scalar(kind)) = (rule.fixed, self.kind_of(leaf.0, path)?) {
            let (name, value) = self.use_variable(name, Use::Nullness, path)?;
            if value.is_null() {
                return null(ty, path);
            }
            let kind = rule.check.unwrap_or(kind);
            return Ok(scalar(ScalarSource::Variable(name), leaf.0, kind, leaf.1, path));
        }
        let (_, value) = self.use_variable(name, Use::Value, path)?;
        self.json(value, ty, rule, path, 1)
    }

    /// A value of a variable that was expanded, for a type.
    fn json(
        &mut self,
        value: &Json,
        ty: &TypeRef,
        rule: Rule,
        path: &str,
        depth: usize,
    ) -> Result<Value, Error> {
        self.check_depth(depth, path)?;
        if value.is_null() {
            return null(ty, path);
        }
        match ty {
            TypeRef::NonNull(inner) => self.json(value, inner, rule, path, depth),
            TypeRef::List(item) => {
                if let Kind::Scalar(kind) = self.kind_of(item.base(), path)? {
                    let list = match value {
                        list @ Json::Array(_) => list.clone(),
                        one => Json::Array(vec![one.clone()]),
                    };
                    let result = scalar(
                        ScalarSource::Literal(list.clone()),
                        item.base(),
                        rule.check.unwrap_or(kind),
                        Some(!item.is_non_null()),
                        path,
                    );
                    if let Value::Scalar(s) = &result {
                        s.check(&list)?;
                    }
                    return Ok(result);
                }
                let Json::Array(items) = value else {
                    return Ok(Value::List(vec![self.json(value, item, rule, path, depth)?]));
                };
                let mut out = Vec::with_capacity(items.len());
                for (i, inner) in items.iter().enumerate() {
                    out.push(self.json(inner, item, rule, &format!("{path}[{i}]"), depth + 1)?);
                }
                Ok(Value::List(out))
            }
            TypeRef::Named(name) => match self.kind_of(name, path)? {
                Kind::Scalar(kind) => {
                    let kind = rule.check.unwrap_or(kind);
                    kind.check(name, value).map_err(|m| Error::validation(path, m))?;
                    Ok(scalar(ScalarSource::Literal(value.clone()), name, kind, None, path))
                }
                Kind::Enum => match value {
                    Json::String(v) => self.enum_value(name, v, path),
                    other => Err(Error::validation(
                        path,
                        format!(
                            "expected an enum value for type '{name}', but found {}",
                            describe(other)
                        ),
                    )),
                },
                Kind::Input => {
                    let Json::Object(given) = value else {
                        return Err(Error::validation(
                            path,
                            format!(
                                "expected an object for type '{name}', but found {}",
                                describe(value)
                            ),
                        ));
                    };
                    let mut out = Vec::with_capacity(given.len());
                    for (key, inner) in given {
                        let path = format!("{path}.{key}");
                        let (key, input) = self.input_field(name, key, &path)?;
                        let inner =
                            self.json(inner, &input.ty, Rule::of(&input), &path, depth + 1)?;
                        out.push((key, inner));
                    }
                    self.check_required(name, &out, path)?;
                    Ok(Value::Object(out))
                }
            },
        }
    }

    /// A literal as JSON, with variables in it replaced by their values.
    fn literal(&mut self, value: &'a ast::Value, path: &str) -> Result<Json, Error> {
        let mut failed = None;
        let json =
            literal_json(value, &mut |name| match self.use_variable(name, Use::Value, path) {
                Ok((_, value)) => Some(value.clone()),
                Err(error) => {
                    failed.get_or_insert(error);
                    None
                }
            });
        json.ok_or_else(|| failed.unwrap_or_else(|| Error::validation(path, "not a valid value")))
    }

    fn definition(
        &self,
        name: &apollo_compiler::Name,
        path: &str,
    ) -> Result<&'a ast::VariableDefinition, Error> {
        self.definitions
            .get(name.as_str())
            .copied()
            .ok_or_else(|| Error::validation(path, format!("unbound variable \"{name}\"")))
    }

    /// The value of a variable (null if it was not given), noted in the shape. A whole value is about
    /// to be copied, and counts.
    pub(super) fn use_variable(
        &mut self,
        name: &apollo_compiler::Name,
        how: Use,
        path: &str,
    ) -> Result<(Name, &'a Json), Error> {
        self.definition(name, path)?;
        let name: Name = name.as_str().into();
        self.shape.note(&name, how);
        let value = self.variables.get(&*name).unwrap_or(&Json::Null);
        if how == Use::Value {
            self.values += size(value);
            if self.values > self.limits.max_values {
                return Err(Error::limit(
                    path,
                    "the variables are too large for how they are used",
                ));
            }
        }
        Ok((name, value))
    }

    fn check_depth(&self, depth: usize, path: &str) -> Result<(), Error> {
        if depth > self.limits.max_depth {
            // The path of a value that is nested too deeply is too long to be of use.
            let short: String = path.chars().take(200).collect();
            return Err(Error::limit(
                short,
                format!("a value is nested deeper than {} levels", self.limits.max_depth),
            ));
        }
        Ok(())
    }

    fn kind_of(&self, name: &Name, path: &str) -> Result<Kind, Error> {
        match self.schema.get(name).map(|t| &t.kind) {
            Some(TypeKind::Scalar(kind)) => Ok(Kind::Scalar(*kind)),
            Some(TypeKind::Enum(_)) => Ok(Kind::Enum),
            Some(TypeKind::Input(_)) => Ok(Kind::Input),
            Some(TypeKind::Object(_)) | None => {
                Err(Error::validation(path, format!("type '{name}' is not an input type")))
            }
        }
    }

    fn input_field(&self, ty: &Name, field: &str, path: &str) -> Result<(Name, InputField), Error> {
        if let Some(TypeKind::Input(fields)) = self.schema.get(ty).map(|t| &t.kind)
            && let Some((name, input)) = fields.get_key_value(field)
        {
            return Ok((name.clone(), input.clone()));
        }
        Err(Error::validation(path, format!("field '{field}' not found in type: '{ty}'")))
    }

    fn check_required(&self, ty: &Name, given: &[(Name, Value)], path: &str) -> Result<(), Error> {
        let Some(TypeKind::Input(fields)) = self.schema.get(ty).map(|t| &t.kind) else {
            return Ok(());
        };
        for (name, input) in fields {
            if input.ty.is_non_null()
                && input.default.is_none()
                && !given.iter().any(|(n, _)| n == name)
            {
                return Err(Error::validation(
                    format!("{path}.{name}"),
                    format!("missing required field '{name}'"),
                ));
            }
        }
        Ok(())
    }

    fn enum_value(&self, ty: &Name, value: &str, path: &str) -> Result<Value, Error> {
        let Some(TypeKind::Enum(values)) = self.schema.get(ty).map(|t| &t.kind) else {
            return Err(Error::validation(path, format!("type '{ty}' is not an enum")));
        };
        if let Some((name, _)) = values.get_key_value(value) {
            return Ok(Value::Enum(name.clone()));
        }
        let mut names: Vec<String> = values.keys().map(|v| format!("'{v}'")).collect();
        names.sort();
        let expected = match names.as_slice() {
            [one] => format!("the value {one}"),
            many => format!("one of the values [{}]", many.join(", ")),
        };
        Err(Error::validation(
            path,
            format!("expected {expected} for type '{ty}', but found '{value}'"),
        ))
    }
}

/// What a value counts, see [`BindLimits::max_values`](super::BindLimits::max_values).
fn size(value: &Json) -> usize {
    1 + match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => text.len() / VALUE_BYTES,
        Json::Array(items) => items.iter().map(size).sum(),
        Json::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() / VALUE_BYTES + size(value)).sum()
        }
    }
}

enum Kind {
    Scalar(ScalarKind),
    Enum,
    Input,
}

fn scalar(
    source: ScalarSource,
    ty: &Name,
    kind: ScalarKind,
    list: Option<bool>,
    path: &str,
) -> Value {
    Value::Scalar(Scalar { source, ty: ty.clone(), kind, list, path: Arc::from(path) })
}

fn null(ty: &TypeRef, path: &str) -> Result<Value, Error> {
    if ty.is_non_null() {
        return Err(Error::validation(
            path,
            format!("unexpected null value for type '{}'", ty.nullable()),
        ));
    }
    Ok(Value::Null)
}

/// Whether a variable of a declared type may stand where a type is wanted (GraphQL §5.8.5).
fn compatible(declared: &ast::Type, wanted: &TypeRef, has_default: bool) -> bool {
    fn inner(declared: &ast::Type, wanted: &TypeRef) -> bool {
        match (declared, wanted) {
            (ast::Type::NonNullNamed(d), TypeRef::NonNull(w)) => {
                matches!(&**w, TypeRef::Named(w) if d.as_str() == &**w)
            }
            (ast::Type::NonNullList(d), TypeRef::NonNull(w)) => {
                matches!(&**w, TypeRef::List(w) if inner(d, w))
            }
            (_, TypeRef::NonNull(_)) => false,
            (ast::Type::Named(d) | ast::Type::NonNullNamed(d), TypeRef::Named(w)) => {
                d.as_str() == &**w
            }
            (ast::Type::List(d) | ast::Type::NonNullList(d), TypeRef::List(w)) => inner(d, w),
            _ => false,
        }
    }
    if has_default && !declared.is_non_null() {
        inner(declared, wanted.nullable())
    } else {
        inner(declared, wanted)
    }
}

/// A literal as JSON; `None` if `variable` gives none for a variable in it.
pub(super) fn literal_json(
    value: &ast::Value,
    variable: &mut dyn FnMut(&apollo_compiler::Name) -> Option<Json>,
) -> Option<Json> {
    Some(match value {
        ast::Value::Null => Json::Null,
        ast::Value::Enum(name) => Json::String(name.to_string()),
        ast::Value::Variable(name) => variable(name)?,
        ast::Value::String(s) => Json::String(s.clone()),
        // Numbers keep the text they were written with.
        ast::Value::Float(f) => number(f.as_str()),
        ast::Value::Int(i) => number(i.as_str()),
        ast::Value::Boolean(b) => Json::Bool(*b),
        ast::Value::List(items) => Json::Array(
            items.iter().map(|v| literal_json(v, variable)).collect::<Option<Vec<_>>>()?,
        ),
        ast::Value::Object(fields) => Json::Object(
            fields
                .iter()
                .map(|(k, v)| Some((k.to_string(), literal_json(v, variable)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

fn number(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_owned()))
}

fn ast_description(value: &ast::Value) -> &'static str {
    match value {
        ast::Value::Null => "null",
        ast::Value::Enum(_) => "an enum value",
        ast::Value::Variable(_) => "a variable",
        ast::Value::String(_) => "a string",
        ast::Value::Float(_) => "a float",
        ast::Value::Int(_) => "an integer",
        ast::Value::Boolean(_) => "a boolean",
        ast::Value::List(_) => "a list",
        ast::Value::Object(_) => "an object",
    }
}
