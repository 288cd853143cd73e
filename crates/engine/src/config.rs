//! Limits and switches of the engine.

use std::{sync::Arc, time::Duration};

use artesian_graphql::{bind::BindLimits, document::ParseLimits};

use crate::{Trusted, TrustedMode};

/// Who may read the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Introspection {
    /// Every role, except those that the metadata forbids it to.
    #[default]
    All,
    /// The administrator.
    Admin,
    /// Nobody.
    Nobody,
}

/// Limits and switches of the engine. All of them can be changed while it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Deepest nesting of selection sets and of input values.
    pub max_depth: usize,
    /// Most root fields of an operation.
    pub max_root_fields: usize,
    /// Most aliases in an operation.
    pub max_aliases: usize,
    /// Most tokens in a document.
    pub max_tokens: usize,
    /// Most directives on one field, fragment or operation.
    pub max_directives: usize,
    /// Who may read the schema. `__typename` works for all.
    pub introspection: Introspection,
    /// Whether `query { _service { sdl } }` gives the schema that a role sees, for gateways of Apollo
    /// Federation 1. It is introspection, and allowed to whom that is.
    pub federation_subgraph: bool,
    /// Whether clients may register documents and ask for them by their hash.
    pub persisted_queries: bool,
    /// Bytes of registered documents that are kept. Read at the start only.
    pub persisted_queries_bytes: usize,
    /// The longest document that is registered, in bytes. Longer ones run, but are not kept.
    pub persisted_query_max_bytes: usize,
    /// Documents that are known beforehand.
    pub trusted: Arc<Trusted>,
    /// What they are good for.
    pub trusted_mode: TrustedMode,
    /// Prepared documents that are kept, counted in KiB of text begun. Read at the start only.
    pub plan_cache_size: usize,
    /// Longest execution of a query.
    pub execution_timeout: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            max_depth: 50,
            max_root_fields: 200,
            max_aliases: 200,
            max_tokens: 15_000,
            max_directives: 20,
            introspection: Introspection::All,
            federation_subgraph: false,
            persisted_queries: true,
            persisted_queries_bytes: 8 << 20,
            persisted_query_max_bytes: 64 << 10,
            trusted: Arc::default(),
            trusted_mode: TrustedMode::Off,
            plan_cache_size: 4096,
            execution_timeout: Duration::from_secs(60),
        }
    }
}

impl EngineConfig {
    pub(crate) fn parse_limits(&self) -> ParseLimits {
        ParseLimits { max_tokens: self.max_tokens, max_depth: self.max_depth }
    }

    pub(crate) fn bind_limits(&self) -> BindLimits {
        BindLimits {
            max_depth: self.max_depth,
            max_root_fields: self.max_root_fields,
            max_aliases: self.max_aliases,
            max_directives: self.max_directives,
            ..BindLimits::default()
        }
    }
}
