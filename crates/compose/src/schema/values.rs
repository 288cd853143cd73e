//! Default values, which introspection gives as GraphQL text.

use apollo_compiler::{
    Node,
    ast::{Definition, Selection, Value},
    parser::Parser,
};

/// The value that a text is; `None` if it is none, or more than one thing, or holds a variable.
///
/// The text is a service's: it is parsed where only a value can stand, and the result must consist of
/// nothing else.
pub(super) fn parse(text: &str, depth: usize) -> Option<Node<Value>> {
    let document = Parser::new()
        .recursion_limit(depth.saturating_mul(4).clamp(64, 500))
        .parse_ast(format!("{{a(b:{text}\n)}}"), "default.graphql")
        .ok()?;
    let [Definition::OperationDefinition(operation)] = document.definitions.as_slice() else {
        return None;
    };
    let [Selection::Field(field)] = operation.selection_set.as_slice() else { return None };
    let [argument] = field.arguments.as_slice() else { return None };
    let is_alone = field.directives.0.is_empty()
        && field.selection_set.is_empty()
        && field.alias.is_none()
        && operation.directives.0.is_empty();
    (is_alone && is_constant(&argument.value)).then(|| argument.value.clone())
}

fn is_constant(value: &Value) -> bool {
    match value {
        Value::Variable(_) => false,
        Value::List(items) => items.iter().all(|v| is_constant(v)),
        Value::Object(fields) => fields.iter().all(|(_, v)| is_constant(v)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_nothing_else() {
        for text in ["1", "\"a\\\"b\"", "[1, {a: RED}]", "null", "{}", "-1.5e3", "1 # c"] {
            assert!(parse(text, 20).is_some(), "{text}");
        }
        for text in
            ["", "$x", "[$x]", "1, c: 2", "1) x: b(c: 1", "1){x} } { a(b:1", "{", "1 2", "[[["]
        {
            assert!(parse(text, 20).is_none(), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        assert!(parse(&deep, 20).is_none());
    }
}
