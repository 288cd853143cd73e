//! What the transports need of the engine, as a trait, so that they can be tested on their own.

use std::sync::Arc;

use artesian_engine::{
    Allow, Engine, GraphQLError, Identity, Operation, OperationKind, Payload, Request,
    ResultStream, Wants,
};
use async_trait::async_trait;

use crate::sources::Sources;

/// Answers requests: [`Engine`], or a scripted stand-in in tests.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Validates and plans a request. The errors are request errors: nothing ran.
    fn prepare(
        &self,
        request: Request,
        identity: &Identity,
        allow: Allow,
    ) -> Result<Box<dyn Prepared>, Vec<GraphQLError>>;

    /// What is to be kept of clients' headers and payloads, since services want to hear it.
    fn wants(&self) -> Arc<dyn Wants> {
        artesian_engine::wants::nothing()
    }

    /// Whether the sources can answer; the error says why not.
    async fn ready(&self) -> Result<(), String>;

    /// Where data comes from, for the administrator; `None` as long as that is not known.
    fn sources(&self) -> Option<Arc<dyn Sources>> {
        None
    }

    /// Whether start-up is over: before it, `/healthz` says no.
    fn is_up(&self) -> bool {
        true
    }
}

/// A prepared operation of one client.
#[async_trait]
pub trait Prepared: Send + Sync + 'static {
    /// Query, mutation or subscription.
    fn kind(&self) -> OperationKind;

    /// The operation's name in the document.
    fn name(&self) -> Option<&str>;

    /// Whether it yields a stream of results.
    fn is_stream(&self) -> bool;

    /// Runs it once. An error is a payload with `errors`. Dropping the future cancels it.
    async fn execute(&self) -> Payload;

    /// Runs it live. An error here is a request error: the operation did not start.
    async fn subscribe(&self) -> Result<Box<dyn ResultStream>, Vec<GraphQLError>>;
}

#[async_trait]
impl Service for Engine {
    fn prepare(
        &self,
        request: Request,
        identity: &Identity,
        allow: Allow,
    ) -> Result<Box<dyn Prepared>, Vec<GraphQLError>> {
        Engine::prepare(self, request, identity, allow)
            .map(|operation| Box::new(operation) as Box<dyn Prepared>)
    }

    fn wants(&self) -> Arc<dyn Wants> {
        Engine::wants(self)
    }

    async fn ready(&self) -> Result<(), String> {
        Engine::ready(self).await
    }
}

#[async_trait]
impl Prepared for Operation {
    fn kind(&self) -> OperationKind {
        Operation::kind(self)
    }

    fn name(&self) -> Option<&str> {
        Operation::name(self)
    }

    fn is_stream(&self) -> bool {
        Operation::is_stream(self)
    }

    async fn execute(&self) -> Payload {
        Operation::execute(self).await
    }

    async fn subscribe(&self) -> Result<Box<dyn ResultStream>, Vec<GraphQLError>> {
        Operation::subscribe(self).await
    }
}
