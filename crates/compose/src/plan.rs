//! An operation becomes one document for each source.
//!
//! What is made here depends on the document and the chosen operation alone, not on the values of
//! variables: a [`Plan`] is made once and kept. [`Plan::bind`] is what a request costs.

mod bound;
mod conditions;
mod measure;
mod root;
mod split;
mod typenames;

use std::sync::Arc;

use apollo_compiler::{
    ExecutableDocument, Name, Node, ast::OperationType, executable::Operation, parser::Parser,
    validation::Valid,
};

pub use bound::{Bound, BoundRequest};
pub(crate) use conditions::Conditions;
pub(crate) use typenames::{Key, Keys, Typenames};

use crate::{Composed, compose::LIVE, schema::first};

/// How large an operation may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanLimits {
    /// Tokens of the document. Default: 15,000.
    pub tokens: usize,
    /// Deepest nesting of fields. Default: 50.
    pub depth: usize,
    /// Fields after fragments are expanded. Default: 20,000.
    pub fields: usize,
    /// Root fields, by their keys in the response. Default: 200.
    pub root_fields: usize,
    /// Fields that read the schema, after fragments are expanded: each costs as much as the schema is
    /// large. The query of graphql-js's `getIntrospectionQuery` has fewer than 300. Default: 1,000.
    pub introspected: usize,
}

impl Default for PlanLimits {
    fn default() -> Self {
        Self { tokens: 15_000, depth: 50, fields: 20_000, root_fields: 200, introspected: 1_000 }
    }
}

/// What is wrong with a request. Nothing was asked of anybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The document, or the values of its variables, do not fit the schema.
    #[error("{0}")]
    Invalid(String),
    /// A limit of [`PlanLimits`].
    #[error("the operation has more than {limit} {what}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Something that a gateway cannot pass on.
    #[error("{0}")]
    Unsupported(String),
}

impl PlanError {
    fn within(count: usize, limit: usize, what: &'static str) -> Result<(), Self> {
        if count > limit { Err(Self::TooLarge { what, limit }) } else { Ok(()) }
    }
}

/// A document that is valid for the composed schema.
#[derive(Clone, Debug)]
pub struct Document(pub(crate) Arc<Valid<ExecutableDocument>>);

impl Composed {
    /// Parses a document and validates all of it.
    ///
    /// # Errors
    /// It is too large, or breaks a rule of the specification.
    pub fn parse(&self, text: &str, limits: &PlanLimits) -> Result<Document, PlanError> {
        let parsed = Parser::new()
            .token_limit(limits.tokens)
            // The parser spends several levels of recursion on one of nesting.
            .recursion_limit(limits.depth.saturating_mul(4).clamp(64, 500))
            .parse_executable(&self.schema, text, "query.graphql")
            .map_err(|failed| PlanError::Invalid(first(&failed.errors)))?;
        let valid = parsed.validate(&self.schema);
        let valid = valid.map_err(|failed| PlanError::Invalid(first(&failed.errors)))?;
        Ok(Document(Arc::new(valid)))
    }
}

/// What is asked of one source.
#[derive(Debug)]
pub struct SubRequest {
    /// Which source: an index into [`Composed::sources`].
    pub source: usize,
    /// The kind of operation: the plan's, but for a subscription to a live field, which is a query.
    pub kind: OperationType,
    /// The document.
    pub text: Arc<str>,
    /// The operation's name, if it has one.
    pub operation_name: Option<Arc<str>>,
    /// Its root fields by their names at the source.
    pub fields: Vec<Arc<str>>,
    /// The variables that the document declares.
    pub variables: Vec<Arc<str>>,
    /// The root fields that it answers: indices into the plan's.
    pub(crate) roots: Vec<usize>,
    /// Where names of types are in its results, if they must be turned back.
    pub(crate) typenames: Option<Typenames>,
}

/// A root field of an operation, once for each key of the response.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) key: Arc<str>,
    pub(crate) name: Arc<str>,
    /// As the key of a JSON object, in quotes.
    pub(crate) quoted: Arc<str>,
    pub(crate) is_non_null: bool,
    pub(crate) owner: Owner,
    /// Whether it is asked for at all.
    pub(crate) when: Conditions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A source: an index into the plan's requests.
    Request(usize),
    /// The schema.
    Schema,
}

/// How an operation is answered.
#[derive(Debug)]
pub struct Plan {
    pub(crate) composed: Arc<Composed>,
    pub(crate) document: Document,
    pub(crate) operation: Node<Operation>,
    pub(crate) roots: Vec<Root>,
    pub(crate) requests: Vec<SubRequest>,
}

impl Plan {
    /// Plans the operation of that name, or the only one.
    ///
    /// # Errors
    /// There is no such operation; it is too large; it needs what cannot be passed on.
    pub fn new(
        composed: Arc<Composed>,
        document: Document,
        operation: Option<&str>,
        limits: &PlanLimits,
    ) -> Result<Self, PlanError> {
        let name = operation.filter(|name| !name.is_empty());
        let operation = document.0.operations.get(name);
        let operation =
            operation.map_err(|error| PlanError::Invalid(error.message().to_string()))?.clone();
        measure::check(&document.0, &operation, limits)?;
        let (roots, requests) = root::plan(&composed, &document.0, &operation, limits)?;
        Ok(Self { composed, document, operation, roots, requests })
    }

    /// Query, mutation or subscription.
    pub fn kind(&self) -> OperationType {
        self.operation.operation_type
    }

    /// The operation's name.
    pub fn name(&self) -> Option<Arc<str>> {
        self.operation.name.as_ref().map(shared)
    }

    /// Whether the operation carries `@live`.
    pub fn is_live(&self) -> bool {
        self.operation.directives.has(LIVE)
    }

    /// The root field by which the operation reads the schema, if there is one.
    pub fn introspects(&self) -> Option<&str> {
        let of_schema = |root: &&Root| root.owner == Owner::Schema && &*root.name != "__typename";
        self.roots.iter().find(of_schema).map(|root| &*root.name)
    }

    /// What is asked, one for each source; of a mutation one for each change of source, in order. A
    /// subscription has exactly one.
    pub fn requests(&self) -> &[SubRequest] {
        &self.requests
    }

    /// The name of a request's source.
    pub fn source_name(&self, request: &SubRequest) -> &Arc<str> {
        static NOBODY: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(|| "".into());
        self.composed.sources.get(request.source).map_or(&NOBODY, |source| &source.name)
    }
}

/// A name that many hold.
pub(crate) fn shared(name: &Name) -> Arc<str> {
    name.to_cloned_arc().unwrap_or_else(|| name.as_str().into())
}

#[cfg(test)]
mod tests;
