//! GraphQL documents, schemas, validation, introspection and SDL, without any data source.
//!
//! The parser is `apollo-compiler`'s, named in this crate only. Validation is our own: it follows a
//! [`schema::Schema`] while it walks the operation and yields a [`bind::BoundOperation`], a tree in
//! which fragments are gone, arguments are typed and every value knows its path, so that whatever
//! is wrong is reported in the words and with the path that clients of this dialect know.

pub mod bind;
pub mod document;
pub mod error;
pub mod introspection;
pub mod introspection_types;
pub mod scalar;
pub mod schema;
pub mod sdl;
pub mod subgraph;

pub use error::Error;

/// A name, shared.
pub type Name = std::sync::Arc<str>;
