//! The live-query engine: keeps the results of queries current for any number
//! of subscribers. It knows no database and no socket.
//!
//! A [`Plan`] is a query text; a *cohort* is a plan with one set of values; the
//! subscribers of a cohort share its result. A [`ChangeFeed`] says which tables
//! changed; the engine re-runs the cohorts that read them, many in one
//! statement, through [`Refetch`], and tells subscribers if the result differs.
//!
//! What holds:
//! - every result is the answer of one statement;
//! - a change that is announced before, during or after a run is in the result
//!   of some later run, if not of this one: the newest state always arrives;
//! - each cohort has one run under way at most, so its results never go
//!   backwards;
//! - a slow subscriber skips states and costs no memory;
//! - nothing runs without subscribers.
//!
//! ```
//! use std::sync::Arc;
//! use artesian_live::{
//!     Change, Config, Dependencies, Failure, Fault, LiveEngine, NoObserver, Params, Plan,
//!     Refetch, Update,
//! };
//! use bytes::Bytes;
//!
//! #[derive(PartialEq, Eq, Hash)]
//! struct Query(Dependencies);
//! impl Plan for Query {
//!     fn dependencies(&self) -> &Dependencies {
//!         &self.0
//!     }
//! }
//!
//! struct Database;
//! #[async_trait::async_trait]
//! impl Refetch for Database {
//!     type Plan = Query;
//!     type Error = String;
//!     async fn refetch(
//!         &self,
//!         _plan: &Arc<Query>,
//!         batch: &[Params],
//!     ) -> Result<Vec<Bytes>, Failure<String>> {
//!         Ok(vec![Bytes::from_static(b"{}"); batch.len()])
//!     }
//!     fn fault(&self, fault: Fault) -> String {
//!         fault.to_string()
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let engine = LiveEngine::new(Arc::new(Database), Config::default(), Arc::new(NoObserver));
//! let orders = Query(Dependencies {
//!     tables: Box::new(["public.orders".into()]),
//!     volatile: false,
//! });
//! let mut subscription = engine.subscribe(Arc::new(orders), Arc::from([Some("7".into())]));
//! let Some(Update::Data(first)) = subscription.next().await else {
//!     panic!("no result");
//! };
//! assert_eq!(first.bytes, "{}");
//! engine.invalidate(&Change::Tables(vec!["public.orders".into()]));
//! # }
//! ```

mod cohort;
mod config;
mod engine;
mod feed;
mod flight;
mod gate;
mod index;
mod observer;
mod plan;
mod refetch;
mod scheduler;
mod subscription;

pub use config::Config;
pub use engine::LiveEngine;
pub use feed::{Change, ChangeFeed, PollFeed};
pub use observer::{NoObserver, Observer};
pub use plan::{Dependencies, Params, Plan};
pub use refetch::{Failure, Fault, Refetch};
pub use scheduler::Stats;
pub use subscription::{Snapshot, Subscription, Update};
