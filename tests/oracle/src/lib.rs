//! Oracles for what Artesian answers.
//!
//! A [`world::World`] is a random catalog with random rows; a [`query::Query`] is a random
//! operation on it, as GraphQL text and as a tree; [`evaluate`] answers the tree by looping over
//! rows, with nothing in common with the compiler to SQL. Everything follows from one seed, which
//! a failing test prints.

#![allow(clippy::unwrap_used, reason = "test support: a panic is the report")]

pub mod evaluate;
pub mod query;
pub mod random;
pub mod servers;
pub mod world;
