//! Parsing of documents, and the choice of an operation.

use apollo_compiler::{Node, ast, parser::Parser};

use crate::Error;

pub use ast::OperationType;

/// Limits on the size of a document.
#[derive(Clone, Copy, Debug)]
pub struct ParseLimits {
    /// Most tokens.
    pub max_tokens: usize,
    /// Deepest nesting of anything.
    pub max_depth: usize,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self { max_tokens: 15_000, max_depth: 50 }
    }
}

/// How much of something a document has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Aliases.
    pub aliases: usize,
    /// The most directives in one place.
    pub directives: usize,
}

impl Measures {
    fn see(&mut self, directives: &ast::DirectiveList) {
        self.directives = self.directives.max(directives.0.len());
    }
}

/// A parsed executable document.
#[derive(Debug)]
pub struct Document {
    pub(crate) ast: ast::Document,
}

impl Document {
    /// Parses a document. Type definitions in it are refused.
    pub fn parse(text: &str, limits: ParseLimits) -> Result<Self, Error> {
        // The parser spends several levels of recursion on one level of nesting of values and
        // selections; the exact depth is checked when the operation is bound.
        let ast = Parser::new()
            .token_limit(limits.max_tokens)
            .recursion_limit(limits.max_depth.saturating_mul(4).clamp(64, 500))
            .parse_ast(text, "query.graphql")
            .map_err(|failed| Self::parse_error(&failed.errors, limits))?;
        for definition in &ast.definitions {
            if !matches!(
                definition,
                ast::Definition::OperationDefinition(_) | ast::Definition::FragmentDefinition(_)
            ) {
                return Err(Error::validation(
                    "$.query",
                    "not a valid graphql query: only operations and fragments may be in a request",
                ));
            }
        }
        Ok(Self { ast })
    }

    fn parse_error(
        errors: &apollo_compiler::validation::DiagnosticList,
        limits: ParseLimits,
    ) -> Error {
        let first = errors.iter().next().map(|d| {
            let place = d
                .line_column_range()
                .map(|r| format!(" at line {}, column {}", r.start.line, r.start.column))
                .unwrap_or_default();
            format!("{}{place}", d.error)
        });
        let detail = first.unwrap_or_default();
        if detail.contains("token limit") {
            return Error::limit(
                "$.query",
                format!("the document has more than {} tokens", limits.max_tokens),
            );
        }
        if detail.contains("recursion limit") {
            return Error::limit(
                "$.query",
                format!("the document is nested deeper than {} levels", limits.max_depth),
            );
        }
        Error::validation("$.query", format!("not a valid graphql query: {detail}"))
    }

    /// The operation of that name, or the only one.
    pub fn operation(&self, name: Option<&str>) -> Result<&ast::OperationDefinition, Error> {
        let mut operations = self.ast.definitions.iter().filter_map(|d| match d {
            ast::Definition::OperationDefinition(op) => Some(&**op),
            _ => None,
        });
        let mut seen = std::collections::HashSet::new();
        let anonymous = operations.clone().filter(|op| op.name.is_none()).count();
        for op in operations.clone().filter_map(|op| op.name.as_ref()) {
            if !seen.insert(op.as_str()) {
                return Err(Error::validation(
                    "$",
                    format!("there can only be one operation named \"{op}\""),
                ));
            }
        }
        if anonymous > 0 && anonymous + seen.len() > 1 {
            return Err(Error::validation(
                "$",
                "an anonymous operation must be the only operation of its document",
            ));
        }
        // An empty name is what some clients send for "none".
        match name.filter(|n| !n.is_empty()) {
            Some(name) => {
                operations.find(|op| op.name.as_ref().is_some_and(|n| n == name)).ok_or_else(|| {
                    Error::validation(
                        "$",
                        format!("no such operation found in the document: \"{name}\""),
                    )
                })
            }
            None => {
                let first = operations.next().ok_or_else(|| {
                    Error::validation("$", "the document has no operation, only fragments")
                })?;
                if operations.next().is_some() {
                    return Err(Error::validation(
                        "$",
                        "exactly one operation has to be present in the document when \
                         operationName is not specified",
                    ));
                }
                Ok(first)
            }
        }
    }

    /// The document without white space and comments that mean nothing, and without `__typename`,
    /// which libraries of clients add by themselves (under an alias it stays). Documents of one normal
    /// form give the same data.
    pub fn normal(&self) -> String {
        let mut ast = self.ast.clone();
        for definition in &mut ast.definitions {
            match definition {
                ast::Definition::OperationDefinition(operation) => {
                    strip(&mut operation.make_mut().selection_set);
                }
                ast::Definition::FragmentDefinition(fragment) => {
                    strip(&mut fragment.make_mut().selection_set);
                }
                _ => {}
            }
        }
        ast.serialize().no_indent().to_string()
    }

    /// The names of an operation's root fields, those of fragments included; `None` if a fragment is not
    /// there.
    pub fn root_fields<'a>(
        &'a self,
        operation: &'a ast::OperationDefinition,
    ) -> Option<Vec<&'a str>> {
        let mut names = Vec::new();
        let mut spread = std::collections::HashSet::new();
        let mut sets = vec![&operation.selection_set];
        while let Some(set) = sets.pop() {
            for selection in set {
                match selection {
                    ast::Selection::Field(field) => names.push(field.name.as_str()),
                    ast::Selection::InlineFragment(inline) => sets.push(&inline.selection_set),
                    ast::Selection::FragmentSpread(fragment) => {
                        let name = fragment.fragment_name.as_str();
                        let fragment = self.fragment(name)?;
                        if spread.insert(name) {
                            sets.push(&fragment.selection_set);
                        }
                    }
                }
            }
        }
        Some(names)
    }

    /// The aliases of all definitions, and the most directives in one place.
    pub fn measure(&self) -> Measures {
        let mut measures = Measures::default();
        let mut sets = Vec::new();
        for definition in &self.ast.definitions {
            match definition {
                ast::Definition::OperationDefinition(operation) => {
                    measures.see(&operation.directives);
                    sets.push(&operation.selection_set);
                }
                ast::Definition::FragmentDefinition(fragment) => {
                    measures.see(&fragment.directives);
                    sets.push(&fragment.selection_set);
                }
                _ => {}
            }
        }
        while let Some(set) = sets.pop() {
            for selection in set {
                match selection {
                    ast::Selection::Field(field) => {
                        measures.see(&field.directives);
                        measures.aliases += usize::from(field.alias.is_some());
                        sets.push(&field.selection_set);
                    }
                    ast::Selection::InlineFragment(inline) => {
                        measures.see(&inline.directives);
                        sets.push(&inline.selection_set);
                    }
                    ast::Selection::FragmentSpread(spread) => measures.see(&spread.directives),
                }
            }
        }
        measures
    }

    /// The fragment of that name.
    pub(crate) fn fragment(&self, name: &str) -> Option<&ast::FragmentDefinition> {
        self.ast.definitions.iter().find_map(|d| match d {
            ast::Definition::FragmentDefinition(f) if f.name == name => Some(&**f),
            _ => None,
        })
    }
}

fn strip(selections: &mut Vec<ast::Selection>) {
    let is_typename = |selection: &ast::Selection| {
        matches!(selection, ast::Selection::Field(field)
            if field.name == "__typename" && field.alias.is_none() && field.directives.is_empty())
    };
    selections.retain(|selection| !is_typename(selection));
    for selection in selections {
        match selection {
            ast::Selection::Field(field) => strip(&mut Node::make_mut(field).selection_set),
            ast::Selection::InlineFragment(inline) => {
                strip(&mut Node::make_mut(inline).selection_set);
            }
            ast::Selection::FragmentSpread(_) => {}
        }
    }
}
