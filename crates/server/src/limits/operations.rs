//! Operations that count against a limit of their identity for as long as they run.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use artesian_engine::{Event, GraphQLError, OperationKind, Payload, ResultStream};
use async_trait::async_trait;

use super::{Counted, identity::IdentityKey};
use crate::Prepared;

/// One running operation of an identity.
pub(crate) struct OperationGuard {
    pub(super) counted: Arc<Counted>,
    pub(super) key: IdentityKey,
}

impl Drop for OperationGuard {
    fn drop(&mut self) {
        self.counted.operations.remove(&self.key);
    }
}

impl OperationGuard {
    /// The operation is counted until it is dropped, and its results too.
    pub fn hold(self, operation: Box<dyn Prepared>) -> Box<dyn Prepared> {
        Box::new(Held { operation, guard: Arc::new(self) })
    }
}

struct Held {
    operation: Box<dyn Prepared>,
    guard: Arc<OperationGuard>,
}

#[async_trait]
impl Prepared for Held {
    fn kind(&self) -> OperationKind {
        self.operation.kind()
    }

    fn name(&self) -> Option<&str> {
        self.operation.name()
    }

    fn is_stream(&self) -> bool {
        self.operation.is_stream()
    }

    async fn execute(&self) -> Payload {
        self.operation.execute().await
    }

    async fn subscribe(&self) -> Result<Box<dyn ResultStream>, Vec<GraphQLError>> {
        let results = self.operation.subscribe().await?;
        Ok(Box::new(HeldResults { results, _guard: self.guard.clone() }))
    }
}

struct HeldResults {
    results: Box<dyn ResultStream>,
    _guard: Arc<OperationGuard>,
}

impl ResultStream for HeldResults {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.results.poll_next(cx)
    }

    fn conflates(&self) -> bool {
        self.results.conflates()
    }
}
