//! What is re-run: plans, the values that distinguish cohorts, and what a
//! plan's result depends on.

use std::hash::Hash;
use std::sync::Arc;

/// The values that distinguish one cohort of a plan from another, in order.
///
/// Each is in the text form of the database; `None` is `NULL`. Two
/// subscribers share a cohort only if their plans and all of these are equal.
pub type Params = Arc<[Option<Arc<str>>]>;

/// What must change for the result of a plan to change.
///
/// Dependencies may be too broad (a needless re-run is absorbed by comparing
/// results) but never too narrow: what is missing here makes clients stale.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Dependencies {
    /// Opaque identifiers of the tables that the plan reads, for example
    /// `public.orders`. A change names its tables by the same identifiers.
    pub tables: Box<[Arc<str>]>,
    /// The result may change without a change to any table (the time of day,
    /// a foreign table, a function that cannot be seen through): the plan is
    /// also re-run at [`Config::refetch_interval`](crate::Config::refetch_interval).
    pub volatile: bool,
}

/// One query text with typed parameters and what it depends on.
///
/// Equality is the identity of the plan and must be complete: two plans that
/// are equal are re-run in one statement and share their results.
pub trait Plan: Eq + Hash + Send + Sync + 'static {
    /// What the result of this plan depends on. Must always be the same.
    fn dependencies(&self) -> &Dependencies;
}
