//! Statements as live-query plans.

use std::sync::Arc;

use artesian_live::{Dependencies, Failure, Fault, Params, Plan, Refetch};
use artesian_sql::Statement;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, Shared};
use parking_lot::Mutex;

use crate::{Backend, BackendError};

/// A statement with its dependencies. Both are its identity: the same statement depends on other
/// tables once a view in it was replaced.
#[derive(PartialEq, Eq, Hash)]
pub struct LivePlan {
    statement: Arc<Statement>,
    dependencies: Dependencies,
}

impl LivePlan {
    /// Finds out what a statement depends on.
    pub(crate) async fn analyse<B: Backend>(
        backend: &B,
        statement: Arc<Statement>,
    ) -> Result<Arc<Self>, BackendError> {
        let (tables, volatile) = backend.dependencies(&statement).await?;
        let volatile = volatile || statement.volatile;
        let dependencies = Dependencies { tables: tables.into(), volatile };
        Ok(Arc::new(Self { statement, dependencies }))
    }
}

impl Plan for LivePlan {
    fn dependencies(&self) -> &Dependencies {
        &self.dependencies
    }
}

type Analysed = Result<Arc<LivePlan>, BackendError>;

/// The live plan of a statement, made once for all who ask, and again after a failure.
///
/// It is made by a task of its own: who asks first may be a client that is not asked on for a while,
/// since it does not read, and nobody else must have to wait for it.
#[derive(Default)]
pub(crate) struct Analysis(Mutex<Option<Shared<BoxFuture<'static, Analysed>>>>);

impl Analysis {
    /// The plan.
    ///
    /// # Errors
    /// If the database cannot say what the statement depends on.
    pub(crate) async fn get<B: Backend>(
        &self,
        backend: &Arc<B>,
        statement: &Arc<Statement>,
    ) -> Analysed {
        let analysed = {
            let mut shared = self.0.lock();
            shared
                .get_or_insert_with(|| {
                    let (backend, statement) = (Arc::clone(backend), Arc::clone(statement));
                    let task =
                        tokio::spawn(async move { LivePlan::analyse(&*backend, statement).await });
                    let failed = || BackendError::Rejected {
                        code: "XX000".to_owned(),
                        message: "the statement could not be analysed".to_owned(),
                        detail: None,
                    };
                    task.map(move |done| done.unwrap_or_else(|_| Err(failed()))).boxed().shared()
                })
                .clone()
        };
        let result = analysed.clone().await;
        if result.is_err() {
            let mut shared = self.0.lock();
            // Unless somebody has begun again.
            if shared.as_ref().is_some_and(|other| other.ptr_eq(&analysed)) {
                *shared = None;
            }
        }
        result
    }
}

/// Runs statements for the live-query engine.
pub struct Refresher<B> {
    backend: Arc<B>,
}

impl<B> Refresher<B> {
    pub(crate) fn new(backend: Arc<B>) -> Self {
        Self { backend }
    }
}

#[async_trait]
impl<B: Backend> Refetch for Refresher<B> {
    type Plan = LivePlan;
    type Error = BackendError;

    async fn refetch(
        &self,
        plan: &Arc<LivePlan>,
        batch: &[Params],
    ) -> Result<Vec<Bytes>, Failure<BackendError>> {
        // One cohort runs the plain statement, which the planner knows best.
        let result = match batch {
            [one] => self.backend.fetch(&plan.statement, one).await.map(|b| vec![b]),
            many => self.backend.fetch_batch(&plan.statement, many).await,
        };
        result.map_err(|error| match error {
            BackendError::Unavailable(_) => Failure::Unavailable(error),
            error => Failure::Rejected(error),
        })
    }

    fn fault(&self, fault: Fault) -> BackendError {
        BackendError::Rejected {
            code: "XX000".to_owned(),
            message: fault.to_string(),
            detail: None,
        }
    }
}
