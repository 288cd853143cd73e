//! A schema as a gateway of Apollo Federation 1 asks for it: `_service { sdl }` (Apollo Federation
//! subgraph specification, "Fetch service capabilities").

use apollo_compiler::{
    Name, Node, ast,
    ast::{DirectiveLocation, OperationType},
};

use crate::document::Document;

/// The field of the query root that gives the schema.
pub const SERVICE: &str = "_service";

/// What a service that is itself part of a federation adds to its schema. Each gateway adds it anew.
const MACHINERY: [&str; 5] = [SERVICE, "_entities", "_Service", "_Any", "_Entity"];

/// Why a schema cannot be given to a gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubgraphError {
    /// The text is not in the schema definition language.
    #[error("the schema cannot be read: {0}")]
    Unreadable(String),
    /// Gateways know root types by these names, and another type has it.
    #[error("the type \"{0}\" has the name that a gateway expects of a root type")]
    Name(&'static str),
}

/// The names by which gateways know root types.
fn root_name(operation: OperationType) -> &'static str {
    match operation {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

/// A schema for a gateway, from its text. Root types become `extend type Query` and so on, whatever
/// their own names, so that they can be joined with those of other services; the schema definition,
/// directives of requests and what federation has added are left out, which gateways have themselves.
///
/// # Errors
/// The text cannot be read, or a type has the name of a root that it is not.
pub fn sdl(text: &str) -> Result<String, SubgraphError> {
    let mut document = ast::Document::parse(text, "schema.graphql")
        .map_err(|failed| SubgraphError::Unreadable(failed.errors.to_string()))?;
    let roots = Roots::of(&document);
    let definitions = std::mem::take(&mut document.definitions);
    for definition in definitions {
        let kept = match definition {
            ast::Definition::SchemaDefinition(_) | ast::Definition::SchemaExtension(_) => continue,
            ast::Definition::DirectiveDefinition(directive) if is_of_requests(&directive) => {
                continue;
            }
            definition if is_machinery(&definition) => continue,
            ast::Definition::ObjectTypeDefinition(object) => roots.object(object)?,
            ast::Definition::ObjectTypeExtension(object) => roots.extension(object)?,
            other => other,
        };
        document.definitions.push(kept);
    }
    Ok(document.to_string())
}

/// Root types by their own names.
struct Roots(Vec<(ast::NamedType, OperationType)>);

impl Roots {
    fn of(document: &ast::Document) -> Self {
        let mut named = Vec::new();
        let mut is_defined = false;
        for definition in &document.definitions {
            let roots = match definition {
                ast::Definition::SchemaDefinition(schema) => {
                    is_defined = true;
                    &schema.root_operations
                }
                ast::Definition::SchemaExtension(schema) => &schema.root_operations,
                _ => continue,
            };
            named.extend(roots.iter().map(|root| (root.1.clone(), root.0)));
        }
        if !is_defined {
            // Without a definition they have the usual names (GraphQL, section 3.3.1).
            let all = [OperationType::Query, OperationType::Mutation, OperationType::Subscription];
            named.extend(all.map(|kind| (Name::new_static_unchecked(root_name(kind)), kind)));
        }
        Self(named)
    }

    fn get(&self, name: &str) -> Option<OperationType> {
        self.0.iter().find(|(root, _)| root == name).map(|(_, kind)| *kind)
    }

    fn object(
        &self,
        mut object: Node<ast::ObjectTypeDefinition>,
    ) -> Result<ast::Definition, SubgraphError> {
        let Some(kind) = self.get(&object.name) else {
            is_free(&object.name)?;
            self.rename(&mut object.make_mut().fields);
            return Ok(ast::Definition::ObjectTypeDefinition(object));
        };
        let mut extension = ast::ObjectTypeExtension {
            name: Name::new_static_unchecked(root_name(kind)),
            implements_interfaces: object.implements_interfaces.clone(),
            directives: object.directives.clone(),
            fields: without_machinery(object.fields.clone()),
        };
        self.rename(&mut extension.fields);
        Ok(ast::Definition::ObjectTypeExtension(Node::new(extension)))
    }

    fn extension(
        &self,
        mut object: Node<ast::ObjectTypeExtension>,
    ) -> Result<ast::Definition, SubgraphError> {
        let extension = object.make_mut();
        match self.get(&extension.name) {
            Some(kind) => {
                extension.name = Name::new_static_unchecked(root_name(kind));
                extension.fields = without_machinery(std::mem::take(&mut extension.fields));
            }
            None => is_free(&extension.name)?,
        }
        self.rename(&mut extension.fields);
        Ok(ast::Definition::ObjectTypeExtension(object))
    }

    /// A field may lead back to a root.
    fn rename(&self, fields: &mut [Node<ast::FieldDefinition>]) {
        for field in fields {
            let name = field.ty.inner_named_type();
            if let Some(kind) = self.get(name)
                && name != root_name(kind)
            {
                rename(&mut field.make_mut().ty, root_name(kind));
            }
        }
    }
}

fn without_machinery(
    mut fields: Vec<Node<ast::FieldDefinition>>,
) -> Vec<Node<ast::FieldDefinition>> {
    fields.retain(|field| !MACHINERY.contains(&field.name.as_str()));
    fields
}

fn is_machinery(definition: &ast::Definition) -> bool {
    definition.name().is_some_and(|name| MACHINERY.contains(&name.as_str()))
}

fn is_free(name: &str) -> Result<(), SubgraphError> {
    let all = [OperationType::Query, OperationType::Mutation, OperationType::Subscription];
    match all.map(root_name).into_iter().find(|root| *root == name) {
        Some(root) => Err(SubgraphError::Name(root)),
        None => Ok(()),
    }
}

fn rename(ty: &mut ast::Type, to: &'static str) {
    match ty {
        ast::Type::Named(name) | ast::Type::NonNullNamed(name) => {
            *name = Name::new_static_unchecked(to);
        }
        ast::Type::List(inner) | ast::Type::NonNullList(inner) => rename(inner, to),
    }
}

/// Whether a directive can stand in requests only.
fn is_of_requests(directive: &ast::DirectiveDefinition) -> bool {
    directive.locations.iter().all(|location| {
        matches!(
            location,
            DirectiveLocation::Query
                | DirectiveLocation::Mutation
                | DirectiveLocation::Subscription
                | DirectiveLocation::Field
                | DirectiveLocation::FragmentDefinition
                | DirectiveLocation::FragmentSpread
                | DirectiveLocation::InlineFragment
                | DirectiveLocation::VariableDefinition
        )
    })
}

/// Whether the operation of that name, or the only one, is a query for [`SERVICE`] and nothing else.
pub fn is_asked(document: &Document, operation: Option<&str>) -> bool {
    let Ok(operation) = document.operation(operation) else { return false };
    let name = |selection: &ast::Selection| match selection {
        ast::Selection::Field(field) => Some(field.name.clone()),
        _ => None,
    };
    let mut names = operation.selection_set.iter().map(name);
    let is_meant = |name: &Option<Name>| {
        name.as_ref().is_some_and(|name| name == SERVICE || name == "__typename")
    };
    operation.operation_type == OperationType::Query
        && names.clone().all(|name| is_meant(&name))
        && names.any(|name| name.is_some_and(|name| name == SERVICE))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::document::ParseLimits;

    #[test]
    fn roots_have_the_names_that_gateways_know_and_can_be_joined() {
        let text = r#"
            schema { query: query_root subscription: subscription_root }
            directive @live on QUERY
            directive @tag(name: String!) repeatable on OBJECT | FIELD
            "rows" type query_root { users(limit: Int = 5): [users!]! self: [query_root!]! }
            type subscription_root { users: [users!]! }
            type users @tag(name: "a") { "its id" id: Int! }
            enum order_by { asc desc }"#;
        let expected = r#"
            directive @tag(name: String!) repeatable on OBJECT | FIELD
            extend type Query { users(limit: Int = 5): [users!]! self: [Query!]! }
            extend type Subscription { users: [users!]! }
            type users @tag(name: "a") { "its id" id: Int! }
            enum order_by { asc desc }"#;
        let expected = ast::Document::parse(expected, "x").unwrap().to_string();
        assert_eq!(sdl(text).unwrap(), expected);
        // One without a definition of its schema stays what it is.
        let plain =
            "type Query { a: Int } extend type Mutation { b: Query } type users { id: Int }";
        let expected =
            "extend type Query { a: Int } extend type Mutation { b: Query } type users { id: Int }";
        let expected = ast::Document::parse(expected, "x").unwrap().to_string();
        assert_eq!(sdl(plain).unwrap(), expected);
    }

    #[test]
    fn what_another_federation_has_added_is_left_out() {
        let text = "type Query { a: Int _service: _Service! _entities(representations: [_Any!]!): [_Entity]! }
            type _Service { sdl: String } scalar _Any union _Entity = B type B { b: Int }";
        let expected = "extend type Query { a: Int } type B { b: Int }";
        let expected = ast::Document::parse(expected, "x").unwrap().to_string();
        assert_eq!(sdl(text).unwrap(), expected);
    }

    #[test]
    fn what_would_be_taken_for_a_root_is_refused() {
        let text =
            "schema { query: query_root } type query_root { a: Mutation } type Mutation { b: Int }";
        assert_eq!(sdl(text), Err(SubgraphError::Name("Mutation")));
        assert!(matches!(sdl("type {"), Err(SubgraphError::Unreadable(_))));
    }

    #[test]
    fn only_a_query_for_the_service_alone_is_one() {
        let is = |text: &str, name| {
            is_asked(&Document::parse(text, ParseLimits::default()).unwrap(), name)
        };
        assert!(is("query ServiceInfo { _service { sdl } }", None));
        assert!(is("{ a: _service { sdl __typename } __typename b: _service { sdl } }", None));
        assert!(is("query A { _service { sdl } } query B { users { id } }", Some("A")));
        for text in [
            "query A { _service { sdl } } query B { users { id } }",
            "{ _service { sdl } users { id } }",
            "{ users { id } }",
            "{ __typename }",
            "{ ...F } fragment F on Query { _service { sdl } }",
            "subscription { _service { sdl } }",
            "mutation { _service { sdl } }",
        ] {
            assert!(!is(text, None), "{text}");
        }
    }
}
