//! Operations that count against a limit of their identity for as long as they run.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use artesian_engine::{Event, GraphQLError, Identity, OperationKind, Payload, ResultStream};
use async_trait::async_trait;
use parking_lot::Mutex;

use super::{ClientKey, Counted, identity::IdentityKey};
use crate::Prepared;

/// One running operation of an identity.
pub(crate) struct OperationGuard {
    counted: Arc<Counted>,
    client: ClientKey,
    /// None while it is one whose operations are not counted.
    key: Mutex<Option<IdentityKey>>,
}

impl Drop for OperationGuard {
    fn drop(&mut self) {
        if let Some(key) = self.key.get_mut() {
            self.counted.operations.remove(key);
        }
    }
}

impl OperationGuard {
    /// It is counted already.
    pub(super) fn new(counted: Arc<Counted>, client: ClientKey, key: IdentityKey) -> Self {
        Self { counted, client, key: Mutex::new(Some(key)) }
    }

    /// The operation runs for another identity from now on. It counts there even if that has as many
    /// as it may: it is no new one.
    fn change_identity(&self, identity: &Identity) {
        let new = IdentityKey::new(identity, self.client);
        let mut key = self.key.lock();
        if *key == new {
            return;
        }
        if let Some(new) = &new {
            self.counted.operations.add(new.clone());
        }
        if let Some(old) = std::mem::replace(&mut *key, new) {
            self.counted.operations.remove(&old);
        }
    }

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
        Ok(Box::new(HeldResults { results, guard: self.guard.clone() }))
    }
}

struct HeldResults {
    results: Box<dyn ResultStream>,
    guard: Arc<OperationGuard>,
}

/// Whatever has a default there is passed on as well.
impl ResultStream for HeldResults {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.results.poll_next(cx)
    }

    fn conflates(&self) -> bool {
        self.results.conflates()
    }

    fn buffers(&self) -> bool {
        self.results.buffers()
    }

    fn change_identity(&mut self, identity: &Identity) -> bool {
        self.guard.change_identity(identity);
        self.results.change_identity(identity)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::{LimitsConfig, Metrics, limits::Limits};

    /// Gives the role that it runs for.
    struct Named(String);

    impl ResultStream for Named {
        fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Event>> {
            Poll::Ready(Some(Event::Result(Payload::data(self.0.clone().into()))))
        }

        fn conflates(&self) -> bool {
            false
        }

        fn change_identity(&mut self, identity: &Identity) -> bool {
            std::mem::replace(&mut self.0, identity.role.to_string()) != self.0
        }
    }

    struct Operation;

    #[async_trait]
    impl Prepared for Operation {
        fn kind(&self) -> OperationKind {
            OperationKind::Subscription
        }

        fn name(&self) -> Option<&str> {
            Some("operation")
        }

        fn is_stream(&self) -> bool {
            true
        }

        async fn execute(&self) -> Payload {
            Payload::data("once".into())
        }

        async fn subscribe(&self) -> Result<Box<dyn ResultStream>, Vec<GraphQLError>> {
            Ok(Box::new(Named("first".to_owned())))
        }
    }

    fn user(id: &str) -> Identity {
        Identity::new("user", BTreeMap::from([("x-hasura-user-id".to_owned(), id.to_owned())]))
    }

    #[tokio::test]
    async fn an_operation_that_is_counted_is_the_same_in_all_else() {
        let config = LimitsConfig { operations_per_identity: 1, ..LimitsConfig::default() };
        let limits = Limits::new(config, Duration::from_secs(1), Arc::new(Metrics::new("test")));
        let client = ClientKey::new([1, 1, 1, 1].into());
        let is_free = |identity: &Identity| {
            limits.begin_operation(identity, client).is_ok_and(|g| g.is_some())
        };
        let guard = limits.begin_operation(&user("1"), client).ok().flatten().unwrap();
        let operation = guard.hold(Box::new(Operation));
        assert_eq!(operation.kind(), OperationKind::Subscription);
        assert_eq!((operation.name(), operation.is_stream()), (Some("operation"), true));
        assert_eq!(&operation.execute().await.bytes[..], b"once");
        let mut results = operation.subscribe().await.unwrap();
        drop(operation);
        assert!(!results.conflates());
        assert!(!is_free(&user("1")) && is_free(&user("2")));
        // Its count goes with it, also to one that has its share, and to one that has no limit.
        let other = limits.begin_operation(&user("2"), client).ok().flatten().unwrap();
        assert!(results.change_identity(&user("2")));
        let Some(Event::Result(payload)) = results.next().await else { unreachable!() };
        assert_eq!(&payload.bytes[..], b"user");
        assert!(is_free(&user("1")) && !is_free(&user("2")));
        drop(other);
        assert!(!is_free(&user("2")));
        results.change_identity(&Identity::admin());
        assert!(is_free(&user("2")));
        results.change_identity(&user("3"));
        assert!(!is_free(&user("3")));
        drop(results);
        assert!(is_free(&user("3")));
    }
}
