//! Events of message brokers.

pub mod context;
pub mod path;
pub mod predicate;
pub mod template;
pub mod topic;
