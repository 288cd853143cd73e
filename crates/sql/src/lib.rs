//! Catalog, metadata, permissions and the compiler from GraphQL to SQL, for PostgreSQL and SQLite; no I/O.
//!
//! A [`Catalog`] (what the database has) and [`metadata`] (what is wanted of it) make a
//! [`model::Model`]; the model makes a [`schema::RoleSchema`] for each role; [`compile`] turns an
//! operation that was bound to such a schema into a [`Statement`].

pub mod access;
pub mod catalog;
pub mod compile;
pub mod ir;
mod json_path;
pub mod metadata;
pub mod model;
pub mod params;
mod print;
pub mod schema;
pub mod sqlite_types;
pub mod statement;
pub mod types;

pub use catalog::{Catalog, Dialect, QualifiedName};
pub use compile::{CompileError, compile};
pub use params::{Compiled, Session};
pub use statement::{ParamType, ParamValue, Statement};
