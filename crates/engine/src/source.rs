//! What the engine asks of a source of data.

use std::{
    any::Any,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use artesian_graphql::{
    bind::BoundOperation,
    document::{Document, OperationType},
    schema::Schema,
};
use async_trait::async_trait;

use crate::{EngineConfig, Generation, GraphQLError, Identity, Payload, Wants, wants};

/// A database, a GraphQL service: anything with a schema per role.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// The schema that a role sees; `None` if it sees nothing. Not asked for if there is a
    /// [reader](Self::reader).
    fn schema(&self, role: &str) -> Option<Arc<Schema>>;

    /// What reads documents for a role in the place of the engine, where the schema has what the
    /// engine's own form has not: unions, interfaces, directives. Equal pointers are equal readers.
    fn reader(&self, _role: &str) -> Option<Arc<dyn Reader>> {
        None
    }

    /// Compiles a validated operation for a role. Cached by the engine.
    fn plan(&self, role: &str, operation: &BoundOperation) -> Result<Arc<dyn Plan>, GraphQLError>;

    /// What it wants to hear of clients beyond role and session variables.
    fn wants(&self) -> Arc<dyn Wants> {
        wants::nothing()
    }

    /// Counts the changes of its schemas and permissions. Asked for once; the source advances it
    /// after each change, so that what runs live goes on by the new rules. The default is for a
    /// source that never changes.
    fn generation(&self) -> Generation {
        Generation::default()
    }

    /// Whether it can answer now; the error says why not.
    async fn ready(&self) -> Result<(), String>;
}

/// Values of an operation's variables.
pub type Variables = serde_json::Map<String, serde_json::Value>;

/// A compiled operation, good for every value of the variables that are not part of its shape.
pub trait Plan: Send + Sync + 'static {
    /// Takes what it needs from a request. An error is a request error: a variable that does not
    /// fit, a session variable that is missing.
    fn bind(
        self: Arc<Self>,
        variables: &Variables,
        identity: &Identity,
    ) -> Result<Arc<dyn Executable>, GraphQLError>;
}

/// A plan with all that it needs of a request.
#[async_trait]
pub trait Executable: Any + Send + Sync {
    /// Runs it once.
    async fn execute(&self) -> Result<Payload, GraphQLError>;

    /// Runs it live. The first result is the current one: an operation that goes on by a new schema
    /// subscribes anew, and must not miss anything. Where there is no current one, since every result
    /// counts, see [`ResultStream::goes_on_as`].
    async fn subscribe(&self) -> Result<Box<dyn ResultStream>, GraphQLError>;

    /// What it does, for `artesian explain`.
    fn explain(&self) -> Explanation;
}

/// Reads documents by a schema of its own.
pub trait Reader: Send + Sync + 'static {
    /// Validates a document, and plans the operation of that name, or the only one. `document` is
    /// `text`, parsed within the limits. Cached by the engine.
    fn read(
        &self,
        text: &str,
        document: &Document,
        operation: Option<&str>,
        limits: &EngineConfig,
    ) -> Result<Reading, GraphQLError>;

    /// The schema in the schema definition language.
    fn sdl(&self) -> String;
}

/// What a reader makes of an operation.
pub enum Reading {
    /// The engine is to bind it by this schema, and [`Source::plan`] plans it.
    Bind(Arc<Schema>),
    /// It is planned.
    Planned(Planned),
}

/// An operation that a reader has planned.
pub struct Planned {
    /// Query, mutation or subscription.
    pub kind: OperationType,
    /// Its name in the document.
    pub name: Option<Arc<str>>,
    /// It carries `@live`.
    pub live: bool,
    /// The path of a root field that reads the schema, `$.selectionSet.__schema`, if there is one.
    pub introspects: Option<Arc<str>>,
    /// The plan.
    pub plan: Arc<dyn Plan>,
}

/// The results of a live operation. Dropping it ends the operation everywhere.
///
/// It is polled, since a future for each that waits would be most of what an idle client costs.
pub trait ResultStream: Send + 'static {
    /// What comes next; `None` when the operation has completed, after which it must not be asked
    /// again.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>>;

    /// Whether a slow reader misses nothing that matters: each result replaces those before it, and
    /// the stream gives only the latest. Otherwise every result counts, and a reader that falls too
    /// far behind must be told that it did. What becomes of such a stream when the schema changes,
    /// [`goes_on_as`](Self::goes_on_as) and [`resumes`](Self::resumes) say; by default it ends with an
    /// error then.
    fn conflates(&self) -> bool {
        true
    }

    /// Of a stream that does not [conflate](Self::conflates): whether it bounds what waits for a slow
    /// reader by itself, and ends with [`SlowConsumer`](crate::ErrorCode::SlowConsumer) then.
    fn buffers(&self) -> bool {
        false
    }

    /// Of a stream that does not [conflate](Self::conflates): whether it gives just what this would
    /// give, which the same operation has become by other rules or for another identity. It goes on
    /// then, and nothing is lost.
    fn goes_on_as(&mut self, _: &dyn Executable) -> bool {
        false
    }

    /// Of a stream that does not [conflate](Self::conflates): whether another one may take its place,
    /// although results may be lost in between.
    fn resumes(&self) -> bool {
        false
    }

    /// It has taken the place of another one, and results may have been lost in between: the next one
    /// is to say so.
    fn mark_gap(&mut self) {}

    /// The client is somebody else from now on, or the same with other rights. Once this returns,
    /// nothing more is given that was made for the identity before. The operation goes on: its next
    /// result is the new identity's, given if it differs from the last one. If the new identity may
    /// not run it, or the stream does not [conflate](Self::conflates), it ends with
    /// [`Event::Ended`].
    ///
    /// Says whether it was another identity; if so, the stream must be polled again, since nobody is
    /// woken.
    ///
    /// The streams that [`Operation::subscribe`](crate::Operation::subscribe) gives do this. Those of
    /// a [`Plan`] need not, since they are made for one identity: others take their place. The default
    /// is for them.
    fn change_identity(&mut self, _: &Identity) -> bool {
        false
    }
}

impl dyn ResultStream {
    /// What comes next; `None` when the operation has completed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

/// What a live operation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A result.
    Result(Payload),
    /// An error in place of a result; the operation goes on, and better results may follow.
    Error(GraphQLError),
    /// The operation was ended, and not by its own completion. The last event.
    Ended(Vec<GraphQLError>),
}

/// How an operation is answered.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Explanation {
    /// The source's name.
    pub source: String,
    /// Whether it is a statement of a database. Otherwise `sql` is what services are sent.
    #[serde(skip)]
    pub is_statement: bool,
    /// The statement.
    pub sql: String,
    /// The statement that re-runs many cohorts at once; empty if there is no such form.
    pub batch_sql: String,
    /// Parameter types and their values for this request.
    pub parameters: Vec<(String, Option<String>)>,
    /// Tables and views read.
    pub reads: Vec<String>,
    /// Whether it is polled as well, since changes to it cannot be seen.
    pub volatile: bool,
}
