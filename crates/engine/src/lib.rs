//! Requests, identities, preparation and execution over sources.
//!
//! [`Engine::prepare`] turns a request into an [`Operation`]; a transport then either
//! [executes](Operation::execute) it or [subscribes](Operation::subscribe) to it.

mod cache;
pub mod identity;
pub mod operation;
pub mod request;
pub mod response;
pub mod source;

pub use identity::Identity;
pub use operation::{Engine, EngineConfig, Operation};
pub use request::{Allow, OperationKind, Request};
pub use response::{ErrorCode, ErrorExtensions, GraphQLError, Payload};
pub use source::{Event, Explanation, Inputs, Plan, ResultStream, Source, Variables};
