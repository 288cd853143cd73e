//! A prepared operation, and how it runs.

use std::{sync::Arc, time::Duration};

use artesian_graphql::{bind::Variables, document::OperationType};

use crate::{
    Allow, ErrorCode, Explanation, GraphQLError, Identity, OperationKind, Payload, ResultStream,
    cache::Key,
    engine::{Core, Run, Settled},
    introspected::Introspected,
    running::Running,
};

/// A prepared operation of one client.
pub struct Operation {
    pub(crate) core: Arc<Core>,
    /// Role, document and the operation's name: with variables and identity all that is needed to
    /// prepare it again.
    pub(crate) key: Arc<Key>,
    pub(crate) variables: Variables,
    pub(crate) identity: Identity,
    /// The generation by whose rules it was prepared.
    pub(crate) generation: u64,
    pub(crate) settled: Settled,
    pub(crate) is_admin: bool,
    pub(crate) timeout: Duration,
    /// Errors of execution come with `"data":null`: on sockets, where a result is a result.
    pub(crate) null_data: bool,
}

impl Operation {
    /// Query, mutation or subscription.
    pub fn kind(&self) -> OperationKind {
        match self.settled.prepared.kind {
            OperationType::Query => OperationKind::Query,
            OperationType::Mutation => OperationKind::Mutation,
            OperationType::Subscription => OperationKind::Subscription,
        }
    }

    /// The operation's name in the document.
    pub fn name(&self) -> Option<&str> {
        self.settled.prepared.name.as_deref()
    }

    /// Whether it yields a stream of results: a subscription, or a `query @live`.
    pub fn is_stream(&self) -> bool {
        self.settled.prepared.live || self.kind() == OperationKind::Subscription
    }

    pub(crate) fn check(&self, allow: Allow) -> Result<(), GraphQLError> {
        let refuse =
            |message: &str| Err(GraphQLError::new(ErrorCode::NotSupported, message.to_owned()));
        if self.is_stream() && !allow.streams {
            return refuse(
                "subscriptions and live queries need a WebSocket, or a request that accepts \
                 text/event-stream",
            );
        }
        if self.kind() == OperationKind::Mutation && !allow.mutations {
            return refuse(
                "mutations are not allowed over this transport: use POST or a WebSocket",
            );
        }
        Ok(())
    }

    /// Runs it once. Never fails: an error is a payload with `errors`.
    pub async fn execute(&self) -> Payload {
        let run = match &self.settled.run {
            Run::Source(executable) => executable.execute(),
            Run::Schema(answer) => return answer.clone(),
        };
        let error = match tokio::time::timeout(self.timeout, run).await {
            Ok(Ok(payload)) => return payload,
            Ok(Err(error)) => error,
            Err(_) => GraphQLError::new(
                ErrorCode::Timeout,
                format!("the operation took longer than {} s", self.timeout.as_secs()),
            ),
        };
        self.failure(error)
    }

    /// An error of this operation as a result.
    pub fn failure(&self, error: GraphQLError) -> Payload {
        let errors = [self.visible(error)];
        if self.null_data {
            Payload::execution_error(&errors)
        } else {
            Payload::request_error(&errors)
        }
    }

    /// Details are for the administrator, and never on a socket.
    fn visible(&self, mut error: GraphQLError) -> GraphQLError {
        if self.null_data || !self.is_admin {
            error.extensions.internal = None;
        }
        error
    }

    /// Runs it live. An error here is a request error: the operation did not start.
    ///
    /// Whenever the rules change (schema, permissions, limits), the operation is prepared again from
    /// the same request. If it is still valid it goes on by the new rules, and its client hears of
    /// it only if the result differs; otherwise it ends with [`Event::Ended`]. No result that the old
    /// rules made is given after the change. The same holds when the identity changes, see
    /// [`ResultStream::change_identity`].
    pub async fn subscribe(&self) -> Result<Box<dyn ResultStream>, Vec<GraphQLError>> {
        match &self.settled.run {
            Run::Schema(answer) => Ok(Box::new(Introspected::new(self, answer.clone()))),
            Run::Source(executable) => {
                let results = executable.subscribe().await;
                Ok(Box::new(Running::new(self, results.map_err(|e| vec![self.visible(e)])?)))
            }
        }
    }

    /// How it is answered; `None` for pure introspection.
    pub fn explain(&self) -> Option<Explanation> {
        match &self.settled.run {
            Run::Source(executable) => Some(executable.explain()),
            Run::Schema(_) => None,
        }
    }
}
