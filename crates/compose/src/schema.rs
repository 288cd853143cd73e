//! A service's schema.

mod beside;
mod build;
mod difference;
mod digest;
mod introspected;
mod introspector;
mod query;
mod values;

use std::sync::Arc;

use apollo_compiler::{Schema, parser::Parser, validation::Valid};

pub(crate) use build::add_one_of;
pub use difference::Difference;
pub use digest::Digest;
pub(crate) use digest::{Fact, Facts};
pub use introspector::Introspector;

use crate::{Composed, clean};

/// How large a schema may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes of the introspection's response or of the SDL. Default: 16 MiB.
    pub bytes: usize,
    /// Types. Default: 20,000.
    pub types: usize,
    /// Fields, arguments, values of enums, members of unions, all together. Default: 500,000.
    pub members: usize,
    /// Lists and non-nulls around one type, and levels of a default value. Default: 20.
    pub depth: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { bytes: 16 << 20, types: 20_000, members: 500_000, depth: 20 }
    }
}

/// Why there is no schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A limit of [`ReadLimits`].
    #[error("the schema has more than {limit} {what}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The service does not answer introspection. Its own words.
    #[error(
        "the service refuses introspection: {0}; switch it on for the gateway, or configure an SDL file"
    )]
    Refused(String),
    /// The answer is no introspection.
    #[error("the service's answer to the introspection cannot be read: {0}")]
    Malformed(String),
    /// The schema breaks the rules of the specification.
    #[error("the schema is not valid: {0}")]
    Invalid(String),
}

/// A service's schema, valid. Directives on its definitions that say nothing to clients are left out,
/// and so are definitions of directives that no request can have.
#[derive(Clone, Debug)]
pub struct ServiceSchema {
    schema: Arc<Valid<Schema>>,
    digest: Digest,
    notes: Vec<String>,
}

impl ServiceSchema {
    /// Reads a schema in the schema definition language. Extensions of types that are not defined
    /// define them, and directives need no definition: files of federated services have both.
    ///
    /// # Errors
    /// It is too large, or not valid.
    pub fn from_sdl(text: &str, limits: &ReadLimits) -> Result<Self, SchemaError> {
        Self::new(&parsed(text, limits)?, Vec::new(), limits)
    }

    /// The same; types that it names and does not define are those of `others`, save their roots. Fields
    /// of types that `others` have not either are left out, with a note.
    ///
    /// # Errors
    /// It is too large, or not valid.
    pub fn from_sdl_beside(
        text: &str,
        others: Option<&Composed>,
        limits: &ReadLimits,
    ) -> Result<Self, SchemaError> {
        let mut schema = parsed(text, limits)?;
        if let Some(others) = others {
            beside::add(&mut schema, others);
        }
        let notes = beside::without_unknown(&mut schema);
        beside::add_query_root(&mut schema);
        Self::new(&schema, notes, limits)
    }

    /// Reads the response to an introspection query: a JSON object with `data`, or what is in `data`.
    /// Unknown members are ignored.
    ///
    /// # Errors
    /// It is too large, or no introspection, or not valid.
    pub fn from_introspection(body: &[u8], limits: &ReadLimits) -> Result<Self, SchemaError> {
        within(body.len(), limits.bytes, "bytes")?;
        let raw = introspected::read(body)?;
        let (schema, notes) = build::build(&raw, limits)?;
        Self::new(&schema, notes, limits)
    }

    fn new(schema: &Schema, notes: Vec<String>, limits: &ReadLimits) -> Result<Self, SchemaError> {
        let schema = build::normal(schema);
        within(schema.types.len(), limits.types, "types")?;
        within(build::members(&schema), limits.members, "fields, arguments and values")?;
        let schema = schema.validate().map_err(|failed| invalid(&failed.errors))?;
        let digest = Facts::of_schema(&schema).digest();
        Ok(Self { schema: Arc::new(schema), digest, notes })
    }

    /// The digest: equal for equal schemas, in whatever order they are written.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What was read with leniency, for the log.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The schema in the schema definition language.
    pub fn sdl(&self) -> String {
        self.schema.to_string()
    }

    /// What of `newer` differs from this.
    pub fn difference(&self, newer: &Self) -> Difference {
        if self.digest == newer.digest {
            return Difference::default();
        }
        Difference::between(&Facts::of_schema(&self.schema), &Facts::of_schema(&newer.schema))
    }

    pub(crate) fn valid(&self) -> &Arc<Valid<Schema>> {
        &self.schema
    }
}

/// A document, with what files of federated services leave out. Not valid yet.
fn parsed(text: &str, limits: &ReadLimits) -> Result<Schema, SchemaError> {
    within(text.len(), limits.bytes, "bytes")?;
    // Every token is at least a byte; strings and comments are one each.
    let mut builder = Schema::builder().adopt_orphan_extensions().ignore_builtin_redefinitions();
    Parser::new()
        .recursion_limit(limits.depth.saturating_mul(4).clamp(64, 500))
        .parse_into_schema_builder(text, "schema.graphql", &mut builder);
    builder.build().map_err(|failed| invalid(&failed.errors))
}

fn within(count: usize, limit: usize, what: &'static str) -> Result<(), SchemaError> {
    if count > limit { Err(SchemaError::TooLarge { what, limit }) } else { Ok(()) }
}

/// The first few faults in one line.
pub(crate) fn invalid(errors: &apollo_compiler::validation::DiagnosticList) -> SchemaError {
    SchemaError::Invalid(first(errors))
}

/// The first few faults in one line.
pub(crate) fn first(errors: &apollo_compiler::validation::DiagnosticList) -> String {
    const SHOWN: usize = 3;
    let mut texts: Vec<String> =
        errors.iter().take(SHOWN).map(|d| clean(&d.error.to_string())).collect();
    let rest = errors.len().saturating_sub(SHOWN);
    if rest > 0 {
        texts.push(format!("and {rest} more"));
    }
    texts.join("; ")
}

#[cfg(test)]
mod tests;
