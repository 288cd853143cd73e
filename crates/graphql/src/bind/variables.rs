//! Variables and directives: what a request's values make of the operation before it is walked.

use apollo_compiler::ast;
use serde_json::Value as Json;

use super::{Binder, Use, Variables, input::literal_json};
use crate::{Error, scalar::describe, schema::TypeKind};

/// Takes away values of variables that the operation does not declare, which the specification ignores
/// (section 6.1.2) and Hasura refuses.
pub fn retain_declared(operation: &ast::OperationDefinition, values: &mut Variables) {
    values.retain(|name, _| operation.variables.iter().any(|v| v.name == name.as_str()));
}

/// Fills in defaults and refuses what the operation does not declare, or declares and misses.
///
/// A nullable variable that is not given counts as null.
pub fn complete_variables(
    operation: &ast::OperationDefinition,
    given: Variables,
) -> Result<Variables, Error> {
    let mut values = given;
    let unknown: Vec<_> = values
        .keys()
        .filter(|k| !operation.variables.iter().any(|v| v.name == k.as_str()))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(Error::validation(
            "$.variableValues",
            format!("unexpected variables in variableValues: {}", unknown.join(", ")),
        ));
    }
    for definition in &operation.variables {
        let name = definition.name.as_str();
        if !values.contains_key(name)
            && let Some(default) = &definition.default_value
        {
            let value = literal_json(default, &mut |_| None).ok_or_else(|| {
                Error::validation(
                    "$",
                    format!("the default value of variable '{name}' contains a variable"),
                )
            })?;
            values.insert(name.to_owned(), value);
        }
        if definition.ty.is_non_null() && values.get(name).is_none_or(Json::is_null) {
            return Err(Error::validation(
                "$.variableValues",
                format!("expecting a value for non-nullable variable: \"{name}\""),
            ));
        }
    }
    Ok(values)
}

impl<'a> Binder<'a> {
    /// Every declared variable has a known input type, and no two have one name.
    pub(super) fn check_variable_types(
        &self,
        operation: &'a ast::OperationDefinition,
    ) -> Result<(), Error> {
        if self.definitions.len() != operation.variables.len() {
            return Err(Error::validation("$", "a variable is declared more than once"));
        }
        for v in &operation.variables {
            let ty = v.ty.inner_named_type();
            // A type that the role does not see is refused where the variable is used, so that a
            // declaration without a use harms nobody.
            let kind = self.schema.get(ty.as_str()).map(|t| &t.kind);
            if matches!(kind, Some(TypeKind::Object(_))) {
                return Err(Error::validation(
                    "$",
                    format!("variable '{}' is of type '{ty}', which is not an input type", v.name),
                ));
            }
        }
        Ok(())
    }

    /// Directives of the operation; returns whether it is live.
    pub(super) fn operation_directives(
        &mut self,
        operation: &'a ast::OperationDefinition,
    ) -> Result<bool, Error> {
        self.check_directive_count(&operation.directives, "$")?;
        let mut live = false;
        for directive in &operation.directives.0 {
            match directive.name.as_str() {
                "live" if operation.operation_type == ast::OperationType::Query => live = true,
                "live" => {
                    return Err(Error::validation("$", "directive 'live' is for queries only"));
                }
                // Hasura's cache directive: answers are never stale here, so there is nothing to do.
                "cached" if operation.operation_type == ast::OperationType::Query => {}
                "_multiple_top_level_fields" => {}
                other => return Err(undefined_directive(other, "$")),
            }
        }
        Ok(live)
    }

    fn check_directive_count(
        &self,
        directives: &ast::DirectiveList,
        path: &str,
    ) -> Result<(), Error> {
        let limit = self.limits.max_directives;
        if directives.0.len() > limit {
            return Err(Error::limit(path, format!("more than {limit} directives in one place")));
        }
        Ok(())
    }

    /// What `@include` and `@skip` say.
    pub(super) fn included(
        &mut self,
        directives: &'a ast::DirectiveList,
        path: &str,
    ) -> Result<bool, Error> {
        self.check_directive_count(directives, path)?;
        let mut included = true;
        for (i, directive) in directives.0.iter().enumerate() {
            let name = directive.name.as_str();
            if !matches!(name, "include" | "skip") {
                return Err(undefined_directive(name, path));
            }
            if directives.0[..i].iter().any(|d| d.name == name) {
                return Err(Error::validation(
                    path,
                    format!("the directive '{name}' is used more than once"),
                ));
            }
            let [argument] = directive.arguments.as_slice() else {
                return Err(Error::validation(
                    path,
                    format!("directive '{name}' takes the one argument 'if'"),
                ));
            };
            if argument.name != "if" {
                return Err(Error::validation(
                    path,
                    format!("directive '{name}' has no argument named '{}'", argument.name),
                ));
            }
            let condition = match &*argument.value {
                ast::Value::Boolean(b) => *b,
                ast::Value::Variable(v) => {
                    let (var_name, value) = self.use_variable(v, Use::Value, path)?;
                    match value {
                        Json::Bool(b) => *b,
                        other => {
                            return Err(Error::validation(
                                path,
                                format!(
                                    "expected a boolean for variable '{var_name}', but found {}",
                                    describe(other)
                                ),
                            ));
                        }
                    }
                }
                _ => {
                    return Err(Error::validation(
                        path,
                        format!("expected a boolean for argument 'if' of directive '{name}'"),
                    ));
                }
            };
            included &= condition == (name == "include");
        }
        Ok(included)
    }
}

fn undefined_directive(name: &str, path: &str) -> Error {
    Error::validation(path, format!("directive '{name}' is not defined in the schema"))
}
