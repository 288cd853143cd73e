//! The result of a live operation that the schema alone answers.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use artesian_graphql::bind::Variables;

use crate::{
    ErrorCode, Event, GraphQLError, Identity, Operation, Payload, ResultStream,
    cache::Key,
    engine::{Core, Run},
    running::ended,
};

/// A stream of one result.
pub(crate) struct Introspected {
    core: Arc<Core>,
    key: Arc<Key>,
    variables: Variables,
    identity: Identity,
    /// None once it was given.
    event: Option<Event>,
}

impl Introspected {
    pub(crate) fn new(operation: &Operation, payload: Payload) -> Self {
        Self {
            core: Arc::clone(&operation.core),
            key: Arc::clone(&operation.key),
            variables: operation.variables.clone(),
            identity: operation.identity.clone(),
            event: Some(Event::Result(payload)),
        }
    }

    /// The answer to this identity, by the rules that hold now.
    fn answer(&self, identity: &Identity) -> Result<Payload, GraphQLError> {
        let entry = self.core.entry(self.key.parts())?;
        let settled = self.core.settle(&entry, &self.variables, identity)?;
        match settled.run {
            Run::Schema(answer) => Ok(answer),
            Run::Source(_) => Err(GraphQLError::new(
                ErrorCode::StartFailed,
                "the schema or the permissions have changed: subscribe again",
            )),
        }
    }
}

impl ResultStream for Introspected {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Event>> {
        Poll::Ready(self.event.take())
    }

    fn change_identity(&mut self, identity: &Identity) -> bool {
        if self.event.is_none() || self.identity.is_same(identity) {
            return false;
        }
        self.key = Arc::new(self.key.for_role(&identity.role));
        self.identity = identity.clone();
        self.event = Some(self.answer(identity).map_or_else(ended, Event::Result));
        true
    }
}
