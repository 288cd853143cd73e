//! One GraphQL schema from those of several sources, and operations over it.
//!
//! Nothing here does I/O: texts go in, texts come out. What asks the services is `artesian-remote`;
//! what puts both together is above them.
//!
//! | module | subject |
//! |---|---|
//! | [`schema`] | a service's schema: from introspection or from an SDL file, its digest, what changed |
//! | [`mod@compose`] | several schemas become one; who answers which root field, what is called how there |
//! | [`plan`] | an operation becomes one document for each source |
//! | [`event`] | a subscription that messages answer |
//! | [`join`] | the sources' responses become one |
//!
//! Services are not trusted: whatever a schema or a response holds, nothing panics, and everything is
//! bounded.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod compose;
pub mod event;
pub mod join;
pub mod plan;
mod rename;
pub mod schema;

pub use compose::{ComposeError, Composed, Part, Pattern, RootNames, compose, compose_as};
pub use event::{EventField, Missing, Projected};
pub use join::Answer;
pub use plan::{Bound, Document, Plan, PlanError, PlanLimits, SubRequest};
pub use schema::{Difference, Digest, Introspector, ReadLimits, SchemaError, ServiceSchema};

/// The longest text of a service's that becomes part of an error, in bytes.
const MAX_TEXT: usize = 300;

/// A text of a service's as part of an error or a note: cut, and without control characters.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::new();
    for c in text.chars() {
        if clean.len() + c.len_utf8() > MAX_TEXT {
            clean.push('…');
            break;
        }
        clean.push(if c.is_control() { ' ' } else { c });
    }
    clean.trim().to_owned()
}
