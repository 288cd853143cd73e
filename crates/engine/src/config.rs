//! Limits and switches of the engine.

use std::time::Duration;

use artesian_graphql::{bind::BindLimits, document::ParseLimits};

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
            ..BindLimits::default()
        }
    }
}
