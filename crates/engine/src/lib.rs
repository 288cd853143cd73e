//! Requests, identities, preparation and execution over sources.
//!
//! [`Engine::prepare`] turns a request into an [`Operation`]; a transport then either
//! [executes](Operation::execute) it or [subscribes](Operation::subscribe) to it. What runs live is
//! prepared again whenever the rules change: schema, permissions, limits.

mod cache;
pub mod config;
pub mod documents;
pub mod engine;
pub mod generation;
pub mod identity;
mod introspected;
pub mod operation;
pub mod request;
pub mod response;
mod running;
pub mod source;
mod subgraph;
pub mod wants;

pub use config::{EngineConfig, Introspection};
pub use documents::{Scope, StoreStats, Trusted, TrustedError, TrustedMode};
pub use engine::Engine;
pub use generation::Generation;
pub use identity::{Forwarded, Identity, SessionVariables};
pub use operation::Operation;
pub use request::{Allow, OperationKind, Request};
pub use response::{ErrorCode, ErrorExtensions, GraphQLError, Payload, ReachedLimit};
pub use source::{
    Event, Executable, Explanation, Plan, Planned, Reader, Reading, ResultStream, Source, Variables,
};
pub use wants::Wants;
