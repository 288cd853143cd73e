//! `@skip` and `@include` on the way to a root field.
//!
//! They go to the source with the field, so that the document's text is the same for all values of the
//! variables. Here they say which fields to expect of it, and whether it need be asked at all.

use std::sync::Arc;

use apollo_compiler::{
    ast::{DirectiveList, Value},
    response::JsonMap,
};

use super::shared;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Literal(bool),
    Variable(Arc<str>),
}

/// One directive: the field is there if the test gives `wanted`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    test: Test,
    wanted: bool,
}

/// One way to a field: all conditions on it must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Way(Vec<Condition>);

impl Way {
    /// The way on through something with these directives.
    pub(super) fn through(&self, directives: &DirectiveList) -> Self {
        let mut way = self.clone();
        for directive in &directives.0 {
            let wanted = match directive.name.as_str() {
                "include" => true,
                "skip" => false,
                _ => continue,
            };
            let test = match directive.specified_argument_by_name("if").map(|v| &**v) {
                Some(Value::Boolean(value)) => Test::Literal(*value),
                Some(Value::Variable(name)) => Test::Variable(shared(name)),
                _ => continue,
            };
            way.0.push(Condition { test, wanted });
        }
        way
    }

    fn holds(&self, variables: &JsonMap) -> bool {
        self.0.iter().all(|condition| {
            let value = match &condition.test {
                Test::Literal(value) => *value,
                Test::Variable(name) => {
                    variables.get(&**name).and_then(|v| v.as_bool()).unwrap_or_default()
                }
            };
            value == condition.wanted
        })
    }
}

/// All ways to a field with their places in the operation: one of them must be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conditions(pub(super) Vec<(usize, Way)>);

impl Conditions {
    /// The place of the first way that is open, if one is. `variables` are coerced, defaults included.
    pub(super) fn first(&self, variables: &JsonMap) -> Option<usize> {
        self.0.iter().find(|(_, way)| way.holds(variables)).map(|(place, _)| *place)
    }

    /// Whether the place depends on variables.
    pub(super) fn may_move(&self) -> bool {
        self.0.len() > 1 && self.0.first().is_some_and(|(_, way)| !way.0.is_empty())
    }
}
