//! Conditions: `require` (who may subscribe) and `filter` (which events are passed on).
//!
//! An object names paths and what must be so about their values; everything in it must be true:
//! `{ "session.x-hasura-region": { "_eq": "{{args.region}}" }, "_not": { … } }`. A path may stand in double
//! braces, too. Operands are templates.
//!
//! As in SQL there are three truths. A missing value is `null`, and a comparison with `null` is *unknown*,
//! also `_neq` and `_nin`; `_not` of unknown is unknown. A condition holds only if it is true, so that what
//! is not known never lets anybody in. `_is_null` alone looks at `null`.

use serde_json::Value;
use thiserror::Error;

use crate::{
    context::Context,
    path::{Path, PathError, Root},
    template::{TemplateError, ValueTemplate},
};

mod compare;
mod like;
mod number;

use compare::{equal, order};
use like::Like;

/// Why an object is no condition.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{at}: {problem}")]
pub struct PredicateError {
    /// Where, e.g. `_or[1].payload.total._gt`.
    pub at: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a condition.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Problem {
    /// Another JSON type is needed here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// An operator that does not exist.
    #[error(
        "unknown operator {0:?}: expected _eq, _neq, _gt, _gte, _lt, _lte, _in, _nin, _like, _nlike, \
         _ilike, _nilike or _is_null"
    )]
    UnknownOperator(String),
    /// A key that is neither a path nor `_and`, `_or`, `_not`.
    #[error(transparent)]
    Path(#[from] PathError),
    /// An operand that is no template.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// More than 32 levels or 1,000 comparisons.
    #[error("the condition is too large")]
    TooLarge,
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test { path: Path, test: Test, operand: ValueTemplate },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    In,
    NotIn,
    Like(Like),
    NotLike(Like),
    IsNull,
}

impl Test {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "_eq" => Self::Equal,
            "_neq" => Self::NotEqual,
            "_gt" => Self::Greater,
            "_gte" => Self::GreaterOrEqual,
            "_lt" => Self::Less,
            "_lte" => Self::LessOrEqual,
            "_in" => Self::In,
            "_nin" => Self::NotIn,
            "_like" => Self::Like(Like::Exact),
            "_nlike" => Self::NotLike(Like::Exact),
            "_ilike" => Self::Like(Like::AnyCase),
            "_nilike" => Self::NotLike(Like::AnyCase),
            "_is_null" => Self::IsNull,
            _ => return None,
        })
    }

    /// What is wrong with a constant operand. Templates are looked at when they have a value.
    fn check(self, operand: &ValueTemplate) -> Result<(), Problem> {
        let ValueTemplate::Constant(value) = operand else { return self.check_template(operand) };
        match (self, value) {
            (Self::IsNull, Value::Bool(_)) | (Self::In | Self::NotIn, Value::Array(_)) => Ok(()),
            (Self::IsNull, _) => Err(Problem::Expected("true or false")),
            (Self::In | Self::NotIn, _) => Err(Problem::Expected("a list")),
            (Self::Like(_) | Self::NotLike(_), Value::String(pattern)) => {
                if like::fits(pattern) {
                    Ok(())
                } else {
                    Err(Problem::TooLarge)
                }
            }
            (Self::Like(_) | Self::NotLike(_), _) => Err(Problem::Expected("a string")),
            (_, Value::Null) => Err(Problem::Expected("a value; for null there is _is_null")),
            (Self::Equal | Self::NotEqual, _) => Ok(()),
            (_, Value::String(_) | Value::Number(_)) => Ok(()),
            _ => Err(Problem::Expected("a number or a string")),
        }
    }

    fn check_template(self, operand: &ValueTemplate) -> Result<(), Problem> {
        match (self, operand) {
            (Self::IsNull, _) => Err(Problem::Expected("true or false")),
            (Self::In | Self::NotIn, ValueTemplate::Object(_)) => Err(Problem::Expected("a list")),
            _ => Ok(()),
        }
    }
}

const DEEPEST: usize = 32;
const MOST_TESTS: usize = 1000;

struct Compiler {
    tests: usize,
}

impl Predicate {
    /// Reads a condition.
    ///
    /// # Errors
    /// It is none; the error names the place.
    pub fn compile(value: &Value) -> Result<Self, PredicateError> {
        Compiler { tests: 0 }.object(value, "", 0).map(Self)
    }

    /// Whether it is true. `false` also stands for what is not known.
    pub fn holds(&self, context: &Context<'_>) -> bool {
        self.0.evaluate(context) == Some(true)
    }

    /// Whether it is true, false or unknown.
    pub fn evaluate(&self, context: &Context<'_>) -> Option<bool> {
        self.0.evaluate(context)
    }

    /// Whether it looks at a value of this root.
    pub fn uses(&self, root: Root) -> bool {
        self.0.uses(root)
    }
}

impl Compiler {
    fn object(&mut self, value: &Value, at: &str, depth: usize) -> Result<Node, PredicateError> {
        let failed = |at: &str, problem| Err(PredicateError { at: at.to_owned(), problem });
        let Value::Object(members) = value else {
            return failed(at, Problem::Expected("an object"));
        };
        if depth == DEEPEST {
            return failed(at, Problem::TooLarge);
        }
        let mut all = Vec::new();
        for (key, value) in members {
            let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            match key.as_str() {
                "_and" => all.push(Node::All(self.list(value, &at, depth)?)),
                "_or" => all.push(Node::Any(self.list(value, &at, depth)?)),
                "_not" => all.push(Node::Not(Box::new(self.object(value, &at, depth + 1)?))),
                path => self.tests_of(path, value, &at, &mut all)?,
            }
        }
        Ok(Node::All(all))
    }

    /// The items of `_and` and `_or`. An object stands for a list of one.
    fn list(&mut self, value: &Value, at: &str, depth: usize) -> Result<Vec<Node>, PredicateError> {
        match value {
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.object(item, &format!("{at}[{index}]"), depth + 1))
                .collect(),
            Value::Object(_) => Ok(vec![self.object(value, at, depth + 1)?]),
            _ => {
                let problem = Problem::Expected("a list of objects");
                Err(PredicateError { at: at.to_owned(), problem })
            }
        }
    }

    fn tests_of(
        &mut self,
        path: &str,
        value: &Value,
        at: &str,
        all: &mut Vec<Node>,
    ) -> Result<(), PredicateError> {
        let failed = |at: &str, problem| PredicateError { at: at.to_owned(), problem };
        let bare = path.strip_prefix("{{").and_then(|path| path.strip_suffix("}}"));
        let path = Path::parse(bare.map_or(path, str::trim));
        let path = path.map_err(|error| failed(at, error.into()))?;
        let Value::Object(tests) = value else {
            return Err(failed(at, Problem::Expected("an object of operators, e.g. { _eq: … }")));
        };
        for (name, operand) in tests {
            let at = format!("{at}.{name}");
            self.tests += 1;
            if self.tests > MOST_TESTS {
                return Err(failed(&at, Problem::TooLarge));
            }
            let test = Test::named(name)
                .ok_or_else(|| failed(&at, Problem::UnknownOperator(name.clone())))?;
            let operand =
                ValueTemplate::compile(operand).map_err(|error| failed(&at, error.into()))?;
            test.check(&operand).map_err(|problem| failed(&at, problem))?;
            all.push(Node::Test { path: path.clone(), test, operand });
        }
        Ok(())
    }
}

impl Node {
    fn evaluate(&self, context: &Context<'_>) -> Option<bool> {
        match self {
            Self::All(nodes) => every(nodes.iter().map(|node| node.evaluate(context)), false),
            Self::Any(nodes) => every(nodes.iter().map(|node| node.evaluate(context)), true),
            Self::Not(node) => node.evaluate(context).map(|is_true| !is_true),
            Self::Test { path, test, operand } => {
                let value = context.look(path);
                if *test == Test::IsNull {
                    let wanted = operand.expand(context)?.as_bool()?;
                    return Some(value.is_none() == wanted);
                }
                test.apply(&*value?, &*operand.expand(context)?)
            }
        }
    }

    fn uses(&self, root: Root) -> bool {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().any(|node| node.uses(root)),
            Self::Not(node) => node.uses(root),
            Self::Test { path, operand, .. } => path.root() == root || operand.uses(root),
        }
    }
}

/// `decisive` if one is; else unknown if one is; else the other. With `false` that is *and*, with `true`
/// *or*.
fn every(truths: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for truth in truths {
        match truth {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

impl Test {
    /// Compares two values, of which neither is missing.
    fn apply(self, value: &Value, operand: &Value) -> Option<bool> {
        use std::cmp::Ordering;
        match self {
            Self::Equal => equal(value, operand),
            Self::NotEqual => equal(value, operand).map(|is_equal| !is_equal),
            Self::Greater => order(value, operand).map(Ordering::is_gt),
            Self::GreaterOrEqual => order(value, operand).map(Ordering::is_ge),
            Self::Less => order(value, operand).map(Ordering::is_lt),
            Self::LessOrEqual => order(value, operand).map(Ordering::is_le),
            Self::In | Self::NotIn => {
                let Value::Array(items) = operand else { return None };
                let found = every(items.iter().map(|item| equal(value, item)), true);
                found.map(|is_found| is_found == (self == Self::In))
            }
            Self::Like(like) => like.matches(value, operand),
            Self::NotLike(like) => like.matches(value, operand).map(|matches| !matches),
            Self::IsNull => None,
        }
    }
}

#[cfg(test)]
mod tests;
