//! The Source over any SQL backend: parameters, execution, live queries.

pub mod backend;
pub mod errors;
pub mod live;
pub mod source;

pub use backend::{Backend, BackendError, Values};
pub use source::{Database, DatabaseConfig};
